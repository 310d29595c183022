"""What programs written in Go say of YAML that does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlopsgen.verify.judge import Remark
from mlopsgen.verify.layout import Layout

_LINE = re.compile(r"^(?:yaml: )?line (\d+): (.+)$")


def remarks(layout: Layout, key: str, text: str) -> Iterator[Remark]:
    """One for each line that is named, or one for the whole at what it quotes."""
    found = [match for match in (_LINE.match(row.strip()) for row in text.splitlines()) if match]
    for match in found:
        yield Remark(key, int(match[1]), 0, "error", match[2])
    if not found and text.strip():
        message = " ".join(text.split())
        yield Remark(key, layout.quoted(key, message), 0, "error", message)
