"""Mistakes in a folder, told by the real command in the same process, and a target of another package."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from mlopsgen.cli.main import run
from mlopsgen.diagnostics.catalogue.code import SMALLEST
from mlopsgen.output import write

ONLY_DVC = SMALLEST + (
    "targets: {github: false, docker: false, kubernetes: false, routing: false, prometheus: false, "
    "alertmanager: false, grafana: false, local: false, docs: false}\n"
)
"""A valid spec of which little comes out."""

ACME = ONLY_DVC.replace("docs: false", "docs: false, others: [acme]")
"""The same with the target of another package, whose name stands in line 5, column 157."""
ACME_AT = (5, ACME.split("\n")[4].index("[acme]") + 2)

PACKAGE = """\
from mlopsgen.render.files import File

def files(project):
    {body}
"""


class Told(NamedTuple):
    """What a run of the command said.

    Attributes:
        places: code, line and column of each finding.
        rows: the findings as JSON tells them.
    """

    exit: int
    places: list[tuple[str, int | None, int | None]]
    rows: list[dict[str, Any]]


class Place:
    """A folder with a spec in it."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.patch = patch
        self.capture = capture
        patch.chdir(folder)

    def spec(self, text: str | bytes) -> Path:
        path = self.folder / "mlops.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def tell(self, *arguments: str) -> Told:
        self.capture.readouterr()
        code = run([*arguments, "--format", "json"])
        return told(code, self.capture.readouterr().out)

    def build(self, *arguments: str) -> Told:
        return self.tell("build", *arguments)

    def acme(self, body: str) -> None:
        """Install a package with the target `acme`; `body` is what its function `files` does."""
        site = self.folder / "site"
        info = site / "acme-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text("[mlopsgen.targets]\nacme = acme_target\n")
        (site / "acme_target.py").write_text(PACKAGE.format(body=body))
        self.patch.syspath_prepend(str(site))
        self.patch.delitem(sys.modules, "acme_target", raising=False)

    def template(self, text: str, name: str = "acme.yaml", path: str = "acme.yaml", **context: object) -> None:
        """Let the target `acme` fill a template of the user's."""
        folder = self.folder / "ops"
        folder.mkdir()
        (folder / name).write_text(text)
        self.acme(f"return [File(path={path!r}, template={name!r}, context={context!r})]")
        self.spec(ACME + "templates: ops\n")

    def git(self, *arguments: str) -> None:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *arguments]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)

    def commit(self) -> None:
        """Commit all there is, in a repository of its own."""
        self.git("init", "--quiet")
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", "x")

    def starved(self, *arguments: str) -> Told:
        """Run the command where no file may grow beyond ten bytes."""
        made = subprocess.run(
            [sys.executable, "-m", "mlopsgen", *arguments, "--format", "json"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10)),
            env={"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        return told(made.returncode, made.stdout)

    def impatient(self) -> None:
        """Let builds give up at once on one another."""
        self.patch.setitem(write.together.__kwdefaults__, "wait", 0.0)


def told(code: int, output: str) -> Told:
    rows = json.loads(output)["diagnostics"]
    return Told(code, [(row["code"], row["line"], row["column"]) for row in rows], rows)


Case = Callable[[Place], tuple[Told, list[tuple[str, int | None, int | None]]]]
