"""When recent requests are compared with the training data, and at which level.

A test that is repeated every hour at 1 % calls "drift" every fourth day without any. So `data.drift.alpha` is spent by
time: it is the expected number of false alarms a day over all features, and a look at what has come since the last
one gets the part of it that this time is of a day. Each request is part of one look only, so that looks are
independent and their levels add up: with 1 % at most 0.3 false alarms are expected in 30 days, whatever the cadence.

For 30 days from an alarm on, looks get a tenth of their level: a drift that is real stays far beyond it, and a second
false alarm is rare.

A look is put off, and its requests stay for the next one, while there are fewer of them than `shift.ENOUGH`, or while
its level is too small to be shown by permutations. Nothing is lost by that but time.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from mlops_runtime.data import shift
from mlops_runtime.data.features import Features
from mlops_runtime.quality.recent import together

DAY = 86_400.0
"""Seconds in which `alpha` false alarms are expected at most."""

AFTER, CAREFUL = 30 * DAY, 0.1
"""Seconds from an alarm on, and the part of their level that looks get in them."""


class Look(NamedTuple):
    """What a cycle found.

    Attributes:
        shifts: by feature; empty where nothing was judged.
        records: requests by feature, judged or waiting.
    """

    shifts: Mapping[str, shift.Shift]
    records: Mapping[str, int]


class Looks:
    """Repeated looks at drift.

    Args:
        alpha: expected false alarms a day, over all features.
        min_effect: distance below which nothing is drift.
        now: when the first look's time begins, in seconds.
    """

    def __init__(self, alpha: float, min_effect: float, now: float) -> None:
        self._alpha, self._effect, self._last = alpha, min_effect, now
        self._waiting, self._alarm = Features(0, {}), -AFTER

    def look(self, reference: Features, window: Features, now: float) -> Look:
        """Judge the requests since the last look that judged anything, if they are enough.

        Args:
            reference: counts of the training data.
            window: counts of new requests, none of which was part of an earlier window.
            now: seconds, of the same clock as before.
        """
        waiting = self._waiting = together(self._waiting, window)
        names = [name for name in waiting.counts if name in reference.counts]
        sizes = {name: waiting.counts[name].total for name in names}
        most = sum(min(sizes[name], reference.counts[name].total) >= shift.ENOUGH for name in names)
        level = self._alpha * min(1.0, max(0.0, now - self._last) / DAY)
        level *= CAREFUL if now - self._alarm < AFTER else 1.0
        if not most or level * shift.MOST < shift.PER_LEVEL * most:
            return Look({}, sizes)
        chosen = Features(waiting.records, {name: waiting.counts[name] for name in names})
        found = shift.compare(reference, chosen, alpha=level, min_effect=self._effect, whole=False)
        self._last, self._waiting = now, Features(0, {})
        if any(one.state == "drift" for one in found.values()):
            self._alarm = now
        return Look(found, sizes)
