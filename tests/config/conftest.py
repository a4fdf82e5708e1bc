"""Writing configurations down and loading them, with no environment but the test's own."""

from pathlib import Path

import pytest

from config.errors import ConfigError
from config.settings import load

SMALLEST = """\
kafka: {bootstrap_servers: ["127.0.0.1:9092"], group_id: klaxond}
streams: [{topic: pairs, format: json, series_labels: [model, version]}]
"""


@pytest.fixture
def smallest():
    """The smallest configuration of the README, as YAML."""
    return SMALLEST


@pytest.fixture
def load_text(tmp_path):
    """Load a YAML text as a file; flags and environment as asked."""

    def load_it(text=SMALLEST, overrides=None, env=None, secrets_dir=None):
        path = tmp_path / "klaxon.yaml"
        path.write_text(text, encoding="utf-8")
        return load(path, overrides, env or {}, secrets_dir=secrets_dir)

    return load_it


@pytest.fixture
def problems(load_text):
    """Load a text that must be refused, and return path -> message."""

    def problems_of(text=SMALLEST, overrides=None, env=None, secrets_dir=None):
        with pytest.raises(ConfigError) as refused:
            load_text(text, overrides, env, secrets_dir)
        found = refused.value.problems
        assert len({problem.path for problem in found}) == len(found), "one line for each fault"
        return {problem.path: problem.message for problem in found}

    return problems_of


@pytest.fixture
def stream(load_text):
    """Load one stream with further keys (YAML flow text)."""

    def load_stream(keys=""):
        return load_text(
            f"kafka: {{bootstrap_servers: [a:1], group_id: g}}\nstreams: [{{topic: pairs, {keys}}}]"
        ).streams[0]

    return load_stream


@pytest.fixture
def stream_problems(problems):
    """Refuse one stream with further keys; paths without `streams[0].`."""

    def refuse(keys):
        text = f"kafka: {{bootstrap_servers: [a:1], group_id: g}}\nstreams: [{{topic: pairs, {keys}}}]"
        return {path.removeprefix("streams[0]."): message for path, message in problems(text).items()}

    return refuse


@pytest.fixture
def directory_of_secrets(tmp_path):
    """Make a directory with the given files."""

    def make(**files) -> Path:
        directory = tmp_path / "secrets"
        directory.mkdir(exist_ok=True)
        for name, text in files.items():
            (directory / name).write_text(text, encoding="utf-8")
        return directory

    return make
