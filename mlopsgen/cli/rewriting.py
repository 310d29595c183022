"""Writing mlops.yaml itself: whole or not at all, and never over what someone else wrote meanwhile."""

from __future__ import annotations

import os
from difflib import unified_diff

from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output.exclusive import exclusive
from mlopsgen.output.roots import Roots
from mlopsgen.output.tree import Blocked, reason

WAIT = 30.0
"""Seconds to wait for a build in the same folder."""


def rewrite(workspace: Workspace, old: str, new: str) -> None:
    """Put a new text in place of the one that was read.

    Raises:
        Failed: E332 when the file no longer says `old`, E304 when it is a link, E308 when a build does not end, E309
            when the system refuses.
    """
    name = os.path.basename(workspace.spec)
    try:
        with Roots(workspace.folder, workspace.repository) as roots, exclusive(roots.trees, WAIT):
            tree = roots.project
            found = tree.read([name])
            if found is None or found.content != old.encode():
                raise Failed([_changed(workspace)])
            try:
                tree.discard([name])
                tree.stage([name], new.encode(), [])
                tree.commit([name], found.seen)
                tree.settle([name])
            finally:
                tree.discard([name])
    except Blocked as blocked:
        found_changed = blocked.code == "E309"
        message = f"'{workspace.spec}' {blocked.reason}"
        help = "Nothing was written. Name the file itself."
        refused = diagnose(blocked.code, message, path=workspace.spec, help=help)
        raise Failed([_changed(workspace) if found_changed else refused]) from blocked
    except OSError as error:
        message = f"could not write '{workspace.spec}': {reason(error)}"
        raise Failed([diagnose("E309", message, path=workspace.spec, help="Nothing was written.")]) from error


def _changed(workspace: Workspace) -> Diagnostic:
    message = f"{workspace.spec} was changed by someone else meanwhile, so nothing was written"
    return diagnose("E332", message, path=workspace.spec, help="run the command again")


def difference(workspace: Workspace, old: str, new: str) -> str:
    """A unified diff of the spec; empty when nothing changes."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    made = []
    for line in unified_diff(before, after, workspace.spec, workspace.spec, n=1):
        made.append(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n")
    return "".join(made)
