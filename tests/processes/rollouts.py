"""What the rollout's controller writes for the status page."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

STATUS = ".mlops/rollout/status.json"
STEPS = [0.05, 0.1, 0.25, 0.5, 1.0]


class Controller:
    """Writes a rollout as it goes on."""

    def __init__(self, folder: Path, began: float | None = None) -> None:
        self._path, self._now = folder / STATUS, time.time() if began is None else began
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self.content: dict[str, Any] = {
            "id": "r1", "phase": "running", "champion": "3", "canary": "4", "step": 0, "steps": STEPS, "weight": 0.0, "held": 0.0,
            "reason": "", "text": "", "history": [], "decisions": [], "report": "",
        }  # fmt: skip

    def write(self, after: float, outcome: str, text: str, **changes: Any) -> None:
        """Go on after some seconds: a decision, and what it changes."""
        self._now += after
        self.content |= {"text": text, **changes}
        self.content["history"].append({"at": self._now, "weight": self.content["weight"]})
        self.content["decisions"].append({"at": self._now, "outcome": outcome, "text": text})
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(self.content), encoding="utf-8")
        os.replace(temporary, self._path)
