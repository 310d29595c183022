"""Which specs of a repository may say something else than in a revision."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import click

from mlopsgen.cli.finding import SKIPPED, wanted
from mlopsgen.cli.words import tell
from mlopsgen.cli.workspace import SHARED, SPEC, Workspace
from mlopsgen.diagnostics import Diagnostic
from mlopsgen.output import lock
from mlopsgen.output.repository import repository_root
from mlopsgen.review import words
from mlopsgen.review.revision import Revision, Where

MOST = 3
"""Files left of a spec that are named."""


class Gone(NamedTuple):
    """A spec that only the revision has.

    Attributes:
        spec: its path from here.
        files: how many were generated from it.
        left: those that are still on disk, from the top of the repository.
    """

    spec: str
    files: int
    left: tuple[str, ...]

    @property
    def told(self) -> str:
        """In words, for one line."""
        told = f"{self.spec} is gone; what it deployed stays in the cluster until it is deleted there"
        if not self.left:
            return told
        more = f" and {len(self.left) - MOST} more" if len(self.left) > MOST else ""
        return f"{told}; of its {self.files} files are left {', '.join(self.left[:MOST])}{more}"


class Affected(NamedTuple):
    """Specs by what a revision knows of them.

    Attributes:
        base: the revision, in words.
        specs: those that may say something else there, in order.
        new: those that it does not have.
        gone: those that it alone has.
        same: how many are as they were, with all that goes into them.
    """

    base: str
    specs: list[str]
    new: list[str]
    gone: list[Gone]
    same: int

    def told(self, changed: int, form: str) -> str:
        """What came and went, and a line over all specs, of which so many changed. As `text` or `markdown`."""
        counts = {
            "changed": changed,
            "new": len(self.new),
            "unchanged": self.same + len(self.specs) - changed,
            "gone": len(self.gone),
        }
        parts = ", ".join(f"{number} {word}" for word, number in counts.items() if number) or "none"
        total = words.count(self.same + len(self.specs) + len(self.new), "spec")
        rows = [*(f"{spec} is new" for spec in self.new), *(each.told for each in self.gone)]
        last = f"{total} against {self.base}: {parts}"
        if form == "text":
            return "\n".join([*rows, last])
        listed = [f"- {words.escaped(row)}\n" for row in rows]
        return "".join([*listed, "\n" if listed else "", words.escaped(last), "\n"])

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        gone = [{"spec": each.spec, "files": each.files, "left": list(each.left)} for each in self.gone]
        return {"new": self.new, "gone": gone}


class Meant(NamedTuple):
    """Specs that a comparison is about, warnings, and with `--all` what the revision knows of the others."""

    specs: list[str]
    notes: list[Diagnostic]
    among: Affected | None


def meant(specs: Sequence[str], every: bool, base: str | None, unchanged: bool = False) -> Meant:
    """Specs of a command line that are to be compared with a base: with `--all` those that changed since a revision.

    Args:
        base: a revision; None and `lock` are none.
        unchanged: also those that did not change, where another mlopsgen may have made something else of them.

    Raises:
        Failed: E320 and E321 about the revision, E360, and what is wrong with the workspace file.
        UsageError: a base of one file for all specs.
    """
    found, notes = wanted(specs, every)
    if not every or base in (None, "lock"):
        return Meant(found, notes, None)
    if ":" in base:
        raise click.UsageError(f"`{base}` names one file, and `--all` means many: name the revision alone")
    among = affected(found, specs[0] if specs else None, base, unchanged)
    return Meant(among.specs, notes, among)


def affected(specs: Sequence[str], folder: str | None, base: str, unchanged: bool = False) -> Affected:
    """Sort specs by what changed on disk since a revision: beside them, in the workspace file, in their workflows.

    Args:
        specs: all that were found below `folder`.
        folder: left out: the root of the repository.
        unchanged: take those that did not change for changed.

    Raises:
        Failed: E320 and E321.
    """
    revision = Revision(folder or repository_root(os.getcwd()), base)
    changed = revision.changed()
    touched, new, same = [], [], 0
    for spec in specs:
        place = Workspace(spec)
        where = _where(revision, place)
        if where.path not in revision.entries:
            new.append(spec)
        elif unchanged or _touched(place, where, changed):
            touched.append(spec)
        else:
            same += 1
    return Affected(revision.shown, touched, new, _gone(revision, folder, changed), same)


def _inside(revision: Revision, path: str) -> str:
    return os.path.relpath(path, revision.top).replace(os.sep, "/")


def _where(revision: Revision, place: Workspace) -> Where:
    path = _inside(revision, os.path.join(place.folder, place.spec_file))
    return Where.of(path.removesuffix(place.spec_file), place.spec_file, place.relative)


def _touched(place: Workspace, where: Where, changed: frozenset[str]) -> bool:
    """Whether anything changed that may go into a spec: pins stand in generated files too."""
    if where.root + SHARED in changed or any(each.startswith(where.folder) for each in changed):
        return True
    if not any(each.startswith(where.root) for each in changed):
        return False
    try:
        keys = lock.read(place.folder).files
    except OSError:
        return True
    return not changed.isdisjoint(map(where.locate, keys))


def _gone(revision: Revision, folder: str | None, changed: frozenset[str]) -> list[Gone]:
    start = _inside(revision, os.path.realpath(folder)) if folder is not None else ""
    start = "" if start in ("", ".") else f"{start}/"
    found = []
    for path in revision.specs(SPEC):
        hidden = any(part.startswith(".") or part in SKIPPED for part in path.split("/"))
        here = _on_disk(revision, path)
        # What a sparse checkout leaves out is not there and has not changed.
        if hidden or not path.startswith(start) or path not in changed or os.path.lexists(here):
            continue
        where = _where(revision, Workspace(here))
        made = [where.locate(key) for key in revision.lock(where).files]
        left = tuple(name for name in made if os.path.lexists(_on_disk(revision, name)))
        found.append(Gone(os.path.relpath(here), len(made), left))
    return found


def _on_disk(revision: Revision, path: str) -> str:
    return os.path.join(revision.top, *path.split("/"))


def end(
    form: str,
    found: Sequence[Diagnostic],
    among: Affected | None,
    name: str,
    results: Sequence[Any],
    row: Callable[[Any], Any],
) -> None:
    """Say what a comparison has to say at its end.

    Args:
        form: `text`, `markdown` or `json`.
        found: warnings and mistakes.
        among: with `--all`.
        name: of the list of results in JSON.
        results: of the specs that differ, which other forms have told by now.
        row: one of them in JSON.
    """
    if form == "json":
        tell(found, "json", **{name: [row(each) for each in results]}, **(among.as_json() if among else {}))
        return
    if among:
        click.echo(among.told(len(results), form))
    tell(found, "text")
