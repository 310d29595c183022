"""kubernetes-validate: manifests by the strict schemas of Kubernetes, which it brings along."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, Unreadable, unreadable
from mlopsgen.verify.layout import Layout

_WRONG = re.compile(
    r"^ERROR (?P<file>.+) did not validate for resource (?P<kind>[^/ ]+)/(?P<name>\S+) against version \S+: "
    r"(?P<path>.*?): (?P<message>.+)$"
)
_UNKNOWN = re.compile(r"^WARN .+ Couldn't find schema for kind (\S+) ")


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    keys = tuple(key for key in layout.holding("apiVersion:", "kind:") if not key.endswith("kustomization.yaml"))
    if keys:
        paths = (layout.path(key) for key in keys)
        yield Run(("--strict", *paths), keys, partial(_read, layout), layout.root)


def _read(layout: Layout, answer: Answer) -> Said:
    found, unknown = [], []
    rows = [row for row in answer.out.splitlines() if row.strip()]
    if answer.code not in (0, 1) or not rows or answer.err.strip():
        raise unreadable(answer)
    for row in rows:
        wrong, warned = _WRONG.match(row), _UNKNOWN.match(row)
        if wrong is not None:
            found.append(_remark(layout, wrong))
        elif warned is not None:
            unknown.append(warned[1])
        elif not row.startswith("INFO "):
            raise Unreadable(f"said: {row[:200]}")
    kinds = ", ".join(sorted(set(unknown)))
    return Said(found, (f"it knows no schema of {kinds}",) if unknown else ())


def _remark(layout: Layout, wrong: re.Match[str]) -> Remark:
    key = layout.key(wrong["file"], layout.root)
    name = f"{wrong['kind']}/{wrong['name']}"
    pointer = layout.pointer(key, wrong["path"], name)
    line = layout.named_line(key, pointer, wrong["message"], name)
    return Remark(key, line, 0, "error", f"{name} {wrong['path']}: {wrong['message']}")


JUDGE = Judge(
    "kubernetes-validate", ("kubernetes-validate",), "`pip install kubernetes-validate`", ("--version",), _runs
)
