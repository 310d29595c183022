"""`mlops.lock`: which files are ours, and what they said when we wrote them.

One short line per fact, sorted, so that it reads and merges well:

    mlopsgen 0.1.0                          the version that wrote it
    spec <digest>                           of everything that went in
    pin <name> <version> <digest>           an action or image that is held fast
    file <digest> <target> <path>           a file that is ours; several digests while a build runs or after a merge
    keep <target> <path>                    a file that was written once and is the user's

A path that starts with `//` lies at the root of the repository. This module imports nothing heavy: a build with
nothing to do reads the lock.
"""

from __future__ import annotations

import os

from mlopsgen.output.digest import LENGTH
from mlopsgen.output.paths import LOCK, problem, split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

HEADER = "# Written by mlopsgen: commit it, do not edit it."
MAX_LOCK = 16 * 1024 * 1024
"""Bytes beyond which a lock is taken for damaged."""

_HEX = frozenset("0123456789abcdef")


class Lock:
    """What a lock says.

    Attributes:
        generator: version of mlopsgen; empty when unknown or when two versions were merged.
        inputs: digest of everything that went in; empty when unknown, while a build runs, or after a merge.
        pins: name to version and digest.
        files: key to the target that made the file and the digests that it may have.
        kept: key to the target of a file that is written once.
        healed: something in it was not understood, such as conflict markers, and was skipped.
        damaged: why it cannot be used at all; empty when it can.
    """

    __slots__ = ("damaged", "files", "generator", "healed", "inputs", "kept", "pins")

    def __init__(
        self,
        generator: str = "",
        inputs: str = "",
        pins: Mapping[str, tuple[str, str]] | None = None,
        files: Mapping[str, tuple[str, frozenset[str]]] | None = None,
        kept: Mapping[str, str] | None = None,
        healed: bool = False,
        damaged: str = "",
    ) -> None:
        self.generator = generator
        self.inputs = inputs
        self.pins = dict(pins or {})
        self.files = dict(files or {})
        self.kept = dict(kept or {})
        self.healed = healed
        self.damaged = damaged

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lock) and all(getattr(self, a) == getattr(other, a) for a in self.__slots__)

    def __repr__(self) -> str:
        return f"Lock({', '.join(f'{a}={getattr(self, a)!r}' for a in self.__slots__)})"

    __hash__ = None  # type: ignore[assignment]


_keys: set[str] = set()
"""Keys that were looked at: the locks of many projects name the same files."""

_MANY = 10_000


def read(folder: str) -> Lock:
    """Read the lock of a folder for what it tells; see `parse`. Raises OSError."""
    with open(os.path.join(folder, LOCK), "rb") as stream:
        return parse(stream.read(MAX_LOCK + 1))


def parse(data: bytes) -> Lock:
    """Read a lock. Never raises: what is not understood sets `healed`, what cannot be read at all sets `damaged`."""
    if len(data) > MAX_LOCK:
        return Lock(damaged=f"it is larger than {MAX_LOCK // 1024 // 1024} MiB")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        return Lock(damaged=f"byte {error.start + 1} is not UTF-8")
    if "\0" in text:
        return Lock(damaged="it holds a NUL byte")
    lock = Lock()
    generators: set[str] = set()
    inputs: set[str] = set()
    for row in text.split("\n"):
        line = row.removesuffix("\r")
        if not line or line.startswith("#"):
            continue
        kind, _, rest = line.partition(" ")
        if kind == "mlopsgen" and _words(rest, 1):
            generators.add(rest)
        elif kind == "spec" and (not rest or _is_digest(rest)):
            inputs.add(rest)
        elif not _fact(lock, kind, rest):
            lock.healed = True
    lock.generator = generators.pop() if len(generators) == 1 else ""
    lock.inputs = inputs.pop() if len(inputs) == 1 else ""
    for key in lock.kept.keys() & lock.files.keys():
        del lock.kept[key]
        lock.healed = True
    return lock


