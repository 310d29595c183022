"""Which pins are in force: ours, or newer ones that a bot or a person put into generated files."""

from __future__ import annotations

import os
import re

from mlopsgen.cli.workspace import Workspace
from mlopsgen.contract.pins import DEFAULTS, Pin
from mlopsgen.output.lock import MAX_LOCK, parse
from mlopsgen.output.paths import LOCK

_ACTION = re.compile(
    r"uses: (?P<name>[\w.-]+/[\w.-]+)@(?P<digest>[0-9a-f]{40}) # (?P<version>v[0-9][0-9.]*)\s*$", re.MULTILINE
)
_IMAGE = re.compile(r"^FROM (?P<name>[\w./:-]+)@(?P<digest>sha256:[0-9a-f]{64})\b", re.MULTILINE)
MAX_FILE = 1024 * 1024


def effective(workspace: Workspace) -> tuple[dict[str, Pin], dict[str, tuple[str, str]]]:
    """Pins in force, and those of them that are not ours.

    A pin in the lock, or in a generated workflow or Dockerfile, wins over ours when its version is newer, or the same
    version with another digest for an image, whose tags move.

    Returns:
        All pins by name, and the adopted ones as the lock holds them.
    """
    adopted: dict[str, Pin] = {}
    path = os.path.join(workspace.folder, LOCK)
    lock = parse(_read(path, MAX_LOCK))
    for name, (version, digest) in lock.pins.items():
        _adopt(adopted, name, Pin(version, digest))
    for key in (*lock.files,):
        if key.endswith((".yaml", ".yml", "Dockerfile")):
            root = workspace.repository if key.startswith("//") else workspace.folder
            text = _read(os.path.join(root, *key.lstrip("/").split("/")), MAX_FILE).decode(errors="replace")
            for match in _ACTION.finditer(text):
                _adopt(adopted, match["name"], Pin(match["version"], match["digest"]))
            for match in _IMAGE.finditer(text):
                name = match["name"]
                _adopt(adopted, name, Pin(name.rpartition(":")[2], match["digest"]))
    return {**DEFAULTS, **adopted}, {name: tuple(pin) for name, pin in adopted.items()}  # type: ignore[misc]


def _adopt(adopted: dict[str, Pin], name: str, pin: Pin) -> None:
    ours = DEFAULTS.get(name)
    if ours is None or pin == ours:
        return
    best = adopted.get(name, ours)
    newer = age(pin.version) > age(best.version)
    moved = ":" in name and pin.version == best.version and pin.digest != best.digest
    if newer or moved:
        adopted[name] = pin


def age(version: str) -> tuple[int, ...]:
    """Numbers of a version, for comparison: `v7.0.1` is (7, 0, 1)."""
    return tuple(int(number) for number in re.findall(r"[0-9]+", version))


def _read(path: str, limit: int) -> bytes:
    try:
        if not os.path.isfile(path):
            return b""
        with open(path, "rb") as stream:
            return stream.read(limit)
    except OSError:
        return b""
