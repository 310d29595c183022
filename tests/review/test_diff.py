"""`mlopsgen diff` against the disk, the lock and revisions."""

from __future__ import annotations

import json

from tests.review.conftest import Repository


def test_the_disk_is_what_build_would_change(built: Repository) -> None:
    code, out, err = built.run("diff")
    assert (code, out, err) == (0, "mlops.yaml against the files on disk: nothing differs\n", "")
    built.edit("serving: {timeout: 1m}\n")
    code, out, _ = built.run("diff")
    assert code == 1
    assert '~ data."settings.yaml".serving.timeout: 30 → 60' in out
    assert "deploy/staging/serving.yaml ConfigMap/docstrings-serving" in out
    _, listed, _ = built.run("build", "--check", "-q", "--format", "json")
    changed = {
        row["path"].removeprefix("//")
        for spec in json.loads(listed)["specs"]
        for row in spec["files"]
        if row["change"] == "update"
    }
    _, told = built.json("diff")
    named = {row["file"] for block in told["specs"][0]["blocks"] for row in block["objects"]}
    assert named == changed
    built.run("build", "-q")
    assert built.run("diff")[0] == 0


def test_before_the_first_build_everything_is_created(repository: Repository) -> None:
    code, told = repository.json("diff")
    assert code == 1
    assert [block["kind"] for block in told["specs"][0]["blocks"]] == ["create"]
    assert told["specs"][0]["counts"]["created"] > 60


def test_a_hand_edit_is_shown_and_said(small: Repository) -> None:
    file = small.folder / "dvc.yaml"
    file.write_text(file.read_text().replace("mlops-runtime train", "mlops-runtime train --fast"))
    code, out, _ = small.run("diff")
    assert code == 1
    assert "~ stages.train.cmd: mlops-runtime train --fast → mlops-runtime train" in out
    assert "dvc.yaml was edited by hand: `mlopsgen build` refuses to overwrite it" in out


def test_what_goes_and_what_stays(built: Repository) -> None:
    kept = built.folder / ".github" / "dependabot.yaml"
    kept.write_text("version: 2\nupdates: []\n")
    built.edit("targets: {docker: false}\n")
    code, told = built.json("diff")
    blocks = told["specs"][0]["blocks"]
    assert {row["file"] for block in blocks if block["kind"] == "remove" for row in block["objects"]} >= {
        "docker/serve.Dockerfile",
        "docker/train.Dockerfile",
    }
    assert "dependabot" not in json.dumps(blocks)
    assert code == 1


def test_the_lock_knows_what_was_built_last(small: Repository) -> None:
    assert small.run("diff", "--base", "lock")[0] == 0
    small.edit("serving: {timeout: 1m}\n")
    edited = small.folder / "deploy" / "staging" / "serving.yaml"
    edited.write_text(edited.read_text().replace("replicas: 1", "replicas: 7"))
    code, out, _ = small.run("diff", "--base", "lock")
    assert code == 1
    assert '~ data."settings.yaml".serving.timeout: 30 → 60' in out
    assert "replicas" not in out  # the edit is not what was built


def test_what_the_lock_names_may_be_nowhere(repository: Repository) -> None:
    repository.run("build", "-q")
    repository.edit("serving: {timeout: 1m}\n")
    (repository.folder / "deploy" / "staging" / "serving.yaml").write_text("a: 1\n")
    code, told = repository.json("diff", "--base", "lock")
    assert code == 1
    assert told["specs"][0]["unknown"] == ["deploy/staging/serving.yaml"]


def test_a_revision_is_compiled_from_its_spec(small: Repository) -> None:
    first = small.git("rev-parse", "HEAD")
    small.edit("serving: {timeout: 1m}\n")
    small.commit()  # without a build: the files lag behind
    assert small.run("diff", "--base", "HEAD") == (
        0,
        f"mlops.yaml against the spec of HEAD ({small.git('rev-parse', 'HEAD')[:12]}): nothing differs\n",
        "",
    )
    code, out, _ = small.run("diff", "--base", "HEAD", "--committed")
    assert code == 1
    assert "against the files committed in HEAD" in out
    code, out, _ = small.run("diff", "--base", first, "--format", "markdown")
    assert code == 1
    assert out.startswith("### mlops.yaml against the spec of")
    assert '- data."settings.yaml".serving.timeout: 30\n+ data."settings.yaml".serving.timeout: 60' in out
    assert small.run("diff", "--base", first, "-q")[1].count("\n") == 1


def test_committed_needs_a_revision(repository: Repository) -> None:
    assert repository.run("diff", "--committed")[0] == 2
    assert repository.run("diff", "--committed", "--base", "lock")[0] == 2


def test_templates_and_pins_of_the_revision_count(built: Repository) -> None:
    (built.folder / "ops" / "docker").mkdir(parents=True)
    (built.folder / "ops" / "docker" / "dockerignore").write_text("one\n")
    built.edit("templates: ops\n")
    built.run("build", "-q")
    base = built.commit()
    (built.folder / "ops" / "docker" / "dockerignore").write_text("two\n")
    lock = built.folder / "mlops.lock"
    pin = "pin actions/checkout v99.0.0 " + "a" * 40 + "\n"
    lock.write_text(lock.read_text().replace("file ", pin + "file ", 1))
    code, told = built.json("diff", "--base", base)
    named = {row["file"] for block in told["specs"][0]["blocks"] for row in block["objects"]}
    assert code == 1
    assert named >= {".dockerignore", ".github/workflows/ml-ci.yaml"}
    _, told = built.json("plan", "--base", base)
    assert {row["path"] for field in told["plans"][0]["fields"] for row in field["changes"]} == {
        "pin actions/checkout",
        "template docker/dockerignore",
    }
    assert not told["plans"][0]["together"]


def test_several_specs_and_a_mistake_in_one(small: Repository) -> None:
    other = small.folder / "other"
    other.mkdir()
    (other / "mlops.yaml").write_text((small.folder / "mlops.yaml").read_text().replace("docstrings}", "other}"))
    (small.folder / "bad.yaml").write_text("version: 1\n")
    code, told = small.json("diff", "mlops.yaml", "other", "bad.yaml")
    assert code == 2
    assert [spec["spec"] for spec in told["specs"]] == ["mlops.yaml", "other/mlops.yaml"]
    assert {row["code"] for row in told["diagnostics"]} == {"E102"}
