"""The outcomes that can be compared, and how people read them."""

from __future__ import annotations

import math
from typing import NamedTuple


class Metric(NamedTuple):
    """An outcome.

    Attributes:
        name: in the settings.
        title: of tables and pictures.
        sign: 1 when more is better, -1 when less is.
        log: whether it is compared as a natural logarithm, so that differences are ratios.
        meaning: of the effect.
    """

    name: str
    title: str
    sign: int
    log: bool
    meaning: str

    def level(self, mean: float) -> float:
        """A mean as it is told: seconds for the logarithm of seconds."""
        return math.exp(mean) if self.log else mean

    def effect(self, difference: float) -> float:
        """A difference as it is told: a share of the champion's for logarithms."""
        return math.expm1(difference) if self.log else difference

    def level_text(self, level: float) -> str:
        """A level for people."""
        return f"{level:.2%}" if self.name == "success" else f"{level:.4g} s" if self.log else f"{level:.3f}"

    def effect_text(self, effect: float) -> str:
        """An effect for people."""
        if self.name == "success":
            return f"{100 * effect:+.2f} points"
        return f"{effect:+.2%}" if self.log else f"{effect:+.3f}"

    def span_text(self, low: float, high: float) -> str:
        """An interval of an effect for people."""
        return f"{self.effect_text(low).removesuffix(' points')} to {self.effect_text(high)}"


METRICS = {
    one.name: one
    for one in (
        Metric("rating", "mean rating", 1, False, "how much higher the canary is rated, from 1 to 5"),
        Metric("success", "answered requests", 1, False, "how many more of a user's requests the canary answers"),
        Metric(
            "latency", "typical time to an answer", -1, True, "how much longer the canary takes, by geometric means"
        ),
    )
}
