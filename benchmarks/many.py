"""Many specs in one call, beside kapitan on as many targets and files of the same size.

Two workloads, both named by what a spec holds: `small` is examples/docstrings, `full` is examples/support-assistant
without its patches and its template. Specs differ in the project's name, as they do where the rest is shared. kapitan
(in an environment of its own) fills Jinja templates that hold the same output; it validates nothing, reads nothing
back, keeps no lock and syncs nothing to the disk.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
SPECS = {
    "small": ROOT / "examples" / "docstrings" / "mlops.yaml",
    "full": ROOT / "examples" / "support-assistant" / "mlops.yaml",
}
MOST = 8.0
"""Milliseconds a spec beyond the first."""

TARGETS = 50
"""Of kapitan, whose cost goes with their number."""

SINGLE = 3.0
"""Single builds that a call with one changed spec may take."""

MEMORY = Path("/dev/shm")

SETTLED = 3.0
"""Seconds after which files count as left alone."""

LEAST = """
import os, sys
source, target, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
files = [os.path.relpath(os.path.join(here, name), source) for here, _, names in os.walk(source) for name in names]
contents = [(name, open(os.path.join(source, name), 'rb').read()) for name in files]
for number in range(count):
    for name, content in contents:
        path = os.path.join(target, str(number), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + '~', 'xb') as stream:
            stream.write(content)
    for name, _ in contents:
        path = os.path.join(target, str(number), name)
        os.rename(path + '~', path)
    if number % 32 == 31:
        os.sync()
