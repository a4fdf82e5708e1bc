"""Records to columns of pairs: bytes in, pairs and rejects by reason out."""

from daemon.codec.decoder import Decoder, compile_decoder
from daemon.codec.format import CANONICAL_PATHS, ENCODINGS, ROLES, Format
from daemon.codec.results import RECORD_REASONS, Decoded, Rejected

__all__ = [
    "CANONICAL_PATHS",
    "ENCODINGS",
    "RECORD_REASONS",
    "ROLES",
    "Decoded",
    "Decoder",
    "Format",
    "Rejected",
    "compile_decoder",
]
