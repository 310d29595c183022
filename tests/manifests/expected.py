"""What an environment's README says must be in the cluster beforehand."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

NONE = ("", "-", "–", "—")


@dataclass(frozen=True)
class Expected:
    """A thing that nobody applies with the folder.

    Attributes:
        name: as in the table; `namespace/name` where it lies in another namespace.
        keys: entries of a Secret or ConfigMap that are read, none where all are.
    """

    kind: str
    name: str
    keys: tuple[str, ...] = ()


def expected(readme: str) -> list[Expected]:
    """Rows of the tables of a README whose first two columns are Kind and Name.

    A cell's names stand in backticks; rows of the same kind and name add up.

    Raises:
        ValueError: a row does not name a kind and a name.
    """
    keys: dict[tuple[str, str], list[str]] = {}
    for header, cells in _rows(readme):
        if [each.lower() for each in header[:2]] != ["kind", "name"]:
            continue
        row = dict(zip((each.lower() for each in header), cells, strict=True))
        kind, name = _names(row["kind"]), _names(row["name"])
        if len(kind) != 1 or len(name) != 1:
            raise ValueError(f"a row of the table names no kind or no name: {row}")
        keys.setdefault((kind[0], name[0]), []).extend(_names(row.get("key", "")))
    return [Expected(kind, name, tuple(found)) for (kind, name), found in keys.items()]


def _rows(text: str) -> Iterator[tuple[list[str], list[str]]]:
    header: list[str] | None = None
    for line in text.splitlines():
        if not line.strip().startswith("|"):
            header = None
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
        if header is None:
            header = cells
        elif not all(re.fullmatch(r":?-+:?", cell) for cell in cells):
            yield header, cells


def _names(cell: str) -> list[str]:
    found = re.findall(r"`([^`]+)`", cell)
    return found or ([cell] if cell not in NONE and re.fullmatch(r"[A-Za-z0-9./_-]+", cell) else [])
