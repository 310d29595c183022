"""What is absorbed leaves the edited file as it is, and everything else of mlops.yaml too."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from mlopsgen.cli import rewriting
from mlopsgen.cli.main import run
from tests.diagnostics.helpers import ONLY_DVC
from tests.review.absorptions import (
    CI,
    DOCKER,
    EDITS,
    LESS,
    PARAMS,
    ROUTING,
    SCALING,
    Copy,
    changed_lines,
    comments,
    every,
    once,
)

CASES = [pytest.param(name, marks=[pytest.mark.slow] if edit.slow else []) for name, edit in EDITS.items()]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy.make(tmp_path_factory.mktemp("example") / "project")


@pytest.fixture(scope="module")
def less(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    return Copy.make(tmp_path_factory.mktemp("less") / "project", LESS)


@pytest.fixture
def whole(example: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    made = example.of(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def copy(less: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    made = less.of(tmp_path / "project")
    monkeypatch.chdir(made.folder)
    return made


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Copy:
    """A pipeline and its parameters only, built."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlops.yaml").write_text(ONLY_DVC + "training: {epochs: 3}  # enough\n")
    assert run(["build", "-q"]) == 0
    return Copy(tmp_path)


class Told:
    def __init__(self, code: int, out: str, err: str) -> None:
        self.code = code
        self.out = out
        self.err = err

    @property
    def json(self) -> dict:
        return json.loads(self.out)

    @property
    def codes(self) -> list[str]:
        return [row["code"] for row in self.json["diagnostics"]]


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]):
    def tell(*arguments: str) -> Told:
        capsys.readouterr()
        code = run(list(arguments))
        told = capsys.readouterr()
        return Told(code, told.out, told.err)

    return tell


def row(told: dict, before: str, after: str) -> list[str]:
    """What absorb did, as a row of the table."""
    also = {path for field in told["fields"] for path in field["also"]}
    done = [
        f"{field['path']}: {field['old']!r} → {'dropped' if field['dropped'] else repr(field['new'])}"
        for field in told["fields"]
    ]
    for patch in told["patches"]:
        paths = " ".join(dict.fromkeys(f"{one['op']} {one['path']}" for one in patch["ops"] if one["op"] != "move"))
        done.append(f"patch {patch['file']} {patch.get('object', '')}: {paths}")
    done += [f"also changes {len(also)} files"] if also else []
    lines = changed_lines(before, after)
    return [*done, *(lines if len(lines) < 14 else [f"{len(lines)} lines"])]


@pytest.mark.parametrize("name", CASES)
def test_the_edited_file_stays_and_so_does_the_spec_around_the_edit(
    name: str, whole: Copy, tell, snapshot: SnapshotAssertion
) -> None:
    edit, copy = EDITS[name], whole
    if edit.spec is not None:
        (copy.folder / "mlops.yaml").write_text(edit.spec(copy.spec))
        assert tell("build", "-q").code == 0
    before = copy.spec
    files = copy.edit(edit.files)
    told = tell("absorb", *files, "--format", "json")
    assert (told.code, told.codes) == (0, [])
    after = copy.spec
    assert tell("build", "-q").code == 0
    assert {path: (copy.folder / path).read_text() for path in files} == files
    taken = told.json["fields"]
    assert comments(after) == comments(before)
    lines = changed_lines(before, after)
    if not told.json["patches"] and not any(field["dropped"] for field in taken):
        removed = [line for line in lines if line.startswith("-")]
        assert len(removed) <= len(taken)
    assert snapshot == row(told.json, before, after)


def test_the_corpus_is_as_large_as_it_must_be() -> None:
    assert len(EDITS) >= 40
    assert sum(not edit.slow for edit in EDITS.values()) >= 6
    golden = Path(__file__).with_name("__snapshots__") / "test_absorb.ambr"
    assert set(re.findall(r"(?m)^# name: test_the_edited\w+\[(.*)\]$", golden.read_text())) == EDITS.keys()


