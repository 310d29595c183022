"""From what pydantic finds to diagnostics with a code, a place and a way out."""

from __future__ import annotations

from typing import Any

from mlopsgen.diagnostics import Diagnostic, Span, diagnose
from mlopsgen.diagnostics.hints import closest
from mlopsgen.spec import language
from mlopsgen.spec.core import ValidationError
from mlopsgen.spec.tree import Node, dotted

CODE_OF = {
    "extra_forbidden": "E101",
    "missing": "E102",
    "literal_error": "E105",
    "duration": "E107",
    "share": "E108",
    "quantity": "E109",
    "name": "E110",
    "path": "E111",
    "cron": "E112",
    "url": "E113",
    "image": "E114",
    "header": "E115",
    "form": "E116",
    "range": "E106",
    "crossed_bounds": "E117",
    "empty_bounds": "E118",
    "distribution": "E119",
    "no_model": "E120",
    "two_models": "E120",
    "no_receiver": "E121",
    "incomplete_operation": "E122",
}
"""Codes of pydantic's error types and of our own; types end in E103, bounds in E106."""

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "finite_number": "a finite number",
}


def explain(error: ValidationError, tree: Node) -> list[Diagnostic]:
    """One diagnostic per finding, at the place in `tree` that it is about.

    Args:
        error: raised by validating `tree.plain()`.
        tree: the document, or the document with an environment's overlays merged in.
    """
    items = error.errors(include_url=False)
    # A list whose entries are wrong is also reported as too short.
    below = {item["loc"][:end] for item in items for end in range(len(item["loc"]))}
    return [_finding(item, tree) for item in items if not (item["type"] == "too_short" and item["loc"] in below)]


def _finding(item: Any, tree: Node) -> Diagnostic:
    kind, context = item["type"], item.get("ctx") or {}
    path = tuple(part for part in item["loc"] if part != "[key]")
    if "at" in context:
        path = (*path, *(int(p) if p.isdigit() else p for p in context["at"].split(".")))
    node = tree.nearest(path)
    code = CODE_OF.get(kind) or ("E103" if kind in _TYPES else "E106" if _bounds(kind, context) else "E104")
    if code == "E101":
        return _unknown_key(path, tree)
    if code == "E102":
        return _missing(path, tree, node)
    key = item["loc"][-1:] == ("[key]",)
    span = tree.key_span(path) if key or not path else node.span
    related: tuple[tuple[str, Span], ...] = ()
    if "and" in context:
        related = (("the other", tree.key_span((*item["loc"], context["and"]))),)
        span = tree.key_span(path)
    written = node.path if len(node.path) else path
    message, help = _words(code, kind, context, item)
    return diagnose(code, message, path=dotted(written), span=span, help=help or _usual(code), related=related)


def _usual(code: str) -> str:
    """What the catalogue says to do."""
    from mlopsgen.diagnostics.catalogue import CODES

    fix = CODES[code].fix
    return fix[0].lower() + fix[1:].rstrip(".")


def _words(code: str, kind: str, context: dict[str, Any], item: Any) -> tuple[str, str]:
    found = shown(item["input"])
    if code == "E103":
        wanted = _TYPES[kind]
        return f"expected {wanted}, found {named(item['input'])}", _type_help(wanted, item["input"])
    if kind == "literal_error" and "found" not in context:
        allowed = [word.strip("'") for word in context["expected"].replace(" or ", ", ").split(", ")]
        hint = closest(str(item["input"]), allowed)
        help = f"did you mean `{hint}`?" if hint else "one of " + ", ".join(allowed)
        return f"{found} is not one of {', '.join(allowed)}", help
    if code == "E106" and kind != "range":
        what = found or f"{_kind(item['input'])} of {len(item['input'])}"
        return f"{what} is out of range: {_bounds(kind, context)}", ""
    return item["msg"], context.get("hint", "")


def _bounds(kind: str, context: dict[str, Any]) -> str:
    limits = {
        "greater_than_equal": "at least {ge}",
        "greater_than": "more than {gt}",
        "less_than_equal": "at most {le}",
        "less_than": "less than {lt}",
        "too_short": "at least {min_length} of them",
        "too_long": "at most {max_length} of them",
    }
    return limits[kind].format(**context) if kind in limits else ""


def _unknown_key(path: tuple[Any, ...], tree: Node) -> Diagnostic:
    place = language.find(path[:-1])
    known = (place.names if place else None) or []
    key = str(path[-1])
    hint = closest(key, known)
    where = f"`{dotted(path[:-1])}`" if path[:-1] else "the document"
    help = f"did you mean `{hint}`?" if hint else "known here: " + ", ".join(known)
    node = tree.find(path)
    written = node.path if node and node.path else path
    return diagnose("E101", f"{where} has no field `{key}`", path=dotted(written), span=tree.key_span(path), help=help)


def _missing(path: tuple[Any, ...], tree: Node, node: Node) -> Diagnostic:
    place = language.find(path)
    example = place.example if place else None
    span = tree.key_span(path[:-1]) if len(path) > 1 else node.span._replace(end_line=1, end_column=2)
    where = f"`{dotted(path[:-1])}`" if path[:-1] else "the document"
    help = (
        f"add `{path[-1]}: {shown(example).strip(chr(34))}`"
        if isinstance(example, str | int | float)
        else f"add `{path[-1]}`"
    )
    section = tree.find(path[:-1])
    written = (*(section.path if section and section.path else path[:-1]), path[-1])
    return diagnose("E102", f"{where} lacks `{path[-1]}`", path=dotted(written), span=span, help=help)


def _type_help(wanted: str, value: Any) -> str:
    if wanted == "text" and isinstance(value, int | float | bool):
        return f'quote it: "{shown(value)}"'
    if wanted in ("a number", "a whole number") and isinstance(value, str) and value.replace(".", "", 1).isdigit():
        return f"drop the quotes: {value}"
    if wanted == "a list":
        return "write `[…]`, or one `- ` line for each"
    if wanted == "true or false" and isinstance(value, str) and value.lower() in ("on", "yes", "no", "off", "y", "n"):
        return "write `true` or `false`; `on`, `yes`, `no` and `off` are text in YAML 1.2"
    return ""


def _kind(value: Any) -> str:
    if value is None:
        return "nothing"
    for kinds, word in (((bool,), ""), ((str,), "text"), ((int, float), "the number"), ((dict,), "a mapping")):
        if isinstance(value, kinds):
            return word
    return "a list"


def named(value: Any) -> str:
    """A value with its kind, as it stands in a message: `text "x"`, `the number 3`, `a list`."""
    return f"{_kind(value)} {shown(value)}".strip()


def shown(value: Any) -> str:
    """A value as it stands in a message: short, on one line."""
    if value is None or isinstance(value, dict | list):
        return ""
    text = f'"{value}"' if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    text = text.encode("unicode_escape").decode() if not text.isprintable() else text
    return text if len(text) <= 60 else text[:57] + "…"
