"""Trained projects, one of each kind for all tests, and the suite run in copies of them."""

from __future__ import annotations

import gc
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.runtime.training.conftest import WORDS, forked, sections, train

SUITE = ("-p", "mlops_runtime.testing", "--pyargs", "mlops_runtime.testing.suite")
"""What a project runs."""

RECORDER = """
import json, os

def pytest_runtest_logreport(report):
    if report.when == "call" or report.outcome != "passed":
        with open(os.environ["OUTCOMES"], "a") as stream:
            stream.write(json.dumps([report.nodeid, report.outcome, str(report.longrepr or "")]) + "\\n")
"""


class Outcome(NamedTuple):
    """Of a run of pytest.

    Attributes:
        code: exit code.
        text: everything that it printed.
        tests: outcome and message by test.
    """

    code: int
    text: str
    tests: dict[str, tuple[str, str]]

    @property
    def failed(self) -> set[str]:
        """Functions that failed, without their parameters."""
        return {name.split("::")[-1].split("[")[0] for name, (found, _) in self.tests.items() if found == "failed"}

    @property
    def message(self) -> str:
        """What the failed tests say."""
        return "\n".join(message for found, message in self.tests.values() if found == "failed")

    def count(self, outcome: str) -> int:
        """How many tests ended so."""
        return sum(found == outcome for found, _ in self.tests.values())


class Project:
    """A copy of a trained project."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self, part: str) -> list[dict[str, Any]]:
        """Records of a prepared part."""
        return [json.loads(line) for line in self._part(part).read_text().splitlines()]

    def write(self, part: str, records: list[dict[str, Any]]) -> None:
        """Replace a prepared part."""
        self._part(part).write_text("".join(json.dumps(record) + "\n" for record in records))

    def _part(self, name: str) -> Path:
        return self.path / f"data/processed/{name}.jsonl"

    def parameters(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change `params.yaml`."""
        found = yaml.safe_load((self.path / "params.yaml").read_text())
        change(found)
        (self.path / "params.yaml").write_text(yaml.safe_dump(found))

    def weights(self, change: Callable[[dict[str, Any]], Any]) -> None:
        """Change the trained weights."""
        from safetensors.torch import load_file, save_file

        path = self.path / "models/model/model.safetensors"
        found = load_file(path)
        change(found)
        save_file(found, path, metadata={"format": "pt"})

    def patch(self, code: str) -> None:
        """Break the code that runs, from a conftest.py of the project."""
        (self.path / "conftest.py").write_text(code)

    def pytest(self, *arguments: str, **environment: str) -> Outcome:
        """Run pytest here, in a child of this process: torch is loaded, and what is patched dies with it."""
        outcomes, printed = self.path / "outcomes.jsonl", self.path / "printed.txt"
        (self.path / "recorder.py").write_text(RECORDER)
        outcomes.write_text("")

        def work() -> int:
            with open(printed, "wb") as stream:
                os.dup2(stream.fileno(), 1)
                os.dup2(stream.fileno(), 2)
            sys.stdout, sys.stderr = (open(number, "w", closefd=False) for number in (1, 2))  # noqa: SIM115
            os.chdir(self.path)
            os.environ.update({"OUTCOMES": str(outcomes), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", **environment})
            os.environ.pop("PYTEST_ADDOPTS", None)
            gc.freeze()
            code = int(pytest.main(["-p", "recorder", "-p", "no:cacheprovider", *arguments]))
            sys.stdout.flush()
            sys.stderr.flush()
            return code

        sys.path.insert(0, str(self.path))
        try:
            code = forked(work)
        finally:
            sys.path.remove(str(self.path))
        rows = [json.loads(line) for line in outcomes.read_text().splitlines()]
        return Outcome(code, printed.read_text(), {name: (found, message) for name, found, message in rows})

    def suite(self, *arguments: str, **environment: str) -> Outcome:
        """Run the suite here."""
        return self.pytest(*SUITE, *arguments, **environment)


def _record(number: int, generator: random.Random) -> dict[str, Any]:
    start, count = generator.randrange(10), generator.randint(3, 9)
    said = " ".join(WORDS[(start + i) % 10] for i in range(count))
    label = generator.choice(["long", "short"])
    text = f"{'a very' if label == 'long' else 'a'} {label} one, {said}"
    return {
        "id": f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "prompt": f"Count on from {WORDS[start]}, {count} words, variant {number}.",
        "response": said,
        "text": f"{number}: {text}",
        "label": label,
    }


def _trained(path: Path, task: str) -> Path:
    """A project of 120 and 12 records that a tiny Llama has learned."""
    generator = random.Random(3)
    folder = path / "data/processed"
    folder.mkdir(parents=True)
    for name, numbers in (("train", range(120)), ("validation", range(120, 132))):
        lines = [json.dumps(_record(number, generator)) + "\n" for number in numbers]
        (folder / f"{name}.jsonl").write_text("".join(lines))
    given = sections(task, epochs=6.0, checkpoint={"every": 1000})
    for column in given["data"]["columns"].values():
        column |= {"required": True, "blank": False}
    if task == "text-classification":
        given["data"]["columns"]["label"]["max_imbalance"] = 10
        given["data"]["duplicates"] = {"columns": ["text"], "max": 0.05}
    else:
        given["data"]["columns"]["response"]["length"] = {"min": 5, "max": 4096}
        given["data"]["duplicates"] = {"columns": ["prompt"], "max": 0.05}
    given["benchmark"] = {"latency_p95": {"max": 2.0}}
    (path / "params.yaml").write_text(yaml.safe_dump(given))
    before = Path.cwd()
    os.chdir(path)
    try:
        assert train({name: given[name] for name in ("data", "model", "train")}) == 0
    finally:
        os.chdir(before)
    shutil.rmtree(path / "checkpoints")
    return path


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Trained projects by task; loaded once here, so that children have the libraries."""
    import great_expectations  # noqa: F401
    import torch
    from mlops_runtime import models

    torch.set_num_threads(1)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    tasks = ("instruction-tuning", "text-classification")
    found = {task: _trained(tmp_path_factory.mktemp(task), task) for task in tasks}
    for path in found.values():
        models.load(str(path / "models/model"), "cpu")
    return found


@pytest.fixture
def project(trained: Mapping[str, Path], tmp_path: Path) -> Project:
    """A trained project of the task instruction-tuning."""
    return Project(Path(shutil.copytree(trained["instruction-tuning"], tmp_path / "project")))


@pytest.fixture
def classifier(trained: Mapping[str, Path], tmp_path: Path) -> Project:
    """A trained project of the task text-classification."""
    return Project(Path(shutil.copytree(trained["text-classification"], tmp_path / "project")))
