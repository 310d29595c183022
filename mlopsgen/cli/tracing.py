"""Compiles a spec and its variations, as far as the origins of lines are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlopsgen.cli import compile as compiler
from mlopsgen.cli.sides import Source, alike, resolution
from mlopsgen.project import present
from mlopsgen.project.model import Project
from mlopsgen.render.engine import render
from mlopsgen.render.files import File, Rendered
from mlopsgen.review.inputs import State, inputs
from mlopsgen.review.origins import Made, Making, Origins
from mlopsgen.spec.tree import Node

Entry = tuple[File, list[str]]


def origins(source: Source) -> Origins:
    """Where everything comes from in a source. Raises Failed when it does not compile."""
    project = _project(source, State(source.tree, source.pins))
    resolved = present.document(project)
    files, before = _files(source, project)
    known = inputs(source.tree, resolved, source.pins)
    return Origins(
        State(source.tree, source.pins), resolved, known, files, lambda state: _Outcome(source, state, before)
    )


def _project(source: Source, state: State) -> Project:
    return resolution(source._replace(tree=state.tree, pins=state.pins)).project


def _files(source: Source, project: Project) -> tuple[dict[str, Made], dict[str, Entry]]:
    wanted = list(compiler.wanted_files(project))
    rendered, outputs = [], {}
    for target, file in wanted:
        output = render(file, source.overrides)
        made = Rendered(path=str(file.path), target=target, content=output.content, root=file.root, keep=file.keep)
        rendered.append(made)
        outputs[made.key] = (file, output)
    rendered += compiler.files_of_others(project, source.tree, source.overrides, set())
    final, _ = compiler.apply_patches(project, source.tree, list(rendered))
    keys = {file.key for file in rendered}
    unmanaged = {f"//{path}" if path not in keys else path for path in project.unmanaged}
    patches: dict[str, list[int]] = {}
    for number, patch in enumerate(project.patches):
        path = str(patch.file)
        patches.setdefault(path if path in keys else f"//{path}", []).append(number)
    found, before = {}, {}
    for one, last in zip(rendered, final, strict=True):
        given: File | None = None
        traced: dict[int, set[str]] = {}
        if one.key in outputs:
            given, output = outputs[one.key]
            for origin in output.origins:
                traced.setdefault(origin.line, set()).update(origin.paths)
        template = (given.template if given else None) or ""
        making: Making = "own template" if template in source.overrides else "template" if template else "builder"
        found[one.key] = Made(
            key=one.key,
            target=one.target,
            making=making,
            template=template,
            keep=one.keep,
            unmanaged=one.key in unmanaged,
            lines=_split(one.content),
            final=_split(last.content),
            patches=tuple(patches.get(one.key, ())),
            traced={number: frozenset(paths) for number, paths in traced.items()},
        )
        if given is not None:
            before[one.key] = (given, _split(one.content))
    return found, before


def _split(content: bytes) -> list[str]:
    return content.decode().removesuffix("\n").split("\n")


class _Outcome:
    """A variation: targets run and files are rendered when they are asked for."""

    def __init__(self, source: Source, state: State, before: dict[str, Entry]) -> None:
        self._source = source
        self._tree: Node = state.tree
        self._before = before
        self._project = _project(source, state)
        self._targets: dict[str, dict[str, Any]] = {}
        self._lines: dict[str, list[str]] = {}

    def lines(self, made: Made, renamed: tuple[str, str] | None) -> Sequence[str] | None:
        """As in `Outcome`."""
        files = self._files(made.target)
        key = made.key
        if key not in files and renamed is not None:
            key = key.replace(*renamed)
        if key not in files:
            return None
        if key not in self._lines:
            self._lines[key] = self._render(made, key, files[key])
        return self._lines[key]

    def final(self, made: Made) -> Sequence[str] | None:
        """As in `Outcome`."""
        text = self.lines(made, None)
        if text is None:
            return None
        root: Any = "repository" if made.key.startswith("//") else "project"
        path = made.key.removeprefix("//")
        plain = Rendered(path=path, target=made.target, content="\n".join([*text, ""]).encode(), root=root)
        patched, _ = compiler.apply_patches(self._project, self._tree, [plain])
        return _split(patched[0].content)

    def _files(self, target: str) -> dict[str, Any]:
        if target not in self._targets:
            from mlopsgen.targets import built_in

            point = next((point for name, point in built_in(self._project) if name == target), None)
            if point is not None:
                files = {_key(file): file for file in point.files(self._project)}
            elif target in self._project.targets.others:
                others = compiler.files_of_others(self._project, self._tree, self._source.overrides, set())
                files = {file.key: file for file in others if file.target == target}  # type: ignore[misc]
            else:
                files = {}
            self._targets[target] = files
        return self._targets[target]

    def _render(self, made: Made, key: str, file: Any) -> list[str]:
        if isinstance(file, Rendered):
            return _split(file.content)
        known = self._before.get(made.key)
        if known is not None and alike(known[0], file):
            return known[1]
        return _split(render(file, self._source.overrides).content)


def _key(file: File) -> str:
    return f"//{file.path}" if file.root == "repository" else str(file.path)
