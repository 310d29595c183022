"""Alerts on GPUs, from the DCGM exporter. It knows namespaces and no environments: one rule for each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from mlopsgen.contract.metrics import Family, exported
from mlopsgen.contract.promql import aggregate, family, matchers, over_time, selector
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.telemetry import setup
from mlopsgen.targets.prometheus.model import Alert, Line, Proof
from mlopsgen.targets.prometheus.service import looking_back

XID = family("DCGM_FI_DEV_XID_ERRORS")
TEMPERATURE = family("DCGM_FI_DEV_GPU_TEMP")

BY_GPU = ("gpu", "UUID")

NO_XID = 1000
"""Error numbers lie below; what a GPU cannot tell shows as a number near 2^63."""

HOTTEST = 85
"""Degrees Celsius. Data-centre GPUs slow down from 83 to 92 degrees on, each model at its own."""

NO_TEMPERATURE = 200
BLANK = 9.223372036854776e18
"""What a sensor shows that the GPU lacks."""


def watched(project: Project, environments: Iterable[Environment]) -> list[Environment]:
    """Environments whose servers hold GPUs."""
    return [each for each in environments if not exported(XID, setup(project, each))]


def spellings(given: Family, environment: Environment) -> tuple[str, str]:
    """A family's series of a namespace, as scraped with and without `honor_labels`."""
    return (
        selector(given, {"namespace": environment.namespace}),
        selector(given, {"exported_namespace": environment.namespace}),
    )


def alerts(project: Project, environments: Iterable[Environment]) -> Iterator[Alert]:
    """Errors and heat, per environment with GPUs."""
    for each in watched(project, environments):
        yield xid(each)
        yield too_hot(each)


def xid(environment: Environment) -> Alert:
    """A new XID error. The metric holds the last one until another comes, so that only a change tells."""
    span = looking_back(environment, 600.0)
    last = " or ".join(spellings(XID, environment))
    own, other = (
        over_time("changes", XID, span, {name: environment.namespace}) for name in ("namespace", "exported_namespace")
    )
    changed = aggregate("max", f"{own} or {other}", BY_GPU)
    return Alert(
        name="GpuXidError",
        expr=f"{aggregate('max', last, BY_GPU)} > 0 < {NO_XID}\nand {changed} > 0",
        for_=120.0,
        severity="critical",
        category="hardware",
        summary="A GPU of $environment reported an error",
        description="GPU $gpu ($UUID) reported XID $value.",
        dashboard="gpu",
        labels={"environment": environment.name},
        proof=_proof(XID, environment, good=0.0, bad=79.0, edge=0.0, lead=1200.0, resolve=1200.0),
    )


def too_hot(environment: Environment) -> Alert:
    """A GPU about to slow down."""
    hottest = aggregate("max", " or ".join(spellings(TEMPERATURE, environment)), BY_GPU)
    return Alert(
        name="GpuTooHot",
        expr=f"{hottest} > {HOTTEST} < {NO_TEMPERATURE}",
        for_=300.0,
        severity="warning",
        category="hardware",
        summary="A GPU of $environment is hot",
        description=f"GPU $gpu ($UUID) is at $value degrees Celsius; from about {HOTTEST} on GPUs slow down.",
        dashboard="gpu",
        labels={"environment": environment.name},
        proof=_proof(TEMPERATURE, environment, good=40.0, bad=90.0, edge=float(HOTTEST)),
    )


def _proof(
    given: Family,
    environment: Environment,
    *,
    good: float,
    bad: float,
    edge: float,
    lead: float = 0.0,
    resolve: float = 600.0,
) -> Proof:
    """One GPU as scraped with `honor_labels`, another one without."""
    spelled = ("namespace", {"gpu": "0", "UUID": "GPU-1"}), ("exported_namespace", {"gpu": "1", "UUID": "GPU-2"})
    first, second = ({**labels, "environment": environment.name} for _, labels in spelled)
    return Proof(
        lines=tuple(
            Line(given.name + matchers({**labels, name: environment.namespace}), good, bad, edge, False)
            for name, labels in spelled
        ),
        value=bad,
        labels=first,
        others=(second,),
        lead=lead,
        resolve=resolve,
        quiet=(("a sensor that the GPU lacks", (BLANK, BLANK)),),
    )
