"""Light mode, in which the command runs, says the same as the models do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from tests.conftest import ROOT


def ask(which: str) -> dict[str, Any]:
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")}
    made = subprocess.run(
        [sys.executable, "-m", "tests.project.modes", which],
        cwd=ROOT,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    answer: dict[str, Any] = json.loads(made.stdout)
    return answer


@pytest.mark.slow
def test_light_mode_says_the_same_as_the_models() -> None:
    full, light = ask("full"), ask("light")
    assert light["light"]
    assert not full["light"]
    assert full["told"].keys() == light["told"].keys()
    differ = [name for name, told in full["told"].items() if light["told"][name] != told]
    assert not differ
    assert len(full["told"]) > 400
