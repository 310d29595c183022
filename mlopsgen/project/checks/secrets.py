"""Secrets are named, never written."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mlopsgen.diagnostics import Diagnostic, diagnose
from mlopsgen.spec.tree import Node, dotted

_CREDENTIAL = re.compile(
    r"""AKIA[0-9A-Z]{16} | ASIA[0-9A-Z]{16}                       # AWS access keys
    | gh[pousr]_[A-Za-z0-9]{30,} | github_pat_[A-Za-z0-9_]{30,}  # GitHub tokens
    | hf_[A-Za-z0-9]{30,} | glpat-[A-Za-z0-9_-]{20,}             # Hugging Face, GitLab
    | xox[abeoprs]-[A-Za-z0-9-]{10,} | hooks\.slack\.com/services/T[A-Z0-9]+/  # Slack
    | sk-[A-Za-z0-9_-]{20,} | AIza[0-9A-Za-z_-]{35}              # OpenAI and alike, Google
    | eyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.             # JSON web token
    | -----BEGIN\ [A-Z ]*PRIVATE\ KEY-----
    | [a-z][a-z0-9+.-]*://[^/\s:@]+:[^/\s@]+@                    # user:password@host
    """,
    re.VERBOSE,
)


def credentials(tree: Node) -> Iterator[Diagnostic]:
    """A diagnostic for each value that looks like a credential; the value itself is not shown."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node.value, dict):
            stack += node.value.values()
        elif isinstance(node.value, list):
            stack += node.value
        elif isinstance(node.value, str) and _CREDENTIAL.search(node.value):
            help = "revoke it, keep it in a Secret, and name that here: `{secret: NAME, key: KEY}`"
            yield diagnose("E201", "this looks like a credential", path=dotted(node.path), span=node.span, help=help)
