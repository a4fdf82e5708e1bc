"""The SVG that charts are made of: whole documents, escaped data, broken lines, and round ticks."""

import math
from datetime import UTC, datetime
from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.charts import svg
from daemon.charts.scale import Scale, tick_text, time_ticks

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "a\"b'c<script>&]]>\x00\x1b\ud800"
DAY_US = 86_400_000_000


def parsed(*parts, title="t", description="d", css=None):
    return ET.fromstring(svg.document(100, 50, parts, title=title, description=description, css=css))


@given(st.text())
def test_any_text_makes_a_document_that_parses_and_says_it(content):
    root = parsed(svg.text((1, 2), content, "label"), title=content, description=content)
    if all(character.isprintable() for character in content):
        assert root.find(f"{SVG}text").text == (content or None)
        assert root.find(f"{SVG}title").text == (content or None)


def test_hostile_text_ends_no_attribute_and_starts_no_element():
    parts = [
        svg.path([(0, 0), (1, 1)], HOSTILE),
        svg.band([0, 1], [0, 0], [1, 1], HOSTILE),
        svg.rectangle((0, 0), 1, 1, HOSTILE),
        svg.dot((0, 0), 1, HOSTILE),
        svg.text((0, 0), HOSTILE, HOSTILE),
    ]
    root = parsed(*parts)
    assert [child.tag for child in root][2:] == [SVG + tag for tag in ("path", "path", "rect", "circle", "text")]
    assert all(set(child.attrib) <= {"class", "d", "x", "y", "width", "height", "cx", "cy", "r", "text-anchor"}
               for child in root)  # fmt: skip
    assert root[6].text.startswith("a\"b'c<script>&]]>")


def test_no_primitive_writes_a_style_attribute_and_a_part_of_a_page_brings_no_style():
    drawn = svg.document(9, 9, [svg.line((0, 0), (1, 1), "a"), svg.text((0, 0), "x", "b")], title="t", description="d")
    assert "style" not in drawn
    assert "<style>text{}</style>" in svg.document(9, 9, [], title="t", description="d", css="text{}")


def test_a_line_breaks_where_there_is_no_number_and_a_lone_point_is_a_dot():
    points = [(0, 1), (1, 2), (2, math.nan), (3, 4), (4, math.inf), (5, 6), (6, 7.26)]
    assert svg.path(points, "k") == '<path class="k" d="M0,1L1,2M3,4h0M5,6L6,7.3"/>'
    assert svg.path([(0, math.nan)], "k") == ""


def test_a_band_goes_there_below_and_back_above_and_breaks_where_a_limit_is_unknown():
    drawn = svg.band([0, 1, 2, 3], [5, 6, math.nan, 5], [2, 1, 0, 4], "k")
    assert drawn == '<path class="k" d="M0,5L1,6L1,1L0,2ZM3,5L3,4Z"/>'
    assert svg.band([0], [math.nan], [1], "k") == ""


def test_a_position_never_reads_minus_zero():
    assert svg.line((-0.01, 0.04), (-0.06, 2.0), "k") == '<path class="k" d="M0,0L-0.1,2"/>'


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e9), st.integers(2, 10))
def test_linear_ticks_are_few_evenly_spaced_and_within_the_scale(low, width, most):
    ticks = Scale(low, low + width, 0, 100).ticks(most)
    assert len(ticks) <= most
    slack = 1e-6 * width
    assert all(low - slack <= tick <= low + width + slack for tick in ticks)
    gaps = [b - a for a, b in pairwise(ticks)]
    assert all(gap == pytest.approx(gaps[0], rel=1e-3) for gap in gaps)


def test_positions_are_linear_or_logarithmic_and_what_has_none_is_nan():
    upright = Scale(0, 10, 100, 0)
    assert [upright.at(value) for value in (0, 2.5, 10, 12)] == [100, 75, 0, -20]
    logarithmic = Scale(0.01, 100, 0, 400, log=True)
    assert [logarithmic.at(value) for value in (0.01, 1, 100)] == pytest.approx([0, 200, 400])
    assert all(math.isnan(each) for each in (logarithmic.at(0), logarithmic.at(-1), upright.at(math.inf)))
    for low, high, log in ((1, 1, False), (2, 1, False), (0, 1, True), (math.nan, 1, False)):
        with pytest.raises(ValueError, match="no positions"):
            Scale(low, high, 0, 1, log)


@pytest.mark.parametrize(
    ("low", "high", "log", "texts"),
    [
        (0, 1, False, "0 0.2 0.4 0.6 0.8 1.0"),
        (0, 0.0037, False, "0 0.001 0.002 0.003"),
        (0, 2.3e-5, False, "0 5x10⁻⁶ 1.0x10⁻⁵ 1.5x10⁻⁵ 2.0x10⁻⁵"),
        (-3, 5, False, "-2 0 2 4"),
        (0, 2500, False, "0 500 1,000 1,500 2,000 2,500"),
        (0.003, 0.9, True, "0.003 0.01 0.03 0.1 0.3"),
        (1e-6, 3, True, "10⁻⁶ 10⁻⁴ 0.01 1"),
        (2.1, 4.9, True, "3 4"),
        (0.8, 1.1, True, "0.8 0.9 1 1.1"),
    ],
)
def test_ticks_read_as_a_person_would_write_them(low, high, log, texts):
    ticks = Scale(low, high, 0, 1, log).ticks()
    assert [
        tick_text(tick, None if log else ticks[1] - ticks[0]).replace("\N{MULTIPLICATION SIGN}", "x") for tick in ticks
    ] == texts.split()


@given(st.integers(-(10**15), 4 * 10**15), st.integers(0, 10**16), st.integers(3, 10))
def test_times_between_any_two_are_few_and_within(low, span, most):
    ticks = time_ticks(low, low + span, most)
    assert len(ticks) <= most
    assert all(low <= tick <= low + span for tick, _ in ticks)


@pytest.mark.parametrize(
    ("seconds", "texts"),
    [
        (0.25, "05:00:00.05 05:00:00.1 05:00:00.15 05:00:00.2 05:00:00.25"),
        (40, "05:00:10 05:00:20 05:00:30 05:00:40"),
        (3600, "05:10 05:20 05:30 05:40 05:50 06:00"),
        (86_400, "06:00|12:00|18:00|25 Nov"),
        (7 * 86_400, "25 Nov|26 Nov|27 Nov|28 Nov|29 Nov|30 Nov|1 Dec"),
        (150 * 86_400, "Dec 2019|Jan 2020|Feb 2020|Mar 2020|Apr 2020"),
    ],
)
def test_time_ticks_are_round_in_utc_and_tell_the_day_where_it_changes(seconds, texts):
    start = int(datetime(2019, 11, 24, 5, tzinfo=UTC).timestamp()) * 1_000_000 + 1
    found = time_ticks(start, start + int(seconds * 1e6))
    assert [text for _, text in found] == texts.split("|" if "|" in texts else " ")
