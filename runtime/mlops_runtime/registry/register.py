"""Registration: the trained model becomes a version with its lineage, and the challenger."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlops_runtime import parameters
from mlops_runtime.data.atomic import write_json
from mlops_runtime.errors import Mistaken
from mlops_runtime.registry import content, describe, flavor, semantic, state
from mlops_runtime.tracking import facts, server
from mlopsgen.contract import files, registry

if TYPE_CHECKING:
    from mlflow import MlflowClient

SUITES = {None: files.EVALUATION, "benchmark": files.BENCHMARK, "safety": files.SAFETY, "bias": files.BIAS}
"""Reports whose numbers become metrics of the version, with what stands before their names, as in the run."""

KEPT = (*SUITES.values(), files.EVALUATION_RECORDS, files.GATES)
"""Reports kept with the run: the next model is compared with them."""


def register() -> dict[str, Any]:
    """Register `models/model`, and write `reports/registration.json`.

    The same files are the same version: registering again finds it, and finishes what was left of it. A version that
    was in production once stays what it is; any other becomes the challenger. Weights are copied, never loaded.

    Returns:
        `name`, `version`, `semantic_version`, `uri`, `run_id`, `model_digest`, and `new`: whether it is a new version.

    Raises:
        Mistaken: no model, one that must not be registered, a failed gate, or no answer from the server.
    """
    given = parameters.read("model", "register", optional=("evaluate", "benchmark", "safety", "bias"))
    info = content.checked(files.MODEL)
    _demand_passed(given)
    name, options = given["model"]["name"], given["register"]
    digest = content.digest(files.MODEL)
    with server.answering():
        client = server.client()
        _made(client, name)
        before = state.settle(client, name, options["keep"])
        version = known = _known(client, name, digest)
        if version is None:
            version = _log(client, name, digest, info, options["semantic_version"] == "auto")
        if not version.description:
            _complete(client, version, info)
        if str(version.version) not in {entry.version for entry in before.entries}:
            server.patient(client.set_registered_model_alias, name, registry.CHALLENGER, str(version.version))
        state.settle(client, name, options["keep"])
    report = {
        "name": name,
        "version": str(version.version),
        "semantic_version": version.tags.get(registry.TAG_SEMANTIC_VERSION),
        "uri": f"models:/{name}/{version.version}",
        "run_id": version.run_id,
        "model_digest": digest,
    }
    write_json(files.REGISTRATION, report)
    return {**report, "new": known is None}


def _demand_passed(given: Mapping[str, Any]) -> None:
    """No model that a gate refused becomes a version, even when the command is called by hand."""
    evaluate = given.get("evaluate") or {}
    if not evaluate and not any(name in given for name in ("benchmark", "safety", "bias")):
        return
    try:
        with open(files.GATES, encoding="utf-8") as stream:
            passed = json.load(stream)["passed"]
    except (OSError, ValueError, KeyError, TypeError):
        raise Mistaken(f"{files.GATES} cannot be read: run `dvc repro gate` first") from None
    if passed is not True:
        raise Mistaken(f"{files.GATES} says that a gate failed: this model is not registered")


def _made(client: MlflowClient, name: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        server.patient(client.get_registered_model, name)
    except MlflowException as error:
        if not server.absent(error):
            raise
        try:
            client.create_registered_model(name)
        except MlflowException:
            server.patient(client.get_registered_model, name)  # another process made it in the meantime


def _known(client: MlflowClient, name: str, digest: str) -> Any:
    """The version with these files, the first one when several processes made one at once; None when there is none."""
    same = [found for found in state.versions(client, name) if found.tags.get(registry.TAG_MODEL_DIGEST) == digest]
    return same[0] if same else None


def _log(client: MlflowClient, name: str, digest: str, info: dict[str, Any], numbered: bool) -> Any:
    """Copy the model to the tracking server and make it a version, which has its tags from its first moment on."""
    import mlflow
    from mlflow.models import Model

    run = _run(client, digest)
    tags = lineage(info, digest, run)
    mlflow.set_experiment(experiment_id=run.info.experiment_id)
    logged = Model.log(
        artifact_path=None,
        name="model",
        flavor=flavor,
        run_id=run.info.run_id,
        tags=tags,
        folder=files.MODEL,
        info=info,
    )
    if numbered:
        tags[registry.TAG_SEMANTIC_VERSION] = _numbered(client, name, None, tags)
    made = client.create_model_version(name, logged.model_uri, run.info.run_id, tags, model_id=logged.model_id)
    first = _known(client, name, digest)
    if first.version != made.version:
        client.delete_model_version(name, str(made.version))  # another process registered the same files just before
    elif (
        numbered and (right := _numbered(client, name, str(made.version), tags)) != tags[registry.TAG_SEMANTIC_VERSION]
    ):
        server.patient(client.set_model_version_tag, name, str(made.version), registry.TAG_SEMANTIC_VERSION, right)
        first.tags[registry.TAG_SEMANTIC_VERSION] = right
    return first


def _complete(client: MlflowClient, version: Any, info: dict[str, Any]) -> None:
    """Metrics, reports and description, the description last: a version that has one is complete."""
    run = client.get_run(version.run_id)
    metrics = _metrics()
    model_id = version.source.removeprefix("models:/")
    step = int(run.data.metrics.get("steps", 0))
    for key, value in metrics.items():
        client.log_metric(version.run_id, key, value, step=step, model_id=model_id)
    for path in KEPT:
        if os.path.exists(path):
            client.log_artifact(version.run_id, path)
    client.update_model_version(version.name, str(version.version), describe.text(info, version.tags, metrics, run))


def _numbered(client: MlflowClient, name: str, version: str | None, tags: Mapping[str, str]) -> str:
    """Semantic version after that of the version before `version`, or after the last one."""
    before = [found for found in state.versions(client, name) if version is None or int(found.version) < int(version)]
    return semantic.following(before[-1].tags if before else None, tags)


def _run(client: MlflowClient, digest: str) -> Any:
    """The run that trained the model, by the digest that it noted; else a new one, so that no version is without."""
    from mlops_runtime.tracking.mlflow import experiment_id

    experiment = experiment_id(client)
    found = client.search_runs([experiment], f"tags.{registry.TAG_MODEL_DIGEST} = '{digest}'", max_results=1)
    if found:
        return found[0]
    tags = {"stage": "register", registry.TAG_MODEL_DIGEST: digest, "mlflow.user": facts.person()}
    made = client.create_run(experiment, tags=tags, run_name="register")
    client.set_terminated(made.info.run_id)
    return made


def lineage(info: Mapping[str, Any], digest: str, run: Any) -> dict[str, str]:
    """Tags of a version: where it comes from, by digests and names.

    Args:
        info: `mlops.json`.
        digest: of the model.
        run: that trained it.
    """
    adapter = content.is_adapter(files.MODEL)
    parts = info.get("data") or {}
    digests = {name: part["sha256"] for name, part in parts.items()}
    tags = {
        registry.TAG_MODEL_DIGEST: digest,
        registry.TAG_DATA_DIGEST: facts.data_digest(digests)
        if digests
        else run.data.tags.get(registry.TAG_DATA_DIGEST),
        registry.TAG_SPEC_DIGEST: info.get("spec_digest") or run.data.tags.get(registry.TAG_SPEC_DIGEST),
        registry.TAG_COMMIT: run.data.tags.get(registry.TAG_COMMIT) or facts.commit(),
        registry.TAG_BASE: info.get("base") or _architecture(),
        registry.TAG_BASE_REVISION: info.get("revision") or info.get("base_digest"),
        registry.TAG_TASK: info.get("task"),
        registry.TAG_METHOD: "lora" if adapter else "full" if info.get("base") else "scratch",
    }
    return {key: str(value) for key, value in tags.items() if value is not None}


def _architecture() -> str:
    """What stands for the base of a model from scratch: its shape."""
    with open(os.path.join(files.MODEL, "config.json"), encoding="utf-8") as stream:
        config = json.load(stream)
    shape = [config.get(key) for key in ("model_type", "hidden_size", "num_hidden_layers", "num_attention_heads")]
    return "-".join(str(part) for part in (*shape, config.get("vocab_size")) if part is not None)


def _metrics() -> dict[str, float]:
    found: dict[str, float] = {}
    for suite, path in SUITES.items():
        try:
            with open(path, encoding="utf-8") as stream:
                report = json.load(stream)
        except (OSError, ValueError):
            continue
        for key, value in facts.flat({suite: report} if suite else report).items():
            if isinstance(value, int | float) and not isinstance(value, bool):
                found[key] = float(value)
    return found
