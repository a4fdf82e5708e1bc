"""Presets: shapes that producers write today, against the producers' own numbers."""

import csv
import gzip
import itertools
import json
import math
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from daemon.codec import ROLES, compile_decoder
from daemon.errors import UsageError
from daemon.files import read_batches
from daemon.presets import PRESETS, preset
from estimators import summarize
from estimators.selfcheck import resolution_of
from tests.daemon.codec_cases import RECORD_TIME_MS, batch_of, messages, reasons
from tests.daemon.prime_rl_export import FILE, sequences

LOG = Path(__file__).parents[2] / "daemon" / "data" / "open_bandit_bts.csv.gz"


def test_every_preset_compiles_and_tells_what_it_is():
    for name, each in PRESETS.items():
        assert each.name == name
        assert each.description
        assert resolution_of(each.resolution) > 0
        assert set(each.format.paths) <= set(ROLES)
        compile_decoder(each.format)


def test_an_unknown_preset_is_told_with_those_that_exist():
    with pytest.raises(UsageError, match="no preset `prime`; there are canonical, open-bandit, prime-rl, "):
        preset("prime")


def test_open_bandit_rows_are_pairs_of_both_probabilities_by_campaign():
    with gzip.open(LOG, "rt") as lines:
        rows = list(itertools.islice(csv.DictReader(lines), 500))
    epoch = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    wanted = [
        (
            (row["campaign"],),
            round((datetime.fromisoformat(row["timestamp"]) - epoch).total_seconds() * 1e6),
            math.log(float(row["uniform_probability"])),
            math.log(float(row["propensity_score"])),
        )
        for row in rows
    ]
    decoder = compile_decoder(preset("open-bandit").format)
    batch = next(read_batches(LOG, preset("open-bandit").format))
    decoded = decoder.decode(batch)
    assert decoded.rejected == {}
    found = [(key, at, pairs[0][0], pairs[0][1]) for _, key, at, pairs in messages(decoded)[:500]]
    assert [each[:2] for each in found] == [each[:2] for each in wanted]
    np.testing.assert_allclose([each[2:] for each in found], [each[2:] for each in wanted], rtol=1e-15)


def test_the_open_bandit_resolution_covers_what_six_decimals_lose():
    with gzip.open(LOG, "rt") as lines:
        q = np.array([float(row["propensity_score"]) for row in csv.DictReader(lines)])
    lost = np.mean((1e-6 / q) ** 2 / 12)
    assert lost < resolution_of(preset("open-bandit").resolution) < 30 * lost


def test_the_prime_rl_reference_is_what_its_generator_writes():
    written = [json.loads(line) for line in FILE.read_text().splitlines()]
    for found, made in zip(written, sequences(), strict=True):
        assert found.keys() == made.keys()
        for name, column in made.items():
            if isinstance(column, list) and isinstance(column[0], float):
                np.testing.assert_allclose(found[name], column, rtol=1e-5, atol=1e-6)
            else:
                assert found[name] == column


def test_prime_rl_mismatch_kl_is_our_reverse_fixed():
    written = [json.loads(line) for line in FILE.read_text().splitlines()]
    fmt = preset("prime-rl").format
    decoded = compile_decoder(fmt).decode(batch_of(FILE.read_bytes().splitlines()))
    assert reasons(decoded) == {}
    found = messages(decoded)
    assert [len(pairs) for *_, pairs in found] == [sum(each["loss_mask"]) for each in written]
    assert {at for _, _, at, _ in found} == {RECORD_TIME_MS * 1000}
    for env in ("math", "code"):
        theirs = [
            kl
            for each in written
            if each["env_name"] == env
            for kl, keep in zip(each["mismatch_kl"], each["loss_mask"], strict=True)
            if keep
        ]
        mine = [(offset, p, q) for offset, key, _, pairs in found if key == (env,) for p, q, _ in pairs]
        offsets, log_p, log_q = map(np.array, zip(*mine, strict=True))
        summary = summarize(log_p, log_q, messages=offsets)
        assert summary.reverse.fixed.value == pytest.approx(np.mean(theirs), abs=1e-6)
        # Negative controls: neither the other direction nor the masked placeholders would pass.
        assert summary.forward.fixed.value != pytest.approx(np.mean(theirs), abs=1e-6)
        everything = [kl for each in written if each["env_name"] == env for kl in each["mismatch_kl"]]
        assert np.mean(everything) != pytest.approx(np.mean(theirs), abs=1e-6)
