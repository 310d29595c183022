"""A strict reader of PromQL: grammar and types, and which series and labels an expression names.

Source: the grammar of Prometheus, promql/parser, as of 3.x; without durations that are computed.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from mlopsgen.project.promql import functions as f
from mlopsgen.project.promql.selectors import Cursor, Node, Selector
from mlopsgen.project.promql.tokens import Unparsable, unquoted


class Expression(NamedTuple):
    """What an expression names.

    Attributes:
        selectors: in the order in which they stand.
        labels: labels that are grouped by, joined on or otherwise named outside of selectors, with their places.
        made: labels that the expression makes itself.
        functions: functions that it calls.
    """

    selectors: tuple[Selector, ...]
    labels: tuple[tuple[str, int], ...]
    made: frozenset[str]
    functions: frozenset[str]


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Read an expression; many rules ask alike.

    Raises:
        Unparsable: it is no PromQL that Prometheus would take.
    """
    reader = _Reader(text)
    try:
        reader.expression(0)
    except RecursionError:
        raise Unparsable("it is nested too deeply", 0) from None
    if reader.here.kind != "end":
        raise Unparsable(f"`{reader.here.text}` is not expected here", reader.here.start)
    return Expression(
        tuple(reader.selectors), tuple(reader.labels), frozenset(reader.made), frozenset(reader.functions)
    )


