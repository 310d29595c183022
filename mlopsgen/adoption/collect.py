"""Everything that can be taken from a folder."""

from __future__ import annotations

import os

from mlopsgen.adoption.around import around
from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import Files, entries, items
from mlopsgen.adoption.jobs import jobs
from mlopsgen.adoption.parameters import SECTIONS, parameters, settings
from mlopsgen.adoption.pipeline import pipeline, project
from mlopsgen.adoption.rules import rules
from mlopsgen.adoption.workloads import environment_of, workloads
from mlopsgen.diagnostics import Failed
from mlopsgen.spec.load import parse


def collect(folder: str, draft: Draft, server: str = "") -> Files:
    """Fill a draft from the files of a folder; gives what was looked at.

    Args:
        server: name of the Deployment that serves the model; empty to find it.
    """
    files = Files(folder, draft)
    project(draft, files)
    named = _parameters(draft, files)
    for document in files.documents:
        if document.file in named or os.path.basename(document.file) in ("params.yaml", "params.yml"):
            parameters(draft, document)
    pipeline(draft, files)
    workloads(draft, files, server)
    _embedded(draft, files)
    jobs(draft, files)
    rules(draft, files)
    around(draft, files)
    told = {one.file for one in draft.taken.values()} | {one.file for one in (*draft.left, *draft.skipped)}
    draft.unused = sorted({one.file for one in files.documents} - told)
    return files


def _parameters(draft: Draft, files: Files) -> set[str]:
    """Files of parameters that stages name."""
    found = set()
    for document in files.documents:
        if os.path.basename(document.file) != "dvc.yaml":
            continue
        base = os.path.dirname(document.file)
        for stage in entries(document.node.find(("stages",))).values():
            for one in items((stage.find(("do",)) or stage).find(("params",))):
                for name in entries(one):
                    path = os.path.normpath(os.path.join(base, name)).replace(os.sep, "/")
                    if not name.endswith((".yaml", ".yml")) and path in files.paths:
                        draft.skip(path, "parameters are read from YAML only")
                    found.add(path)
    return found


def _embedded(draft: Draft, files: Files) -> None:
    """Settings in a ConfigMap that name fields of the language."""
    order = ["production", "staging", "testing", "development", ""]
    every = [one for one in files.documents if one.kind == "ConfigMap"]
    for document in sorted(every, key=lambda one: order.index(environment_of(one.file))):
        for key, node in entries(document.node.find(("data",))).items():
            if not key.endswith((".yaml", ".yml")) or not isinstance(node.value, str):
                continue
            try:
                inner = parse("\n" * node.span.line + node.value, document.file)
            except Failed:
                continue
            for section in ("serving", "model"):
                found = inner.find((section,))
                if found is not None and section in SECTIONS:
                    settings(draft, found, (), section)
