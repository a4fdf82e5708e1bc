"""SECURITY.md names tests that are there, and the daemon has none of the doors that it says there are not."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: Modules that run programs, load code by name, or make objects of any class out of bytes.
DOORS = {"subprocess", "multiprocessing", "pickle", "shelve", "marshal", "dill", "runpy", "code", "ctypes", "pty"}
CALLS = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "importlib.import_module", "yaml.load"}


def doors_in(source):
    """Every import of DOORS and call of CALLS in a program's text."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] in DOORS)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in DOORS:
            yield node.module
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in CALLS or called.startswith(("os.exec", "os.spawn", "os.posix_spawn")):
                yield called


def test_the_tests_that_the_threat_model_names_are_there():
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    assert len(named) > 20
    assert named - {path.stem for path in (ROOT / "tests").rglob("test_*.py")} == set()


def test_the_daemon_runs_no_program_loads_no_code_by_name_and_unpacks_no_object():
    found = {
        (path.relative_to(ROOT).as_posix(), door)
        for package in ("daemon", "estimators", "config")
        for path in (ROOT / package).rglob("*.py")
        for door in doors_in(path.read_text())
        if "demo" not in path.parts
    }
    # Field readers, compiled once: their names are made of hexadecimal digits, see the next test.
    assert found == {("daemon/codec/reading.py", "eval")}


def test_the_names_that_the_decoder_compiles_hold_nothing_of_what_was_written():
    from daemon.codec.tree import _attribute

    for step in ("__import__('os')", "a b", "ä", "x" * 99, 0, 99):
        assert re.fullmatch(r"f_[0-9a-f]*|i_\d+", _attribute(step))


def test_a_door_would_be_seen():
    source = "import pickle, os, yaml\nfrom subprocess import run\nos.system('x')\nos.execv('x', [])\nyaml.load(x)"
    assert list(doors_in(source)) == ["pickle", "subprocess", "os.system", "os.execv", "yaml.load"]
