"""The status page as a strict parser reads it: safe, complete, bounded, and right about what it shows."""

import base64
import hashlib
import re
import time
import xml.etree.ElementTree as ET
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from daemon.board import PartitionBoard, ProcessBoard, Threshold
from daemon.drift_rule import STATES
from daemon.health import Readiness
from daemon.history import COLUMNS, extended
from daemon.source import Partition
from daemon.web.chart import HEIGHT, series_chart
from daemon.web.documents import Documents
from daemon.web.guidance import GUIDANCE
from daemon.web.page import Request, status_page
from daemon.web.reference import reference_page
from daemon.web.style import COLOURS, CONTENT_SECURITY_POLICY, PAIRS, STYLE, TONES
from tests.daemon import board_examples
from tests.daemon.series_boards import NAN, NOW, SILENT, WARNING, board, published, series

READY = Readiness(ready=True)
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</style></svg><script>alert(1)</script><b title='x\" onload=y'>&amp;\x00\u202e"


def page(*boards, request=None, readiness=READY, partitions=(), **options):
    """The page of these streams, parsed."""
    value = published(*boards, partitions=partitions)
    return parsed(status_page(value, readiness, "1.2.3", request or Request(), **options))


def parsed(text):
    """The html element; a strict parser refuses what is not well-formed."""
    doctype, _, rest = text.partition("\n")
    assert doctype == "<!DOCTYPE html>"
    return ET.fromstring(rest)


def text_of(node):
    """All text below an element, in one line."""
    return re.sub(r"\s+", " ", "".join(node.itertext())).strip()


def words_of(node):
    """All text below an element, with a space between elements."""
    return " ".join(" ".join(node.itertext()).split())


def lead(root):
    """The sentence at the top."""
    return text_of(root.find(".//p[@class='lead']"))


def remembered(made, values, *, interval=10.0, comparable=1.0, first=NOW - 3000):
    """The board with a history of these values, one list per series."""
    history = None
    for number in range(len(values[0])):
        now = [series[number] for series in values]
        rows = {"value": now, "lower": np.multiply(now, 0.9), "upper": np.multiply(now, 1.1), "short_value": now}
        flags = comparable if np.isscalar(comparable) else comparable[number]
        newest = np.array([rows.get(name, np.full(len(now), flags)) for name in COLUMNS], float)
        history = extended(history, first + number * interval, "reverse", made.keys, newest)
    return replace(made, history=history)


