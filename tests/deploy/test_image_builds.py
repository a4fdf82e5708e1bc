"""What is told of a build: no builder and no base are told as such, and a build that fails is a failure.

The builder is a script that writes down what it is asked for, and fails at what $FAILS names.
"""

import shutil
from pathlib import Path

import pytest

from tests.deploy.image_builds import ImageMissingError, built_and_run, saved

ROOT = Path(__file__).parents[2]
#: Says what builders say of a base whenever they build.
BUILDAH = """#!/bin/sh
case "$1" in --*) exit 0 ;; esac
echo "$1" >>"$ASKED"
echo "Trying to pull docker.io/library/python, resolve docker.io/library/python"
[ "$1" != "$FAILS" ] || { echo "ERROR: $1 went wrong"; exit 125; }
"""


@pytest.fixture
def builder(tmp_path, monkeypatch):
    """Let the script be the only builder: a function that tells what it was asked for."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "buildah").write_text(BUILDAH)
    (tmp_path / "bin" / "buildah").chmod(0o755)
    for name in ("sh", "unshare"):
        (tmp_path / "bin" / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("ASKED", str(tmp_path / "asked"))
    monkeypatch.setenv("FAILS", "")
    monkeypatch.delenv("KLAXON_TEST_BASE", raising=False)
    return lambda: (tmp_path / "asked").read_text().split()


def test_an_image_that_was_built_and_run_is_taken_away(builder, monkeypatch):
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    built_and_run(ROOT)
    assert builder() == ["pull", "bud", "from", "run", "rm", "rmi"]


def test_a_base_that_cannot_be_had_is_told_as_that(builder, monkeypatch):
    monkeypatch.setenv("FAILS", "pull")
    with pytest.raises(ImageMissingError, match=r"(?s)the base cannot be had: .*pull went wrong"):
        built_and_run(ROOT)
    assert builder() == ["pull"]


@pytest.mark.parametrize("base", [None, "localhost/a-base"])
@pytest.mark.parametrize("step", ["bud", "push"])
def test_a_build_that_fails_on_its_base_is_a_failure_whatever_it_says(builder, monkeypatch, tmp_path, step, base):
    monkeypatch.setenv("FAILS", step)
    if base:
        monkeypatch.setenv("KLAXON_TEST_BASE", base)
    with pytest.raises(AssertionError, match=f"{step} went wrong"):
        saved(ROOT, "localhost/name:tag", tmp_path / "image.tar")
    assert builder()[-1] == "rmi"
    assert ("pull" in builder()) == (base is None)


def test_without_a_builder_that_is_told(builder, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ImageMissingError, match="neither docker"):
        built_and_run(ROOT)
