"""From one document to another in operations of RFC 6902."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import SequenceMatcher
from typing import Any, Literal

from mlopsgen.review.compare import same
from mlopsgen.review.documents import STRUCTURED, objects

Operation = dict[str, Any]


Order = Literal["any", "move", "replace"]
ORDERS: tuple[Order, ...] = ("any", "move", "replace")
"""What is done for a key that came amid others: nothing, so that it stands last; those behind it are put aside and
back, which keeps their comments; the mapping is replaced."""

ASIDE = "x-aside"
MOST = 10
"""Keys that are put aside and back."""


def patches(key: str, built: bytes, disk: bytes, order: Order) -> list[dict[str, Any]] | None:
    """Entries of `patches:` after which a build would say what is on disk; None where no patch can say it."""
    if not key.endswith(STRUCTURED):
        return None
    before, after = objects(key, built), objects(key, disk)
    if list(before) != list(after) or any(isinstance(item, list) and not name for name, item in after.items()):
        return None
    found = []
    for name, old in before.items():
        done = list(operations(old, after[name], order=order))
        if done and len(before) > 1 and (not name or " (" in name or name.startswith("document ")):
            return None
        if done:
            entry: dict[str, Any] = {"file": key.removeprefix("//")}
            found.append(entry | ({"object": name} if len(before) > 1 else {}) | {"ops": done})
    return found


def operations(old: Any, new: Any, pointer: str = "", order: Order = "any") -> Iterator[Operation]:
    """Operations that make `new` of `old`; each stays where it is while those after it are carried out."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        yield from _mappings(old, new, pointer, order)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, pointer, order)
    elif not same(old, new) or type(old) is not type(new):
        yield {"op": "replace", "path": pointer, "value": new}


def _mappings(old: Mapping[Any, Any], new: Mapping[Any, Any], pointer: str, order: Order) -> Iterator[Operation]:
    natural = [key for key in old if key in new] + [key for key in new if key not in old]
    if order == "replace" and natural != list(new):
        yield {"op": "replace", "path": pointer, "value": new}
        return
    for key in old:
        below = f"{pointer}/{_escaped(key)}"
        if key not in new:
            yield {"op": "remove", "path": below}
        else:
            yield from operations(old[key], new[key], below, order)
    for key in new:
        if key not in old:
            yield {"op": "add", "path": f"{pointer}/{_escaped(key)}", "value": new[key]}
    if order == "move":
        yield from _ordered(natural, list(new), pointer)


def _ordered(now: list[Any], wanted: list[Any], pointer: str) -> Iterator[Operation]:
    """Put keys aside and back, which makes each the last one, until they stand as is wanted."""
    begin = next((at for at, key in enumerate(wanted) if now[at] != key), len(wanted))
    behind = wanted[begin:]
    last = next((count for count in range(len(behind), 0, -1) if now[-count:] == behind[:count]), 0)
    if len(behind) - last > MOST or ASIDE in wanted:
        return
    for key in behind[last:]:
        yield {"op": "move", "from": f"{pointer}/{_escaped(key)}", "path": f"{pointer}/{ASIDE}"}
        yield {"op": "move", "from": f"{pointer}/{ASIDE}", "path": f"{pointer}/{_escaped(key)}"}


def _lists(old: list[Any], new: list[Any], pointer: str, order: Order) -> Iterator[Operation]:
    """From the end to the start, so that no index moves before it is used."""
    matched = SequenceMatcher(None, [repr(item) for item in old], [repr(item) for item in new], autojunk=False)
    for kind, i, i_end, j, j_end in reversed(matched.get_opcodes()):
        if kind == "equal":
            continue
        shared = min(i_end - i, j_end - j)
        for index in range(i_end - 1, i + shared - 1, -1):
            yield {"op": "remove", "path": f"{pointer}/{index}"}
        for step in range(j_end - j - shared):
            yield {"op": "add", "path": f"{pointer}/{i + shared + step}", "value": new[j + shared + step]}
        for step in range(shared - 1, -1, -1):
            yield from operations(old[i + step], new[j + step], f"{pointer}/{i + step}", order)


def _escaped(key: Any) -> str:
    return str(key).replace("~", "~0").replace("/", "~1")
