"""What tells series apart, what does not and why, in sentences; never a label's value."""

from collections.abc import Iterator, Sequence
from typing import Final

from daemon.inspection.finding import LabelCandidate, Obstacle
from daemon.number_words import count

_OBSTACLES: Final[dict[Obstacle, str]] = {
    "many": "{values} values in the sample: each is a series; name it in series_labels of a configuration if that is "
    "meant",
    "kind": "null, an array or an object in many records: write one text or number",
    "characters": "values with characters that metrics do not take: write 1 to 128 of A-Za-z0-9._:/@-",
}
#: Of a mixture E[r] is 1 as of each part, so that the self-check does not show it.
_CONSEQUENCE: Final = (
    "the numbers are averages over all of them, one that drifts hides among the others, and the self-check does not "
    "show it"
)


def labels_sentences(labels: Sequence[LabelCandidate]) -> Iterator[str]:
    """Yield what the series are, what else could tell them apart, and what cannot."""
    taken = [each for each in labels if each.chosen]
    yield f"One series per {_names(taken)}." if taken else "None: the stream is one series."
    for each in taken:
        if each.refused:
            many = "1 record, which is" if each.refused == 1 else f"{count(each.refused)} records, which are"
            yield f"No label takes the {each.name} of {many} rejected."
    if others := [each for each in labels if not each.meant and each.obstacle is None]:
        yield f"Could be labels: {_names(others)}."
    if blocked := [each for each in labels if each.obstacle is not None]:
        yield f"Not a label: {'; '.join(map(_blocked, blocked))}."
    if merged := _merged(labels):
        yield f"So {_and(merged)} {_do(merged)} not tell series apart: {_CONSEQUENCE}."


def merged_sentence(labels: Sequence[LabelCandidate]) -> str:
    """Say which labels by name do not tell series apart, and what follows; empty where there are none."""
    if not (merged := _merged(labels)):
        return ""
    return f"Not told apart: {'; '.join(map(_blocked, merged))}; {_CONSEQUENCE}."


def _merged(labels: Sequence[LabelCandidate]) -> list[LabelCandidate]:
    return [each for each in labels if each.merged]


def _blocked(label: LabelCandidate) -> str:
    why = "" if label.obstacle is None else _OBSTACLES[label.obstacle].format(values=count(label.values))
    return f"{label.name} ({why})"


def _names(labels: Sequence[LabelCandidate]) -> str:
    return ", ".join(f"{each.name} ({count(each.values)} value{'s' if each.values > 1 else ''})" for each in labels)


def _and(labels: Sequence[LabelCandidate]) -> str:
    return " and ".join(each.name for each in labels)


def _do(labels: Sequence[LabelCandidate]) -> str:
    return "do" if len(labels) > 1 else "does"
