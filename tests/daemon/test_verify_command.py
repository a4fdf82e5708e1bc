"""`klaxond verify` without a broker: what is refused before anything is read, and with which status."""

import pytest
import yaml

from daemon.commands import verify
from daemon.source import Partition
from daemon.verification.verifying import Progress
from tests.ports import free_port


@pytest.fixture
def config(tmp_path):
    """Write a configuration whose brokers do not exist."""

    def write(**changes):
        settings = {
            "kafka": {"bootstrap_servers": [f"127.0.0.1:{free_port()}"], "group_id": "group"},
            "streams": [{"topic": "pairs"}, {"topic": "pairs", "name": "other"}],
            "snapshot": {"kind": "file", "path": str(tmp_path / "snapshots")},
        }
        file = tmp_path / "klaxond.yaml"
        file.write_text(yaml.safe_dump({**settings, **changes}))
        return file

    return write


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", "yesterday"], "--from: `yesterday` is no time"),
        (["--to", "-2"], "--to: `-2` is no time"),
        (["--from", "-1h", "--to", "-2h"], "--from is not before --to"),
        (["--stream", "pears"], "--stream pears is not configured; there are pairs, other"),
    ],
)
def test_wrong_flags_are_told_with_what_to_write(klaxond, config, arguments, said):
    status, out, err = klaxond("verify", "--config.file", config(), *arguments)
    assert (status, out) == (2, "")
    assert said in err


def test_without_snapshots_there_is_nothing_to_verify(klaxond, config):
    status, _, err = klaxond("verify", "--config.file", config(snapshot={"kind": "none"}))
    assert status == 2
    assert "snapshot.kind is none" in err


def test_a_folder_that_is_not_there_is_told_and_not_made(klaxond, config, tmp_path):
    status, out, err = klaxond("verify", "--config.file", config())
    assert (status, out) == (3, "")
    assert "snapshots: there is no such folder" in err
    assert not (tmp_path / "snapshots").exists()


def test_brokers_that_are_not_there_are_told(klaxond, config, tmp_path):
    (tmp_path / "snapshots").mkdir()
    status, out, err = klaxond("verify", "--config.file", config())
    assert (status, out) == (3, "")
    assert "check kafka.bootstrap_servers" in err
    assert not list((tmp_path / "snapshots").iterdir())


def test_the_help_has_the_exit_statuses_of_this_command(klaxond):
    status, out, _ = klaxond("verify", "--help")
    assert status == 0
    for sentence in ("0  equal", "1  different", "4  nothing was left to compare"):
        assert sentence in out


def test_a_long_reading_says_every_two_seconds_how_far_it_is(monkeypatch, capsys):
    now = [10.0]
    monkeypatch.setattr(verify.time, "monotonic", lambda: now[0])
    teller = verify.Teller()
    for seconds, position in ((11.9, 200), (12.0, 300), (13.0, 400), (14.5, 1_000)):
        now[0] = seconds
        teller.tell(Progress(Partition("pairs", 3), 100, position, 1_100))
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "reading pairs/3: offset 300 of 1,100, 20%",
        "reading pairs/3: offset 1,000 of 1,100, 90%",
    ]
