"""What a record means: sides, arrays, masks, weights, tokens, and the reason of everything that cannot be used."""

import json
import math

import msgspec
import numpy as np
import pytest

from daemon.codec import RECORD_REASONS, Format, compile_decoder
from daemon.codec.columns import plain_columns
from daemon.codec.fields import compile_fields
from daemon.codec.labels import LabelKeys
from daemon.codec.plan import Plan, Records
from daemon.codec.results import Tally
from daemon.errors import UsageError
from estimators.pairs import NULL_LOG_PROB
from tests.daemon.codec_cases import RECORD_TIME_MS, batch_of, decode, messages, pairs_of, reason, reasons

GOOD = {"logp": -0.5, "logq": -0.25}


def test_a_scalar_record_is_one_message_of_one_pair():
    record = {"model": "ranker", "version": "7", "ts": 1700000000.123, **GOOD}
    decoded = decode(record, label_names=("model", "version"))
    assert messages(decoded) == [(0, ("ranker", "7"), 1700000000123000, ((-0.5, -0.25, 1.0),))]
    assert (decoded.records, decoded.rejected, decoded.ignored) == (1, {}, 0)
    assert decoded.pairs.append_time_us.tolist() == [RECORD_TIME_MS * 1000]
    assert decoded.pairs.weight is None


def test_an_array_record_is_one_message_of_many_pairs():
    assert pairs_of({"logp": [-1, -2.5], "logq": [-3, -4]}) == [((-1, -3, 1), (-2.5, -4, 1))]


def test_nested_arrays_are_several_messages_that_share_the_record():
    record = {"logp": [[-1], [-2, -3]], "logq": [[-4], [-5, -6]], "ts": 5, "model": "m"}
    decoded = decode(GOOD, record, GOOD, label_names=("model",))
    assert [(offset, key, len(pairs)) for offset, key, _, pairs in messages(decoded)] == [
        (0, ("unknown",), 1),
        (1, ("m",), 1),
        (1, ("m",), 2),
        (2, ("unknown",), 1),
    ]
    assert decoded.records == 3


def test_empty_inner_arrays_make_no_message():
    assert pairs_of({"logp": [[], [-1], []], "logq": [[], [-2], []]}) == [((-1, -2, 1),)]


def test_a_masked_pair_is_left_out_without_a_reject():
    record = {"logp": [-1, -2, -3], "logq": [-4, -5, -6]}
    for mask in ([1, 0, 1], [True, False, True], [1.0, 0.0, 1.0], [1, False, 1.0]):
        assert pairs_of(record | {"mask": mask}) == [((-1, -4, 1), (-3, -6, 1))]
    assert pairs_of(record | {"mask": None}) == pairs_of(record)
    assert pairs_of(record | {"mask": 1}) == pairs_of(record)


def test_a_nested_mask_drops_the_messages_that_it_empties():
    record = {"logp": [[-1, -2], [-3]], "logq": [[-4, -5], [-6]], "mask": [[0, 1], [0]]}
    assert pairs_of(record) == [((-2, -5, 1),)]


def test_weights_are_a_scalar_for_all_pairs_or_one_per_pair():
    arrays = {"logp": [-1, -2], "logq": [-3, -4]}
    assert pairs_of(GOOD | {"weight": 2}) == [((-0.5, -0.25, 2),)]
    assert pairs_of(arrays | {"weight": 0.5}) == [((-1, -3, 0.5), (-2, -4, 0.5))]
    assert pairs_of(arrays | {"weight": [0.5, 3]}) == [((-1, -3, 0.5), (-2, -4, 3))]
    assert pairs_of(arrays | {"weight": [0.5, 3], "mask": [0, 1]}) == [((-2, -4, 3),)]
    nested = {"logp": [[-1], [-2]], "logq": [[-3], [-4]]}
    assert pairs_of(nested | {"weight": [[2], [3]]}) == [((-1, -3, 2),), ((-2, -4, 3),)]
    assert pairs_of(nested | {"weight": 4}) == [((-1, -3, 4),), ((-2, -4, 4),)]


def test_weights_that_are_all_one_are_no_weights():
    assert decode(GOOD | {"weight": 1}, GOOD, GOOD | {"weight": 1.0}).pairs.weight is None


