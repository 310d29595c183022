"""Stages of `dvc.yaml`, in the order in which they run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlopsgen.contract import files as paths
from mlopsgen.contract.commands import command, distributed
from mlopsgen.project.model import Project

Stage = dict[str, Any]


def pipeline(project: Project) -> dict[str, Any]:
    """The whole of `dvc.yaml`."""
    loss = paths.LOSS_COLUMNS
    return {
        "stages": dict(stages(project)),
        "plots": [
            {
                "Loss": {
                    "x": {paths.LOSS: loss["x"]},
                    "y": {paths.LOSS: [loss["train"], loss["validation"]]},
                    "x_label": "optimizer step",
                    "y_label": "loss",
                }
            }
        ],
        "artifacts": {artifact_name(project): {"path": paths.MODEL, "type": "model", "desc": "The trained model."}},
    }


def artifact_name(project: Project) -> str:
    """Name of the model as a DVC artifact: letters, digits and `-`."""
    return project.name


def stages(project: Project) -> Iterator[tuple[str, Stage]]:
    """Name and content of each stage that the spec asks for."""
    code = [module_file(step) for step in project.model.preprocess if ":" in step]
    yield from _data_stages(project, code)
    yield "train", _train(project, code)
    yield (
        "evaluate",
        {
            "desc": "Score the model on the validation part.",
            "cmd": command("evaluate"),
            "deps": [paths.MODEL, paths.VALIDATION, *code],
            "params": ["model.task", "train.max_length"],
            "outs": [paths.EVALUATION_RECORDS],
            "metrics": [uncached(paths.EVALUATION)],
        },
    )
    evaluation = project.evaluation
    if evaluation.benchmark is not None:
        yield (
            "benchmark",
            _suite(
                "benchmark",
                "Measure latency and throughput.",
                paths.VALIDATION,
                metrics=paths.BENCHMARK,
                outs=paths.BENCHMARK_PICTURE,
            ),
        )
    if evaluation.safety is not None:
        yield (
            "safety",
            _suite(
                "safety",
                "Harmful prompts are refused.",
                evaluation.safety.prompts,
                metrics=paths.SAFETY,
                outs=paths.SAFETY_OUTCOMES,
            ),
        )
    if evaluation.bias is not None:
        yield "bias", _suite("bias", "Groups are treated alike.", evaluation.bias.pairs, metrics=paths.BIAS)
    yield from _release_stages(project)


def _data_stages(project: Project, code: list[str]) -> Iterator[tuple[str, Stage]]:
    data = project.data
    if data.collect is not None:
        yield (
            "collect",
            {
                "desc": "Fetch the raw records.",
                "cmd": command("collect"),
                "deps": [module_file(data.collect)],
                "params": ["data.collect", "data.raw"],
                "outs": [data.raw],
            },
        )
    yield (
        "prepare",
        {
            "desc": "Normalise, drop duplicates, split.",
            "cmd": command("prepare"),
            "deps": [data.raw, *code],
            "params": ["data", "model.preprocess", "model.task"],
            "outs": [paths.TRAIN, paths.VALIDATION],
            "metrics": [uncached(paths.PREPARATION)],
        },
    )
    yield (
        "validate",
        {
            "desc": "Hold the data to its contract.",
            "cmd": command("validate"),
            "deps": [data.raw, paths.TRAIN, paths.VALIDATION],
            "params": ["data"],
            "outs": [uncached(paths.DATA_VALIDATION_PAGE)],
            "metrics": [uncached(paths.DATA_VALIDATION)],
        },
    )
    if data.drift.reference != "champion":
        yield (
            "drift",
            {
                "desc": "Compare with the reference data.",
                "cmd": command("drift"),
                "deps": [paths.TRAIN, data.drift.reference],
                "params": ["drift"],
                "outs": [uncached(paths.DRIFT_PAGE)],
                "metrics": [uncached(paths.DRIFT)],
            },
        )


def _train(project: Project, code: list[str]) -> Stage:
    store = project.training.checkpoint.store
    outs: list[Any] = [paths.MODEL]
    if "://" not in store:
        outs.append({store: {"persist": True, "cache": False, "desc": "Kept between runs: training resumes from it."}})
    outs += [uncached(paths.LOSS), uncached(paths.LOSS_PICTURE)]
    return {
        "desc": "Train the model.",
        "cmd": distributed("train", project.training.resources.gpu),
        "deps": [paths.TRAIN, paths.VALIDATION, paths.DATA_VALIDATION, *code],
        "params": ["model", "train"],
        "outs": outs,
        "metrics": [uncached(paths.TRAINING)],
    }


def _suite(name: str, description: str, source: str, *, metrics: str, outs: str | None = None) -> Stage:
    return {
        "desc": description,
        "cmd": command(name),
        "deps": [paths.MODEL, source],
        "params": [name],
        **({"outs": [uncached(outs)]} if outs else {}),
        "metrics": [uncached(metrics)],
    }


def _release_stages(project: Project) -> Iterator[tuple[str, Stage]]:
    evaluation = project.evaluation
    suites = {"benchmark": paths.BENCHMARK, "safety": paths.SAFETY, "bias": paths.BIAS}
    asked = [name for name in suites if getattr(evaluation, name) is not None]
    params = [*(["evaluate"] if evaluation.gates or evaluation.against_champion else []), *asked]
    reports = [paths.EVALUATION, *(suites[name] for name in asked)]
    judged = reports
    if params:
        judged = [paths.GATES]
        yield (
            "gate",
            {
                "desc": "Judge the metrics; stops the pipeline when one is outside of its limits.",
                "cmd": command("gate"),
                "deps": [*reports, *([paths.EVALUATION_RECORDS] if evaluation.against_champion else [])],
                "params": params,
                "metrics": [uncached(paths.GATES)],
            },
        )
    yield (
        "register",
        {
            "desc": "Register the model as challenger.",
            "cmd": command("register"),
            "deps": [paths.MODEL, paths.EVALUATION_RECORDS, *judged],
            "params": ["model.name", "register"],
            "outs": [uncached(paths.REGISTRATION)],
        },
    )


def uncached(path: str) -> dict[str, Any]:
    """An output small enough for Git."""
    return {path: {"cache": False}}


def module_file(function: str) -> str:
    """File of `package.module:function`, beside mlops.yaml."""
    return function.partition(":")[0].replace(".", "/") + ".py"
