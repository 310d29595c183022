"""`mlopsgen graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import SPEC, Workspace
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose

if TYPE_CHECKING:
    from mlopsgen.overview.graphs import Graph

VIEWS = ("pipeline", "environments", "monitoring")


@click.command()
@click.argument("spec", default=SPEC, type=click.Path())
@click.option(
    "--view",
    type=click.Choice((*VIEWS, "all")),
    default="all",
    show_default=True,
    help="What is drawn: from data to a registered model, from there to users, or from metrics to people.",
)
@words.formats("mermaid", "markdown", "json")
def command(spec: str, view: str, form: str) -> int:
    """Draw what SPEC makes: pipeline, environments and monitoring, as flowcharts of Mermaid.

    \b
    Examples:
      mlopsgen graph --format markdown > docs/overview.md
      mlopsgen graph --view pipeline
    """
    from mlopsgen.cli import sides
    from mlopsgen.overview import graphs, mermaid

    try:
        side = sides.Compiler()(sides.present(Workspace(spec)))
    except Failed as failure:
        words.tell(failure.diagnostics, "json" if form == "json" else "text")
        return 2
    wanted = [each for each in graphs.VIEWS if view in (each, "all")]
    found = [graphs.graph(each, side.project, side.files) for each in wanted]
    notes = [*side.warnings, *_large(found, form)]
    if form == "json":
        words.tell(notes, "json", graphs=[mermaid.as_json(each) for each in found])
        return 0
    click.echo(_text(found, form), nl=False)
    words.tell(notes, "text")
    return 0


def _text(found: list[Graph], form: str) -> str:
    from mlopsgen.overview import mermaid

    if form == "markdown":
        return mermaid.markdown(found)
    if len(found) > 1:
        return mermaid.together(found)
    return mermaid.flowchart(found[0]) if found[0].nodes else f"%% {found[0].missing}\n"


def _large(found: list[Graph], form: str) -> list[Diagnostic]:
    """Diagrams that Mermaid would not draw."""
    from mlopsgen.overview import mermaid

    if form == "mermaid" and len(found) > 1:
        edges = sum(len(each.edges) for each in found)
        texts = [("all views together", mermaid.together(found), edges)]
    else:
        texts = [(f"the view `{each.view}`", mermaid.flowchart(each), len(each.edges)) for each in found]
    reasons = [(name, mermaid.too_much(text, edges)) for name, text, edges in texts]
    return [
        diagnose(
            "W350", f"{name} is too large to be drawn: {reason}", help="draw one `--view`, or see `mlopsgen report`"
        )
        for name, reason in reasons
        if reason
    ]
