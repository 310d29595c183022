"""`mlopsgen uses`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mlopsgen.cli import asking, words
from mlopsgen.diagnostics import Failed, diagnose

if TYPE_CHECKING:
    from mlopsgen.review.inputs import Input
    from mlopsgen.review.lines import Role
    from mlopsgen.review.origins import Made, Origins

WIDTH = 80
MOST = 12
"""Lines of one file that are shown as text, and characters of each; JSON has them all."""


class Use(NamedTuple):
    """What one input does to one file."""

    input: Input
    made: Made
    lines: dict[int, Role]

    @property
    def whole(self) -> bool:
        """Whether the file comes and goes with it."""
        return "file" in self.lines.values()


class _Found(NamedTuple):
    """Everything about one input; `fixed`: no other value of it is valid alone."""

    input: Input
    uses: list[Use]
    fixed: bool


@click.command()
@click.argument("field")
@click.option("--spec", type=click.Path(), help="The spec, or its folder. Left out: `mlops.yaml` here.")
@words.formats("text", "json")
def command(field: str, spec: str | None, form: str) -> int:
    """Say where a FIELD of the spec goes: every line of every generated file that it reaches.

    A section stands for every field in it, an environment's field for its overlay alone.

    \b
    Examples:
      mlopsgen uses serving.replicas.max
      mlopsgen uses environments.production.serving
      mlopsgen uses 'rollout.steps[0]' --format json
    """
    try:
        workspace, source, origins = asking.opened(spec)
        given = _meant(field, origins, source.tree)
    except Failed as failure:
        words.tell(failure.diagnostics, form, **({"fields": []} if form == "json" else {}))
        return 2
    step = asking.progress("comparing")
    found = []
    for number, one in enumerate(given):
        found.append(_Found(one, uses(origins, one), origins.is_fixed(one)))
        origins.forget()
        step(number + 1, len(given))
    if form == "json":
        words.tell([], form, spec=workspace.spec, fields=[_row(one) for one in found])
    else:
        click.echo("\n\n".join(_text(one) for one in found))
    return 0


def uses(origins: Origins, given: Input) -> list[Use]:
    """Everything that one input reaches, by file."""
    found = []
    for key, made in sorted(origins.files.items()):
        if not made.unmanaged and not made.keep:
            lines = origins.reach(given, key)
            if lines:
                found.append(Use(given, made, lines))
    return found


def _meant(field: str, origins: Origins, tree: Any) -> list[Input]:
    """The field, or all that are in a section. Raises Failed with E326."""
    from mlopsgen.diagnostics.hints import closest
    from mlopsgen.project.present import parse
    from mlopsgen.spec import fields

    name = field.removeprefix("pin ")
    exact = [one for one in origins.inputs if one.field == name]
    inside = [one for one in origins.inputs if one.field.startswith((f"{name}.", f"{name}[")) and one.kind != "pin"]
    if exact or inside:
        return [*exact, *inside]
    scalar = next((one for one in origins.inputs if one.kind == "value" and name.startswith(f"{one.field}.")), None)
    if scalar is not None:
        message = f"`{scalar.field}` is written as one value, {scalar.value}"
        raise Failed([diagnose("E326", message, path=name, span=scalar.span, help=f"`mlopsgen uses {scalar.field}`")])
    parts = name.split(".")
    overlaid = parts[0] == "environments" and len(parts) > 2
    base = ".".join(parts[2:])
    if overlaid and any(one.field == base or one.field.startswith(f"{base}.") for one in origins.inputs):
        message = f"`{name}` is not written, so `{base}` holds there"
        raise Failed([diagnose("E326", message, path=name, help=f"`mlopsgen uses {base}`")])
    known = list(dict.fromkeys(one.field for one in origins.inputs))
    known += [head for one in known for head in _heads(one)]
    hint = closest(name, known)
    try:
        there = fields.find(parse(name)) is not None
    except ValueError:
        there = False
    message = f"the spec has no `{name}`" if there else f"there is no field `{name}`"
    help = f"did you mean `{hint}`?" if hint else "see `mlopsgen show` for the fields there are"
    raise Failed([diagnose("E326", message, path=name, help=help)])


def _heads(field: str) -> list[str]:
    parts = field.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _text(found: _Found) -> str:
    from mlopsgen.review import words as shown
    from mlopsgen.review.lines import ranges

    rows = [asking.told(found.input)]
    if found.fixed:
        rows.append("  no other value is valid alone: only what was seen while files were rendered is told")
    for use in found.uses:
        name = use.made.key.removeprefix("//")
        if use.whole:
            rows.append(f"  {words.styled(name, 'bold')}  the whole file comes and goes with it")
            continue
        values = [number for number, role in use.lines.items() if role == "value"]
        gone = [number for number, role in use.lines.items() if role == "presence"]
        rows += [
            f"  {words.styled(f'{name}:{number}', 'bold')}  {shown.value(use.made.final[number - 1].strip(), WIDTH)}"
            for number in values[:MOST]
        ]
        if len(values) > MOST:
            rows.append(f"  {name}  and {shown.count(len(values) - MOST, 'more line')}: {ranges(values[MOST:])}")
        if gone:
            rows.append(f"  {name}  {shown.count(len(gone), 'line')} there because of it: {ranges(gone)}")
    if not found.uses:
        rows.append("  reaches no line of the output")
    else:
        lines = sum(len(use.lines) for use in found.uses)
        rows.append(f"  {shown.count(lines, 'line')} in {shown.count(len(found.uses), 'file')}")
    return "\n".join(rows)


def _row(found: _Found) -> dict[str, Any]:
    return {**asking.row(found.input), "fixed": found.fixed, "uses": [_use(use) for use in found.uses]}


def _use(use: Use) -> dict[str, Any]:
    from mlopsgen.review.pointers import on, places

    made = use.made
    known = places(made.key, "\n".join(made.final) + "\n")
    return {
        "file": made.key.removeprefix("//"),
        "target": made.target,
        "whole": use.whole,
        "lines": [
            {
                "line": number,
                "role": role,
                "text": made.final[number - 1],
                "places": [{"object": place.object or None, "pointer": place.pointer} for place in on(number, known)],
            }
            for number, role in use.lines.items()
        ],
    }
