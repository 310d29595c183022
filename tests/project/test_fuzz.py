"""Whatever a spec says, it is either refused in words or compiled to files that can be read; nothing is half written."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest
import yaml

from mlopsgen.cli.compile import compile
from mlopsgen.cli.main import run
from mlopsgen.cli.workspace import Workspace
from mlopsgen.contract.pins import DEFAULTS
from mlopsgen.diagnostics import Failed
from mlopsgen.diagnostics.catalogue import CODES
from mlopsgen.render.files import Rendered
from tests.conftest import FULL

from .mutate import BASE, mutated

COUNT = int(os.environ.get("MLOPS_TEST_MUTATIONS", "120"))
"""2,000 take ten minutes: for a change of the language itself."""

THROUGH_THE_COMMAND = max(20, COUNT // 16)


class _Loader(yaml.CSafeLoader):
    """Reads tags of other systems, such as DVC's, as what they are put on."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with everything that the full example refers to."""
    shutil.copytree(FULL.parent / "ops", tmp_path / "ops", dirs_exist_ok=True)
    (tmp_path / "ops" / "templates").mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def judge(file: Rendered) -> None:
    """The file is whole, and what its name says."""
    text = file.content.decode()
    assert text.endswith("\n")
    assert "\r" not in text
    if file.path.endswith((".yaml", ".yml")):
        list(yaml.load_all(text, _Loader))
    elif file.path.endswith(".json"):
        json.loads(text, parse_constant=pytest.fail)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_mutated_spec_is_refused_or_compiled(part: int, folder: Path) -> None:
    counts: Counter[str] = Counter()
    spec = folder / "mlops.yaml"
    for number in range(part, COUNT, 4):
        spec.write_bytes(mutated(number))
        try:
            compiled = compile(Workspace("mlops.yaml"), DEFAULTS)
        except Failed as failed:
            counts["invalid"] += 1
            assert failed.diagnostics, number
            assert {d.code for d in failed.diagnostics} <= set(CODES), number
            assert any(d.code[0] == "E" for d in failed.diagnostics), number
            for found in failed.diagnostics:
                assert found.message.isprintable(), number
                counts[found.code] += 1
        except Exception as error:
            raise AssertionError(f"mutated({number}) raises {error!r}") from error
        else:
            counts["valid"] += 1
            assert compiled.files
            for file in compiled.files:
                judge(file)
    print(f"\n{counts['valid']} valid, {counts['invalid']} invalid, {len(counts) - 2} codes")
    assert counts["valid"] > COUNT / 50
    assert counts["invalid"] > COUNT / 12
    assert len(counts) > 6


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file with its time of change and content, but the spec."""
    found = {}
    for here, _, names in os.walk(folder):
        for name in names:
            path = Path(here, name)
            if path != folder / "mlops.yaml":
                found[str(path.relative_to(folder))] = (path.stat().st_mtime_ns, path.read_bytes())
    return found


@pytest.mark.slow
def test_a_build_that_fails_leaves_the_last_good_one_as_it_was(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = folder / "mlops.yaml"
    spec.write_text(BASE)
    assert run(["build", "-q"]) == 0
    counts: Counter[int] = Counter()
    for number in range(COUNT, COUNT + THROUGH_THE_COMMAND):
        before = everything(folder)
        spec.write_bytes(mutated(number))
        capsys.readouterr()
        code = run(["build", "--format", "json"])
        told = json.loads(capsys.readouterr().out)
        counts[code] += 1
        assert code in (0, 2), f"mutated({number}) exits with {code}"
        if code == 2:
            assert everything(folder) == before, number
            assert any(d["severity"] == "error" for d in told["diagnostics"])
        else:
            assert not [name for name in everything(folder) if "mlopsgen~" in name]
            assert run(["build", "--check", "-q"]) == 0, number
    print(f"\n{dict(counts)}")
    assert counts[0] > THROUGH_THE_COMMAND / 15
    assert counts[2] > THROUGH_THE_COMMAND / 3
