"""Raw data of this example: the docstrings of the installed Python standard library, as prompts and responses."""

import ast
import sysconfig
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

SKIPPED = {"site-packages", "test", "tests", "idlelib", "lib2to3", "turtledemo", "__pycache__", "ensurepip", "pydoc_data"}
Documented = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def docstrings() -> Iterator[dict[str, str]]:
    """Yield one record per documented function and class: prompt, response, and the module it stands in."""
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        parts = path.relative_to(library).with_suffix("").parts
        if SKIPPED.isdisjoint(parts) and not any(part.startswith("config-") for part in parts):
            module = ".".join(part for part in parts if part != "__init__")
            yield from _documented(ast.parse(path.read_text("utf-8", "replace")), module, module)


def _documented(node: ast.AST, name: str, module: str) -> Iterator[dict[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Documented):
            full = f"{name}.{child.name}"
            text = cleandoc(ast.get_docstring(child) or "")
            if len(text) >= 10:
                arguments = "" if isinstance(child, ast.ClassDef) else f"({ast.unparse(child.args)})"
                yield {"prompt": f"What does {full}{arguments} do?", "response": text, "module": module}
            yield from _documented(child, full, module)
