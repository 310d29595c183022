from __future__ import annotations

from pathlib import Path

import pytest

from mlopsgen.output.repository import repository_root


@pytest.mark.parametrize("marker", [".git/", ".git", ".github/"])
@pytest.mark.parametrize("depth", [0, 2])
def test_is_the_nearest_folder_with_a_marker(tmp_path: Path, marker: str, depth: int) -> None:
    root = tmp_path / "outer" / "inner"
    folder = root.joinpath(*["x"] * depth)
    folder.mkdir(parents=True)
    (tmp_path / "outer" / ".git").mkdir()
    if marker.endswith("/"):
        (root / marker).mkdir()
    else:
        (root / marker).write_text("gitdir: elsewhere\n")
    assert repository_root(str(folder)) == str(root)


def test_a_file_called_github_is_no_marker(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".github").write_text("")
    assert repository_root(str(tmp_path / "sub")) == str(tmp_path)


def test_is_the_folder_itself_without_any_marker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("os.path.exists", lambda path: False)
    monkeypatch.setattr("os.path.isdir", lambda path: False)
    assert repository_root(str(tmp_path)) == str(tmp_path)


def test_goes_by_where_the_folder_really_lies(tmp_path: Path) -> None:
    (tmp_path / "home" / ".git").mkdir(parents=True)
    (tmp_path / "data" / "project").mkdir(parents=True)
    (tmp_path / "data" / ".git").mkdir()
    (tmp_path / "home" / "link").symlink_to(tmp_path / "data" / "project")
    assert repository_root(str(tmp_path / "home" / "link")) == str(tmp_path / "data")
