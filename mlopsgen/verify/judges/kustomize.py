"""kustomize, on its own or in kubectl: whether each folder of manifests can be put together."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.layout import Layout

_ERROR = re.compile(r"^(?:error|Error): (.+)\Z|\berr=\"(.+)\"\Z", re.DOTALL)
"""How it fails, in old kubectl and in new."""


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    verb = "kustomize" if os.path.basename(program).startswith("kubectl") else "build"
    for key in layout.named(r"(?:^|/)kustomization\.yaml$"):
        folder = os.path.dirname(layout.path(key))
        files = tuple(one for one in layout.texts if os.path.dirname(layout.path(one)) == folder)
        yield Run((verb, folder), files, partial(_read, layout, key, folder), layout.root)


def _read(layout: Layout, key: str, folder: str, answer: Answer) -> Said:
    if answer.code == 0 and ("kind:" in answer.out or not answer.out.strip()):
        warnings = [row.removeprefix("# Warning: ") for row in answer.err.splitlines() if row.strip()]
        return Said([Remark(key, layout.quoted(key, row), 0, "warning", row) for row in warnings])
    failed = _ERROR.search(answer.err.strip())
    if answer.code != 1 or failed is None:
        raise unreadable(answer)
    error = failed[1] or failed[2].replace('\\"', '"')
    message = " ".join(error.replace(folder + os.sep, "").replace(folder, ".").split())
    return Said([Remark(key, layout.quoted(key, message), 0, "error", message)])


JUDGE = Judge(
    "kustomize",
    ("kustomize", "kubectl"),
    "it is part of kubectl: https://kubernetes.io/docs/tasks/tools",
    ("version",),
    _runs,
)
