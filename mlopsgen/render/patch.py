"""JSON Patch (RFC 6902) on generated files; comments and layout outside of the change stay."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from mlopsgen.diagnostics import Failed, diagnose
from mlopsgen.render.scalar import is_literal, is_plain, number


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
        try:
            return (json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
        except ValueError:
            raise Failed([diagnose("E223", f"{path} would hold a number that JSON has not", path="ops.0")]) from None
    if not path.endswith((".yaml", ".yml")):
        raise Failed([diagnose("E223", f"{path} is neither YAML nor JSON, patches cannot change it", path="file")])
    before, text, after = _part(content.decode(), object_name)
    meant = repr(_applied(_read(text), object_name, operations))
    yaml = _writer(text)
    documents = list(yaml.load_all(text))
    same = _dumped(yaml, documents)
    changed = _dumped(yaml, _applied(documents, object_name, operations))
    for made in (_spliced(text, same, changed), _spliced(text, same, changed, indented=True), changed):
        if repr(_read(made)) == meant:
            return (before + made + after).encode()
    raise Failed([diagnose("E223", f"{path} cannot be changed without changing more than was asked for", path="ops.0")])


def _part(text: str, object_name: str | None) -> tuple[str, str, str]:
    """The document of an object between what stands before and behind it; all of the text where that is not sure.

    Reading and writing with all comments is slow, and the other documents stay as they are anyway.
    """
    marks = [found.span() for found in re.finditer(r"(?m)^---\n", text)]
    kind, _, name = (object_name or "").partition("/")
    found = []
    for start, end in zip([0, *(end for _, end in marks)], [*(start for start, _ in marks), len(text)], strict=True):
        part = text[start:end]
        if re.search(rf"(?m)^kind: {re.escape(kind)}$", part) and name in part and _names(part) == [object_name]:
            found.append((start, end))
    if object_name is None or len(found) != 1:
        return "", text, ""
    start, end = found[0]
    return text[:start], text[start:end], text[end:]


def _names(text: str) -> list[str]:
    """`Kind/name` of each document, read quickly; none when it is not YAML."""
    import yaml

    try:
        return [_name(each) for each in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))]
    except yaml.YAMLError:
        return []


def _writer(text: str) -> Any:
    """A reader and writer that indents lists as most of those in the text are."""
    deeper, same = (len(re.findall(rf"(?m)^( *)[^\s#-][^\n]*:\n\1{shift}- ", text)) for shift in ("  ", ""))
    return _yaml(4, 2) if deeper >= same else _yaml(2, 0)


def _yaml(sequence: int, offset: int) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import RoundTripRepresenter
    from ruamel.yaml.scalarfloat import ScalarFloat

    class Representer(RoundTripRepresenter):
        """Writes texts and numbers so that YAML 1.1 readers take them for such."""

    def text(to: Any, value: str) -> Any:
        style = "|" if is_literal(value) else None if is_plain(value, flow=True) else '"'
        return to.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    def real(to: Any, value: float) -> Any:
        return to.represent_scalar("tag:yaml.org,2002:float", number(value))

    Representer.add_representer(str, text)
    Representer.add_representer(float, real)
    Representer.add_representer(ScalarFloat, real)
    yaml = YAML()
    yaml.Representer = Representer
    yaml.preserve_quotes = True
    yaml.width = 1_000_000
    yaml.indent(mapping=2, sequence=sequence, offset=offset)
    return yaml


def _dumped(yaml: Any, documents: list[Any]) -> str:
    stream = io.StringIO()
    yaml.dump_all(documents, stream)
    return stream.getvalue()


def _spliced(text: str, same: str, changed: str, *, indented: bool = False) -> str:
    """The text with the lines in which `changed` differs from `same`, which says what the text says.

    Args:
        text: as it stands.
        same: the text as it would be written anew.
        changed: what is written anew after the change.
        indented: whether new lines are shifted as far as those beside them are.
    """
    old, base, new = (part.split("\n") for part in (text, same, changed))
    places: dict[int, int] = {}
    for _, i, i_end, j, j_end in SequenceMatcher(None, old, base, autojunk=False).get_opcodes():
        places |= {j: i, j_end: i_end}
        if i_end - i == j_end - j:
            places |= {j + step: i + step for step in range(j_end - j)}
    made, at = [], 0
    for kind, j, j_end, k, k_end in SequenceMatcher(None, base, new, autojunk=False).get_opcodes():
        if kind != "equal":
            if j not in places or j_end not in places:
                return changed
            beside = j if j < j_end else max(j - 1, 0)
            shift = 0
            if indented and places.get(beside, len(old)) < len(old):
                shift = _indent(old[places[beside]]) - _indent(base[beside])
            made += [*old[at : places[j]], *(" " * shift + line[max(-shift, 0) :] for line in new[k:k_end])]
            at = places[j_end]
    return "\n".join([*made, *old[at:]])


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _read(text: str) -> list[Any]:
    """What a text says, one entry for each document; nothing when it is not YAML."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return list(YAML(typ="safe", pure=True).load_all(text))
    except (YAMLError, ValueError):
        return []


def _applied(documents: list[Any], object_name: str | None, operations: Sequence[Mapping[str, Any]]) -> list[Any]:
    from jsonpatch import JsonPatch, JsonPatchException
    from jsonpointer import JsonPointerException

    index = _which(documents, object_name)
    for position, operation in enumerate(operations):
        ready = {key: _plain(value) if key == "value" else str(value) for key, value in operation.items()}
        try:
            documents[index] = JsonPatch([ready]).apply(documents[index], in_place=True)
        except (JsonPatchException, JsonPointerException, TypeError) as error:
            reason = str(error).splitlines()[0]
            message = f"{operation['op']} {operation['path']}: {reason}"
            raise Failed([diagnose("E223", message, path=f"ops.{position}")]) from None
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


def _plain(value: Any) -> Any:
    """The value as plain mappings, lists and scalars."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool) or value is None:
        return value
    return int(value) if isinstance(value, int) else float(value)
