"""Gates of a canary as Argo Rollouts judges them: a query of the contract's metrics, when it passes, when it fails."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from mlopsgen.contract import promql
from mlopsgen.project.model import Environment, Project
from mlopsgen.spec.base import Bounds
from mlopsgen.spec.rollout import Ratio
from mlopsgen.spec.traced import Text, merged

REQUESTS = promql.family("model_requests_total")
LATENCY = promql.family("model_inference_duration_seconds")

FAILED = "error|timeout"
"""Statuses that count as errors: those that are the server's fault."""

SCRAPES = 4
"""Scrapes that a window must hold at least."""

RETRY_SECONDS = 10
"""Argo Rollouts asks again this long after Prometheus did not answer."""

MOST_LOOKS = 2**31 - 1

MEASURED = "len(result) > 0 && !isNaN(result[0])"
"""No sample and NaN are neither success nor failure: the canary is held."""


class Gate(NamedTuple):
    """One gate.

    Attributes:
        name: of the metric; ends the name of its template.
        text: what the query measures.
        compares: whether it needs the champion's pods as well.
        query: PromQL over `{{args.canary-hash}}` and `{{args.champion-hash}}`.
        success: expression over `result`.
        failure: expression over `result`; neither of both is true for a canary that cannot be judged.
    """

    name: str
    text: str
    compares: bool
    query: Text
    success: Text
    failure: Text


def gates(project: Project, environment: Environment) -> list[Gate]:
    """The gates of `rollout.gates` and `rollout.against_champion` that a metric exists for."""
    rollout, queries = environment.rollout, _Queries(project, environment)
    found: list[Gate] = []
    if rollout.gates.error_rate is not None:
        query, text = queries.error_rate(), "Failed requests over all requests."
        found.append(_within("error-rate", text, query, rollout.gates.error_rate))
    if rollout.gates.latency_p95 is not None:
        query, text = queries.latency(), "95th percentile of latency, in seconds."
        found.append(_within("latency-p95", text, query, rollout.gates.latency_p95))
    against = rollout.against_champion
    if against is not None and against.error_rate is not None:
        most = critical(against.alpha, len(rollout.steps) * looks(rollout.hold, rollout.check_every))
        text = (
            "Standard errors by which the log of canary's over champion's error rate lies above the ratio allowed.\n"
            "The limit keeps the chance to roll back an equal canary, over all looks, below `alpha`."
        )
        query = queries.error_ratio(against.error_rate)
        success, failure = f"result[0] <= {most:.3f}", f"result[0] > {most:.3f}"
        found.append(_gate("error-rate-ratio", text, query, success, failure, merged(against.alpha)))
    if against is not None and against.latency_p95 is not None:
        query, limit = queries.latency_ratio(against.latency_p95), _number(against.latency_p95.max_ratio)
        text = "Canary's over champion's 95th percentile of latency."
        success, failure = f"result[0] <= {limit}", f"result[0] > {limit}"
        found.append(_gate("latency-p95-ratio", text, query, success, failure))
    return found


def looks(time: float, every: float) -> int:
    """Number of looks in a time, one of them at its beginning."""
    return min(math.ceil(time / every) + 1, MOST_LOOKS)


def critical(alpha: float, number: int) -> float:
    """Standard deviations that chance exceeds in any of `number` looks with probability `alpha` at most.

    Source: Bonferroni.
    """
    from statistics import NormalDist

    return -NormalDist().inv_cdf(min(max(alpha, 1e-9), 0.5) / number)


def _within(name: str, text: str, query: Text, bounds: Bounds[Any]) -> Gate:
    ends: list[tuple[str, str, Any]] = [(">=", "<", bounds.min), ("<=", ">", bounds.max)]
    given = [(inside, outside, _number(end)) for inside, outside, end in ends if end is not None]
    success = " && ".join(f"result[0] {inside} {end}" for inside, _, end in given)
    failure = " || ".join(f"result[0] {outside} {end}" for _, outside, end in given)
    origins = merged(*(end for _, _, end in ends))
    return _gate(name, text, query, success, f"({failure})" if len(given) > 1 else failure, origins)


