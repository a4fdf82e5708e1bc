"""Who may connect and ask: TLS, client certificates, passwords; read again when their files change."""

from daemon.web.access.door import Door
from daemon.web.access.gate import OPEN_PATHS, Gate
from daemon.web.access.handshake import Handshake
from daemon.web.access.values import Access, Tls

__all__ = ["OPEN_PATHS", "Access", "Door", "Gate", "Handshake", "Tls"]
