"""Tables on the terminal: colour and width of a terminal only where there is one."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

WIDE = 10_000
"""Columns where no terminal limits them: nothing that another program reads is cut."""


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[str] = ()) -> None:
    """Print a table on standard output.

    Args:
        columns: titles.
        rows: cells, as many as there are columns.
        styles: a rich style for each row, such as `green`; none when empty.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for index, row in enumerate(rows):
        shown.add_row(*map(Text, row), style=styles[index] if styles else None)
    terminal = sys.stdout.isatty()
    Console(width=None if terminal else WIDE, soft_wrap=not terminal).print(shown)


def json_text(found: Any) -> str:
    """Plain data as JSON for programs; numbers that are not finite, which JSON does not have, as null."""
    import json
    import math

    def finite(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: finite(item) for key, item in value.items()}
        if isinstance(value, list):
            return [finite(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return json.dumps(finite(found), indent=2, ensure_ascii=False, allow_nan=False)


def number(value: object) -> str:
    """A value as people read it: six significant digits, whole numbers whole, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
