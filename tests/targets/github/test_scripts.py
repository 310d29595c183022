"""The scripts of the workflows, run: with real git and DVC, and stand-ins for gh, kubectl and the runtime."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mlopsgen.contract.commands import model_tests
from mlopsgen.render.engine import render
from mlopsgen.targets import dvc as dvc_target
from tests.conftest import tool
from tests.targets.github import specs

RUNTIME = """\
#!{python}
# Stands in for the runtime: notes its call, and writes what the stage of that name declares.
import json, os, pathlib, sys, yaml
command = sys.argv[1]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
stage = yaml.safe_load(open("dvc.yaml"))["stages"].get(command, {{}}) if os.path.exists("dvc.yaml") else {{}}
for item in (*stage.get("outs", ()), *stage.get("metrics", ())):
    path = pathlib.Path(item if isinstance(item, str) else next(iter(item)))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({{"version": "7"}}))
"""

TUNNEL = """\
#!/bin/bash
trap 'echo closed >> "$RUNNER_TEMP/tunnel"; exit' TERM
echo open > "$RUNNER_TEMP/tunnel"
while true; do sleep 0.05; done
"""


class Machine:
    """A runner: a folder for tools, one for temporary files, and the files that steps write to."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin, self.temp = folder, folder / "bin", folder / "temp"
        for each in (self.bin, self.temp):
            each.mkdir(parents=True)
        self.calls = folder / "calls"
        self.stand_in("mlops-runtime", RUNTIME.format(python=sys.executable))
        for name in ("gh", "kubectl", "pytest"):
            self.stand_in(name, f'#!/bin/bash\necho "{name} $*" >> "$CALLS"\n')

    def stand_in(self, name: str, text: str) -> None:
        """Put a program on the path."""
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def called(self) -> list[str]:
        """Calls of stand-ins so far."""
        return self.calls.read_text(encoding="utf-8").splitlines() if self.calls.exists() else []

    def run(self, script: str, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a script as `shell: bash` does."""
        github = {
            name: str(self.folder / name.lower()) for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY")
        }
        path = os.pathsep.join((str(self.bin), str(Path(tool("dvc")).parent), os.environ["PATH"]))
        given = {
            "CALLS": str(self.calls),
            "RUNNER_TEMP": str(self.temp),
            "GITHUB_WORKSPACE": str(cwd),
            "GITHUB_RUN_ID": "1",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_REF_NAME": "main",
            "GITHUB_SERVER_URL": "https://github.com",
            "GITHUB_REPOSITORY": "acme/docstrings",
            "DVC_NO_ANALYTICS": "1",
            "HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=cwd,
            env={**os.environ, **github, **given, **(env or {}), "PATH": path},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def outputs(self) -> dict[str, str]:
        """What steps put into GITHUB_OUTPUT."""
        file = self.folder / "github_output"
        lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A fresh runner."""
    return Machine(tmp_path / "machine")


def step(name: str, workflow: str, job: str, title: str) -> dict[str, Any]:
    """A step of a rendered workflow."""
    steps = specs.all_workflows(name)[workflow]["jobs"][job]["steps"]
    found: dict[str, Any] = next(each for each in steps if each.get("name") == title)
    return found


def git(*arguments: str, cwd: Path) -> str:
    """Run git."""
    who = ("-c", "user.name=A", "-c", "user.email=a@acme.dev", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *who, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


def origin(folder: Path, content: Mapping[str, str]) -> tuple[Path, Path]:
    """A bare repository that holds `content`, and a clone of it."""
    bare, clone = folder / "origin.git", folder / "first"
    folder.mkdir(parents=True, exist_ok=True)
    git("init", "--bare", "--quiet", str(bare), cwd=folder)
    git("clone", "--quiet", str(bare), str(clone), cwd=folder)
    for path, text in content.items():
        (clone / path).parent.mkdir(parents=True, exist_ok=True)
        (clone / path).write_text(text, encoding="utf-8")
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--message", "Begin", cwd=clone)
    git("push", "--quiet", "origin", "HEAD:main", cwd=clone)
    return bare, clone


@pytest.mark.slow
def test_what_was_trained_once_is_recorded_and_never_trained_again(tmp_path: Path, machine: Machine) -> None:
    generated = {file.path: render(file).content.decode() for file in dvc_target.files(specs.project("remote"))}
    bare, first = origin(tmp_path / "git", generated)
    dvc = tool("dvc")
    (first / "data" / "raw").mkdir(parents=True)
    (first / "data" / "raw" / "a.jsonl").write_text("{}\n", encoding="utf-8")
    prepare = f"{dvc} remote modify storage url {tmp_path}/store && {dvc} add data/raw && {dvc} push && git add --all"
    assert machine.run(prepare, first).returncode == 0
    git("commit", "--quiet", "--message", "Add data", cwd=first)
    git("push", "--quiet", "origin", "HEAD:main", cwd=first)

    second = tmp_path / "git" / "second"
    git("clone", "--quiet", "--branch", "main", str(bare), str(second), cwd=tmp_path)
    _train(machine, second)
    assert machine.called() == ["prepare", "validate", "drift", "train", "evaluate", "register"]
    assert machine.outputs() == {"model_version": "7", "changed": "true"}

    third = tmp_path / "git" / "third"
    git("clone", "--quiet", "--branch", "main", str(bare), str(third), cwd=tmp_path)
    record = step("remote", "train", "record", "Open a pull request")
    result = machine.run(record["run"], third, {"PROJECT": "docstrings", "MODEL_VERSION": "7"})
    assert result.returncode == 0, result.stderr
    branch = "ml-train/docstrings-1-1"
    assert machine.called()[-1].startswith(f"gh pr create --base main --head {branch}")
    changed = set(git("diff", "--name-only", "main", branch, cwd=bare).split())
    assert {"dvc.lock", "reports/registration.json", "models/.gitignore"} <= changed

    git("update-ref", "refs/heads/main", branch, cwd=bare)
    fourth, later = tmp_path / "git" / "fourth", Machine(tmp_path / "later")
    git("clone", "--quiet", "--branch", "main", str(bare), str(fourth), cwd=tmp_path)
    _train(later, fourth)
    assert later.called() == ["drift"]
    assert later.outputs() == {"model_version": "7"}


def _train(machine: Machine, cwd: Path) -> None:
    """Run the steps of the training job that run scripts, in order."""
    for each in specs.all_workflows("remote")["train"]["jobs"]["train"]["steps"]:
        if "run" in each and each["name"] not in ("Make a virtual environment", "Install the requirements"):
            if each.get("if", "").startswith("${{ inputs.force"):
                continue
            result = machine.run(each["run"], cwd, each.get("env"))
            assert result.returncode == 0, (each["name"], result.stdout, result.stderr)


@pytest.mark.parametrize(("name", "folder"), [("smallest", ""), ("subfolder", "services/x/")])
def test_release_files_come_back_as_a_pull_request(name: str, folder: str, tmp_path: Path, machine: Machine) -> None:
    path = f"{folder}deploy/staging/release.yaml"
    bare, clone = origin(tmp_path / "git", {path: "version: 6\n"})
    script = step(name, "release", "record", "Open a pull request")["run"]
    given = {"PROJECT": "docstrings", "MODEL_VERSION": "7", "ENVIRONMENT": "staging"}
    assert machine.run(script, clone / folder, given).returncode == 0
    assert machine.called() == []
    (clone / path).write_text("version: 7\n", encoding="utf-8")
    result = machine.run(script, clone / folder, given)
    assert result.returncode == 0, result.stderr
    assert git("show", f"ml-release/docstrings-1-1:{path}", cwd=bare) == "version: 7\n"
    assert [call.split()[:3] for call in machine.called()] == [["gh", "auth", "setup-git"], ["gh", "pr", "create"]]


def test_only_the_runner_can_read_the_key_to_the_cluster(tmp_path: Path, machine: Machine) -> None:
    script = step("smallest", "release", "deploy-staging", "Open the cluster")["run"]
    assert machine.run(script, tmp_path, {"CONTENT": "a: 1\n"}).returncode == 0
    file = machine.temp / "kubeconfig"
    assert file.read_text(encoding="utf-8") == "a: 1\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_full_runner_is_refused(tmp_path: Path, machine: Machine) -> None:
    script = step("gpu", "train", "train", "Look for room")["run"]
    assert machine.run(script, tmp_path, {"NEEDED": "0"}).returncode == 0
    result = machine.run(script, tmp_path, {"NEEDED": "99999999"})
    assert result.returncode == 1
    assert "::error::This runner is full" in result.stdout


def test_a_tunnel_is_closed_behind_the_smoke_test(tmp_path: Path, machine: Machine) -> None:
    machine.stand_in("kubectl", TUNNEL)
    machine.stand_in("curl", '#!/bin/bash\nuntil [ -s "$RUNNER_TEMP/tunnel" ]; do sleep 0.05; done\n')
    found = step("smallest", "release", "deploy-staging", "Smoke test")
    result = machine.run(found["run"], tmp_path, {**found["env"], "NAMESPACE": "ml", "MODEL_VERSION": "7"})
    assert result.returncode == 0, result.stderr
    suite = model_tests("-m end_to_end", "--endpoint http://127.0.0.1:18000 --model-version 7")
    assert machine.called() == ["smoke --url http://127.0.0.1:18000", suite]
    assert (machine.temp / "tunnel").read_text(encoding="utf-8") == "open\nclosed\n"


@pytest.mark.parametrize("made", [True, False])
def test_a_model_that_is_there_is_tested_before_it_is_registered(machine: Machine, tmp_path: Path, made: bool) -> None:
    steps = specs.all_workflows("full")["train"]["jobs"]["train"]["steps"]
    names = [each.get("name") for each in steps]
    assert names.index("Judge the model") < names.index("Test the model") < names.index("Register the model")
    found = step("full", "train", "train", "Test the model")
    machine.stand_in("dvc", '#!/bin/bash\necho "dvc $*" >> "$CALLS"\n')
    if made:
        (tmp_path / "models" / "model").mkdir(parents=True)
    result = machine.run(found["run"], tmp_path, found["env"])
    assert result.returncode == 0, result.stderr
    assert machine.called() == (["dvc pull --allow-missing prepare", model_tests()] if made else [])
    assert (machine.folder / "github_step_summary").exists() != made


def test_a_version_that_is_missing_stops_the_run(tmp_path: Path, machine: Machine) -> None:
    script = step("smallest", "train", "train", "Read the version")["run"]
    (tmp_path / "registration.json").write_text(json.dumps({"name": "x"}), encoding="utf-8")
    result = machine.run(script, tmp_path, {"REGISTRATION": "registration.json"})
    assert result.returncode == 1
    assert machine.outputs() == {}


@pytest.mark.parametrize(("last", "code"), [("Healthy", 0), ("Degraded", 1)])
def test_a_rollout_of_argo_is_watched_to_its_end(machine: Machine, tmp_path: Path, last: str, code: int) -> None:
    """kubectl stands in: it is progressing twice, paused once, then at its end."""
    phases = machine.folder / "phases"
    phases.write_text(f"Progressing\nProgressing\nPaused\n{last}\n")
    kubectl = f"""#!/bin/bash
echo "kubectl $*" >> "$CALLS"
case "$*" in
*.phase*) head -n 1 {phases}; sed -i 1d {phases} ;;
*.message*) echo "error_rate failed" ;;
esac
"""
    machine.stand_in("kubectl", kubectl)
    machine.stand_in("sleep", '#!/bin/bash\necho "sleep $*" >> "$CALLS"\n')
    watch = step("argo", "release", "deploy-production", "Watch the canary")
    done = machine.run(watch["run"], tmp_path, {**watch["env"], "NAMESPACE": "ml"})
    assert done.returncode == code
    assert machine.called().count("sleep 15") == 3
    assert "rollouts.argoproj.io/docstrings --namespace ml" in machine.called()[0]
    assert ("error_rate failed" in done.stderr) == (last == "Degraded")
