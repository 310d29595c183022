"""Texts of which it is known where a project's name, its folder and checksums of such texts stand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import NamedTuple

from mlopsgen.render.checksum import Checksum
from mlopsgen.render.scalar import scalar


class Names(NamedTuple):
    """What is particular to one spec of a group."""

    name: str
    folder: str


class Hole(NamedTuple):
    """A place in a text: for the `name`, for the `folder`, or for the checksum of a text."""

    kind: str
    of: Pattern | None = None


class Pattern(NamedTuple):
    """A text with holes: constant parts and, between them, what belongs there."""

    constant: tuple[bytes, ...]
    holes: tuple[Hole, ...]

    def fill(self, values: Mapping[str, bytes]) -> bytes:
        """The text for one spec."""
        if not self.holes:
            return self.constant[0]
        parts = [b""] * (2 * len(self.holes) + 1)
        parts[::2] = self.constant
        parts[1::2] = [values[kind] if of is None else _checksum(of.fill(values)) for kind, of in self.holes]
        return b"".join(parts)


class Unlike(Exception):
    """A spec of a group is not like the others."""


def with_checksums(
    low: bytes,
    low_names: Names,
    low_sums: Sequence[Checksum],
    high: bytes,
    high_names: Names,
    high_sums: Sequence[Checksum],
) -> Pattern | None:
    """`pattern` of two texts that hold these checksums, in the same order. Raises Unlike."""
    below: dict[bytes, Hole] = {}
    above: dict[bytes, Hole] = {}
    for one, other in zip(low_sums, high_sums, strict=True):
        of = pattern(one.of.encode(), low_names, other.of.encode(), high_names)
        if of is None:
            return None
        below[scalar(one).encode()] = above[scalar(other).encode()] = Hole("checksum", of)
    return pattern(low, low_names, high, high_names, below, above)


def pattern(
    low: bytes,
    low_names: Names,
    high: bytes,
    high_names: Names,
    below: Mapping[bytes, Hole] | None = None,
    above: Mapping[bytes, Hole] | None = None,
) -> Pattern | None:
    """What two texts have in common around their names; None when they differ in more. Raises Unlike."""
    found = _split(low, low_names, below or {})
    return found if found == _split(high, high_names, above or {}) else None


def _split(text: bytes, names: Names, more: Mapping[bytes, Hole]) -> Pattern:
    meant = {names.name.encode(): Hole("name"), **more}
    if names.folder:
        meant[names.folder.encode()] = Hole("folder")
    expression = b"|".join(re.escape(each) for each in sorted(meant, key=len, reverse=True))
    parts = re.split(b"(" + expression + b")", text)
    for place in range(1, len(parts), 2):
        if meant[parts[place]].of and not (parts[place - 1].endswith(b": ") and parts[place + 1].startswith(b"\n")):
            raise Unlike  # not alone on its line: how it is quoted depends on more than itself
    return Pattern(tuple(parts[::2]), tuple(meant[part] for part in parts[1::2]))


def _checksum(text: bytes) -> bytes:
    """In hex digits, as YAML has them."""
    return scalar(sha256(text).hexdigest()).encode()
