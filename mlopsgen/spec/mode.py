"""Whether the language is read from its models or from their compiled form.

Building some sixty pydantic classes takes ten times as long as starting Python. The rules that pydantic compiles them
to (its core schema) are therefore kept in a cache beside this module (`mlopsgen.spec.compiled`); with it, sections are
plain classes and pydantic-core alone validates. Only the entry point of the command asks for this, and only for verbs
that need no documentation of fields.
"""

from __future__ import annotations

light = False
"""Set before anything else of `mlopsgen.spec` is imported, never afterwards."""


def lighten() -> None:
    """Turn light mode on, if there is a compiled form of exactly these sources."""
    global light
    light = True
    from mlopsgen.spec import compiled, core

    light = compiled.load() is not None
    if not light:
        core.whole()
