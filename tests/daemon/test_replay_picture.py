"""The picture of a replay: a whole document that shows the estimates, says its units, and takes no text for markup."""

import json
import math
import random
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from daemon.replay.style import CSS

SVG = "{http://www.w3.org/2000/svg}"
CANONICAL = ("--preset", "canonical")
HOUR = 3600


def record(draw, drift, **more):
    p, q = (0.5 - drift, 0.3, 0.2 + drift), (0.5, 0.3, 0.2)
    x = draw.choices(range(3), q)[0]
    return {"logp": math.log(p[x]), "logq": math.log(q[x]), **more}


@pytest.fixture
def drawn(klaxond, tmp_path):
    """Replay records with a picture; (its root element, what was said)."""

    def replay(lines, *arguments, name="log.jsonl"):
        path, picture = tmp_path / name, tmp_path / "picture.svg"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        status, out, err = klaxond("replay", "--input", path, "--plot", picture, *(arguments or CANONICAL))
        assert status == 0, err
        return ET.parse(picture).getroot(), out + err

    return replay


def texts(root, css_class=None):
    return [each.text for each in root.iter(f"{SVG}text") if css_class in {None, each.get("class")}]


def shapes(root, css_class):
    return [each for each in root.iter() if each.get("class") == css_class]


def story(count=6000, series=("m",), seed=1):
    draw = random.Random(seed)
    for row in range(count):
        drift = 0.1 if row > count / 2 else 0.02
        model = draw.choice(series)
        yield record(
            draw, drift * (1 + series.index(model)) / len(series), model=model, version="1", ts=1_700_000_000 + row
        )


def test_it_has_title_unit_interval_self_check_and_a_time_axis(drawn):
    root, said = drawn(story())
    assert "Picture: " in said
    assert texts(root, "title") == ["KL(q||p) in log.jsonl"]
    assert texts(root, "name") == ["model m, version 1"]
    assert "nats" in texts(root, "unit")
    notes = " ".join(texts(root, "note"))
    assert "with its 95 % interval" in notes
    assert "self-check: mean of p/q, should be 1" in notes
    assert "event time, UTC, 2023-11-14" in notes
    assert [len(shapes(root, each)) for each in ("kl", "klband", "ratio", "ratioband", "should")] == [1] * 5
    assert root.find(f"{SVG}title").text == "KL(q||p) in log.jsonl"
    assert "model m, version 1, whole input: 0.0" in root.find(f"{SVG}desc").text
    assert all(re.fullmatch(r"\d\d:\d\d", each) for each in texts(root, "tick")[-5:])


def test_the_dots_lie_at_the_estimates_of_their_slices(drawn):
    """The scale is read from the axis, and the drift of the second half found where it began."""
    root, _ = drawn(story())
    ticks = [(float(each.text), float(each.get("y"))) for each in shapes(root, "tick")
             if each.get("text-anchor") == "end" and float(each.get("y")) < 340]  # fmt: skip
    (low, low_y), (high, high_y) = ticks[0], ticks[-1]
    dots = [(float(each.get("cx")), float(each.get("cy"))) for each in shapes(root, "kldot")]
    assert 30 <= len(dots) <= 128
    nats = [low + (low_y - 4 - y) / (low_y - high_y) * (high - low) for _, y in dots]
    p, q = np.array([0.4, 0.3, 0.3]), np.array([0.5, 0.3, 0.2])
    half = len(dots) // 2
    assert np.mean(nats[half + 2 :]) == pytest.approx((q * np.log(q / p)).sum(), rel=0.1)
    assert np.mean(nats[: half - 2]) < 0.004


def test_without_times_the_axis_counts_messages_and_says_so(drawn):
    lines = [{key: value for key, value in line.items() if key != "ts"} for line in story()]
    root, _ = drawn(lines)
    notes = texts(root, "note")
    assert "number of the message, in the order of the input" in notes
    assert any("for each slice of 128 messages" in each for each in notes)
    assert {"0", "1,000", "5,000"} <= set(texts(root, "tick"))


def test_times_that_do_not_spread_give_way_to_the_order_of_the_input(drawn):
    root, _ = drawn([line | {"ts": 1_700_000_000} for line in story(2000)])
    assert "number of the message, in the order of the input" in texts(root, "note")


def test_the_furthest_apart_come_first_and_the_others_are_named(drawn):
    root, _ = drawn(story(12_000, series=("a", "b", "c", "d", "e", "f")))
    assert texts(root, "name") == [f"model {each}, version 1" for each in "fedc"]
    assert any("the 4 furthest apart of 6 series" in each for each in texts(root, "note"))
    assert "Not drawn: model b, version 1; model a, version 1" in texts(root, "note")
    assert len(shapes(root, "kl")) == 4


def test_thresholds_are_drawn_and_named(drawn, tmp_path):
    config = tmp_path / "thresholds.yaml"
    config.write_text(
        "kafka: {bootstrap_servers: ['127.0.0.1:9092'], group_id: k}\n"
        "streams: [{topic: pairs, series_labels: [model], thresholds: [{nats: 0.01}, "
        "{severity: critical, nats: 0.0101}, {severity: other, direction: forward, nats: 0.02}]}]\n"
    )
    root, _ = drawn(story(), "--config.file", config)
    assert len(shapes(root, "threshold")) == 2
    limits = shapes(root, "limit")
    assert [each.text for each in limits] == ["warning 0.01", "critical 0.0101"]
    heights = [float(each.get("y")) for each in limits]
    assert heights[0] - heights[1] >= 12, "names must not overlap"
    right = max(float(each.get("x")) for each in limits)
    assert right + 100 <= 900


