"""What the last training on this machine left behind."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from mlopsgen.cli.workspace import Workspace


def last_run(workspace: Workspace) -> Mapping[str, Any] | None:
    """What the last training run reported, where it left something on this machine."""
    from mlopsgen.contract.files import TRAINING

    try:
        with open(os.path.join(workspace.folder, *TRAINING.split("/")), "rb") as stream:
            found = json.loads(stream.read(1024 * 1024))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
