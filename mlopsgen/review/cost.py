"""What servers cost and what a training run holds, from the prices of the spec."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from mlopsgen.project.model import Environment, Project
from mlopsgen.review import words

MONTH = 30 * 24
"""Hours of a month, as in `serving.cost.budget`."""


class Serving(NamedTuple):
    """Servers of an environment.

    Attributes:
        gpus: of the fewest and of the most servers.
        month: what they cost in 30 days, likewise; None without a price.
        currency: of the price.
    """

    gpus: tuple[int, int]
    month: tuple[float, float] | None
    currency: str


class Training(NamedTuple):
    """One training run.

    Attributes:
        gpus: that it holds.
        hours: GPU-hours, judged by the last run; None where no run is known.
    """

    gpus: int
    hours: float | None


def serving(given: Environment) -> Serving:
    """Servers of an environment."""
    replicas, price = given.serving.replicas, given.serving.cost
    each = given.serving.resources.gpu
    low, high = replicas.min * each, (replicas.max or replicas.min) * each
    month = (low * price.gpu_hour * MONTH, high * price.gpu_hour * MONTH) if price else None
    return Serving((low, high), month, price.currency if price else "")


def training(project: Project, last: Mapping[str, Any] | None, epochs: float) -> Training:
    """A training run.

    Args:
        project: whose run it is.
        last: what `reports/training.json` says of the last run, if there was one.
        epochs: passes over the data of that run.
    """
    asked = project.training.resources
    gpus = asked.gpu * asked.nodes
    seconds = last.get("seconds") if last else None
    known = isinstance(seconds, int | float) and seconds > 0 and epochs > 0
    return Training(gpus, gpus * seconds / 3600 * project.training.epochs / epochs if known and gpus else None)  # type: ignore[operator]


def compared(base: Project, head: Project, last: Mapping[str, Any] | None) -> dict[str, Any]:
    """Both sides, as data."""
    before = {each.name: serving(each) for each in base.environments}
    after = {each.name: serving(each) for each in head.environments}
    runs = [training(project, last, base.training.epochs) for project in (base, head)]
    return {
        "serving": {name: [_row(before.get(name)), _row(after.get(name))] for name in dict.fromkeys((*before, *after))},
        "training": [run._asdict() for run in runs],
        "hours_per_month": MONTH,
    }


def _row(given: Serving | None) -> dict[str, Any] | None:
    if given is None:
        return None
    return {"gpus": list(given.gpus), "month": list(given.month) if given.month else None, "currency": given.currency}


def lines(given: Mapping[str, Any]) -> list[str]:
    """The comparison in words."""
    found = [_served(name, old, new) for name, (old, new) in given["serving"].items()]
    old, new = given["training"]
    if old["gpus"] or new["gpus"]:
        text = f"training: a run holds {_arrow(words.count(old['gpus'], 'GPU'), words.count(new['gpus'], 'GPU'))}"
        if old["hours"] is not None and new["hours"] is not None:
            hours = _arrow(f"{old['hours']:.3g}", f"{new['hours']:.3g}")
            text += f", {hours} GPU-hours if an epoch takes as long as in the last run"
        else:
            text += "; no run is known yet (reports/training.json), so its GPU-hours are not"
        found.append(text)
    return [line for line in found if line]


def _served(name: str, old: Any, new: Any) -> str:
    gpus = _arrow(*(_span(side["gpus"], "GPU") if side else "nothing" for side in (old, new)))
    if not any(side and side["gpus"][1] for side in (old, new)):
        return f"{name}: no GPUs"
    if not any(side and side["month"] for side in (old, new)):
        return f"{name}: {gpus}; no price is given (serving.cost.gpu_hour)"
    month = _arrow(*(_money(side) for side in (old, new)))
    change = [side["month"] for side in (old, new) if side and side["month"]]
    text = f"{name}: {month} a month for {gpus}"
    if len(change) == 2 and change[0] != change[1]:
        deltas = [f"{after - before:+,.0f}" for before, after in zip(*change, strict=True)]
        text += f" ({' to '.join(dict.fromkeys(deltas))} {new['currency']})"
    return text


def _money(side: Any) -> str:
    if not side or not side["month"]:
        return "no price" if side else "nothing"
    low, high = side["month"]
    unit = f" {side['currency']}"
    return f"{low:,.0f}{unit}" if low == high else f"{low:,.0f} to {high:,.0f}{unit}"


def _span(bounds: Any, noun: str) -> str:
    low, high = bounds
    return words.count(low, noun) if low == high else f"{low} to {words.count(high, noun)}"


def _arrow(old: str, new: str) -> str:
    return old if old == new else f"{old} → {new}"
