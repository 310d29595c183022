"""Light mode says exactly what the models say."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mlopsgen.diagnostics.catalogue import CODES
from mlopsgen.spec import compiled
from tests.conftest import FULL, SMALLEST

from .corpus import samples

ANSWER = """
import json, sys
from mlopsgen.spec import mode
if sys.argv[1] == "light":
    mode.lighten()
    assert mode.light, "there is no compiled form"
from mlopsgen.diagnostics import Failed
from mlopsgen.diagnostics.report import as_json
from mlopsgen.project.resolve import resolve
from mlopsgen.spec.load import parse
from mlopsgen.targets import built_in
from mlopsgen.render.engine import render
answers = []
for number, text in enumerate(json.load(sys.stdin)):
    try:
        project, warnings = resolve(parse(text, "mlops.yaml"))
        wanted = [f for _, target in built_in(project) for f in target.files(project)] if number % 20 == 0 else []
        answers.append([as_json(warnings), {f.path: render(f).content.decode() for f in wanted}, True])
    except Failed as failure:
        answers.append([as_json(failure.diagnostics), {}, False])
print(json.dumps(answers))
assert ("pydantic" in sys.modules) == (sys.argv[1] == "full")
"""


def specs() -> list[str]:
    """Valid specs, every example of a code, and lines of the full example dropped, doubled and broken."""
    found = [FULL.read_text(), SMALLEST.read_text(), *(code.example for code in CODES.values() if code.example)]
    lines = FULL.read_text().splitlines(keepends=True)
    chance = random.Random(7)
    for _ in range(250):
        mutated = list(lines)
        at = chance.randrange(len(mutated))
        change = chance.choice(("drop", "value", "key", "number"))
        if change == "drop":
            del mutated[at]
        elif change == "value":
            mutated[at] = mutated[at].split(":")[0] + ": nonsense\n"
        elif change == "key":
            mutated[at] = mutated[at].replace("e", "x", 1)
        else:
            mutated[at] = mutated[at].split(":")[0] + f": {chance.choice((0, -1, 5, 0.5, 10**9))}\n"
        found.append("".join(mutated))
    return found + [json.dumps(sample.plain, ensure_ascii=False) for sample in list(samples())[::8]]


def answers(mode: str, texts: list[str]) -> list[object]:
    """What one process says of every spec."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", ANSWER, mode]
    done = subprocess.run(
        command, input=json.dumps(texts), capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found: list[object] = json.loads(done.stdout)
    return found


@pytest.fixture
def remembered() -> None:
    """The compiled form of the sources as they are now."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    code = "from mlopsgen.spec.language import remember; remember()"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)


@pytest.mark.slow
@pytest.mark.usefixtures("remembered")
def test_the_same_findings_and_the_same_files() -> None:
    texts = specs()
    full, light = answers("full", texts), answers("light", texts)
    valid = sum(1 for answer in full if answer[2])  # type: ignore[index]
    assert 10 < valid < len(texts) - 50
    assert sum(1 for answer in full if answer[1]) > 5  # type: ignore[index]
    for text, one, other in zip(texts, full, light, strict=True):
        assert one == other, text


def test_a_compiled_form_of_other_sources_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "language.rules"
    monkeypatch.setattr(compiled, "path", lambda: str(target))
    monkeypatch.setattr(compiled, "_loaded", None)
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    compiled.save({"type": "any"}, {})
    assert compiled.load() == ({"type": "any"}, {})
    monkeypatch.setattr(compiled, "_loaded", None)
    monkeypatch.setattr(compiled, "state", lambda: "other sources")
    assert compiled.load() is None


@pytest.mark.parametrize("content", [b"", b"torn", b"\x00" * 100, b"i\x01\x00\x00\x00"])
def test_a_damaged_compiled_form_is_not_used(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "language.rules"
    target.write_bytes(content)
    monkeypatch.setattr(compiled, "path", lambda: str(target))
    monkeypatch.setattr(compiled, "_loaded", None)
    assert compiled.load() is None


def test_nothing_is_written_where_python_writes_no_bytecode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "path", lambda: str(tmp_path / "language.rules"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    compiled.save({"type": "any"}, {})
    assert list(tmp_path.iterdir()) == []
