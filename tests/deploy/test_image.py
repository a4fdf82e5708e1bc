"""The image: its recipe is hashed, without root, and copies nothing that is not used; built, it runs."""

import fnmatch
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.deploy.image_builds import ImageMissingError, built_and_run

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "deploy" / "image"
RECIPE = (IMAGE / "Dockerfile").read_text()
#: The recipe line by line, lines that go on joined.
LINES = re.sub(r"\\\n\s*", "", RECIPE).splitlines()


def context(folder):
    """Copy what .dockerignore lets through, as a builder sees it."""
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    for rule in rules[1:]:
        if rule.startswith("!"):
            source = ROOT / rule[1:]
            target = folder / rule[1:]
            if source.is_dir():
                shutil.copytree(source, target, ignore=lambda _, names: fnmatch.filter(names, "__pycache__"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, target)
    return folder


def test_what_the_builder_sees_is_enough_for_the_wheel_and_for_the_recipe(tmp_path):
    seen = context(tmp_path / "context")
    for path in re.findall(r"type=bind,source=([^,]+)", RECIPE):
        assert (seen / path).is_file(), path
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path / "wheel")]
    done = subprocess.run(command, cwd=seen, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "wheel").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert "daemon/data/open_bandit_bts.csv.gz" in archive.namelist()
    assert not (seen / "tests").exists()


def test_everything_that_is_downloaded_has_a_hash():
    downloads = [line for line in LINES if "pip" in line and " install " in line and "--no-index" not in line]
    assert len(downloads) == 2
    assert all("--require-hashes" in line for line in downloads)
    for name in ("deploy/image/build-requirements.txt", "requirements.txt"):
        blocks = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
        assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks if not block.startswith("#"))
    names = {
        Requirement(line.split("\\")[0].split(" --")[0]).name for line in locked("deploy/image/build-requirements.txt")
    }
    assert "hatchling" in names


def locked(name):
    """The lines of a lock that name a package."""
    return [line for line in (ROOT / name).read_text().splitlines() if re.match(r"[a-z]", line)]


def test_what_builds_the_image_is_what_builds_the_tests():
    development = {line.split(" ")[0] for line in locked("requirements-dev.txt")}
    assert {line.split(" ")[0] for line in locked("deploy/image/build-requirements.txt")} <= development


def test_the_image_runs_as_nobody_and_needs_no_shell():
    last = "\n".join(LINES).rpartition("FROM ")[2]
    assert "USER 65532:65532" in last
    assert 'ENTRYPOINT ["klaxond"]' in last
    assert "RUN" not in last  # so that a base without a shell can stand here
    assert "ADD " not in RECIPE
    assert re.findall(r"^FROM (\S+)", RECIPE, re.MULTILINE) == ["${PYTHON}", "${PYTHON}"]
    assert all(target.startswith("/") for target in re.findall(r"target=([^,\s]+)", RECIPE))


@pytest.mark.slow
def test_the_image_is_built_and_runs_as_nobody_without_a_network():
    try:
        said = built_and_run(ROOT)
    except ImageMissingError as missing:
        # Where a base was made for it, this is no want of a registry.
        if os.environ.get("KLAXON_TEST_BASE"):
            raise
        pytest.skip(str(missing))
    assert said.startswith("klaxond 0.")
