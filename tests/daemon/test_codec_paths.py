"""Paths through arrays: their syntax, what they read, what is null and what is absent, and what is refused."""

import msgspec
import pytest

from daemon.codec import Format, compile_decoder
from daemon.codec.paths import Every, parse_path, split_path, written_name
from daemon.errors import UsageError
from estimators.pairs import NULL_LOG_PROB
from tests.daemon.codec_cases import batch_of, decode, messages, pairs_of, reason

CHAT = {"log_p": "p.choices[].logprobs.content[].logprob", "log_q": "q.choices[].logprobs.content[].logprob"}
CONTENT = {"log_p": "p.content[].logprob", "log_q": "q.content[].logprob"}
ENTRIES = {"log_p": "p[1:][0]", "log_q": "q[][0]"}


def content(*values):
    return {"content": [{"token": "a", "logprob": value} for value in values]}


def chat(*choices):
    return {"choices": [{"index": i, "logprobs": content(*values)} for i, values in enumerate(choices)]}


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("logp", ("logp",)),
        ("a.b", ("a", "b")),
        (r"a\.b.c", ("a.b", "c")),
        (r"a\[0].b", ("a[0]", "b")),
        ("a[0].b", ("a", 0, "b")),
        ("a[12]", ("a", 12)),
        ("a[].b", ("a", Every(), "b")),
        ("a[2:][0]", ("a", Every(2), 0)),
        ("a[][].b", ("a", Every(), Every(), "b")),
        ("a]", ("a]",)),
    ],
)
def test_a_path_is_names_and_items(path, steps):
    assert parse_path(path) == steps


@pytest.mark.parametrize(
    "path", ["", ".a", "a.", "a..b", "[0]", "a.[0]", "a[", "a[x]", "a[-1]", "a[100]", "a[0]b", "a[:]", r"a\b.c", 'a"b']
)
def test_what_is_no_path_is_refused_with_what_to_write(path):
    with pytest.raises(UsageError, match=r"no field path; write names joined by dots.*`\[0\]`.*`\[\]`"):
        parse_path(path)


@pytest.mark.parametrize("name", ["a", "a.b", "a[0]", "[", "..", "a[].b"])
def test_any_name_can_be_written_as_a_path(name):
    assert parse_path(written_name(name)) == (name,)
    assert split_path(written_name(name)) == (name,)


def test_every_item_of_an_array_gives_the_pairs_of_one_message():
    record = {"p": content(-1, -2.5), "q": content(-1.5, -2)}
    assert pairs_of(record, paths=CONTENT) == [((-1, -1.5, 1), (-2.5, -2, 1))]


def test_every_item_of_arrays_in_an_array_gives_several_messages():
    record = {"p": chat([-1, -2], [-3]), "q": chat([-4, -5], [-6])}
    assert pairs_of(record, paths=CHAT) == [((-1, -4, 1), (-2, -5, 1)), ((-3, -6, 1),)]


def test_items_from_the_second_on_leave_out_the_first_and_tuples_are_read_by_index():
    record = {"p": [[None, 5, "x"], [-1, 7, None]], "q": [[-2, 7, None]]}
    assert pairs_of(record, paths=ENTRIES) == [((-1, -2, 1),)]
    assert reason({"p": [[None, 5, "x"]], "q": []}, paths=ENTRIES) == "empty"


def test_one_item_of_an_array_is_read_by_index_whatever_stands_beside_it():
    paths = {"log_p": "r[1].lp", "log_q": "r[0].lp", "time": "t[2]"}
    record = {"r": [{"lp": -2}, {"lp": -1}, "text"], "t": ["x", None, 1_700_000_000, {}]}
    ((_, _, time_us, pairs),) = messages(decode(record, paths=paths))
    assert (time_us, pairs) == (1_700_000_000_000_000, ((-1, -2, 1),))


def test_an_item_that_is_null_or_lacks_the_field_is_that_pairs_null():
    items = [{"logprob": -1}, None, {}, {"logprob": None}]
    record = {"p": {"content": items}, "q": content(-2, -2, -2, -2)}
    null = (NULL_LOG_PROB, -2, 1)
    assert pairs_of(record, paths=CONTENT) == [((-1, -2, 1), null, null, null)]
    entries = {"p": [[0], [-1], None, [], [None]], "q": [[-2]] * 4}
    assert pairs_of(entries, paths=ENTRIES) == [((-1, -2, 1), null, null, null)]


@pytest.mark.parametrize("p", [None, {}, {"content": None}, {"content": [{"token": "a"}]}, {"content": [None, {}]}])
def test_an_array_that_is_null_or_not_there_or_of_which_no_item_holds_the_field_is_an_absent_field(p):
    decoded = decode({"p": p, "q": content(-1)}, paths=CONTENT)
    assert decoded.rejected["schema"].details == (
        "the record does not hold both sides: `p.content[].logprob` and `q.content[].logprob`",
    )
    spare = {**CONTENT, "p": "pp", "q": "qq"}
    record = {"p": p, "q": content(-1), "pp": 1.0, "qq": 1.0}
    assert pairs_of(record, paths=spare) == [((0, 0, 1),)]


