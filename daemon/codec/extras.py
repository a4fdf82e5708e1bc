"""What most records do without: weights, masks, tokens. Looked at only where a record has one of them."""

from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from daemon.codec.fields import OPTIONAL_ROLES
from daemon.codec.format import BINARY_ITEM
from daemon.codec.plan import ABSENT, Plan
from daemon.codec.results import RefusedError
from daemon.codec.shapes import Shaped, shape_of


@dataclass(frozen=True, slots=True)
class Extras:
    """Values of one record, None where it has none.

    Attributes
    ----------
    weight, mask : by pair, or a scalar for all
    message_mask : by message (depth 1), or a scalar for all
    kept_share : how many of such records the log keeps, as a share
    values : by role, what was there
    """

    values: dict[str, Any]
    weight: Shaped | None = None
    mask: Shaped | None = None
    message_mask: Shaped | None = None
    kept_share: float = 1.0


_NOTHING: Final = Extras({})


def extras_of(record: Any, plan: Plan) -> Extras:  # noqa: ANN401 - a compiled record
    """Read them; RefusedError (`schema`) where one is of no use."""
    try:
        if not plan.fields.with_optional((record,)):
            return _NOTHING
    except AttributeError:  # an object on the way is null: look at each
        pass
    found = {role: value for role in OPTIONAL_ROLES if (value := plan.value(record, role)) not in ABSENT}
    return Extras(
        found,
        weight=_weight(found, plan),
        kept_share=_kept_share(found, plan),
        mask=_mask(found, "mask", plan),
        message_mask=_mask(found, "message_mask", plan),
    )


def check_sampler(extras: Extras, plan: Plan) -> None:
    """Refuse a record that names another sampler than its stream."""
    if extras.values.get("sampler", plan.fmt.sampled_from) != plan.fmt.sampled_from:
        raise RefusedError(
            "sampler_mismatch", f"the stream is sampled from {plan.fmt.sampled_from}{plan.at('sampler')}"
        )


def check_lengths(p: Shaped, extras: Extras, plan: Plan) -> None:
    """Refuse weights and masks without a counterpart."""
    for role, values in (("weight", extras.weight), ("mask", extras.mask)):
        if values is not None and values.depth > 0 and not values.matches(p):
            raise RefusedError("length_mismatch", f"the array is not as long as those of the sides{plan.at(role)}")
    only = extras.message_mask
    if only is not None and only.depth > 0 and len(only.messages[0]) != len(p.messages):
        raise RefusedError(
            "length_mismatch", f"the array does not have one value for each message{plan.at('message_mask')}"
        )


def check_tokens(extras: Extras) -> None:
    """Refuse sides that are about different outcomes."""
    tokens_p, tokens_q = extras.values.get("token_ids_p"), extras.values.get("token_ids_q")
    if tokens_p is not None and tokens_q is not None and tokens_p != tokens_q:
        raise RefusedError("token_mismatch", "the sides name different tokens")


def _weight(found: dict[str, Any], plan: Plan) -> Shaped | None:
    if "weight" not in found:
        return None
    weight = shape_of(found["weight"], BINARY_ITEM.get(plan.fmt.encoding), plan.at("weight"))
    if None in chain.from_iterable(weight.messages):
        raise RefusedError("schema", f"a weight is null or not there{plan.at('weight')}")
    return weight


def _kept_share(found: dict[str, Any], plan: Plan) -> float:
    dropped: float = found.get("drop_probability", 0.0)
    if not 0 <= dropped < 1:
        raise RefusedError("schema", f"a drop probability is at least 0 and below 1{plan.at('drop_probability')}")
    return 1.0 - dropped


def _mask(found: dict[str, Any], role: str, plan: Plan) -> Shaped | None:
    if role not in found:
        return None
    mask = shape_of(found[role], "u1", plan.at(role))
    if not {0, 1}.issuperset(chain.from_iterable(mask.messages)):
        raise RefusedError("schema", f"a mask holds only 0, 1, true and false{plan.at(role)}")
    return mask
