"""`mlopsgen verify`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from mlopsgen.cli import asking, judging, words
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose

if TYPE_CHECKING:
    from mlopsgen.cli.blame import Blame
    from mlopsgen.cli.workspace import Workspace
    from mlopsgen.review.origins import Origins
    from mlopsgen.verify.bench import Verdict
    from mlopsgen.verify.judge import Remark

MOST = 3
"""Further fields that a finding names."""


class Checked(NamedTuple):
    """What the judges said of one spec."""

    spec: str
    verdicts: list[Verdict]
    blames: dict[tuple[str, int], Blame]
    diagnostics: list[Diagnostic]


@click.command()
@words.specs
@click.option("--require", multiple=True, metavar="NAME", help="A judge that must be there; repeat it for more.")
@words.formats("text", "json", "github")
def command(specs: tuple[str, ...], require: tuple[str, ...], form: str) -> int:
    """Run whichever judges are installed on what a build makes, and show what they find at the lines of each SPEC.

    Nothing has to be built before, and nothing is written.

    \b
    Examples:
      mlopsgen verify
      mlopsgen verify --require promtool --require actionlint --format github
    """
    from mlopsgen.verify.judges import JUDGES

    _known(require, [judge.name for judge in JUDGES])
    done: list[Checked] = []
    wrong: list[Diagnostic] = []
    for spec in specs or (None,):
        try:
            done.append(_checked(spec, require))
        except Failed as failure:
            wrong += failure.diagnostics
    found = [*wrong, *(one for each in done for one in each.diagnostics)]
    if form == "json":
        words.tell(found, form, specs=[judging.row(each.spec, each.verdicts, each.blames) for each in done])
    else:
        words.tell(found, form)
        if form == "text":
            click.echo("\n\n".join(judging.text(each.spec, each.verdicts) for each in done))
    missing = any(one.code == "E341" for one in found)
    return 2 if wrong or missing else int(bool(found))


def _known(require: tuple[str, ...], names: list[str]) -> None:
    from mlopsgen.diagnostics.hints import closest

    for name in require:
        if name not in names:
            hint = closest(name, names)
            help = f"Did you mean `{hint}`?" if hint else f"There are {', '.join(names)}."
            raise click.UsageError(f"no judge is called {name!r}. {help}")


def _checked(spec: str | None, require: tuple[str, ...]) -> Checked:
    """Raises Failed where the spec does not compile."""
    from mlopsgen.cli.blame import blamed, by_patches
    from mlopsgen.verify.bench import judged
    from mlopsgen.verify.judges import JUDGES
    from mlopsgen.verify.layout import laid_out

    workspace, source, origins = asking.opened(spec)
    _possible(origins)
    texts = {key: _whole(made.final) for key, made in origins.files.items() if not made.unmanaged and not made.keep}
    beside = _beside(workspace, origins)
    with laid_out(workspace.repository, workspace.relative, texts, beside) as layout:
        verdicts = judged(JUDGES, layout, asking.progress("judging"))
    remarks = [(verdict, remark) for verdict in verdicts for remark in verdict.remarks if remark.key in texts]
    remarks.sort(key=lambda one: one[1].level)
    blames = blamed(source, origins, [(one.key, one.line) for _, one in remarks], asking.progress("tracing"))
    for (_, one), numbers in _without_patches(workspace, origins, remarks, blames, beside).items():
        blames[one.key, one.line] = by_patches(source, blames[one.key, one.line], numbers)
    found = [_diagnostic(verdict, one, blames.get((one.key, one.line))) for verdict, one in _each(verdicts)]
    return Checked(workspace.spec, verdicts, blames, [*found, *_failures(verdicts, require)])


def _without_patches(
    workspace: Workspace,
    origins: Origins,
    remarks: Sequence[tuple[Verdict, Remark]],
    blames: Mapping[tuple[str, int], Blame],
    beside: Mapping[str, str],
) -> dict[tuple[str, Remark], tuple[int, ...]]:
    """Remarks that nobody makes where no patch is applied, with the patches of the file, or of its folder."""
    from mlopsgen.verify.bench import judged
    from mlopsgen.verify.layout import laid_out

    doubtful = {}
    for verdict, one in remarks:
        numbers = _patches(origins, one.key)
        if numbers and blames[one.key, one.line].kind not in ("patch", "template"):
            doubtful[verdict.judge.name, one] = numbers
    if not doubtful:
        return {}
    asked = {verdict.judge.name: verdict.judge for verdict, one in remarks if (verdict.judge.name, one) in doubtful}
    plain = {key: _whole(made.lines) for key, made in origins.files.items() if not made.unmanaged and not made.keep}
    with laid_out(workspace.repository, workspace.relative, plain, beside) as layout:
        verdicts = judged(list(asked.values()), layout, asking.progress("judging without patches"))
    there = {(verdict.judge.name, one.key, one.message) for verdict, one in _each(verdicts)}
    return {key: numbers for key, numbers in doubtful.items() if (key[0], key[1].key, key[1].message) not in there}


def _patches(origins: Origins, key: str) -> tuple[int, ...]:
    own = origins.files[key].patches
    folder = key.rpartition("/")[0]
    return own or tuple(
        sorted(
            {one for name, made in origins.files.items() if name.rpartition("/")[0] == folder for one in made.patches}
        )
    )


def _possible(origins: Origins) -> None:
    """Raises Failed with E305, as a build does."""
    from mlopsgen.output.paths import problem

    wrong = {key: why for key in origins.files if (why := problem(_shown(key)))}
    if wrong:
        help = "Give it a path inside the project."
        raise Failed(
            diagnose("E305", f"a target makes a file at {_shown(key)!r}, which cannot be: {why}", path=key, help=help)
            for key, why in wrong.items()
        )


def _each(verdicts: list[Verdict]) -> list[tuple[Verdict, Remark]]:
    return [(verdict, remark) for verdict in verdicts for remark in verdict.remarks]


def _whole(rows: Any) -> str:
    return "\n".join([*rows, ""])


def _beside(workspace: Workspace, origins: Origins) -> dict[str, str]:
    """Files that are the user's: as they are on disk, or as a first build writes them."""
    found = {}
    for key, made in origins.files.items():
        if made.unmanaged or made.keep:
            root = workspace.repository if key.startswith("//") else workspace.folder
            path = os.path.join(root, *key.removeprefix("//").split("/"))
            if os.path.isfile(path):
                with open(path, encoding="utf-8", errors="replace") as stream:
                    found[key] = stream.read()
            else:
                found[key] = _whole(made.final)
    return found


