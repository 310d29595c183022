"""`mlopsgen why`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mlopsgen.cli import asking, words
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose

if TYPE_CHECKING:
    from mlopsgen.cli.workspace import Workspace
    from mlopsgen.review.origins import Made, Origins, Reached
    from mlopsgen.review.pointers import Place

MOST = 6
"""Conditions of a line that are shown as text; JSON has them all."""


class Answer(NamedTuple):
    """What is said of one line.

    Attributes:
        line: in what a build writes.
        asked: line in the file on disk.
        kind: `value`, `pin`, `constant`, `derived` (made from fields of which no value that was tried changes it),
            `patch`, `once` (the user's after the first build) or `unmanaged`.
        patches: numbers of the patches of which one wrote it.
    """

    made: Made
    line: int
    asked: int
    kind: str
    places: list[Place]
    reached: list[Reached]
    patches: tuple[int, ...]
    traced: tuple[str, ...] = ()


@click.command()
@click.argument("place", metavar="FILE[:LINE]")
@click.argument("pointer", required=False)
@click.option("--spec", type=click.Path(), help="The spec, or its folder. Left out: here, or the nearest above FILE.")
@click.option("--object", "name", metavar="KIND/NAME", help="The manifest that POINTER is in, in a file of several.")
@words.formats("text", "json")
def command(place: str, pointer: str | None, spec: str | None, name: str | None, form: str) -> int:
    """Say where a line of a generated file comes from: which fields of the spec, which target and template.

    POINTER (RFC 6901) names a value of a YAML or JSON file instead of a line.

    \b
    Examples:
      mlopsgen why deploy/production/scaling.yaml:61
      mlopsgen why params.yaml /train/learning_rate
      mlopsgen why deploy/production/serving.yaml /spec/replicas --object Deployment/shop-champion
    """
    file, line = _place(place, pointer)
    notes: list[Diagnostic] = []
    try:
        workspace, _, origins = asking.opened(spec, file)
        made = asking.found(file, workspace, origins)
        answers = _answers(workspace, origins, made, line, pointer, name, notes)
    except Failed as failure:
        words.tell(failure.diagnostics, form, **({"answers": []} if form == "json" else {}))
        return 2
    if form == "json":
        words.tell(notes, form, spec=workspace.spec, answers=[_row(answer) for answer in answers])
        return 0
    for number, answer in enumerate(answers):
        click.echo(("\n" if number else "") + _text(answer, workspace))
    words.tell(notes, form)
    return 0


def _place(place: str, pointer: str | None) -> tuple[str, int]:
    if pointer is not None:
        if pointer and not pointer.startswith("/"):
            raise click.UsageError(f"a JSON pointer begins with `/`: {pointer!r}")
        return place, 0
    file, _, number = place.rpartition(":")
    if not file or not number.isdigit() or int(number) < 1:
        raise click.UsageError(f"name a line, `{place}:1`, or a JSON pointer, `{place} /a/b`")
    return file, int(number)


def _answers(
    workspace: Workspace,
    origins: Origins,
    made: Made,
    line: int,
    pointer: str | None,
    name: str | None,
    notes: list[Diagnostic],
) -> list[Answer]:
    from mlopsgen.review.pointers import places

    if made.unmanaged or made.keep:
        return [Answer(made, line or 1, line or 1, "unmanaged" if made.unmanaged else "once", [], [], ())]
    known = places(made.key, "\n".join(made.final) + "\n")
    if pointer is not None:
        return [_answer(origins, made, number, number, known) for number in _pointed(made, known, pointer, name)]
    return [_answer(origins, made, _in_output(workspace, made, line, notes), line, known)]


def _pointed(made: Made, known: list[Place], pointer: str, name: str | None) -> list[int]:
    """Lines of the value; of a mapping or list, the line of its key. Raises Failed with E325."""
    from mlopsgen.diagnostics.hints import closest

    there = [place for place in known if place.pointer == pointer]
    meant = [place for place in there if name is None or place.object == name]
    if len(meant) == 1:
        found = meant[0]
        return list(range(found.first, found.last + 1)) if found.scalar else [found.first]
    objects = sorted({place.object for place in (there or known) if place.object})
    if meant:
        help = f"name one with `--object`: {', '.join(objects)}"
        message = f"{len(meant)} objects of {made.key.removeprefix('//')} have {pointer}"
    else:
        message = f"nothing stands at {pointer or 'the root'} of {made.key.removeprefix('//')}"
        message += f" in {name}" if name else ""
        hint = closest(pointer, [place.pointer for place in known if name is None or place.object == name])
        help = (
            f"did you mean `{hint}`?" if hint else f"objects: {', '.join(objects)}" if objects else "look at the file"
        )
    raise Failed([diagnose("E325", message, path=made.key.removeprefix("//"), help=help)])


def _in_output(workspace: Workspace, made: Made, line: int, notes: list[Diagnostic]) -> int:
    """The line of what a build writes that a line of the file on disk is. Raises Failed with E325."""
    from mlopsgen.review.lines import aligned

    shown = made.key.removeprefix("//")
    root = workspace.repository if made.key.startswith("//") else workspace.folder
    path = os.path.join(root, *shown.split("/"))
    on_disk = list(made.final)
    if os.path.isfile(path):
        with open(path, encoding="utf-8", errors="replace") as stream:
            on_disk = stream.read().removesuffix("\n").split("\n")
    if line > len(on_disk):
        raise Failed([diagnose("E325", f"{shown} has {len(on_disk)} lines", path=shown, help="name one of them")])
    if on_disk == list(made.final):
        return line
    inside = aligned(made.final, on_disk).get(line)
    help = "run `mlopsgen build`, and see `mlopsgen diff` for what differs"
    if inside is None:
        message = f"line {line} of {shown} is not what a build writes: edited by hand, or the spec changed since"
        raise Failed([diagnose("E325", message, path=shown, help=help)])
    if not notes:
        message = f"{shown} is not what a build writes; the line asked for is, as line {inside}"
        notes.append(diagnose("W322", message, path=shown, help=help))
    return inside


def _answer(origins: Origins, made: Made, line: int, asked: int, known: list[Place]) -> Answer:
    from mlopsgen.review.pointers import on

    places = on(line, known)
    reached = [one for one in origins.line(made.key, line, asking.progress("comparing")) if one.role != "file"]
    patches = origins.patch(made.key, line)
    values = [one for one in reached if one.role == "value"]
    traced = tuple(origins.traced(made.key, line))
    kind = "patch" if patches else "derived" if traced else "constant"
    if values and not patches:
        kind = "pin" if all(one.input.kind == "pin" for one in values) else "value"
    return Answer(made, line, asked, kind, places, reached, patches, traced)


def _maker(made: Made) -> str:
    if made.making == "template":
        return f"target {made.target}, template {made.template}"
    if made.making == "own template":
        return f"target {made.target}, your template {made.template}"
    return f"target {made.target}, built by its code"


SAID = {
    "once": "written once, then yours: a release, or you, put what it says; no build changes it",
    "unmanaged": "listed under `unmanaged:`, so it is yours; no build writes it",
}


def _text(answer: Answer, workspace: Workspace) -> str:
    made = answer.made
    shown = made.key.removeprefix("//")
    lines = [f"{words.styled(f'{shown}:{answer.asked}', 'bold')}  {_maker(made)}"]
    if answer.kind in SAID:
        return "\n".join([*lines, f"  {SAID[answer.kind]}"])
    lines.append(f"  {words.styled(made.final[answer.line - 1].strip(), 'dim')}")
    lines += [f"  at {_shown(place)}" for place in answer.places]
    if answer.patches:
        numbers = " or ".join(f"patches[{number}]" for number in answer.patches)
        lines.append(f"  put there by {numbers} of {workspace.spec}")
    values = [one for one in answer.reached if one.role == "value"]
    lines += [f"  from {asking.told(one.input)}" for one in values]
    conditions = [one for one in answer.reached if one.role == "presence"]
    if answer.kind == "derived":
        lines.append(f"  made from {', '.join(answer.traced)}; no other value that was tried changes it")
    elif answer.kind == "constant":
        what = "constant text of the template" if made.template else "constant in the code of the target"
        lines.append(f"  {what}" + ("" if conditions else ": no field of the spec changes it"))
    lines += [f"  there because of {asking.told(one.input)}" for one in conditions[:MOST]]
    lines += [f"  and {len(conditions) - MOST} more conditions"] if len(conditions) > MOST else []
    return "\n".join(lines)


def _shown(place: Place) -> str:
    return f"{place.object} {place.pointer or '/'}".strip()


def _row(answer: Answer) -> dict[str, Any]:
    made = answer.made
    written = answer.kind not in SAID
    return {
        "file": made.key.removeprefix("//"),
        "line": answer.asked,
        "text": made.final[answer.line - 1] if written else None,
        "kind": answer.kind,
        "target": made.target,
        "template": made.template or None,
        "own_template": made.making == "own template",
        "places": [{"object": place.object or None, "pointer": place.pointer} for place in answer.places],
        "patches": list(answer.patches),
        "traced": list(answer.traced),
        "fields": [asking.row(one.input) for one in answer.reached if one.role == "value"],
        "conditions": [asking.row(one.input) for one in answer.reached if one.role == "presence"],
    }
