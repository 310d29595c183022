"""What was in production when: entries that are only ever added, from which champion, aliases and tags follow.

MLflow has no compare-and-set and no transaction over an alias and a tag. So nothing here is locked. An operation adds
its entry first, under a name of its own, and then brings the registry into line with the last entry (`settle` in
`state`). The order of the entries is the same for everyone who reads them: by number, then time, then name. Two
promotions at once are two entries, and whoever looks next, first of all the two themselves, makes the later one the
champion. A process that dies between entry and alias leaves an entry that the next operation carries out.

An entry is a tag of the registered model, `ledger.NUMBER.NAME`; when it has been carried out, a second one,
`ledger.NUMBER.NAME.done`, says so.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from mlopsgen.contract import registry

Action = Literal["promote", "rollback", "found"]

DONE = ".done"


class Entry(NamedTuple):
    """One change of production.

    Attributes:
        number: one more than the last one that its writer saw.
        at: when, UTC, ISO 8601 with milliseconds.
        name: tells entries of the same number apart.
        action: `promote`, `rollback`, or `found`: somebody moved the alias without this program.
        version: in production from then on; None for nothing.
        by: who.
        run_id: run of the version.
        semantic_version: of the version.
        done: when it had been carried out; None before.
    """

    number: int
    at: str
    name: str
    action: Action
    version: str | None
    by: str = ""
    run_id: str | None = None
    semantic_version: str | None = None
    done: str | None = None

    @property
    def key(self) -> str:
        """Name of the tag."""
        return f"{registry.LEDGER}{self.number:06d}.{self.name}"


def now() -> str:
    """The time as entries hold it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read(tags: Mapping[str, str]) -> list[Entry]:
    """Entries among the tags of a registered model, in their order; tags that are no entries are left out."""
    found = []
    for key, value in tags.items():
        if not key.startswith(registry.LEDGER) or key.endswith(DONE):
            continue
        number, _, name = key.removeprefix(registry.LEDGER).partition(".")
        try:
            content = json.loads(value)
            entry = Entry(
                int(number), content.pop("at"), name, content.pop("action"), content.pop("version"), **content
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
        found.append(entry._replace(done=tags.get(key + DONE)))
    return sorted(found, key=lambda entry: entry[:3])


def following(entries: Sequence[Entry], action: Action, version: str | None, **facts: Any) -> Entry:
    """The entry after those."""
    number = entries[-1].number + 1 if entries else 1
    return Entry(number, now(), uuid.uuid4().hex[:8], action, version, **facts)


def written(entry: Entry) -> tuple[str, str]:
    """Key and value of the tag of an entry."""
    left = entry._asdict()
    content = {
        name: left[name] for name in ("at", "action", "version", "by", "run_id", "semantic_version") if left[name]
    }
    return entry.key, json.dumps({"version": None, **content})


def stack(entries: Sequence[Entry]) -> list[str]:
    """Champions that a rollback would return to one after the other, the present one last.

    A promotion lays a version on top; a rollback takes off what is above its version. Going back twice so leads two
    champions back, and not to and fro.
    """
    found: list[str] = []
    for entry in entries:
        if entry.version is None:
            continue
        back = entry.action == "rollback" or (entry.action == "found" and entry.version in found[-2:-1])
        if back and entry.version in found:
            del found[len(found) - found[::-1].index(entry.version) :]
        elif found[-1:] != [entry.version]:
            found.append(entry.version)
    return found


def retired(entries: Sequence[Entry]) -> list[str]:
    """Versions that were in production and are not, the one that retired last first."""
    champion = entries[-1].version if entries else None
    found: dict[str, None] = {}
    for entry in reversed(entries):
        if entry.version is not None and entry.version != champion:
            found.setdefault(entry.version)
    return list(found)
