"""Generated files as objects: the manifests of a YAML file by kind and name, everything else as one object a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import yaml

from mlopsgen.output.digest import digest, normal

YAML = (".yaml", ".yml")
STRUCTURED = (*YAML, ".json")

_BASE: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BASE):  # type: ignore[misc]
    """YAML 1.2: `on` and dates are text."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag.rpartition(":")[2] in ("int", "float", "null", "merge")]
    for first, rules in _BASE.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


class Pair(NamedTuple):
    """An object before and after; None where it is absent.

    Attributes:
        file: key of the file, as in the lock.
        name: `Kind/name` of a manifest, empty for a file that is one object.
    """

    file: str
    name: str
    old: Any
    new: Any

    @property
    def shown(self) -> str:
        """The object as people name it."""
        path = self.file.removeprefix("//")
        return f"{path} {self.name}" if self.name else path


class Files:
    """An output in memory.

    Attributes:
        content: bytes of each file, by key.
    """

    def __init__(self, content: Mapping[str, bytes]) -> None:
        self.content = dict(sorted(content.items()))

    @property
    def digest(self) -> str:
        """Digest of all files together, whatever line ends they have."""
        lines = [f"{digest(content)} {key}\n".encode() for key, content in self.content.items()]
        return digest(b"".join(lines))

    def objects(self, key: str) -> dict[str, Any]:
        """Objects of a file by name; none when the file is absent. They are shared: change none of them."""
        content = self.content.get(key)
        return {} if content is None else objects(key, normal(content))

    def document(self, key: str) -> Any:
        """The only object of a file; None when it is absent."""
        return next(iter(self.objects(key).values()), None)


def changed(base: Files, head: Files) -> list[str]:
    """Keys of files whose bytes differ, sorted."""
    keys = base.content.keys() | head.content.keys()
    return sorted(key for key in keys if _bytes(base, key) != _bytes(head, key))


def _bytes(files: Files, key: str) -> bytes | None:
    content = files.content.get(key)
    return None if content is None else normal(content)


def pairs(base: Files, head: Files) -> Iterator[Pair]:
    """Every object of the files that differ, also those that say the same: their comments may differ."""
    for key in changed(base, head):
        old, new = base.objects(key), head.objects(key)
        for name in dict.fromkeys((*old, *new)):
            yield Pair(key, name, old.get(name), new.get(name))


@lru_cache(maxsize=2048)
def objects(key: str, content: bytes) -> dict[str, Any]:
    """Objects of a file by name, in its order. What cannot be read as its suffix says is a list of lines."""
    try:
        text = content.decode()
        if key.endswith(".json"):
            return {"": json.loads(text)}
        if key.endswith(YAML):
            return _named([document for document in yaml.load_all(text, _Loader) if document is not None])
    except (ValueError, yaml.YAMLError, RecursionError):
        text = content.decode(errors="replace")
    return {"": text.splitlines()}


def _named(documents: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, document in enumerate(documents):
        name = identity(document) or ("" if len(documents) == 1 else f"document {number + 1}")
        found[name if name not in found else f"{name} ({number + 1})"] = document
    return found


def identity(document: Any) -> str:
    """`Kind/name` of a Kubernetes manifest; empty for anything else."""
    if not isinstance(document, dict):
        return ""
    metadata = document.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{document['kind']}/{name}" if isinstance(document.get("kind"), str) and isinstance(name, str) else ""


def embedded(name: str, text: str) -> Any:
    """What a text that is named like a file holds, such as settings in a ConfigMap; None when that is no structure."""
    if not name.endswith(STRUCTURED):
        return None
    found = objects(name, text.encode(errors="replace")).get("")
    return found if isinstance(found, dict) else None