def test_a_record_without_a_weight_weighs_one_beside_others_that_have_one():
    assert pairs_of(GOOD | {"weight": 3}, GOOD, GOOD | {"weight": None}) == [
        ((-0.5, -0.25, 3),),
        ((-0.5, -0.25, 1),),
        ((-0.5, -0.25, 1),),
    ]


def test_probabilities_become_logarithms():
    (((log_p, log_q, _),),) = pairs_of({"p": 0.25, "q": 1})
    assert (log_p, log_q) == (pytest.approx(math.log(0.25), rel=1e-15), 0.0)


def test_probabilities_become_logarithms_of_the_streams_base():
    (((log_p, log_q, _),),) = pairs_of({"p": 0.25, "q": 0.5}, nats_per_unit=math.log(2))
    assert (log_p, log_q) == (pytest.approx(-2, rel=1e-15), pytest.approx(-1, rel=1e-15))
    assert pairs_of({"logp": -2, "logq": -1}, nats_per_unit=math.log(2)) == [((-2, -1, 1),)]


def test_probability_zero_is_minus_infinity_and_no_sentinel():
    assert pairs_of({"p": 0, "q": 0.5})[0][0][0] == -math.inf
    assert pairs_of({"p": [0.0, 1e-400, -0.0, 5e-324], "q": [1, 1, 1, 1]})[0] == (
        (-math.inf, 0, 1),
        (-math.inf, 0, 1),
        (-math.inf, 0, 1),
        (math.log(5e-324), 0, 1),
    )


def test_a_negative_probability_is_not_a_number():
    assert math.isnan(pairs_of({"p": -0.5, "q": 0.5})[0][0][0])


def test_a_null_stands_for_not_known_and_is_no_nan():
    assert pairs_of({"logp": None, "logq": -1}) == [((NULL_LOG_PROB, -1, 1),)]
    assert pairs_of({"logp": [-1, None], "logq": [None, -2]}) == [((-1, NULL_LOG_PROB, 1), (NULL_LOG_PROB, -2, 1))]
    assert pairs_of({"logp": [[None]], "logq": [[-1]]}) == [((NULL_LOG_PROB, -1, 1),)]
    assert pairs_of({"p": None, "q": 1.0}) == [((NULL_LOG_PROB, 0, 1),)]
    assert pairs_of({"p": [None, 1], "q": [1, 1]}, nats_per_unit=2.0) == [((NULL_LOG_PROB, 0, 1), (0, 0, 1))]
    assert pairs_of({"logp": None, "logq": None}) == [((NULL_LOG_PROB, NULL_LOG_PROB, 1),)]


def test_log_probabilities_win_over_probabilities():
    both = {"p": 0.1, "q": 0.2}
    assert pairs_of(GOOD | both) == [((-0.5, -0.25, 1),)]
    assert pairs_of({"logp": None, "logq": -1} | both) == [((NULL_LOG_PROB, -1, 1),)]


def test_log_probabilities_win_also_beside_records_that_have_none():
    both = {"p": 0.5, "q": 0.25}
    first, second = pairs_of(both, GOOD | both)
    assert first == ((math.log(0.5), math.log(0.25), 1),)
    assert second == ((-0.5, -0.25, 1),)


def test_log_probabilities_that_are_both_null_give_way_to_probabilities():
    assert pairs_of({"logp": None, "logq": None, "p": 1, "q": 1}) == [((0, 0, 1),)]
    assert pairs_of(GOOD | {"p": None, "q": None}) == [((-0.5, -0.25, 1),)]


@pytest.mark.parametrize("record", [{"logp": -1}, {"logq": -1}, {"p": 0.5}, {"logp": -1, "q": 0.5}, {}])
def test_one_side_alone_is_no_pair(record):
    assert reason(record) == "schema"


def test_the_detail_of_a_missing_side_names_the_fields_that_were_looked_for():
    detail = decode({"logp": -1}).rejected["schema"].detail
    assert detail == "the record does not hold both sides: `logp` and `logq`, or `p` and `q`"


def test_a_message_without_any_pair_is_empty():
    assert reason({"logp": [], "logq": []}) == "empty"
    assert reason({"logp": [[], []], "logq": [[], []]}) == "empty"
    assert reason({"logp": [-1], "logq": [-1], "mask": [0]}) == "empty"
    assert reason(GOOD | {"mask": False}) == "empty"


