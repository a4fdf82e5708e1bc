"""How a stream's records are written: everything that its decoding depends on, as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

Encoding = Literal["json", "msgpack", "msgpack-f32", "msgpack-f64"]
TimeUnit = Literal["auto", "s", "ms", "us", "ns"]
Scalar = str | int | float | bool

ENCODINGS: Final[tuple[Encoding, ...]] = ("json", "msgpack", "msgpack-f32", "msgpack-f64")
#: Item type of the binary arrays of an encoding; the others hold arrays as lists.
BINARY_ITEM: Final[Mapping[str, str]] = MappingProxyType({"msgpack-f32": "<f4", "msgpack-f64": "<f8"})

#: Where the canonical record holds what. A role that a format does not name is not read at all.
CANONICAL_PATHS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "log_p": "logp",
        "log_q": "logq",
        "p": "p",
        "q": "q",
        "time": "ts",
        "weight": "weight",
        "mask": "mask",
        "sampler": "sampled_from",
        "token_ids_p": "token_ids_p",
        "token_ids_q": "token_ids_q",
    }
)
#: All roles that a path may have; the canonical record knows no field for the last ones.
ROLES: Final = (*CANONICAL_PATHS, "message_mask", "drop_probability", "uniform_over")
#: The object that may hold labels which are no fields of the record itself.
LABELS_FIELD: Final = "labels"
HEADER_PREFIX: Final = "header:"


@dataclass(frozen=True, slots=True)
class Format:
    r"""The shape of a stream's records.

    A path is a field's name, or names joined by dots for objects within objects; `\.` and `\[` are a dot and a bracket
    within a name. `[0]` is one item of an array, `[]` every item, `[1:]` every item but the first: the field's value is
    then the array of what the items hold, and with two of them an array of arrays, each inner one a message. An item
    that is null or does not hold the field is null; the field is absent where no item holds it, or the array is null
    or not there.
    Unknown fields are ignored; of a field that is there twice, the last one counts.

    Attributes
    ----------
    encoding : "json", "msgpack", "msgpack-f32" or "msgpack-f64"
        The last two hold log_p, log_q, p and q as `bin`: little-endian arrays of that type.
    paths : mapping of str to str
        By role, of ROLES: log-probabilities log_p and log_q, or probabilities p and q (used only where a record has no
        pair of log-probabilities); time, weight, mask, sampler, token_ids_p, token_ids_q; message_mask, one 0 or 1 for
        each message of a packed record; drop_probability, the chance that the record would have been left out of the
        log, so that it weighs 1 / (1 - it); uniform_over, an array with one item per possible outcome, where the side
        that is not the sampler has no path: that side is uniform over it. Only time, sampler, drop_probability and
        uniform_over are without `[]`.
    label_names : tuple of str
        The stream's series labels, in their order.
    label_paths : mapping of str to str
        A label that is not here is the field of its own name, else the one of that name in the object `labels`.
    where : mapping of str to tuple of scalars
        Field path or `header:NAME` -> allowed values; a record counts only if every selector finds one. Values are
        compared as text, as labels are formatted: 7 and "7" are equal, true is "true".
    sampled_from : "p" or "q"
        A record that names another sampler is rejected.
    time_unit : "auto", "s", "ms", "us" or "ns"
        Of numeric times. auto: < 1e11 seconds, < 1e14 milliseconds, < 1e17 microseconds, else nanoseconds.
    nats_per_unit : float
        Natural logarithm of the base of the log-probabilities: probabilities become logarithms of that base.
    max_record_bytes, max_pairs_per_record : int
        A record beyond is rejected as `size`; masked pairs count too.
    require_time : bool
        Whether a record with neither a time field nor a record timestamp is rejected.
    """

    encoding: Encoding = "json"
    paths: Mapping[str, str] = field(default_factory=lambda: CANONICAL_PATHS)
    label_names: tuple[str, ...] = ()
    label_paths: Mapping[str, str] = field(default_factory=dict)
    where: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    sampled_from: Literal["p", "q"] = "q"
    time_unit: TimeUnit = "auto"
    nats_per_unit: float = 1.0
    max_record_bytes: int = 1024 * 1024
    max_pairs_per_record: int = 65_536
    require_time: bool = True

    @property
    def needs_headers(self) -> bool:
        """Whether `where` looks at headers, so that a source must hand them over."""
        return any(selector.startswith(HEADER_PREFIX) for selector in self.where)
