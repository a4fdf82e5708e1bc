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

from config.settings import load
from daemon.codec import ROLES, compile_decoder
from daemon.errors import UsageError
from daemon.files import read_batches
from daemon.presets import PRESETS, preset
from daemon.wiring import format_of, stream_of, streams_of
from estimators import summarize
from estimators.selfcheck import resolution_of
from tests.daemon.codec_cases import RECORD_TIME_MS, batch_of, messages, reasons
from tests.daemon.prime_rl_export import FILE, sequences


@pytest.fixture
def load_stream(tmp_path):
    """Load one stream with further keys (YAML flow text); returns settings and stream."""

    def load_it(keys):
        path = tmp_path / "klaxon.yaml"
        path.write_text(f"kafka: {{bootstrap_servers: [a:1], group_id: g}}\nstreams: [{{topic: pairs, {keys}}}]")
        settings = load(path, None, {})
        return settings, settings.streams[0]

    return load_it


LOG = Path(__file__).parents[2] / "daemon" / "data" / "open_bandit_bts.csv.gz"


def test_every_preset_compiles_and_tells_what_it_is():
    for name, each in PRESETS.items():
        assert each.name == name
        assert each.description
        assert resolution_of(each.resolution) > 0
        assert set(each.format.paths) <= set(ROLES)
        compile_decoder(each.format)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_by_configuration_is_the_preset(load_stream, name):
    settings, stream = load_stream(f"preset: {name}")
    assert format_of(settings, stream) == PRESETS[name].format
    assert stream_of(settings, stream).resolution == resolution_of(PRESETS[name].resolution)


@pytest.mark.parametrize("name", PRESETS)
def test_the_record_that_a_preset_shows_is_read_by_it(name):
    each = PRESETS[name]
    if not each.example.startswith("{"):
        assert set(each.format.paths.values()) <= set(each.example.split(","))
        return
    decoded = compile_decoder(each.format).decode(batch_of([each.example.encode()]))
    assert decoded.rejected == {}
    assert messages(decoded)
    assert all(each.format.label_names) == all(value != "unknown" for _, key, *_ in messages(decoded) for value in key)


def test_a_path_that_is_written_holds_in_place_of_the_uniform_distribution(load_stream):
    fmt = format_of(*load_stream("preset: vw-dsjson, paths: {p: score}"))
    record = {"_label_probability": 0.5, "score": 0.25, "a": [1, 2, 3]}
    (((log_p, _, _),),) = [pairs for *_, pairs in messages(compile_decoder(fmt).decode(batch_of([record])))]
    assert log_p == math.log(0.25)
    assert reasons(compile_decoder(fmt).decode(batch_of([record | {"score": "x"}]))) == {"schema": 1}


@pytest.mark.parametrize(
    ("keys", "record", "wanted"),
    [
        ("paths: {q: propensity, uniform_over: arms}", {"propensity": 0.5}, (math.log(0.25), math.log(0.5))),
        ("paths: {log_q: lq, uniform_over: arms}", {"lq": -1}, (math.log(0.25), -1)),
        ("paths: {uniform_over: arms}", {"logq": -1, "logp": -9}, (math.log(0.25), -1)),
        ("sampled_from: p, paths: {p: mine, uniform_over: arms}", {"mine": 0.5}, (math.log(0.5), math.log(0.25))),
    ],
)
def test_a_path_of_outcomes_makes_the_other_side_uniform_whatever_the_preset_names_there(
    load_stream, keys, record, wanted
):
    fmt = format_of(*load_stream(keys))
    decoded = compile_decoder(fmt).decode(batch_of([record | {"arms": [1, 2, 3, 4], "p": 0.9, "q": 0.9}]))
    ((*_, ((log_p, log_q, _),)),) = messages(decoded)
    assert (log_p, log_q) == pytest.approx(wanted, rel=1e-15)


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


def test_paths_that_do_not_fit_their_preset_are_told_with_the_stream(load_stream):
    settings, _ = load_stream("name: decisions, preset: vw-dsjson, sampled_from: p")
    with pytest.raises(UsageError, match=r"^stream decisions: the format names no field for both sides.*uniform_over$"):
        streams_of(settings)
