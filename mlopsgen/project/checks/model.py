"""Model, training and search fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlopsgen.contract.evaluation import METRICS
from mlopsgen.diagnostics import Diagnostic
from mlopsgen.project import derive
from mlopsgen.project.checks.view import View
from mlopsgen.spec import fields
from mlopsgen.spec.findings import closest, shown

PREPROCESSING = ("strip", "nfc", "nfkc", "lower", "collapse_spaces")
"""Steps that the runtime has."""


def check(view: View) -> Iterator[Diagnostic]:
    """Adapter, packing, preprocessing and search."""
    model, training = view.spec.model, view.spec.training
    if model.adapter is not None and model.architecture is not None:
        help = "drop `adapter`, or name a pre-trained `base`"
        also = (("from scratch", ("model", "architecture")),)
        message = "an adapter needs a pre-trained base, and this model is trained from scratch"
        yield view.finding("E205", message, "model", "adapter", help=help, also=also, on_key=True)
    if training.packing and derive.task(view.spec) == "text-classification":
        also = (("the task", ("model", "task")),)
        message = "text-classification has one label per sequence, so sequences cannot be packed"
        yield view.finding("E206", message, "training", "packing", help="write `packing: false`", also=also)
    for index, step in enumerate(model.preprocess):
        if ":" not in step and step not in PREPROCESSING:
            hint = closest(step, list(PREPROCESSING))
            help = f"did you mean `{hint}`?" if hint else f"one of {', '.join(PREPROCESSING)}, or `module:function`"
            yield view.finding("E229", f"there is no preprocessing step `{step}`", "model", "preprocess", index, help=help)
    if training.search is not None:
        yield from _search(view)


def _search(view: View) -> Iterator[Diagnostic]:
    search: Any = view.spec.training.search
    at = ("training", "search")
    known = METRICS[derive.task(view.spec)]
    if search.metric.name not in known:
        hint = closest(search.metric.name, list(known))
        help = f"did you mean `{hint}`?" if hint else "metrics: " + ", ".join(known)
        yield view.finding("E210", f"the evaluation has no metric `{search.metric.name}`", *at, "metric", "name", help=help)
    for name, distribution in search.parameters.items():
        place = _parameter(name)
        if place is None:
            message = f"`{name}` is no field of `training` or `model` that a search can set"
            yield view.finding("E208", message, *at, "parameters", name, help=_nearby(name), on_key=True)
            continue
        if name.startswith("adapter.") and view.spec.model.adapter is None:
            help = "add `model.adapter`, or drop the parameter"
            yield view.finding("E208", f"`{name}` is searched, and the model has no adapter", *at, "parameters", name, help=help, on_key=True)
            continue
        adapter = TypeAdapter(place)
        for kind in ("choice", "uniform", "log_uniform", "int_uniform"):
            for index, value in enumerate(getattr(distribution, kind) or ()):
                try:
                    adapter.validate_python(value, strict=True)
                except ValidationError as error:
                    message = f"{shown(value)} is no value of `{name}`: {error.errors()[0]['msg'].lower()}"
                    yield view.finding("E209", message, *at, "parameters", name, kind, index)


def _parameter(name: str) -> Any:
    """Type of a searchable field: a scalar of `training`, or of `model` below it; None when there is none."""
    import typing

    for section in ("training", "model"):
        place = fields.find((section, *name.split(".")))
        if place is not None and place.field is not None and place.section is None:
            return typing.Annotated[place.field.annotation, place.field]
    return None


def _nearby(name: str) -> str:
    known = []
    for section in ("training", "model"):
        place = fields.find((section,))
        if place and place.section:
            known += fields.names(place.section)
    adapter = fields.find(("model", "adapter"))
    if adapter and adapter.section:
        known += [f"adapter.{field}" for field in fields.names(adapter.section)]
    hint = closest(name, known)
    return f"did you mean `{hint}`?" if hint else "name it as in `training`, or as `adapter.r`"