def _gate(name: str, text: str, query: Text, success: str, failure: str, origins: tuple[str, ...] = ()) -> Gate:
    passes = Text(f"{MEASURED} && {success}", origins or query.origins)
    fails = Text(f"{MEASURED} && {failure}", origins or query.origins)
    return Gate(name, text, "champion-hash" in query, query, passes, fails)


def _number(value: float) -> str:
    return f"{value:.12g}"


class _Queries:
    """Queries over the last `hold` of canary and champion.

    Both versions run the same pod template, so no label of ours tells them apart: the ReplicaSet's hash in the names
    of its pods does.
    """

    def __init__(self, project: Project, environment: Environment) -> None:
        rollout = environment.rollout
        self._names = {"namespace": environment.namespace}
        self._window = promql.duration(max(rollout.hold, SCRAPES * environment.monitoring.scrape_interval))
        self._fewest = rollout.min_requests
        self._origins = merged(environment.namespace, rollout.hold, rollout.min_requests)
        self._matchers = {
            'pod="canary"': f'pod=~"{project.name}-{{{{args.canary-hash}}}}-.+"',
            'pod="champion"': f'pod=~"{project.name}-{{{{args.champion-hash}}}}-.+"',
            'status="error"': f'status=~"{FAILED}"',
        }

    def error_rate(self) -> Text:
        """Share of failed requests; nothing where there were too few requests."""
        return self._text(f"({self._failures('canary')})\n/\n({self._requests('canary')})")

    def latency(self) -> Text:
        """95th percentile; nothing where there were too few requests."""
        return self._text(f"{self._quantile('canary')}\nand\n{self._timed('canary')}")

    def error_ratio(self, limit: Ratio) -> Text:
        """Log of the ratio of both error rates over the allowed one, in its standard errors; half a failure added.

        Source: Agresti, Categorical Data Analysis, 3.1.1.
        """
        canary, champion = (f"(({self._failures(who)}) + 0.5)" for who in ("canary", "champion"))
        rates = f"{canary} / ({self._requests('canary')})\n  /\n  ({champion} / ({self._requests('champion')}))"
        return self._text(
            f"ln(\n  {rates}\n  / {_number(limit.max_ratio)}\n)\n/\nsqrt(\n  1 / {canary}\n  + 1 / {champion}\n)",
            limit,
        )

    def latency_ratio(self, limit: Ratio) -> Text:
        """Ratio of both 95th percentiles; nothing where either had too few requests."""
        over = f"{self._quantile('canary')}\n/\n({self._quantile('champion')} > 0)"
        return self._text(f"{over}\nand\n{self._timed('canary')}\nand\n{self._timed('champion')}", limit)

    def _text(self, query: str, limit: Ratio | None = None) -> Text:
        for name, matcher in self._matchers.items():
            query = query.replace(name, matcher)
        more = merged(limit.max_ratio) if limit is not None else ()
        return Text(f"{query}\n", tuple(dict.fromkeys((*self._origins, *more))))

    def _labels(self, who: str, **more: str) -> dict[str, str]:
        return {**self._names, "pod": who, **more}

    def _failures(self, who: str) -> str:
        """None at all are 0: whether there were any requests is the denominator's to say."""
        failures = promql.increase(REQUESTS, self._window, self._labels(who, status="error"))
        return f"{promql.total(failures)} or vector(0)"

    def _requests(self, who: str) -> str:
        return self._enough(promql.total(promql.increase(REQUESTS, self._window, self._labels(who))))

    def _timed(self, who: str) -> str:
        return self._enough(promql.total(promql.increase(LATENCY, self._window, self._labels(who))))

    def _enough(self, count: str) -> str:
        return f"{count} >= {self._fewest}"

    def _quantile(self, who: str) -> str:
        return promql.quantile(0.95, LATENCY, self._window, self._labels(who))
