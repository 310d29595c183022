"""`mlops-runtime collect`, run as the pipeline runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

GOOD = "def records():\n    yield {'prompt': 'ä', 'response': 'b'}\n    yield {'prompt': 'c', 'response': 'd'}\n"


def collect(
    folder: Path, raw: str = "data/raw", hook: str = "hook:records", code: str = GOOD
) -> subprocess.CompletedProcess[str]:
    (folder / "params.yaml").write_text(f"data:\n  raw: {raw}\n  collect: {hook}\n")
    (folder / "hook.py").write_text(code)
    return run(folder, "collect")


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mlops_runtime", *arguments]
    path = f"{ROOT}:{ROOT / 'runtime'}"
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env={"PYTHONPATH": path, "PATH": ""}
    )


@pytest.mark.parametrize(("raw", "path"), [("data/raw", "data/raw/records.jsonl"), ("raw.jsonl", "raw.jsonl")])
def test_what_the_function_yields_is_written(raw: str, path: str, tmp_path: Path) -> None:
    done = collect(tmp_path, raw)
    assert done.stdout == f"2 records in {path}\n"
    expected = '{"prompt": "ä", "response": "b"}\n{"prompt": "c", "response": "d"}\n'
    assert (tmp_path / path).read_text("utf-8") == expected


@pytest.mark.parametrize(
    ("hook", "code", "message"),
    [
        ("nowhere:records", GOOD, "there is no module nowhere"),
        ("hook:nothing", GOOD, "hook has no function nothing"),
        ("hook:records", "def records():\n    return []\n", "yielded no record"),
        ("hook:records", "def records():\n    yield 'x'\n", "yielded str as record 1"),
        ("hook:records", "def records():\n    yield {'a': {1}}\n", "as record 1 something that JSON does not have"),
        ("hook:records", "def records():\n    yield {'a': float('nan')}\n", "something that JSON does not have"),
        ("hook:records", "def records():\n    yield {'a': '\\ud800'}\n", "something that JSON does not have"),
    ],
)
def test_a_mistake_is_said_and_what_was_there_stays(hook: str, code: str, message: str, tmp_path: Path) -> None:
    assert collect(tmp_path).returncode == 0
    before = (tmp_path / "data/raw/records.jsonl").read_bytes()
    done = collect(tmp_path, hook=hook, code=code)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "data/raw/records.jsonl").read_bytes() == before
    assert [p.name for p in (tmp_path / "data/raw").iterdir()] == ["records.jsonl"]


def test_a_function_that_fails_half_way_leaves_nothing_half_written(tmp_path: Path) -> None:
    done = collect(tmp_path, code="def records():\n    yield {'a': 1}\n    raise OSError('gone')\n")
    assert done.returncode == 3
    assert list((tmp_path / "data/raw").iterdir()) == []


def test_without_parameters(tmp_path: Path) -> None:
    assert "run `mlopsgen build`" in run(tmp_path, "collect").stderr
    (tmp_path / "params.yaml").write_text("data: {raw: x}\n")
    assert "names no `data.collect`" in run(tmp_path, "collect").stderr
    assert run(tmp_path, "collect").returncode == 2


def test_a_format_that_it_does_not_write_is_refused_before_anything_is_fetched(tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text("data: {raw: data/raw, collect: 'hook:records', format: csv}\n")
    done = run(tmp_path, "collect")
    assert (done.returncode, done.stdout) == (2, "")
    assert "`data.collect` writes JSON lines, and `data.format` is csv" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_program_names_itself(tmp_path: Path) -> None:
    assert run(tmp_path, "--version").stdout.startswith("mlops-runtime 0.")