def test_an_inner_array_that_is_null_is_a_message_without_pairs():
    empty = {"index": 1, "logprobs": None}
    p, q = chat([-1], [-9]), chat([-2], [-9])
    p["choices"][1] = q["choices"][1] = empty
    assert pairs_of({"p": p, "q": q}, paths=CHAT) == [((-1, -2, 1),)]
    q["choices"][1] = {"index": 1, "logprobs": content(-3)}
    assert reason({"p": p, "q": q}, paths=CHAT) == "length_mismatch"


@pytest.mark.parametrize(
    ("p", "detail"),
    [
        (5, "Expected `object | null`, got `int` - at `$.p`"),
        ({"content": {}}, "Expected `array | null`, got `object` - at `$.p.content`"),
        ({"content": [5]}, "Expected `object | null`, got `int` - at `$.p.content[0]`"),
        ({"content": [{"logprob": "x"}]}, "got `str` - at `$.p.content[0].logprob`"),
    ],
)
def test_a_bad_shape_is_a_reject_that_tells_the_place(p, detail):
    decoded = decode({"p": p, "q": content(-1)}, paths=CONTENT)
    assert detail in decoded.rejected["schema"].details[0]


def test_items_that_are_values_and_arrays_at_once_are_refused():
    assert reason({"p": content(-1, [-1]), "q": content(-1, [-1])}, paths=CONTENT) == "schema"


def test_arrays_within_the_items_are_several_messages():
    record = {"p": [{"l": [-1, None]}, {"l": [-2]}], "q": [{"l": [-3, -4]}, {"l": [-5]}]}
    assert pairs_of(record, paths={"log_p": "p[].l", "log_q": "q[].l"}) == [
        ((-1, -3, 1), (NULL_LOG_PROB, -4, 1)),
        ((-2, -5, 1),),
    ]


def test_tokens_of_both_sides_are_compared_item_by_item():
    paths = {**CONTENT, "token_ids_p": "p.content[].token", "token_ids_q": "q.content[].token"}
    record = {"p": content(-1, -2), "q": content(-1, -2)}
    assert reason(record, paths=paths) is None
    record["p"]["content"][1]["token"] = "b"
    assert reason(record, paths=paths) == "token_mismatch"


def test_masks_and_weights_may_stand_in_the_items_and_a_missing_one_is_refused():
    paths = {**CONTENT, "mask": "q.content[].keep", "weight": "q.content[].w"}
    items = [{"logprob": -1, "keep": 1, "w": 2.5}, {"logprob": -2, "keep": 0, "w": 1}]
    record = {"p": content(-1, -2), "q": {"content": items}}
    assert pairs_of(record, paths=paths) == [((-1, -1, 2.5),)]
    for name, detail in (("keep", "a mask holds only"), ("w", "a weight is null or not there")):
        without = {key: value for key, value in items[1].items() if key != name}
        for other in (without, items[1] | {name: None}):
            broken = {"p": content(-1, -2), "q": {"content": [items[0], other]}}
            found = decode(broken, paths=paths).rejected["schema"].details[0]
            assert detail in found
            assert f"$.q.content[].{name}" in found


def test_labels_and_selectors_take_one_item():
    fmt = Format(
        paths=CONTENT,
        label_names=("reason",),
        label_paths={"reason": "c[0].finish"},
        where={"c[1]": ("yes",)},
    )
    record = {"p": content(-1), "q": content(-1), "c": [{"finish": "stop"}, "yes"]}
    decoder = compile_decoder(fmt)
    decoded = decoder.decode(batch_of([record, record | {"c": [{}, "no"]}, record | {"c": None}]))
    assert [(offset, key) for offset, key, *_ in messages(decoded)] == [(0, ("stop",))]
    assert decoded.ignored == 2


@pytest.mark.parametrize(
    ("format_keys", "text"),
    [
        ({"paths": {"log_p": "a[].p", "log_q": "a[0].q"}}, "paths.log_q: `a[0].q` is the field of another path"),
        ({"paths": {"log_p": "a[].p", "log_q": "a.q"}}, "takes for an array what is an object"),
        ({"paths": {"log_p": "a[][][]", "log_q": "q"}}, "paths.log_p: `a[][][]` may have at most 2 []"),
        ({"paths": {**CONTENT, "time": "t[]"}}, "paths.time: `t[]` may have no []"),
        ({"paths": CONTENT, "encoding": "msgpack-f32"}, "may have no [], since its value is a single one, or binary"),
        ({"paths": CONTENT, "where": {"a[]": ("x",)}}, "write [0] for the first item in place of []"),
        ({"paths": {"log_p": "a[", "log_q": "b"}}, "`a[` is no field path"),
    ],
)
def test_paths_that_cannot_be_compiled_are_told(format_keys, text):
    with pytest.raises(UsageError) as refused:
        compile_decoder(Format(**format_keys))
    assert text in str(refused.value)


def test_messagepack_is_read_by_the_same_paths():
    record = {"p": chat([-1, -2], [-3]), "q": chat([-4, -5], [-6])}
    decoder = compile_decoder(Format("msgpack", paths=CHAT))
    decoded = decoder.decode(batch_of([msgspec.msgpack.encode(record)]))
    assert [pairs for *_, pairs in messages(decoded)] == pairs_of(record, paths=CHAT)


def test_a_name_with_a_bracket_is_written_with_a_backslash():
    paths = {"log_p": r"logp\[0]", "log_q": "logq"}
    assert pairs_of({"logp[0]": -1, "logq": -2}, paths=paths, label_names=("a[0]",)) == [((-1, -2, 1),)]
