"""A Prometheus that has watched for hours: samples made from the contract, put into its database beforehand."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mlopsgen.contract.metrics import Family, bound
from mlopsgen.project.model import Environment, Project
from mlopsgen.project.telemetry import setup
from tests.targets.prometheus import live
from tests.targets.prometheus.specs import run

HOURS = 2
PACE = 15
SOURCES = {"serving": ("serving", "vllm"), "quality": ("quality",), "rollout": ("rollout",), "pods": ("trainer",)}
"""Sources of the contract by the job that scrapes them."""


def samples(project: Project, environment: Environment, moments: Iterable[int]) -> Iterator[str]:
    """Lines of OpenMetrics: everything that an environment exports, counters growing, gauges at rest."""
    times, model = list(moments), str(project.model.name)
    where = {"environment": environment.name, "namespace": environment.namespace}
    for part, sources in SOURCES.items():
        for variant in ("champion", "canary") if part == "serving" else ("champion",):
            exporter = live.Exporter(sources, setup(project, environment), model, variant)
            target = {**where, "job": f"{project.name}-{part}", "instance": variant, "pod": f"{part}-{variant}"}
            for family in exporter.families:
                yield from _family(exporter, family, target, times)
            for at in times:
                yield f"{live.sample('up', target)} 1 {at}"
    gpus = live.Exporter(["dcgm"], setup(project, environment), model)
    for family in gpus.families:
        yield from _family(gpus, family, {**where, "job": "dcgm", "instance": "gpu", "pod": "serving-champion"}, times)


def _family(exporter: live.Exporter, family: Family, target: dict[str, str], times: list[int]) -> Iterator[str]:
    edges = {bound(edge): index for index, edge in enumerate((*family.buckets, float("inf")), start=1)}
    for name in exporter.samples(family):
        bare, _, labels = name.partition("{")
        text = ",".join(f'{key}="{value}"' for key, value in target.items()) + "," + labels
        growth = next((index for edge, index in edges.items() if f'le="{edge}"' in labels), len(edges))
        for step, at in enumerate(times, start=1):
            value = step * 10 * growth if family.kind != "gauge" else at if "timestamp" in bare else 1
            yield f"{bare}{{{text} {value} {at}"


@contextmanager
def prometheus(project: Project, folder: Path) -> Iterator[live.Prometheus]:
    """Prometheus with two hours behind it, which scrapes nothing and evaluates nothing."""
    now = int(time.time()) // PACE * PACE
    moments = range(now - HOURS * 3600, now + 1, PACE)
    lines = [line for each in project.environments for line in samples(project, each, moments)]
    text = folder / "history.txt"
    text.write_text("\n".join(sorted(lines, key=lambda line: line.partition("{")[0])) + "\n# EOF\n")
    done = run("promtool", "tsdb", "create-blocks-from", "openmetrics", text, folder / "tsdb")
    assert done.returncode == 0, done.stdout + done.stderr
    config = folder / "empty.yaml"
    config.write_text("global: {}\n")
    with live.prometheus(config, folder) as running:
        yield running
