"""A progress bar over what takes longer than two seconds; on a terminal only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def progress(items: Iterable[T], what: str, unit: str = "records", total: int | None = None) -> Iterator[T]:
    """The items, with a bar on standard error while they pass.

    Args:
        items: anything.
        what: what is being done, before the bar.
        unit: what one item is, in the plural.
        total: number of items, where it is known.
    """
    from tqdm import tqdm  # type: ignore[import-untyped]

    bar = tqdm(items, desc=what, unit=f" {unit}", total=total, disable=None, delay=2, leave=False, mininterval=0.5)
    yield from bar
