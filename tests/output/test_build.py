"""What a build does to the disk, and what it refuses to do."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from mlopsgen.diagnostics import Failed, Severity
from mlopsgen.output import tree
from mlopsgen.output.lock import Lock, write

from .helpers import Project, files, rendered, system

LONG = "x" * 244


def kinds(result: object) -> dict[str, str]:
    return {change.key: change.kind for change in result.changes}  # type: ignore[attr-defined]


def test_creates_updates_removes_and_leaves_alone(project: Project) -> None:
    first = [
        rendered("dvc.yaml", "a\n"),
        rendered("deploy/staging/gone.yaml", "b\n"),
        rendered("deploy/same.yaml", "c\n"),
        rendered("//.github/workflows/ml-ci.yaml", "d\n", target="github"),
        rendered("release.yaml", "e\n", keep=True),
    ]
    result = project.build(first, pins={"actions/checkout": ("v4", "abc")})
    assert set(kinds(result).values()) == {"create"}
    assert [c.key for c in result.changes] == sorted(item.key for item in first)
    assert (result.differs, result.lock_changed, result.diagnostics) == (True, True, ())
    assert result.pins == project.lock.pins == {"actions/checkout": ("v4", "abc")}
    project.holds(first)
    second = [rendered("dvc.yaml", "A\n"), first[2], rendered("new/deep/er.yaml", "n\n"), first[4]]
    result = project.build(second)
    assert kinds(result) == {
        "dvc.yaml": "update",
        "deploy/staging/gone.yaml": "remove",
        "deploy/same.yaml": "unchanged",
        "//.github/workflows/ml-ci.yaml": "remove",
        "new/deep/er.yaml": "create",
        "release.yaml": "keep",
    }
    project.holds(second)
    assert project.folders() == {".git", "project", "project/deploy", "project/new", "project/new/deep"}


def test_a_change_says_what_was_and_what_will_be(project: Project) -> None:
    project.build([rendered("a", "1\n"), rendered("gone", "2\n"), rendered("//w", "3\n", target="github")])
    update, *others = project.build([rendered("a", "one\n")], check=True).changes[1:]
    assert (update.kind, update.target, update.old, update.new) == ("update", "dvc", b"1\n", b"one\n")
    assert [(c.key, c.old, c.new) for c in others] == [("gone", b"2\n", None)]


def test_nothing_to_do_writes_nothing_at_all(project: Project) -> None:
    wanted = files(a="1\n", sub__b="2\n", keep_c="3\n")
    project.build(wanted)
    before = project.everything()
    result = project.build(wanted)
    assert not result.differs
    assert project.everything() == before


def test_other_inputs_with_the_same_files_write_the_lock_only(project: Project) -> None:
    wanted = files(a="1\n")
    project.build(wanted)
    before = project.everything()
    result = project.build(wanted, input_digest="a" * 32)
    assert (result.differs, result.lock_changed) == (True, True)
    after = project.everything()
    assert {name for name in after if after[name] != before[name]} == {"repository/project/mlops.lock"}
    assert project.lock.inputs == "a" * 32


def test_check_tells_and_writes_nothing(project: Project) -> None:
    wanted = files(a="1\n", keep_c="3\n")
    before = project.everything()
    assert kinds(project.build(wanted, check=True)) == {"a": "create", "c": "create"}
    assert project.everything() == before
    project.build(wanted)
    assert not project.build(wanted, check=True).differs
    assert project.build(files(a="2\n", keep_c="3\n"), check=True).differs


def test_the_lock_does_not_depend_on_the_order_of_files(project: Project) -> None:
    wanted = files(a="1\n", sub__b="2\n", c="3\n")
    project.build(wanted)
    before = (project.folder / "mlops.lock").read_bytes()
    assert not project.build(wanted[::-1], input_digest=project.inputs(wanted)).differs
    assert (project.folder / "mlops.lock").read_bytes() == before


def test_an_equal_file_that_is_not_in_the_lock_is_adopted(project: Project) -> None:
    wanted = files(a="1\n", b="2\n")
    project.build(wanted)
    (project.folder / "mlops.lock").unlink()
    inode = (project.folder / "a").stat().st_ino
    assert set(kinds(project.build(wanted)).values()) == {"adopt"}
    assert (project.folder / "a").stat().st_ino == inode
    project.holds(wanted)


def test_a_file_that_was_deleted_comes_back(project: Project) -> None:
    wanted = files(sub__a="1\n", keep_b="2\n")
    project.build(wanted)
    (project.folder / "sub/a").unlink()
    (project.folder / "sub").rmdir()
    (project.folder / "b").unlink()
    project.build(wanted)
    project.holds(wanted)


def test_a_checkout_with_other_line_ends_is_left_as_it_is(project: Project) -> None:
    wanted = files(a="1\n2\n", b="x\n")
    project.build(wanted)
    for name in ("a", "b", "mlops.lock"):
        path = project.folder / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    before = project.everything()
    assert not project.build(wanted).differs
    assert project.everything() == before
    project.build(files(a="1\n2\n", b="y\n"))
    assert (project.folder / "a").read_bytes() == b"1\r\n2\r\n"
    assert (project.folder / "b").read_bytes() == b"y\n"
    project.build([])
    assert project.contents() == {}


def test_permissions_stay_and_new_files_follow_the_umask(project: Project) -> None:
    project.build(files(a="1\n"))
    (project.folder / "a").chmod(0o750)
    before = os.umask(0o027)
    try:
        project.build(files(a="2\n", sub__b="2\n"))
    finally:
        os.umask(before)
    assert stat.S_IMODE((project.folder / "a").stat().st_mode) == 0o750
    assert stat.S_IMODE((project.folder / "sub/b").stat().st_mode) == 0o640
    assert stat.S_IMODE((project.folder / "sub").stat().st_mode) == 0o750


def test_kept_files_are_the_users(project: Project) -> None:
    (project.folder / "mine").write_bytes(b"before\n")
    project.build(files(keep_mine="x\n", keep_b="y\n"))
    assert (project.folder / "mine").read_bytes() == b"before\n"
    (project.folder / "b").write_bytes(b"edited\n")
    assert kinds(project.build(files(keep_mine="z\n", keep_b="w\n"))) == {"mine": "keep", "b": "keep"}
    project.build([])
    assert project.contents() == {"mine": b"before\n", "b": b"edited\n"}
    assert project.lock.kept == {}


def test_a_kept_file_may_be_a_link_of_the_users(project: Project) -> None:
    (project.folder / "b").symlink_to("elsewhere")
    assert kinds(project.build(files(keep_b="x\n"))) == {"b": "keep"}
    assert os.readlink(project.folder / "b") == "elsewhere"


def test_a_file_that_becomes_kept_stays_and_then_is_the_users(project: Project) -> None:
    project.build(files(a="1\n"))
    project.build(files(keep_a="2\n"))
    (project.folder / "a").write_bytes(b"edited\n")
    project.build(files(keep_a="3\n"))
    assert project.contents() == {"a": b"edited\n"}
    assert project.fails(files(a="4\n")) == [("E301", "a")]


def test_a_file_that_mlopsgen_did_not_write_is_not_overwritten(project: Project) -> None:
    (project.folder / "dvc.yaml").write_bytes(b"mine\n")
    (project.folder / "params.yaml").write_bytes(b"mine\n")
    wanted = files(**{"dvc.yaml": "a\n", "params.yaml": "b\n", "c": "c\n"})
    assert project.fails(wanted) == [("E301", "dvc.yaml"), ("E301", "params.yaml")]
    assert project.fails(wanted, check=True) == [("E301", "dvc.yaml"), ("E301", "params.yaml")]
    with pytest.raises(Failed) as caught:
        project.build(wanted)
    for way_out in ("patches:", "unmanaged:", "--force"):
        assert way_out in caught.value.diagnostics[0].help
    assert kinds(project.build(wanted, force=True))["dvc.yaml"] == "update"
    project.holds(wanted)


def test_a_file_that_was_edited_by_hand_is_not_overwritten(project: Project) -> None:
    project.build(files(a="1\n", b="1\n"))
    (project.folder / "a").write_bytes(b"edited\n")
    wanted = files(a="2\n", b="2\n")
    assert project.fails(wanted) == [("E302", "a")]
    with pytest.raises(Failed, match="edited by hand") as caught:
        project.build(wanted)
    for way_out in ("patches:", "unmanaged:", "--force"):
        assert way_out in caught.value.diagnostics[0].help
    project.build(wanted, force=True)
    project.holds(wanted)


def test_an_edit_that_says_what_is_wanted_now_is_no_conflict(project: Project) -> None:
    project.build(files(a="1\n"))
    (project.folder / "a").write_bytes(b"2\n")
    assert kinds(project.build(files(a="2\n"))) == {"a": "unchanged"}
    project.holds(files(a="2\n"))


def test_a_file_with_conflict_markers_names_the_way_out(project: Project) -> None:
    project.build(files(a="1\n"))
    (project.folder / "a").write_bytes(b"<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> topic\n")
    with pytest.raises(Failed) as caught:
        project.build(files(a="3\n"))
    assert caught.value.diagnostics[0].code == "E302"
    assert "git checkout --ours" in caught.value.diagnostics[0].help


@pytest.mark.parametrize("side", ["1\n", "2\n"])
def test_a_merged_lock_owns_what_either_branch_wrote(project: Project, side: str) -> None:
    project.build(files(a="1\n"))
    ours = (project.folder / "mlops.lock").read_bytes()
    project.build(files(a="2\n"))
    theirs = (project.folder / "mlops.lock").read_bytes()
    merged = b"<<<<<<< HEAD\n" + ours + b"=======\n" + theirs + b">>>>>>> topic\n"
    (project.folder / "mlops.lock").write_bytes(merged)
    (project.folder / "a").write_bytes(side.encode())
    project.build(files(a="3\n"))
    project.holds(files(a="3\n"))
    assert b"<<<<" not in (project.folder / "mlops.lock").read_bytes()


def test_a_stale_file_that_was_edited_stays_with_a_warning(project: Project) -> None:
    project.build(files(a="1\n", sub__b="2\n"))
    (project.folder / "sub/b").write_bytes(b"edited\n")
    result = project.build(files(a="1\n"))
    assert kinds(result) == {"a": "unchanged", "sub/b": "left"}
    assert [(d.code, d.path, d.severity) for d in result.diagnostics] == [("W301", "sub/b", Severity.WARNING)]
    assert project.contents()["sub/b"] == b"edited\n"
    assert project.build(files(a="1\n")).diagnostics == ()


@pytest.mark.parametrize("what", ["link", "folder", "fifo", "linked folder", "huge"])
def test_a_stale_file_that_is_something_else_now_stays(project: Project, what: str) -> None:
    project.build(files(sub__a="1\n"))
    path, beside = project.folder / "sub/a", project.box / "beside"
    path.unlink()
    if what == "link":
        path.symlink_to(beside / "sentinel")
    elif what == "folder":
        path.mkdir()
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "linked folder":
        path.parent.rmdir()
        (beside / "a").write_bytes(b"1\n")
        path.parent.symlink_to(beside)
    else:
        with open(path, "wb") as file:
            file.truncate((64 << 20) + 1)
    result = project.build([])
    assert kinds(result) == {"sub/a": "left"}
    assert [d.code for d in result.diagnostics] == ["W301"]
    assert os.path.lexists(path)
    assert project.lock.files == {}


def test_a_stale_file_below_what_is_no_folder_any_more_is_gone(project: Project) -> None:
    project.build(files(sub__a="1\n"))
    (project.folder / "sub/a").unlink()
    (project.folder / "sub").rmdir()
    (project.folder / "sub").write_bytes(b"mine\n")
    result = project.build([])
    assert (result.changes, result.diagnostics) == ((), ())
    assert project.contents() == {"sub": b"mine\n"}


def test_a_stale_file_that_cannot_be_read_stops_the_build(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.build(files(sub__a="1\n"))
    _unreadable(monkeypatch, "a")
    with pytest.raises(Failed, match="'sub/a' cannot be read: Permission denied") as caught:
        project.build([])
    assert [d.code for d in caught.value.diagnostics] == ["E306"]
    assert set(project.lock.files) == {"sub/a"}


def test_unmanaged_files_are_neither_written_nor_removed(project: Project) -> None:
    project.build(files(a="1\n", b="2\n", c="3\n"))
    for name in "ab":
        (project.folder / name).write_bytes(b"mine\n")
    result = project.build(files(a="x\n", c="3\n", d="4\n"), unmanaged=["a", "b", "D", "//elsewhere", "../x"])
    assert kinds(result) == {"a": "unmanaged", "c": "unchanged", "d": "unmanaged"}
    assert project.contents() == {"a": b"mine\n", "b": b"mine\n", "c": b"3\n"}
    assert set(project.lock.files) == {"c"}
    assert result.diagnostics == ()


def test_unmanaged_knows_a_file_by_either_root(project: Project) -> None:
    result = project.build([rendered("//project/a", "1\n")], unmanaged=["a"])
    assert kinds(result) == {"//project/a": "unmanaged"}


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("key", ["a", "sub/a", "//.github/a"])
def test_no_symbolic_link_is_followed(project: Project, key: str, force: bool) -> None:
    outside = project.box / "beside"
    wanted = [rendered(key, "x\n"), rendered("other", "y\n")]
    for place, names in ((project.repository, key[2:]), (project.folder, key)):
        if key.startswith("//") == (place == project.repository):
            first, *rest = names.split("/")
            (place / first).symlink_to(outside if rest else outside / "sentinel")
    assert project.fails(wanted, force=force) == [("E304", key)]
    project.untouched()


def test_a_link_to_a_root_itself_is_fine(project: Project) -> None:
    link = project.box / "beside" / "link"
    link.symlink_to(project.folder)
    real, project.folder = project.folder, link
    project.build([rendered("a", "1\n"), rendered("//b", "2\n")])
    project.folder = real
    link.unlink()
    project.holds([rendered("a", "1\n"), rendered("//b", "2\n")])


@pytest.mark.parametrize(
    "path",
    ["../beside/x", "/etc/x", "a\\..\\x", "C:/x", "a\0b", "a//b", "//x", ".git/x", "mlops.lock", "Mlops.yaml", ""],
)
def test_a_path_that_leaves_the_project_is_refused(project: Project, path: str) -> None:
    from mlopsgen.render.files import Rendered

    found = project.fails([Rendered(path=path, target="own", content=b"x"), rendered("ok", "1\n")], force=True)
    assert [code for code, _ in found] == ["E305"]
    project.untouched()


def test_the_lock_is_refused_by_either_root(project: Project) -> None:
    assert project.fails([rendered("//project/mlops.lock", "x")], force=True) == [("E305", "//project/mlops.lock")]


def test_a_lock_cannot_make_us_remove_what_lies_outside(project: Project) -> None:
    from mlopsgen.output.digest import digest

    lock = f"file {digest(b'mine' + bytes([10]))} x ../../beside/sentinel\n"
    (project.folder / "mlops.lock").write_text(lock)
    project.build(files(a="1\n"))
    project.holds(files(a="1\n"))


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("what", ["folder", "fifo", "file above", "long"])
def test_what_is_in_the_way_is_refused(project: Project, what: str, force: bool) -> None:
    key = "x" * 300 if what == "long" else "sub/a"
    place = project.folder / "sub"
    if what == "file above":
        place.write_bytes(b"mine\n")
    elif what != "long":
        place.mkdir()
        if what == "folder":
            (place / "a").mkdir()
        else:
            os.mkfifo(place / "a")
    assert project.fails([rendered(key, "x\n"), rendered("other", "y\n")], force=force) == [("E306", key)]


def test_a_folder_for_a_kept_file_is_refused(project: Project) -> None:
    (project.folder / "a").mkdir()
    assert project.fails(files(keep_a="x\n")) == [("E306", "a")]


def _unreadable(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """As root every file can be read: let the system refuse."""
    real = os.open

    def refuse(path: str, flags: int, *rest: object, **named: object) -> int:
        if path == name:
            raise PermissionError(13, "Permission denied")
        return real(path, flags, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(tree.os, "open", refuse)


def test_what_cannot_be_read_is_refused(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    project.build(files(sub__a="1\n", b="1\n"))
    _unreadable(monkeypatch, "a")
    with pytest.raises(Failed) as caught:
        project.build(files(sub__a="2\n", b="1\n"), force=True)
    assert [(d.code, d.message) for d in caught.value.diagnostics] == [
        ("E306", "'sub/a' cannot be read: Permission denied")
    ]


def test_a_huge_file_is_not_read(project: Project) -> None:
    with open(project.folder / "a", "wb") as file:
        file.truncate((64 << 20) + 1)
    assert project.fails(files(a="x\n"), force=True) == [("E306", "a")]


@pytest.mark.parametrize(
    ("keys", "path"),
    [
        (("a", "a"), "a"),
        (("Docs/a", "docs/A"), "docs/A"),
        (("é", "e\u0301"), "é"),
        (("a", "//project/a"), "a"),
        (("a", "a/b"), "a/b"),
        (("A", "a/b/c"), "a/b/c"),
    ],
)
def test_two_files_at_one_path_are_refused(project: Project, keys: tuple[str, str], path: str) -> None:
    wanted = [rendered(key, "x\n", target=target) for key, target in zip(keys, ("one", "two"), strict=True)]
    with pytest.raises(Failed, match=r"targets (one and two|two and one)"):
        project.build(wanted)
    assert project.fails(wanted) == project.fails(wanted[::-1]) == [("E307", path)]


def test_everything_that_is_wrong_is_told_at_once(project: Project) -> None:
    (project.folder / "b").write_bytes(b"mine\n")
    (project.folder / "c").mkdir()
    (project.folder / "d").symlink_to("b")
    wanted = [rendered(key, "x\n") for key in ("d", "c", "b", "A", "a", "../up", "fine")]
    assert project.fails(wanted) == [("E305", "../up"), ("E307", "a"), ("E301", "b"), ("E306", "c"), ("E304", "d")]


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("what", ["bytes", "huge", "folder", "fifo", "link"])
def test_a_lock_that_cannot_be_read(project: Project, what: str, force: bool) -> None:
    lock = project.folder / "mlops.lock"
    if what == "bytes":
        lock.write_bytes(b"mlopsgen \xff\n")
    elif what == "huge":
        lock.write_bytes(b"#" * ((16 << 20) + 1))
    elif what == "folder":
        lock.mkdir()
    elif what == "fifo":
        os.mkfifo(lock)
    else:
        lock.symlink_to(project.box / "beside" / "sentinel")
    code = "E304" if what == "link" else "E303"
    assert project.fails(files(a="1\n"), force=force) == [(code, "mlops.lock")]
    with pytest.raises(Failed) as caught:
        project.build(files(a="1\n"))
    assert "git checkout mlops.lock" in caught.value.diagnostics[0].help


def test_a_file_known_by_another_case_is_not_removed_with_its_old_name(project: Project) -> None:
    """Two names of one file stand in for a file system on which case does not count."""
    project.build([rendered("Docs/a", "1\n")])
    (project.folder / "docs").mkdir()
    os.link(project.folder / "Docs/a", project.folder / "docs/a")
    result = project.build([rendered("docs/a", "2\n")])
    assert kinds(result) == {"docs/a": "update"}
    assert project.contents()["docs/a"] == b"2\n"


def test_a_file_known_by_another_root_is_not_removed_with_its_old_key(project: Project) -> None:
    project.build([rendered("a", "1\n")])
    assert kinds(project.build([rendered("//project/a", "2\n")])) == {"//project/a": "update"}
    assert (project.folder / "a").read_bytes() == b"2\n"


def test_a_file_renamed_in_case_moves_where_case_counts(project: Project) -> None:
    project.build([rendered("Docs/a", "1\n")])
    project.build([rendered("docs/a", "1\n")])
    project.holds([rendered("docs/a", "1\n")])
    assert "project/Docs" not in project.folders()


def test_folders_with_something_of_the_users_stay(project: Project) -> None:
    project.build(files(one__two__a="1\n"))
    (project.folder / "one/mine").write_bytes(b"x")
    project.build([])
    assert project.folders() == {".git", "project", "project/one"}


def test_the_repository_may_be_the_project(project: Project) -> None:
    project.repository = project.folder
    project.build([rendered("a", "1\n"), rendered("//b", "2\n")])
    assert project.fast([rendered("a", "1\n"), rendered("//b", "2\n")]) == 2
    assert project.fails([rendered("a", "1\n"), rendered("//A", "2\n")]) == [("E307", "a")]


def test_a_repository_that_does_not_lie_around_the_project_is_our_fault(project: Project) -> None:
    project.repository = project.box / "beside"
    with pytest.raises(ValueError, match="does not lie in"):
        project.build([])


@pytest.mark.parametrize("which", ["folder", "repository"])
def test_a_folder_that_is_not_there(project: Project, which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if which == "folder":
        project.folder = project.repository / "nowhere"
    else:
        _unreadable(monkeypatch, str(project.repository))
    opened = os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else []
    assert project.fails(files(a="1\n")) == [("E309", "")]
    assert len(os.listdir("/proc/self/fd") if opened else []) == len(opened)


def test_long_names_can_be_written(project: Project) -> None:
    project.build([rendered(LONG + "/" + LONG, "1\n")])
    project.holds([rendered(LONG + "/" + LONG, "1\n")])


def test_nothing_is_left_open(project: Project) -> None:
    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(3):
        project.build(files(a=f"{number}\n", sub__b=f"{number}\n"))
        project.fails([rendered("mlops.yaml", "x")])
    assert len(os.listdir("/proc/self/fd")) == before


def test_stale_temporary_files_go_with_the_next_build(project: Project) -> None:
    wanted = files(a="1\n", sub__b="2\n")
    project.build(wanted)
    left = [
        project.folder / ".a.mlopsgen~",
        project.folder / ".mlops.lock.mlopsgen~",
        project.folder / "sub/.b.mlopsgen~",
    ]
    left[0].write_bytes(b"half")
    left[1].write_bytes(b"half")
    left[2].symlink_to(project.box / "beside" / "sentinel")
    project.build(wanted, check=True)
    assert all(os.path.lexists(path) for path in left)
    project.build(wanted)
    project.holds(wanted)


def test_a_stale_temporary_that_is_a_link_is_not_written_through(project: Project) -> None:
    (project.folder / "sub").mkdir()
    (project.folder / "sub/.new.mlopsgen~").symlink_to(project.box / "beside" / "sentinel")
    project.build(files(sub__new="1\n"))
    project.holds(files(sub__new="1\n"))


@pytest.mark.parametrize("what", ["link", "hard link", "folder"])
def test_a_temporary_name_that_is_taken_while_the_build_runs_is_not_written_through(
    project: Project, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlopsgen.output import steps as module

    real, sentinel = module._put_lock, project.box / "beside" / "sentinel"
    name = project.folder / ".a.mlopsgen~"

    def late(*given: object, **named: object) -> None:
        {"link": name.symlink_to, "hard link": name.hardlink_to, "folder": lambda _: name.mkdir()}[what](sentinel)
        monkeypatch.setattr(module, "_put_lock", real)
        real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_put_lock", late)
    if what == "folder":
        with pytest.raises(Failed, match="could not write 'a': "):
            project.build(files(a="1\n"))
        name.rmdir()
        project.untouched()
    project.build(files(a="1\n"))
    project.holds(files(a="1\n"))


def test_what_changes_between_the_look_and_the_step_is_noticed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = project.folder / "a"
    path.write_bytes(b"mine\n")

    def step(_: str, really: Callable[[], object], arguments: tuple[object, ...]) -> object:
        result = really()
        if arguments[0] == "a" and path.is_file():
            path.unlink()
            os.mkfifo(path)
        return result

    with system(monkeypatch, ["stat"], step), pytest.raises(Failed) as caught:
        project.build([rendered("a", "1\n")])
    assert [d.code for d in caught.value.diagnostics] == ["E306"]
    project.untouched()


def test_a_folder_that_becomes_a_link_is_not_followed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    path = project.folder / "sub"
    path.mkdir()

    def step(_: str, really: Callable[[], object], arguments: tuple[object, ...]) -> object:
        if arguments[0] == "sub" and not path.is_symlink():
            path.rmdir()
            path.symlink_to(project.box / "beside")
        return really()

    with system(monkeypatch, ["open"], step), pytest.raises(Failed) as caught:
        project.build([rendered("sub/x", "1\n")])
    assert [d.code for d in caught.value.diagnostics] == ["E304"]
    project.untouched()


@pytest.mark.parametrize("moment", ["create", "update", "remove", "lock"])
def test_an_edit_while_the_build_runs_is_not_overwritten(
    project: Project, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlopsgen.output import steps as module

    project.build(files(a="1\n", b="1\n"))
    name = {"create": "c", "update": "a", "remove": "b", "lock": "mlops.lock"}[moment]
    real = module._put_lock

    def late(tree_: object, lock: bytes, *rest: object, **named: object) -> None:
        (project.folder / name).write_bytes(b"# edited meanwhile\n")
        monkeypatch.setattr(module, "_put_lock", real)
        real(tree_, lock, *rest, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_put_lock", late)
    with pytest.raises(Failed, match="changed by someone else") as caught:
        project.build(files(a="2\n", c="2\n"))
    assert [(d.code, d.path) for d in caught.value.diagnostics] == [("E309", name)]
    assert (project.folder / name).read_bytes() == b"# edited meanwhile\n"
    assert not [key for key in project.contents() if key.endswith("~")]


def test_a_link_put_in_the_way_while_the_build_runs_is_not_followed(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlopsgen.output import steps as module

    real = module._put_lock

    def late(*given: object, **named: object) -> None:
        (project.folder / "sub").symlink_to(project.box / "beside")
        monkeypatch.setattr(module, "_put_lock", real)
        real(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_put_lock", late)
    with pytest.raises(Failed) as caught:
        project.build(files(sub__a="1\n"))
    assert [(d.code, d.path) for d in caught.value.diagnostics] == [("E304", "sub/a")]
    project.untouched()
    assert not (project.folder / "mlops.lock").exists()


def test_where_steps_cannot_start_from_an_open_folder_the_rules_are_the_same(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree, "_ANCHORED", False)
    first, second = files(a="1\n", one__b="2\n", keep_k="k\n"), files(a="2\n", two__c="3\n", keep_k="k\n")
    project.build(first)
    project.holds(first)
    project.build(second)
    project.holds(second)
    assert "project/one" not in project.folders()
    (project.folder / "link").symlink_to(project.box / "beside")
    assert project.fails([*second, rendered("link/x", "x\n")]) == [("E304", "link/x")]
    (project.folder / "a").write_bytes(b"edited\n")
    assert project.fails(files(a="3\n")) == [("E302", "a")]


def test_a_windows_junction_counts_as_a_link() -> None:
    class Status:
        st_mode = stat.S_IFDIR | 0o755
        st_reparse_tag = 0xA0000003

    with pytest.raises(tree.Blocked, match="E304"):
        tree._judge(Status())  # type: ignore[arg-type]


def test_values_that_the_lock_cannot_hold_are_our_fault_and_nothing_is_written(project: Project) -> None:
    before = project.everything()
    with pytest.raises(ValueError, match="not a digest"):
        project.build(files(a="1\n"), input_digest="x")
    with pytest.raises(ValueError, match="lock cannot hold"):
        project.build(files(a="1\n"), generator_version="0.1 dirty")
    assert project.everything() == before


def test_what_a_killed_build_said_it_would_write_is_ours(project: Project) -> None:
    from mlopsgen.output.digest import digest

    intent = Lock("0.1.0", files={"a": ("dvc", frozenset({digest(b"1\n"), digest(b"2\n")}))})
    for content in (b"1\n", b"2\n"):
        Path(project.folder, "mlops.lock").write_bytes(write(intent))
        (project.folder / "a").write_bytes(content)
        project.build(files(a="3\n"))
        project.holds(files(a="3\n"))
