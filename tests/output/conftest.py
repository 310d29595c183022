from __future__ import annotations

import os
from pathlib import Path

import pytest

from .helpers import Project


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a killed process has written stays without it; only a power cut needs the sync."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    box = tmp_path / "box"
    box.mkdir()
    return Project(box)