def _diagnostic(verdict: Verdict, remark: Remark, blame: Blame | None) -> Diagnostic:
    code = "E340" if remark.level == "error" else "W340"
    rule = f" [{remark.rule}]" if remark.rule else ""
    message = f"{verdict.judge.name}: {_place(remark)}: {remark.message}{rule}"
    if blame is None:
        return diagnose(code, message, path=_shown(remark.key))
    main = blame.span.line if blame.span else 0
    others = [one for one in blame.inputs if one.kind == "value" and one.span is not None and one.span.line != main]
    related = tuple((f"also from {_named(one)}", one.span) for one in others[:MOST] if one.span is not None)
    path = blame.inputs[0].field if blame.inputs and blame.kind != "template" else _shown(remark.key)
    return diagnose(code, message, path=path, span=blame.span, help=_help(blame), related=related)


def _help(blame: Blame) -> str:
    """Whose it is, and what to do."""
    from mlopsgen.review.words import value

    made, text = blame.made, value(blame.text)
    whole = f"target {made.target}" + (f", template {made.template}" if made.template else "")
    if blame.kind == "unasked":
        return f"`mlopsgen why {_shown(made.key)}:{blame.line}` says where the line comes from"
    if blame.kind == "patch":
        numbers = " or ".join(f"patches[{number}]" for number in blame.patches)
        return f"{numbers} is to blame: `{text}`" if blame.line else f"{numbers} is to blame"
    if blame.kind == "template":
        return f"your template {made.template} writes `{text}`"
    if blame.kind == "constant":
        maker = f"the template {made.template}" if made.template else f"the code of the target {made.target}"
        return f"`{text}` is constant in {maker}: report it to its authors"
    if blame.kind == "file":
        return f"it names no line ({whole}); `mlopsgen why {_shown(made.key)}:LINE` says where one comes from"
    field = f"`{text}` comes from {_named(blame.inputs[0])}"
    return field if blame.inputs[0].span is not None or blame.kind == "pin" else f"{field}, a default"


def _named(given: Any) -> str:
    name = f"pin {given.field}" if given.kind == "pin" else str(given.field)
    return f"{name} (only in {given.environment})" if given.environment else name


def _failures(verdicts: list[Verdict], require: tuple[str, ...]) -> list[Diagnostic]:
    found = []
    for verdict in verdicts:
        name = verdict.judge.name
        if verdict.state == "failed":
            message = f"{name} {verdict.version}".strip() + f" gave no verdict: {verdict.notes[0]}"
            found.append(
                diagnose("E342", message, path=name, help=f"run it by hand; to get it: {verdict.judge.install}")
            )
        if not verdict.installed and name in require:
            found.append(diagnose("E341", f"{name} is not installed", path=name, help=verdict.judge.install))
    return found


def _shown(key: str) -> str:
    return key.removeprefix("//")


def _place(remark: Remark) -> str:
    numbers = [str(number) for number in (remark.line, remark.column) if number]
    return ":".join([_shown(remark.key), *numbers[: 2 if remark.line else 0]])
