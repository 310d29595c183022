"""Same spec, same bytes: whatever the hash seed, locale, time zone, umask or directory; and nothing outside is asked."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import EXAMPLES
from tests.test_package import tree

TRAP = """
import os, socket, subprocess, sys, time, random, datetime
from mlopsgen.cli.main import run  # reading the environment while importing is Python's and click's affair

def trapped(name):
    def trap(*arguments, **options):
        raise AssertionError(f"{name} was used during build: {arguments}")
    return trap

class Environment(dict):
    def __getitem__(self, key):
        raise AssertionError(f"environment variable {key} was read")
    def get(self, key, default=None):
        if key != "YAMLDEBUG": self[key]  # ruamel's own switch for developers, which it asks for when a patch is applied
        return default
    def __contains__(self, key):
        if key != "RUAMEL_DEBUG": self[key]
        return False

socket.socket = trapped("socket")
socket.create_connection = trapped("create_connection")
socket.getaddrinfo = trapped("getaddrinfo")
subprocess.Popen = trapped("Popen")
os.system = trapped("system")
os.fork = trapped("fork")
os.posix_spawn = trapped("posix_spawn")
import click.core, click.utils
from mlopsgen.cli import build
import mlopsgen.cli.compile, mlopsgen.output.write, mlopsgen.targets
from mlopsgen.spec.document import Spec
Spec.model_rebuild()  # pydantic reads a variable of its own when it builds classes; in light mode it is not there
# click reads its own variables before and after the command; the command itself must not.
inner = build.command.callback
def outer(*arguments, **options):
    keep = os.environ, os.getenv, time.time, random.random
    os.environ, os.getenv = Environment(), trapped("getenv")
    time.time, random.random = trapped("time"), trapped("random")
    try:
        return inner(*arguments, **options)
    finally:
        os.environ, os.getenv, time.time, random.random = keep
build.command.callback = outer
sys.exit(run(sys.argv[1:]))
"""


def build(project: Path, cwd: Path, **environment: str) -> dict[str, bytes]:
    """Build a copy of an example whose output was removed, with everything outside trapped."""
    command = [sys.executable, "-c", TRAP, "build", str(project), "-q"]
    clean = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False, env=clean | environment)
    assert done.returncode == 0, done.stderr
    return tree(project)


@pytest.mark.parametrize(
    "example",
    [
        pytest.param(name, marks=[] if name == "support-assistant" else pytest.mark.slow)
        for name in sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir())
    ],
)
def test_same_bytes_everywhere(example: str, tmp_path: Path) -> None:
    seeds = [str(seed) for seed in range(10)]
    surroundings = list(itertools.product(("C", "C.UTF-8"), ("UTC", "Asia/Kolkata"), (0o022, 0o077)))
    results = []
    for number, seed in enumerate(seeds):
        locale, zone, umask = surroundings[number % len(surroundings)]
        folder = tmp_path / f"{number}-{'deep/er' if number % 2 else 'flat'}" / example
        fresh(example, folder)
        old = os.umask(umask)
        try:
            results.append(
                build(folder, tmp_path if number % 2 else folder, PYTHONHASHSEED=seed, LC_ALL=locale, TZ=zone)
            )
        finally:
            os.umask(old)
    assert all(result == results[0] for result in results[1:])
    assert results[0] == tree_of_committed(example)


def test_the_trap_closes(tmp_path: Path) -> None:
    project = tmp_path / "docstrings"
    fresh("docstrings", project)
    code = TRAP.replace("return inner(", "os.environ['HOME']; return inner(")
    done = subprocess.run(
        [sys.executable, "-c", code, "build", str(project)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 3
    assert "environment variable HOME was read" in done.stderr


def fresh(example: str, folder: Path) -> None:
    """A copy of an example without what was generated, the files that are written once included."""
    from tests.test_package import generated

    shutil.copytree(EXAMPLES / example, folder, ignore=shutil.ignore_patterns("__pycache__", "data"))
    for path in generated(folder):
        path.unlink()
    (folder / "mlops.lock").unlink()


def tree_of_committed(example: str) -> dict[str, bytes]:
    """The example as it is committed."""
    return {
        name: data
        for name, data in tree(EXAMPLES / example).items()
        if "__pycache__" not in name and not name.startswith("data/")
    }
