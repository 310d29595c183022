"""Alerts name what somebody exports, and can fire."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlopsgen.contract.alerts import NAMES
from mlopsgen.contract.metrics import KNOWN, Setup, exported
from mlopsgen.diagnostics import Diagnostic
from mlopsgen.project.alerts import every, impossible
from mlopsgen.project.checks.view import View
from mlopsgen.spec.tree import Path

NEEDS = {"gpu_memory": "model_gpu_memory_bytes"}
"""Alerts by name, and the metric without which there is none of them."""

SERIES = re.compile(r"""[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_][a-zA-Z0-9_]*="[^"\\{}]*",?)*\})?""")
VALUES = re.compile(
    r"({0}|_|{0}([+-]{0})?x[0-9]{{1,3}})( +({0}|_|{0}([+-]{0})?x[0-9]{{1,3}}))*".format(r"-?[0-9]+(\.[0-9]+)?")
)
"""What promtool takes as a series and its values, but for what no test needs.

Source: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

CODES = {"metric": "E251", "label": "E252", "setup": "E253"}


def check(view: View) -> Iterator[Diagnostic]:
    """Custom expressions, engines, limits and objectives."""
    yield from _custom(view)
    yield from _limits(view)
    yield from _objectives(view)
    yield from _trainings(view)


def _setup(view: View) -> Setup:
    from mlopsgen.project.derive import task

    serving = view.spec.serving
    gpu, cost = serving.resources.gpu > 0, serving.cost is not None
    return Setup(engine=serving.engine, task=task(view.spec), gpu=gpu, cost=cost)


def _custom(view: View) -> Iterator[Diagnostic]:
    custom = view.spec.monitoring.alerts.custom
    if not custom:
        return
    from mlopsgen.project.promql.names import complaints
    from mlopsgen.project.promql.parser import parse
    from mlopsgen.project.promql.tokens import Unparsable

    seen: dict[str, int] = {}
    for index, alert in enumerate(custom):
        here: Path = ("monitoring", "alerts", "custom", index)
        if alert.name in NAMES or alert.name in seen:
            also = (("the other", ("monitoring", "alerts", "custom", seen.get(alert.name, index), "name")),)
            message = f"there is another alert {alert.name}"
            yield view.finding("E254", message, *here, "name", help="choose another name", also=also)
        seen.setdefault(alert.name, index)
        try:
            expression = parse(alert.expr)
        except Unparsable as error:
            message = f"this is no PromQL: {error.message}, at character {error.position + 1}"
            yield view.finding("E250", message, *here, "expr", help="correct the expression")
            continue
        for kind, message, help in complaints(expression, _setup(view), view.spec.monitoring.metrics):
            yield view.finding(CODES[kind], message, *here, "expr", help=help)
        for series, values in (alert.fires_on or {}).items():
            if not SERIES.fullmatch(series):
                message, help = f"`{series}` is no series", 'write `name` or `name{label="value"}`'
                yield view.finding("E257", message, *here, "fires_on", series, help=help, on_key=True)
            elif not VALUES.fullmatch(values):
                message, help = f"`{values}` are no values of a test", "write `1 2 3`, `0+10x30` or `5x30`"
                yield view.finding("E257", message, *here, "fires_on", series, help=help)


def _limits(view: View) -> Iterator[Diagnostic]:
    alerts, setup = view.spec.monitoring.alerts, _setup(view)
    for name in ("error_rate", "gpu_memory", "traffic_drop", "drift", "accuracy"):
        given, path = getattr(alerts, name), ("monitoring", "alerts", name)
        if given is None or view.tree.find(path) is None:
            continue
        reason = impossible(name, given, view.spec.monitoring.scrape_interval)
        if reason:
            help = "choose a limit that can be passed, or `null` for no such alert"
            yield view.finding("W255", f"the alert {name} never fires: {reason}", *path, help=help)
        family = KNOWN[NEEDS[name]] if name in NEEDS else None
        if family is not None and family.engines and setup.engine not in family.engines:
            message = f"the alert {name} needs {family.name}, and {exported(family, setup)}"
            also = (("the engine", ("serving", "engine")),)
            yield view.finding("E253", message, *path, help="write `null`, or choose another engine", also=also)


def _objectives(view: View) -> Iterator[Diagnostic]:
    slo = view.spec.monitoring.slo
    if slo is None:
        return
    for share, path in ((slo.availability, ("availability",)), (slo.latency.quantile, ("latency", "quantile"))):
        if share >= 1:
            message = "an objective of 100% leaves no budget that could burn"
            yield view.finding("E256", message, "monitoring", "slo", *path, help="allow some failures: `99.9%`")


def _trainings(view: View) -> Iterator[Diagnostic]:
    """Alerts that ask our own receiver for a training, which it would refuse."""
    alerts, given = view.spec.monitoring.alerts, view.spec.monitoring.notify.retrain
    if given.url is not None:
        return
    help = "set `monitoring.notify.retrain.auth` and `project.repository`, or `monitoring.notify.retrain.url`"
    missing = [
        text
        for text, value in (
            ("nobody proves to be Alertmanager", given.auth),
            ("no repository is named whose workflow trains", view.spec.project.repository),
        )
        if value is None
    ]
    if not missing:
        return
    for path, alert in every(alerts):
        if alert.retrain:
            message = f"this alert starts no training: {' and '.join(missing)}"
            yield view.finding("W258", message, "monitoring", "alerts", *path, "retrain", help=help)