def _fact(lock: Lock, kind: str, rest: str) -> bool:
    """Put one `pin`, `file` or `keep` line into the lock; False when it is none."""
    if kind == "file":
        found, target, key = _three(rest)
        if not (_is_digest(found) and target and _is_key(key)):
            return False
        owner, digests = lock.files.get(key, (target, frozenset()))
        lock.files[key] = (min(owner, target), digests | {found})
        return True
    if kind == "keep":
        target, _, key = rest.partition(" ")
        if not (target and _is_key(key)):
            return False
        lock.kept[key] = min(target, lock.kept.get(key, target))
        return True
    if kind == "pin" and _words(rest, 3):
        name, version, held = rest.split(" ")
        lock.pins[name] = max((version, held), lock.pins.get(name, (version, held)), key=_age)
        return True
    return False


def write(lock: Lock) -> bytes:
    """Return the text of a lock, UTF-8 with LF line ends. Raises ValueError for a value that its line cannot hold."""
    lines = [HEADER]
    if lock.generator:
        lines.append(f"mlopsgen {_word(lock.generator)}")
    if lock.inputs and not _is_digest(lock.inputs):
        raise ValueError(f"{lock.inputs!r} is not a digest")
    # A line without a value is what makes a spec line of the other side of a merge count for nothing.
    lines.append(f"spec {lock.inputs}" if lock.inputs else "spec")
    for name, (version, held) in sorted(lock.pins.items()):
        lines.append(f"pin {_word(name)} {_word(version)} {_word(held)}")
    owners = {target: _word(target) for target, _ in lock.files.values()}
    for key, (target, digests) in sorted(lock.files.items()):
        lines += [f"file {found} {owners[target]} {key}" for found in sorted(digests)]
    for key, target in sorted(lock.kept.items()):
        lines.append(f"keep {_word(target)} {key}")
    return ("\n".join(lines) + "\n").encode()


def union(old: Lock, new: Lock) -> Lock:
    """Return the lock that stands while files change from `old` to `new`: either content of a file is ours.

    It names no inputs, so that a build that was killed never counts as done.
    """
    files = dict(old.files)
    for key, (target, digests) in new.files.items():
        files[key] = (target, digests | files.get(key, ("", frozenset()))[1])
    kept = {key: target for key, target in {**old.kept, **new.kept}.items() if key not in files}
    return Lock(new.generator, "", {**old.pins, **new.pins}, files, kept)


def _three(rest: str) -> tuple[str, str, str]:
    first, _, rest = rest.partition(" ")
    second, _, third = rest.partition(" ")
    return first, second, third


def _is_digest(text: str) -> bool:
    return len(text) == LENGTH and _HEX.issuperset(text)


def _is_key(key: str) -> bool:
    if key in _keys:
        return True
    if problem(split(key)[1]):
        return False
    if len(_keys) < _MANY:
        _keys.add(key)
    return True


def _words(text: str, count: int) -> bool:
    parts = text.split(" ")
    return len(parts) == count and all(_is_word(part) for part in parts)


def _is_word(text: str) -> bool:
    return text.isprintable() and bool(text) and " " not in text  # other spaces are not printable


def _word(text: str) -> str:
    if not _is_word(text):
        raise ValueError(f"a lock cannot hold {text!r}: it must be one printable word")
    return text


def _age(pin: tuple[str, str]) -> tuple[list[tuple[int, str]], str]:
    """Order pins by version, numbers by value: of two that a merge left, the newer one counts."""
    version, held = pin
    parts = "".join(c if c in "0123456789" else f" {c} " for c in version).split()
    numbers = [part.lstrip("0") if part[0] in "0123456789" else None for part in parts]
    # A number's length first: "10" comes after "9", and no number is too long.
    return [(-1, p) if n is None else (len(n), n) for p, n in zip(parts, numbers, strict=True)], held
