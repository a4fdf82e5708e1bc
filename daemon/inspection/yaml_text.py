"""The configuration to paste: YAML with a comment beside what was found. It holds names of fields, no values."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from daemon.inspection.finding import Finding
from daemon.number_words import count, percent

_COMMENT_COLUMN = 60
_NEITHER = "neither side was drawn from, so what klaxond makes of this log is no divergence: repair the log first"


def configuration(finding: Finding, topic: str, bootstrap_servers: Sequence[str]) -> str:
    """Return a whole configuration file of this one stream."""
    comments = _comments(finding)
    lines = [f"# {_NEITHER}"] if finding.sampler is not None and finding.sampler.neither_fits else []
    lines += [
        f"kafka: {{bootstrap_servers: {_json(list(bootstrap_servers))}, group_id: klaxond}}",
        "streams:",
        f"  - topic: {_json(topic)}",
    ]
    for key, value in finding.stream.items():
        lines += [_with(line, comments.get(key, "") if first else "") for line, first in _lines(key, value, "    ")]
    return "".join(f"{line}\n" for line in lines)


def _lines(key: str, value: Any, indent: str) -> Iterator[tuple[str, bool]]:  # noqa: ANN401 - any plain value
    """Lines of one key, and whether each is the key's own; nested mappings are written out."""
    if not isinstance(value, Mapping):
        yield f"{indent}{key}: {_json(value)}", True
        return
    yield f"{indent}{key}:", True
    for name, inner in value.items():
        for line, _ in _lines(name, inner, indent + "  "):
            yield line, False


def _with(line: str, comment: str) -> str:
    return f"{line:<{_COMMENT_COLUMN}}# {comment}" if comment else line


def _json(value: Any) -> str:  # noqa: ANN401 - any plain value
    """JSON is YAML: quotes keep `on`, `1e3` and brackets texts; a plain word needs none."""
    if isinstance(value, str) and value.replace("-", "").replace("_", "").isalpha() and value.lower() not in _WORDS:
        return value
    return msgspec.json.encode(value).decode()


#: Plain words that YAML takes for something else than a text.
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n", "e", "inf", "nan"})


def _comments(finding: Finding) -> dict[str, str]:
    sampler, readable = finding.sampler, finding.records - finding.unreadable
    share = "all" if finding.decoded == readable else f"{percent(finding.share)} of"
    comments = {
        "preset": f"{share} {count(readable)} records give pairs",
        "paths": f"{share} {count(readable)} records give pairs",
        "series_labels": f"{count(_series(finding))} series at most in the sample",
        "log_base": "only so is the mean ratio 1",
        "resolution": "by the digits of the logged numbers",
        "expected_delay": "99 % of the records arrive within it",
    }
    if finding.preset is not None:
        comments.pop("paths")
    if sampler is not None:
        comments["sampled_from"] = (
            f"by the data; the names say {sampler.named}" if sampler.contradicts_names else "by the data"
        )
    return comments


def _series(finding: Finding) -> int:
    product = 1
    for label in finding.labels:
        if label.chosen:
            product *= max(label.values, 1)
    return product