@pytest.mark.parametrize(
    "record",
    [
        {"logp": [-1, -2], "logq": [-1]},
        {"logp": -1, "logq": [-1]},
        {"logp": [[-1], [-2]], "logq": [[-1, -2]]},
        {"logp": [[-1, -2], [-3]], "logq": [[-1], [-2, -3]]},
        {"logp": [-1, -2], "logq": [-1, -2], "weight": [1]},
        {"logp": [-1, -2], "logq": [-1, -2], "mask": [1, 1, 1]},
        {"logp": [[-1], [-2]], "logq": [[-1], [-2]], "weight": [1, 2]},
        {"logp": [[-1], [-2]], "logq": [[-1], [-2]], "mask": [1, 1]},
        GOOD | {"weight": [1]},
        GOOD | {"mask": [1]},
    ],
)
def test_arrays_of_different_length_are_never_cut(record):
    assert reason(record) == "length_mismatch"


def test_equal_token_ids_pass_and_different_ones_do_not():
    record = {"logp": [-1, -2], "logq": [-1, -2]}
    assert reason(record | {"token_ids_p": [5, 6], "token_ids_q": [5, 6]}) is None
    assert reason(record | {"token_ids_p": [5, 6], "token_ids_q": [6, 5]}) == "token_mismatch"
    assert reason(record | {"token_ids_p": [5, 6]}) is None
    assert reason(record | {"token_ids_p": [5, 6], "token_ids_q": None}) is None


def test_a_record_of_another_sampler_is_rejected():
    assert reason(GOOD | {"sampled_from": "q"}) is None
    assert reason(GOOD | {"sampled_from": None}) is None
    assert reason(GOOD | {"sampled_from": "p"}) == "sampler_mismatch"
    assert reason(GOOD | {"sampled_from": "p"}, sampled_from="p") is None
    assert reason(GOOD | {"sampled_from": {"a": 1}}) == "sampler_mismatch"


@pytest.mark.parametrize(
    "record",
    [
        GOOD | {"logp": "-0.5"},
        GOOD | {"logp": True},
        GOOD | {"logp": {}},
        {"logp": [-1, "x"], "logq": [-1, -2]},
        {"logp": [-1, [-2]], "logq": [-1, -2]},
        {"logp": [[[-1]]], "logq": [[[-1]]]},
        GOOD | {"weight": "1"},
        GOOD | {"weight": [None]},
        GOOD | {"mask": 2},
        {"logp": [-1], "logq": [-1], "mask": [0.5]},
        {"logp": [-1], "logq": [-1], "mask": [-1]},
        GOOD | {"ts": True},
        GOOD | {"ts": [1]},
        GOOD | {"labels": [1]},
    ],
)
def test_a_field_of_another_type_is_no_record(record):
    assert reason(record, label_names=("region",)) == "schema"


def test_details_say_what_and_where_and_hold_no_payload():
    secret = "tr0ub4dor"
    for record in (
        GOOD | {"logp": secret},
        GOOD | {"ts": secret},
        GOOD | {"model": {"a": secret}},
        GOOD | {"model": secret + "!"},
        GOOD | {"sampled_from": secret},
        GOOD | {"token_ids_p": secret, "token_ids_q": 1},
        secret.encode(),
        b'{"model": "' + secret.encode() + b"\xff",
    ):
        (rejected,) = decode(record, label_names=("model",)).rejected.values()
        assert rejected.detail
        assert secret not in rejected.detail
    assert decode(GOOD | {"logp": "x"}).rejected["schema"].detail.endswith("got `str` - at `$.logp`")


def test_rejects_count_every_record_and_name_the_first_offset():
    decoder = compile_decoder(Format())
    decoded = decoder.decode(batch_of([GOOD, {"logp": 1}, GOOD, b"x", {"q": 1}, None, b""], first=100))
    assert reasons(decoded) == {"tombstone": 1, "syntax": 2, "schema": 2}
    assert {name: each.offset for name, each in decoded.rejected.items()} == {
        "tombstone": 105,
        "syntax": 103,
        "schema": 101,
    }
    assert decoded.records == 2
    assert [offset for offset, *_ in messages(decoded)] == [100, 102]


