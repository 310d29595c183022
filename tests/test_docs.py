"""What is made from the code is fresh."""

from __future__ import annotations

import subprocess
import sys

from tests.conftest import ROOT


def test_nothing_made_from_the_code_is_stale() -> None:
    done = subprocess.run(
        [sys.executable, "docs/build.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"run ./dev docs: {done.stdout}{done.stderr}"
