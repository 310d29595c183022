"""How commands tell what they found, and what they exit with."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mlopsgen.cli.main import run
from mlopsgen.diagnostics.catalogue.code import SMALLEST
from tests.conftest import FULL, Run, tool
from tests.diagnostics.helpers import ONLY_DVC, Place
from tests.diagnostics.test_formats import judge_sarif

WRONG = SMALLEST + "training: {epochs: 0, precision: bf17}\n"
WARNED = ONLY_DVC + "rollout: {expected_rate: 1}\n"


def said(place: Place, *arguments: str) -> tuple[int, str, str]:
    place.capture.readouterr()
    code = run(list(arguments))
    out, err = place.capture.readouterr()
    return code, out, err


@pytest.mark.parametrize("verb", ["build", "validate"])
def test_text_goes_to_stderr_in_order_with_a_count(verb: str, place: Place) -> None:
    place.spec(WRONG)
    code, out, err = said(place, verb)
    assert (code, out) == (2, "")
    assert [line.split(": ")[0] for line in err.splitlines() if line.startswith("mlops.yaml")] == [
        "mlops.yaml:5:20",
        "mlops.yaml:5:34",
    ]
    assert "    | " + " " * 19 + "^\n" in err
    assert err.endswith("\n2 errors\n")


@pytest.mark.parametrize("verb", ["build", "validate"])
def test_annotations_and_nothing_else(verb: str, place: Place) -> None:
    place.spec(WRONG)
    code, out, err = said(place, verb, "--format", "github")
    assert (code, err) == (2, "")
    assert [line.partition(",title=")[0] for line in out.splitlines()] == [
        "::error file=mlops.yaml,line=5,col=20,endLine=5,endColumn=21",
        "::error file=mlops.yaml,line=5,col=34,endLine=5,endColumn=38",
    ]


@pytest.mark.parametrize("verb", ["build", "validate"])
def test_a_sarif_log_and_nothing_else(verb: str, place: Place) -> None:
    for text, count in ((WRONG, 2), (ONLY_DVC, 0)):
        place.spec(text)
        code, out, err = said(place, verb, "--format", "sarif")
        log = json.loads(out)
        judge_sarif(log)
        assert len(log["runs"][0]["results"]) == count
        assert (code, err) == (2 if count else 0, "")


def test_warnings_are_told_and_do_not_stop(place: Place) -> None:
    place.spec(WARNED)
    assert said(place, "validate")[0] == 0
    code, out, err = said(place, "build")
    assert code == 0
    assert "files changed" in out
    assert "warning W212" in err
    assert err.endswith("1 warning\n")
    assert said(place, "build")[2] == err
    assert said(place, "validate", "--strict")[0] == 2


def test_quiet_leaves_only_findings(place: Place) -> None:
    place.spec(WARNED)
    for verb in ("validate", "build"):
        code, out, err = said(place, verb, "-q")
        assert (code, out) == (0, "")
        assert "W212" in err


def test_validate_names_each_spec_and_writes_nothing(place: Place) -> None:
    for name, text in (("one", ONLY_DVC), ("two", WRONG), ("three", WARNED)):
        (place.folder / name).mkdir()
        (place.folder / name / "mlops.yaml").write_text(text)
    code, out, err = said(place, "validate", "one", "two/mlops.yaml", "three/")
    assert code == 2
    assert out == "one/mlops.yaml: valid\nthree/mlops.yaml: valid\n"
    assert err.endswith("2 errors, 1 warning\n")
    assert sorted(str(path.relative_to(place.folder)) for path in place.folder.rglob("*.*")) == [
        "one/mlops.yaml",
        "three/mlops.yaml",
        "two/mlops.yaml",
    ]


def test_check_with_errors_exits_with_2_not_1(place: Place) -> None:
    place.spec(ONLY_DVC)
    assert said(place, "build", "--check")[0] == 1
    assert said(place, "build", "--check", "-q")[0] == 1
    place.spec(WRONG)
    assert said(place, "build", "--check")[0] == 2
    for name in ("good", "bad"):
        (place.folder / name).mkdir()
    (place.folder / "good" / "mlops.yaml").write_text(ONLY_DVC)
    (place.folder / "bad" / "mlops.yaml").write_text(WRONG)
    assert said(place, "build", "--check", "good", "bad")[0] == 2
    assert said(place, "build", "--check", "good")[0] == 1
    assert [path.name for path in (place.folder / "good").iterdir()] == ["mlops.yaml"]


@pytest.mark.parametrize(
    "arguments",
    [("build", "--format", "xml"), ("build", "--nothing"), ("show", "a", "b"), ("explain",), ("completion", "dos"), ()],
    ids=repr,
)
def test_a_command_line_that_means_nothing(arguments: tuple[str, ...], mlopsgen: Run, tmp_path: Path) -> None:
    done = mlopsgen(*arguments)
    assert done.returncode == 2
    assert "Usage:" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_show_of_a_wrong_spec(place: Place) -> None:
    place.spec(WRONG)
    code, out, err = said(place, "show")
    assert (code, out) == (2, "")
    assert "E106" in err
    code, out, _ = said(place, "show", "--format", "json")
    assert code == 2
    assert [d["code"] for d in json.loads(out)["diagnostics"]] == ["E106", "E105"]


@pytest.mark.parametrize(
    "options", [(), ("-e", "production"), ("--no-origins",), ("-e", "staging", "--no-origins")], ids=repr
)
def test_show_says_the_same_in_yaml_and_json(options: tuple[str, ...], place: Place) -> None:
    shown = yaml.load(said(place, "show", str(FULL), *options)[1], yaml.CSafeLoader)
    told = json.loads(said(place, "show", str(FULL), *options, "--format", "json")[1])

    def values(part: object) -> object:
        if isinstance(part, dict):
            return part["value"] if set(part) == {"value", "origin"} else {k: values(v) for k, v in part.items()}
        return [values(item) for item in part] if isinstance(part, list) else part

    assert values(told) == shown
    assert len(shown) > 5


def test_colour_on_a_terminal_only(tmp_path: Path) -> None:
    (tmp_path / "mlops.yaml").write_text(WRONG)
    master, slave = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key != "NO_COLOR"} | {"TERM": "xterm"}
    command = [sys.executable, "-m", "mlopsgen", "validate"]
    done = subprocess.run(command, cwd=tmp_path, stdin=slave, stdout=slave, stderr=slave, env=environment, check=False)
    os.close(slave)
    seen = b""
    try:
        while part := os.read(master, 65536):
            seen += part
    except OSError:
        pass
    finally:
        os.close(master)
    assert done.returncode == 2
    assert b"\x1b[" in seen
    plain = subprocess.run(command, cwd=tmp_path, capture_output=True, env=environment, check=False)
    assert b"\x1b" not in plain.stderr + plain.stdout


@pytest.mark.parametrize(
    ("words", "expected"),
    [("bui", "build"), ("sh", "show"), ("validate --fo", "--format"), ("build --format sa", "sarif"), ("explain E10", "E101 E102")],
)  # fmt: skip
def test_bash_completes(words: str, expected: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash
    script = subprocess.run([tool("mlopsgen"), "completion", "bash"], capture_output=True, text=True, check=True).stdout
    parts = ["mlopsgen", *words.split()]
    quoted = " ".join(f"'{part}'" for part in parts)
    ask = (
        f"{script}\nCOMP_WORDS=({quoted}); COMP_CWORD={len(parts) - 1}\n"
        f"_mlopsgen_completion mlopsgen '{parts[-1]}' '{parts[-2]}'\necho \"${{COMPREPLY[@]}}\"\n"
    )
    path = f"{Path(tool('mlopsgen')).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [bash, "--norc", "-c", ask],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PATH": path},
        check=False,
    )
    assert done.stdout.strip().startswith(expected), done.stderr
