"""The command as a whole: help, examples, documentation, exit codes, start-up."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from mlops_runtime.cli import main as program
from mlops_runtime.cli.main import cli
from mlops_runtime.errors import Mistaken

from mlopsgen.contract.commands import COMMANDS, PROGRAM
from tests.conftest import ROOT

HEAVY = {"torch", "transformers", "mlflow", "numpy", "pandas", "scipy", "fastapi", "rich", "tqdm", "pydantic", "ruamel"}


PROSE = ("runtime.md", "registry.md", "rollout.md", "experiment.md")

EVERY = {
    **cli.commands,
    **{
        f"{name} {inner}": command
        for name, group in cli.commands.items()
        if isinstance(group, click.Group)
        for inner, command in group.commands.items()
    },
}
"""Commands and those within them, by what people type."""


def shown(name: str) -> str:
    """Help of a command."""
    result = CliRunner().invoke(cli, [*name.split(), "--help"], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


def test_there_is_a_command_for_each_of_the_contract() -> None:
    assert set(cli.commands) == set(COMMANDS)


@pytest.mark.parametrize("name", EVERY)
def test_every_command_has_help_with_examples_that_it_takes(name: str) -> None:
    text = shown(name)
    if name in COMMANDS:
        assert " ".join(text.split()).find(COMMANDS[name]) > 0
    _, _, tail = text.partition("Example")
    examples = tail.partition("\n\n")[0].replace("\\\n", " ").splitlines()[1:]
    ours = [words for line in examples if PROGRAM in (words := shlex.split(line.partition(" > ")[0]))]
    assert ours
    for words in ours:
        given = words[words.index(PROGRAM) + 1 :]
        own = name.split()
        assert given[: len(own)] == own
        command = EVERY[name]
        if isinstance(command, click.Group):
            command, own = command.commands[given[1]], given[:2]
        command.make_context(name, given[len(own) :])


@pytest.mark.parametrize("name", EVERY)
def test_every_command_and_option_is_in_the_documentation(name: str) -> None:
    page = (ROOT / "docs" / "commands-runtime.md").read_text(encoding="utf-8")
    _, _, section = page.partition(f"## {PROGRAM} {name}\n")
    section = section.partition("\n## ")[0]
    for parameter in EVERY[name].params:
        context = click.Context(EVERY[name])
        expected = parameter.opts[0] if isinstance(parameter, click.Option) else parameter.make_metavar(context)
        assert expected in section, expected
    prose = "".join((ROOT / "docs" / page).read_text(encoding="utf-8") for page in PROSE)
    assert re.search(rf"`({PROGRAM} )?{name}\b|{PROGRAM} {name}\b", prose), f"{name} is explained nowhere"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom mlops_runtime.__main__ import cli\n"
        "cli.main(['train', '--help'], standalone_mode=False)\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("raised", "code", "told"),
    [
        (Mistaken("look there"), 2, f"{PROGRAM}: look there\n"),
        (KeyboardInterrupt(), 130, "\n"),
        (SystemExit(143), 143, ""),
    ],
)
def test_exit_codes(
    raised: BaseException,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(raised, monkeypatch) == code
    assert capsys.readouterr().err == told


def test_a_fault_shows_where_it_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert ended(ZeroDivisionError("impossible"), monkeypatch) == 3
    told = capsys.readouterr().err
    assert "Traceback" in told
    assert "ZeroDivisionError: impossible" in told
    assert "a fault of its own, or of the project's code" in told


def test_a_wrong_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, told in ((["biuld"], "No such command 'biuld'"), (["promote"], "Missing option '--model-version'")):
        monkeypatch.setattr(sys, "argv", [PROGRAM, *arguments])
        with pytest.raises(SystemExit) as end:
            program.main()
        assert end.value.code == 2
        assert told in capsys.readouterr().err


def ended(raised: BaseException, monkeypatch: pytest.MonkeyPatch) -> object:
    """Exit code of the program when a command raises."""

    def fail() -> None:
        raise raised

    monkeypatch.setattr("mlops_runtime.data.collect.collect", fail)
    monkeypatch.setattr(sys, "argv", [PROGRAM, "collect"])
    with pytest.raises(SystemExit) as end:
        program.main()
    return end.value.code


def test_the_module_is_the_same_program(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlops_runtime", "gate"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{PROGRAM}: there is no params.yaml here")
