"""What differs between two values, field by field; order counts only where it means something."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import Any, Literal, NamedTuple

from mlopsgen.review.documents import embedded

Kind = Literal["add", "remove", "change", "move"]
Path = tuple[str, ...]

NAMES = ("name", "id", "job_name", "key", "mountPath", "topologyKey", "refId", "receiver", "title", "path", "uid")
"""Fields by which the entries of a list of mappings are told apart, the first that all of them have."""

PORTS = (("protocol", "port"), ("containerPort",), ("port",))
"""The same for lists of ports without names."""

PATHS = ("deps", "params", "outs", "metrics", "plots")
"""Lists of DVC: a path, or a mapping from one path to how it is treated."""

UNORDERED = {
    *PATHS,
    *("resources", "verbs", "apiGroups", "resourceNames", "values", "names", "namespaces", "branches", "needs"),
    *("policyTypes", "hosts", "accessModes", "drop", "add", "group_by", "equal", "matchers", "source_matchers"),
    *("target_matchers", "tags", "gateways", "runs-on", "methods"),
}
"""Lists of scalars in which order means nothing."""

ORDERED = {"steps", "initContainers", "http", "routes", "relabel_configs", "metric_relabel_configs", "rules"}
"""Lists whose entries have names and whose order still counts."""


class Change(NamedTuple):
    """One difference.

    Attributes:
        path: keys from the object down; an entry of a list stands as `[name]`.
        old: None when it was absent.
        new: None when it is absent.
    """

    kind: Kind
    path: Path
    old: Any
    new: Any


def differences(old: Any, new: Any, path: Path = ()) -> Iterator[Change]:
    """Every difference, in the order of the new value."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from _mappings(old, new, path)
    elif isinstance(old, list) and isinstance(new, list):
        yield from _lists(old, new, path)
    elif not same(old, new):
        inside = _inside(path[-1] if path else "", old, new)
        if inside is not None:
            yield from _mappings(*inside, path)
        else:
            yield Change("change", path, old, new)


def same(old: Any, new: Any) -> bool:
    """Whether two values say the same; 1 and 1.0 do, 1 and true do not."""
    if isinstance(old, bool) or isinstance(new, bool):
        return old is new
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(same(value, new[key]) for key, value in old.items())
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(same, old, new))
    return bool(old == new)


def _inside(name: str, old: Any, new: Any) -> tuple[dict[Any, Any], dict[Any, Any]] | None:
    if not (isinstance(old, str) and isinstance(new, str)):
        return None
    before, after = embedded(name, old), embedded(name, new)
    return None if before is None or after is None or same(before, after) else (before, after)


def _mappings(old: dict[Any, Any], new: dict[Any, Any], path: Path) -> Iterator[Change]:
    for key in dict.fromkeys((*old, *new)):
        below = (*path, str(key))
        if key not in new:
            yield Change("remove", below, old[key], None)
        elif key not in old:
            yield Change("add", below, None, new[key])
        else:
            yield from differences(old[key], new[key], below)


def _lists(old: list[Any], new: list[Any], path: Path) -> Iterator[Change]:
    name = next((part for part in reversed(path) if not part.startswith("[")), "")
    identify = _identify(name, old + new, old, new)
    if identify is not None:
        yield from _keyed(old, new, path, identify, name in ORDERED)
    elif name in UNORDERED and not any(isinstance(item, dict | list) for item in old + new):
        yield from _sets(old, new, path)
    else:
        yield from _sequences(old, new, path)


Identify = Callable[[Any], Hashable]


def _identify(name: str, every: list[Any], old: list[Any], new: list[Any]) -> Identify | None:
    """How entries are told apart; None when nothing tells them apart in both lists."""
    if name in PATHS:
        candidates: list[Identify] = [lambda item: str(next(iter(item), "")) if isinstance(item, dict) else str(item)]
    elif not every or not all(isinstance(item, dict) for item in every):
        return None
    else:
        candidates = [lambda item: item.get("alert") or item.get("record")]
        candidates += [lambda item, field=field: item.get(field) for field in NAMES]  # type: ignore[misc]
        candidates += [
            lambda item, fields=fields: tuple(item.get(field) for field in fields) if fields[-1] in item else None  # type: ignore[misc]
            for fields in PORTS
        ]
    for candidate in candidates:
        if _tells_apart(candidate, old) and _tells_apart(candidate, new):
            return candidate
    return None


def _tells_apart(identify: Identify, items: list[Any]) -> bool:
    keys = [identify(item) for item in items]
    try:
        return all(key is not None for key in keys) and len(set(keys)) == len(keys)
    except TypeError:
        return False


def _keyed(old: list[Any], new: list[Any], path: Path, identify: Identify, ordered: bool) -> Iterator[Change]:
    before = {identify(item): item for item in old}
    after = {identify(item): item for item in new}
    for key in dict.fromkeys((*before, *after)):
        below = (*path, f"[{_label(key)}]")
        if key not in after:
            yield Change("remove", below, before[key], None)
        elif key not in before:
            yield Change("add", below, None, after[key])
        else:
            yield from differences(before[key], after[key], below)
    was, now = [key for key in before if key in after], [key for key in after if key in before]
    if ordered and was != now:
        yield Change("move", path, [_label(key) for key in was], [_label(key) for key in now])


def _label(key: Hashable) -> str:
    return " ".join(str(part) for part in key if part is not None) if isinstance(key, tuple) else str(key)


def _sets(old: list[Any], new: list[Any], path: Path) -> Iterator[Change]:
    before, after = Counter(map(str, old)), Counter(map(str, new))
    for item in dict.fromkeys(map(str, (*old, *new))):
        if before[item] > after[item]:
            yield Change("remove", (*path, f"[{item}]"), item, None)
        elif after[item] > before[item]:
            yield Change("add", (*path, f"[{item}]"), None, item)


def _sequences(old: list[Any], new: list[Any], path: Path) -> Iterator[Change]:
    """Lists whose order counts and whose entries have no names: aligned, then compared entry by entry."""
    if path and all(not isinstance(item, dict | list) for item in old + new):
        if not same(old, new):
            yield Change("change", path, old, new)
        return
    aligned = difflib.SequenceMatcher(None, [_text(item) for item in old], [_text(item) for item in new], False)
    for kind, i, j, k, m in aligned.get_opcodes():
        if kind == "equal":
            continue
        paired = min(j - i, m - k)
        for offset in range(paired):
            yield from differences(old[i + offset], new[k + offset], (*path, f"[{k + offset + 1}]"))
        for index in range(i + paired, j):
            yield Change("remove", (*path, f"[{index + 1}]"), old[index], None)
        for index in range(k + paired, m):
            yield Change("add", (*path, f"[{index + 1}]"), None, new[index])


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def dotted(path: Path) -> str:
    """A path as people write it: `spec.template.metadata.annotations."checksum/settings"`, `rules[ModelDown].for`."""
    text = ""
    for part in path:
        if part.startswith("["):
            text += part
        else:
            plain = part.replace("_", "").replace("-", "").isalnum()
            text += ("." if text else "") + (part if plain else f'"{part}"')
    return text
