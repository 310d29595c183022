"""What Mermaid itself, in a real browser, makes of the diagrams."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from mlopsgen.cli.sides import Side
from mlopsgen.overview import graphs, mermaid
from mlopsgen.overview.graphs import Edge, Graph, Node
from tests.browser import Tab
from tests.conftest import FULL, SMALLEST
from tests.overview.conftest import Compile, called, script

RENDER = """
async (text) => {
    const { svg } = await mermaid.render("drawn", text);
    const holder = document.createElement("div");
    holder.innerHTML = svg;
    document.body.append(holder);
    const texts = (selector) => [...holder.querySelectorAll(selector)].map((each) => each.innerText).filter(Boolean);
    const found = {
        nodes: texts(".node .nodeLabel"),
        edges: texts(".edgeLabels .edgeLabel .edgeLabel"),
        arrows: holder.querySelectorAll("path.flowchart-link").length,
        strange: holder.querySelectorAll("a, img, i, em, strong, code, ul, ol, .katex, .error-icon, script").length,
    };
    holder.remove();
    return found;
}
"""

HOSTILE = r"""
end ; graph ; style ; click href ; subgraph x ; default ; 1. first ; 10) ten ; - item ; + plus ; * x * ; # head ; > quote
--- ; - ; **bold** _em_ `code` ; `code` ; ~~x~~ ; __init__ ; _a ; a_ ; a_b_c ; word: - x ; //x ; 3 ; 1.5 s ; x: y ; a:::b
a "quoted" 'x' ; [x](y) {z} <b>b</b> <img src=x onerror=alert(1)> ; <script>alert(1)</script> ; a<br/>b ; a|b ; | a | b |
https://staging.acme.dev/a ; www.acme.dev ; me@acme.dev ; fa:fa-car ; $$x^2$$ ; %% no comment ; %%{init: {}}%% ; x --> y
a\nb ; @{ shape: x } ; 日本語 ünïcode 🙂 ; ½ ² ≤ 5% → 10%
""".replace("\n", " ; ")
HOSTILE = [*(text for text in HOSTILE.split(" ; ") if text), "&amp; #35; &lt;", "graph TD; A", "אב", "é"]


@pytest.fixture(scope="module", params=["mermaid-11.js", "mermaid-12.js"])
def drawing(request: pytest.FixtureRequest, tab: Tab, tmp_path_factory: pytest.TempPathFactory) -> Tab:
    """A page with Mermaid, set up as GitHub does: strict."""
    page = tmp_path_factory.mktemp("drawing") / "page.html"
    page.write_text(
        f'<!doctype html><meta charset="utf-8"><body><script src="{script(request.param).as_uri()}"></script>'
        '<script>mermaid.initialize({startOnLoad: false, securityLevel: "strict"})</script>',
        encoding="utf-8",
    )
    tab.open(page.as_uri())
    return tab


def drawn(tab: Tab, text: str) -> dict[str, Any]:
    found = called(tab, RENDER, text)
    assert found["strange"] == 0
    return dict(found)


def said(node: Node) -> str:
    return "\n".join(" ".join(line.split()) for line in node.lines)


VARIANTS = {
    "argo": "rollout: {engine: argo-rollouts, steps: [20%, 100%]}\n",
    "three": "environments: {dev: {branch: dev}, test: {approval: true}, live: {branch: main, url: 'https://a.dev'}}\n",
    "at once": "rollout: {steps: [100%]}\n",
    "told": "monitoring: {notify: {email: {to: [a@b.dev], smarthost: 's.dev:25', from: c@d.dev}}, slo: {}}\n",
}


@pytest.fixture
def side(request: pytest.FixtureRequest, compiled: Compile) -> Side:
    if request.param in VARIANTS:
        return compiled(SMALLEST.read_text(encoding="utf-8") + VARIANTS[request.param])
    found: Side = request.getfixturevalue(request.param)
    return found


@pytest.mark.parametrize(
    ("drawing", "side"),
    [
        *(("mermaid-11.js", name) for name in ("full", "smallest", *VARIANTS)),
        *(("mermaid-12.js", name) for name in ("full", "three")),
    ],
    indirect=True,
)
def test_mermaid_draws_every_node_and_arrow(side: Side, drawing: Tab) -> None:
    every = [graphs.graph(view, side.project, side.files) for view in graphs.VIEWS]
    for graph in every:
        found = drawn(drawing, mermaid.flowchart(graph))
        assert sorted(found["nodes"]) == sorted(said(node) for node in graph.nodes)
        assert sorted(found["edges"]) == sorted(edge.label for edge in graph.edges if edge.label)
        assert found["arrows"] == len(graph.edges)
    together = drawn(drawing, mermaid.together(every))
    assert len(together["nodes"]) == sum(len(graph.nodes) for graph in every)
    assert together["arrows"] == sum(len(graph.edges) for graph in every) + len(graphs.joined(every))


def test_whatever_a_label_says_is_shown_as_it_is(drawing: Tab) -> None:
    kinds = list(mermaid.SHAPES)
    nodes = [Node(f"{number} {text}", kinds[number % len(kinds)], (text,)) for number, text in enumerate(HOSTILE)]  # type: ignore[arg-type]
    edges = [Edge(nodes[0].key, node.key, text) for node, text in zip(nodes, HOSTILE, strict=True)]
    found = drawn(drawing, mermaid.flowchart(Graph("pipeline", "x", tuple(nodes), tuple(edges))))
    assert sorted(found["nodes"]) == sorted(HOSTILE)
    assert sorted(found["edges"]) == sorted(HOSTILE)
    nodes = [node._replace(lines=("one", *node.lines, "x 3", *node.lines)) for node in nodes]
    found = drawn(drawing, mermaid.flowchart(Graph("pipeline", "x", tuple(nodes), ())))
    assert sorted(found["nodes"]) == sorted(f"one\n{text}\nx 3\n{text}" for text in HOSTILE)


def test_control_characters_are_left_out() -> None:
    assert mermaid.label("a\u202eb\x07c\n d") == "abc d"


def test_names_that_look_alike_stay_apart(drawing: Tab) -> None:
    nodes = tuple(Node(key, "step", (key,)) for key in ("a.b", "a-b", "a b", "a_b_2", "é", "ü"))
    edges = tuple(Edge("a.b", node.key) for node in nodes[1:])
    text = mermaid.flowchart(Graph("pipeline", "x", nodes, edges))
    assert sorted(drawn(drawing, text)["nodes"]) == sorted(node.key for node in nodes)


def test_the_same_spec_gives_the_same_bytes() -> None:
    def once(seed: str) -> bytes:
        command = [sys.executable, "-m", "mlopsgen", "graph", "--format", "markdown", str(FULL)]
        return subprocess.run(command, capture_output=True, check=True, env={"PYTHONHASHSEED": seed, "TZ": seed}).stdout

    assert once("1") == once("2")
