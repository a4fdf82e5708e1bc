"""`make deploy-check`: its quick tools in CI too, and a line for each with its word; what fails ends it with 1."""

import pytest

from tests.deploy import __main__ as deploy_check
from tests.deploy.__main__ import CHECKS, FailedError, SkippedError
from tests.kafka_broker import skip_unless_ci

#: Those of which no other test asks the same.
QUICK = ("helm package", "klaxond check", "promtool check rules", "amtool check-config")


@pytest.mark.parametrize("name", QUICK)
def test_a_tool_that_is_here_finds_nothing_wrong(name):
    try:
        assert CHECKS[name]()
    except SkippedError as missing:
        skip_unless_ci(str(missing))


def fails():
    raise FailedError("why it failed")


def lacks():
    raise SkippedError("why it was skipped")


def printed(monkeypatch, capsys, **checks):
    """Run these checks in the place of its own: the exit status, and the lines without the times."""
    monkeypatch.setattr(deploy_check, "CHECKS", checks)
    with pytest.raises(SystemExit) as end:
        deploy_check.main()
    words = [line.split() for line in capsys.readouterr().out.splitlines()]
    return int(end.value.code), [[line[0], line[1], *line[4:]] for line in words]


def test_each_tool_has_its_line_and_one_that_is_missing_is_no_failure(monkeypatch, capsys):
    status, lines = printed(monkeypatch, capsys, good=lambda: "all well", missing=lacks)
    assert (status, lines) == (
        0,
        [["ok", "good", "all", "well"], ["skipped", "missing", "why", "it", "was", "skipped"]],
    )


def test_a_tool_that_fails_is_told_and_the_others_run_on(monkeypatch, capsys):
    status, lines = printed(monkeypatch, capsys, bad=fails, good=lambda: "all well")
    assert (status, lines) == (1, [["FAILED", "bad", "why", "it", "failed"], ["ok", "good", "all", "well"]])


def test_a_program_that_is_not_here_is_skipped_and_one_that_complains_fails():
    with pytest.raises(SkippedError, match="there is no no-such-program in PATH"):
        deploy_check.run("no-such-program")
    with pytest.raises(FailedError, match="said so"):
        deploy_check.run("sh", "-c", "echo said so >&2; exit 3")


def test_tests_of_which_none_ran_are_skipped_with_the_reason():
    skipped = "SKIPPED [88] tests/deploy/test_alerts.py: no promtool in PATH\n"
    with pytest.raises(SkippedError, match=r"^88 skipped in 1\.00s; no promtool in PATH$"):
        deploy_check.outcome(f"sss\n{skipped}88 skipped in 1.00s\n")
    assert deploy_check.outcome("...\n3 passed in 1.00s\n") == "3 passed in 1.00s"
    some = deploy_check.outcome(f"..s\n{skipped}2 passed, 1 skipped in 1.00s\n")
    assert some == "2 passed, 1 skipped in 1.00s; no promtool in PATH"
