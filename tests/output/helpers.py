"""A project on disk, and a system that fails on demand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlopsgen.diagnostics import Failed
from mlopsgen.output import tree
from mlopsgen.output.digest import digest
from mlopsgen.output.fast import up_to_date
from mlopsgen.output.lock import Lock, parse
from mlopsgen.output.write import Job, Result, together
from mlopsgen.render.files import Rendered

VERSION = "0.1.0"
MUTATING = ("open", "write", "fsync", "replace", "unlink", "mkdir", "rmdir", "fchmod")
READING = ("stat", "fstat", "read")


def rendered(key: str, content: bytes | str, *, keep: bool = False, target: str = "dvc") -> Rendered:
    data = content.encode() if isinstance(content, str) else content
    if key.startswith("//"):
        return Rendered(path=key[2:], target=target, content=data, root="repository", keep=keep)
    return Rendered(path=key, target=target, content=data, keep=keep)


def files(**contents: str) -> list[Rendered]:
    """Make wanted files; `a__b` stands for `a/b`, a leading `keep_` for a file that is kept."""
    return [
        rendered(n.removeprefix("keep_").replace("__", "/"), c, keep=n.startswith("keep_")) for n, c in contents.items()
    ]


class Project:
    """`box/repository/project`, a repository around it, and a sentinel beside both."""

    def __init__(self, box: Path) -> None:
        self.box = box
        self.repository = box / "repository"
        self.folder = self.repository / "project"
        self.folder.mkdir(parents=True)
        (self.repository / ".git").mkdir()
        (self.folder / "mlops.yaml").write_bytes(b"version: 1\n")
        (box / "beside").mkdir()
        (box / "beside" / "sentinel").write_bytes(b"mine\n")

    @staticmethod
    def inputs(wanted: Iterable[Rendered]) -> str:
        return digest(repr(list(wanted)).encode())

    def build(self, wanted: list[Rendered], **options: Any) -> Result:
        given = {"generator_version": VERSION, "input_digest": self.inputs(wanted), **options}
        of_job = {name: given.pop(name) for name in Job._fields if name in given}
        done = together([Job(str(self.folder), str(self.repository), wanted, **of_job)], **given)[0]
        if isinstance(done, Failed):
            raise done
        return done

    def fails(self, wanted: list[Rendered], **options: Any) -> list[tuple[str, str]]:
        """Build, expect it to fail, and return code and path of each finding; nothing on disk may change."""
        before = self.everything()
        with pytest.raises(Failed) as caught:
            self.build(wanted, **options)
        assert self.everything() == before
        return [(d.code, d.path) for d in caught.value.diagnostics]

    def fast(self, wanted: list[Rendered]) -> int | None:
        return up_to_date(str(self.folder), str(self.repository), VERSION, self.inputs(wanted))

    @property
    def lock(self) -> Lock:
        return parse((self.folder / "mlops.lock").read_bytes())

    def everything(self) -> dict[str, object]:
        """Return what lies on disk, with its time of change and permissions, so that any write shows."""
        found: dict[str, object] = {}
        for folder, folders, names in os.walk(self.box):
            for name in [*folders, *names]:
                path = Path(folder, name)
                status = path.lstat()
                plain = path.is_file() and not path.is_symlink()
                content = path.read_bytes() if plain else b""
                what = (status.st_mode, status.st_ino, status.st_mtime_ns if plain else 0, content)
                found[path.relative_to(self.box).as_posix()] = what
        return found

    def contents(self) -> dict[str, bytes]:
        """Return every file, by key, but the lock, the spec and what is none of our business."""
        found = {}
        for folder, _, names in os.walk(self.repository):
            for name in names:
                path = Path(folder, name)
                inside = path.is_relative_to(self.folder)
                key = path.relative_to(self.folder).as_posix() if inside else f"//{path.relative_to(self.repository)}"
                found[key] = path.read_bytes()
        del found["mlops.yaml"]
        found.pop("mlops.lock", None)
        return found

    def folders(self) -> set[str]:
        return {str(Path(f, d).relative_to(self.repository)) for f, ds, _ in os.walk(self.repository) for d in ds}

    def holds(self, wanted: list[Rendered]) -> None:
        """Assert that the disk says exactly what is wanted, and the lock as well."""
        assert self.contents() == {item.key: item.content for item in wanted}
        assert self.fast(wanted) == len(wanted)
        self.untouched()

    def untouched(self) -> None:
        assert os.listdir(self.box / "beside") == ["sentinel"]
        assert (self.box / "beside" / "sentinel").read_bytes() == b"mine\n"
        assert sorted(os.listdir(self.box)) == ["beside", "repository"]
        assert (self.folder / "mlops.yaml").read_bytes() == b"version: 1\n"


class Killed(BaseException):
    """The process is dead: nothing that it would still do counts."""


@contextmanager
def system(
    monkeypatch: pytest.MonkeyPatch,
    names: Iterable[str],
    step: Callable[[str, Callable[[], Any], tuple[Any, ...]], Any],
) -> Iterator[None]:
    """Send calls of the system's `names` through `step(name, really, arguments)`. Closing always works, as it does
    for a process that dies."""

    def through(name: str) -> Callable[..., Any]:
        real = getattr(os, name)
        return lambda *a, **k: step(name, lambda: real(*a, **k), a)

    fake = SimpleNamespace(**{**vars(os), **{name: through(name) for name in names}})
    with monkeypatch.context() as patch:
        patch.setattr(tree, "os", fake)
        yield


@contextmanager
def killed_at(monkeypatch: pytest.MonkeyPatch, number: int, *, torn: bool = False) -> Iterator[SimpleNamespace]:
    """Die before step `number` that changes the disk, and at each one after; `torn` writes half of it first."""
    state = SimpleNamespace(steps=0)

    def step(name: str, really: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        if name != "open" or arguments[1] & os.O_CREAT:
            state.steps += 1
        if state.steps > number:
            if torn and name == "write" and state.steps == number + 1:
                os.write(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
            state.steps = max(state.steps, number + 1)
            raise Killed
        return really()

    with system(monkeypatch, MUTATING, step):
        yield state


@contextmanager
def refused_at(
    monkeypatch: pytest.MonkeyPatch, number: int, error: int, *, names: Iterable[str] = MUTATING, lasting: bool = False
) -> Iterator[SimpleNamespace]:
    """Fail with `error` at step `number`, or from there on."""
    state = SimpleNamespace(steps=0)

    def step(name: str, really: Callable[[], Any], arguments: tuple[Any, ...]) -> Any:
        state.steps += 1
        if state.steps - 1 == number or (lasting and state.steps > number):
            raise OSError(error, os.strerror(error))
        return really()

    with system(monkeypatch, names, step):
        yield state
