"""Files that look as they did are not read again, and nothing that could have changed counts as unchanged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mlopsgen.output import fast, statcache
from mlopsgen.output.fast import up_to_date
from mlopsgen.output.statcache import FOLDER, StatCache

from .helpers import VERSION, Project
from .test_fast import DOUBTS, WANTED


def _asked(project: Project, cache: StatCache | None = None) -> int | None:
    """As a call over many projects asks, each call with a cache of its own."""
    cache = cache or StatCache(str(project.repository))
    return up_to_date(str(project.folder), str(project.repository), VERSION, project.inputs(WANTED), cache)


@pytest.fixture
def built(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that is in step, remembered as such though it is new."""
    project.build(WANTED)
    with monkeypatch.context() as patched:
        patched.setattr(statcache, "SETTLED", -(10**12))
        assert _asked(project) == 4
    return project


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that were opened to be hashed."""
    found: list[str] = []
    really = fast._open

    def noted(path: str, looks: fast.Looks) -> tuple[int, int]:
        found.append(path)
        return really(path, looks)

    monkeypatch.setattr(fast, "_open", noted)
    return found


def texts(project: Project) -> dict[str, bytes]:
    folder = project.repository / ".git" / FOLDER
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def test_what_looks_as_it_did_is_not_read(built: Project, opened: list[str]) -> None:
    before = built.everything()
    assert _asked(built) == 4
    assert opened == []
    assert built.everything() == before


@pytest.mark.parametrize("doubt", DOUBTS.values(), ids=DOUBTS)
def test_any_doubt_is_a_no(built: Project, doubt: Callable[[Path], object]) -> None:
    doubt(built.folder)
    assert _asked(built) is None


def test_an_edit_that_keeps_size_and_time_is_noticed(built: Project) -> None:
    path = built.folder / "dvc.yaml"
    status = path.stat()
    path.write_bytes(path.read_bytes().replace(b"stages", b"STAGES"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert _asked(built) is None


def test_another_file_in_the_same_place_is_read_and_remembered_anew(
    built: Project, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = built.folder / "dvc.yaml"
    (built.folder / "x").write_bytes(path.read_bytes())
    (built.folder / "x").rename(path)
    monkeypatch.setattr(statcache, "SETTLED", -(10**12))
    assert _asked(built) == 4
    assert str(path) in opened
    opened.clear()
    assert (_asked(built), opened) == (4, [])


def test_other_inputs_and_another_version_are_a_no(built: Project) -> None:
    place, cache = (str(built.folder), str(built.repository)), StatCache(str(built.repository))
    assert up_to_date(*place, "0.2.0", built.inputs(WANTED), cache) is None
    assert up_to_date(*place, VERSION, "0" * 32, cache) is None


def test_what_has_just_been_written_is_not_remembered(project: Project, opened: list[str]) -> None:
    project.build(WANTED)
    assert _asked(project) == 4
    assert texts(project) == {}
    opened.clear()
    assert _asked(project) == 4
    assert opened


def test_what_changes_after_the_time_was_taken_is_not_remembered(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.build(WANTED)
    monkeypatch.setattr(statcache, "SETTLED", -1)
    cache = StatCache(str(project.repository))
    cache.begin()
    path = project.folder / "dvc.yaml"
    path.write_bytes(path.read_bytes())
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns + 10**9))
    assert _asked(project, cache) == 4
    assert texts(project) == {}


@pytest.mark.parametrize("damage", [lambda t: b"", lambda t: t[:-1], lambda t: t[: t.rindex(b"\n", 0, -1) + 1],
                                    lambda t: b"\0" * len(t), lambda t: b"\xff" + t])  # fmt: skip
def test_a_damaged_text_counts_for_nothing_and_is_written_anew(
    built: Project, opened: list[str], monkeypatch: pytest.MonkeyPatch, damage: Callable[[bytes], bytes]
) -> None:
    ((name, text),) = texts(built).items()
    (built.repository / ".git" / FOLDER / name).write_bytes(damage(text))
    monkeypatch.setattr(statcache, "SETTLED", -(10**12))
    assert _asked(built) == 4
    assert opened
    assert texts(built) == {name: text}


def test_a_check_writes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.build(WANTED)
    monkeypatch.setattr(statcache, "SETTLED", -(10**12))
    before = project.everything()
    assert _asked(project, StatCache(str(project.repository), writes=False)) == 4
    assert project.everything() == before


@pytest.mark.parametrize("how", ["no .git", "a file .git", "a file in the way"])
def test_where_nothing_can_be_remembered_every_file_is_read(
    project: Project, opened: list[str], monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    project.build(WANTED)
    monkeypatch.chdir(project.box)
    git = project.repository / ".git"
    if how == "a file in the way":
        (git / FOLDER).write_bytes(b"mine\n")
    else:
        git.rmdir()
    if how == "a file .git":
        git.write_bytes(b"gitdir: ../elsewhere\n")
    before = project.everything()
    assert _asked(project) == 4
    assert opened
    assert project.everything() == before


def test_a_refused_write_is_no_failure(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.build(WANTED)
    monkeypatch.setattr(statcache, "SETTLED", -(10**12))

    def refused(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refused)
    assert _asked(project) == 4
    assert texts(project) == {}


def test_needs_next_to_nothing() -> None:
    code = "import sys; import mlopsgen.output.statcache; print(*sorted({'hashlib', 're', 'json'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
