"""A build that is cut short at any step leaves whole files, and the next one heals."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from mlopsgen.diagnostics import Failed
from mlopsgen.output import disk, tree
from mlopsgen.output.write import Job, together

from .helpers import MUTATING, READING, VERSION, Killed, Project, killed_at, refused_at, rendered

OLD = [
    rendered("a", "old a\n"),
    rendered("gone/deep/b", "old b\n"),
    rendered("same", "same\n"),
    rendered("//.github/workflows/w", "old w\n"),
    rendered("kept", "k\n", keep=True),
]
NEW = [
    rendered("a", "new a\n"),
    rendered("same", "same\n"),
    rendered("fresh/deep/c", "new c\n"),
    rendered("//.github/workflows/w", "new w\n"),
    rendered("kept", "k\n", keep=True),
    rendered("other/kept", "k2\n", keep=True),
]
THIRD = [rendered("a", "third a\n"), rendered("gone/deep/b", "third b\n"), rendered("kept", "k\n", keep=True)]
STEPS = 200
"""More than a build takes."""


def _whole(project: Project) -> None:
    """Every file is old or new, the lock can be read, and what is not ours is as it was."""
    project.untouched()
    old, new = ({item.key: item.content for item in wanted} for wanted in (OLD, NEW))
    found = {key: content for key, content in project.contents().items() if not key.endswith(".mlopsgen~")}
    for key, content in found.items():
        assert content in (old.get(key), new.get(key)), key
    for key in old.keys() & new.keys():
        assert key in found
    assert not project.lock.damaged
    assert not project.lock.healed
    if project.fast(NEW) is not None:
        assert found == new
    if project.fast(OLD) is not None:
        assert found == old


def _fresh(tmp_path: Path, number: object) -> Project:
    box = tmp_path / str(number)
    box.mkdir()
    project = Project(box)
    project.build(OLD)
    return project


@pytest.fixture(params=["each file", "all files"])
def synced(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one call brings down to the disk. That of the whole file system is a step that can fail like another."""
    if request.param == "all files":
        monkeypatch.setattr(disk, "WORTH", 1)
        monkeypatch.setattr(disk, "_syncfs", lambda descriptor: tree.os.fsync(descriptor) or 0)


@pytest.mark.usefixtures("synced")
@pytest.mark.parametrize("torn", [False, True], ids=["between steps", "in the middle of a write"])
def test_killed_at_any_step_it_leaves_whole_files_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bool
) -> None:
    for number in range(STEPS):
        project = _fresh(tmp_path, number)
        with killed_at(monkeypatch, number, torn=torn) as state:
            try:
                project.build(NEW)
            except Killed:
                pass
            else:
                assert state.steps <= number
                break
        _whole(project)
        extra = [] if project.fast(OLD) is None else OLD
        if not extra:
            # A third content, as when the spec was changed again before the next build.
            then = THIRD if number % 2 else NEW
            project.build(then)
            left = {"//other", "other/kept"} if then is THIRD else set()
            assert {k: v for k, v in project.contents().items() if k not in left} == {i.key: i.content for i in then}
            assert project.fast(then) == len(then)
            assert not {f for f in project.folders() if "fresh" in f} or then is NEW
    else:
        pytest.fail("the build never came to its end")
    assert number > 20


@pytest.mark.usefixtures("synced")
def test_several_killed_at_any_step_are_whole_and_heal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(0, STEPS, 3):
        projects = [_fresh(tmp_path, f"{number}-{each}") for each in ("one", "other")]
        jobs = [
            Job(str(each.folder), str(each.repository), NEW, generator_version=VERSION, input_digest=each.inputs(NEW))
            for each in projects
        ]
        with killed_at(monkeypatch, number) as state:
            try:
                together(jobs)
            except Killed:
                pass
            else:
                assert state.steps <= number
                break
        for project in projects:
            _whole(project)
            project.build(NEW)
            project.holds(NEW)
    else:
        pytest.fail("the builds never came to their end")
    assert number > 40


@pytest.mark.usefixtures("synced")
def test_one_of_several_that_is_refused_leaves_the_other_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    projects = [_fresh(tmp_path, each) for each in ("one", "other")]
    jobs = [
        Job(str(each.folder), str(each.repository), NEW, generator_version=VERSION, input_digest=each.inputs(NEW))
        for each in projects
    ]
    with refused_at(monkeypatch, 2, errno.ENOSPC, names=["write"]):
        failed, done = together(jobs)
    assert isinstance(failed, Failed)
    assert [d.code for d in failed.diagnostics] == ["E309"]
    assert not isinstance(done, Failed)
    assert projects[0].contents() == {item.key: item.content for item in OLD}
    projects[1].holds(NEW)
    projects[0].build(NEW)
    projects[0].holds(NEW)


def test_killed_twice_with_other_contents_it_still_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(1, 45, 3):
        project = _fresh(tmp_path, number)
        for wanted, step in ((NEW, number), (THIRD, 45 - number)):
            with killed_at(monkeypatch, step) as _:
                try:
                    project.build(wanted)
                except Killed:
                    pass
        project.build(OLD)
        assert {k: v for k, v in project.contents().items() if k != "other/kept"} == {i.key: i.content for i in OLD}
        assert project.fast(OLD) == len(OLD)


def test_killed_in_the_very_first_build_it_heals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(STEPS):
        box = tmp_path / str(number)
        box.mkdir()
        project = Project(box)
        with killed_at(monkeypatch, number):
            try:
                project.build(NEW)
            except Killed:
                pass
            else:
                break
        project.build(NEW)
        project.holds(NEW)
    else:
        pytest.fail("the build never came to its end")


