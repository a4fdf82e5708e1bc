"""Fixtures that several folders of tests share: the command, and real servers, each in a plugin module of its own."""

import io
import sys

import pytest

pytest_plugins = ["tests.kafka_broker", "tests.prometheus_fixture"]


@pytest.fixture
def klaxond(monkeypatch, capsys):
    """Run the command in this process: (exit status, standard output, standard error)."""
    from daemon.__main__ import main  # many tests do without the whole program

    def run(*arguments, stdin=None):
        monkeypatch.setattr(sys, "argv", ["klaxond", *map(str, arguments)])
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        try:
            main()
            status = 0
        except SystemExit as ended:
            status = ended.code or 0
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        return status, said.out, said.err

    return run
