"""Writes what is made from the code: reference, a page per diagnostic code, commands, metrics, the JSON Schemas.

`python docs/build.py` writes, `python docs/build.py --check` only tells; a test holds that nothing is stale.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
from mlops_runtime.cli.main import cli as runtime

from mlopsgen.cli.main import cli as generator
from mlopsgen.contract.metrics import FAMILIES, TARGET_LABELS
from mlopsgen.diagnostics import Failed
from mlopsgen.diagnostics.catalogue import CODES
from mlopsgen.diagnostics.catalogue.code import Code
from mlopsgen.diagnostics.report import text as report
from mlopsgen.project.resolve import resolve
from mlopsgen.spec import reference, schema, shared_schema
from mlopsgen.spec.load import parse

ROOT = Path(__file__).resolve().parent.parent
MADE = "<!-- Made by docs/build.py from the code: change it there. -->\n"
GENERATOR = "Exit codes: 0 fine, 1 something differs or a gate failed, 2 the input is wrong, 3 a fault of mlopsgen."
RUNTIME = (
    "What generated pipelines, workflows and images call; [what each of them does](runtime.md).\n\n"
    "Exit codes: 0 fine, 1 a check, gate, test or training failed, 2 the input is wrong, 3 a fault of the program or "
    "of the project's own code, 130 stopped by Ctrl-C, 143 a training was stopped by SIGTERM and has saved its state."
)


def pages() -> Iterator[tuple[str, str]]:
    """Path below the repository and content of every page."""
    yield "schemas/mlops.v1.schema.json", schema.text()
    yield "schemas/mlops.workspace.v1.schema.json", shared_schema.text()
    yield "docs/reference.md", _reference()
    yield "docs/commands.md", _commands(generator, "mlopsgen", "Commands", GENERATOR)
    yield "docs/commands-runtime.md", _commands(runtime, "mlops-runtime", "Commands of the runtime", RUNTIME)
    yield "docs/metrics.md", _metrics()
    yield "docs/codes/README.md", _index()
    for code in CODES.values():
        yield f"docs/codes/{code.id}.md", _code(code)


def _reference() -> str:
    lines = [MADE, "# mlops.yaml, field by field\n"]
    lines.append("`mlopsgen explain FIELD` prints the same. Units are part of values: `30s`, `5%`, `64Gi`.\n")
    section = ""
    for entry in reference.entries():
        top = entry.path.split(".")[0].split("[")[0]
        if top != section:
            section = top
            lines += [f"\n## {top}\n", "| field | type | default | meaning | example |", "|---|---|---|---|---|"]
        kind = entry.kind + (f" ({entry.unit})" if entry.unit and entry.unit != entry.kind else "")
        cells = (f"`{entry.path}`", kind, entry.default, entry.description, f"`{reference.flow(entry.example)}`")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += _laxer()
    return "\n".join(lines) + "\n"


def _laxer() -> list[str]:
    """What the JSON Schema cannot say, so that only `mlopsgen validate` finds it."""
    lines = [
        "\n## What the JSON Schema lets pass\n",
        "Whatever a build accepts, the schema accepts. The schema alone accepts more:\n",
    ]
    lines += ["| findings | because |", "|---|---|"]
    for lax in schema.LAXER:
        code = f"{lax.code}xx" if len(lax.code) == 2 else lax.code
        lines.append(f"| {code}{' in an overlay' if lax.path else ''} | {lax.reason} |")
    return lines


def _metrics() -> str:
    """Every metric family that alerts, panels and gates may name."""
    lines = [
        MADE,
        "# Metrics\n",
        "What running parts export, and what custom alerts may name. Prometheus adds the labels "
        + ", ".join(f"`{name}`" for name in TARGET_LABELS)
        + ".\n",
    ]
    source = ""
    for family in FAMILIES:
        if family.source != source:
            source = family.source
            lines += [f"\n## {source}{f' {family.version}' if family.version else ''}\n"]
            lines += ["| metric | type | unit | labels | meaning | only with |", "|---|---|---|---|---|---|"]
        labels = ", ".join(
            f"`{name}`" + (f" ({', '.join(values)})" if values else "") for name, values in family.labels
        )
        only = ", ".join((*family.engines, *family.tasks, *((family.needs,) if family.needs else ())))
        lines.append(f"| `{family.name}` | {family.kind} | {family.unit} | {labels} | {family.help} | {only} |")
    return "\n".join(lines) + "\n"


def _commands(group: click.Group, program: str, title: str, about: str) -> str:
    """Help of every command of a program, in the order of their names."""
    parent = click.Context(group, info_name=program, **group.context_settings)
    return "\n".join([MADE, f"# {title}\n", f"{about}\n", *_helps(group, parent)]) + "\n"


def _helps(group: click.Group, parent: click.Context) -> Iterator[str]:
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        context = click.Context(command, parent=parent, info_name=name, max_content_width=100)
        yield from (f"\n## {context.command_path}\n", "```", command.get_help(context), "```")
        if isinstance(command, click.Group):
            yield from _helps(command, context)


def _index() -> str:
    lines = [
        MADE,
        "# Diagnostic codes\n",
        "`E` stops a build, `W` does not. `mlopsgen explain CODE` prints the same.\n",
    ]
    lines += ["| code | |", "|---|---|"]
    lines += [f"| [{code.id}]({code.id}.md) | {code.title} |" for code in CODES.values()]
    return "\n".join(lines) + "\n"


def _code(code: Code) -> str:
    lines = [MADE, f"# {code.id}: {code.title}\n", f"{code.why}\n", f"**What to do:** {code.fix}\n"]
    if code.example:
        lines += ["## Example\n", "```yaml", code.example.rstrip("\n"), "```\n"]
        told = _told(code)
        if told:
            lines += ["```", told.rstrip("\n"), "```"]
    return "\n".join(lines).rstrip("\n") + "\n"


def _told(code: Code) -> str:
    try:
        found = resolve(parse(code.example, "mlops.yaml")).warnings
    except Failed as failure:
        found = failure.diagnostics
    return report([d for d in found if d.code == code.id], {"mlops.yaml": code.example})


def main() -> int:
    """Write, or with `--check` tell, what is stale; pages of codes that are gone are removed."""
    wanted = {ROOT / path: content for path, content in pages()}
    stale = [path for path, content in wanted.items() if not path.exists() or path.read_text("utf-8") != content]
    gone = [path for path in (ROOT / "docs" / "codes").glob("*.md") if path not in wanted]
    if "--check" not in sys.argv:
        for path in stale:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], "utf-8", newline="\n")
        for path in gone:
            path.unlink()
    for path in [*stale, *gone]:
        print(path.relative_to(ROOT))
    return 1 if "--check" in sys.argv and (stale or gone) else 0


if __name__ == "__main__":
    sys.exit(main())
