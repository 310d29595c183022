"""The JSON Schema says what a build says, as far as JSON Schema can."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from mlopsgen.cli.main import run
from mlopsgen.diagnostics import Diagnostic, Failed
from mlopsgen.project.resolve import resolve
from mlopsgen.spec.schema import LAXER, schema, text
from tests.conftest import EXAMPLES, ROOT

from .corpus import Sample, samples, tree
from .test_yaml import value as yaml_value

SCHEMA = schema()
ESCAPE = re.compile(r"\\(?:[dDwWsSbBfnrtv0^$\\.*+?()\[\]{}|/-]|x[0-9a-f]{2}|u[0-9a-f]{4})")
"""Escapes that a regular expression of ECMAScript may hold under its `u` flag."""


def _pattern(validator: Any, pattern: str, instance: Any, _: Any) -> Iterator[ValidationError]:
    """As in ECMAScript, where `$` never stands before a last line end."""
    if isinstance(instance, str) and not re.search(re.sub(r"(?<!\\)\$(?=\)|$)", r"\\Z", pattern), instance):
        yield ValidationError(f"{instance!r} does not match {pattern}")


VALIDATOR = extend(Draft202012Validator, {"pattern": _pattern})(SCHEMA)


def refused(plain: Any) -> tuple[Diagnostic, ...]:
    """Errors of a build; none when it accepts."""
    try:
        resolve(tree(plain))
    except Failed as failed:
        return tuple(d for d in failed.diagnostics if d.code[0] == "E")
    return ()


def excused(found: Diagnostic) -> bool:
    return any(
        found.code.startswith(lax.code) and re.search(lax.path, found.path) and re.search(lax.message, found.message)
        for lax in LAXER
    )


@pytest.fixture(scope="module")
def judged() -> list[tuple[Sample, bool, tuple[Diagnostic, ...]]]:
    """Every sample, whether the schema accepts it, and what a build finds."""
    return [(sample, VALIDATOR.is_valid(sample.plain), refused(sample.plain)) for sample in samples()]


@pytest.mark.slow
def test_the_schema_accepts_what_a_build_accepts(judged: list[Any]) -> None:
    wrong = [sample.name for sample, accepted, found in judged if not found and not accepted]
    assert not wrong
    counts = Counter("valid" if not found else "invalid" for _, _, found in judged)
    print(f"\n{len(judged)} specs: {counts['valid']} valid, {counts['invalid']} invalid, ", end="")
    both = sum(bool(found) and not accepted for _, accepted, found in judged)
    print(f"{both} of them for the schema as well")
    assert len(judged) > 2000
    assert min(counts.values()) > 500


@pytest.mark.slow
def test_the_schema_refuses_what_a_build_refuses_but_for_known_reasons(judged: list[Any]) -> None:
    wrong = [
        (sample.name, [(d.code, d.path, d.message) for d in found if not excused(d)])
        for sample, accepted, found in judged
        if accepted and not all(map(excused, found))
    ]
    assert not wrong


@pytest.mark.slow
def test_every_excuse_is_needed_and_has_a_reason(judged: list[Any]) -> None:
    used = {
        lax
        for _, accepted, found in judged
        if accepted
        for d in found
        for lax in LAXER
        if d.code.startswith(lax.code) and re.search(lax.path, d.path) and re.search(lax.message, d.message)
    }
    assert all(lax.reason for lax in LAXER)
    assert [lax for lax in LAXER if lax not in used] == []


def test_it_is_valid_draft_2020_12() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def parts(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(item)


def test_its_patterns_mean_the_same_in_editors() -> None:
    patterns = {
        p
        for part in parts(SCHEMA)
        for p in [part.get("pattern"), *part.get("patternProperties", ())]
        if isinstance(p, str)
    }
    assert len(patterns) > 20
    for pattern in patterns:
        re.compile(pattern)
        assert not re.search(r"\(\?[^:=!<]", pattern), f"a group that ECMAScript does not know: {pattern}"
        assert "\\" not in ESCAPE.sub("", pattern), f"an escape that ECMAScript does not know: {pattern}"


def test_every_reference_leads_somewhere_and_every_definition_is_used() -> None:
    used = {part["$ref"] for part in parts(SCHEMA) if "$ref" in part}
    assert used == {f"#/$defs/{name}" for name in SCHEMA["$defs"]}
    assert all(re.fullmatch(r"\w+", name) and "__" not in name for name in SCHEMA["$defs"])


def test_no_mapping_takes_unknown_keys() -> None:
    for name, part in [("the document", SCHEMA), *SCHEMA["$defs"].items()]:
        for section in [part, *part.get("anyOf", ())]:
            if section.get("type") == "object":
                assert section.get("additionalProperties") is False, name


def test_everything_is_described_for_editors() -> None:
    for name, part in [("the document", SCHEMA), *SCHEMA["$defs"].items()]:
        for section in [part, *part.get("anyOf", ())]:
            for key, field in section.get("properties", {}).items():
                if set(field) != {"not"}:
                    assert field.get("description"), f"{name}.{key}"
                    assert field.get("examples"), f"{name}.{key}"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*/mlops.yaml")), ids=lambda path: path.parent.name)
def test_the_examples_pass(path: Any) -> None:
    from mlopsgen.spec.load import parse

    VALIDATOR.validate(parse(path.read_text(), "mlops.yaml").plain())


def test_what_is_committed_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    committed = (ROOT / "schemas" / "mlops.v1.schema.json").read_text()
    assert run(["schema"]) == 0
    printed = capsys.readouterr().out
    assert printed == text()
    assert json.loads(committed) == SCHEMA
    assert committed == printed, "run `mlopsgen schema > schemas/mlops.v1.schema.json`"


def test_own_data_is_ignored() -> None:
    plain = {"version": 1, "project": {"name": "a"}, "data": {"raw": "a"}, "model": {"base": "a"}}
    assert VALIDATOR.is_valid({**plain, "x-mine": {"anything": [yaml_value("1")]}})
    assert not VALIDATOR.is_valid({**plain, "mine": 1})
