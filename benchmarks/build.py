"""What a build costs, as ratios to a bare Python start, side by side in one run.

    python benchmarks/build.py [--rounds N] [--specs N] [--kinds small full] [--no-peer]

The wheel is built from this tree and installed in an empty environment, since a checkout never takes the short cut of a
build with nothing to do. Every round runs each command once, right after a bare `python -c pass` of the same
environment; the table shows medians over the rounds of the ratio to that start, and of the time. A row with a mark says
whether it is kept. Then many specs in one call, on the disk and in memory, beside kapitan: see many.py.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Callable
from pathlib import Path

import many

ROOT = Path(__file__).resolve().parent.parent
FULL = ROOT / "examples" / "support-assistant"
MARKS = {
    "--version": 3.0,
    "build, nothing to do": 4.0,
    "build --check, nothing to do": 4.0,
    "build, one field changed": 20.0,
}


def install(base: Path) -> Path:
    """An empty environment with the wheel of this tree; returns its folder of commands."""
    source = base / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(".git", ".venv", "__pycache__", ".demo", ".*_cache"))
    venv.create(base / "env", with_pip=True)
    commands = base / "env" / "bin"
    subprocess.run([commands / "pip", "install", "--quiet", "--disable-pip-version-check", source], check=True)
    return commands


def seconds(command: list[str | Path], cwd: Path) -> float:
    """Wall time of one run; it must succeed."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    start = time.perf_counter()
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{command}: {done.stderr.decode()}")
    return taken


def changing(spec: Path) -> Callable[[int], None]:
    """Changes one field of the spec, to another value each round."""
    text = spec.read_text()

    def change(number: int) -> None:
        spec.write_text(text.replace("epochs: 3\n", f"epochs: {number + 4}\n", 1))

    return change


def measure(commands: Path, project: Path, rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Per row, one pair a round: ratio to the bare start beside it, and seconds."""
    python, mlopsgen = commands / "python", commands / "mlopsgen"
    change = changing(project / "mlops.yaml")
    rows: dict[str, tuple[list[str | Path], Callable[[int], None] | None]] = {
        "bare Python": ([python, "-c", "pass"], None),
        "--version": ([mlopsgen, "--version"], None),
        "build, one field changed": ([mlopsgen, "build", "--quiet"], change),
        "build, nothing to do": ([mlopsgen, "build"], None),
        "build --check, nothing to do": ([mlopsgen, "build", "--check"], None),
        "validate": ([mlopsgen, "validate"], None),
        "import pydantic (for scale)": ([python, "-c", "from pydantic import BaseModel"], None),
        "import jinja2, yaml, click (for scale)": ([python, "-c", "import jinja2, yaml, click"], None),
    }
    seconds([mlopsgen, "build", "--force"], project)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in rows}
    for number in range(rounds + 1):
        for name, (command, before) in rows.items():
            if before is not None:
                before(number)
            bare = seconds([python, "-c", "pass"], project)
            taken = seconds(command, project)
            if number:  # the first round fills caches
                found[name].append((taken / bare, taken))
    return found


def main() -> int:
    """Print the tables; exit code 1 when a mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--specs", type=int, default=1000, help="specs in one call; 0: none")
    parser.add_argument("--kinds", nargs="*", default=["small", "full"], choices=list(many.SPECS), help="of specs")
    parser.add_argument("--peer", action=argparse.BooleanOptionalAction, default=True, help="measure kapitan too")
    options = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        commands = install(base)
        project = base / "project"
        shutil.copytree(FULL, project, ignore=shutil.ignore_patterns("__pycache__"))
        found = measure(commands, project, options.rounds) if options.rounds else {}
        print(f"| {f'full example, {options.rounds} rounds':40} | ratio | mark |     ms |")
        print(f"|{'-' * 42}|-------|------|--------|")
        for row, pairs in found.items():
            ratio, taken = statistics.median(r for r, _ in pairs), statistics.median(t for _, t in pairs)
            mark = MARKS.get(row)
            missed = missed or (mark is not None and ratio > mark)
            print(f"| {row:40} | {ratio:5.1f} | {f'≤ {mark:g}' if mark else '':4} | {taken * 1000:6.1f} |")
        for where in (base, many.MEMORY) if options.specs else ():
            with tempfile.TemporaryDirectory(dir=where) as folder:
                place = Path(folder)
                medium = "in memory" if where == many.MEMORY else "on the disk"
                for kind in options.kinds:
                    title = f"{options.specs} {kind} specs, {medium}"
                    many.table(title, many.rows(commands, place / kind, kind, options.specs))
                    shutil.rmtree(place / kind)
        if options.peer and options.specs:
            with tempfile.TemporaryDirectory(dir=many.MEMORY) as folder:
                command = many.kapitan(base)
                targets = min(options.specs, many.TARGETS)
                many.table("kapitan, in memory", many.peer(command, commands / "mlopsgen", Path(folder), targets))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