os.sync()
"""
"""The same files, each under another name first: what the file system alone takes."""


class Run(NamedTuple):
    """Seconds of wall and processor time, and MiB of the largest process."""

    wall: float
    cpu: float
    peak: float


def run(command: Sequence[str | Path], cwd: Path) -> Run:
    """Run a command that must succeed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    start = time.perf_counter()
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command}: {process.returncode}")
    return Run(time.perf_counter() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def workspace(base: Path, kind: str, count: int) -> Path:
    """A new repository with so many specs."""
    text = SPECS[kind].read_text().partition("\npatches:")[0].replace("\ntemplates:", "\nx-templates:")
    for number in range(count):
        folder = base / "services" / f"p{number:04}"
        folder.mkdir(parents=True)
        (folder / "mlops.yaml").write_text(re.sub(r"name: [\w-]+", f"name: p{number:04}", text, count=1))
    (base / ".git").mkdir()
    os.sync()
    return base


def rows(commands: Path, base: Path, kind: str, count: int) -> Iterator[tuple[str, Run, str]]:
    """Name, cost and a remark of each call."""
    mlopsgen = commands / "mlopsgen"
    everything: list[str | Path] = [mlopsgen, "build", "--all", "--quiet"]
    bare = run([commands / "python", "-c", "pass"], commands)
    yield "bare Python", bare, ""
    first = run([mlopsgen, "build", "--quiet", "services/p0000"], workspace(base / "one", kind, 1))
    yield "one spec, at first", first, ""
    for jobs in (1, 2):
        place = workspace(base / str(jobs), kind, count)
        done = run([*everything, "--jobs", str(jobs)], place)
        each = 1000 * (done.wall - first.wall) / (count - 1)
        cpu = 1000 * (done.cpu - first.cpu) / (count - 1)
        yield f"all, at first, {jobs} jobs", done, f"{each:.1f} ms a spec beyond the first ({cpu:.1f} of processor)"
    files = sum(1 for path in place.rglob("*") if path.is_file()) - count
    least = run([commands / "python", "-c", LEAST, place / "services" / "p0000", base / "least", str(count)], base)
    remark = f"{1000 * least.wall / count:.1f} ms a spec ({1000 * least.cpu / count:.1f} of processor)"
    yield "as many bytes, written by plain Python", least, remark
    time.sleep(SETTLED)
    yield "all, nothing to do, at first", run(everything, place), f"{files} files"
    yield "all, nothing to do", run(everything, place), ""
    spec = place / "services" / "p0003" / "mlops.yaml"
    text = spec.read_text()
    single, changed = [], []
    for number in range(5, 11):
        field = f"serving: {{port: {9000 + number}}}\n"
        spec.write_text(text.replace("epochs: 3\n", f"epochs: {number}\n") if "epochs" in text else text + field)
        if number % 2:
            single.append(run([mlopsgen, "build", "--quiet", "services/p0003"], place))
        else:
            changed.append(run(everything, place))
    one, among = sorted(single)[1], sorted(changed)[1]
    yield "one spec, one field changed", one, "median of 3"
    remark = f"{among.wall / one.wall:.1f} single builds (mark {SINGLE:g}), median of 3"
    yield "all, one field of one spec changed", among, remark


def kapitan(base: Path) -> Path:
    """An environment with kapitan; returns its command."""
    venv.create(base / "kapitan", with_pip=True)
    pip = base / "kapitan" / "bin" / "pip"
    subprocess.run([pip, "install", "--quiet", "--disable-pip-version-check", "kapitan==0.36.3"], check=True)
    return base / "kapitan" / "bin" / "kapitan"


def inventory(base: Path, made: Path, count: int) -> Path:
    """Targets of kapitan that write what `made`, a built project, holds, each under its own name."""
    name = made.name
    inputs = []
    for path in sorted(path for path in made.rglob("*") if path.is_file() and path.suffix != ".lock"):
        relative = path.relative_to(made)
        target = base / "templates" / str(relative).replace("/", "--") / relative.name
        target.parent.mkdir(parents=True)
        text = path.read_text().replace(name, "{% endraw %}{{ inventory.parameters.name }}{% raw %}")
        target.write_text("{% raw %}" + text + "{% endraw %}\n")
        inputs.append(
            f"      - {{input_type: jinja2, input_paths: ['templates/{target.parent.name}'], "
            f"output_path: '{relative.parent.as_posix()}'}}\n"
        )
    for folder in ("classes", "targets"):
        (base / "inventory" / folder).mkdir(parents=True)
    (base / "inventory" / "classes" / "common.yml").write_text(
        "parameters:\n  kapitan:\n    compile:\n" + "".join(inputs)
    )
    for number in range(count):
        (base / "inventory" / "targets" / f"p{number:04}.yml").write_text(
            f"classes: [common]\nparameters:\n  name: p{number:04}\n  kapitan: {{vars: {{target: p{number:04}}}}}\n"
        )
    return base


def peer(command: Path, mlopsgen: Path, base: Path, count: int) -> Iterator[tuple[str, Run, str]]:
    """The same of kapitan."""
    built = workspace(base / "one", "small", 1)
    run([mlopsgen, "build", "--quiet", "services/p0000"], built)
    shutil.copytree(built / ".github", built / "services" / "p0000" / "workflows")
    times: dict[int, Run] = {}
    for targets, jobs in ((1, 1), (count, 1), (count, 2)):
        place = inventory(base / f"inventory-{targets}-{jobs}", built / "services" / "p0000", targets)
        done = run([command, "compile", "--parallelism", str(jobs)], place)
        if targets == 1:
            times[1] = done
            yield "kapitan compile, one target", done, ""
            continue
        files = sum(1 for path in (place / "compiled").rglob("*") if path.is_file())
        each = 1000 * (done.wall - times[1].wall) / (targets - 1)
        yield f"kapitan compile, {targets} targets, {jobs} jobs", done, f"{each:.1f} ms a target, {files} files"


def table(title: str, found: Iterator[tuple[str, Run, str]], say: Callable[[str], None] = print) -> None:
    """Print rows as they come."""
    say(f"\n| {title:44} | seconds | processor | MiB  | |")
    say(f"|{'-' * 46}|---------|-----------|------|---|")
    for name, cost, remark in found:
        say(f"| {name:44} | {cost.wall:7.2f} | {cost.cpu:9.2f} | {cost.peak:4.0f} | {remark} |")