class _Reader(Cursor):
    def expression(self, least: int) -> Node:
        left = self.unary()
        while (binding := f.BINDING.get(self.word(), 0)) > least:
            left = self.binary(left, binding)
        return left

    def unary(self) -> Node:
        if self.here.kind in ("+", "-"):
            start = self.take().start
            inner = self.expression(f.BINDING["*"])
            if inner.type not in ("scalar", "vector"):
                raise Unparsable(f"a sign stands before a {inner.type}", start)
            return Node(inner.type, start)
        return self.postfix(self.atom())

    def binary(self, left: Node, binding: int) -> Node:
        operator, at = self.word(), self.take().start
        boolean = matching = grouped = False
        if self.word() == "bool":
            boolean = bool(self.take())
            if operator not in f.COMPARISONS:
                raise Unparsable("`bool` belongs to comparisons", at)
        if self.word() in ("on", "ignoring"):
            matching = bool(self.take())
            self.names()
            if self.word() in ("group_left", "group_right"):
                grouped = bool(self.take())
                if self.here.kind == "(":
                    self.names()
        right = self.expression(binding - 1 if operator == "^" else binding)
        for side in (left, right):
            if side.type not in ("scalar", "vector"):
                raise Unparsable(f"`{operator}` takes no {side.type}", side.start)
        scalars = (left.type, right.type).count("scalar")
        if operator in f.COMPARISONS and scalars == 2 and not boolean:
            raise Unparsable("two scalars are compared with `bool` only", at)
        if scalars and (operator in f.SETS or matching):
            raise Unparsable(f"`{operator}` joins vectors here, not scalars", at)
        if grouped and operator in f.SETS:
            raise Unparsable(f"`{operator}` cannot be grouped", at)
        return Node("scalar" if scalars == 2 else "vector", left.start)

    def atom(self) -> Node:
        token = self.here
        if token.kind in ("number", "duration"):
            self.take()
            return Node("scalar", token.start, "literal")
        if token.kind == "string":
            self.take()
            return Node("string", token.start)
        if token.kind == "(":
            self.take()
            inner = self.expression(0)
            self.take(")")
            return Node(inner.type, token.start, "subquery" if inner.type in ("vector", "scalar") else "")
        if token.kind == "{":
            return self.selector("")
        if token.kind != "name":
            found = f"`{token.text}`" if token.text else "the end"
            raise Unparsable(f"an expression is expected, not {found}", token.start)
        return self.named()

    def named(self) -> Node:
        token, word, after = self.here, self.word(), self.tokens[self.index + 1]
        if word in ("inf", "nan") and after.kind not in ("{", "("):
            self.take()
            return Node("scalar", token.start, "literal")
        if word in f.AGGREGATIONS and (after.kind == "(" or after.text.lower() in ("by", "without")):
            return self.aggregation()
        if after.kind == "(":
            return self.call()
        if word in ("on", "ignoring", "bool", "group_left", "group_right", "atan2"):
            raise Unparsable(f"`{token.text}` is not expected here", token.start)
        return self.selector(self.take().text)

    def aggregation(self) -> Node:
        token = self.take()
        grouped = self.grouping()
        arguments = self.arguments()
        grouped = grouped or self.grouping()
        first = f.AGGREGATIONS[token.text.lower()]
        wanted = (first, "vector") if first else ("vector",)
        if len(arguments) != len(wanted):
            raise Unparsable(f"`{token.text}` takes {len(wanted)} arguments, not {len(arguments)}", token.start)
        self.typed(token.text, arguments, wanted)
        if token.text.lower() == "count_values":
            self.made.add(self.string_at(arguments[0].start))
        return Node("vector", token.start, "subquery")

    def grouping(self) -> bool:
        if self.word() not in ("by", "without"):
            return False
        self.take()
        self.names()
        return True

    def call(self) -> Node:
        token = self.take()
        known = f.FUNCTIONS.get(token.text)
        if known is None:
            from mlopsgen.diagnostics.hints import closest

            near = closest(token.text, [*f.FUNCTIONS, *f.AGGREGATIONS])
            raise Unparsable(f"there is no function `{token.text}`{f', but `{near}`' if near else ''}", token.start)
        self.functions.add(token.text)
        arguments = self.arguments()
        most = len(arguments) if known.optional < 0 else len(known.takes)
        least = len(known.takes) - abs(known.optional)
        if not least <= len(arguments) <= max(most, least):
            raise Unparsable(f"`{token.text}` does not take {len(arguments)} arguments", token.start)
        self.typed(token.text, arguments, known.takes)
        if token.text in ("label_replace", "label_join"):
            self.made.add(self.string_at(arguments[1].start))
        return Node(known.gives, token.start, "subquery")

    def arguments(self) -> list[Node]:
        found = []
        self.take("(")
        while self.here.kind != ")":
            found.append(self.expression(0))
            if self.here.kind != ")":
                self.take(",")
                if self.here.kind == ")":
                    raise Unparsable("an argument is missing", self.here.start)
        self.take(")")
        return found

    def typed(self, name: str, arguments: list[Node], wanted: tuple[str, ...]) -> None:
        for index, argument in enumerate(arguments):
            kind = wanted[min(index, len(wanted) - 1)]
            if argument.type != kind:
                raise Unparsable(f"`{name}` takes a {_word(kind)} here, not a {_word(argument.type)}", argument.start)

    def string_at(self, start: int) -> str:
        return next((unquoted(t.text) for t in self.tokens if t.start == start and t.kind == "string"), "")

    def postfix(self, node: Node) -> Node:
        offset = at = False
        while True:
            if self.here.kind == "[":
                node = self.range(node, offset or at)
                offset = at = False
            elif self.word() == "offset" and not offset:
                offset = self.movable(node)
                if self.here.kind in ("+", "-"):
                    self.take()
                self.span("a duration")
            elif self.here.kind == "@" and not at:
                at = self.movable(node)
                self.moment()
            else:
                return node

    def movable(self, node: Node) -> bool:
        token = self.take()
        if node.form not in ("selector", "ranged"):
            raise Unparsable(f"`{token.text}` follows a selector, range or subquery only", token.start)
        return True

    def moment(self) -> None:
        if self.word() in ("start", "end") and self.here.kind == "name":
            self.take()
            self.take("(")
            self.take(")")
            return
        if self.here.kind in ("+", "-"):
            self.take()
        if self.here.kind == "duration":
            self.take()
        else:
            self.take("number", "a time")

    def range(self, node: Node, moved: bool) -> Node:
        at = self.take("[").start
        self.span("a duration such as `5m`")
        if self.here.kind == ":":
            self.take()
            if self.here.kind != "]":
                self.span("a duration")
            self.take("]")
            if node.type not in ("vector", "scalar") or node.form not in ("selector", "subquery"):
                raise Unparsable("a subquery takes a vector", at)
            if node.type == "scalar":
                raise Unparsable("a subquery takes a vector, not a scalar", at)
            return Node("range", node.start, "ranged")
        self.take("]", "`:` or `]`")
        if node.form != "selector" or moved:
            raise Unparsable("`[…]` follows a selector; anything else takes a subquery `[…:]`", at)
        return Node("range", node.start, "ranged")

    def span(self, what: str) -> None:
        token = self.here
        if token.kind == "number":
            self.take()
        else:
            self.take("duration", what)
        if re.fullmatch(r"[0.]+|(?:0+[a-z]+)+", token.text) and what.startswith("a duration such"):
            raise Unparsable("a window is longer than 0", token.start)


def _word(kind: str) -> str:
    return {"range": "range such as `x[5m]`", "vector": "vector"}.get(kind, kind)
