"""Inspection of every producer's fixture: shape, sampler and faults, also where the log is not what it says."""

import csv
import json
import math

import pytest

from config.settings import load
from daemon.codec import compile_decoder
from daemon.files import read_batches
from daemon.inspection import inspect_batches
from daemon.wiring import format_of
from tests.daemon.inspection_worlds import batch, inspected
from tests.fixtures.presets import make

TRUTHS = json.loads(make.TRUTHS.read_text())
WITH_TWO_SIDES = [name for name in TRUTHS if name != "vw-dsjson"]
OF_SEQUENCES = [name for name in TRUTHS if name in make.CASES]
#: Their divergence and number of pairs suffice to refute a wrong base.
TELL_THE_BASE = ["vllm", "openai-logprobs"]


@pytest.fixture(scope="module")
def found():
    """Findings of the fixtures as they are."""
    return {name: inspect_batches(read_batches(make.path_of(name), None)) for name in TRUTHS}


def variant(name, **changes):
    lines = make.lines(name, **changes)
    if name != "open-bandit":
        return inspected(lines)
    header, *rows = csv.reader(line.decode() for line in lines)
    numbers = {"propensity_score", "uniform_probability"}
    return inspected(
        [{key: float(cell) if key in numbers else cell for key, cell in zip(header, row, strict=True)} for row in rows]
    )


def settings(stream):
    flags = {"streams": [{"topic": "t", **stream}], "kafka.bootstrap_servers": ["b:1"], "kafka.group_id": "g"}
    return load(None, flags, {})


@pytest.mark.parametrize("name", TRUTHS)
def test_the_preset_is_found_and_every_record_with_pairs_is_read(found, name):
    finding, truth = found[name], TRUTHS[name]
    assert (finding.preset, finding.encoding, finding.problem) == (name, "json", "")
    assert finding.records == truth["records"]
    assert finding.decoded == truth["records"] - truth["empty_records"]
    assert (finding.messages, finding.pairs) == (truth["messages"], truth["pairs"])


@pytest.mark.parametrize("name", TRUTHS)
def test_the_sampler_is_named_by_the_data(found, name):
    evidence, truth = found[name].sampler, TRUTHS[name]
    assert (evidence.sampled_from, evidence.decided_by) == (truth["sampler"], "evidence")
    assert not evidence.contradicts_names
    assert evidence.chosen.fit == ("fits" if truth["kept_mass"] == 1 else "below")
    assert abs(evidence.chosen.ratio_mean - truth["kept_mass"]) < 4 * evidence.chosen.error
    assert evidence.other.fit == "above"
    assert evidence.comparable in {truth["comparable"], None}


@pytest.mark.parametrize("name", TRUTHS)
def test_sentinels_and_masks_are_what_the_producer_wrote(found, name):
    finding, truth = found[name], TRUTHS[name]
    assert finding.quality_p.sentinel == pytest.approx(truth["sentinel_share"], abs=1e-6)
    assert finding.quality_q.sentinel == 0
    assert (finding.mask.path or "") == ", ".join(truth["masks"])
    assert (finding.mask.masked > 0.1) == bool(truth["masks"])
    assert not finding.mask.missing


@pytest.mark.parametrize("name", TRUTHS)
def test_what_is_found_makes_a_stream_that_reads_the_log(found, name):
    loaded = settings(found[name].stream)
    fmt = format_of(loaded, loaded.streams[0])
    if name == "open-bandit":
        batches = list(read_batches(make.path_of(name), fmt))
    else:
        batches = [batch(make.lines(name), range(1_772_000_000_000, 1_772_000_000_000 + TRUTHS[name]["records"]))]
    decoder = compile_decoder(fmt)
    assert sum(decoder.decode(each).records for each in batches) == found[name].decoded


@pytest.mark.parametrize("name", WITH_TWO_SIDES)
def test_swapped_columns_are_found_out_by_the_data_against_the_names(name):
    finding = variant(name, swapped=True)
    assert finding.preset == name
    assert (finding.sampler.sampled_from, finding.sampler.decided_by) == ("p", "evidence")
    assert finding.sampler.contradicts_names
    assert finding.stream["sampled_from"] == "p"
    assert settings(finding.stream).streams[0].sampled_from == "p"


@pytest.mark.parametrize("name", TELL_THE_BASE)
@pytest.mark.parametrize("base", [2, 10])
@pytest.mark.parametrize("swapped", [False, True])
def test_another_log_base_is_found_on_either_side(name, base, swapped):
    finding = variant(name, log_base=base, swapped=swapped)
    assert finding.stream["log_base"] == finding.log_base.base == base
    assert finding.sampler.sampled_from == ("p" if swapped else "q")
    assert finding.sampler.chosen.fit == "fits"


@pytest.mark.parametrize("name", [name for name in OF_SEQUENCES if name not in TELL_THE_BASE])
@pytest.mark.parametrize("base", [2, 10])
def test_where_the_pairs_do_not_tell_the_base_the_true_one_is_named_as_fitting(name, base):
    evidence = variant(name, log_base=base).log_base
    if TRUTHS[name]["kept_mass"] == 1:
        assert base in {evidence.base, *evidence.also_fitting}
    assert evidence.base in {"e", base}


@pytest.mark.parametrize("name", OF_SEQUENCES)
def test_natural_logarithms_are_never_called_anything_else(found, name):
    assert found[name].log_base.base == "e"
    assert "log_base" not in found[name].stream


@pytest.mark.parametrize("name", [name for name in OF_SEQUENCES if TRUTHS[name]["masks"]])
def test_a_missing_mask_shows_by_its_placeholders_and_by_what_they_do_to_the_divergence(found, name):
    mask = variant(name, masked=False).mask
    assert mask.path is None
    assert mask.missing
    # A share z of zeros makes a mean smaller by the factor 1 - z, exactly.
    assert mask.kl_with == pytest.approx((1 - mask.placeholders) * mask.kl_without, rel=1e-9)
    if name != "nemo-rl":  # whose unmasked samples come on top
        assert mask.placeholders == pytest.approx(found[name].mask.masked, abs=0.01)
        assert mask.kl_without == pytest.approx(TRUTHS[name]["kl_reverse_nats"], rel=0.15)
    assert math.isfinite(mask.kl_without)
