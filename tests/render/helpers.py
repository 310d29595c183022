"""Templates filled in memory, and what readers of YAML make of the result."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
import yaml
from hypothesis import strategies as st
from ruamel.yaml import YAML

from mlopsgen.diagnostics import Failed
from mlopsgen.render.engine import render
from mlopsgen.render.files import File, Output


def fill(template: str, path: str = "made.yaml", **context: Any) -> Output:
    return render(File(path=path, template="t", context=context), {"t": template})


def filled(template: str, path: str = "made.yaml", **context: Any) -> str:
    return fill(template, path, **context).content.decode()


def refused(template: str, path: str = "made.yaml", **context: Any) -> tuple[str, int | None]:
    """Code and line of the finding."""
    with pytest.raises(Failed) as caught:
        fill(template, path, **context)
    (found,) = caught.value.diagnostics
    assert found.path == path
    assert found.help or found.code == "E404"
    return found.code, found.span and found.span.line


def read(text: str) -> list[Any]:
    """The document as YAML 1.1 (PyYAML, with libyaml and without) and YAML 1.2 (ruamel.yaml) readers see it."""
    modern = YAML(typ="safe", pure=True)
    modern.version = (1, 2)
    return [yaml.load(text, yaml.CSafeLoader), yaml.safe_load(text), modern.load(io.StringIO(text))]


def same(found: Any, expected: Any) -> bool:
    """Equal in kind and value, NaN among them."""
    if isinstance(expected, dict):
        return (
            isinstance(found, dict)
            and list(found) == list(expected)
            and all(same(found[key], item) for key, item in expected.items())
        )
    if isinstance(expected, list | tuple):
        return isinstance(found, list) and len(found) == len(expected) and all(map(same, found, expected))
    if isinstance(expected, float) and math.isnan(expected):
        return isinstance(found, float) and math.isnan(found)
    if isinstance(expected, float) and expected == 0:
        return isinstance(found, float) and math.copysign(1, found) == math.copysign(1, expected) and found == 0
    kinds = (bool, int, float, str, type(None))
    kind = next(k for k in kinds if isinstance(expected, k))
    return type(found) is kind and found == expected


def everywhere(text: str, expected: Any) -> None:
    """Assert that every reader finds what is expected."""
    for number, found in enumerate(read(text)):
        assert same(found, expected), f"reader {number} finds {found!r} in\n{text}"


ODD = [
    "", " ", "a", "on", "off", "yes", "No", "y", "N", "true", "True", "null", "~", "Null", "none", "1", "-1", "+1", "012", "0o17",
    "0x1F", "0b1", "1_000", "1,000", "1.5", ".5", "5.", "1e5", "1E-5", "2e-5", "1.0e+5", "1e", "e1", ".inf", "-.INF", ".nan", "inf",
    "nan", "12:30:00", "190:20", "1:2", "2026-01-01", "2026-1-1 10:00:00", "2026-01-01T00:00:00Z", "=", "<<", "-", "--", "---",
    "--- a", "...", "- a", "?", "? a", ":", ": a", "a:", "a: b", "a :b", "a:b", "http://a:1/b?c=d#e", "#", "# a", "a #b", "a#b",
    "&a", "*a", "!a", "!!str a", "|", ">", "|-", "%a", "@a", "`a`", "'", "''", '"', '""', "'a'", '"a"', "it's", 'say "a"', "[", "]",
    "[a]", "{", "}", "{a: b}", ",", "a,b", "a, b", "[[ a ]]", "[% a %]", "[# a #]", "{{ a }}", "${{ a }}", "$(a)", "\\", "\\n", "a\\",
    "\n", "\n\n", "a\n", "a\nb", "a\nb\n", "a\n\nb", "a\n\n", "\na", " a", "a ", "a \nb", " a\nb", "a\n b", "a\n\tb", "\ta", "a\t",
    "a\r", "a\r\nb", "\0", "\x07", "\x1b[0m", "\x7f", "\x85", "\u00a0", "\u2028", "\u2029", "\ufeff", "\ufeffa", "\ufffe", "\ufffd",
    "é", "漢字", "🎉", "👩‍💻", "e\u0301", "\u202eabc", "\u200b", "a" * 3000, "a b " * 800, "x: y\n" * 50, "- a\n- b\n", "# a\n# b",
    "a\n# b", "a: b\nc: d", "---\na", "a\n---\nb", "...\na", "\U0010ffff", "\ue000", "\u00ad", "key: |\n  a",
]  # fmt: skip
"""Texts that readers of YAML are known to take for something else."""

STRINGS = (
    st.sampled_from(ODD)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    | st.text("abn o:-#'\"\n\t[]{},&*!|>%@`~0123.eE_+=?\\", max_size=15)
)
FLOATS = st.floats() | st.sampled_from([1e-5, 1e300, 1e16, 1e15, -0.0, 5e-324, 0.1, 100.0, 1e22, 123456789.123])
SCALARS = st.none() | st.booleans() | st.integers() | st.sampled_from([10**30, -(10**30), 0]) | FLOATS | STRINGS
KEYS = STRINGS.filter(lambda text: len(text) < 100)


def nested(scalars: st.SearchStrategy[Any], keys: st.SearchStrategy[str] = KEYS) -> st.SearchStrategy[Any]:
    return st.recursive(
        scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4), max_leaves=12
    )


VALUES = nested(SCALARS)
