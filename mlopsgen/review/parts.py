"""Parts of documents whose shape nobody promises: patches and templates may have made anything of them."""

from __future__ import annotations

from typing import Any


def at(document: Any, path: str, default: Any = None) -> Any:
    """What stands at a dotted path of mappings; the default where nothing does."""
    for part in path.split("."):
        if not isinstance(document, dict) or document.get(part) is None:
            return default
        document = document[part]
    return document


def mapping(value: Any) -> dict[Any, Any]:
    """The value when it is a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The value when it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[dict[Any, Any]]:
    """The mappings in a list."""
    return [item for item in items(value) if isinstance(item, dict)]
