"""`mlopsgen build --watch`: builds again when a spec, the workspace file, templates or a lock change.

Looks at sizes and times of change a few times a second, which every file system and editor can do with: one that puts
a new file in the place of the old one as well.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import click

from mlopsgen.cli import words
from mlopsgen.cli.build import Tally, outcomes, summary
from mlopsgen.cli.finding import wanted
from mlopsgen.cli.several import Options
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Diagnostic, Failed
from mlopsgen.output.paths import LOCK

PAUSE = 0.3
"""Seconds between two looks; a change counts once two looks agree."""

SEARCH = 3.0
"""Seconds, at least, between two searches for specs."""

IDLE = 10
"""How many times as long as a look or a search took the pause after it is, so that watching costs little."""

GONE = 5
"""Looks that a spec may be away, as an editor replaces it, before that is told as a mistake."""

State = Mapping[str, Any]
"""Spec to what its inputs look like."""


def watch(specs: Sequence[str], every: bool, jobs: int | None, quiet: bool) -> int:
    """Build, then again after each change, until Ctrl-C; returns 0."""
    try:
        _Watch(specs, every, jobs, quiet).run()
    except KeyboardInterrupt:
        if not quiet:
            click.echo("\nstopped", err=True)
    return 0


class _Watch:
    def __init__(self, specs: Sequence[str], every: bool, jobs: int | None, quiet: bool) -> None:
        self._specs, self._every, self._jobs, self._quiet = specs, every, jobs, quiet
        self._places: dict[str, Workspace] = {}
        self._templates: dict[str, tuple[Any, str]] = {}
        self._search_at = 0.0
        self._built: State = {}
        self._told = ""

    def run(self) -> None:
        """Watch for ever."""
        while True:
            begun = time.monotonic()
            try:
                self._search(begun)
                now = self._look()
                if now != self._built:
                    self._built = self._build(self._settled(now))
            except Failed as failed:
                self._tell_once(failed.diagnostics)
            time.sleep(max(PAUSE, IDLE * (time.monotonic() - begun)))

    def _search(self, now: float) -> None:
        """Find the specs that are meant, now and then anew. Raises Failed where there are none."""
        if self._places and (not self._every or now < self._search_at):
            return
        meant, _ = wanted(self._specs, self._every)
        self._places = {spec: self._places.get(spec) or Workspace(spec) for spec in meant}
        self._search_at = now + max(SEARCH, IDLE * (time.monotonic() - now))

    def _look(self) -> State:
        return {spec: (self._inputs(place), _status(_lock(place))) for spec, place in self._places.items()}

    def _settled(self, before: State) -> State:
        """What inputs look like once two looks agree, and no spec is away for a moment only."""
        gone = 0
        while True:
            time.sleep(PAUSE / 2)
            now = self._look()
            away = any(inputs[0] is None for inputs, _ in now.values())
            gone = gone + 1 if away else 0
            if now == before and (not away or gone > GONE):
                return now
            before = now

    def _build(self, now: State) -> State:
        """Build what changed; gives how it looks then, but for edits while it ran, which are still to be built."""
        changed = [spec for spec, look in now.items() if self._built.get(spec) != look]
        if changed:
            self._told = ""
            locks = _build({spec: self._places[spec] for spec in changed}, self._jobs, self._quiet)
            now = {**now, **{spec: (now[spec][0], lock) for spec, lock in locks.items()}}
            if not self._quiet:
                click.echo(words.styled("watching; Ctrl-C ends", "dim"), err=True)
        return now

    def _inputs(self, place: Workspace) -> tuple[Any, ...]:
        """What the spec, the workspace file and templates look like."""
        from mlopsgen.output.inputs import templates_folder

        spec = _status(place.spec)
        if self._templates.get(place.spec, (None, ""))[0] != spec:
            try:
                with open(place.spec, "rb") as stream:
                    self._templates[place.spec] = spec, templates_folder(stream.read(1024 * 1024))
            except OSError:
                self._templates.pop(place.spec, None)
        looks: list[Any] = [spec, _status(place.shared)]
        folder = self._templates.get(place.spec, (None, ""))[1]
        if folder:
            for here, _, names in os.walk(os.path.join(place.folder, folder)):
                looks += [(here, name, _status(os.path.join(here, name))) for name in sorted(names)]
        return tuple(looks)

    def _tell_once(self, found: Sequence[Diagnostic]) -> None:
        said = "\n".join(each.message for each in found)
        if said != self._told:
            self._told = said
            words.tell(found, "text")


def _lock(place: Workspace) -> str:
    return os.path.join(place.folder, LOCK)


def _status(path: str) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _build(places: Mapping[str, Workspace], jobs: int | None, quiet: bool) -> dict[str, Any]:
    """Build, with one line for each spec that changed or failed; a mistake ends nothing.

    Returns:
        What each lock looked like once it was written; of one that was removed at once, what no look finds.
    """
    from mlopsgen.cli.main import fault

    found: list[Diagnostic] = []
    locks: dict[str, Any] = {}
    tally = Tally()
    try:
        for outcome in outcomes(list(places), Options(), jobs):
            # Looked at before anything is told, which somebody may answer by an edit.
            lock = _status(_lock(places[outcome.spec]))
            locks[outcome.spec] = "removed" if lock is None and outcome.row is not None else lock
            tally.add(outcome)
            found += outcome.diagnostics
            if outcome.row is None:
                click.echo(words.styled(f"{outcome.spec}: failed", "error"))
            elif not quiet and (outcome.row["differs"] or len(places) == 1):
                click.echo(summary(outcome.row))
    except Exception as error:
        click.echo(fault(error), err=True)
    if len(places) > 1 and not quiet:
        click.echo(tally.told(False))
    words.tell(found, "text")
    return {spec: locks[spec] if spec in locks else _status(_lock(place)) for spec, place in places.items()}
