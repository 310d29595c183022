"""Files larger than memory: what a command holds does not grow with them."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.runtime.data.conftest import Folder

LIMIT_MIB = 700
"""Great Expectations and pandas alone take some 250 MiB."""

MEASURED = """
import runpy, sys
sys.argv = ["mlops-runtime", "validate"]
try:
    runpy.run_module("mlops_runtime", run_name="__main__")
finally:
    from mlops_runtime.machine import peak_memory
    print("peak", peak_memory() >> 20, file=sys.stderr)
"""


def write_large(path: Path, mebibytes: int) -> int:
    """Records of 4 KiB until the file is as large as asked; how many."""
    path.parent.mkdir(parents=True)
    generator = random.Random(0)
    letters = "".join(generator.choices("abcdefghijklmnopqrstuvwxyz     ", k=1 << 20))
    count, size = 0, 0
    with path.open("w", encoding="utf-8") as stream:
        while size < mebibytes << 20:
            start = generator.randrange((1 << 20) - 3500)
            prompt, response = letters[start : start + 400], letters[start + 400 : start + 3500]
            size += stream.write(f'{{"prompt": "{count} {prompt}", "response": "{response}{"x" * 540}"}}\n')
            count += 1
    return count


def peak(folder: Folder, mebibytes: int) -> int:
    """Peak memory in MiB of validating a file of this size."""
    count = write_large(folder.path / "data/raw/records.jsonl", mebibytes)
    folder.parameters(duplicates={"columns": ["prompt"], "max": 0.05})
    paths = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED],
        cwd=folder.path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert folder.report("validation")["rows"] == count
    found = int(done.stderr.rpartition("peak")[2])
    print(f"validating {mebibytes} MiB, {count} records: peak {found} MiB")
    return found


@pytest.mark.slow
def test_200_mib_in_bounded_memory(folder: Folder) -> None:
    assert peak(folder, 200) < LIMIT_MIB


@pytest.mark.slow
@pytest.mark.skipif(
    "MLOPS_TEST_LARGE" not in os.environ, reason="set MLOPS_TEST_LARGE=1: takes minutes and 2 GiB of disk"
)
def test_2_gib_in_bounded_memory(folder: Folder) -> None:
    assert peak(folder, 2048) < LIMIT_MIB
