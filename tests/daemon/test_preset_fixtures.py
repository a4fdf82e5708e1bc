"""Every preset reads a log in its producer's shape to the divergence that is known; the page that shows it is fresh."""

import gzip
import json
from dataclasses import replace

import numpy as np
import pytest

from daemon.codec import compile_decoder
from daemon.files import read_batches
from daemon.presets import PRESETS
from estimators import summarize
from tests.daemon.codec_cases import batch_of
from tests.fixtures.presets import page
from tests.fixtures.presets.make import TRUTHS, lines, path_of, truths

KNOWN = json.loads(TRUTHS.read_text())
SIGMAS = 4


def columns(decoded):
    """Columns log p, log q, weight and message of decoded batches."""
    parts, count = [], 0
    for pairs in (each.pairs for each in decoded):
        number = np.zeros(pairs.log_p.size, int)
        number[pairs.first_pair[1:]] = 1
        weight = np.ones(pairs.log_p.size) if pairs.weight is None else pairs.weight
        parts.append((pairs.log_p, pairs.log_q, weight, count + np.cumsum(number)))
        count = parts[-1][-1][-1] + 1
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def decoded(name):
    """A fixture through its preset's decoder."""
    fmt = replace(PRESETS[name].format, require_time=False)
    decoder = compile_decoder(fmt)
    return [decoder.decode(batch) for batch in read_batches(path_of(name), fmt)]


def summary(name, **variant):
    """Summary of a fixture, or of a variant of it."""
    if not variant:
        made = decoded(name)
    else:
        made = [compile_decoder(PRESETS[name].format).decode(batch_of(lines(name, **variant)))]
    log_p, log_q, weight, message = columns(made)
    return summarize(log_p, log_q, weights=weight, messages=message)


def off(estimate, truth):
    """How many standard errors an estimate is away from the truth."""
    return abs(estimate.value - truth) / estimate.standard_error


def test_every_preset_has_a_fixture_and_no_fixture_is_without_a_preset():
    assert set(KNOWN) == set(PRESETS)


@pytest.mark.parametrize("name", PRESETS)
def test_a_fixture_is_what_its_generator_writes(name):
    with gzip.open(path_of(name)) as file:
        assert file.read().splitlines() == lines(name)
    assert path_of(name).stat().st_size < 250_000


def test_the_truths_are_what_the_generator_knows():
    assert truths() == KNOWN


@pytest.mark.parametrize("name", PRESETS)
def test_every_record_is_read_and_its_pairs_are_those_that_were_drawn(name):
    made, truth = decoded(name), KNOWN[name]
    rejected = {reason: each.count for part in made for reason, each in part.rejected.items()}
    assert rejected == ({"empty": truth["empty_records"]} if truth["empty_records"] else {})
    assert sum(each.records for each in made) == truth["records"] - truth["empty_records"]
    log_p, _, _, message = columns(made)
    assert (log_p > -9000).sum() == truth["pairs"]
    assert message[-1] + 1 == truth["messages"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_reads_its_fixture_to_the_known_divergence(name):
    found, truth = summary(name), KNOWN[name]
    if truth["kl_forward_nats"] is None:  # a truncated sampler: naive alone is right
        assert off(found.reverse.naive, truth["kl_reverse_nats"]) < SIGMAS
        assert off(found.reverse.adaptive, truth["kl_reverse_nats"]) > 100
    else:
        assert off(found.reverse.adaptive, truth["kl_reverse_nats"]) < SIGMAS
        assert off(found.forward.adaptive, truth["kl_forward_nats"]) < SIGMAS
    assert found.comparable == truth["comparable"]
    assert found.ratio_mean == pytest.approx(truth["kept_mass"], abs=0.02)


@pytest.mark.parametrize("name", ["prime-rl", "nemo-rl", "verl"])
def test_without_its_mask_a_log_shows_another_divergence(name):
    """Negative control: the mask is needed, and the fixture would show it if it were not read."""
    assert off(summary(name, masked=False).reverse.adaptive, KNOWN[name]["kl_reverse_nats"]) > SIGMAS


@pytest.mark.parametrize("name", ["canonical", "vllm", "openai-logprobs"])
def test_exchanged_columns_and_another_base_show(name):
    """Negative control, and the variants that inspection is tested with."""
    value = summary(name).reverse.naive.value
    assert summary(name, swapped=True).reverse.naive.value == pytest.approx(-value, rel=1e-9)
    tenth = summary(name, log_base=10).reverse.naive.value
    assert tenth == pytest.approx(value / np.log(10), rel=1e-3)


def test_a_sub_sampled_log_is_biased_without_its_drop_probabilities():
    """Negative control: the weights are needed."""
    log_p, log_q, weight, message = columns(decoded("vw-dsjson"))
    assert set(np.round(weight, 9)) == {1.0, 2.5}
    found = summarize(log_p, log_q, messages=message)
    assert off(found.reverse.naive, KNOWN["vw-dsjson"]["kl_reverse_nats"]) > SIGMAS


def test_the_page_of_the_reference_is_current():
    assert page.FILE.read_text(encoding="utf-8") == page.markdown()
