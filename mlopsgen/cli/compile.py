"""From a spec on disk to files in memory."""

from __future__ import annotations

import os
from collections.abc import Container, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from mlopsgen.cli.reading import Document, read
from mlopsgen.cli.workspace import Workspace
from mlopsgen.contract.pins import Pin
from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output.inputs import input_digest, templates_folder, templates_in
from mlopsgen.project.model import Project
from mlopsgen.project.resolve import resolve
from mlopsgen.render.engine import render
from mlopsgen.render.files import File, Rendered
from mlopsgen.spec import core
from mlopsgen.spec.tree import Node
from mlopsgen.targets import built_in, others


class Compiled(NamedTuple):
    """Everything a build needs.

    Attributes:
        files: content of every managed file, sorted by key.
        unmanaged: paths of the files that the spec leaves alone.
        digest: of the inputs; empty when a build cannot tell that nothing changed.
    """

    files: tuple[Rendered, ...]
    warnings: tuple[Diagnostic, ...]
    digest: str
    unmanaged: tuple[str, ...]


def compile(workspace: Workspace, pins: Mapping[str, Pin]) -> Compiled:
    """Compile a spec; reads it and the user's templates, writes nothing.

    Raises:
        Failed: with every error found.
    """
    return compile_document(workspace, read(workspace), pins)


def compile_document(workspace: Workspace, document: Document, pins: Mapping[str, Pin]) -> Compiled:
    """Compile a spec that was read. Raises as `compile` does."""
    tree = document.tree
    project, warnings = resolve(
        tree,
        folder=workspace.relative,
        spec_file=workspace.spec_file,
        pins=pins,
        workspace=document.workspace,
        others=document.others,
    )
    overrides = read_overrides(tree, workspace)
    used: set[str] = set()
    files = [render_file(target, file, overrides, used) for target, file in wanted_files(project)]
    files += files_of_others(project, tree, overrides, used)
    files, unmatched = apply_patches(project, tree, files)
    notes = [*unmatched, *unused(project.unmanaged, tree, files, overrides, used)]
    return Compiled(
        files=tuple(sorted(files, key=lambda file: file.key)),
        warnings=(*warnings, *notes),
        digest="" if project.targets.others else told(workspace, document),
        unmanaged=project.unmanaged,
    )


def told(workspace: Workspace, document: Document) -> str:
    """Digest of the inputs; empty where the short cut, which reads no YAML, does not know all of them."""
    templates = document.tree.find(("templates",))
    folder = templates.value if templates is not None else ""
    if folder != templates_folder(document.data):
        return ""
    return input_digest(document.data, workspace.folder, document.shared)


def wanted_files(project: Project, only: Container[str] | None = None) -> Iterator[tuple[str, File]]:
    """Every file of the targets that are built in, or `only` of some, with the target's name."""
    for name, target in built_in(project):
        if only is None or name in only:
            for file in target.files(project):
                yield name, file


def files_of_others(project: Project, tree: Node, overrides: Mapping[str, str], used: set[str]) -> Iterator[Rendered]:
    """Files of other packages' targets; whatever they raise is told as theirs."""
    if not project.targets.others:
        return
    core.whole()
    for index, (name, point) in enumerate(others(project.targets.others).items()):
        span = tree.nearest(("targets", "others", index)).span
        path = f"targets.others[{index}]"
        if point is None:
            message, help = (
                f"no installed package has a target `{name}`",
                "install the package that has it, or drop the name",
            )
            raise Failed([diagnose("E230", message, path=path, span=span, help=help)])
        try:
            for file in point.load().files(project):
                yield render_file(str(name), file, overrides, used)
        except Failed:
            raise
        except Exception as error:
            message = f"the target `{name}` failed: {type(error).__name__}: {error}"
            raise Failed([diagnose("E231", message, path=path, span=span, help="tell its authors")]) from error


def render_file(target: str, file: File, overrides: Mapping[str, str], used: set[str]) -> Rendered:
    """Render one file; the name of its template is added to `used`. Raises Failed."""
    if file.template is not None:
        used.add(file.template)
    content = render(file, overrides).content
    return Rendered(path=str(file.path), target=target, content=content, root=file.root, keep=file.keep)


def read_overrides(tree: Node, workspace: Workspace) -> dict[str, str]:
    """The user's own templates: name to text. Raises Failed with E225."""
    node = tree.find(("templates",))
    if node is None or node.value is None:
        return {}
    folder = os.path.join(workspace.folder, *str(node.value).split("/"))
    try:
        return {name: content.decode() for name, content in templates_in(folder).items()}
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        message = f"the templates in {node.value} cannot be read: {reason}"
        raise Failed([diagnose("E225", message, path="templates", span=node.span)]) from None


def apply_patches(project: Project, tree: Node, files: list[Rendered]) -> tuple[list[Rendered], list[Diagnostic]]:
    """Carry out the spec's patches; gives all files, and a warning for each patch without its file. Raises Failed."""
    by_key = {file.key: index for index, file in enumerate(files)}
    notes = []
    for number, item in enumerate(project.patches):
        span = tree.nearest(("patches", number, "file")).span
        index = by_key.get(str(item.file), by_key.get(f"//{item.file}"))
        if index is None:
            help = "see `mlopsgen build --list` for the files there are"
            notes.append(
                diagnose(
                    "W222",
                    f"no target writes {item.file}: the patch changes nothing",
                    path=f"patches[{number}].file",
                    span=span,
                    help=help,
                )
            )
            continue
        from mlopsgen.render.patch import patch

        operations = [_operation(operation) for operation in item.ops]
        try:
            content = patch(files[index].path, files[index].content, item.object, operations)
        except Failed as failed:
            raise Failed(_placed(failed.diagnostics[0], tree, number)) from None
        old = files[index]
        files[index] = Rendered(path=old.path, target=old.target, content=content, root=old.root, keep=old.keep)
    return files, notes


def _operation(operation: Any) -> dict[str, Any]:
    given = {"op": operation.op, "path": operation.path}
    if "value" in operation.model_fields_set:
        given["value"] = operation.value
    if operation.from_ is not None:
        given["from"] = operation.from_
    return given


def _placed(found: Diagnostic, tree: Node, number: int) -> list[Diagnostic]:
    path = ("patches", number, *(int(p) if p.isdigit() else p for p in found.path.split(".")))
    return [found._replace(path=f"patches[{number}]", span=tree.nearest(path).span)]


def unused(
    unmanaged: Iterable[str], tree: Node, files: Iterable[Rendered], overrides: Mapping[str, str], used: set[str]
) -> Iterator[Diagnostic]:
    """W221 and W224: what the spec names and no target writes or uses."""
    keys = {file.key for file in files}
    for index, path in enumerate(unmanaged):
        if path not in keys and f"//{path}" not in keys:
            span = tree.nearest(("unmanaged", index)).span
            message = f"no target writes {path}: it need not be listed"
            yield diagnose("W221", message, path=f"unmanaged[{index}]", span=span, help="drop the line")
    for name in sorted(set(overrides) - used):
        span = tree.nearest(("templates",)).span
        message = f"the template {name} replaces nothing"
        yield diagnose(
            "W224",
            message,
            path="templates",
            span=span,
            help="name it like one of ours, such as `docker/train.Dockerfile`",
        )
