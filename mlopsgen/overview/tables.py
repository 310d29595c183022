"""What the page shows as tables: environments and experiments side by side, cost, each step of a rollout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any, NamedTuple

from mlopsgen.overview import delivery, values
from mlopsgen.project.model import Environment, Project
from mlopsgen.review import cost, words
from mlopsgen.spec.experiment import Experiment


class Row(NamedTuple):
    """A fact and what holds in each environment; `differs` where they do not agree."""

    name: str
    cells: tuple[str, ...]

    @property
    def differs(self) -> bool:
        return len(set(self.cells)) > 1


def environments(project: Project) -> list[Row]:
    """Facts of all environments; those that are nowhere set are left out."""
    rows = [Row(name, tuple(tell(each) for each in project.environments)) for name, tell in _FACTS.items()]
    return [row for row in rows if any(row.cells)]


def _scaling(given: Environment) -> str:
    replicas = given.serving.replicas
    if replicas.max in (None, replicas.min) or replicas.scale_on is None:
        return "fixed"
    return f"{replicas.autoscaler} at {replicas.scale_on.queue_depth:,} waiting requests a server"


def _machine(given: Environment) -> str:
    asked = given.serving.resources
    return f"{delivery.gpus(given).removesuffix(' each')}, {asked.cpu} CPU, {asked.memory}"


def _release(given: Environment) -> str:
    if not given.canary:
        return "at once"
    steps = words.count(len(given.rollout.steps), "step")
    return f"canary, {steps}, by {delivery.decides(given)} on {given.rollout.engine}"


def _objective(given: Environment) -> str:
    slo = given.monitoring.slo
    if slo is None:
        return ""
    latency = f"{values.share(slo.latency.quantile)} within {values.span(slo.latency.max)}"
    return f"{values.share(slo.availability)} answered, {latency}, over {values.span(slo.window)}"


def _limit(given: Environment) -> str:
    limit = given.serving.rate_limit
    if limit is None:
        return ""
    caller = f"by {limit.by}" if limit.by else "by address"
    return f"{limit.requests:,} requests in {values.span(limit.per)} {caller}"


_FACTS: dict[str, Callable[[Environment], str]] = {
    "Branch": lambda each: str(each.branch or ""),
    "Namespace": lambda each: str(each.namespace),
    "Address": lambda each: str(each.url or ""),
    "Approval": lambda each: "a person" if each.approval else "none",
    "New versions": _release,
    "Image": lambda each: str(each.serving.image),
    "Engine": lambda each: str(each.serving.engine),
    "Servers": delivery.servers,
    "Scaling": _scaling,
    "Each server": _machine,
    "Deadline of a request": lambda each: values.span(each.serving.timeout),
    "Queue of a server": lambda each: f"{each.serving.queue:,} requests",
    "Limit per caller": _limit,
    "Token": lambda each: "asked for" if each.serving.auth else "none",
    "Objectives": _objective,
}


def experiments(project: Project) -> tuple[list[str], list[Row]]:
    """Environments with an experiment, and its facts in each."""
    every = [(each.name, delivery.experiment(each)) for each in project.environments]
    found = [(name, test) for name, test in every if test is not None]
    rows = [Row(name, tuple(tell(test) for _, test in found)) for name, tell in _TESTED.items()]
    return [name for name, _ in found], rows if found else []


_TESTED: dict[str, Callable[[Experiment], str]] = {
    "Users who see the challenger": lambda test: values.share(test.traffic),
    "Told apart by": lambda test: str(test.sticky.header),
    "Outcome": lambda test: str(test.metric),
    "Effect worth shipping": lambda test: f"{test.min_effect:g} (Cohen's d)",
    "Chance to see it": lambda test: values.share(test.power),
    "Chance of a false finding": lambda test: values.share(test.alpha),
    "Users per arm": lambda test: f"{test.min_samples:,} at least",
    "Ends after": lambda test: values.span(test.max_duration),
}


class Price(NamedTuple):
    """What the servers of an environment cost in 30 days.

    Attributes:
        hours: of GPUs.
        month: lowest and highest price; None without a price or a GPU.
        budget: most that it may be before an alert fires, in words.
    """

    environment: str
    gpus: str
    hours: str
    text: str
    month: tuple[float, float] | None
    budget: str


def prices(project: Project) -> list[Price]:
    """Price of each environment."""
    return [_price(each, cost.serving(each)) for each in project.environments]


def _price(given: Environment, found: cost.Serving) -> Price:
    low, high = found.gpus
    gpus = values.between(low, high, "GPU" if high == 1 else "GPUs") if high else "no GPU"
    hours = values.between(low * cost.MONTH, high * cost.MONTH)
    if not high or found.month is None:
        return Price(given.name, gpus, hours, "none" if not high else "not known: no price is given", None, "")
    price = given.serving.cost
    budget = words.money(price.budget, found.currency) if price is not None and price.budget is not None else ""
    text = values.between(round(found.month[0]), round(found.month[1]), found.currency)
    return Price(given.name, gpus, hours, text, found.month, budget)


def total(project: Project) -> str:
    """The price of all environments in 30 days; empty where it is not known or in several currencies."""
    found = [cost.serving(each) for each in project.environments]
    priced = [each for each in found if each.gpus[1]]
    if not priced or any(each.month is None for each in priced) or len({each.currency for each in priced}) > 1:
        return ""
    low, high = (sum(each.month[side] for each in priced if each.month) for side in (0, 1))
    return values.between(round(low), round(high), priced[0].currency)


def training(project: Project, last: Mapping[str, Any] | None) -> list[str]:
    """What a training run holds, in sentences."""
    run = cost.training(project, last, project.training.epochs)
    if not run.gpus:
        return ["A training run holds no GPU."]
    found = [f"A training run holds {words.count(run.gpus, 'GPU')}."]
    if run.hours is not None:
        found.append(f"As long as the last one it takes {run.hours:.3g} GPU-hours.")
    else:
        found.append("How long it takes is not known before the first one.")
    if project.training.search is not None:
        found.append(f"The search is {words.count(project.training.search.trials, 'such run')} at most.")
    return found


class Judged(NamedTuple):
    """A step of a rollout in words; `rows` is for how many steps `judged` stands, 0 where it stands above."""

    share: str
    start: str
    end: str
    requests: str
    judged: tuple[str, ...]
    rows: int


def steps(plan: delivery.Plan) -> list[Judged]:
    """Each step of a rollout."""
    found: list[Judged] = []
    for judged, alike in groupby(plan.steps, key=lambda step: _looked_at(plan, step)):
        group = list(alike)
        found += [_step(plan, step, judged, 0 if index else len(group)) for index, step in enumerate(group)]
    return found


def _looked_at(plan: delivery.Plan, step: delivery.Step) -> tuple[str, ...]:
    """What a step is judged by; with all traffic on the canary there is no champion to compare with."""
    against = delivery.comparisons(plan.rollout) if step.share < 1 else []
    return (*delivery.limits(plan.rollout), *against)


def _step(plan: delivery.Plan, step: delivery.Step, judged: tuple[str, ...], rows: int) -> Judged:
    rollout = plan.rollout
    asked = f"{rollout.min_requests:,} needed"
    seen = f", about {step.requests:,.0f} expected" if step.requests is not None else ""
    start = values.span(step.start) if step.start else "0"
    return Judged(values.share(step.share), start, values.span(step.end), asked + seen, judged, rows)
