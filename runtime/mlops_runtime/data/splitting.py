"""Which part a record belongs to: a salted hash of its group decides, so that other records never move it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mlops_runtime.data.columns import digest
from mlops_runtime.errors import Mistaken

TRAIN, VALIDATION = 0, 1

LARGEST = 0.2
"""Share of the records that one beginning may have; more, and it is a template that says nothing about belonging."""

_SMALL = 50
"""Records below which no template can be told."""


def position(group: int, seed: int) -> float:
    """Where a group stands between 0 and 1: uniform over groups, independent between seeds."""
    return digest("split", seed, group) / 2**64


def sides(groups: Sequence[int], share: float, seed: int) -> list[int]:
    """The side of each record.

    A group goes to validation when its position is below `share`. The share is therefore met on average, with a
    standard deviation of sqrt(share * (1 - share) / groups): an exact share would move old records with each new one.
    Only when that leaves a part empty does the group at the lowest (or highest) position fill it.

    Args:
        groups: group of each record.
        share: wanted in validation, above 0 and below 1.
        seed: of the split.

    Returns:
        `TRAIN` or `VALIDATION` for each record.

    Raises:
        Mistaken: fewer than two groups.
    """
    places = {group: position(group, seed) for group in groups}
    if len(places) < 2:
        raise Mistaken(
            f"{len(groups)} records of {len(places)} group cannot be split: both parts need one; add data, or name in "
            "`data.split.group_by` the column that tells what belongs together"
        )
    side = {group: VALIDATION if place < share else TRAIN for group, place in places.items()}
    if VALIDATION not in side.values():
        side[min(places, key=lambda group: (places[group], group))] = VALIDATION
    if TRAIN not in side.values():
        side[max(places, key=lambda group: (places[group], group))] = TRAIN
    return [side[group] for group in groups]


def no_template(sizes: Mapping[int, int], example: str) -> None:
    """Refuse beginnings of prompts that so many records share that no split could keep its share.

    Args:
        sizes: records of each group.
        example: a prompt of the largest.

    Raises:
        Mistaken: with what to set instead.
    """
    records, largest = sum(sizes.values()), max(sizes.values(), default=0)
    if records < _SMALL or largest <= LARGEST * records:
        return
    shown = example if len(example) <= 60 else f"{example[:57]}..."
    raise Mistaken(
        f'{largest} of {records} records begin alike ("{shown}") and would all stand on one side of the split: set '
        "`data.split.group_by` to the column that tells what belongs together, or to the prompt's own when each stands "
        "for itself"
    )
