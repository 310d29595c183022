"""Which stages of the DVC pipeline run again: those whose command, dependencies or parameters differ, and those that
read what these write. Source: https://dvc.org/doc/user-guide/project-structure/dvcyaml-files
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from mlopsgen.review import words
from mlopsgen.review.compare import same
from mlopsgen.review.documents import Files, changed
from mlopsgen.review.effects.effect import Effect
from mlopsgen.review.parts import items, mapping

PIPELINE, PARAMS = "dvc.yaml", "params.yaml"
TRAINING = "train"
MATTERS = ("cmd", "wdir", "deps", "params", "outs", "metrics", "plots", "foreach", "matrix", "frozen", "always_changed")
"""Fields of a stage that make it run again; `desc` and `meta` do not. Of an output only its path counts."""


def effects(base: Files, head: Files) -> Iterator[Effect]:
    """Stages that run again, why, and what nobody reads."""
    touched = {key for key in changed(base, head) if key in (PIPELINE, PARAMS)}
    if not touched:
        return
    why, after = stale(base, head)
    gone = sorted(_stages(base).keys() - _stages(head).keys())
    if why:
        yield _run_again(why, after, head)
    if gone:
        text = f"{words.count(len(gone), 'stage')} of the pipeline no longer run: {', '.join(gone)}"
        yield Effect("configuration", "", text, 1, {"stages": gone}, (PIPELINE,))
    elif not why:
        params = not same(base.document(PARAMS), head.document(PARAMS))
        text = "parameters change that no stage of the pipeline reads" if params else "texts of the pipeline change"
        yield Effect("configuration" if params else "metadata", "", text, 1, {}, tuple(sorted(touched)))


def _run_again(why: dict[str, list[str]], after: list[str], head: Files) -> Effect:
    every = [*why, *after]
    kind = "retrain" if TRAINING in every else "pipeline"
    reasons = "; ".join(f"{stage} ({words.some(causes, 3)})" for stage, causes in why.items())
    text = f"{words.count(len(every), 'stage')} of the pipeline run again: {reasons}"
    if after:
        text += f"; after {'them' if len(why) > 1 else 'it'} {words.listed(after)}"
    if kind == "pipeline":
        text += ". The model is not trained again"
    elif "prepare" in every:
        text += ". The prepared data in the cache no longer holds"
    return Effect(kind, "", text, len(every), {"changed": why, "after": after, "stages": every}, (PIPELINE, PARAMS))


def stale(base: Files, head: Files) -> tuple[dict[str, list[str]], list[str]]:
    """Stages that differ themselves, each with what differs, and the stages behind them, in the order of dvc.yaml."""
    before, after = _stages(base), _stages(head)
    old, new = base.document(PARAMS) or {}, head.document(PARAMS) or {}
    why = {name: causes for name, stage in after.items() if (causes := _causes(before.get(name), stage, old, new))}
    written = {name: set(_paths(stage, "outs")) | set(_paths(stage, "metrics")) for name, stage in after.items()}
    found = set(why)
    while True:
        made = {path for name in found for path in written[name]}
        more = {name for name, stage in after.items() if name not in found and _reads(stage, made)}
        if not more:
            return why, [name for name in after if name in found and name not in why]
        found |= more


def _reads(stage: Any, made: set[str]) -> bool:
    return any(
        dep == path or dep.startswith(f"{path}/") or path.startswith(f"{dep}/")
        for dep in _paths(stage, "deps")
        for path in made
    )


def _causes(before: Any, stage: Any, old: Any, new: Any) -> list[str]:
    if before is None:
        return ["new"]
    causes = []
    for field in MATTERS:
        if field in ("deps", "params", "outs", "metrics", "plots"):
            if sorted(_paths(before, field)) != sorted(_paths(stage, field)):
                causes.append(field)
        elif not same(before.get(field), stage.get(field)):
            causes.append(field)
    for name in _paths(stage, "params"):
        causes += _differing(_at(old, name), _at(new, name), name)
    return list(dict.fromkeys(causes))


def _differing(old: Any, new: Any, name: str) -> list[str]:
    """Names of parameters that differ, below a name that a stage lists."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [
            each
            for key in dict.fromkeys((*old, *new))
            for each in _differing(old.get(key), new.get(key), f"{name}.{key}")
        ]
    return [] if same(old, new) else [name]


def _at(document: Any, name: str) -> Any:
    for part in name.split("."):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def _paths(stage: Any, field: str) -> list[str]:
    return [str(next(iter(item), "")) if isinstance(item, dict) else str(item) for item in items(stage.get(field))]


def _stages(files: Files) -> dict[str, Any]:
    stages = mapping(mapping(files.document(PIPELINE)).get("stages"))
    return {name: stage for name, stage in stages.items() if isinstance(stage, dict)}
