"""The benchmark of the engine runs."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[4] / "benchmarks" / "engine.py"


@pytest.mark.slow
def test_the_benchmark_prints_a_row_for_everyone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), "--quick"])
    monkeypatch.setattr(sys, "path", list(sys.path))
    runpy.run_path(str(SCRIPT), run_name="__main__")
    rows = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()[2:]]
    assert {row: rows.count(row) for row in rows} == {
        "ours": 2,
        "transformers, continuous": 2,
        "generate, static batches": 2,
        "generate, one by one": 2,
    }
