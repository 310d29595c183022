"""Puts what no field says under `patches:` of the spec."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mlopsgen.diagnostics import Failed
from mlopsgen.review.absorb.hunks import text as joined
from mlopsgen.review.absorb.operations import ORDERS, patches
from mlopsgen.review.absorb.search import Attempt, Found
from mlopsgen.review.compare import same
from mlopsgen.review.documents import STRUCTURED, objects
from mlopsgen.review.writing import edit, notation
from mlopsgen.review.writing.splices import Refused
from mlopsgen.spec.load import parse

Entry = dict[str, Any]


def patch(found: Found, disk: Mapping[str, Sequence[str]], attempt: Attempt) -> tuple[str, list[Entry], dict[str, str]]:
    """Add patches for every file that a build would still write otherwise.

    Where operations on the values alone do not give the file on disk byte for byte, the keys of its mappings are put
    in order as well; where that does not either, the values alone are taken.

    Returns:
        The text of the spec, the entries that came, and by file why a patch was refused.
    """
    text, made, refused = found.text, [], {}
    for key, wanted in disk.items():
        built = attempt(text).lines[key]
        if built == list(wanted):
            continue
        best: tuple[str, list[Entry]] | None = None
        for order in ORDERS:
            entries = patches(key, joined(built), joined(wanted), order)
            if entries is None:
                refused[key] = _unfit(key, wanted)
                break
            if not entries:
                continue
            try:
                other = added(text, entries)
                result = attempt(other).lines[key]
            except (Refused, Failed) as error:
                refused[key] = _reason(error)
                continue
            if result == list(wanted):
                best = other, entries
                break
            doubtful = _doubtful(result, wanted)
            if doubtful:
                refused[key] = f"some readers take {doubtful} for a number, some for text; write it so that all agree"
                break
            if best is None and _alike(key, result, wanted):
                best = other, entries
        if best is not None:
            text = best[0]
            made += best[1]
            refused.pop(key, None)
    return text, made, refused


def _unfit(key: str, wanted: Sequence[str]) -> str:
    """Why no patch makes a file of another; empty for a file that patches never change."""
    if not key.endswith(STRUCTURED):
        return ""
    after = objects(key, joined(wanted))
    if isinstance(after.get(""), list):
        return "the file cannot be read as what its name says"
    return "its objects are others than mlopsgen makes"


def _alike(key: str, one: Sequence[str], other: Sequence[str]) -> bool:
    before, after = objects(key, joined(one)), objects(key, joined(other))
    return before.keys() == after.keys() and all(same(item, after[name]) for name, item in before.items())


def _doubtful(built: Sequence[str], wanted: Sequence[str]) -> str:
    """A plain value that would come out in quotes, since readers of YAML 1.1 and 1.2 differ on it, as in `3e-05`."""
    for one, other in zip(built, wanted, strict=False):
        if one != other and one.replace('"', "") == other:
            return other.strip()
    return ""


def _reason(error: Exception) -> str:
    return error.diagnostics[0].message if isinstance(error, Failed) else str(error)


def added(text: str, entries: Sequence[Entry]) -> str:
    """The spec with further patches; operations join the last entry for the same object. Raises `edit.Refused`."""
    for entry in entries:
        node = parse(text, edit.NAME).find(("patches",))
        present = node.plain() if node is not None and node.value else []
        here = [at for at, one in enumerate(present) if one.get("file") == entry["file"]]
        longer = text
        if here and present[here[-1]].get("object") == entry.get("object"):
            for operation in entry["ops"]:
                longer = edit.append(longer, ("patches", here[-1], "ops"), operation)
        text = longer if longer != text and not _is_wide(text, longer) else edit.append(text, ("patches",), entry)
    return text


def _is_wide(text: str, longer: str) -> bool:
    """Whether lines became too long to be read."""
    known = set(text.split("\n"))
    return any(len(line) > notation.WIDTH for line in longer.split("\n") if line not in known)
