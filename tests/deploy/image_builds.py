"""The image, built and run by what is here: docker, or buildah without an engine.

$KLAXON_TEST_BASE names another base than the Dockerfile's, for machines without a registry; buildah then takes it from
its own storage. Nothing is left but the Dockerfile's base: neither image nor container. As a program it writes the
image to a file: `python -m tests.deploy.image_builds NAME FILE.tar`, a docker-archive.
"""

import os
import re
import shutil
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What answers only where the builder can build.
_BUILDERS = {"docker": ("docker", "buildx", "ls"), "buildah": ("buildah", "--version")}


class ImageMissingError(Exception):
    """No builder, or no base where none was named; the message says which."""


#: The version alone is told without the libraries that a base may lack.
_TRY = ("python3", "-c", "import sys, daemon.app, daemon.__main__ as d; sys.argv[1:] = ['--version']; d.main()")


def built_and_run(root):
    """Build, and let all of klaxond be imported as nobody, without a network and capabilities; its version.

    Docker also runs it without a disk that can be written.
    """
    name = f"localhost/klaxond-check:{uuid.uuid4().hex[:8]}"
    with _built(root, name) as builder:
        if builder == "docker":
            bare = ("--rm", "--read-only", "--cap-drop=ALL", "--network=none", "--entrypoint", _TRY[0])
            return _run("docker", "run", *bare, name, *_TRY[1:])
        return _in_buildah(name)


def saved(root, name, archive):
    """Build, and write it to a docker-archive."""
    with _built(root, name) as builder:
        if builder == "docker":
            _run("docker", "save", "--output", str(archive), name)
        else:
            _run("buildah", "push", "--quiet", name, f"docker-archive:{archive}:{name}")


@contextmanager
def _built(root, name):
    """Build it under a name for a while; what built it."""
    base = os.environ.get("KLAXON_TEST_BASE")
    known = ("docker", "buildah") if base is None else ("buildah", "docker")
    builder = next((each for each in known if shutil.which(each) and _works(*_BUILDERS[each])), None)
    if builder is None:
        raise ImageMissingError("there is neither docker with a running engine and BuildKit, nor buildah")
    if base is None:
        _pull(builder, root)
    arguments = [] if base is None else ["--build-arg", f"PYTHON={base}"]
    arguments += ["--file", "deploy/image/Dockerfile", "--tag", name, "."]
    try:
        if builder == "docker":
            _run("docker", "build", *arguments, cwd=root)
        else:
            where = ["--isolation=chroot", "--network=host", *_certificates()]
            _run("buildah", "bud", "--pull-never", *where, *arguments, cwd=root)
        yield builder
    finally:
        subprocess.run([builder, "rmi", name], capture_output=True, timeout=60, check=False)


def _pull(builder, root):
    """Fetch the Dockerfile's base. A build that fails afterwards is a failure, and no want of a base."""
    (base,) = re.findall(r"^ARG PYTHON=(\S+)$", (root / "deploy/image/Dockerfile").read_text(), re.MULTILINE)
    try:
        _run(builder, "pull", base)
    except AssertionError as failed:
        raise ImageMissingError(f"the base cannot be had: {str(failed)[-200:]}") from failed


def _in_buildah(name):
    container = _run("buildah", "from", "--pull-never", name).strip()
    # That isolation knows no networks; a namespace that is new has none.
    apart = ("unshare", "--net") if os.geteuid() == 0 else ()
    try:
        return _run(*apart, "buildah", "run", "--isolation=chroot", "--cap-drop=all", container, "--", *_TRY)
    finally:
        subprocess.run(["buildah", "rm", container], capture_output=True, timeout=60, check=False)


def _works(*probe):
    return subprocess.run(list(probe), capture_output=True, timeout=20, check=False).returncode == 0


def _certificates():
    """Authorities of this machine, where a proxy between it and the package index has its own."""
    bundle = os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE")
    if bundle is None:
        return []
    return ["--volume", f"{os.path.dirname(bundle)}:/etc/ssl/certs:ro", "--env", f"PIP_CERT={bundle}"]  # noqa: PTH120


def _run(*command, cwd=None):
    done = subprocess.run(list(command), capture_output=True, text=True, timeout=900, check=False, cwd=cwd)
    assert done.returncode == 0, (done.stdout + done.stderr).strip()[-1500:]
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""


if __name__ == "__main__":
    saved(ROOT, *sys.argv[1:])
