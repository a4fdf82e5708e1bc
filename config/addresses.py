"""host:port, for brokers and for the address that we listen on."""

import re
from typing import Final

#: Host name, IPv4, or IPv6 in brackets; then the port.
ADDRESS_PATTERN: Final = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}$"
#: As above, and without a host: every interface.
LISTEN_PATTERN: Final = r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]*):[0-9]{1,5}$"
_HIGHEST_PORT: Final = 65_535


def split_address(text: str, *, example: str, lowest_port: int, pattern: str = ADDRESS_PATTERN) -> tuple[str, int]:
    """Split an address into host (without brackets) and port; ValueError (for people) if it is none."""
    if re.fullmatch(pattern, text) is None:
        raise ValueError(f"this is no address; write host:port, such as {example}")
    host, _, digits = text.rpartition(":")
    port = int(digits)
    if not lowest_port <= port <= _HIGHEST_PORT:
        raise ValueError(f"{port} is no port; write one from {lowest_port} to {_HIGHEST_PORT}")
    return host.strip("[]"), port
