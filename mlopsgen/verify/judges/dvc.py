"""DVC: the pipeline."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.layout import Layout

_PLACE = re.compile(r"line (\d+), column (\d+)")
ALONE = "[core]\n    no_scm = true\n    analytics = false\n"


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    for key in layout.named(r"(?:^|/)dvc\.yaml$"):
        folder = os.path.dirname(layout.path(key))
        own = os.path.join(folder, ".dvc")
        os.makedirs(own, exist_ok=True)
        with open(os.path.join(own, "config.local"), "w", encoding="utf-8") as stream:
            stream.write(ALONE)
        files = tuple(one for one in (key, key.removesuffix("dvc.yaml") + "params.yaml") if one in layout.texts)
        # The graph needs every stage, its outputs and their order, so that it is all that has to be asked for.
        yield Run(("dag", "--dot"), files, partial(_read, layout, key), folder)


def _read(layout: Layout, key: str, answer: Answer) -> Said:
    if answer.code == 0 and "digraph" in answer.out:
        return Said([])
    text = re.sub(r"^ *\d+ │.*$", "", answer.err, flags=re.MULTILINE)
    text = " ".join(text.split()).removeprefix("ERROR: ")
    if answer.code not in (1, 255) or not text or "Traceback" in text or "unexpected error" in text:
        raise unreadable(answer)
    place = _PLACE.search(text)
    line, column = (int(place[1]), int(place[2])) if place else (layout.quoted(key, text), 0)
    return Said([Remark(key, line, column, "error", text)])


JUDGE = Judge("dvc", ("dvc",), "`pip install dvc`", ("--version",), _runs)
