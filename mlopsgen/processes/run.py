"""From a project's folder to everything running, and to its end."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

from mlopsgen.processes import identity, ports
from mlopsgen.processes.errors import Refused
from mlopsgen.processes.place import Place
from mlopsgen.processes.plan import Plan, read
from mlopsgen.processes.status import Status
from mlopsgen.processes.supervisor import Supervisor, Tell
from mlopsgen.processes.web import Page


def up(
    folder: str,
    offset: int | Literal["auto"],
    rate: float | None,
    tell: Tell,
    on_ready: Callable[[Supervisor, bool], None],
) -> int:
    """Run everything until a signal ends it.

    Args:
        folder: of the project.
        offset: added to every port; `auto` for one at which all are free.
        rate: requests a second of the load generator; None for none.
        tell: hears of every change.
        on_ready: called when everything runs that can; with whether nothing failed.

    Returns:
        Exit code.

    Raises:
        Running: it runs already.
        Refused: something is missing or taken and nothing was started, or it could not go on and was ended.
    """
    place, claim = Place(folder), ports.Claim()
    try:
        plan = read(place.folder)
        with place.held():
            if cleaned := identity.end(place.record()):
                tell("", "note", f"ended {cleaned} processes that an earlier run had left behind")
            plan = _placed(plan, place, offset, claim)
            values = {} if rate is None else {"rate": f"{rate:g}"}
            Supervisor(plan, place, {**dict.fromkeys(plan.tokens, ""), **values}, tell).check()
            return _run(Supervisor(plan, place, {**place.prepare(plan), **values}, tell), on_ready)
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        raise Refused(
            f"{error.strerror or error}{where}\nnothing runs any more; `mlopsgen up` starts it again"
        ) from error
    finally:
        claim.drop()


def _placed(plan: Plan, place: Place, offset: int | Literal["auto"], claim: ports.Claim) -> Plan:
    """The plan at ports that are free and claimed."""
    if offset == "auto":
        found = ports.offset(list(plan.ports.values()), claim)
        return read(place.folder, found)
    plan = read(place.folder, offset)
    ports.demand(plan, claim)
    return plan


def _run(supervisor: Supervisor, on_ready: Callable[[Supervisor, bool], None]) -> int:
    page = Page(supervisor.plan.ports["page"])
    try:
        page.start(Status(supervisor))
        return supervisor.run(lambda well: on_ready(supervisor, well))
    finally:
        page.close()


def down(folder: str, tell: Tell) -> bool:
    """End what runs in a project's folder, and what an earlier run left behind.

    Returns:
        Whether anything ran.

    Raises:
        Refused: it does not end.
    """
    import signal

    place = Place(folder)
    if not place.is_held():
        cleaned = identity.end(place.record())
        if cleaned:
            tell("", "note", f"ended {cleaned} processes that an earlier run had left behind")
        return cleaned > 0
    pid = place.supervisor().get("pid")
    if pid is None:
        raise Refused(f"something is starting in {place.folder}, and has not said yet what it is: try again")
    for number, patience in ((signal.SIGTERM, 300.0), (signal.SIGINT, 15.0)):
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        until = time.monotonic() + patience
        while place.is_held():
            if time.monotonic() > until:
                break
            time.sleep(0.05)
        else:
            return True
    raise Refused(f"process {pid} does not end: see {place.path('.mlops/logs')}")


def supported() -> None:
    """Raises Refused on systems that have no process groups."""
    if sys.platform == "win32":
        raise Refused(
            "it needs Linux or macOS: on Windows use WSL, or `docker compose up` with the generated compose.yaml"
        )