def test_the_first_reason_in_the_documented_order_decides():
    faults = {
        "schema": {"logp": "x"},
        "label": {"model": None},
        "sampler_mismatch": {"sampled_from": "p"},
        "timestamp": {"ts": -1},
        "length_mismatch": {"logq": [-1, -2, -3]},
        "token_mismatch": {"token_ids_p": 1, "token_ids_q": 2},
        "empty": {"mask": [0, 0]},
    }
    record = {"logp": [-1, -2], "logq": [-1, -2], "model": "m"}
    order = list(faults)
    for index, first in enumerate(order):
        for second in order[index + 1 :]:
            assert reason(record | faults[second] | faults[first], label_names=("model",)) == first
    many = {name: [-1] * 5 for name in ("logp", "logq")} | {"model": None}
    assert reason(many, label_names=("model",), max_pairs_per_record=4) == "size"


def test_every_reason_of_the_decoder_can_be_reached():
    found = {
        reason(None),
        reason(GOOD | {"pad": "x" * 100}, max_record_bytes=100),
        reason(b"{"),
        reason(b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        reason({"logp": 1}),
        reason({"logp": [], "logq": [-1]}),
        reason(GOOD | {"token_ids_p": 1, "token_ids_q": 2}),
        reason(GOOD | {"ts": -1}),
        reason(GOOD | {"model": None}, label_names=("model",)),
        reason(GOOD | {"sampled_from": "p"}),
        reason({"logp": [], "logq": []}),
    }
    assert found == set(RECORD_REASONS) - {"future", "late"}


def test_unknown_fields_are_ignored_whatever_they_hold():
    assert pairs_of(GOOD | {"advantages": [1, "x", None], "meta": {"logp": 3}}) == [((-0.5, -0.25, 1),)]


def test_of_a_field_that_is_there_twice_the_last_one_counts():
    assert pairs_of(b'{"logp": -1, "logq": -2, "logp": -3}') == [((-3, -2, 1),)]


def test_fields_lie_where_the_paths_say():
    record = {"a": {"b": {"lp": -1}, "lq": -2}, "when.at": 7, "logp": "unused"}
    fmt = Format(paths={"log_p": "a.b.lp", "log_q": "a.lq", "time": "when\\.at"})
    assert messages(decode(record, fmt=fmt)) == [(0, (), 7_000_000, ((-1, -2, 1),))]
    assert reasons(decode({"a": None}, {"a": {}}, {"a": {"b": None, "lq": 1}}, fmt=fmt)) == {"schema": 3}


def test_a_canonical_field_gives_way_to_a_path_that_runs_through_it():
    fmt = Format(paths={**Format().paths, "log_p": "p.logp", "log_q": "q.logp"})
    assert pairs_of({"p": {"logp": -1}, "q": {"logp": -2}}, fmt=fmt) == [((-1, -2, 1),)]


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ({"paths": {"log_p": "a", "log_q": "a"}}, "paths.log_q: `a` is the field of another path"),
        ({"paths": {"log_p": "a", "log_q": "a.b"}}, "paths.log_q: `a.b`"),
        ({"paths": {"log_p": "a", "q": "b"}}, "no field for both sides"),
        ({"label_names": ("x",), "label_paths": {"x": "deep"}, "paths": {"log_p": "deep.a", "log_q": "b"}}, "`deep`"),
        ({"where": {"a": ("1",), "a.b": ("2",)}}, "a.b"),
    ],
)
def test_paths_that_contradict_each_other_are_told_to_the_user(keys, text):
    with pytest.raises(UsageError, match=text):
        compile_decoder(Format(**keys))