def test_once_is_enough(tiny: Copy, tell) -> None:
    tiny.edit({PARAMS: once("epochs: 3.0", "epochs: 5.0")})
    assert tell("absorb").code == 0
    assert tell("build", "-q").code == 0
    assert tell("build", "--check", "-q").code == 0
    assert tell("absorb").out == "mlops.yaml: nothing to absorb\n"


def test_dry_run_writes_nothing_and_shows_the_change(tiny: Copy, tell) -> None:
    before = tiny.spec
    tiny.edit({PARAMS: once("epochs: 3.0", "epochs: 5.0")})
    told = tell("absorb", "--dry-run")
    assert told.code == 0
    assert tiny.spec == before
    assert "-training: {epochs: 3}  # enough\n+training: {epochs: 5}  # enough\n" in told.out
    assert "training.epochs: 3 → 5" in told.out


@pytest.mark.slow
def test_patch_changes_no_field(copy: Copy, tell) -> None:
    files = copy.edit({PARAMS: once("preprocess:\n    - strip\n", "preprocess:\n    - lower\n")})
    told = tell("absorb", "--patch", PARAMS, "--format", "json").json
    assert told["fields"] == []
    assert told["patches"] == [
        {"file": PARAMS, "ops": [{"op": "replace", "path": "/model/preprocess/0", "value": "lower"}]}
    ]
    assert tell("build", "--format", "json").json["specs"][0]["differs"]
    assert (copy.folder / PARAMS).read_text() == files[PARAMS]


@pytest.mark.slow
def test_a_comment_is_told_and_the_value_beside_it_is_taken(copy: Copy, tell) -> None:
    copy.edit({SCALING: once("maxReplicaCount: 20", "maxReplicaCount: 24  # for the fair")})
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (1, ["W330"])
    assert [field["path"] for field in told.json["fields"]] == ["environments.production.serving.replicas.max"]
    assert not told.json["complete"]
    assert "kubernetes/scaling.yaml" in told.json["diagnostics"][0]["help"]


def test_a_number_that_some_readers_take_for_text_is_told_and_not_patched(tiny: Copy, tell) -> None:
    before = tiny.spec
    tiny.edit({PARAMS: lambda text: re.sub("learning_rate: .*", "learning_rate: 3e-05", text)})
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (1, ["W331"])
    assert "some readers take learning_rate: 3e-05 for a number" in told.json["diagnostics"][0]["message"]
    assert tiny.spec == before


@pytest.mark.slow
def test_layout_alone_changes_nothing(copy: Copy, tell) -> None:
    before = copy.spec
    copy.edit({SCALING: once("  pollingInterval: 15\n", "  pollingInterval:    15\n")})
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (1, ["W330"])
    assert copy.spec == before


@pytest.mark.slow
def test_text_that_no_field_says_is_told(copy: Copy, tell) -> None:
    copy.edit({"docs/pipeline.md": lambda text: text + "\nAsk Jane.\n"})
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (1, ["W331"])
    assert "`Ask Jane.`" in told.json["diagnostics"][0]["message"]


@pytest.mark.slow
def test_a_manifest_more_is_told(copy: Copy, tell) -> None:
    more = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: mine\n"
    copy.edit({SCALING: lambda text: text + more})
    told = tell("absorb", "--format", "json")
    assert told.code == 1
    assert set(told.codes) == {"W331"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "code"), [("docker/train.Dockerfile", "W332"), ("deploy/production/release.yaml", "W332")]
)
def test_what_is_yours_is_left_alone(path: str, code: str, copy: Copy, tell) -> None:
    copy.edit({path: lambda text: text + "# mine\n"})
    told = tell("absorb", path, "--format", "json")
    assert (told.code, told.codes) == (0, [code])


