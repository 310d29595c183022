"""Raw data: docstrings of the installed standard library as questions and answers, and what people asked lately."""

import ast
import json
import sysconfig
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

INCOMING = Path("incoming")
"""Questions with answers that somebody has written since: JSON lines."""


def questions() -> Iterator[dict[str, str]]:
    """Yield one record per question: prompt and response."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8", "replace"))):
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                text = cleandoc(ast.get_docstring(node) or "")[:400]
                if len(text) >= 10 and text.isascii():
                    yield {"prompt": f"What does {path.stem}.{node.name} do?", "response": text}
    for path in sorted(INCOMING.glob("*.jsonl")):
        yield from map(json.loads, path.read_text("utf-8").splitlines())