def test_limits_hold_at_their_borders():
    record = {"logp": [-1] * 4, "logq": [-1] * 4}
    size = len(json.dumps(record).encode())
    assert reason(record, max_record_bytes=size) is None
    assert reason(record, max_record_bytes=size - 1) == "size"
    assert reason(record, max_pairs_per_record=4) is None
    assert reason(record, max_pairs_per_record=3) == "size"
    assert reason({"logp": [[-1, -2], [-3, -4]], "logq": [[-1, -2], [-3, -4]]}, max_pairs_per_record=3) == "size"
    assert reason({"logp": [-1] * 3, "logq": [-1] * 4}, max_pairs_per_record=3) == "size"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b'{"logp": NaN, "logq": -1}', "syntax"),
        (b'{"logp": -Infinity, "logq": -1}', "syntax"),
        (b'{"logp": 1e400, "logq": -1}', "schema"),
        (b'{"logp": ' + b"1" * 400 + b', "logq": -1}', "schema"),
        (b'{"logp": -1, "logq": -1, "ts": ' + b"1" * 400 + b"}", "timestamp"),
        (b'{"logp": -1, "logq": -1, "ts": ' + b"1" * 5000 + b"}", "schema"),
        (b'{"logp": "-0.5", "logq": -1}', "schema"),
        (b'{"logp": true, "logq": -1}', "schema"),
        (b"", "syntax"),
        (b"null", "schema"),
        (b"[]", "schema"),
        (b'\xef\xbb\xbf{"logp": -1, "logq": -1}', "syntax"),
        (b'{"logp": -1, "logq": -1} x', "syntax"),
        (b'{"logp": -1, "logq": -1}{"logp": -1, "logq": -1}', "syntax"),
        (b'{"logp": -1, "logq": -1, "model": "\xff"}', "syntax"),
        (b'{"logp": -1, "logq": -1, "model": "\\ud800 "}', "syntax"),
        (b'{"logp": -1, "logq": -1, "x": "\xff"}', None),
        (b'{"logp": -1, "logq": -1, "x": 1e400}', None),
        (b'{"logp": -1, "logq": -1, "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "depth"),
        (b'{"logp": -1, "logq": -1, "model": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}", "depth"),
        (b'{"logp": ' + b"1" * 5_000_000 + b', "logq": -1}', "size"),
        (b'{"logp": [' + b"-1," * 1_000_000 + b"-1]}", "size"),
        (b"\x00" * 100, "syntax"),
        ("\U0001f4a5".encode("utf-16"), "syntax"),
    ],
)
def test_hostile_payloads_are_counted_and_leave_their_neighbours_alone(value, expected):
    assert reason(value, label_names=("model",)) == expected
    decoded = decode(GOOD, value, GOOD, label_names=("model",))
    assert [message for message in messages(decoded) if message[0] != 1] == [
        (offset, ("unknown",), RECORD_TIME_MS * 1000, ((-0.5, -0.25, 1.0),)) for offset in (0, 2)
    ]


def test_tokens_nested_as_deep_as_can_be_read_never_raise():
    found = set()
    for depth in range(700, 1001):
        tokens = "[" * depth + "]" * depth
        value = f'{{"logp": -1, "logq": -1, "token_ids_p": {tokens}, "token_ids_q": {tokens}}}'.encode()
        found.add(reason(value))
    assert found <= {None, "depth"}


def test_two_halves_of_a_record_never_make_a_whole():
    decoded = decode(b'{"logp": -1', b'"logq": -1}', b"{}, {", b'{"logp": -1, "logq": -1}]', b'{"logp": -1')
    assert decoded.pairs is None
    assert sum(reasons(decoded).values()) == 5


def test_small_and_signed_numbers_are_read_as_they_are():
    pairs = pairs_of(b'{"logp": [5e-324, -0.0, 1e-400, -1e308], "logq": [0, 0, 0, 0]}')
    assert [pair[0] for pair in pairs[0]] == [5e-324, 0.0, 0.0, -1e308]


def test_an_empty_batch_is_no_pairs():
    assert decode().pairs is None


@pytest.mark.parametrize(
    "record",
    [
        {"logp": -1, "logq": -2, "ts": 5, "model": "a"},
        {"logp": -1, "logq": None, "ts": 5.5, "model": 7, "weight": 2},
        {"logp": [-1, -2], "logq": [-2, None], "mask": [True, False], "weight": [1, 2], "sampled_from": "q"},
        {"p": 0.5, "q": 0.25, "ts": "2024-01-01T00:00:00Z"},
        {"logp": [-1], "logq": [-2], "token_ids_p": [1], "token_ids_q": [1], "labels": {"model": "b"}},
    ],
)
def test_plain_batches_go_whole_columns_at_a_time(record):
    """Guards the speed: the results would be right one record at a time too."""
    fmt = Format(label_names=("model",))
    fields = compile_fields(fmt)
    values = [fields.decode(msgspec.json.encode(record)) for _ in range(3)]
    rows = np.arange(3)
    records = Records(values, rows, rows, np.full(3, RECORD_TIME_MS))
    assert plain_columns(records, Plan(fmt, fields, LabelKeys(fmt.label_names)), Tally()) is not None
