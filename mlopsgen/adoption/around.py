"""What stands around it: git's own address, kustomizations, charts, workflows."""

from __future__ import annotations

import os
import re

from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import Files, items
from mlopsgen.diagnostics import Span

_ORIGIN = re.compile(
    r"^\s*url\s*=\s*(?:git@github\.com:|(?:https|ssh)://(?:git@)?github\.com/)([\w.-]+/[\w.-]+?)(?:\.git)?/?\s*$"
)


def around(draft: Draft, files: Files) -> None:
    """Take the name on GitHub; mention what mlopsgen writes itself."""
    path = os.path.join(files.folder, ".git", "config")
    if os.path.isfile(path) and os.path.getsize(path) < 2**20:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for number, row in enumerate(stream, 1):
                match = _ORIGIN.match(row)
                if match:
                    draft.take(("project", "repository"), match[1], Span(".git/config", number, 1, number, 1))
                    break
    for document in files.documents:
        if document.kind == "Kustomization" or os.path.basename(document.file).startswith("kustomization."):
            for image in items(document.node.find(("images",))):
                why = "which image runs is a fact of a release: release.yaml"
                draft.leave(image.span, f"image {image.find(('name',)) and image.plain().get('name')}", why)
            for key in ("patches", "patchesStrategicMerge", "patchesJson6902", "configMapGenerator", "helmCharts"):
                node = document.node.find((key,))
                if node is not None:
                    why = "mlopsgen writes whole manifests for each environment; `patches:` changes them"
                    draft.leave(document.node.key_span((key,)), key, why)
    for workflow in files.named(r"\.github/workflows/[^/]+\.ya?ml"):
        why = "mlopsgen writes ml-ci, ml-train, ml-release and ml-retrain; this one stays"
        draft.leave(Span(workflow, 1, 1, 1, 1), "workflow", why)