def test_every_page_is_well_formed_without_script_or_inline_style_and_its_one_style_is_the_one_that_may_load():
    value = board_examples.published()
    for text in (status_page(value, READY, "1", Request()), reference_page("1")):
        root = parsed(text)
        names = [node.tag for node in root.iter()]
        assert names.count("style") == 1
        assert not {"script", "link", "img", "iframe", "form", "object"} & set(names)
        attributes = {name for node in root.iter() for name in node.attrib}
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        digest = base64.b64encode(hashlib.sha256(root.find(".//style").text.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}';" in CONTENT_SECURITY_POLICY
        assert root.attrib["lang"] == "en"
        assert "width=device-width" in root.find(".//meta[@name='viewport']").attrib["content"]


def test_what_comes_from_data_is_text_whatever_it_holds():
    def built(word):
        made = board(
            series(),
            series(**SILENT),
            label_names=(word, "version"),
            keys=((word, word), ("", "1")),
            thresholds=(Threshold(word, "reverse", 0.001),),
            records_rejected={word: 1},
            topic=word,
        )
        made = remembered(replace(made, name=word), [[0.002] * 5, [0.1] * 5])
        return [
            page(made, readiness=Readiness(ready=False, reasons=(word,))),
            page(made, request=Request(stream=word)),
            page(replace(made, keys=(), windows=board().windows, history=None)),
        ]

    for hostile, harmless in zip(built(HOSTILE), built("plain"), strict=True):
        assert [node.tag for node in hostile.iter()] == [node.tag for node in harmless.iter()]
        assert [sorted(node.attrib) for node in hostile.iter()] == [sorted(node.attrib) for node in harmless.iter()]
        shown = text_of(hostile).replace(re.sub(r"\s+", " ", HOSTILE.replace("\x00", "\ufffd")), "plain")
        assert shown == text_of(harmless)


def test_headings_tables_and_pictures_tell_a_screen_reader_what_they_are():
    many = board(*(series(value=0.001 * n) for n in range(1, 20)))
    root = page(remembered(many, [[0.001] * 3] * 19), request=Request(stream="pairs"))
    levels = [int(node.tag[1]) for node in root.iter() if re.fullmatch(r"h\d", node.tag)]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert {node.attrib.get("scope") for node in root.iter("th")} == {"col", "row"}
    assert root.find(".//table/caption") is not None
    pictures = list(root.iter(f"{SVG}svg"))
    outer = [picture for picture in pictures if picture.attrib.get("role") == "img"]
    assert len(outer) == 12
    for picture in outer:
        assert picture.find(f"{SVG}title").text.startswith("KL(q||p) since ")
        assert "nats" in picture.find(f"{SVG}desc").text
    assert all(node.attrib["aria-hidden"] == "true" for node in root.iter("span") if "aria-hidden" in node.attrib)


def luminance(colour):
    """WCAG 2.2, relative luminance."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("shade", [0, 1], ids=["light", "dark"])
def test_text_and_curves_stand_out_from_what_is_behind_them(shade):
    assert luminance("#ffffff") == pytest.approx(1)
    for front, back, least in PAIRS:
        lights = sorted(luminance(COLOURS[name][shade]) for name in (front, back))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= least, (front, back)


def test_every_colour_that_the_style_names_is_defined_and_every_tone_is_a_pair():
    assert set(re.findall(r"var\(--([\w-]+)\)", STYLE)) == set(COLOURS)
    assert {(f"{tone}-text", tone) for tone in TONES.values()} <= {pair[:2] for pair in PAIRS}


def test_every_state_has_a_sign_and_a_word_of_its_own_and_help():
    assert set(GUIDANCE) == set(STATES) == set(TONES)
    assert len({guidance.sign for guidance in GUIDANCE.values()}) == len(STATES)
    assert len({guidance.word for guidance in GUIDANCE.values()}) == len(STATES)
    root = parsed(reference_page("1"))
    for state in STATES:
        assert root.find(f".//*[@id='{state}']") is not None
        assert GUIDANCE[state].steps or state == "quiet"


DRIFTED = {"value": 0.05, "lower": 0.048, "upper": 0.052}


def test_a_card_has_the_verdict_the_number_its_interval_and_the_threshold():
    root = page(board(series(**DRIFTED)))
    card = words_of(root.find(".//article"))
    for told in ("model m0", "! Drift, warning", "KL(q||p) over 1h 0.05 nats", "0.048 to 0.052",
                 "5 times the threshold 0.01", "over 5m it is 0.05"):  # fmt: skip
        assert told in card
    assert root.find(".//article//a").attrib["href"] == "/reference#drift"
    assert lead(root) == "1 of 1 series needs a look: drift."


def test_where_pairs_are_not_comparable_naive_is_shown():
    card = words_of(page(board(series(comparable=0.0, ratio_mean=0.9, naive=0.11))).find(".//article"))
    assert "KL(q||p) over 1h, naive 0.11 nats" in card
    assert "0.002 nats" not in card
    assert "times the threshold" not in card


def test_where_pairs_were_not_drawn_from_the_sampler_no_value_is_shown():
    card = words_of(page(board(series(comparable=0.0, ratio_mean=1.5, naive=0.11))).find(".//article"))
    assert "KL(q||p) over 1h \N{EN DASH} threshold" in card
    assert "0.11" not in card
    assert "0.002 nats" not in card
    assert "No value can be read until the log is right." in card


def test_an_infinite_value_and_an_absent_one_are_signs_not_numbers():
    infinite = series(value=np.inf, error=NAN, lower=NAN, upper=NAN, infinite=1.0, zero_other=1)
    cards = page(board(infinite, series(SILENT, SILENT))).findall(".//article")
    assert [text_of(card.find(".//span[@class='value']")) for card in cards] == ["∞", "–"]  # noqa: RUF001
    assert "nan" not in text_of(cards[0]) + text_of(cards[1])
    assert "interval" not in text_of(cards[1])


def test_without_a_threshold_the_page_says_measuring_not_alerting():
    root = page(board(series(), thresholds=()))
    assert "Measuring, not alerting" in text_of(root.find(".//article"))
    assert lead(root) == "No alarm in 1 series: only measured."


def test_the_worst_come_first_among_streams_and_within_one():
    calm = replace(board(series(), series()), name="calm")
    mixed = board(series(), series(value=0.009), series(**DRIFTED), series(comparable=0.0))
    root = page(calm, replace(mixed, name="mixed"))
    assert [text_of(head) for head in root.iter("h2")] == ["mixed", "calm"]
    cards = [text_of(card.find("div/h3")) for card in root.find(".//section").findall("article")]
    assert cards == ["model m3", "model m2", "model m0", "model m1"]
    assert lead(root) == "2 of 6 series need a look: 1 not comparable, 1 drift."


def test_a_thousand_series_are_counted_and_the_worst_of_them_shown():
    rows = [series(value=0.001 + n * 1e-6) for n in range(997)] + [series(**DRIFTED)] * 3
    made = remembered(board(*rows), [[0.001] * 120] * 1000, interval=30.0)
    started = time.perf_counter()
    text = status_page(published(made), READY, "1", Request())
    assert time.perf_counter() - started < 1
    root = parsed(text)
    cards = [text_of(card.find("div/h3")) for card in root.iter("article")]
    assert cards[:3] == ["model m997", "model m998", "model m999"]
    assert cards[3:] == [f"model m{n}" for n in range(988, 997)]  # the nearest to their threshold
    assert "988 more series: quiet. Show all of this stream" in text_of(root)
    assert len(text) < 200_000
    whole = parsed(status_page(published(made), READY, "1", Request(stream="pairs")))
    names = [text_of(row.find("th")) for row in whole.findall(".//tbody/tr")]
    assert sorted([*names, *(name.removeprefix("model ") for name in cards)]) == sorted(f"m{n}" for n in range(1000))


def test_more_series_than_a_table_takes_are_counted():
    root = page(board(*[series()] * 1500), request=Request(stream="pairs"))
    assert len(root.findall(".//tbody/tr")) == 1000
    assert "488 more are in the metrics and in the JSON." in text_of(root)


def test_many_streams_share_the_cards():
    streams = [replace(board(*[series()] * 20), name=f"s{n}") for n in range(16)]
    root = page(*streams)
    assert len(root.findall(".//section")) == 16
    assert len(root.findall(".//article")) == 48


def partition(number=0, *, lag=0, restored=True):
    return PartitionBoard("pairs", Partition("events", number), restored, lag, NOW, 0, 0)


@pytest.mark.parametrize(
    ("changes", "partitions", "told"),
    [
        ({}, (), "This process reads no partition of topic events"),
        ({"records_consumed": 0}, (partition(),), "No record has come on topic events since the start."),
        (
            {"records_consumed": 12, "records_rejected": {"late": 2, "schema": 9, "nan": 0}},
            (partition(),),
            "11 of 12 records from topic events could not be used: schema 9, late 2.",
        ),
        ({"records_consumed": 5, "records_ignored": 5}, (partition(),), "and `where` selects none of them"),
        ({"records_consumed": 5}, (partition(),), "No event of the last 1h on topic events; 5 records were read."),
    ],
)
def test_a_stream_without_series_says_what_it_waits_for(changes, partitions, told):
    root = page(board(topic="events", **changes), partitions=partitions)
    assert told in text_of(root.find(".//p[@class='note']"))
    assert lead(root) == "No series yet."


def test_before_the_first_publish_the_page_says_what_is_waited_for():
    reasons = Readiness(ready=False, reasons=("no broker has answered for 70 s: refused", "starting"))
    root = parsed(status_page(None, reasons, "1", Request()))
    assert lead(root) == "Nothing has been published yet."
    assert "Waiting: no broker has answered for 70 s: refused; starting." in text_of(root)


def test_a_loop_that_does_not_turn_and_numbers_that_cannot_be_used_are_told():
    root = page(board(series()), stuck=True, readiness=Readiness(ready=False, reasons=("3 partitions are restored",)))
    assert "The daemon makes no progress: these numbers are old." in text_of(root)
    assert "The numbers cannot be used yet: 3 partitions are restored." in text_of(root)
    assert "no progress" not in text_of(page(board(series())))


def test_the_facts_of_a_stream_are_told():
    process = ProcessBoard(topic_partitions={("pairs", "events"): 4})
    made = board(series(), topic="events", records_rejected={"late": 1200, "nan": 3}, pairs_rejected={"nan": 0})
    value = replace(
        published(made, partitions=(partition(0, lag=1500), partition(1, lag=7, restored=False))), process=process
    )
    facts = parsed(status_page(value, READY, "1", Request())).find(".//dl")
    told = {text_of(row.find("dt")): text_of(row.find("dd")) for row in facts}
    assert told == {
        "Topic": "events",
        "Sampled from": "q",
        "Windows": "5m, 1h",
        "Threshold": "KL(q||p) 0.01 (warning)",
        "Records read": "1,000",
        "Records not usable": "late 1,200, nan 3",
        "Partitions": "2 of 4, 1 being read",
        "Lag": "1,507 records",
    }


def test_the_page_loads_itself_anew_unless_it_is_told_to_stand_still():
    root = page(board(series()))
    assert root.find(".//meta[@http-equiv='refresh']").attrib["content"] == "10"
    stop = next(node.attrib["href"] for node in root.iter("a") if node.text == "stop")
    assert stop == "/?refresh=off"
    still = page(board(series()), request=Request(stream="pairs", refresh=False))
    assert still.find(".//meta[@http-equiv='refresh']") is None
    assert "/?stream=pairs" in [node.attrib["href"] for node in still.iter("a")]


def test_a_page_is_made_once_a_publish():
    documents, value = Documents("1"), published(board(series()))
    documents.see(value, READY, stuck=False)
    first = documents.page(Request())
    documents.see(value, READY, stuck=False)
    assert documents.page(Request()) is first
    documents.see(value, READY, stuck=True)
    assert documents.page(Request()) is not first
    documents.see(replace(value, timestamp_seconds=NOW + 10), READY, stuck=False)
    assert b"2023-11-14 22:13:30 UTC" in documents.page(Request())
    assert documents.reference() is documents.reference()


# The chart


def chart_of(values, *, thresholds=(WARNING,), **options):
    """The parsed chart of one series with these values, one every ten seconds."""
    made = board(series(), thresholds=thresholds)
    drawn = series_chart(remembered(made, [values], **options), 0)
    return None if drawn is None else ET.fromstring(drawn)


def points(root, css_class):
    """Runs of points of the path of a class."""
    (found,) = [node for node in root.iter(f"{SVG}path") if node.attrib["class"] == css_class]
    runs = [run for run in found.attrib["d"].split("M") if run]
    return [[tuple(map(float, pair.split(","))) for pair in re.findall(r"[\d.-]+,[\d.-]+", run)] for run in runs]


def test_the_curve_stands_where_its_values_are():
    values = [0.002, 0.004, 0.008, 0.006]
    root = chart_of(values)
    (curve,) = points(root, "curve")
    xs, ys = np.array(curve).T
    assert np.allclose(np.diff(xs), np.diff(xs)[0], atol=0.2)
    (limit,) = points(root, "limit")
    zero = HEIGHT - 22
    per_nat = (zero - limit[0][1]) / WARNING.nats
    assert np.allclose((zero - ys) / per_nat, values, atol=0.2 / per_nat)


def test_a_gap_in_the_data_is_a_gap_in_the_curve():
    assert [len(run) for run in points(chart_of([0.002, 0.002, NAN, 0.002, np.inf, 0.003, 0.003]), "curve")] == [
        2,
        1,
        2,
    ]


def test_pairs_that_are_not_comparable_are_marked_at_the_foot():
    root = chart_of([0.002] * 6, comparable=[1, 0, 0, 1, NAN, 1])
    (bar,) = [node for node in root.iter(f"{SVG}rect") if node.attrib["class"] == "failed"]
    (curve,) = points(root, "curve")
    assert float(bar.attrib["x"]) == pytest.approx(curve[1][0], abs=0.1)
    assert float(bar.attrib["x"]) + float(bar.attrib["width"]) == pytest.approx(curve[3][0], abs=0.2)


def test_a_threshold_far_above_is_told_instead_of_pressing_the_curve_to_the_ground():
    root = chart_of([0.0002, 0.0003])
    assert not [node for node in root.iter(f"{SVG}path") if node.attrib["class"] == "limit"]
    assert "threshold 0.01, far above" in text_of(root)


@pytest.mark.parametrize("values", [[0.0, 0.0], [-0.001, -0.002], [1e-300, 2e-300], [1e15, 2e15], [0.002, NAN]])
def test_any_values_can_be_drawn(values):
    root = chart_of(values, thresholds=())
    for run in points(root, "curve"):
        assert all(0 <= x <= 320 and 0 <= y <= HEIGHT for x, y in run)


@pytest.mark.parametrize("values", [[0.002], [NAN, NAN], [np.inf, np.inf]])
def test_without_two_moments_of_an_estimate_there_is_no_chart(values):
    assert chart_of(values) is None
    assert "No chart yet" in text_of(page(board(series())).find(".//article"))


def test_the_time_axis_begins_with_the_history_and_spans_an_hour_at_most():
    young = chart_of([0.002] * 6, first=NOW - 60)
    assert "since 22:12:20 UTC" in young.find(f"{SVG}title").text
    old = chart_of([0.002] * 500, first=NOW - 5000)
    assert "since 21:13:10 UTC" in old.find(f"{SVG}title").text
