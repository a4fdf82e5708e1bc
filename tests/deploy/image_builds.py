"""The image, built and run by what is here: docker, or buildah without an engine.

$KLAXON_TEST_BASE names another base than the Dockerfile's, for machines without a registry; buildah then takes it from
its own storage. Nothing is left: neither image nor container.
"""

import os
import shutil
import subprocess
import uuid

#: What answers only where the builder can build.
_BUILDERS = {"docker": ("docker", "buildx", "ls"), "buildah": ("buildah", "--version")}


class ImageMissingError(Exception):
    """No builder, or no base; the message says which."""


def built_and_run(root):
    """Build, and ask it for its version as nobody, without a network, capabilities or a disk; what it says."""
    builder = next((each for each, probe in _BUILDERS.items() if shutil.which(each) and _works(*probe)), None)
    if builder is None:
        raise ImageMissingError("there is neither docker with a running engine and BuildKit, nor buildah")
    name = f"localhost/klaxond-check:{uuid.uuid4().hex[:8]}"
    base = os.environ.get("KLAXON_TEST_BASE")
    arguments = [] if base is None else ["--build-arg", f"PYTHON={base}"]
    try:
        if builder == "docker":
            _run("docker", "build", *arguments, "--file", "deploy/image/Dockerfile", "--tag", name, ".", cwd=root)
            return _run("docker", "run", "--rm", "--read-only", "--cap-drop=ALL", "--network=none", name, "--version")
        pull = "--pull-never" if base else "--pull"
        where = ["--isolation=chroot", "--network=host", *_certificates()]
        _run(
            "buildah",
            "bud",
            pull,
            *where,
            *arguments,
            "-f",
            "deploy/image/Dockerfile",
            "-t",
            name,
            ".",
            cwd=root,
        )
        return _in_buildah(name)
    finally:
        subprocess.run([builder, "rmi", name], capture_output=True, timeout=60, check=False)


def _in_buildah(name):
    container = _run("buildah", "from", "--pull-never", name).strip()
    try:
        return _run("buildah", "run", "--isolation=chroot", "--cap-drop=all", container, "--", "klaxond", "--version")
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
    said = (done.stdout + done.stderr).strip()
    if done.returncode != 0 and ("pull" in said or "resolve" in said or "no such image" in said.lower()):
        raise ImageMissingError(f"the base cannot be had: {said[-200:]}")
    assert done.returncode == 0, said[-1500:]
    return done.stdout.strip().splitlines()[0] if done.stdout.strip() else ""
