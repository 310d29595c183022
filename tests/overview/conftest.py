from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlopsgen.cli import sides
from mlopsgen.cli.main import run
from mlopsgen.cli.sides import Side
from mlopsgen.cli.workspace import Workspace
from tests.browser import Tab, chromium
from tests.conftest import FULL, SMALLEST

SCRIPTS = Path(sys.prefix) / "share" / "scripts"


def script(name: str) -> Path:
    """A script of the test environment; a missing one is a failure, not a skip."""
    path = SCRIPTS / name
    assert path.exists(), f"{name} is not installed: python tests/tools/scripts.py"
    return path


@pytest.fixture(scope="session")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A browser."""
    with chromium(tmp_path_factory.mktemp("profile")) as found:
        yield found


Compile = Callable[[str], Side]


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Compiles the text of a spec."""

    def compile_(text: str) -> Side:
        (tmp_path / "mlops.yaml").write_text(text, encoding="utf-8")
        return sides.Compiler()(sides.present(Workspace(str(tmp_path))))

    return compile_


@pytest.fixture(scope="session")
def full() -> Side:
    """The full example."""
    return sides.Compiler()(sides.present(Workspace(str(FULL))))


@pytest.fixture(scope="session")
def smallest() -> Side:
    """The smallest example."""
    return sides.Compiler()(sides.present(Workspace(str(SMALLEST))))


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the real command in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(list(arguments))
        said = capsys.readouterr()
        assert "has a fault" not in said.err, said.err
        return code, said.out, said.err

    return call


def called(tab: Tab, function: str, *arguments: Any) -> Any:
    """What a JavaScript function answers."""
    return tab.value(f"({function})({', '.join(map(json.dumps, arguments))})")
