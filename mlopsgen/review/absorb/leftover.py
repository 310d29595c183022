"""What the spec cannot say: comments, layout, files that no patch fits, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from mlopsgen.diagnostics import Diagnostic, diagnose
from mlopsgen.review import lines, words
from mlopsgen.review.absorb.hunks import Hunk, hunks, says_nothing, text, undone
from mlopsgen.review.documents import STRUCTURED, YAML, objects
from mlopsgen.review.origins import Made

MOST = 40
"""Changes of a file that are looked at one by one for what they say."""

_PINNED = re.compile(
    r"uses: (?P<action>[\w./-]+)@[0-9a-f]{40} # v[0-9.]+\s*$|FROM (?P<image>[\w./:-]+)@sha256:[0-9a-f]{64}"
)
_COMMENT = re.compile(r"\s+#.*$")


def untouchable(made: Made, there: bool) -> Diagnostic | None:
    """Why nothing is absorbed from a file; None when it can be looked at."""
    shown = made.key.removeprefix("//")
    if made.unmanaged:
        message = f"{shown} is listed under `unmanaged:`, so it is yours as it is"
        return diagnose("W332", message, path=shown, help="nothing need be done; no build writes it")
    if made.keep:
        message = f"{shown} was written once and is yours since"
        return diagnose("W332", message, path=shown, help="nothing need be done; no build writes it again")
    if not there:
        help = "list it under `unmanaged:`, or switch its group off under `targets:`, to keep it from coming again"
        return diagnose("W332", f"{shown} is not on disk", path=shown, help=help)
    return None


def masked(made: Made, built: Sequence[str], disk: Sequence[str]) -> tuple[list[str], list[Diagnostic]]:
    """The file on disk without what only a comment, layout or a lone pin says, and a word about each such thing."""
    every = hunks(made.key, built, disk)
    pins = [hunk for hunk in every if _pin(hunk)]
    notes = [_lone_pin(made, pins)] if pins else []
    mute = [hunk for hunk in every[:MOST] if hunk not in pins and says_nothing(hunk, disk)]
    if mute:
        notes.append(_layout(made, [hunk.at for hunk in mute]))
    left = undone(disk, [*pins, *mute])
    behind = [hunk for hunk in hunks(made.key, built, left)[:MOST] if _comment_behind(hunk)]
    for hunk in behind:
        before = objects(hunk.key, text(left))
        bare = _COMMENT.sub("", hunk.new[0]) + _behind(hunk.old[0])
        other = [*left[: hunk.at - 1], bare, *left[hunk.at :]]
        if repr(objects(hunk.key, text(other))) == repr(before):
            left = other
            notes.append(_layout(made, [hunk.at]))
    return left, notes


def _pin(hunk: Hunk) -> bool:
    if hunk.kind != "change":
        return False
    old, new = _PINNED.search(hunk.old[0]), _PINNED.search(hunk.new[0])
    return bool(old and new and old.groups() == new.groups())


def _comment_behind(hunk: Hunk) -> bool:
    return hunk.kind == "change" and hunk.key.endswith(YAML) and _behind(hunk.new[0]) != _behind(hunk.old[0])


def _behind(line: str) -> str:
    found = _COMMENT.search(line)
    return found[0] if found else ""


def _lone_pin(made: Made, pins: Sequence[Hunk]) -> Diagnostic:
    shown = made.key.removeprefix("//")
    found = [_PINNED.search(hunk.old[0]) for hunk in pins]
    names = list(dict.fromkeys(match["action"] or match["image"] for match in found if match))
    message = (
        f"{shown}:{words.some([str(hunk.at) for hunk in pins])} does not have the pin in force of {words.some(names)}"
    )
    help = "a newer pin holds for every use, an older one is not taken: change all uses in the file, or take it back"
    return diagnose("W334", message, path=shown, help=help)


def _layout(made: Made, at: Sequence[int]) -> Diagnostic:
    shown = made.key.removeprefix("//")
    message = f"{shown}:{lines.ranges(at)} has a comment or layout of its own, which mlops.yaml cannot say"
    return diagnose("W330", message, path=shown, help=_way_out(made))


def _way_out(made: Made) -> str:
    shown = made.key.removeprefix("//")
    own = ""
    if made.making == "own template":
        own = f"change your template {made.template}, "
    elif made.template:
        own = f"put a template of your own at {made.template} below `templates:`, "
    return f"{own}list {shown} under `unmanaged:`, or let `mlopsgen build --force` drop it"


def notes(
    made: Made, remaining: Sequence[Hunk], built: Sequence[str], disk: Sequence[str], refused: str
) -> list[Diagnostic]:
    """What is left of a file when all that could be was absorbed; nothing when a build leaves it as it is.

    Args:
        refused: why no patch does it; may be empty.
    """
    if not remaining:
        return []
    shown = made.key.removeprefix("//")
    structured = made.key.endswith(STRUCTURED)
    if structured and repr(objects(made.key, text(built))) == repr(objects(made.key, text(disk))):
        return [_layout(made, [number for hunk in remaining for number in _numbers(hunk)])]
    found = []
    for hunk in remaining:
        said = (hunk.new or hunk.old)[0].strip()
        what = (
            f"{shown}:{hunk.at} `{words.value(said)}`"
            if hunk.new
            else f"{shown}:{hunk.at} without `{words.value(said)}`"
        )
        why = refused or (
            "no field says it" if structured else "no field says it, and patches change YAML and JSON only"
        )
        found.append(diagnose("W331", f"{what} cannot be absorbed: {why}", path=shown, help=_way_out(made)))
    return found


def _numbers(hunk: Hunk) -> range:
    return range(hunk.at, hunk.at + max(len(hunk.new), 1))
