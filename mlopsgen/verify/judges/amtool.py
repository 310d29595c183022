"""amtool: configurations of Alertmanager."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify import words
from mlopsgen.verify.judge import Answer, Judge, Run, Said, unreadable
from mlopsgen.verify.layout import Layout


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    for key in layout.holding("route:", "receivers:"):
        folder, name = os.path.split(layout.path(key))
        yield Run(("check-config", name), (key,), partial(_read, layout, key), folder)


def _read(layout: Layout, key: str, answer: Answer) -> Said:
    if answer.code == 0 and "SUCCESS" in answer.out:
        return Said([])
    failed = re.search(r"FAILED:(.*)", answer.out, re.DOTALL)
    if answer.code != 1 or failed is None:
        raise unreadable(answer)
    return Said(list(words.remarks(layout, key, failed[1])))


JUDGE = Judge(
    "amtool",
    ("amtool",),
    "it comes with Alertmanager: https://prometheus.io/download, or `apt install prometheus-alertmanager`",
    ("--version",),
    _runs,
)