def test_a_bump_of_a_bot_is_the_next_builds(copy: Copy, tell) -> None:
    old = re.search(r"actions/checkout@\S+ # \S+", (copy.folder / CI).read_text())
    assert old is not None
    before = copy.spec
    files = copy.edit({CI: every(old[0], f"actions/checkout@{'a' * 40} # v9.9.9")})
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (0, [])
    assert told.json["pins"] == ["actions/checkout v9.9.9"]
    assert copy.spec == before
    assert tell("build", "-q").code == 0
    assert (copy.folder / CI).read_text() == files[CI]
    assert "a" * 40 in (copy.folder / "mlops.lock").read_text()


@pytest.mark.slow
def test_an_image_that_was_bumped_is_the_next_builds(copy: Copy, tell) -> None:
    files = copy.edit({DOCKER: lambda text: re.sub("@sha256:[0-9a-f]{64}", f"@sha256:{'b' * 64}", text)})
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (0, [])
    assert len(told.json["pins"]) == 1
    assert tell("build", "-q").code == 0
    assert (copy.folder / DOCKER).read_text() == files[DOCKER]


@pytest.mark.slow
def test_a_bump_in_one_place_only_is_told_and_the_rest_of_the_file_is_taken(copy: Copy, tell) -> None:
    old = re.search(r"actions/checkout@\S+ # \S+", (copy.folder / CI).read_text())
    assert old is not None
    copy.edit(
        {
            CI: lambda text: once(old[0], f"actions/checkout@{'a' * 40} # v9.9.9")(text).replace(
                "ruff check .", "ruff check src"
            )
        }
    )
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (1, ["W334"])
    assert [field["path"] for field in told.json["fields"]] == ["ci.quality.lint"]


def test_a_spec_that_changed_as_well_is_refused(tiny: Copy, tell) -> None:
    tiny.edit({"mlops.yaml": once("epochs: 3", "epochs: 4"), PARAMS: once("seed: 42", "seed: 7")})
    before = tiny.spec
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (2, ["E331"])
    assert tiny.spec == before


def test_a_file_that_is_not_ours_is_refused(tiny: Copy, tell) -> None:
    lock = tiny.folder / "mlops.lock"
    lock.write_text("".join(line for line in lock.read_text().splitlines(True) if not line.endswith(" params.yaml\n")))
    tiny.edit({PARAMS: once("epochs: 3.0", "epochs: 5.0")})
    told = tell("absorb", PARAMS, "--format", "json")
    assert (told.code, told.codes) == (2, ["E330"])


def test_a_spec_that_changed_meanwhile_is_not_written(tiny: Copy, tell, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.edit({PARAMS: once("epochs: 3.0", "epochs: 5.0")})
    usual = rewriting.rewrite

    def late(workspace, old: str, new: str) -> None:
        (tiny.folder / "mlops.yaml").write_text("# someone else\n" + old)
        usual(workspace, old, new)

    monkeypatch.setattr(rewriting, "rewrite", late)
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (2, ["E332"])
    assert tiny.spec.startswith("# someone else\n")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="no links")
def test_a_spec_behind_a_link_is_not_replaced(tiny: Copy, tell) -> None:
    tiny.edit({PARAMS: once("epochs: 3.0", "epochs: 5.0")})
    (tiny.folder / "mlops.yaml").rename(tiny.folder / "real.yaml")
    (tiny.folder / "mlops.yaml").symlink_to("real.yaml")
    told = tell("absorb", "--format", "json")
    assert (told.code, told.codes) == (2, ["E304"])
    assert (tiny.folder / "mlops.yaml").is_symlink()


@pytest.mark.slow
def test_the_text_says_which_field_would_do_were_it_not_for_other_lines(copy: Copy, tell) -> None:
    copy.edit({ROUTING: once("timeout: 35s", "timeout: 50s")})
    told = tell("absorb")
    assert told.code == 0
    assert "patch of deploy/production/routing.yaml VirtualService/support-assistant\n" in told.out
    assert "not serving.timeout: 45s, which also changes deploy/production/routing.yaml `timeout: 50s`" in told.out
