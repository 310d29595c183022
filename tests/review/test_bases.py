"""A base that is odd: another version, no lock, a broken spec, another name or place, no git, no such revision."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mlopsgen.version import VERSION
from tests.review.conftest import Repository

BOTH = pytest.mark.parametrize("verb", ["diff", "plan"])


@BOTH
def test_another_version_of_the_generator(verb: str, small: Repository) -> None:
    lock = small.folder / "mlops.lock"
    lock.write_text(lock.read_text().replace(f"mlopsgen {VERSION}\n", "mlopsgen 0.0.1\n"))
    ignored = small.folder / ".dvcignore"
    ignored.write_text("other\n")  # as the other version may have written it
    small.commit()
    code, told = small.json(verb, "--base", "HEAD")
    assert (code, [row["code"] for row in told["diagnostics"]]) == (0, ["W320"])
    assert "0.0.1" in told["diagnostics"][0]["message"]
    assert "--committed" in told["diagnostics"][0]["help"]
    code, out, err = small.run("diff", "--base", "HEAD", "--committed")
    assert code == 1
    assert ".dvcignore" in out
    assert "W320" in err


@BOTH
def test_no_lock(verb: str, small: Repository) -> None:
    (small.folder / "mlops.lock").unlink()
    small.commit()
    assert small.codes(verb, "--base", "HEAD") == (0, ["W321"])
    assert small.codes("diff", "--base", "HEAD", "--committed") == (2, ["E324"])
    assert small.codes(verb, "--base", "lock") == (2, ["E324"])


@BOTH
@pytest.mark.parametrize("broken", [b"\0\xff", b"<<<<<<< ours\nmlopsgen 1\n=======\nmlopsgen 2\n>>>>>>> theirs\n"])
def test_a_lock_that_is_damaged_or_half_merged(verb: str, broken: bytes, small: Repository) -> None:
    (small.folder / "mlops.lock").write_bytes(broken)
    small.commit()
    code, codes = small.codes(verb, "--base", "HEAD")
    assert code == 0
    assert codes == ["W321"]


@BOTH
@pytest.mark.parametrize(
    ("text", "also"),
    [
        ("version: 1\n", "E102"),
        ("version: [1\n", "E010"),
        ("", "E011"),
        ("version: 2\nproject: {name: x}\ndata: {raw: d}\nmodel: {base: a/b}\n", "E337"),
        ("version: 1\nproject: {name: x}\ndata: {raw: d}\nmodel: {base: a/b}\ntemplates: nowhere\n", "E225"),
    ],
)
def test_a_spec_that_does_not_validate_there(verb: str, text: str, also: str, small: Repository) -> None:
    good = (small.folder / "mlops.yaml").read_text()
    (small.folder / "mlops.yaml").write_text(text)
    small.commit()
    (small.folder / "mlops.yaml").write_text(good)
    code, told = small.json(verb, "--base", "HEAD")
    codes = [row["code"] for row in told["diagnostics"]]
    assert code == 2
    assert "E323" in codes
    assert any(each.startswith(also) for each in codes)
    files = {row["file"] for row in told["diagnostics"] if row["file"]}
    assert files <= {"HEAD:mlops.yaml"}
    assert small.run("diff", "--base", "HEAD", "--committed")[0] == 0


@BOTH
def test_a_spec_that_does_not_validate_now(verb: str, small: Repository) -> None:
    (small.folder / "mlops.yaml").write_text("version: 1\n")
    code, told = small.json(verb, "--base", "HEAD")
    assert code == 2
    assert {row["file"] for row in told["diagnostics"]} == {"mlops.yaml"}


def test_a_renamed_project(small: Repository) -> None:
    spec = small.folder / "mlops.yaml"
    spec.write_text(spec.read_text().replace("{name: docstrings}", "{name: helper}"))
    code, told = small.json("plan")
    (field,) = told["plans"][0]["fields"]
    assert (code, field["class"]) == (0, "recreate")
    assert [row["path"] for row in field["changes"]] == ["project.name"]
    code, out, _ = small.run("diff", "--base", "HEAD")
    assert code == 1
    assert "Deployment/docstrings-champion → helper-champion" in out


@BOTH
def test_a_project_that_moved(verb: str, small: Repository) -> None:
    moved = small.folder / "services" / "a"
    moved.mkdir(parents=True)
    shutil.move(small.folder / "mlops.yaml", moved / "mlops.yaml")
    code, told = small.json(verb, "--base", "HEAD", "services/a")
    assert (code, [row["code"] for row in told["diagnostics"]]) == (2, ["E322"])
    assert "--base HEAD:mlops.yaml" in told["diagnostics"][0]["help"]
    code, told = small.json(verb, "--base", "HEAD:mlops.yaml", "services/a")
    assert code in (0, 1)
    if verb == "plan":
        (field,) = told["plans"][0]["fields"]
        assert [row["path"] for row in field["changes"]] == ["place of the spec"]


@BOTH
def test_a_spec_below_the_top(verb: str, repository: Repository) -> None:
    place = repository.folder / "services" / "a"
    place.mkdir(parents=True)
    shutil.move(repository.folder / "mlops.yaml", place / "mlops.yaml")
    repository.run("build", "-q", "services/a")
    repository.commit()
    repository.edit("serving: {timeout: 1m}\n", "services/a/mlops.yaml")
    code, told = repository.json(verb, "--base", "HEAD", "services/a")
    assert code == (1 if verb == "diff" else 0)
    assert not told["diagnostics"]
    if verb == "diff":
        assert repository.run("diff", "--base", "HEAD", "--committed", "services/a")[0] == 1
    else:
        assert [field["class"] for field in told["plans"][0]["fields"]] == ["restart"]


@BOTH
def test_a_spec_that_was_never_committed(verb: str, repository: Repository) -> None:
    (repository.folder / "other").write_text("x")
    repository.git("add", "other")
    repository.git("commit", "--quiet", "--message", "x")
    code, told = repository.json(verb, "--base", "HEAD")
    assert (code, [row["code"] for row in told["diagnostics"]]) == (2, ["E322"])
    assert "not be committed" in told["diagnostics"][0]["help"]


@BOTH
@pytest.mark.parametrize("name", ["nowhere", "--all", "HEAD~9", "", "HEAD^{tree}", "main:mlops.yaml:x"])
def test_a_revision_that_git_does_not_know(verb: str, name: str, small: Repository) -> None:
    code, codes = small.codes(verb, f"--base={name}")
    assert code == 2
    assert codes in (["E321"], ["E322"])


@BOTH
def test_a_repository_without_a_commit(verb: str, repository: Repository) -> None:
    code, told = repository.json(verb, "--base", "HEAD")
    assert (code, [row["code"] for row in told["diagnostics"]]) == (2, ["E321"])
    assert "commit something first" in told["diagnostics"][0]["help"]


@BOTH
def test_a_shallow_clone(verb: str, small: Repository, tmp_path: Path) -> None:
    first = small.git("rev-parse", "HEAD")
    small.edit("serving: {timeout: 1m}\n")
    small.commit()
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{small.folder}", str(clone)], check=True)
    small.patch.chdir(clone)
    code, told = small.json(verb, "--base", first)
    assert (code, [row["code"] for row in told["diagnostics"]]) == (2, ["E321"])
    assert "shallow" in told["diagnostics"][0]["message"]
    assert "fetch-depth: 0" in told["diagnostics"][0]["help"]
    assert small.run(verb, "--base", "HEAD")[0] == 0


@BOTH
def test_no_repository_and_no_git(verb: str, tmp_path: Path, small: Repository) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(small.folder / "mlops.yaml", alone)
    small.patch.chdir(alone)
    small.patch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert small.codes(verb, "--base", "HEAD") == (2, ["E320"])
    small.patch.chdir(small.folder)
    small.patch.setenv("PATH", str(alone))
    code, told = small.json(verb, "--base", "HEAD")
    assert (code, [row["code"] for row in told["diagnostics"]]) == (2, ["E320"])
    assert "no program `git`" in told["diagnostics"][0]["message"]
    assert small.run("diff")[0] == 0


def test_links_in_a_revision_are_not_followed(small: Repository, tmp_path: Path) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text((small.folder / "mlops.yaml").read_text())
    good = (small.folder / "mlops.yaml").read_text()
    (small.folder / "mlops.yaml").unlink()
    (small.folder / "mlops.yaml").symlink_to(secret)
    small.commit()
    (small.folder / "mlops.yaml").unlink()
    (small.folder / "mlops.yaml").write_text(good)
    assert small.codes("plan") == (2, ["E322"])


def test_nothing_is_written(small: Repository) -> None:
    small.edit("serving: {timeout: 1m}\n")
    before = {path: path.stat().st_mtime_ns for path in small.folder.rglob("*") if ".git/" not in f"{path}/"}
    small.run("diff")
    small.run("diff", "--base", "HEAD")
    small.run("plan")
    assert {path: path.stat().st_mtime_ns for path in small.folder.rglob("*") if ".git/" not in f"{path}/"} == before


def test_inside_of_a_hook(small: Repository) -> None:
    small.patch.setenv("GIT_DIR", "elsewhere/.git")
    small.patch.setenv("GIT_INDEX_FILE", "elsewhere/index")
    assert small.run("plan")[0] == 0
