"""Real processes: killed in the middle, and several at once."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from mlopsgen.diagnostics import Failed
from mlopsgen.output import exclusive as module
from mlopsgen.output import tree

from .helpers import Project, files, rendered

VARIANTS = [
    [rendered(f"dir{n % 3}/f{n}", f"{v} {n}\n" * 200) for n in range(v, v + 8)] + [rendered("//.github/w", f"{v}\n")]
    for v in range(3)
]


def _child(work: Callable[[], object]) -> int:
    """Run in a process of its own, which exits with 1 when it fails."""
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        work()
        code = 0
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
    finally:
        os._exit(code)


def _is_one_of(project: Project) -> int:
    """Assert that the disk says exactly one of the variants and return which."""
    for number, wanted in enumerate(VARIANTS):
        if project.fast(wanted) is not None:
            project.holds(wanted)
            return number
    raise AssertionError("no variant stands whole")


def test_killed_for_real_it_heals(project: Project) -> None:
    dice = random.Random(7)
    project.build(VARIANTS[0])

    def work() -> None:
        for number in range(10_000):
            project.build(VARIANTS[number % 3])

    killed, deadline = 0, time.monotonic() + 4
    while killed < 60 and time.monotonic() < deadline:
        pid = _child(work)
        time.sleep(dice.uniform(0.001, 0.03))
        os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        assert os.WIFSIGNALED(status)
        killed += 1
        whole = {item.key: set[bytes]() for wanted in VARIANTS for item in wanted}
        for wanted in VARIANTS:
            for item in wanted:
                whole[item.key].add(item.content)
        for key, content in project.contents().items():
            assert key.endswith(".mlopsgen~") or content in whole[key]
        wanted = VARIANTS[dice.randrange(3)]
        project.build(wanted)
        project.holds(wanted)
    assert killed > 10


def test_builds_at_once_wait_for_each_other(project: Project) -> None:
    def work(number: int) -> Callable[[], None]:
        def run() -> None:
            for turn in range(12):
                project.build(VARIANTS[(number + turn) % 3])

        return run

    for _ in range(3):
        pids = [_child(work(number)) for number in range(4)]
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
        _is_one_of(project)


def test_two_projects_of_one_repository_wait_for_each_other_too(project: Project) -> None:
    other = Project.__new__(Project)
    other.box, other.repository, other.folder = project.box, project.repository, project.repository / "other"
    other.folder.mkdir()

    def work(which: Project, name: str) -> Callable[[], None]:
        def run() -> None:
            for turn in range(25):
                which.build([rendered(f"//.github/workflows/{name}", "x\n")] if turn % 2 else [])

        return run

    pids = [_child(work(project, "one")), _child(work(other, "two"))]
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    assert not (project.repository / ".github").exists()


@pytest.mark.parametrize("where", ["folder", "repository"])
def test_another_build_that_does_not_end_is_reported(project: Project, where: str) -> None:
    descriptor = os.open(getattr(project, where), os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        assert project.fails(files(a="1\n"), wait=0.1) == [("E308", "")]
        project.build(files(a="1\n"), check=True, wait=0.1)
    finally:
        os.close(descriptor)
    project.build(files(a="1\n"), wait=0.1)


def test_the_lock_is_let_go_after_a_failure(project: Project) -> None:
    (project.folder / "a").write_bytes(b"mine\n")
    for _ in range(2):
        assert project.fails(files(a="1\n"), wait=0.1) == [("E301", "a")]


def test_a_file_system_without_locks_is_used_without(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    project.build(files(a="1\n"))
    project.holds(files(a="1\n"))


class _Windows:
    """Stands in for msvcrt: locks one byte of a file, by its number."""

    LK_NBLCK, LK_UNLCK = 2, 0

    def __init__(self, taken: bool = False, error: int = 13) -> None:
        self.taken, self.error = taken, error
        self.log: list[tuple[int, int, int]] = []

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        self.log.append((mode, count, os.lseek(descriptor, 0, os.SEEK_CUR)))
        if self.taken:
            raise OSError(self.error, "refused")


def test_on_windows_a_byte_far_beyond_the_spec_is_locked(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_ANCHORED", False)
    windows = _Windows()
    monkeypatch.setitem(sys.modules, "msvcrt", windows)  # type: ignore[arg-type]
    project.build(files(a="1\n"))
    # The repository has no mlops.yaml, so that only the project is locked.
    assert windows.log == [(2, 1, 1 << 30), (0, 1, 1 << 30)]
    project.holds(files(a="1\n"))


def test_on_windows_another_build_is_reported(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree, "_ANCHORED", False)
    monkeypatch.setitem(sys.modules, "msvcrt", _Windows(taken=True))  # type: ignore[arg-type]
    assert project.fails(files(a="1\n"), wait=0.1) == [("E308", "")]


def test_on_windows_a_file_system_without_locks_is_used_without(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "_ANCHORED", False)
    windows = _Windows(taken=True, error=22)
    monkeypatch.setitem(sys.modules, "msvcrt", windows)  # type: ignore[arg-type]
    project.build(files(a="1\n"))
    assert len(windows.log) == 1
    project.holds(files(a="1\n"))


def test_waiting_ends_as_soon_as_the_other_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = []

    def take() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise BlockingIOError(11, "taken")

    pauses: list[float] = []
    monkeypatch.setattr(module, "time", SimpleNamespace(sleep=pauses.append))
    assert module._try(take, SimpleNamespace(root="x"), 30)  # type: ignore[arg-type]
    assert pauses == [0.05, 0.05]
    tries.clear()
    with pytest.raises(Failed, match="another mlopsgen build is running in x"):
        module._try(take, SimpleNamespace(root="x"), 0.1)  # type: ignore[arg-type]
