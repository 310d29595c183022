"""The image builds: judged by hadolint, and by what they must and must not hold."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from mlopsgen.contract.commands import COMMANDS
from mlopsgen.contract.environment import QUIET
from mlopsgen.contract.pins import IMAGES, Pin
from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.spec.load import parse
from mlopsgen.targets.docker import files, quoted
from tests.conftest import FULL, tool

SMALLEST = """\
version: 1
project: {name: docstrings}
data: {raw: data/raw}
model: {architecture: {type: llama, hidden_size: 64, layers: 1, heads: 2, vocab_size: 4096}}
"""
SPECS = {
    "smallest": SMALLEST,
    "full": FULL.read_text(encoding="utf-8"),
    "vllm": SMALLEST + "serving: {engine: vllm, port: 9000}\n",
    "custom": SMALLEST + "serving: {engine: custom, address: ENGINE_URL, requirements: serve/requirements.txt}\n",
    "gpu": SMALLEST + "training: {resources: {gpu: 2}, requirements: train.txt, checkpoint: {store: kept}}\n",
    **{f"python-{minor}": SMALLEST + f"ci: {{python: '3.{minor}'}}\n" for minor in range(11, 15)},
}
DIGEST = re.compile(r"[a-z0-9./-]+:[A-Za-z0-9._-]+@sha256:[0-9a-f]{64}")


def project(name: str, pins: dict[str, Pin] | None = None) -> Project:
    """The resolved project of a spec."""
    tree = parse(SPECS.get(name, name), "mlops.yaml")
    return resolve(tree, pins=pins).project if pins is not None else resolve(tree).project


def outputs(found: Project) -> dict[str, str]:
    """Files of a project: path and text."""
    return {file.path: render(file).content.decode() for file in files(found)}


def dockerfiles(name: str) -> dict[str, str]:
    """The two image builds of a spec."""
    return {path: text for path, text in outputs(project(name)).items() if path.endswith("Dockerfile")}


def instructions(text: str) -> list[list[str]]:
    """Instructions of a Dockerfile, lines joined and comments left out, split at the first space."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [line.split(" ", 1) for line in joined.splitlines() if line]


