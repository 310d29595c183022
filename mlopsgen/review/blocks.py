"""Differences gathered where several objects change alike, so that each is read once."""

from __future__ import annotations

import json
from typing import NamedTuple

from mlopsgen.review.compare import Change, differences
from mlopsgen.review.documents import Files, Pair, changed, pairs


class Block(NamedTuple):
    """Objects and what changes in each of them in the same way.

    Attributes:
        kind: `create` and `remove` of whole objects, `change`, `layout` where only comments or layout differ.
        objects: sorted by file, in the file's order; `renamed` ones with their new names.
        changes: empty but for `change`.
    """

    kind: str
    objects: tuple[Pair, ...]
    changes: tuple[Change, ...]


def blocks(base: Files, head: Files) -> list[Block]:
    """Everything that differs: whole objects first, then what changes in most objects, then by file."""
    created: list[Pair] = []
    removed: list[Pair] = []
    alike: dict[str, tuple[Change, list[Pair]]] = {}
    layout: list[Pair] = []
    touched: set[str] = set()
    for pair in _matched(base, head):
        if pair.old is None or pair.new is None:
            (created if pair.old is None else removed).append(pair)
            touched.add(pair.file)
            continue
        for change in differences(pair.old, pair.new):
            touched.add(pair.file)
            alike.setdefault(_signature(change), (change, []))[1].append(pair)
    layout = [Pair(key, "", None, None) for key in changed(base, head) if key not in touched]
    found = [Block(kind, tuple(objects), ()) for kind, objects in (("create", created), ("remove", removed)) if objects]
    found += _gathered(alike)
    return found + ([Block("layout", tuple(layout), ())] if layout else [])


def _gathered(alike: dict[str, tuple[Change, list[Pair]]]) -> list[Block]:
    """Blocks of changes that the same objects share."""
    shared: dict[tuple[tuple[str, str], ...], tuple[list[Pair], list[Change]]] = {}
    for change, objects in alike.values():
        key = tuple((pair.file, pair.name) for pair in objects)
        shared.setdefault(key, (objects, []))[1].append(change)
    found = [Block("change", tuple(objects), tuple(changes)) for objects, changes in shared.values()]
    return sorted(found, key=lambda block: (-len(block.objects), block.objects[0].file))


def _signature(change: Change) -> str:
    return json.dumps([change.kind, change.path, change.old, change.new], sort_keys=True, default=str)


def _matched(base: Files, head: Files) -> list[Pair]:
    """The pairs, with an object that has another name now beside what it was.

    In one file, as many objects of a kind that go as come are the same ones in their order.
    """
    found: list[Pair] = []
    gone: dict[tuple[str, str], list[Pair]] = {}
    come: dict[tuple[str, str], list[Pair]] = {}
    for pair in pairs(base, head):
        side = gone if pair.new is None else come if pair.old is None else None
        if side is None:
            found.append(pair)
        else:
            side.setdefault((pair.file, pair.name.partition("/")[0]), []).append(pair)
    for place in dict.fromkeys((*gone, *come)):
        old, new = gone.get(place, []), come.get(place, [])
        if len(old) == len(new) and place[1]:
            found += [
                Pair(one.file, f"{one.name} → {other.name.partition('/')[2]}", one.old, other.new)
                for one, other in zip(old, new, strict=True)
            ]
        else:
            found += [*old, *new]
    return sorted(found, key=lambda pair: pair.file)
