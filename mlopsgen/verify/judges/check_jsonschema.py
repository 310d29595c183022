"""check-jsonschema: workflows and Compose files by the schemas that their makers publish; it brings those along."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.judges.actionlint import WORKFLOWS
from mlopsgen.verify.layout import Layout

SCHEMAS = {
    "vendor.github-workflows": WORKFLOWS,
    "custom.github-workflows-require-timeout": WORKFLOWS,
    "vendor.compose-spec": r"(?:^|/)(?:docker-)?compose\.ya?ml$",
}


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    for schema, pattern in SCHEMAS.items():
        keys = tuple(layout.named(pattern))
        if keys:
            paths = (layout.path(key) for key in keys)
            arguments = ("--output-format", "json", "--builtin-schema", schema, *paths)
            yield Run(arguments, keys, partial(_read, layout), layout.root)


def _read(layout: Layout, answer: Answer) -> Said:
    try:
        if answer.code not in (0, 1):
            raise ValueError
        told = json.loads(answer.out)
        found = [_remark(layout, row) for row in told["errors"]]
        for row in told.get("parse_errors", ()):
            key = layout.key(row["filename"], layout.root)
            found.append(Remark(key, 0, 0, "error", str(row["message"])))
    except (ValueError, LookupError, TypeError, AttributeError):
        raise unreadable(answer) from None
    return Said(found)


def _remark(layout: Layout, row: Mapping[str, Any]) -> Remark:
    best = row.get("best_deep_match") or row
    key = layout.key(row["filename"], layout.root)
    pointer = layout.pointer(key, str(best["path"]).removeprefix("$").removeprefix("."), "")
    message = str(best["message"])
    line = layout.named_line(key, pointer, message) or layout.quoted(key, message)
    return Remark(key, line, 0, "error", message[:300])


JUDGE = Judge("check-jsonschema", ("check-jsonschema",), "`pip install check-jsonschema`", ("--version",), _runs)
