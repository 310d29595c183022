"""zizmor: what is unsafe in workflows. Offline, as its strictest persona."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.judges.actionlint import WORKFLOWS
from mlopsgen.verify.layout import Layout

ARGUMENTS = ("--offline", "--no-progress", "--quiet", "--persona", "auditor", "--no-exit-codes", "--format", "json")


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    keys = tuple(layout.named(WORKFLOWS))
    if keys:
        paths = (layout.path(key) for key in keys)
        yield Run((*ARGUMENTS, *paths), keys, partial(_read, layout), layout.root)


def _read(layout: Layout, answer: Answer) -> Said:
    try:
        if answer.code != 0:
            raise ValueError
        found = [remark for row in json.loads(answer.out) for remark in _remarks(layout, row)]
    except (ValueError, LookupError, TypeError):
        raise unreadable(answer) from None
    return Said(found)


def _remarks(layout: Layout, row: dict[str, object]) -> Iterator[Remark]:
    places: list[dict[str, dict[str, object]]] = row["locations"]  # type: ignore[assignment]
    primary = [place for place in places if place["symbolic"]["kind"] == "Primary"] or places[:1]
    for place in primary:
        local: dict[str, dict[str, str]] = place["symbolic"]["key"]  # type: ignore[assignment]
        start = place["concrete"]["location"]["start_point"]  # type: ignore[index]
        severity = row["determinations"]["severity"]  # type: ignore[index]
        note = place["symbolic"].get("annotation")
        message = f"{row['desc']}" + (f": {note}" if note else "")
        key = layout.key(local["Local"]["verbatim_path"], layout.root)
        level = "error" if severity in ("High", "Medium") else "warning"
        yield Remark(key, start["row"] + 1, start["column"] + 1, level, message, str(row["ident"]))  # type: ignore[arg-type]


JUDGE = Judge("zizmor", ("zizmor",), "`pip install zizmor`", ("--version",), _runs)
