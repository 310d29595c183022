"""A small project in a folder of its own."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT

Records = Iterable[Mapping[str, Any]]

COLUMNS: dict[str, Any] = {
    "prompt": {"type": "text", "role": "prompt", "required": True, "blank": True},
    "response": {"type": "text", "role": "response", "required": True, "blank": True},
}


class Folder:
    """A project's folder: parameters and raw records are written, commands run there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def parameters(self, steps: tuple[str, ...] = ("strip", "nfc"), drift: Any = None, **data: Any) -> None:
        """Write `params.yaml`; `data` overrides fields of that section."""
        section = {
            "raw": "data/raw",
            "format": "jsonl",
            "columns": COLUMNS,
            "split": {"validation": 0.2, "seed": 42},
        } | data
        plain = {"data": section, "model": {"preprocess": list(steps)}} | ({"drift": drift} if drift else {})
        (self.path / "params.yaml").write_text(yaml.safe_dump(plain, sort_keys=False))

    def raw(self, records: Records | str, name: str = "data/raw/records.jsonl") -> None:
        """Write raw records, or a text as it is."""
        text = records if isinstance(records, str) else "".join(json.dumps(each) + "\n" for each in records)
        self.write(name, text)

    def write(self, name: str, text: str) -> None:
        """Write any file, with the folders it needs."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def part(self, name: str) -> list[dict[str, Any]]:
        """Records of a prepared part."""
        text = (self.path / f"data/processed/{name}.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def report(self, name: str) -> Any:
        """A JSON report of `reports/data`."""
        return json.loads((self.path / f"reports/data/{name}.json").read_text("utf-8"))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """The real command."""
        paths = f"{ROOT}{os.pathsep}{ROOT / 'runtime'}"
        return subprocess.run(
            [sys.executable, "-m", "mlops_runtime", *arguments],
            cwd=self.path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONPATH": paths, **environment},
        )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """An empty project, and the working directory."""
    monkeypatch.chdir(tmp_path)
    return Folder(tmp_path)


@pytest.fixture
def sentences() -> Callable[..., str]:
    """Makes texts of random words, each unlike the others; the same for the same seed."""
    generator = random.Random(7)
    words = ["".join(generator.choices("abcdefghijklmnopqrstuvwxyz", k=generator.randint(2, 9))) for _ in range(5000)]

    def make(count: int = 20, seed: Any = None) -> str:
        chosen = random.Random(seed) if seed is not None else generator
        return " ".join(chosen.choices(words, k=count))

    return make
