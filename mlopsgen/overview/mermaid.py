"""Graphs in the notation of Mermaid, which GitHub draws, and for machines.

Source: Mermaid's documentation of flowcharts, and its configuration (`maxEdges`, `maxTextSize`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mlopsgen.overview.graphs import Edge, Graph, Node, joined

MOST_EDGES = 500
MOST_CHARACTERS = 50_000
"""Of more than these Mermaid, as it is set up by default and on GitHub, draws nothing."""

SHAPES = {
    "step": ('["', '"]'),
    "store": ('[("', '")]'),
    "gate": ('{{"', '"}}'),
    "person": ('(["', '"])'),
    "place": ('("', '")'),
    "metric": ('(["', '"])'),
    "record": ('[["', '"]]'),
    "critical": ('["', '"]'),
    "warning": ('["', '"]'),
    "info": ('["', '"]'),
    "way": ('("', '")'),
}
COLOURS = {"critical": "#c0392b", "warning": "#c77700"}
"""Borders that can be seen on a light page and on a dark one."""

_PLAIN = frozenset(" ,/→≥≤≠=")


def flowchart(given: Graph) -> str:
    """A view as one diagram."""
    names = _names([given])
    lines = ["flowchart LR", *_nodes(given.nodes, names), *_edges(given.edges, names), *_looks([given], names)]
    return "\n".join(lines) + "\n"


def together(given: Sequence[Graph]) -> str:
    """Several views as one diagram, a box for each."""
    names = _names(given)
    lines = ["flowchart LR"]
    for graph in given:
        if graph.nodes:
            lines.append(f'  subgraph view_{graph.view}["{graph.title}"]')
            lines += _nodes(graph.nodes, names)
            lines.append("  end")
    for graph in given:
        lines += _edges(graph.edges, names)
    lines += _edges(joined(given), names)
    return "\n".join([*lines, *_looks(given, names)]) + "\n"


def markdown(given: Sequence[Graph]) -> str:
    """Each view under a heading, for a page on GitHub."""
    parts = []
    for graph in given:
        body = f"```mermaid\n{flowchart(graph)}```" if graph.nodes else f"{graph.missing}."
        parts.append(f"## {graph.title}\n\n{body}\n")
    return "\n".join(parts)


def as_json(given: Graph) -> dict[str, Any]:
    """A view for machines."""
    return {
        "view": given.view,
        "missing": given.missing or None,
        "nodes": [{"key": node.key, "kind": node.kind, "lines": list(node.lines)} for node in given.nodes],
        "edges": [edge._asdict() for edge in given.edges],
        "mermaid": flowchart(given) if given.nodes else None,
    }


def too_much(text: str, edges: int) -> str:
    """Why Mermaid would not draw a diagram; empty when it does."""
    if edges > MOST_EDGES:
        return f"it has {edges} arrows, and Mermaid draws {MOST_EDGES} at most"
    if len(text) > MOST_CHARACTERS:
        return f"it has {len(text):,} characters, and Mermaid reads {MOST_CHARACTERS:,} at most"
    return ""


def label(text: str) -> str:
    """Text between the quotes of a node: whatever Mermaid, Markdown or HTML could take for their own as a number."""
    line = "".join(each for each in " ".join(text.split()) if each.isprintable())
    inside = "_-." if "www" not in line.lower() else "_-"
    found = []
    for before, each, behind in zip(" " + line, line, line[1:] + " ", strict=False):
        plain = each in _PLAIN or (each.isalnum() and ord(each) < 0x10000)
        plain = plain or (each in inside and before.isalnum() and behind.isalnum())
        plain = plain or (each == ":" and before.isalnum() and behind == " ")
        plain = plain or (each == "%" and before.isalnum())
        found.append(each if plain else f"#{ord(each)};")
    return "".join(found)


def _names(given: Sequence[Graph]) -> dict[str, str]:
    """An identifier of Mermaid's for each node: readable, and no two alike."""
    found: dict[str, str] = {}
    for node in (node for graph in given for node in graph.nodes):
        word = "".join(each if each.isascii() and each.isalnum() else "_" for each in node.key)
        name, number = word, 2
        while name in found.values():
            name, number = f"{word}_{number}", number + 1
        found.setdefault(node.key, name)
    return found


def _nodes(given: Sequence[Node], names: dict[str, str]) -> Iterator[str]:
    """Lines of a label stand on lines of the text: with `<br/>` between them Mermaid 11 takes addresses for links."""
    for node in given:
        before, behind = SHAPES[node.kind]
        text = "\n".join(map(label, node.lines))
        yield f"  {names[node.key]}{before}{text}{behind}"


def _edges(given: Sequence[Edge], names: dict[str, str]) -> Iterator[str]:
    for edge in given:
        text = f'|"{label(edge.label)}"|' if edge.label else ""
        yield f"  {names[edge.source]} {'-.->' if edge.back else '-->'}{text} {names[edge.target]}"


def _looks(given: Sequence[Graph], names: dict[str, str]) -> Iterator[str]:
    for kind, colour in COLOURS.items():
        marked = [names[node.key] for graph in given for node in graph.nodes if node.kind == kind]
        if marked:
            yield f"  classDef {kind} stroke:{colour},stroke-width:2px"
            yield f"  class {','.join(marked)} {kind}"
