"""What a build costs, as ratios to a bare Python start, side by side in one run.

    python benchmarks/build.py [--rounds N] [--specs N]

The wheel is built from this tree and installed in an empty environment, since a checkout never takes the short cut of a
build with nothing to do. Every round runs each command once, right after a bare `python -c pass` of the same
environment; the table shows medians over the rounds of the ratio to that start, and of the time. A row with a mark says
whether it is kept.
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


def many(commands: Path, base: Path, count: int) -> dict[str, float]:
    """Seconds of one call over many specs: at first, with nothing to do, and with one changed."""
    workspace = base / "many"
    for number in range(count):
        folder = workspace / f"p{number:04}"
        folder.mkdir(parents=True)
        text = (FULL / "mlops.yaml").read_text().replace("name: support-assistant ", f"name: p{number:04} ", 1)
        (folder / "mlops.yaml").write_text(text.replace("templates: ops/templates", "x-templates: ops/templates"))
    (workspace / ".git").mkdir()
    specs = sorted(str(p) for p in workspace.iterdir() if p.name != ".git")
    build = [commands / "mlopsgen", "build", "--quiet", *specs]
    result = {"one spec, at first": seconds([commands / "mlopsgen", "build", "--quiet", specs[0]], base)}
    result["all specs, at first"] = seconds(build, base)
    result["all specs, nothing to do"] = seconds(build, base)
    one = Path(specs[0]) / "mlops.yaml"
    one.write_text(one.read_text().replace("epochs: 3\n", "epochs: 9\n", 1))
    result["all specs, one changed"] = seconds(build, base)
    return result


def main() -> int:
    """Print the tables; exit code 1 when a mark is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--specs", type=int, default=200)
    options = parser.parse_args()
    missed = False
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        commands = install(base)
        project = base / "project"
        shutil.copytree(FULL, project, ignore=shutil.ignore_patterns("__pycache__"))
        found = measure(commands, project, options.rounds)
        print(f"| {f'full example, {options.rounds} rounds':40} | ratio | mark |     ms |")
        print(f"|{'-' * 42}|-------|------|--------|")
        for row, pairs in found.items():
            ratio, taken = statistics.median(r for r, _ in pairs), statistics.median(t for _, t in pairs)
            mark = MARKS.get(row)
            missed = missed or (mark is not None and ratio > mark)
            print(f"| {row:40} | {ratio:5.1f} | {f'≤ {mark:g}' if mark else '':4} | {taken * 1000:6.1f} |")
        times = many(commands, base, options.specs)
        print(f"\n| {f'{options.specs} specs in one call':40} |  seconds | ms a spec beyond the first |")
        print(f"|{'-' * 42}|----------|----------------------------|")
        first = times["one spec, at first"]
        for row, taken in times.items():
            each = f"{(taken - first) / (options.specs - 1) * 1000:.1f}" if row == "all specs, at first" else ""
            print(f"| {row:40} | {taken:8.2f} | {each:26} |")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
