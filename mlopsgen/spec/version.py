"""Which version of the language a document is written in, before anything else of it is judged."""

from __future__ import annotations

from mlopsgen.diagnostics import Diagnostic, diagnose
from mlopsgen.spec.tree import Node

NEWEST = 1
"""The version that this mlopsgen compiles."""

OLD_SECTIONS = ("train", "deploy", "monitor", "canary")
"""Sections that only version 0 has: a document with one of them and without a version is of version 0."""


def version(tree: Node) -> int | None:
    """The version of a document; None where what stands there is none."""
    node = tree.find(("version",))
    if node is None:
        return 0
    return None if isinstance(node.value, bool) or not isinstance(node.value, int) else node.value


def other(tree: Node) -> Diagnostic | None:
    """A word about a document of another version; None for today's, and where today's rules say what is wrong."""
    found = version(tree)
    node = tree.find(("version",))
    if found is None or found == NEWEST or found < 0:
        return None
    if node is None:
        old = next((name for name in OLD_SECTIONS if name in tree.value), None)
        if old is None:
            return None
        message = f"the document has no `version` and a section `{old}`: it is of version 0 of the language"
        return diagnose("E336", message, path=old, span=tree.key_span((old,)), help="run `mlopsgen migrate`")
    if found < NEWEST:
        message = f"the document is of version {found} of the language, today's is {NEWEST}"
        return diagnose("E336", message, path="version", span=node.span, help="run `mlopsgen migrate`")
    message = f"the document is of version {found} of the language, this mlopsgen knows versions up to {NEWEST}"
    return diagnose("E337", message, path="version", span=node.span, help="install a newer mlopsgen")