@pytest.mark.usefixtures("synced")
@pytest.mark.parametrize(
    ("error", "lasting"), [(errno.ENOSPC, False), (errno.EACCES, False), (errno.ENOSPC, True), (errno.EROFS, True)]
)
def test_refused_at_any_step_it_says_so_leaves_no_litter_and_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, lasting: bool
) -> None:
    refused = 0
    for number in range(STEPS):
        project = _fresh(tmp_path, number)
        before = project.everything()
        with refused_at(monkeypatch, number, error, lasting=lasting) as state:
            try:
                project.build(NEW)
            except Failed as failed:
                refused += 1
                done = False
                assert {d.code for d in failed.diagnostics} <= {"E303", "E306", "E309"}
                assert os.strerror(error) in failed.diagnostics[0].message
            else:
                done = True
                if state.steps <= number:
                    break
        _whole(project)
        if not lasting:
            assert not [key for key in project.contents() if key.endswith(".mlopsgen~")]
        elif state.steps == 1:
            assert project.everything() == before
        project.build(NEW)
        project.holds(NEW)
        # An empty folder that cannot be removed stays, and is no reason to fail.
        assert done or not {folder for folder in project.folders() if "gone" in folder}
    else:
        pytest.fail("the build never came to its end")
    assert refused > 20


def test_refused_while_staging_everything_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for first in (True, False):
        for number in range(1, 7):
            project = _fresh(tmp_path, f"{first}-{number}")
            if first:
                for wanted in (project.folder / "mlops.lock",):
                    wanted.unlink()
            before, folders = project.contents(), project.folders()
            lock = None if first else (project.folder / "mlops.lock").read_bytes()
            wanted_now = [rendered("z/deep/new", "z\n"), *OLD, rendered("zz/y", "y\n")]
            with refused_at(monkeypatch, number, errno.ENOSPC, names=["write"]) as state:
                try:
                    project.build(wanted_now)
                except Failed as failed:
                    assert [d.code for d in failed.diagnostics] == ["E309"]
                    assert failed.diagnostics[0].path == ["", "z/deep/new", "zz/y", "mlops.lock"][number]
                else:
                    assert state.steps <= number
                    continue
            if number == 3:
                # Every file is in place: only the last lock is missing.
                assert project.contents().keys() == before.keys() | {"z/deep/new", "zz/y"}
            else:
                assert (project.contents(), project.folders()) == (before, folders)
                path = project.folder / "mlops.lock"
                assert (path.read_bytes() if path.exists() else None) == lock


def test_refused_while_only_the_lock_changes_it_leaves_no_litter(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.build(OLD)
    lock = (project.folder / "mlops.lock").read_bytes()
    with refused_at(monkeypatch, 0, errno.ENOSPC, names=["write"]), pytest.raises(Failed, match="No space left"):
        project.build(OLD, input_digest="a" * 32)
    assert (project.folder / "mlops.lock").read_bytes() == lock
    assert not (project.folder / ".mlops.lock.mlopsgen~").exists()


@pytest.mark.parametrize("names", [READING, ["replace"], ["fchmod"]], ids=["reading", "replace", "fchmod"])
def test_no_refusal_ends_in_a_stack_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: list[str]) -> None:
    for number in range(STEPS):
        project = _fresh(tmp_path, number)
        with refused_at(monkeypatch, number, errno.EIO, names=names) as state:
            try:
                project.build(NEW)
            except Failed as failed:
                assert {d.code for d in failed.diagnostics} <= {"E303", "E306", "E309"}
            if state.steps <= number:
                break
        _whole(project)
        project.build(NEW)
        assert project.contents() == {item.key: item.content for item in NEW} or names is READING
    assert number > 2


def test_a_file_system_that_syncs_no_folders_is_good_enough(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from .helpers import system

    refused = []

    def step(name: str, really: object, arguments: tuple[int]) -> None:
        if os.path.isdir(f"/proc/self/fd/{arguments[0]}"):
            refused.append(name)
            raise OSError(errno.EINVAL, "Invalid argument")

    with system(monkeypatch, ["fsync"], step):  # type: ignore[arg-type]
        project.build(NEW)
    assert refused
    project.holds(NEW)


def test_everything_is_down_on_the_disk_before_the_next_phase(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Intent, contents, renames, lock: each is synced before the next begins."""
    from .helpers import system

    project.build(OLD)
    log: list[str] = []

    def step(name: str, really: object, arguments: tuple[object, ...]) -> object:
        result = really()  # type: ignore[operator]
        if name == "open" and int(arguments[1]) & os.O_CREAT:  # type: ignore[call-overload]
            log.append(f"write {arguments[0]}")
        elif name == "fsync":
            log.append("sync folder" if os.path.isdir(f"/proc/self/fd/{arguments[0]}") else "sync")
        elif name == "replace":
            log.append(f"rename {arguments[1]}")
        elif name == "unlink":
            log.append(f"remove {arguments[0]}")
        return result

    with system(monkeypatch, MUTATING, step):  # type: ignore[arg-type]
        project.build([rendered("a", "new\n"), *OLD[2:]])
    lock = ["write .mlops.lock.mlopsgen~", "sync", "rename mlops.lock", "sync folder"]
    middle = ["write .a.mlopsgen~", "sync", "rename a", "remove b"]
    # `gone/deep`, which held b, is gone itself.
    assert log == [*lock, *middle, "sync folder", *lock]
