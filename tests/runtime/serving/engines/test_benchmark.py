"""The benchmark of the engine runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[4] / "benchmarks" / "engine.py"


def test_the_benchmark_prints_a_row_for_everyone() -> None:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    found = subprocess.run(
        [sys.executable, SCRIPT, "--quick"], capture_output=True, text=True, env=environment, timeout=200, check=False
    )
    assert found.returncode == 0, found.stderr
    rows = [line.split("  ")[0] for line in found.stdout.splitlines()[2:]]
    assert {row: rows.count(row) for row in rows} == {
        "ours": 2,
        "transformers, continuous": 2,
        "generate, static batches": 2,
        "generate, one by one": 2,
    }
