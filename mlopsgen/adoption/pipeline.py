"""What DVC and MLflow say: raw data, its remote, the stages, the project's name."""

from __future__ import annotations

import os
import re

from mlopsgen.adoption.draft import Draft
from mlopsgen.adoption.files import Document, Files, entries, items, text
from mlopsgen.diagnostics import Span
from mlopsgen.spec.tree import Node

CODE = (".py", ".sh", ".ipynb", ".yaml", ".yml", ".toml", ".cfg", ".txt", ".json", ".md", ".jsonl.gz")
FORMATS = {".jsonl": "jsonl", ".csv": "csv", ".parquet": "parquet"}
OURS = re.compile(r"\s*(?:mlops-runtime|torchrun\b.*\bmlops-runtime)\b")
"""What stages call that a build wrote."""
_REMOTE = re.compile(r"^\s*url\s*=\s*(\S+)\s*$")
_SECTION = re.compile(r"""^\s*\[\s*['"]?remote\s+"([^"]+)"['"]?\s*\]""")
_DEFAULT = re.compile(r"^\s*remote\s*=\s*(\S+)\s*$")


def pipeline(draft: Draft, files: Files) -> None:
    """Take what dvc.yaml, `.dvc` files and the configuration of DVC say."""
    raw: dict[str, Span] = {}
    for document in files.documents:
        base = os.path.dirname(document.file)
        if document.file.endswith(".dvc"):
            for out in items(document.node.find(("outs",))):
                path = out.find(("path",))
                if path is not None and isinstance(path.value, str):
                    raw.setdefault(_joined(base, path.value), path.span)
        elif os.path.basename(document.file) == "dvc.yaml":
            for name, span in _sources(document, base).items():
                raw.setdefault(name, span)
            _stages(draft, document)
    _raw(draft, raw)
    _remote(draft, files)


def project(draft: Draft, files: Files) -> None:
    """Take what MLproject and requirements say."""
    for document in files.documents:
        if document.file == "MLproject":
            name = document.node.find(("name",))
            if name is not None and isinstance(name.value, str):
                draft.take(("project", "name"), named(name.value), name.span, _renamed(name.value))
            for point, node in entries(document.node.find(("entry_points",))).items():
                why = "an entry point: the language has stages of its own"
                draft.leave(document.node.find(("entry_points",)).key_span((point,)), point, why)  # type: ignore[union-attr]
                _ = node
    if "requirements.txt" in files.paths:
        span = Span("requirements.txt", 1, 1, 1, 1)
        draft.leave(span, "requirements.txt", "it is used as it is, and must name `mlopsgen[runtime]` as well")


def named(name: str) -> str:
    """A name as the language takes it: lower case, digits and `-`."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")


def _renamed(name: str) -> str:
    return "" if named(name) == name else f"{name!r} there"


def _sources(document: Document, base: str) -> dict[str, Span]:
    """What stages depend on that none of them makes and that is no code."""
    made: set[str] = set()
    wanted: dict[str, Span] = {}
    for stage in entries(document.node.find(("stages",))).values():
        inner = stage.find(("do",)) or stage
        folder = _joined(base, text(inner, "wdir")) if text(inner, "wdir") else base
        for key in ("outs", "metrics", "plots"):
            made |= {_joined(folder, path) for path, _ in _paths(inner.find((key,)))}
        for path, span in _paths(inner.find(("deps",))):
            wanted.setdefault(_joined(folder, path), span)
    return {
        path: span
        for path, span in wanted.items()
        if path not in made
        and not path.endswith(CODE)
        and not any(path.startswith(f"{one}/") for one in made)
        and "${" not in path
        and not re.search(r"(?:^|/)(?:src|scripts|tests|configs?)(?:/|$)", path)
    }


def _paths(node: Node | None) -> list[tuple[str, Span]]:
    found = []
    for one in items(node):
        if isinstance(one.value, str):
            found.append((one.value, one.span))
        elif isinstance(one.value, dict):
            found += [(path, one.keys[path]) for path in one.value if path in one.keys]
    return found


def _stages(draft: Draft, document: Document) -> None:
    stages = document.node.find(("stages",))
    for name, stage in entries(stages).items():
        span = stages.key_span((name,)) if stages is not None else document.node.span
        command = (stage.find(("do",)) or stage).find(("cmd",))
        if command is None:
            continue
        words = " && ".join(str(one.value) for one in items(command)) or str(command.value)
        if not OURS.match(words):
            why = "the language has stages of its own, from prepare to register; what this command does is not read"
            draft.leave(span, f"stage {name}: {words}", why)
    for key in ("vars", "plots", "artifacts", "metrics", "params"):
        found = document.node.find((key,))
        if found is not None:
            draft.leave(document.node.key_span((key,)), key, "a build writes dvc.yaml with its own")


def _raw(draft: Draft, raw: dict[str, Span]) -> None:
    """The raw data, where there is one thing that it can be."""
    inner = [path for path in raw if not any(path != one and path.startswith(f"{one}/") for one in raw)]
    likely = [path for path in inner if re.search(r"(?:^|/|_)raw(?:/|_|\.|$)", path)]
    best = likely if len(likely) == 1 else inner
    if len(best) == 1 and not best[0].startswith("../"):
        path = best[0]
        draft.take(("data", "raw"), path, raw[path])
        form = FORMATS.get(os.path.splitext(path)[1])
        if form:
            draft.take(("data", "format"), form, raw[path])
    for path in inner:
        if len(best) > 1:
            draft.hints.setdefault(("data", "raw"), []).append(f"{path} ({raw[path].file}:{raw[path].line})")
        elif path != best[0]:
            draft.leave(
                raw[path], path, "data that stages read, beside the raw records; the language has one `data.raw`"
            )


def _remote(draft: Draft, files: Files) -> None:
    content = files.read(".dvc/config") if ".dvc/config" in files.paths else None
    if content is None:
        return
    default, here, remotes = "", "", {}
    for number, row in enumerate(content.split("\n"), 1):
        section, url, chosen = _SECTION.match(row), _REMOTE.match(row), _DEFAULT.match(row)
        if row.strip().startswith("["):
            here = section[1] if section else ""
        elif url and here:
            remotes[here] = (url[1], Span(".dvc/config", number, 1, number, 1))
        elif chosen and not here:
            default = chosen[1]
    if not default and len(remotes) == 1:
        default = next(iter(remotes))
    for name, (address, span) in remotes.items():
        if name == default and (":" in address or not address.startswith(("/", ".."))):
            draft.take(("data", "remote"), address, span)
        elif name == default:
            draft.leave(
                span, f"remote {name}: {address}", "a folder outside of the repository: copy it, or name a store"
            )
        else:
            draft.leave(span, f"remote {name}: {address}", "the language has one remote")


def _joined(folder: str, path: str) -> str:
    return os.path.normpath(os.path.join(folder, path)).replace(os.sep, "/")
