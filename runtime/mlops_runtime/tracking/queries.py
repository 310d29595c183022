"""Runs searched, sorted and compared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.tracking import server
from mlopsgen.contract import registry
from mlopsgen.contract.evaluation import METRICS

if TYPE_CHECKING:
    from mlflow import MlflowClient

LIMIT = 10
"""Runs shown."""

SORT = "val_loss"
"""Metric by which runs are sorted when none is given."""

RECENT = 5000
"""Runs among which an abbreviated id or a name is looked for."""

CODE = (registry.TAG_COMMIT, registry.TAG_SPEC_DIGEST, registry.TAG_DATA_DIGEST, registry.TAG_MODEL_DIGEST)
"""Tags that are compared besides parameters and metrics; those of the environment too."""

_ENTITIES = ("metrics.", "params.", "tags.", "attributes.")
"""With what MLflow begins the names of what it sorts by; metrics of suites hold a dot too (`benchmark.latency_p95`)."""

_DIGEST = re.compile(r"([0-9a-f]{12})[0-9a-f]{28,}(-dirty)?")


def runs(filter: str | None = None, sort: str | None = None, limit: int = LIMIT) -> list[dict[str, Any]]:
    """Runs of the project's experiment, the best first; those without the metric last.

    Args:
        filter: as MLflow has it, such as `metrics.val_loss < 2.0 and params."train.seed" = '42'`.
        sort: a metric, or what MLflow has: `metrics.val_loss DESC`, `start_time DESC`.
        limit: runs at most.

    Returns:
        Each run as plain data: `run_id`, `name`, `status`, `started` (ISO 8601, UTC), `seconds`, `parameters`,
        `metrics`, `tags`.

    Raises:
        Mistaken: the filter does not parse, or the server does not answer.
    """
    with server.answering():
        client, experiment = _opened()
        if experiment is None:
            return []
        found = client.search_runs([experiment], filter or "", max_results=limit, order_by=[_order(sort or SORT)])
    return [plain(run) for run in found]


def compare(names: Sequence[str]) -> dict[str, Any]:
    """What differs between two runs.

    Args:
        names: each a run's id or its beginning, its name, `models:/NAME/VERSION` or `models:/NAME@ALIAS`.

    Returns:
        `runs` (both, as `runs` gives them) and `differences`: by `parameters`, `metrics` and `tags`, for each name the
        two values, None where one run has none.

    Raises:
        Mistaken: no such run, several of them, or no answer from the server.
    """
    with server.answering():
        client, experiment = _opened()
        both = [plain(_resolved(client, experiment, name)) for name in names]
    differences: dict[str, dict[str, list[Any]]] = {}
    for kind in ("parameters", "metrics", "tags"):
        sides = [_compared(run[kind]) if kind == "tags" else run[kind] for run in both]
        keys = sorted({key for side in sides for key in side if not key.startswith("system/")})
        values = {key: [side.get(key) for side in sides] for key in keys}
        differences[kind] = {key: pair for key, pair in values.items() if pair[0] != pair[1]}
    return {"runs": both, "differences": differences}


def plain(run: Any) -> dict[str, Any]:
    """An MLflow run as plain data."""
    from datetime import UTC, datetime

    info, data = run.info, run.data
    started = datetime.fromtimestamp(info.start_time / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    seconds = (info.end_time - info.start_time) / 1000 if info.end_time else None
    return {
        "run_id": info.run_id,
        "name": info.run_name,
        "status": info.status,
        "started": started,
        "seconds": seconds,
        "parameters": dict(data.params),
        "metrics": dict(data.metrics),
        "tags": {key: value for key, value in data.tags.items() if not key.startswith("mlflow.")},
    }


def _opened() -> tuple[MlflowClient, str | None]:
    """Client and id of the experiment; nothing is made for looking."""
    if not server.exists(server.uri()):
        raise Mistaken(f"there is no tracking store at {server.shown(server.uri())} yet: run `dvc repro train`")
    client = server.client()
    found = client.get_experiment_by_name(server.experiment())
    return client, found.experiment_id if found is not None else None


def _order(sort: str) -> str:
    if " " in sort or sort.startswith(_ENTITIES) or sort in {"start_time", "end_time", "run_name", "status"}:
        return sort
    lower = next((known[sort].lower_is_better for known in METRICS.values() if sort in known), True)
    return f"metrics.`{sort}` {'ASC' if lower else 'DESC'}"


def _resolved(client: MlflowClient, experiment: str | None, name: str) -> Any:
    from mlflow.exceptions import MlflowException

    if name.startswith("models:/"):
        return client.get_run(_version(client, name).run_id)
    try:
        return client.get_run(name)
    except MlflowException as error:
        if not server.absent(error) and error.error_code != "INVALID_PARAMETER_VALUE":
            raise
    recent = client.search_runs([experiment], max_results=RECENT) if experiment is not None else []
    found = [run for run in recent if run.info.run_id.startswith(name) or run.info.run_name == name]
    if len(found) == 1:
        return found[0]
    if not found:
        raise Mistaken(f"there is no run {name}: give an id, its beginning, or a name that `mlops-runtime runs` shows")
    ids = ", ".join(run.info.run_id[:8] for run in found[:5])
    raise Mistaken(
        f"{len(found)} runs are meant by {name} ({ids}{', …' if len(found) > 5 else ''}): give more of the id"
    )


def _version(client: MlflowClient, uri: str) -> Any:
    from mlflow.exceptions import MlflowException

    path = uri.removeprefix("models:/")
    name, at, alias = path.partition("@")
    try:
        if at:
            return client.get_model_version_by_alias(name, alias)
        name, _, version = path.partition("/")
        return client.get_model_version(name, version)
    except MlflowException as error:
        if not server.absent(error) and error.error_code != "INVALID_PARAMETER_VALUE":
            raise
        raise Mistaken(f"{uri} is no version in the registry: {' '.join(str(error).split())[:200]}") from None


def _compared(tags: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if key in CODE or key.startswith("environment.")}


def show_runs(found: list[dict[str, Any]]) -> None:
    """Print runs as a table: id, name, when, and the parameters and metrics in which they differ."""
    from mlops_runtime.terminal import number, table

    if not found:
        print("no runs")
        return
    metrics = _shown([run["metrics"] for run in found], every=True)
    parameters = _shown([run["parameters"] for run in found], every=False)
    rows = [
        (
            run["run_id"][:8],
            run["name"] or "",
            run["started"].replace("T", " ").removesuffix("Z"),
            run["status"].lower(),
            *(number(run["metrics"].get(key)) for key in metrics),
            *(str(run["parameters"].get(key, "")) for key in parameters),
        )
        for run in found
    ]
    table(("run", "name", "started (UTC)", "status", *metrics, *parameters), rows)


def _shown(sides: list[dict[str, Any]], every: bool) -> list[str]:
    """At most five names: known metrics first; of parameters only those that differ, without digests."""
    names: dict[str, set[str]] = {}
    for side in sides:
        for key, value in side.items():
            names.setdefault(key, set()).add(str(value))
    if every:
        known = [name for task in METRICS.values() for name in task]
        kept = [key for key in dict.fromkeys(known) if key in names]
        return (kept or [key for key in names if not key.startswith("system/")])[:5]
    return [key for key, values in names.items() if len(values) > 1 and not key.endswith(".digest")][:5]


def show_comparison(found: dict[str, Any]) -> None:
    """Print two runs side by side: what differs."""
    from mlops_runtime.terminal import number, table

    rows = []
    for kind, entries in found["differences"].items():
        for name, (one, other) in entries.items():
            change = ""
            if kind == "metrics" and one and other is not None:
                change = f"{(other - one) / abs(one):+.2%}"
            rows.append((kind.removesuffix("s"), name, _cut(number(one)), _cut(number(other)), change))
    titles = [f"{run['run_id'][:8]} {run['name'] or ''}".strip() for run in found["runs"]]
    table(("", "", *titles, "change"), rows)


def _cut(text: str) -> str:
    """Digests as people tell them apart."""
    digest = _DIGEST.fullmatch(text)
    return digest[1] + (digest[2] or "") if digest else text
