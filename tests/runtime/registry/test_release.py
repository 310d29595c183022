"""`mlops-runtime release`."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from mlops_runtime.__main__ import cli
from mlops_runtime.errors import Mistaken
from mlops_runtime.registry.release import release
from mlops_runtime.tracking import server

FILE = """\
# Which image and which model version run here. A release writes this file; `mlopsgen build` leaves it alone.
# Kustomize copies the values into the manifests; the ConfigMap itself never reaches a cluster.
apiVersion: v1
kind: ConfigMap
metadata:
  name: release
  annotations:
    config.kubernetes.io/local-config: "true"
data:
  champion-image: ghcr.io/acme/tiny:not-released-yet
  champion-model-version: "0"
  canary-image: ghcr.io/acme/tiny:not-released-yet  # a note of ours
  canary-model-version: "0"
  canary-replicas: "0"
"""

TRAINING = FILE.split("\ndata:", maxsplit=1)[0] + "\ndata:\n  training-image: ghcr.io/acme/tiny:not-released-yet\n"

IMAGE = "ghcr.io/acme/tiny@sha256:" + "a" * 64
OTHER = "localhost:5000/tiny:1.0@sha256:" + "b" * 64


@pytest.fixture
def released(project: Path) -> Path:
    """The release file of `production`, in a registry with versions 1 to 3; training's lies in `training/`."""
    folder = project / "deploy" / "production"
    (folder / "training").mkdir(parents=True)
    (project / "deploy" / "staging").mkdir()
    (folder / "release.yaml").write_text(FILE)
    (folder / "training" / "release.yaml").write_text(TRAINING)
    client = server.client()
    client.create_registered_model("tiny")
    for _ in range(3):
        client.create_model_version("tiny", "somewhere")
    return folder / "release.yaml"


def test_a_canary_and_then_the_champion(released: Path) -> None:
    arguments = ["release", "--environment", "production", "--image", IMAGE, "--model-version", "3", "--variant"]
    result = CliRunner().invoke(cli, [*arguments, "canary"], catch_exceptions=False)
    assert result.stdout == "deploy/production/release.yaml\n"
    canary = FILE.replace(
        'canary-image: ghcr.io/acme/tiny:not-released-yet  # a note of ours\n  canary-model-version: "0"',
        f'canary-image: {IMAGE} # a note of ours\n  canary-model-version: "3"',
    ).replace('canary-replicas: "0"', 'canary-replicas: "1"')
    assert released.read_text().replace("  # a note", " # a note") == canary
    release("production", "champion", OTHER, "3")
    data = yaml.safe_load(released.read_text())["data"]
    assert data == {
        "champion-image": OTHER,
        "champion-model-version": "3",
        "canary-image": IMAGE,
        "canary-model-version": "3",
        "canary-replicas": "0",
    }
    assert released.read_text().splitlines()[:2] == FILE.splitlines()[:2]
    again = released.read_bytes()
    release("production", "champion", OTHER, "3")
    assert released.read_bytes() == again


def test_training_has_an_image_of_its_own(released: Path) -> None:
    path = Path(release("production", "training", IMAGE, None))
    assert path == Path("deploy/production/training/release.yaml")
    assert path.read_text() == TRAINING.replace("ghcr.io/acme/tiny:not-released-yet", IMAGE)
    assert released.read_text() == FILE


@pytest.mark.parametrize(
    ("environment", "variant", "image", "version", "message"),
    [
        ("production", "champion", "ghcr.io/acme/tiny:1.0", "1", "names no digest"),
        ("production", "champion", "ghcr.io/acme/tiny@sha256:abc", "1", "names no digest"),
        ("production", "champion", f"{IMAGE}\nx: y", "1", "names no digest"),
        ("production", "champion", f"{IMAGE}\n", "1", "names no digest"),
        ("production", "champion", IMAGE, "champion", "no version of the registry"),
        ("production", "champion", IMAGE, "1.0.0", "no version of the registry"),
        ("production", "champion", IMAGE, "0", "no version of the registry"),
        ("production", "champion", IMAGE, "-1", "no version of the registry"),
        ("production", "champion", IMAGE, "٣", "no version of the registry"),
        ("production", "canary", IMAGE, None, "needs `--model-version NUMBER`"),
        ("production", "training", IMAGE, "1", "does not go with"),
        ("production", "champion", IMAGE, "4", "has no version 4 of tiny"),
        ("moon", "champion", IMAGE, "1", "no environment moon: deploy/ has production, staging"),
        ("../deploy/production", "champion", IMAGE, "1", "no environment ../deploy/production"),
        ("staging", "champion", IMAGE, "1", "no deploy/staging/release.yaml: run `mlopsgen build`"),
    ],
)
def test_what_is_refused_changes_nothing(
    environment: str, variant: str, image: str, version: str | None, message: str, released: Path
) -> None:
    with pytest.raises(Mistaken, match=message.replace("(", r"\(")):
        release(environment, variant, image, version)
    assert released.read_text() == FILE


@pytest.mark.parametrize("text", ["", "data: [", "- a\n", "data:\n  champion-image: x\n"])
def test_a_file_that_is_none(text: str, released: Path) -> None:
    released.write_text(text)
    with pytest.raises(Mistaken, match=r"release\.yaml (is no release file|has no)"):
        release("production", "champion", IMAGE, "1")
    assert released.read_text() == text


def test_without_a_registry_to_ask_the_version_is_believed(
    released: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("mlflow.db").unlink()
    release("production", "champion", IMAGE, "77")
    assert "the version is not looked up" in capsys.readouterr().err
    assert not Path("mlflow.db").exists()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hunter2@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    release("production", "champion", IMAGE, "78")
    said = capsys.readouterr().err
    assert "http://127.0.0.1:9 does not answer: the version is not looked up" in said
    assert "hunter2" not in said
    assert yaml.safe_load(released.read_text())["data"]["champion-model-version"] == "78"
