"""How a version reaches users: environments, and the steps of a canary over time."""

from __future__ import annotations

from typing import NamedTuple

from mlopsgen.overview import values
from mlopsgen.project import deploy
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.plain import plain
from mlopsgen.spec.experiment import Experiment
from mlopsgen.spec.rollout import Rollout


class Step(NamedTuple):
    """A step of a canary.

    Attributes:
        share: of the traffic, from 0 to 1.
        start: seconds since the rollout began, at the earliest.
        end: likewise.
        requests: that the canary sees until then at the expected rate; None when none is stated.
    """

    share: float
    start: float
    end: float
    requests: float | None


class Plan(NamedTuple):
    """The rollout of environments that agree in it."""

    environments: tuple[Environment, ...]
    steps: tuple[Step, ...]

    @property
    def rollout(self) -> Rollout:
        """Its settings."""
        return self.environments[0].rollout

    @property
    def length(self) -> float:
        """Seconds that it takes at least."""
        return self.steps[-1].end


def plans(project: Project) -> list[Plan]:
    """Rollouts step by step; none where each environment is switched over at once."""
    found: dict[str, list[Environment]] = {}
    for each in project.environments:
        if each.canary:
            found.setdefault(repr(plain(each.rollout)), []).append(each)
    return [Plan(tuple(agreeing), tuple(_steps(agreeing[0].rollout))) for agreeing in found.values()]


def _steps(rollout: Rollout) -> list[Step]:
    """At each step a canary stays for `hold`, and until it has seen enough requests."""
    found: list[Step] = []
    now, rate = 0.0, rollout.expected_rate
    for share in rollout.steps:
        took = max(rollout.hold, rollout.min_requests / (rate * share)) if rate is not None else rollout.hold
        found.append(Step(share, now, now + took, rate * share * took if rate is not None else None))
        now += took
    return found


def experiment(given: Environment) -> Experiment | None:
    """The A/B test in an environment: where no canary runs there is no challenger to see."""
    return given.experiment if given.canary else None


def limits(rollout: Rollout) -> list[str]:
    """Hard limits of a rollout in words."""
    given = (
        ("error rate", rollout.gates.error_rate, "percent"),
        ("p95 latency", rollout.gates.latency_p95, "duration"),
        ("mean rating", rollout.gates.rating, "number"),
    )
    return [
        f"{name} {text}"
        for name, bounds, unit in given
        if bounds is not None
        for text in values.bounds(bounds, unit)  # type: ignore[arg-type]
    ]


def comparisons(rollout: Rollout) -> list[str]:
    """What is tested against the champion, in words."""
    against = rollout.against_champion
    if against is None:
        return []
    given = (("error rate", against.error_rate), ("p95 latency", against.latency_p95))
    return [f"{name} at most {ratio.max_ratio:g} times the champion's" for name, ratio in given if ratio is not None]


def decides(environment: Environment) -> str:
    """Who moves the weights."""
    return "Argo Rollouts" if deploy.argo(environment) else "the rollout controller"


def servers(environment: Environment) -> str:
    """`4 to 20 servers`."""
    replicas = environment.serving.replicas
    most = replicas.max or replicas.min
    text = values.between(replicas.min, most)
    return f"{text} {'server' if most == 1 else 'servers'}"


def gpus(environment: Environment) -> str:
    """GPUs of one server, with their type."""
    given = environment.serving.resources
    if not given.gpu:
        return "no GPU"
    kind = f" ({given.gpu_type})" if given.gpu_type else ""
    return f"{given.gpu} {'GPU' if given.gpu == 1 else 'GPUs'} each{kind}"
