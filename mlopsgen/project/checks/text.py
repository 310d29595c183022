"""What no text of a spec may hold: credentials, and expressions that other systems would evaluate."""

from __future__ import annotations

from collections.abc import Iterator

from mlopsgen.diagnostics import Diagnostic, diagnose
from mlopsgen.diagnostics.secrets import CREDENTIAL
from mlopsgen.spec.tree import Node, dotted


def credentials(tree: Node) -> Iterator[Diagnostic]:
    """A diagnostic for each value that looks like a credential; the value itself is not shown."""
    for node in _texts(tree):
        if CREDENTIAL.search(node.value):
            help = "revoke it, keep it in a Secret, and name that here: `{secret: NAME, key: KEY}`"
            yield diagnose("E201", "this looks like a credential", path=dotted(node.path), span=node.span, help=help)


def expressions(tree: Node) -> Iterator[Diagnostic]:
    """A diagnostic for each value that GitHub or DVC would evaluate; patches say what they mean and may hold them."""
    for name, section in tree.value.items():
        for node in _texts(section) if name != "patches" else ():
            if "${" in node.value:
                message = "`${` begins an expression that GitHub or DVC would evaluate"
                help = "write the value itself, or change the generated file with `patches:`"
                yield diagnose("E232", message, path=dotted(node.path), span=node.span, help=help)


def _texts(tree: Node) -> Iterator[Node]:
    """Every node below that is text."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node.value, dict):
            stack += node.value.values()
        elif isinstance(node.value, list):
            stack += node.value
        elif isinstance(node.value, str):
            yield node
