"""JSON Patch (RFC 6902) on generated files; comments and layout outside of the change stay."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mlopsgen.diagnostics import Failed, diagnose
from mlopsgen.render.scalar import is_plain


def patch(path: str, content: bytes, object_name: str | None, operations: Sequence[Mapping[str, Any]]) -> bytes:
    """Apply operations to a YAML or JSON file.

    Args:
        path: of the file; its suffix tells the format.
        content: what it holds.
        object_name: `Kind/name` of the document meant, None for the only one.
        operations: as in RFC 6902.

    Raises:
        Failed: E223, an operation does not fit; `path` of the diagnostic is its index.
    """
    if path.endswith(".json"):
        document = _applied([json.loads(content)], None, operations)[0]
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    if not path.endswith((".yaml", ".yml")):
        raise Failed([diagnose("E223", f"{path} is neither YAML nor JSON, patches cannot change it", path="file")])
    yaml = _yaml()
    documents = _applied(list(yaml.load_all(content.decode())), object_name, operations)
    stream = io.StringIO()
    yaml.dump_all(documents, stream)
    return stream.getvalue().encode()


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _applied(documents: list[Any], object_name: str | None, operations: Sequence[Mapping[str, Any]]) -> list[Any]:
    from jsonpatch import JsonPatch, JsonPatchException
    from jsonpointer import JsonPointerException

    index = _which(documents, object_name)
    for number, operation in enumerate(operations):
        ready = {key: _safe(value) if key == "value" else str(value) for key, value in operation.items()}
        try:
            documents[index] = JsonPatch([ready]).apply(documents[index], in_place=True)
        except (JsonPatchException, JsonPointerException, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise Failed([diagnose("E223", f"{operation['op']} {operation['path']}: {reason}", path=f"ops.{number}")]) from None
    return documents


def _which(documents: Sequence[Any], object_name: str | None) -> int:
    names = [_name(document) for document in documents]
    if object_name is None and len(documents) == 1:
        return 0
    if object_name in names:
        return names.index(object_name)
    known = ", ".join(name for name in names if name) or "none with a kind and a name"
    message = f"there is no object {object_name}" if object_name else "the file holds several objects"
    raise Failed([diagnose("E223", message, path="object", help=f"objects: {known}")])


def _name(document: Any) -> str:
    if not isinstance(document, Mapping):
        return ""
    metadata = document.get("metadata") or {}
    return f"{document.get('kind')}/{metadata.get('name')}" if "kind" in document else ""


def _safe(value: Any) -> Any:
    """The value with strings quoted where a YAML 1.1 reader would take them for something else."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    if isinstance(value, Mapping):
        return {str(key): _safe(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_safe(item) for item in value]
    if isinstance(value, str):
        return str(value) if is_plain(value, flow=True) else DoubleQuotedScalarString(value)
    if isinstance(value, bool) or value is None:
        return value
    return int(value) if isinstance(value, int) else float(value)
