"""Records that hold the sampler's side only, sub-sampled records, and masks over whole messages."""

import math

import pytest

from daemon.codec import Format, compile_decoder
from daemon.errors import UsageError
from daemon.files import read_batches
from estimators.pairs import NULL_LOG_PROB
from tests.daemon.codec_cases import decode, messages, pairs_of, reason

ONE_SIDED = {"q": "prob", "uniform_over": "actions", "drop_probability": "pdrop", "weight": "w"}
PACKED = {"log_p": "p", "log_q": "q", "mask": "m", "message_mask": "s"}


def detail(record, **format_keys):
    """What is said of the one rejected record."""
    ((told,),) = (rejected.details for rejected in decode(record, **format_keys).rejected.values())
    return told


def test_the_other_side_is_uniform_over_the_outcomes_that_the_record_names():
    found = pairs_of({"prob": 0.5, "actions": [4, 2, 9, 1]}, {"prob": 0.0, "actions": [{}]}, paths=ONE_SIDED)
    assert found == [((math.log(0.25), math.log(0.5), 1),), ((0, -math.inf, 1),)]


def test_the_sampler_may_be_p_and_logarithms_may_have_another_base():
    paths = {"log_p": "lp", "uniform_over": "n"}
    ((pair,),) = pairs_of({"lp": -1, "n": [1] * 8}, paths=paths, sampled_from="p", nats_per_unit=math.log(2))
    assert pair == pytest.approx((-1, -3, 1), rel=1e-15)


def test_a_null_of_the_sampler_is_a_null_of_the_pair():
    assert pairs_of({"prob": None, "actions": [1, 2]}, paths=ONE_SIDED) == [((math.log(0.5), NULL_LOG_PROB, 1),)]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        ({"prob": 0.5}, "the record does not hold both sides: `prob` and the array `actions`"),
        ({"prob": 0.5, "actions": None}, "`prob` and the array `actions`"),
        ({"actions": [1]}, "`prob` and the array `actions`"),
        ({"prob": 0.5, "actions": []}, "the array names no possible outcome - at `$.actions`"),
        ({"prob": [0.5], "actions": [1, 2]}, "a record holds one pair - at `$.prob`"),
        ({"prob": 0.5, "actions": 3}, "Expected `array | null`, got `int` - at `$.actions`"),
    ],
)
def test_a_one_sided_record_that_lacks_something_is_refused(record, text):
    assert reason(record, paths=ONE_SIDED) == "schema"
    assert text in detail(record, paths=ONE_SIDED)


def test_a_path_of_the_other_side_holds_in_place_of_the_uniform_distribution():
    paths = {**ONE_SIDED, "p": "score"}
    assert pairs_of({"prob": 0.5, "score": 0.25, "actions": []}, paths=paths) == [((math.log(0.25), math.log(0.5), 1),)]
    assert reason({"prob": 0.5, "actions": [1, 2]}, paths=paths) == "schema"


def test_outcomes_alone_are_no_format():
    with pytest.raises(UsageError, match="no field for both sides"):
        compile_decoder(Format(paths={"uniform_over": "a"}))
    with pytest.raises(UsageError, match="no field for both sides"):
        compile_decoder(Format(paths=ONE_SIDED, sampled_from="p"))


def test_a_record_weighs_one_over_the_probability_that_it_was_kept():
    records = [
        {"prob": 0.5, "actions": [1], **more}
        for more in ({"pdrop": 0.75}, {"pdrop": 0.75, "w": 3}, {"pdrop": None}, {})
    ]
    assert [weight for ((_, _, weight),) in pairs_of(*records, paths=ONE_SIDED)] == [4, 12, 1, 1]
    arrays = {"logp": [-1, -2], "logq": [-1, -2], "weight": [1, 3], "pdrop": 0.5}
    paths = {"log_p": "logp", "log_q": "logq", "weight": "weight", "drop_probability": "pdrop"}
    assert pairs_of(arrays, paths=paths) == [((-1, -1, 2), (-2, -2, 6))]


@pytest.mark.parametrize("pdrop", [1, 1.5, -0.1])
def test_a_drop_probability_outside_its_range_rejects_the_record(pdrop):
    record = {"prob": 0.5, "actions": [1], "pdrop": pdrop}
    assert reason(record, paths=ONE_SIDED) == "schema"
    assert detail(record, paths=ONE_SIDED) == "a drop probability is at least 0 and below 1 - at `$.pdrop`"


def test_a_message_mask_leaves_out_whole_messages_beside_the_mask():
    record = {"p": [[0, -1], [-2, -3]], "q": [[0, -4], [-5, -6]], "m": [[0, 1], [1, 1]], "s": [1.0, 0.0]}
    assert pairs_of(record, paths=PACKED) == [((-1, -4, 1),)]
    assert pairs_of({**record, "s": None}, paths=PACKED) == [((-1, -4, 1),), ((-2, -5, 1), (-3, -6, 1))]
    assert pairs_of({**record, "s": True}, paths=PACKED) == pairs_of({**record, "s": None}, paths=PACKED)
    assert pairs_of({"p": [-1], "q": [-2], "s": [1]}, paths=PACKED) == [((-1, -2, 1),)]


@pytest.mark.parametrize(
    ("mask", "wanted"),
    [([0, 0], "empty"), (0, "empty"), ([1], "length_mismatch"), ([1, 1, 1], "length_mismatch"), ([1, 0.5], "schema")],
)
def test_a_message_mask_that_does_not_fit_rejects_the_record(mask, wanted):
    record = {"p": [[-1], [-2]], "q": [[-1], [-2]], "s": mask}
    assert reason(record, paths=PACKED) == wanted
    assert "`$.s`" in detail(record, paths=PACKED) or wanted == "empty"


def test_a_csv_file_cannot_hold_the_outcomes(tmp_path):
    file = tmp_path / "decisions.csv"
    file.write_text("prob,score,pdrop\n0.5,0.25,0.75\n")
    with pytest.raises(UsageError, match=r"CSV, which holds no arrays.*`actions`.*write a column for that side too"):
        next(read_batches(file, Format(paths=ONE_SIDED)))
    fmt = Format(paths={"p": "score", "q": "prob", "drop_probability": "pdrop"}, require_time=False)
    decoded = compile_decoder(fmt).decode(next(read_batches(file, fmt)))
    assert [pairs for *_, pairs in messages(decoded)] == [((math.log(0.25), math.log(0.5), 4),)]