def test_pairs_that_fail_the_self_check_are_drawn_as_naive_and_it_is_said(drawn):
    draw = random.Random(3)
    lines = []
    for _ in range(4000):
        x = draw.choices((0, 1), (0.55, 0.45))[0]
        lines.append({"p": (0.5, 0.3)[x], "q": (0.55, 0.45)[x]})
    root, _ = drawn(lines)
    assert any("naive, since the self-check failed" in each for each in texts(root, "note"))
    assert any(each.startswith("One naive estimate") for each in texts(root, "note"))


def test_an_infinite_slice_has_a_sign_of_its_own(drawn):
    lines = list(story(2000))
    lines[700] |= {"logp": None, "p": 0.0, "q": 0.3}
    del lines[700]["logp"], lines[700]["logq"]
    root, _ = drawn(lines)
    assert texts(root, "infinite") == ["\N{INFINITY}"]
    assert any("whole input: infinite" in each for each in texts(root, "note"))


def test_a_file_name_and_labels_are_text_and_never_markup(drawn):
    name = "a<b>&\"'.jsonl"
    root, _ = drawn([line | {"model": "a/b@c:d"} for line in story(2000)], name=name)
    assert texts(root, "title") == [f"KL(q||p) in {name}"]
    assert texts(root, "name") == ["model a/b@c:d, version 1"]
    assert not [each for each in root.iter() if "style" in each.attrib]


def test_nothing_to_draw_is_said_and_no_file_is_written(klaxond, tmp_path):
    path, picture = tmp_path / "log.jsonl", tmp_path / "picture.svg"
    path.write_text('{"logp": 1.0, "logq": -1.0}\n')
    _, out, _ = klaxond("replay", "--input", path, "--plot", picture, *CANONICAL)
    assert "No picture" in out
    assert not picture.exists()


@pytest.mark.parametrize("name", ["log.jsonl", "kl.png", "kl"])
def test_only_an_svg_is_written_and_never_over_the_input(klaxond, tmp_path, name):
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in story(50)))
    before = path.read_bytes()
    status, _, err = klaxond("replay", "--input", path, "--plot", tmp_path / name, *CANONICAL)
    assert status == 2
    assert f"{tmp_path / name} is not named so" in err
    linked = tmp_path / "link.svg"
    linked.symlink_to(path)
    status, _, err = klaxond("replay", "--input", path, "--plot", linked, *CANONICAL)
    assert (status, "write over the input" in err) == (2, True)
    assert path.read_bytes() == before


def test_a_folder_that_is_not_there_is_told(klaxond, tmp_path):
    path, picture = tmp_path / "log.jsonl", tmp_path / "nowhere" / "picture.svg"
    path.write_text("".join(json.dumps(line) + "\n" for line in story(100)))
    status, _, err = klaxond("replay", "--input", path, "--plot", picture, *CANONICAL)
    assert status == 3
    assert f"cannot write {picture}" in err


@pytest.mark.parametrize("count", [1, 4])
def test_fewer_messages_than_a_point_takes_give_no_empty_picture(klaxond, tmp_path, count):
    path, picture = tmp_path / "log.jsonl", tmp_path / "picture.svg"
    path.write_text("".join(json.dumps(line) + "\n" for line in story(count)))
    status, out, _ = klaxond("replay", "--input", path, "--plot", picture, *CANONICAL)
    assert status == 0
    assert "No picture: there are too few messages for a point" in out
    assert not picture.exists()


@pytest.mark.parametrize("drift", [1e-12, 1e-6, 1e-3, 0.19])
@pytest.mark.parametrize("count", [5, 7, 300])
def test_any_size_of_log_and_of_divergence_gives_a_picture_within_its_frame(drawn, count, drift):
    draw = random.Random(4)
    root, _ = drawn([record(draw, drift, model="m", version="1", ts=1_700_000_000 + row) for row in range(count)])
    for each in root.iter():
        for key in ("x", "y", "cx", "cy"):
            assert -1 <= float(each.get(key, "0")) <= 900
        if each.get("text-anchor") == "end":
            assert float(each.get("x")) > 6 * len(each.text), "it starts left of the paper"
    assert "nan" not in ET.tostring(root, encoding="unicode").replace("naive", "")


def luminance(colour):
    """Relative luminance of WCAG 2.1 of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_text_and_lines_stand_out_from_the_paper(dark):
    light_rules, dark_rules = CSS.split("@media")
    rules = dark_rules if dark else light_rules

    def colour(selector, key):
        return re.search(rf"(?:^|[}},{{])(?:[.\w]+,)*{re.escape(selector)}(?:,[.\w]+)*{{[^}}]*?\b{key}:(#\w+)", rules)[
            1
        ]

    paper = luminance(colour(".paper", "fill"))
    lines = [(each, "stroke", 4.5) for each in (".kl", ".ratio", ".threshold")]
    for selector, key, least in (("text", "fill", 7), (".tick", "fill", 4.5), (".limit", "fill", 4.5), *lines):
        ink = luminance(colour(selector, key))
        contrast = (max(ink, paper) + 0.05) / (min(ink, paper) + 0.05)
        assert contrast >= least, (selector, contrast)
