"""`mlopsgen plan`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce
from typing import TYPE_CHECKING, Any

import click

from mlopsgen.cli import words
from mlopsgen.cli.workspace import Workspace
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose

if TYPE_CHECKING:
    from mlopsgen.cli.sides import Side, Source
    from mlopsgen.review.account import Unit
    from mlopsgen.review.leaves import Leaf
    from mlopsgen.review.plan import Plan

LIMITS = ("recreate", "restart", "reload", "retrain", "pipeline", "traffic", "alerts", "permissions", "configuration")


@click.command()
@words.specs
@words.every
@click.option(
    "--base",
    default="HEAD",
    show_default=True,
    metavar="REV",
    help="Revision of git that the spec is compared with; `REV:PATH` where it lay elsewhere.",
)
@click.option(
    "--fail-on",
    "limit",
    type=click.Choice(LIMITS),
    metavar="CLASS",
    help=f"Exit with 1 if something of this class or a worse one comes: {', '.join(LIMITS)}.",
)
@words.formats("text", "markdown", "json")
def command(specs: tuple[str, ...], every: bool, base: str, limit: str | None, form: str) -> int:
    """Say what the change of each SPEC does: every changed field with its consequences, worst first.

    \b
    Examples:
      mlopsgen plan
      mlopsgen plan --base origin/main --format markdown
      mlopsgen plan --base v1.4.0 --fail-on recreate
      mlopsgen plan --all --base origin/main
    """
    from mlopsgen.cli import affected
    from mlopsgen.review import plan as shown

    try:
        meant, found, among = affected.meant(specs, every, base)
    except Failed as failure:
        affected.end(form, failure.diagnostics, None, "plans", [], shown.as_json)
        return 2
    plans: list[Plan] = []
    failed = False
    step = words.Progress(len(meant), few=1)
    for number, argument in enumerate(meant, start=1):
        step(number, argument)
        try:
            plan, notes = _one(Workspace(argument), base)
        except Failed as failure:
            failed = True
            found += failure.diagnostics
            continue
        found += notes
        if among and not plan.account.entries:
            continue
        plans.append(plan)
        step.clear()
        if form == "text":
            click.echo(shown.text(plan, words.styled), nl=bool(among))
        elif form == "markdown":
            click.echo(shown.markdown(plan))
    step.clear()
    affected.end(form, found, among, "plans", plans, shown.as_json)
    if failed:
        return 2
    reached = any(shown.reaches(list(plan.account.counts), limit) for plan in plans) if limit else False
    return 1 if reached or (limit and among and among.gone) else 0


def _one(workspace: Workspace, base: str) -> tuple[Plan, list[Diagnostic]]:
    from mlopsgen.cli import bases, sides
    from mlopsgen.cli.lastrun import last_run
    from mlopsgen.review import cost
    from mlopsgen.review.account import account
    from mlopsgen.review.plan import Plan

    if base == "lock":
        help = "name a revision: `mlopsgen plan --base HEAD`; `mlopsgen diff --base lock` compares files"
        raise Failed([diagnose("E324", "the lock holds digests, not the spec they came from", help=help)])
    compiler = sides.Compiler()
    head = compiler(sides.present(workspace))
    past = bases.past(workspace, base)
    before = bases.compiled(compiler, past)
    changes = _units(before.source, head.source)
    found = account(
        list(changes),
        before.files,
        head.files,
        before.kept | head.kept,
        lambda units: compiler(reduce(lambda source, unit: changes[unit](source), units, before.source)).files,
    )
    price = cost.compared(before.project, head.project, last_run(workspace))
    shown = past.revision.shown
    plan = Plan(workspace.spec, shown, found, _inputs(before, head, past.revision.commit), price)
    return plan, list(past.notes)


def _inputs(before: Side, head: Side, commit: str) -> dict[str, Any]:
    def row(side: Side) -> dict[str, Any]:
        return {"spec": side.source.name, "spec_digest": side.source.digest, "output_digest": side.files.digest}

    return {"base": {**row(before), "commit": commit}, "head": row(head)}


Change = Callable[["Source"], "Source"]
"""Puts one change into a source."""


def _units(base: Source, head: Source) -> dict[Unit, Change]:
    """Everything that changed on the way in, each with how it is put into the base."""
    from mlopsgen.review.account import Unit
    from mlopsgen.review.leaves import leaves
    from mlopsgen.review.plan import shown

    found: dict[Unit, Change] = {}
    for leaf in leaves(base.tree, head.tree):
        node = leaf.new or leaf.old
        unit = Unit(leaf.name, node.span if node else None, leaf.environment, shown(leaf.old), shown(leaf.new))
        found[unit] = partial(_with_leaf, leaf=leaf)
    for name in _differing(base.pins, head.pins):
        old, new = (
            f"{side.pins[name].version} {side.pins[name].digest[:19]}" if name in side.pins else ""
            for side in (base, head)
        )
        found[Unit(f"pin {name}", None, "", old, new)] = partial(_with_entry, field="pins", name=name, head=head)
    for name in _differing(base.overrides, head.overrides):
        old, new = ("as it was" if name in base.overrides else ""), ("edited" if name in head.overrides else "")
        unit = Unit(f"template {name}", None, "", old, new)
        found[unit] = partial(_with_entry, field="overrides", name=name, head=head)
    if (base.relative, base.file) != (head.relative, head.file):
        old, new = (f"{side.relative or '.'}/{side.file}" for side in (base, head))
        unit = Unit("place of the spec", None, "", old, new)
        found[unit] = lambda source: source._replace(relative=head.relative, file=head.file)
    return found


def _differing(base: Mapping[str, Any], head: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in base.keys() | head.keys() if base.get(name) != head.get(name))


def _with_leaf(source: Source, leaf: Leaf) -> Source:
    from mlopsgen.review.leaves import applied

    return source._replace(tree=applied(source.tree, [leaf]))


def _with_entry(source: Source, field: str, name: str, head: Source) -> Source:
    entries = {key: value for key, value in getattr(source, field).items() if key != name}
    wanted: Mapping[str, Any] = getattr(head, field)
    changed: Any = {field: {**entries, name: wanted[name]} if name in wanted else entries}
    return source._replace(**changed)
