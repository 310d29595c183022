"""Projects whose model the runtime has trained, and an engine that says what a test wants."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from mlops_runtime import tracking
from mlops_runtime.__main__ import cli
from mlops_runtime.serving.engines.base import Broken, Piece, Refused, Sampling, Scored
from mlops_runtime.tracking import server

from tests.runtime.tracking.store import SPEC, shared
from tests.runtime.training.conftest import record, sections, train

TASKS = ("instruction-tuning", "causal-lm", "text-classification")


def processed(folder: Path, training: Sequence[dict[str, Any]], validation: Sequence[dict[str, Any]]) -> None:
    """Write the two parts."""
    (folder / "data/processed").mkdir(parents=True, exist_ok=True)
    for name, records in (("train", training), ("validation", validation)):
        text = "".join(json.dumps(one) + "\n" for one in records)
        (folder / f"data/processed/{name}.jsonl").write_text(text)


def learned(given: dict[str, Any]) -> None:
    """Train in the working directory, on one thread, and keep the parameters."""
    import torch

    torch.set_num_threads(1)
    Path("params.yaml").write_text(json.dumps(given))
    assert train(given) == 0


@pytest.fixture(scope="session")
def trained_projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one project by task: `params.yaml`, `mlops.yaml`, processed parts, model, reports of training."""

    def make(folder: Path) -> None:
        before = os.getcwd()
        for task in TASKS:
            place = folder / task
            processed(place, [record(number) for number in range(60)], [record(number) for number in range(60, 90)])
            (place / "mlops.yaml").write_text(SPEC)
            os.chdir(place)
            learned(sections(task, epochs=4.0 if task == "instruction-tuning" else 1.0, max_length=128))
            shutil.rmtree("checkpoints")
        os.chdir(before)

    return shared(tmp_path_factory, "trained", make)


@pytest.fixture
def trained(project: Path, trained_projects: Path) -> Callable[[str], Path]:
    """Makes the working directory a project with a trained model of a task."""

    def of(task: str) -> Path:
        shutil.copytree(trained_projects / task, project, dirs_exist_ok=True)
        return project

    return of


def tracked() -> str:
    """Make a run that trained the model; its id."""
    sections = {"model": {"name": "tiny"}}
    with tracking.start("train", sections, notes="Third try.") as tracker:
        tracker.log_metrics({"steps": 30.0, "tokens_per_second": 7.0}, 30)
        tracker.log_model("models/model")
    assert tracker.run_id is not None
    return tracker.run_id


def kept(run_id: str) -> tuple[dict[str, float], set[str]]:
    """Metrics and artifacts of a run."""
    client = server.client()
    return client.get_run(run_id).data.metrics, {found.path for found in client.list_artifacts(run_id)}


def params(**changed: Any) -> None:
    """Change sections of `params.yaml`."""
    path = Path("params.yaml")
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def ran(*arguments: str) -> tuple[dict[str, Any], str]:
    """Run a command that succeeds; its report and what it prints."""
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    name = "evaluation" if arguments[0] == "evaluate" else arguments[0]
    return report(name), result.stdout


def report(name: str) -> dict[str, Any]:
    """A report; `NaN` and the like are no JSON."""
    found: dict[str, Any] = json.loads(Path(f"reports/{name}.json").read_text(), parse_constant=pytest.fail)
    return found


def gated() -> tuple[int, dict[str, Any]]:
    """Exit code of `gate`, and the gates."""
    code = CliRunner().invoke(cli, ["gate"], catch_exceptions=False).exit_code
    return code, report("gates")["gates"]


class Scripted:
    """An engine without a model.

    Tokens are the characters of a text.

    Args:
        say: answer to a prompt; may raise.
        likelihood: log-probability of each character of a text.
        label: probability of the label `yes` of a text.
    """

    healthy, slots = True, 4

    def __init__(
        self,
        say: Callable[[str], str] = lambda _: "Gladly.",
        likelihood: Callable[[str], float] = lambda _: -1.0,
        label: Callable[[str], float] = lambda _: 0.5,
        longest: int = 1000,
    ) -> None:
        self.say, self.likelihood, self.label, self.longest = say, likelihood, label, longest
        self.asked: list[str] = []
        self.closed = False

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        self.closed = True

    async def encode(self, prompt: str | Sequence[Mapping[str, str]]) -> list[int]:
        text = prompt if isinstance(prompt, str) else "\n".join(message["content"] for message in prompt)
        if "unspeakable" in text:
            raise Refused("no tokens for this")
        return [ord(character) for character in text]

    async def stream(self, tokens: Sequence[int], sampling: Sampling) -> AsyncIterator[Piece]:
        assert sampling.temperature == 0
        assert len(tokens) + sampling.max_tokens <= self.longest
        prompt = "".join(map(chr, tokens))
        self.asked.append(prompt)
        answer = self.say(prompt)
        for character in answer:
            yield Piece(character, (ord(character),))
        yield Piece("", (0,), finish="stop")

    async def score(self, tokens: Sequence[int]) -> Scored:
        value = self.likelihood("".join(map(chr, tokens)))
        count = len(tokens) - 1
        return Scored((value,) * count, (0,) * count, (value,) * count)

    async def classify(self, texts: Sequence[str]) -> list[dict[str, float]]:
        if any("unspeakable" in text for text in texts):
            raise Refused("too long")
        self.asked += texts
        return [{"yes": self.label(text), "no": 1 - self.label(text)} for text in texts]


def scripted(monkeypatch: pytest.MonkeyPatch, engine: Any) -> Any:
    """Put an engine in the place of the one that serves."""
    monkeypatch.setattr("mlops_runtime.evaluation.answering.local", lambda slots, longest: engine)
    return engine


def broken(_: str) -> str:
    """An answer that does not come."""
    raise Broken("out of memory")
