"""Records of a shared topic: `where` selects, the others are ignored, not rejected."""

import pytest

from daemon.codec import Format, compile_decoder
from tests.daemon.codec_cases import batch_of, decode, messages, reasons

GOOD = {"logp": -0.5, "logq": -0.25}


def outcome(*records, headers=None, **format_keys):
    """Offsets that reached pairs, the count of ignored records, and the rejects by reason."""
    decoded = compile_decoder(Format(**format_keys)).decode(batch_of(list(records), headers=headers))
    return [offset for offset, *_ in messages(decoded)], decoded.ignored, reasons(decoded)


def test_a_field_selects_by_equality_or_by_a_list():
    records = [GOOD | {"kind": kind} for kind in ("a", "b", "c")] + [GOOD]
    assert outcome(*records, where={"kind": ("a",)}) == ([0], 3, {})
    assert outcome(*records, where={"kind": ("a", "c")}) == ([0, 2], 2, {})


def test_every_selector_must_match():
    records = [GOOD | {"kind": "a", "meta": {"env": env}} for env in ("prod", "dev")]
    assert outcome(*records, where={"kind": ("a",), "meta.env": ("prod",)}) == ([0], 1, {})


def test_values_are_compared_as_their_text():
    records = [GOOD | {"kind": kind} for kind in (1, "1", True, "true", 1.0, None, [1], {"a": 1})]
    assert outcome(*records, where={"kind": (1,)}) == ([0, 1], 6, {})
    assert outcome(*records, where={"kind": (True,)}) == ([2, 3], 6, {})
    assert outcome(*records, where={"kind": (1.0,)}) == ([4], 7, {})


def test_what_an_unselected_record_holds_elsewhere_does_not_matter():
    foreign = [
        {"kind": "b", "logp": "text"},
        {"kind": "b", "labels": [1]},
        {"kind": "b", "ts": "never"},
        {"meta": "kind"},
        b"[1, 2]",
        b'"a"',
    ]
    assert outcome(*foreign, GOOD | {"kind": "a"}, where={"kind": ("a",)}, label_names=("region",)) == ([6], 6, {})
    assert outcome({"meta": "text"}, {"meta": None}, where={"meta.kind": ("a",)}) == ([], 2, {})


def test_a_selected_record_is_rejected_as_any_other():
    records = [{"kind": "a", "logp": "text"}, {"kind": "a"}, GOOD | {"kind": "a", "ts": -1}]
    assert outcome(*records, where={"kind": ("a",)}) == ([], 0, {"schema": 2, "timestamp": 1})


def test_what_cannot_be_read_is_rejected_since_nobody_knows_whose_it_is():
    deep = b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    rejects = {"syntax": 1, "depth": 1, "tombstone": 1}
    assert outcome(b"{", deep, None, GOOD | {"kind": "a"}, where={"kind": ("a",)}) == ([3], 0, rejects)


def test_a_header_selects_before_the_value_is_decoded():
    headers = [[("type", b"pair")], [("type", b"other")], [], [("type", b"x"), ("type", b"pair")], [("type", None)]]
    records = [GOOD, b"{broken", b"{broken", GOOD, b"{broken"]
    assert outcome(*records, headers=headers, where={"header:type": ("pair",)}) == ([0, 3], 3, {})
    assert outcome(*records, headers=[[("type", b"\xff\xfe")]] * 5, where={"header:type": ("pair",)}) == ([], 5, {})


def test_without_headers_nothing_has_the_header():
    assert outcome(GOOD, where={"header:type": ("pair",)}) == ([], 1, {})
    assert Format(where={"header:type": ("pair",)}).needs_headers
    assert not Format(where={"type": ("pair",)}).needs_headers


def test_header_and_field_may_be_combined():
    headers = [[("type", b"pair")]] * 2 + [[("type", b"other")]]
    records = [GOOD | {"kind": "a"}, GOOD, GOOD | {"kind": "a"}]
    where = {"header:type": ("pair",), "kind": ("a",)}
    assert outcome(*records, headers=headers, where=where) == ([0], 2, {})


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
def test_every_record_is_counted_once(encoding):
    decoded = decode(GOOD, None, b"", b"\xc1", {"kind": "a"}, GOOD | {"kind": "a"}, encoding=encoding,
                     where={"kind": ("a",)})  # fmt: skip
    assert decoded.records + decoded.ignored + sum(reasons(decoded).values()) == 6
