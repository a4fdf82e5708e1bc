"""What is built, locked and installed is what the project says."""

import re
import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from importlib import metadata, util
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PACKAGES = ("daemon", "estimators", "config")
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-audit.txt")
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built without a network and without isolation."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


def test_the_wheel_holds_exactly_the_files_of_the_three_packages(wheel):
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    shipped = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert inside == shipped
    assert {name.split("/")[0] for name in inside} == set(PACKAGES)
    assert "daemon/data/open_bandit_bts.csv.gz" in inside


def test_the_wheel_names_its_pythons_its_licence_and_its_command(wheel):
    info = f"klaxond-{PROJECT['project']['version']}.dist-info"
    fields = HeaderParser().parsestr(wheel.read(f"{info}/METADATA").decode())
    assert SpecifierSet(fields["Requires-Python"]) == SpecifierSet(PROJECT["project"]["requires-python"])
    assert fields["License-Expression"] == "Apache-2.0"
    assert b"Apache License" in wheel.read(f"{info}/licenses/LICENSE")
    assert "klaxond = daemon.__main__:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "Private :: Do Not Upload" in fields.get_all("Classifier")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_installed_distribution_owns_the_import_name(package):
    # An editable install lists no files, so our own name may be absent.
    assert set(metadata.packages_distributions().get(package, [])) <= {"klaxond"}
    spec = util.find_spec(package)
    assert spec is not None
    assert Path(spec.origin) == ROOT / package / "__init__.py"


def test_the_declared_pythons_are_one_range_everywhere():
    allowed = SpecifierSet(PROJECT["project"]["requires-python"])
    assert [version for version in (f"3.{minor}" for minor in range(20)) if version in allowed] == list(PYTHONS)
    named = re.findall(r"Python :: (3\.\d+)", " ".join(PROJECT["project"]["classifiers"]))
    assert named == list(PYTHONS)
    assert PROJECT["tool"]["ruff"]["target-version"] == "py311"
    assert PROJECT["tool"]["mypy"]["python_version"] == PYTHONS[0]
    assert f"--python-version {PYTHONS[0]}" in (ROOT / "Makefile").read_text()
    assert "{}.{}".format(*sys.version_info[:2]) in PYTHONS


@pytest.mark.parametrize("lock", LOCKS)
def test_the_lock_has_a_version_and_hashes_for_each_line_and_no_address(lock):
    text = (ROOT / lock).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-[-a-z]*(index|find-links|trusted-host)", text, re.MULTILINE)
    entries = _entries(text)
    assert len(entries) > 20
    for requirement, hashes in entries:
        assert [clause.operator for clause in requirement.specifier] == ["=="], requirement
        assert requirement.url is None
        assert hashes, f"{requirement} has no hash"
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", digest) for digest in hashes)


def test_the_lock_is_current_and_this_environment_is_the_locked_one():
    direct = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
    tools = [Requirement(text) for text in PROJECT["dependency-groups"]["dev"]]
    demo = [Requirement(text) for text in PROJECT["project"]["optional-dependencies"]["demo"]]
    checkers = [Requirement(text) for text in PROJECT["dependency-groups"]["audit"]]
    runtime, develop, audit = (_entries((ROOT / lock).read_text()) for lock in LOCKS)
    _assert_satisfied(direct, runtime)
    _assert_satisfied([*direct, *tools, *demo], develop)
    _assert_satisfied(checkers, audit)
    assert {(entry.name, str(entry.specifier)) for entry, _ in runtime} <= {
        (entry.name, str(entry.specifier)) for entry, _ in develop
    }
    for entry, _ in develop:
        if entry.marker is None or entry.marker.evaluate():
            assert metadata.version(entry.name) in entry.specifier, f"{entry.name}: run make setup"


def test_the_command_is_installed_and_a_folder_named_config_does_not_hide_ours(tmp_path):
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").write_text("raise ImportError('not ours')")
    program = Path(sys.executable).parent / "klaxond"
    done = subprocess.run([program, "--version"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert PROJECT["project"]["version"] in done.stdout


def test_the_tests_are_no_package():
    # A package named tests.daemon would hide the real one from pytest.
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_the_ci_script_is_executable_and_parses():
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    subprocess.run(["bash", "-n", script], check=True, timeout=10)
    assert "make check" in script.read_text()


def _entries(text):
    """The (Requirement, hashes) of a requirements file."""
    lines = [
        line for line in text.replace("\\\n", " ").splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    found = []
    for line in lines:
        requirement, *hashes = re.split(r"\s+--hash=", line.strip())
        found.append((Requirement(requirement), [digest.strip() for digest in hashes]))
    return found


def _assert_satisfied(wanted, entries):
    for requirement in wanted:
        locked = [entry for entry, _ in entries if entry.name == _canonical(requirement.name)]
        assert locked, f"{requirement} is not in the lock: run make lock"
        for entry in locked:
            (clause,) = entry.specifier
            assert clause.version in requirement.specifier, f"{entry} against {requirement}: run make lock"


def _canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()
