"""What a build would change, found by comparing what is wanted, what the lock says and what is on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output.digest import digest, normal
from mlopsgen.output.lock import Lock
from mlopsgen.output.paths import LOCK, problem
from mlopsgen.output.roots import Roots
from mlopsgen.output.tree import Absent, Blocked, Found, Refused, Seen
from mlopsgen.render.files import Rendered

Kind = Literal["create", "update", "adopt", "unchanged", "remove", "keep", "left", "unmanaged"]

_WAYS_OUT = "Put the change under `patches:`, list the file under `unmanaged:`, or overwrite it with `--force`."
_MERGED = "It holds conflict markers: take either side with `git checkout --ours` or `--theirs`, or use `--force`."


class Change(NamedTuple):
    """What becomes of one file.

    Attributes:
        kind: `create` (absent), `update` (ours, differs), `adopt` (not ours, but says the same: no write),
            `unchanged`, `remove` (ours, no longer made), `keep` (the user's, there already),
            `left` (no longer made, but edited by hand: stays, no longer ours), `unmanaged` (not written).
        key: as in `Rendered.key`.
        target: name of the target.
        old: what is on disk; None when absent or not looked at.
        new: what it should say; None when nothing.
        seen: what the file looked like, so that a later edit is noticed.
    """

    kind: Kind
    key: str
    target: str
    old: bytes | None = None
    new: bytes | None = None
    seen: Seen | None = None

    @property
    def writes(self) -> bool:
        """Whether the file on disk changes."""
        return self.kind in ("create", "update", "remove")


class Plan(NamedTuple):
    """Everything that a build would do.

    Attributes:
        changes: sorted by key.
        warnings: W301 for each file that is `left`.
        files: what will be ours, as in `Lock`.
        kept: what was written once, as in `Lock`.
    """

    changes: tuple[Change, ...]
    warnings: tuple[Diagnostic, ...]
    files: dict[str, tuple[str, frozenset[str]]]
    kept: dict[str, str]


def compare(
    wanted: Sequence[Rendered], lock: Lock, roots: Roots, *, unmanaged: Iterable[str] = (), force: bool = False
) -> Plan:
    """Find what a build would change. Writes nothing.

    Args:
        wanted: every file that the targets made.
        lock: of the last build.
        roots: where files lie.
        unmanaged: keys that are neither written nor removed.
        force: overwrite files that were edited by hand or that mlopsgen did not write.

    Raises:
        Failed: all at once, sorted by key: E301 not ours, E302 edited by hand, E304 a symbolic link, E305 a path
            that leaves the project, E306 something else in the way, E307 two files at one path.
    """
    left_alone = {roots.location(key) for key in unmanaged if not problem(key.removeprefix("//"))}
    keyed = [(item.key, item) for item in wanted]
    errors = _impossible(keyed, roots)
    bad = {error.path for error in errors}

    def ours(key: str) -> bool:
        return not left_alone or roots.location(key) not in left_alone

    managed = {key: item for key, item in keyed if key not in bad and ours(key)}
    stale = {key: value for key, value in lock.files.items() if key not in managed and ours(key)}
    owned = _follow_renames(managed, stale, lock, roots)
    changes = [
        Change("unmanaged", key, item.target, new=item.content)
        for key, item in keyed
        if key not in bad and key not in managed
    ]
    for key, item in managed.items():
        try:
            changes.append(_wanted(key, item, owned.get(key), roots, force))
        except Blocked as blocked:
            errors.append(_in_the_way(key, blocked))
        except Failed as failed:
            errors.extend(failed.diagnostics)
    for key, (target, digests) in stale.items():
        try:
            changes.extend(_stale(key, target, digests, roots))
        except Refused as refused:
            errors.append(_in_the_way(key, refused))
    if errors:
        raise Failed(sorted(errors, key=lambda error: (error.path, error.code, error.message)))
    changes.sort(key=lambda change: change.key)
    return Plan(
        tuple(changes),
        tuple(_left(change.key) for change in changes if change.kind == "left"),
        {key: (i.target, frozenset({digest(i.content)})) for key, i in managed.items() if not i.keep},
        {key: i.target for key, i in managed.items() if i.keep},
    )


def _impossible(wanted: Sequence[tuple[str, Rendered]], roots: Roots) -> list[Diagnostic]:
    """Judge the paths alone, without the disk: E305 and E307."""
    errors: list[Diagnostic] = []
    makers: dict[str, Rendered] = {}
    own = {roots.location(name) for name in (LOCK, "mlops.yaml")}
    for key, item in sorted(wanted, key=lambda each: (each[0], each[1].target)):
        why = problem(item.path)
        location = "" if why else roots.location(key)
        if location in own:
            why = "it is the spec or the lock itself"
        if why:
            message = f"target {item.target} makes a file at {item.path!r}, which cannot be: {why}"
            errors.append(diagnose("E305", message, path=key, help="Give it a path inside the project."))
        elif location in makers:
            errors.append(_twice(makers[location], item, "both make"))
        else:
            makers[location] = item
    if makers.keys() & _folders(makers):
        for location, item in makers.items():
            for folder in _folders([location]) & makers.keys():
                errors.append(_twice(makers[folder], item, "make, as a file and as a folder,"))
    return errors


def _folders(locations: Iterable[str]) -> set[str]:
    """Every folder above these files."""
    found: set[str] = set()
    for location in locations:
        above = location.rpartition("/")[0]
        while above and above not in found:
            found.add(above)
            above = above.rpartition("/")[0]
    return found


def _twice(one: Rendered, other: Rendered, how: str) -> Diagnostic:
    paths = " and ".join(repr(path) for path in dict.fromkeys((one.key, other.key)))
    message = f"targets {one.target} and {other.target} {how} {paths}"
    return diagnose("E307", message, path=other.key, help="Give one of them another path. Case makes no difference.")


def _follow_renames(
    managed: dict[str, Rendered], stale: dict[str, tuple[str, frozenset[str]]], lock: Lock, roots: Roots
) -> dict[str, frozenset[str]]:
    """Return the digests by which we own each file, and take out of `stale` what is the same file under a new key.

    Where case does not count, `Docs/a` and `docs/a` are one file: to remove the one would remove the other.
    """
    owned = {key: digests for key, (_, digests) in lock.files.items()}
    if not stale:
        return owned
    keys = {roots.location(key): key for key in managed}
    for old in list(stale):
        new = keys.get(roots.location(old))
        if new is None:
            continue
        (tree, names), (other, others) = roots.place(old), roots.place(new)
        identity = tree.identity(names)
        if identity and identity == other.identity(others):
            owned[new] = owned.get(new, frozenset()) | stale.pop(old)[1]
    return owned


def _wanted(key: str, item: Rendered, owned: frozenset[str] | None, roots: Roots, force: bool) -> Change:
    """Compare one wanted file with the disk. Raises Blocked, and Failed with E301 or E302."""
    tree, names = roots.place(key)
    where = (key, item.target)
    if item.keep:
        if tree.holds(names):
            return Change("keep", *where)
        return Change("create", *where, new=item.content)
    found = tree.read(names)
    if found is None:
        return Change("create", *where, new=item.content)
    if normal(found.content) == normal(item.content):
        return Change("adopt" if owned is None else "unchanged", *where, found.content, item.content, found.seen)
    if not force and (owned is None or digest(found.content) not in owned):
        raise Failed([_not_ours(key, found, owned is not None)])
    return Change("update", *where, found.content, item.content, found.seen)


def _stale(key: str, target: str, digests: frozenset[str], roots: Roots) -> list[Change]:
    """Decide about a file that is no longer made; nothing when it is gone already. Raises Refused."""
    tree, names = roots.place(key)
    try:
        found = tree.read(names)
    except Refused:
        raise
    except Absent:
        return []
    except Blocked:
        return [Change("left", key, target)]
    if found is None:
        return []
    kind: Kind = "remove" if digest(found.content) in digests else "left"
    return [Change(kind, key, target, found.content, seen=found.seen)]


def _not_ours(key: str, found: Found, known: bool) -> Diagnostic:
    if known:
        help = _MERGED if b"\n<<<<<<< " in b"\n" + found.content else _WAYS_OUT
        return diagnose("E302", f"'{key}' was edited by hand since the last build", path=key, help=help)
    message = f"'{key}' is there already, and mlopsgen did not write it"
    return diagnose("E301", message, path=key, help=_WAYS_OUT)


def _in_the_way(key: str, blocked: Blocked) -> Diagnostic:
    help = "Move away what is there, or list the file under `unmanaged:`."
    return diagnose(blocked.code, f"'{key}' {blocked.reason}", path=key, help=help)


def _left(key: str) -> Diagnostic:
    message = f"'{key}' is no longer made, but was edited by hand, so it stays and is yours now"
    return diagnose("W301", message, path=key, help="Delete it if you do not need it.")
