"""What changed rules and routes of alerts mean: which fire earlier or later, which are new, who hears of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

from mlopsgen.review import words
from mlopsgen.review.compare import same
from mlopsgen.review.documents import Files, changed
from mlopsgen.review.effects.effect import Effect
from mlopsgen.review.effects.manifests import FOLDER
from mlopsgen.review.parts import at, mapping, mappings

ROUTES = "monitoring/alertmanager.yaml"
LOCAL = "local/"
EARLIER, LATER, OTHERWISE, LABELS = "earlier", "later", "otherwise", "labels"

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0, "y": 31536000.0}
_LIMIT = re.compile(r"(?P<operator>>=|<=|>|<)\s*(?:bool\s+)?(?P<limit>-?[0-9.]+(?:[eE][-+]?[0-9]+)?)(?![\w.])")


def effects(base: Files, head: Files) -> Iterator[Effect]:
    """Effects of alerting rules, those of all environments and those in the cluster of each, and of the routes."""
    places: dict[str, list[str]] = {}
    for key in changed(base, head):
        if holds_rules(base, head, key):
            places.setdefault(key.split("/")[1] if key.startswith(FOLDER) else "", []).append(key)
    for environment, files in places.items():
        yield from _ruled(environment, files, base, head)
    if ROUTES in changed(base, head):
        yield from _routes(base, head)


def _ruled(environment: str, files: list[str], base: Files, head: Files) -> Iterator[Effect]:
    old, new = _rules(base, files), _rules(head, files)
    records = _records(base, files), _records(head, files)
    moved = {name for name in records[1] if name in records[0] and not same(records[0][name], records[1][name])}
    told: dict[str, list[tuple[str, str]]] = {}
    for name in dict.fromkeys((*old, *new)):
        for one, other in _matched(old.get(name, []), new.get(name, [])):
            verdict = _verdict(one, other, moved)
            if verdict:
                told.setdefault(verdict[0], []).append((name, verdict[1]))
    for how, alerts in told.items():
        facts = {"how": how, "alerts": [name for name, _ in alerts]}
        yield Effect("alerts", environment, _sentence(how, alerts), len(alerts), facts, tuple(files))
    if not told:
        yield _harmless(environment, files, bool(moved) or records[0].keys() != records[1].keys(), same(old, new))


def _sentence(how: str, alerts: list[tuple[str, str]]) -> str:
    """`2 alerts fire earlier: …`; a reason that all of them share stands once."""
    one = len(alerts) == 1
    title = {
        "new": "is new" if one else "are new",
        "gone": "is gone" if one else "are gone",
        OTHERWISE: "judges otherwise" if one else "judge otherwise",
        LABELS: "carries other labels" if one else "carry other labels",
    }.get(how, f"{'fires' if one else 'fire'} {how}")
    reasons = {why for _, why in alerts}
    names = [name for name, _ in alerts]
    if len(reasons) == 1:
        told = f"{words.some(names)} ({reasons.pop()})"
    else:
        told = words.some([f"{name} ({why})" for name, why in alerts], 3)
    return f"{words.count(len(alerts), 'alert')} {title}: {told}"


def _harmless(environment: str, files: list[str], recorded: bool, texts: bool) -> Effect:
    if recorded:
        text = "recorded series change that no alert reads"
        return Effect("configuration", environment, text, len(files), {}, tuple(files))
    text = "comments of rules change" if texts else "texts of alerts change, not when they fire"
    return Effect("metadata", environment, text, len(files), {}, tuple(files))


def holds_rules(base: Files, head: Files, key: str) -> bool:
    """Whether a file holds rules of Prometheus, on either side; those of the stack on one machine do not count."""
    if not key.endswith((".yaml", ".yml")) or key.endswith("_test.yaml") or key.startswith(LOCAL):
        return False
    return any(_groups(document) for files in (base, head) for document in files.objects(key).values())


def _groups(document: Any) -> list[Any]:
    """Groups of a file of Prometheus, or of a PrometheusRule; anything else has none."""
    found = document.get("groups") if isinstance(document, dict) else None
    if found is None and isinstance(document, dict) and document.get("kind") == "PrometheusRule":
        found = at(document, "spec.groups")
    return [group for group in mappings(found) if "rules" in group]


def _each(files: Files, keys: list[str]) -> Iterator[Any]:
    for key in keys:
        for document in files.objects(key).values():
            for group in _groups(document):
                yield from mappings(group["rules"])


def _rules(files: Files, keys: list[str]) -> dict[str, list[Any]]:
    """Alerts by name; several may have the same one."""
    found: dict[str, list[Any]] = {}
    for rule in _each(files, keys):
        if "alert" in rule:
            clean = {**rule, "expr": str(rule.get("expr", "")), "labels": mapping(rule.get("labels"))}
            found.setdefault(str(rule["alert"]), []).append(clean)
    return found


def _matched(old: list[Any], new: list[Any]) -> Iterator[tuple[Any, Any]]:
    """Alerts of one name before and after: those that are alike together, the rest in their order."""
    for alike in (same, lambda one, other: one["expr"] == other["expr"], _ask_alike):
        for one in list(old):
            other = next((each for each in new if alike(one, each)), None)
            if other is not None:
                old, new = _without(old, one), _without(new, other)
                yield one, other
    yield from zip_longest(old, new)


def _without(rules: list[Any], gone: Any) -> list[Any]:
    return [rule for rule in rules if rule is not gone]


def _ask_alike(one: Any, other: Any) -> bool:
    """Whether two alerts differ in their limits only."""
    return _LIMIT.sub(r"\g<operator> #", one["expr"]) == _LIMIT.sub(r"\g<operator> #", other["expr"])


def _records(files: Files, keys: list[str]) -> dict[str, Any]:
    found: dict[str, list[Any]] = {}
    for rule in _each(files, keys):
        if "record" in rule:
            found.setdefault(str(rule["record"]), []).append(rule)
    return dict(found)


def _verdict(old: Any, new: Any, moved: set[str]) -> tuple[str, str] | None:
    """How an alert differs and why, in words; None when it fires just as before."""
    if old is None or new is None:
        given = new or old
        return ("new" if old is None else "gone"), str(at(given, "labels.severity", "none"))
    directions: list[str] = []
    why: list[str] = []
    before, after = seconds(old.get("for", "0s")), seconds(new.get("for", "0s"))
    if before != after:
        directions.append(EARLIER if after < before else LATER)
        why.append(f"for {old.get('for', '0s')} → {new.get('for', '0s')}")
    if old["expr"] != new["expr"]:
        directions += _judged(old["expr"], new["expr"], why)
    elif any(name in new["expr"] for name in moved):
        directions.append(OTHERWISE)
        why.append("reads a recorded series that changed")
    one, other = old["labels"], new["labels"]
    names = sorted(str(name) for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    why += [f"{name} {words.value(one.get(name, 'none'))} → {words.value(other.get(name, 'none'))}" for name in names]
    if not directions:
        return (LABELS, "; ".join(why)) if names else None
    return directions[0] if len(set(directions)) == 1 else OTHERWISE, "; ".join(why)


def _judged(old: str, new: str, why: list[str]) -> list[str]:
    """Directions of two expressions that differ; `why` gets the words."""
    if not _ask_alike({"expr": old}, {"expr": new}):
        why.append("asks something else")
        return [OTHERWISE]
    found = []
    for one, other in zip(_LIMIT.finditer(old), _LIMIT.finditer(new), strict=True):
        was, now = float(one["limit"]), float(other["limit"])
        if was != now:
            above = one["operator"].startswith(">")
            found.append(EARLIER if (now < was) == above else LATER)
            why.append(f"{one['operator']} {one['limit']} → {other['limit']}")
    return found or [OTHERWISE]


def seconds(text: Any) -> float:
    """A duration of Prometheus, such as `1h30m`, in seconds."""
    return sum(float(number) * _SECONDS[unit] for number, unit in re.findall(r"([0-9.]+)(ms|[smhdwy])", str(text)))


def _routes(base: Files, head: Files) -> Iterator[Effect]:
    old, new = base.document(ROUTES), head.document(ROUTES)
    if old is None or new is None:
        text = f"routes of alerts are {'new' if old is None else 'gone'}"
        yield Effect("alerts", "", text, 1, {"how": "routes"}, (ROUTES,))
    elif same(old, new):
        yield Effect("metadata", "", "comments of the routes of alerts change", 1, {}, (ROUTES,))
    else:
        before, after = (mappings(mapping(side).get("receivers")) for side in (old, new))
        names = [{str(each.get("name")) for each in side} for side in (before, after)]
        heard = [each for each in after if each not in before]
        parts = [f"{words.listed(sorted(names[1] - names[0]))} new"] if names[1] - names[0] else []
        parts += [f"{words.listed(sorted(names[0] - names[1]))} gone"] if names[0] - names[1] else []
        other = sorted(str(each.get("name")) for each in heard if str(each.get("name")) in names[0])
        parts += [f"{words.listed(other)} otherwise"] if other else []
        text = "alerts are sent " + (f"to receivers that changed: {'; '.join(parts)}" if parts else "on other routes")
        yield Effect("alerts", "", text, 1, {"how": "routes"}, (ROUTES,))
