"""The command as a whole: help, version, completion, exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlopsgen.cli import main
from mlopsgen.cli.main import COMMANDS
from mlopsgen.version import VERSION
from tests.conftest import ROOT, Run, tool


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example(name: str, mlopsgen: Run) -> None:
    done = mlopsgen(name, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert f"mlopsgen {name}" in done.stdout


def test_the_version(mlopsgen: Run) -> None:
    assert mlopsgen("--version").stdout == f"mlopsgen {VERSION}\n"
    assert mlopsgen("--debug", "--version").stdout == f"mlopsgen {VERSION}\n"


def test_an_unknown_command(mlopsgen: Run) -> None:
    done = mlopsgen("biuld")
    assert done.returncode == 2
    assert "Did you mean `build`?" in done.stderr


def test_a_fault_of_ours_is_no_traceback(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise RuntimeError("impossible")

    monkeypatch.setattr("mlopsgen.spec.schema.text", broken)
    assert main.run(["schema"]) == 3
    told = capsys.readouterr().err
    assert "mlopsgen has a fault: RuntimeError: impossible" in told
    assert "Traceback" not in told
    assert VERSION in told
    with pytest.raises(RuntimeError):
        main.run(["--debug", "schema"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, mlopsgen: Run) -> None:
    done = mlopsgen("completion", shell)
    assert done.returncode == 0
    assert "_MLOPSGEN_COMPLETE" in done.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)


@pytest.mark.parametrize(
    ("words", "expected"),
    [("mlopsgen bui", ["build"]), ("mlopsgen explain training.learning", ["training.learning_rate"]), ("mlopsgen explain W22", ["W221", "W222", "W224"])],
)  # fmt: skip
def test_completion_completes(words: str, expected: list[str]) -> None:
    environment = {"_MLOPSGEN_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    command = [tool("mlopsgen")]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert [line.partition(",")[2] for line in done.stdout.splitlines()] == expected


def test_it_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "mlopsgen", "--version"], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0


def test_output_that_nobody_reads(tmp_path: Path) -> None:
    command = f"{sys.executable} -m mlopsgen schema | head -c 10"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert len(done.stdout) == 10
