"""Who may connect and ask, as values; wiring makes them from the web configuration file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Tls:
    """The server's side of TLS.

    Attributes
    ----------
    client_ca_file : who signs clients' certificates; None: no certificate is asked for
    require_client : whether a client without a certificate is turned away
    allowed_sans : names of which a client's certificate must have one; empty: any
    oldest, newest : "TLS12" or "TLS13"
    cipher_suites : Go's names, best first; empty: the library's own
    """

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None
    require_client: bool = False
    allowed_sans: tuple[str, ...] = ()
    oldest: str = "TLS12"
    newest: str = "TLS13"
    cipher_suites: tuple[str, ...] = ()
    prefer_server_order: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        """The files that a context is made of."""
        named = (self.cert_file, self.key_file, self.client_ca_file)
        return tuple(file for file in named if file is not None)


@dataclass(frozen=True, slots=True)
class Access:
    """Who may connect and ask; by default everybody, without TLS.

    Attributes
    ----------
    tls : None is plain HTTP
    users : bcrypt hash by name; empty: nobody is asked for a password
    headers : of every answer, by name, in the place of ours
    file : where this stands; None: nowhere, and it never changes
    """

    tls: Tls | None = None
    users: Mapping[str, str] = field(default_factory=dict, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict)
    file: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that this was read from."""
        own = () if self.file is None else (self.file,)
        return own if self.tls is None else (*own, *self.tls.files)
