"""config/ knows no other package: that its words and limits are theirs is compared here."""

import itertools
from typing import get_args

import pytest

from config import vocabulary
from config.durations import microseconds_of
from config.paths import fields_path
from config.sections import LogSettings
from daemon import logs, presets
from daemon.codec.format import ENCODINGS, ROLES, TimeUnit
from daemon.codec.paths import parse_path
from daemon.errors import UsageError
from estimators import estimates, selfcheck, spec


def test_the_words_are_those_of_the_parts_that_take_them():
    assert get_args(vocabulary.Direction) == estimates.DIRECTIONS
    assert get_args(vocabulary.Estimator) == estimates.ESTIMATORS
    assert set(get_args(vocabulary.Sampler)) == set(get_args(estimates.Sampler))
    assert get_args(vocabulary.Preset) == tuple(presets.PRESETS)
    assert get_args(vocabulary.Format) == ENCODINGS
    assert get_args(vocabulary.TimeUnit) == get_args(TimeUnit)
    assert get_args(LogSettings.model_fields["level"].annotation) == get_args(logs.Level)
    assert get_args(LogSettings.model_fields["format"].annotation) == get_args(logs.Format)


def test_the_paths_are_the_roles_of_the_codec(stream):
    assert set(type(stream().paths).model_fields) == {*ROLES, "labels"}


PIECES = ("a", ".", "[", "]", "[]", "[0]", "[1:]", "\\", "7")


@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_a_path_that_may_be_written_is_one_that_the_codec_reads(length):
    for path in map("".join, itertools.product(PIECES, repeat=length)):
        assert accepted(fields_path, path) == accepted(parse_path, path), path


def accepted(check, path):
    try:
        check(path)
    except (ValueError, UsageError):
        return False
    return True


@pytest.mark.parametrize("resolution", ["bf16", "float16", "float32", "decimals:1", "decimals:17"])
def test_every_resolution_that_can_be_written_is_known_to_the_self_check(stream, resolution):
    assert selfcheck.resolution_of(stream(f"resolution: '{resolution}'").resolution) > 0


@pytest.mark.parametrize(
    "top",
    [
        "panes_per_window: 3\nburn_in: 0\nmax_skew: 0s\nmax_series_per_partition: 1",
        "windows: [1s, 3650d]\npanes_per_window: 1000\nburn_in: 1000\nmax_skew: 1d\npublish_interval: 1s",
    ],
)
def test_the_extremes_that_can_be_written_have_a_window_geometry(load_text, smallest, top):
    settings = load_text(smallest + top)
    geometry = spec.StreamSpec(
        windows=tuple(spec.WindowSpec(label, microseconds_of(each)) for label, each in settings.windows_lengths),
        panes_per_window=settings.panes_per_window,
        burn_in=settings.burn_in,
        max_skew_us=microseconds_of(settings.max_skew),
        max_series=settings.max_series_per_partition,
    )
    assert len(geometry.rings) == len(settings.windows)


def test_the_least_panes_are_the_least_that_rings_allow(problems, smallest):
    assert "panes_per_window" in problems(f"{smallest}panes_per_window: {spec.PANES_PER_WINDOW_MIN - 1}")
