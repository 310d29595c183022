"""Model, training and search fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlopsgen.contract.evaluation import METRICS
from mlopsgen.diagnostics import Diagnostic
from mlopsgen.diagnostics.hints import closest
from mlopsgen.project import derive
from mlopsgen.project.checks.view import View
from mlopsgen.spec import language
from mlopsgen.spec.core import ValidationError
from mlopsgen.spec.findings import named

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
            yield view.finding(
                "E229", f"there is no preprocessing step `{step}`", "model", "preprocess", index, help=help
            )
    if training.search is not None:
        yield from _search(view)


def _search(view: View) -> Iterator[Diagnostic]:
    search: Any = view.spec.training.search
    at = ("training", "search")
    known = METRICS[derive.task(view.spec)]
    if search.metric.name not in known:
        hint = closest(search.metric.name, list(known))
        help = f"did you mean `{hint}`?" if hint else "metrics: " + ", ".join(known)
        yield view.finding(
            "E210", f"the evaluation has no metric `{search.metric.name}`", *at, "metric", "name", help=help
        )
    for name in search.parameters:
        section = _section(name)
        if section is None or (name.startswith("adapter.") and view.spec.model.adapter is None):
            reason = "is no field of `training` or `model` that a search can set"
            if section is not None:
                reason = "is searched, and the model has no adapter"
            help = _nearby(name) if section is None else "add `model.adapter`, or drop the parameter"
            yield view.finding("E208", f"`{name}` {reason}", *at, "parameters", name, help=help, on_key=True)
            continue
        for kind in ("choice", "uniform", "log_uniform", "int_uniform"):
            written = view.tree.find((*at, "parameters", name, kind))
            for index, value in enumerate((written and written.plain()) or ()):
                reason = _refused(view, (section, *name.split(".")), value)
                if reason:
                    message = f"{named(value)} is no value of `{name}`: {reason}"
                    help = f"see `mlopsgen explain {section}.{name}`"
                    yield view.finding("E209", message, *at, "parameters", name, kind, index, help=help)


def _section(name: str) -> str | None:
    """The section that has a searchable field: a scalar of `training`, or of `model` or below it."""
    for section in ("training", "model"):
        place = language.find((section, *name.split(".")))
        if place is not None and place.scalar:
            return section
    return None


def _refused(view: View, path: tuple[str, ...], value: Any) -> str:
    """Why the section would be refused with `value` at `path`; empty when it would not."""
    section = view.tree.find(path[:1])
    given = section.value if section is not None else {}
    plain: dict[str, Any] = {key: node.plain() for key, node in given.items() if key != "search"}
    here = plain
    for part in path[1:-1]:
        here = here.setdefault(part, {})
    here[path[-1]] = value
    try:
        language.validate_section(path[0], plain)
    except ValidationError as error:
        found = [item for item in error.errors(include_url=False) if item["loc"][: len(path) - 1] == path[1:]]
        return found[0]["msg"].lower() if found else ""
    return ""


def _nearby(name: str) -> str:
    known = []
    for section, prefix in ((("training",), ""), (("model",), ""), (("model", "adapter"), "adapter.")):
        place = language.find(section)
        known += [prefix + field for field in (place.names if place else None) or ()]
    hint = closest(name, known)
    return f"did you mean `{hint}`?" if hint else "name it as in `training`, or as `adapter.r`"
