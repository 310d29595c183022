"""From text to a spanned tree: YAML 1.2 meaning, bounded size, every mistake with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from mlopsgen.diagnostics import Diagnostic, Failed, Span, diagnose
from mlopsgen.spec.read import at
from mlopsgen.spec.tree import Node, placed

MAX_DEPTH = 64
MAX_NODES = 50_000

_LOADER: Any = getattr(getattr(yaml, "cyaml", None), "CParser", None)
"""The parser of libyaml; None where PyYAML was built without it."""

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"


def parse(text: str, name: str) -> Node:
    """The document as a tree with places and paths.

    Args:
        text: YAML, one document.
        name: file name for the places.

    Raises:
        Failed: syntax, duplicate keys, tags, bombs, more than one document, no mapping at the top.
    """
    if not text.endswith("\n"):
        text += "\n"  # libyaml puts the end of an unfinished line on the next one
    builder = _Builder(name, text)
    try:
        root = builder.build(_events(text))
    except yaml.MarkedYAMLError as error:
        raise Failed([*builder.found, _syntax(error, name, text)]) from None
    except yaml.YAMLError as error:
        raise Failed([diagnose("E010", _sentence(str(error)), span=at(name, 1, 1))]) from None
    except (ValueError, OverflowError):
        # The parser in Python takes the number of an escape as it comes.
        raise Failed([*builder.found, diagnose("E010", "an escape names no character", span=at(name, 1, 1))]) from None
    if builder.found:
        raise Failed(builder.found)
    if root is None or not isinstance(root.value, dict):
        what = "empty" if root is None or root.value is None else "not a mapping"
        help = "begin with `version: 1`, or run `mlopsgen init`"
        raise Failed([diagnose("E011", f"the document is {what}", span=at(name, 1, 1), help=help)])
    return placed(root)


def _events(text: str) -> Iterator[Any]:
    if _LOADER is None:
        yield from yaml.parse(text)
        return
    parser = _LOADER(text)
    try:
        while parser.check_event():
            yield parser.get_event()
    finally:
        parser.dispose()


def _syntax(error: yaml.MarkedYAMLError, name: str, text: str) -> Diagnostic:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = text.split("\n")
    before = lines[line - 1][: column - 1] if line <= len(lines) else ""
    here = lines[line - 1][column - 1 :] if line <= len(lines) else ""
    if "\t" in before + here[:1] and not (before + here[:1]).strip():
        column = (before + here[:1]).index("\t") + 1
        return diagnose(
            "E009", "a tab stands in the indentation", span=at(name, line, column), help="indent with spaces"
        )
    problem = _sentence(error.problem or "the text is not YAML")
    context = f" {error.context}" if error.context else ""
    return diagnose("E010", problem + context, span=at(name, line, column), help=_syntax_help(problem, here))


def _syntax_help(problem: str, here: str) -> str:
    if here[:1] in tuple("@`%"):
        return f"quote a value that begins with `{here[:1]}`"
    if "mapping values are not allowed" in problem:
        return "quote a value that holds `: `"
    return "check the indentation, the quotes and the brackets before this place"


def _sentence(problem: str) -> str:
    return problem.strip().rstrip(".")


class _Builder:
    """Builds nodes from events with a stack of its own, so that depth and size stay bounded."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self.found: list[Diagnostic] = []
        self.anchors: dict[str, Node] = {}
        self.open: list[str] = []
        self.count = 0

    def build(self, events: Iterator[Any]) -> Node | None:
        root: Node | None = None
        stack: list[tuple[Node, str | None, str | None]] = []
        key: tuple[str, Span] | None = None
        documents = 0
        for event in events:
            kind = type(event).__name__
            if kind == "DocumentStartEvent":
                documents += 1
                if documents > 1:
                    help = "keep one document; give each spec a file of its own"
                    self._stop("E011", "the file holds a second document", self._span(event), help)
            elif kind in ("MappingStartEvent", "SequenceStartEvent"):
                self._tag(event, "map" if kind[0] == "M" else "seq")
                node = Node({} if kind[0] == "M" else [], self._span(event))
                stack.append((node, event.anchor, key and key[0]))
                self._deep(len(stack), node.span)
                if len(stack) > 1 and isinstance(stack[-2][0].value, dict) and key is None:
                    self._stop("E012", "a key is a list or mapping", node.span, "use text as the key")
                if event.anchor:
                    self.open.append(event.anchor)
                if key is not None:
                    stack[-2][0].keys.setdefault(key[0], key[1])
                key = None
            elif kind in ("MappingEndEvent", "SequenceEndEvent"):
                node, anchor, under = stack.pop()
                node.span = Span(*node.span[:3], event.end_mark.line + 1, event.end_mark.column + 1)
                if anchor:
                    self.open.remove(anchor)
                    self.anchors[anchor] = node
                key_of = (under, node.span) if under is not None else None
                root = self._attach(stack, node, key_of, root, node.span)
            elif kind in ("ScalarEvent", "AliasEvent"):
                node = self._alias(event, len(stack)) if kind[0] == "A" else self._scalar(event)
                if stack and isinstance(stack[-1][0].value, dict) and key is None:
                    key = self._key(stack[-1][0], node, event)
                else:
                    root = self._attach(stack, node, key, root, self._span(event))
                    key = None
        return root

    def _attach(
        self, stack: list[Any], node: Node, key: tuple[str, Span] | None, root: Node | None, here: Span
    ) -> Node | None:
        self.count += node.size if not isinstance(node.value, dict | list) else 1
        if self.count > MAX_NODES:
            self._stop("E007", f"the document has more than {MAX_NODES} values", here, "keep data out of the spec")
        if not stack:
            return node
        parent = stack[-1][0]
        parent.size += node.size
        parent.height = max(parent.height, node.height + isinstance(node.value, dict | list))
        if isinstance(parent.value, list):
            parent.value.append(node)
        elif key is not None:
            parent.keys.setdefault(key[0], key[1])
            parent.value.setdefault(key[0], node)
        if parent.size > MAX_NODES:
            help = "write the values out, or share them by overlays under `environments`"
            self._stop("E007", f"aliases expand to more than {MAX_NODES} values", here, help)
        return root

    def _key(self, mapping: Node, node: Node, event: Any) -> tuple[str, Span]:
        span = self._span(event)
        if node.value == "<<" and not getattr(event, "style", None):
            help = "merge keys are gone from YAML 1.2: write the values out, or use an overlay under `environments`"
            self.found.append(diagnose("E008", "`<<` does not merge", span=span, help=help))
        if not isinstance(node.value, str):
            shown = event.value if hasattr(event, "value") else "this"
            help = f'quote it: "{shown}"'
            self.found.append(diagnose("E012", f"the key {shown} is not text", span=span, help=help))
            return str(node.value), span
        if node.value in mapping.keys:
            first = mapping.keys[node.value]
            self.found.append(
                diagnose(
                    "E013",
                    f"the key `{node.value}` stands here twice",
                    span=span,
                    help="keep one of the two",
                    related=(("first here", first),),
                )
            )
        return node.value, span

    def _scalar(self, event: Any) -> Node:
        span = self._span(event)
        tag = event.tag
        if tag is not None and tag != "!":
            tag = self._tag(event, "str", "int", "float", "bool", "null")
        elif event.style or tag == "!":
            tag = "str"
        if any("\ud800" <= c <= "\udfff" for c in event.value):
            self.found.append(diagnose("E010", "an escape names half a character", span=span, help="write the character"))
        node = Node(self._value(event.value, tag, span), span)
        if event.anchor:
            self.anchors[event.anchor] = node
        return node

    def _value(self, text: str, tag: str | None, span: Span) -> Any:
        if tag == "str":
            return text
        if _NULL.fullmatch(text) and tag in (None, "null"):
            return None
        if _BOOL.fullmatch(text) and tag in (None, "bool"):
            return text[0] in "tT"
        if _INT.fullmatch(text) and tag in (None, "int"):
            if len(text) > 400:
                self.found.append(diagnose("E104", "the number has more than 400 digits", span=span))
                return 0
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.fullmatch(text) and tag in (None, "float"):
            special = text.lower().lstrip("+-") in (".inf", ".nan")
            return float(text.replace(".", "") if special else text)
        if tag is not None:
            self.found.append(diagnose("E014", f"`{text}` is not of type !!{tag}", span=span, help="drop the tag"))
        return text

    def _alias(self, event: Any, depth: int) -> Node:
        span = self._span(event)
        if event.anchor in self.open:
            self._stop("E007", f"`*{event.anchor}` holds itself", span, "write the value out")
        if event.anchor not in self.anchors:
            self._stop("E010", f"there is no anchor `&{event.anchor}` before this place", span, "")
        source = self.anchors[event.anchor]
        node = Node(source.value, source.span, (), source.keys, source.size)
        node.height = source.height
        if isinstance(source.value, dict | list):
            self._deep(depth + 1 + source.height, span)
        return node

    def _tag(self, event: Any, *allowed: str) -> str | None:
        tag: str | None = event.tag
        if tag is None or tag == "!":
            return None
        short = tag[len(_TAG) :] if tag.startswith(_TAG) else ""
        if short not in allowed:
            shown = f"!!{short}" if short else tag
            help = "tags run no code here and are not needed: drop it"
            self.found.append(diagnose("E014", f"unknown tag {shown}", span=self._span(event), help=help))
            return None
        return short

    def _deep(self, depth: int, span: Span) -> None:
        if depth > MAX_DEPTH:
            self._stop("E007", f"the document nests deeper than {MAX_DEPTH} levels", span, "flatten it")

    def _stop(self, code: str, message: str, span: Span, help: str) -> None:
        raise Failed([*self.found, diagnose(code, message, span=span, help=help)])

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self.name, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
