"""`mlops.workspace.yaml`: what the projects of a repository share.

version: 1
projects: [services/*, teams/**]     # folders of the specs that belong to it; left out: all below it
defaults:                            # a partial spec, merged under each project's own
  tracking: {mlflow: {uri: https://mlflow.example.com}}
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

from mlopsgen.diagnostics import Diagnostic, Failed, Span, diagnose
from mlopsgen.diagnostics.hints import closest
from mlopsgen.spec.load import parse as parse_yaml
from mlopsgen.spec.read import decode
from mlopsgen.spec.tree import Node, Path, dotted

KEYS = ("version", "projects", "defaults")

OWN: tuple[Path, ...] = (("version",), ("project", "name"), ("templates",))
"""What each project says for itself."""


class Shared(NamedTuple):
    """A workspace file.

    Attributes:
        defaults: a partial spec, with paths as in a spec; None when there is none.
        projects: patterns of folders with the place of each; None for every folder.
    """

    defaults: Node | None
    projects: tuple[tuple[str, Span], ...] | None

    def has(self, folder: str) -> bool:
        """Whether the project of a folder, relative to the workspace's with `/`, belongs to it."""
        return self.projects is None or any(matches(pattern, folder) for pattern, _ in self.projects)


@lru_cache(maxsize=4)
def parse(data: bytes, name: str) -> Shared:
    """Read a workspace file.

    Args:
        data: its content.
        name: of the file, for diagnostics.

    Raises:
        Failed: E0xx as for a spec, E361 and E362.
    """
    tree = parse_yaml(decode(data, name), name)
    found = [*_keys(tree), *_version(tree), *_projects(tree), *_defaults(tree)]
    if found:
        raise Failed(found)
    projects, defaults = tree.find(("projects",)), tree.find(("defaults",))
    patterns = None if projects is None else tuple((str(each.value).strip("/"), each.span) for each in projects.value)
    return Shared(_replanted(defaults, ()) if defaults is not None and defaults.value else None, patterns)


def merged(defaults: Node, spec: Node) -> Node:
    """A spec over the defaults: mappings merge deeply, lists and scalars of the spec replace.

    Every node keeps the place that it was written at; a mapping that both have is the spec's.
    """
    if not isinstance(defaults.value, dict) or not isinstance(spec.value, dict):
        return spec
    value = dict(defaults.value)
    for key, child in spec.value.items():
        value[key] = merged(value[key], child) if key in value else child
    return Node(value, spec.span, spec.path, defaults.keys | spec.keys, defaults.size + spec.size)


def matches(pattern: str, folder: str) -> bool:
    """Whether a folder is meant: `*` and `?` stay within a name, `**` stands for any folders, `.` for the root."""
    return bool(_compiled(pattern).fullmatch(folder or "."))


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    text = ""
    for part in re.split(r"(/?\*\*/?|\*|\?)", pattern):
        if "**" in part:
            head, tail = part.startswith("/"), part.endswith("/")
            text += "(?:/.*)?/" if head and tail else "(?:/.*)?" if head else "(?:.*/)?" if tail else ".*"
        else:
            text += {"*": "[^/]*", "?": "[^/]"}.get(part) or re.escape(part)
    return re.compile(text)


def _replanted(node: Node, path: Path) -> Node:
    value = node.value
    if isinstance(value, dict):
        value = {key: _replanted(child, (*path, key)) for key, child in value.items()}
    elif isinstance(value, list):
        value = [_replanted(child, (*path, index)) for index, child in enumerate(value)]
    return Node(value, node.span, path, node.keys, node.size)


def _keys(tree: Node) -> Iterator[Diagnostic]:
    for key in tree.value:
        if key not in KEYS and not key.startswith("x-"):
            hint = closest(key, list(KEYS))
            help = f"did you mean `{hint}`?" if hint else f"known here: {', '.join(KEYS)}"
            yield _bad(f"a workspace file has no field `{key}`", (key,), tree.key_span((key,)), help)


def _version(tree: Node) -> Iterator[Diagnostic]:
    node = tree.find(("version",))
    if node is None or node.value != 1 or isinstance(node.value, bool):
        span = node.span if node else tree.span._replace(end_line=1, end_column=2)
        yield _bad("the version of the workspace file is not 1", ("version",), span, "write `version: 1`")


def _projects(tree: Node) -> Iterator[Diagnostic]:
    node = tree.find(("projects",))
    if node is None:
        return
    if not isinstance(node.value, list) or not node.value:
        help = "write a list, such as `[services/*]`, or leave it out for every spec below"
        yield _bad("`projects` is no list of folders", ("projects",), node.span, help)
        return
    for index, each in enumerate(node.value):
        text = each.value
        if not isinstance(text, str) or not text.strip("/") or text.startswith("/") or ".." in text.split("/"):
            help = "write folders from the root, such as `services/*`"
            yield _bad("this is no pattern of folders", ("projects", index), each.span, help)


def _defaults(tree: Node) -> Iterator[Diagnostic]:
    node = tree.find(("defaults",))
    if node is None or node.value is None:
        return
    if not isinstance(node.value, dict):
        yield _bad("`defaults` is no mapping", ("defaults",), node.span, "write sections of mlops.yaml below it")
        return
    for path in OWN:
        if node.find(path) is not None:
            message = f"`{dotted(path)}` cannot be shared: each project says it for itself"
            span = node.key_span(path)
            yield diagnose("E362", message, path=dotted(("defaults", *path)), span=span, help="write it in mlops.yaml")


def _bad(message: str, path: Path, span: Span, help: str) -> Diagnostic:
    return diagnose("E361", message, path=dotted(path), span=span, help=help)


def below(patterns: Iterable[str], folder: str) -> list[str]:
    """Patterns, for GitHub's path filters, of what belongs to projects inside of a folder other than its own."""
    inside = f"{folder}/" if folder else ""
    found = []
    for pattern in patterns:
        if pattern.startswith(inside) and pattern != inside and not matches(pattern, folder) and pattern != ".":
            found.append(pattern if pattern.endswith("/**") else f"{pattern}/**")
    return found
