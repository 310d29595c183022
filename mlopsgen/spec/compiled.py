"""The language in its compiled form: the rules of pydantic-core, and the names and examples of fields.

Written beside this module on first use, like Python's own bytecode, and read by `mlopsgen.spec.language` in light mode.
The file holds plain data (marshal): classes and functions stand in it by name.
"""

from __future__ import annotations

import marshal
import os
import sys
from importlib import import_module
from typing import Any

from mlopsgen.version import VERSION

HERE = os.path.dirname(os.path.abspath(__file__))
CLASS, FUNCTION, PATTERN = "\0class", "\0function", "\0pattern"


def path() -> str:
    """Where the compiled form for this Python lies."""
    return os.path.join(HERE, "__pycache__", f"language.{sys.implementation.cache_tag}.rules")


def state() -> str:
    """Names exactly these sources and this pydantic-core; another state makes a compiled form worthless."""
    from mlopsgen.spec.core import __version__ as core

    sources = 0
    for name in sorted(os.listdir(HERE)):
        if name.endswith(".py"):
            status = os.stat(os.path.join(HERE, name))
            sources = (sources * 1_000_003 + status.st_mtime_ns * 31 + status.st_size) % (1 << 61)
    return f"{VERSION} {core} {sources:x}"


_loaded: tuple[Any, dict[str, Any]] | None = None


def load() -> tuple[Any, dict[str, Any]] | None:
    """Rules (a core schema with names in place of classes) and shape; None when there is no compiled form."""
    global _loaded
    if _loaded is None:
        try:
            with open(path(), "rb") as stream:
                of, rules, shape = marshal.loads(stream.read())  # noqa: S302
        except (OSError, ValueError, EOFError, TypeError):
            return None
        if of != state():
            return None
        _loaded = rules, shape
    return _loaded


def save(rules: Any, shape: dict[str, Any]) -> None:
    """Write the compiled form for the next start; silently not where Python could not write bytecode either."""
    if sys.dont_write_bytecode or sys.pycache_prefix is not None:
        return
    target = path()
    temporary = f"{target}.{os.getpid()}"
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        with open(temporary, "wb") as stream:
            stream.write(marshal.dumps((state(), named(rules), shape)))
        os.replace(temporary, target)
    except (OSError, ValueError):
        pass


def named(value: Any) -> Any:
    """A core schema with names in place of classes and functions, and without what only documentation needs."""
    from mlopsgen.spec.scalars import PATTERNS, Pattern

    if isinstance(value, dict):
        skip = ("metadata", "serialization") if "type" in value else ()
        return {key: named(item) for key, item in value.items() if key not in skip}
    if isinstance(value, list | tuple):
        return type(value)(named(item) for item in value)
    if isinstance(value, type):
        return (CLASS, value.__module__, value.__qualname__.partition("[")[0])
    if isinstance(value, Pattern):
        return (PATTERN, PATTERNS.index(value))
    if callable(value):
        return (FUNCTION, value.__module__, value.__qualname__)
    return value


def bound(value: Any) -> Any:
    """The core schema again, with classes and functions in place of their names."""
    if isinstance(value, dict):
        return {key: bound(item) for key, item in value.items()}
    if isinstance(value, list):
        return [bound(item) for item in value]
    if isinstance(value, tuple):
        if value and value[0] in (CLASS, FUNCTION):
            found: Any = import_module(value[1])
            for part in value[2].split("."):
                found = getattr(found, part)
            return found
        if value and value[0] == PATTERN:
            from mlopsgen.spec.scalars import PATTERNS

            return PATTERNS[value[1]]
        return tuple(bound(item) for item in value)
    return value
