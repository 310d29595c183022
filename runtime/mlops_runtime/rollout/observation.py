"""What Prometheus saw of champion and canary since the last look: exact counts, from raw counters.

`increase()` extrapolates and answers fractions; a judgement on counts wants the counts. So each look reads the counters
themselves, series by series, and takes the differences here. A series that is seen for the first time only begins to
count, one that fell was started anew. What a scrape missed arrives with the next one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlencode

from mlops_runtime.endpoint import Endpoint, Unanswered
from mlops_runtime.rollout.decision import Arm, Window
from mlopsgen.contract.metrics import FAILED, KNOWN, VARIANT

TIMEOUT = 5.0
"""Seconds that Prometheus may take; a look that takes longer is a look without data."""

REQUESTS = KNOWN["model_requests_total"].series[0]
LATENCY = KNOWN["model_inference_duration_seconds"].series[0]
RATING = KNOWN["model_feedback_rating"].series[0]

JUDGED = ("success", *FAILED)
"""Statuses of requests that count: what was refused says nothing about the model."""

Series = Mapping[tuple[tuple[str, str], ...], float]


class Silence(Exception):
    """Prometheus has nothing to say; the text says why."""


class Seen(NamedTuple):
    """A look.

    Attributes:
        window: what happened since the last one; None at the first.
        text: why there is none.
    """

    window: Window | None
    text: str = ""


class Observer:
    """Looks at Prometheus.

    Args:
        url: of Prometheus.
        model: value of `model_name`.
        environment: value of `environment`.
        bounds: upper bounds of the latency histogram in seconds, without infinity.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        url: str,
        model: str,
        environment: str,
        bounds: tuple[float, ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._endpoint, self._bounds, self._clock = Endpoint(url), bounds, clock
        labels = f"model_name={_quoted(model)},environment={_quoted(environment)}"
        self._query = f'{{__name__=~"{REQUESTS}|{LATENCY}|{RATING}",{labels}}}'
        self._last: dict[tuple[tuple[str, str], ...], float] = {}
        self._at: float | None = None

    def forget(self) -> None:
        """The next look is a first one: what happens until then counts for nothing."""
        self._at = None

    def look(self) -> Seen:
        """What happened since the last look that was answered."""
        try:
            found = self._asked()
        except Silence as silence:
            return Seen(None, str(silence))
        now, before = self._clock(), self._at
        grown = {key: value - known for key, value in found.items() if (known := self._base(key, value)) is not None}
        # What vanished stays: it may only be one scrape that failed.
        self._last |= found
        self._at = now
        if before is None:
            return Seen(None, "the first look: what happens from now on counts")
        arms = {variant: self._arm(variant, grown) for variant in VARIANT}
        return Seen(Window(now - before, arms["champion"], arms["canary"]))

    def _base(self, key: tuple[tuple[str, str], ...], value: float) -> float | None:
        known = self._last.get(key)
        if known is None or self._at is None:
            return None
        return known if value >= known else 0.0

    def _asked(self) -> dict[tuple[tuple[str, str], ...], float]:
        """Finite values by labels, name included.

        Raises:
            Silence: no answer, an error, or not the shape of an answer.
        """
        try:
            reply = self._endpoint.get(f"/api/v1/query?{urlencode({'query': self._query})}", timeout=TIMEOUT).json()
            series = reply["data"]["result"]
            values = ((tuple(sorted(one["metric"].items())), float(one["value"][1])) for one in series)
            found = {key: value for key, value in values if math.isfinite(value) and value >= 0}
        except Unanswered as error:
            raise Silence(str(error)) from None
        except (KeyError, TypeError, ValueError, AttributeError, IndexError):
            raise Silence("Prometheus answered something else than an instant vector") from None
        if not found:
            raise Silence("Prometheus has no series of this model: is it scraped?")
        return found

    def _arm(self, variant: str, grown: Series) -> Arm:
        requests, failed = 0.0, 0.0
        latency: dict[float, float] = {}
        ratings: dict[float, float] = {}
        for key, value in grown.items():
            labels = dict(key)
            if labels.get("variant") != variant:
                continue
            if labels["__name__"] == REQUESTS and labels.get("status") in JUDGED:
                requests += value
                failed += value if labels["status"] in FAILED else 0.0
            elif labels["__name__"] in (LATENCY, RATING):
                into = latency if labels["__name__"] == LATENCY else ratings
                bound = _bound(labels.get("le"))
                into[bound] = into.get(bound, 0.0) + value
        stars = _single(ratings, (1.0, 2.0, 3.0, 4.0, 5.0))
        return Arm(round(requests), round(min(failed, requests)), _single(latency, self._bounds), stars[:5])  # type: ignore[arg-type]


def _single(cumulative: Mapping[float, float], bounds: tuple[float, ...]) -> tuple[int, ...]:
    """Counts per bucket, the last one above all bounds, from cumulative ones; a bound that is not exported is empty."""
    found, below = [], 0.0
    for bound in (*bounds, math.inf):
        upto = max(below, cumulative.get(bound, below))
        found.append(round(upto - below))
        below = upto
    return tuple(found)


def _bound(text: str | None) -> float:
    try:
        return float(text) if text is not None else math.nan
    except ValueError:
        return math.nan


def _quoted(text: str) -> str:
    """A value of a label in PromQL."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def describe(window: Window | None) -> dict[str, Any]:
    """Counts of a window, for the log."""
    if window is None:
        return {}
    return {
        "canary": window.canary.requests,
        "canary_failed": window.canary.failed,
        "champion": window.champion.requests,
        "champion_failed": window.champion.failed,
    }
