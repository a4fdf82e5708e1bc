"""Logs are one line each in every format, count what is bad, and never hold a secret."""

import io
import json
import logging
import sys
import threading
from urllib.parse import quote

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from kafka.protocol.metadata import MetadataResponse

from daemon import kafka_logs, logs

SECRET = 'hunter2 ä"\\canary'


@pytest.fixture(autouse=True)
def restored():
    """Give the process its own logging back."""
    root, hooks = logging.getLogger(), (sys.excepthook, threading.excepthook)
    levels = {name: logging.getLogger(name).level for name in ("apscheduler", "kafka")}
    handlers, level = root.handlers[:], root.level
    yield
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = handlers, level
    for name, old in levels.items():
        logging.getLogger(name).setLevel(old)
    structlog.reset_defaults()


def fail(message):
    raise ValueError(message)


class Captured(io.StringIO):
    """Standard error, with what it holds as lines."""

    def lines(self):
        return self.getvalue().splitlines()


def configured(log_format="logfmt", level="info", secrets=()):
    stream = Captured()
    return logs.configure(level, log_format, secrets=secrets, stream=stream), stream


def test_logfmt_is_one_line_with_time_level_logger_and_message_first():
    _, stream = configured()
    structlog.get_logger("daemon.x").info("partitions change hands", change="assigned", count=3)
    stamp, *rest = stream.lines()[0].split(" ")
    assert stamp.startswith("ts=20")
    assert stamp.endswith("Z")
    assert " ".join(rest) == 'level=info logger=daemon.x msg="partitions change hands" change=assigned count=3'


def test_json_has_the_same_fields():
    _, stream = configured("json")
    structlog.get_logger("daemon.x").warning("slow", seconds=1.5, partitions=["a/1"])
    told = json.loads(stream.getvalue())
    assert told.pop("ts").endswith("Z")
    assert told == {"level": "warning", "logger": "daemon.x", "msg": "slow", "seconds": 1.5, "partitions": ["a/1"]}


@pytest.mark.parametrize("log_format", ["logfmt", "json", "console"])
def test_the_standard_librarys_loggers_come_in_the_same_form(log_format):
    _, stream = configured(log_format)
    logging.getLogger("uvicorn.error").error("cannot %s", "serve")
    logging.getLogger("somewhere").debug("not this")
    (line,) = stream.lines()
    assert "cannot serve" in line
    assert "uvicorn.error" in line
    assert "error" in line


def test_warnings_and_worse_are_counted_by_level_and_every_level_is_there_from_the_start():
    counts, _ = configured()
    assert counts() == {"warning": 0, "error": 0, "critical": 0}
    log = structlog.get_logger("x")
    log.info("no")
    log.warning("one")
    log.error("two")
    logging.getLogger("y").error("three")
    logging.getLogger("y").critical("four")
    assert counts() == {"warning": 1, "error": 2, "critical": 1}


def test_what_is_not_logged_is_not_counted():
    counts, stream = configured(level="error")
    structlog.get_logger("x").warning("hidden")
    assert counts()["warning"] == 0
    assert stream.lines() == []


@pytest.mark.parametrize("log_format", ["logfmt", "json", "console"])
def test_an_exception_is_told_with_its_traceback_and_counted_once(log_format):
    counts, stream = configured(log_format)
    try:
        fail("no such thing")
    except ValueError:
        structlog.get_logger("x").exception("failed")
    assert "ValueError: no such thing" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert counts()["error"] == 1
    assert log_format == "console" or len(stream.lines()) == 1


class Holder:
    """An object whose text has the secret."""

    def __repr__(self):
        return f"Holder({SECRET})"


@pytest.mark.parametrize("log_format", ["logfmt", "json", "console"])
def test_a_known_secret_is_nowhere(log_format):
    _, stream = configured(log_format, level="debug", secrets=(SECRET, ""))
    log = structlog.get_logger("x")
    log.info("with %s", SECRET, value=SECRET, deep={"a": [f"x{SECRET}"]}, thing=Holder())
    logging.getLogger("kafka.sasl").info("sending %r", SECRET)
    logging.getLogger("other").info("sending %s", SECRET)
    logging.getLogger("other").info("GET /token?p=%s&b=%r", quote(SECRET), SECRET.encode())
    try:
        fail(f"refused {SECRET}")
    except ValueError:
        log.exception("failed")
    assert "hunter2" not in stream.getvalue()
    assert "canary" not in stream.getvalue()
    assert stream.getvalue().count("<secret>") == 9


@pytest.mark.parametrize(
    ("name", "hidden"),
    [
        ("password", True),
        ("sasl_plain_password", True),
        ("client_secret", True),
        ("access_token", True),
        ("Authorization", True),
        ("password_file", False),
        ("reason", False),
    ],
)
def test_values_under_telling_names_are_hidden_also_inside_texts_and_mappings(name, hidden):
    _, stream = configured()
    structlog.get_logger("x").info("a", **{name: "visible1"}, options={name: "visible2"})
    assert ("visible1" not in stream.getvalue(), "visible2" not in stream.getvalue()) == (hidden, hidden)


@pytest.mark.parametrize(
    "text", ["password=abcd", "sasl_plain_password: 'ab cd'", '{"client_secret": "ab"}', "access_token=ab,x=1"]
)
def test_assignments_of_secrets_inside_texts_are_hidden(text):
    _, stream = configured("json")
    structlog.get_logger("x").info(text)
    told = json.loads(stream.getvalue())["msg"]
    assert "ab" not in told
    assert "<secret>" in told


def test_the_kafka_client_is_never_below_info_since_it_logs_passwords_there():
    _, stream = configured(level="debug")
    logging.getLogger("kafka.conn").debug("raw bytes")
    logging.getLogger("kafka.conn").info("connected")
    assert [("raw" in line, "connected" in line) for line in stream.lines()] == [(False, True)]


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_no_text_can_make_a_second_line_or_move_the_cursor(text):
    _, stream = configured()
    structlog.get_logger("x").info("m", value=text)
    logging.getLogger("y").info("%s", text)
    written = stream.getvalue()
    assert written.count("\n") == 2
    assert not [char for char in written.replace("\n", "") if ord(char) < 0x20 or 0x7F <= ord(char) < 0xA0]


def test_a_thread_that_dies_is_told_and_counted():
    counts, stream = configured()
    thread = threading.Thread(target=lambda: 1 / 0, name="doomed")
    thread.start()
    thread.join()
    assert "thread doomed ended by an exception" in stream.getvalue()
    assert "ZeroDivisionError" in stream.getvalue()
    assert counts()["critical"] == 1


def test_a_warning_of_python_is_a_log_message():
    counts, stream = configured()
    logging.captureWarnings(capture=True)
    logging.getLogger("py.warnings").warning("ResourceWarning: unclosed")
    assert "unclosed" in stream.getvalue()
    assert counts()["warning"] == 1


def test_what_the_client_says_of_a_topic_that_is_written_is_dropped_and_all_else_passes():
    client = logging.getLogger("kafka.cluster")
    kafka_logs.quieten_logs("letters")
    ours = client.filters[-1]
    try:
        # A message of the client's own raises when it is compared with a text.
        for arguments, said in ((("letters",), False), (("pairs",), True), ((MetadataResponse(version=1),), True)):
            record = client.makeRecord(client.name, logging.INFO, "f", 1, "topic %s", arguments, None)
            assert bool(client.filter(record)) is said
    finally:
        client.removeFilter(ours)
        logging.getLogger("kafka.producer").setLevel(logging.NOTSET)
