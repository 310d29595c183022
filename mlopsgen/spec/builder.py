"""From YAML events to nodes, with a stack of its own, so that depth and size stay bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NoReturn

import yaml

from mlopsgen.diagnostics import Diagnostic, Failed, Span, diagnose
from mlopsgen.spec.tree import Node

MAX_DEPTH = 64
MAX_NODES = 50_000

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAG = "tag:yaml.org,2002:"


class _Open:
    """A collection whose end has not come yet; of a mapping, the key that waits for its value."""

    __slots__ = ("anchor", "key", "node")

    def __init__(self, node: Node, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: str | None = None

    @property
    def wants_key(self) -> bool:
        """Whether the next node is a key."""
        return self.key is None and isinstance(self.node.value, dict)


class Builder:
    """Takes events one by one.

    Attributes:
        found: mistakes that do not keep the rest from being read.
        root: the node of the document, None while there is none.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.found: list[Diagnostic] = []
        self.root: Node | None = None
        self._anchors: dict[str, Node] = {}
        self._stack: list[_Open] = []
        self._documents = 0
        self._count = 0

    def build(self, events: Iterable[Any]) -> None:
        """Read all events.

        Raises:
            Failed: a second document, a collection as a key, an alias to nothing or itself, too deep, too large.
        """
        take = {
            yaml.DocumentStartEvent: self._document,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingEndEvent: self._end,
            yaml.SequenceEndEvent: self._end,
            yaml.ScalarEvent: self._take_scalar,
            yaml.AliasEvent: self._take_alias,
        }
        for event in events:
            handler = take.get(type(event))
            if handler is not None:
                handler(event)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            help = "keep one document; give each spec a file of its own"
            self._stop("E011", "the file holds a second document", self._span(event), help)

    def _start(self, event: Any) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        self._tag(event, "map" if mapping else "seq")
        node = Node({} if mapping else [], self._span(event))
        if self._stack and self._stack[-1].wants_key:
            self._stop("E012", "a key is a list or mapping", node.span, "use text as the key")
        self._stack.append(_Open(node, event.anchor))
        self._deep(len(self._stack), node.span)

    def _end(self, event: Any) -> None:
        done = self._stack.pop()
        node = done.node
        node.span = Span(*node.span[:3], event.end_mark.line + 1, event.end_mark.column + 1)
        if done.anchor:
            self._anchors[done.anchor] = node
        self._attach(node, node.span)

    def _take_scalar(self, event: Any) -> None:
        self._take(self._scalar(event), event)

    def _take_alias(self, event: Any) -> None:
        self._take(self._alias(event), event)

    def _take(self, node: Node, event: Any) -> None:
        if self._stack and self._stack[-1].wants_key:
            self._stack[-1].key = self._key(self._stack[-1].node, node, event)
        else:
            self._attach(node, self._span(event))

    def _attach(self, node: Node, here: Span) -> None:
        collection = isinstance(node.value, dict | list)
        self._count += 1 if collection else node.size
        if self._count > MAX_NODES:
            self._stop("E007", f"the document has more than {MAX_NODES} values", here, "keep data out of the spec")
        if not self._stack:
            self.root = node
            return
        above = self._stack[-1]
        parent = above.node
        parent.size += node.size
        parent.height = max(parent.height, node.height + collection)
        if isinstance(parent.value, list):
            parent.value.append(node)
        else:
            parent.value.setdefault(above.key, node)
            above.key = None
        if parent.size > MAX_NODES:
            help = "write the values out, or share them by overlays under `environments`"
            self._stop("E007", f"aliases expand to more than {MAX_NODES} values", here, help)

    def _key(self, mapping: Node, node: Node, event: Any) -> str:
        span = self._span(event)
        key: Any = node.value
        if key == "<<" and not getattr(event, "style", None):
            help = "merge keys are gone from YAML 1.2: write the values out, or use an overlay under `environments`"
            self.found.append(diagnose("E008", "`<<` does not merge", span=span, help=help))
        if not isinstance(key, str):
            key = getattr(event, "value", "this")
            self.found.append(diagnose("E012", f"the key {key} is not text", span=span, help=f'quote it: "{key}"'))
        first = mapping.keys.setdefault(key, span)
        if first is not span:
            message, help = f"the key `{key}` stands here twice", "keep one of the two"
            self.found.append(diagnose("E013", message, span=span, help=help, related=(("first here", first),)))
        return str(key)

    def _scalar(self, event: Any) -> Node:
        span = self._span(event)
        tag = event.tag
        if tag is not None and tag != "!":
            tag = self._tag(event, "str", "int", "float", "bool", "null")
        elif event.style or tag == "!":
            tag = "str"
        if any("\ud800" <= c <= "\udfff" for c in event.value):
            self.found.append(
                diagnose("E010", "an escape names half a character", span=span, help="write the character")
            )
        node = Node(self._value(event.value, tag, span), span)
        if event.anchor:
            self._anchors[event.anchor] = node
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

    def _alias(self, event: Any) -> Node:
        span = self._span(event)
        if any(event.anchor == each.anchor for each in self._stack):
            self._stop("E007", f"`*{event.anchor}` holds itself", span, "write the value out")
        if event.anchor not in self._anchors:
            self._stop("E010", f"there is no anchor `&{event.anchor}` before this place", span, "")
        source = self._anchors[event.anchor]
        node = Node(source.value, source.span, (), source.keys, source.size)
        node.height = source.height
        if isinstance(source.value, dict | list):
            self._deep(len(self._stack) + 1 + source.height, span)
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

    def _stop(self, code: str, message: str, span: Span, help: str) -> NoReturn:
        raise Failed([*self.found, diagnose(code, message, span=span, help=help)])

    def _span(self, event: Any) -> Span:
        start, end = event.start_mark, event.end_mark
        return Span(self.name, start.line + 1, start.column + 1, end.line + 1, end.column + 1)
