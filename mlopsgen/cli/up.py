"""`mlopsgen up`."""

from __future__ import annotations

import os
import re
from typing import Any, Literal

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC, Workspace

LOOKS = {"ready": "good", "failed": "error", "restarting": "warning", "off": "dim", "stopped": "dim", "log": "dim"}


def _offset(context: click.Context, parameter: click.Parameter, given: str) -> int | Literal["auto"]:
    """A number of ports, or `auto`."""
    if given == "auto":
        return "auto"
    if not re.fullmatch(r"\d{1,5}", given):
        raise click.BadParameter(f"{given!r} is neither a number nor `auto`")
    return int(given)


@click.command()
@click.argument("spec", default=SPEC, type=click.Path())
@click.option("--detach", is_flag=True, help="Return when everything is ready; `mlopsgen down` ends it.")
@click.option(
    "--load", metavar="RATE", type=click.FloatRange(0, min_open=True), help="Also send requests, RATE a second."
)
@click.option(
    "--port-offset",
    "offset",
    metavar="N|auto",
    callback=_offset,
    default="0",
    help="Add N to every port; `auto` finds free ones.",
)
def command(spec: str, detach: bool, load: float | None, offset: int | Literal["auto"]) -> int:
    """Run everything of SPEC on this machine, as `mlopsgen build` wrote it to local/: MLflow, the servers behind Envoy,
    Prometheus, Alertmanager, the quality exporter and the rollout controller. State and logs are in .mlops/.

    Ctrl-C ends everything, a second one at once. Exit code 2 when something is missing or taken, or runs already;
    with --detach, 1 when a process failed.

    \b
    Examples:
      mlopsgen up
      mlopsgen up --detach --load 5
      mlopsgen up --port-offset auto
    """
    from mlopsgen.processes import errors, run

    folder = Workspace(spec).folder
    try:
        run.supported()
        _warn(spec)
        if detach:
            return _detached(folder, offset, load)
        return run.up(folder, offset, load, say, _ready)
    except errors.Refused as refused:
        raise click.ClickException(str(refused)) from None


def say(name: str, state: str, text: str) -> None:
    """One line about a process."""
    if state == "log":
        click.echo(words.styled(f"              | {text}", "dim"))
    elif not name:
        click.echo(text)
    else:
        look = LOOKS.get(state)
        click.echo(f"{name:13} {words.styled(f'{state:10}', look) if look else f'{state:10}'} {text}".rstrip())


def _ready(supervisor: Any, well: bool) -> None:
    click.echo()
    for name, url in {"Status": supervisor.page, **supervisor.plan.links}.items():
        click.echo(f"{name:13} {url}")
    for name, value in supervisor.plan.tracking.items():
        click.echo(f"export {name}={value}")
    click.echo("everything runs that can" if well else words.styled("not everything runs: see above", "error"))


def _detached(folder: str, offset: int | Literal["auto"], load: float | None) -> int:
    """Go on in a process of its own; it speaks here until all is ready, and then into a log."""
    from mlopsgen.processes import errors, run
    from mlopsgen.processes.place import LOGS, Place

    read, write = os.pipe()
    child = os.fork()
    if child:
        os.close(write)
        return _followed(child, read)
    os.setsid()
    os.close(read)

    def ready(supervisor: Any, well: bool) -> None:
        _ready(supervisor, well)
        log = os.open(Place(folder).path(f"{LOGS}/up.log"), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC), 0)
        os.write(write, b"1" if well else b"0")
        os.close(write)

    try:
        code = run.up(folder, offset, load, say, ready)
    except errors.Refused as refused:
        click.ClickException(str(refused)).show()
        code = 2
    os._exit(code)


def _followed(child: int, read: int) -> int:
    """Wait until the supervisor says that all is ready, or ends."""
    try:
        said = os.read(read, 1)
    except KeyboardInterrupt:
        import signal

        os.kill(child, signal.SIGINT)
        said = b""
    if said:
        return 0 if said == b"1" else 1
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _warn(spec: str) -> None:
    """Say when local/ is not what the spec asks for."""
    workspace = Workspace(spec)
    if not os.path.exists(workspace.spec) or not os.path.exists(os.path.join(workspace.folder, "local")):
        return
    from mlopsgen.cli.compile import compile
    from mlopsgen.cli.pins import effective
    from mlopsgen.diagnostics import Failed

    try:
        files = compile(workspace, effective(workspace)[0]).files
    except Failed:
        text = f"{spec} has errors (`mlopsgen validate` tells them): what runs is what was built before"
        click.echo(words.styled(text, "warning"), err=True)
        return
    stale = [file.path for file in files if file.path.startswith("local/") and _differs(workspace.folder, file)]
    if stale:
        text = f"{', '.join(stale)}: not what {spec} asks for; run `mlopsgen build`"
        click.echo(words.styled(text, "warning"), err=True)


def _differs(folder: str, file: Any) -> bool:
    try:
        with open(os.path.join(folder, file.path), "rb") as stream:
            return stream.read() != bytes(file.content)
    except OSError:
        return True
