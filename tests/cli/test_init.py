"""`mlopsgen init`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import Run


@pytest.mark.parametrize("base", ["scratch", "meta-llama/Llama-2-7b-hf"])
def test_what_it_writes_builds(base: str, tmp_path: Path, mlopsgen: Run) -> None:
    (tmp_path / ".git").mkdir()
    flags = ("--name", "answers", "--base", base, "--owner", "nlp", "--repository", "acme/answers", "--yes")
    assert mlopsgen("init", *flags).returncode == 0
    text = (tmp_path / "mlops.yaml").read_text()
    assert "#" in text
    assert "owner: nlp" in text
    assert mlopsgen("validate").stdout == "mlops.yaml: valid\n"
    assert mlopsgen("build").returncode == 0
    assert (tmp_path / "requirements.txt").read_text().startswith("mlopsgen[runtime]==")
    schema = text.splitlines()[0].partition("$schema=")[2]
    assert (tmp_path / schema).read_text("utf-8") == mlopsgen("schema").stdout


def test_the_commented_lines_are_valid_too(tmp_path: Path, mlopsgen: Run) -> None:
    assert mlopsgen("init", "--name", "answers", "--yes").returncode == 0
    spec = tmp_path / "mlops.yaml"
    lines = spec.read_text().splitlines()
    lines[3:] = [line.replace("# ", "", 1) if line.lstrip().startswith("#") else line for line in lines[3:]]
    spec.write_text("\n".join(lines) + "\n")
    done = mlopsgen("validate")
    assert done.returncode == 0, done.stderr


def test_it_overwrites_nothing(tmp_path: Path, mlopsgen: Run) -> None:
    for name in ("mlops.yaml", "requirements.txt"):
        (tmp_path / name).write_text("mine\n")
    done = mlopsgen("init", "--yes")
    assert done.returncode == 2
    assert "is there already" in done.stderr
    (tmp_path / "mlops.yaml").unlink()
    assert mlopsgen("init", "--yes").returncode == 0
    assert (tmp_path / "requirements.txt").read_text() == "mine\n"


def test_answers_that_make_no_valid_spec_write_nothing(tmp_path: Path, mlopsgen: Run) -> None:
    done = mlopsgen("init", "sub", "--name", "Not A Name", "--raw", "../raw", "--yes")
    assert done.returncode == 2
    assert "project.name" in done.stderr
    assert "data.raw" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_odd_folder_name_becomes_a_name(tmp_path: Path, mlopsgen: Run) -> None:
    folder = tmp_path / "2nd Try_of (Things)"
    folder.mkdir()
    assert mlopsgen("init", "--yes", cwd=folder).returncode == 0
    assert "name: p-2nd-try-of-things" in (folder / "mlops.yaml").read_text()


def test_it_asks_on_a_terminal(tmp_path: Path) -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "mlopsgen", "init"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave)
    os.close(slave)
    answers = {b"Name of the project": b"answers\n", b"Raw data": b"data/in\n", b"Pre-trained model": b"\n"}
    seen, deadline = b"", time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            seen += os.read(master, 4096)
        except OSError:
            break
        for question in [q for q in answers if q in seen and seen.rstrip().endswith(b":")]:
            os.write(master, answers.pop(question))
            break
    assert process.wait(timeout=30) == 0, seen
    text = (tmp_path / "mlops.yaml").read_text()
    assert "name: answers" in text
    assert "raw: data/in" in text
    assert "architecture:" in text
