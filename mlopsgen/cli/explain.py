"""`mlopsgen explain`."""

from __future__ import annotations

import json
import re
from typing import Any

import click

from mlopsgen.cli import words
from mlopsgen.diagnostics.hints import closest


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from mlopsgen.diagnostics.catalogue import CODES
    from mlopsgen.spec.reference import entries

    return [word for word in (*CODES, *(entry.path for entry in entries())) if word.startswith(incomplete)]


@click.command()
@click.argument("topic", metavar="FIELD|CODE", shell_complete=_complete)
@words.formats("text", "json")
def command(topic: str, form: str) -> int:
    """Explain a field of mlops.yaml, by its dotted path, or a diagnostic code.

    \b
    Examples:
      mlopsgen explain training.learning_rate
      mlopsgen explain environments.production.serving.replicas
      mlopsgen explain E107
    """
    told = _code(topic.upper()) if re.fullmatch(r"[EWew][0-9]{3}", topic) else _field(topic)
    click.echo(json.dumps(told, indent=2, ensure_ascii=False) if form == "json" else _text(told), nl=form == "json")
    return 0


def _code(name: str) -> dict[str, Any]:
    from mlopsgen.diagnostics.catalogue import CODES

    if name not in CODES:
        hint = closest(name, list(CODES))
        raise click.UsageError(f"there is no code {name}" + (f"; did you mean `{hint}`?" if hint else ""))
    code = CODES[name]
    told = {"code": code.id, "title": code.title, "why": code.why, "what to do": code.fix}
    return told | ({"example": code.example} if code.example else {})


def _field(path: str) -> dict[str, Any]:
    from mlopsgen.project.present import parse
    from mlopsgen.spec import fields, reference
    from mlopsgen.spec.base import key
    from mlopsgen.spec.document import Spec

    parts = parse(path)
    place = fields.find(parts)
    if place is None:
        known = [entry.path for entry in reference.entries()]
        hint = closest(path, known)
        raise click.UsageError(f"mlops.yaml has no field {path}" + (f"; did you mean `{hint}`?" if hint else ""))
    told: dict[str, Any] = {"field": path}
    if place.field is not None:
        entry = reference.entry(parts, place.field)
        told |= {"meaning": entry.description, "type": entry.kind}
        told |= {"unit": entry.unit} if entry.unit else {}
        told |= {"default": entry.default, "example": reference.flow(entry.example)}
    if place.section is not None:
        below = [(key(n), f.description or "") for n, f in place.section.model_fields.items()]
        told["about"] = (place.section.__doc__ or "").strip() if place.section is not Spec else "The whole document."
        told["fields"] = dict(below)
    return told


def _text(told: dict[str, Any]) -> str:
    lines = []
    for key, value in told.items():
        if isinstance(value, dict):
            width = max((len(name) for name in value), default=0)
            lines += [
                words.styled(f"{key}:", "bold"),
                *(f"  {name.ljust(width)}  {text}" for name, text in value.items()),
            ]
        elif "\n" in str(value):
            lines += [words.styled(f"{key}:", "bold"), *(f"  {line}".rstrip() for line in str(value).splitlines())]
        else:
            lines.append(words.styled(f"{key}:", "bold") + f" {value}")
    return "\n".join(lines) + "\n"