def hadolint(text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run hadolint with nothing ignored."""
    file = folder / "Dockerfile"
    file.write_text(text, encoding="utf-8")
    arguments = [tool("hadolint"), "--failure-threshold", "style", "--disable-ignore-pragma", str(file)]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", SPECS)
def test_hadolint_finds_nothing(name: str, tmp_path: Path) -> None:
    for path, text in dockerfiles(name).items():
        result = hadolint(text, tmp_path)
        assert (result.returncode, result.stdout) == (0, ""), path


def test_hadolint_finds_a_planted_fault(tmp_path: Path) -> None:
    text = dockerfiles("smallest")["docker/serve.Dockerfile"]
    result = hadolint(text.replace("USER 10001:10001", "RUN apt-get install curl"), tmp_path)
    assert result.returncode == 1
    assert "DL3008" in result.stdout


@pytest.mark.parametrize("name", SPECS)
def test_images_are_pinned_built_in_stages_and_run_by_a_number(name: str) -> None:
    for text in dockerfiles(name).values():
        found = instructions(text)
        bases = [rest.split(" AS ")[0] for key, rest in found if key == "FROM"]
        assert len(bases) == 2
        assert all(DIGEST.fullmatch(base) for base in bases)
        users = [rest for key, rest in found if key == "USER"]
        assert users == ["10001:10001"]
        keys = [key for key, _ in found]
        assert keys.index("USER") > max(i for i, key in enumerate(keys) if key in ("COPY", "RUN", "WORKDIR"))


@pytest.mark.parametrize("name", SPECS)
def test_images_start_a_command_of_the_contract(name: str) -> None:
    found = dockerfiles(name)
    train, serve = instructions(found["docker/train.Dockerfile"]), instructions(found["docker/serve.Dockerfile"])
    assert ["ENTRYPOINT", '["mlops-runtime"]'] in train
    assert ["CMD", '["train"]'] in train
    assert serve[-1] == ["ENTRYPOINT", '["mlops-runtime", "serve"]']
    assert {"train", "serve"} <= COMMANDS.keys()


@pytest.mark.parametrize("name", SPECS)
def test_images_call_nobody_and_write_only_below_tmp(name: str) -> None:
    for text in dockerfiles(name).values():
        env = " ".join(rest for key, rest in instructions(text) if key == "ENV")
        assert all(f"{variable}={value}" in env for variable, value in QUIET.items())
        assert "HOME=/tmp" in env
        assert "HF_HOME=/tmp/huggingface" in env


@pytest.mark.parametrize("name", SPECS)
def test_secrets_are_mounted_and_never_written(name: str) -> None:
    for text in dockerfiles(name).values():
        installs = [rest for key, rest in instructions(text) if key == "RUN" and " install " in rest]
        assert len(installs) == 1
        assert installs[0].startswith("--mount=type=secret,id=PIP_INDEX_URL,env=")
        assert not re.search(r"^(ARG|ENV) .*(TOKEN|SECRET|PASSWORD|INDEX_URL)", text, re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "base", "requirements", "port"),
    [
        ("smallest", "python:3.11-slim-bookworm", "requirements.txt", "8000"),
        ("vllm", "vllm/vllm-openai:v0.31.0", "requirements-serve.txt", "9000"),
        ("custom", "python:3.11-slim-bookworm", "serve/requirements.txt", "8000"),
        ("python-13", "python:3.13-slim-bookworm", "requirements.txt", "8000"),
    ],
)
def test_the_engine_chooses_the_base(name: str, base: str, requirements: str, port: str) -> None:
    found = instructions(dockerfiles(name)["docker/serve.Dockerfile"])
    assert found[0] == ["FROM", f"{base}@{IMAGES[base].digest} AS builder"]
    assert ["COPY", f"{requirements} /tmp/requirements.txt"] in found
    assert ["EXPOSE", port] in found


def test_training_takes_the_slim_image_with_and_without_a_gpu() -> None:
    found = instructions(dockerfiles("gpu")["docker/train.Dockerfile"])
    assert found[0][1].startswith("python:3.11-slim-bookworm@")
    assert ["COPY", "train.txt /tmp/requirements.txt"] in found


def test_labels_say_what_the_image_is() -> None:
    text = dockerfiles("full")["docker/serve.Dockerfile"]
    assert 'LABEL org.opencontainers.image.title="support-assistant-serve"' in text
    assert 'LABEL org.opencontainers.image.source="https://github.com/acme/support-assistant"' in text
    assert 'LABEL org.opencontainers.image.description="Answers first-line support questions."' in text


@pytest.mark.parametrize(
    ("text", "written"),
    [("plain", '"plain"'), ('a "b"', '"a \\"b\\""'), ("$HOME", '"\\$HOME"'), ("a\\b", '"a\\\\b"')],
)
def test_labels_are_read_back_as_they_are(text: str, written: str) -> None:
    assert quoted(text) == written


def test_contexts_hold_no_secrets_and_no_data() -> None:
    ignored = outputs(project("gpu"))[".dockerignore"].splitlines()
    assert {"**/.env*", "**/*.pem", "**/gha-creds-*.json", ".git", ".dvc/config.local"} <= set(ignored)
    assert {"data/raw", "data/processed", "models", "reports", "mlflow.db", ".dvc/store", "kept"} <= set(ignored)


def test_pins_come_from_the_project() -> None:
    digest = "sha256:" + "0" * 64
    pins = {"python:3.11-slim-bookworm": Pin("3.11-slim-bookworm", digest), "vllm/vllm-openai:v9": Pin("v9", digest)}
    found = outputs(project("vllm", pins))
    assert f"FROM python:3.11-slim-bookworm@{digest}" in found["docker/train.Dockerfile"]
    assert f"FROM vllm/vllm-openai:v9@{digest}" in found["docker/serve.Dockerfile"]


def test_a_python_that_no_pin_knows_keeps_its_tag() -> None:
    text = outputs(project("smallest", {}))["docker/train.Dockerfile"]
    assert "FROM python:3.11-slim-bookworm AS builder" in text


def test_the_same_project_gives_the_same_files() -> None:
    assert list(files(project("full"))) == list(files(project("full")))


def test_values_remember_where_they_came_from() -> None:
    found = next(file for file in files(project("full")) if file.path == "docker/serve.Dockerfile")
    paths = {path for origin in render(found).origins for path in origin.paths}
    assert {"project.description", "project.repository", "serving.port"} <= paths
