"""Every field is documented, its example is valid, and a typo in its name is understood."""

from __future__ import annotations

import inspect
import random
import typing
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from mlopsgen.diagnostics import Failed
from mlopsgen.project.resolve import resolve
from mlopsgen.spec import fields, language
from mlopsgen.spec.base import Bounds, Section, key
from mlopsgen.spec.document import Spec
from mlopsgen.spec.load import parse
from mlopsgen.spec.reference import entries, flow
from mlopsgen.spec.scalars import Duration, Share
from mlopsgen.spec.tree import dotted
from tests.conftest import FULL

from .corpus import full, put, tree


def sections(section: type[Section] = Spec, seen: set[str] | None = None) -> Iterator[type[Section]]:
    seen = set() if seen is None else seen
    if section.__name__ in seen:
        return
    seen.add(section.__name__)
    yield section
    for field in section.model_fields.values():
        inner: Any = fields.annotation(field)
        while inner is not None:
            below = fields.as_section(inner)
            if below is not None:
                yield from sections(below, seen)
            inner = None if below is not None else fields.inside(inner)


SECTIONS = list(sections())
FIELDS = [pytest.param(s, name, f, id=f"{s.__name__}.{name}") for s in SECTIONS for name, f in s.model_fields.items()]


def test_all_sections_are_looked_at() -> None:
    assert len(SECTIONS) > 55
    assert len(FIELDS) > 230


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_a_section_says_what_it_is(section: type[Section]) -> None:
    text = inspect.getdoc(section)
    assert text
    assert text[0].isupper() or text.startswith("mlops.yaml")
    assert text.endswith(".")
    assert section.model_config["extra"] == "forbid"
    assert section.model_config["frozen"]
    assert section.model_config["strict"]
    assert section.model_config["allow_inf_nan"] is False


@pytest.mark.parametrize(("section", "name", "field"), FIELDS)
def test_a_field_is_documented(section: type[Section], name: str, field: FieldInfo) -> None:
    assert field.description
    assert field.description.endswith(".")
    assert field.examples
    assert len(field.examples) == 1
    assert field.is_required() or field.default is not PydanticUndefined
    extra = field.json_schema_extra or {}
    assert isinstance(extra, dict)
    if mentions(field, Duration):
        assert extra.get("x-unit") == "duration"
    if mentions(field, Share):
        assert extra.get("x-unit") == "share"


def mentions(field: FieldInfo, kind: Any) -> bool:
    """Whether the value itself is of the kind, or a range of it."""
    validator = typing.get_args(kind)[1]

    def holds(part: Any) -> bool:
        if validator in getattr(part, "__metadata__", ()):
            return True
        section = fields.as_section(part)
        if section is not None:
            return section.__name__.startswith("Bounds") and mentions(section.model_fields["min"], kind)
        return any(holds(argument) for argument in typing.get_args(part))

    return validator in field.metadata or holds(field.annotation)


@pytest.mark.parametrize(("section", "name", "field"), FIELDS)
def test_a_default_is_valid_where_it_stands(section: type[Section], name: str, field: FieldInfo) -> None:
    """Sections with nothing that is required come out whole from nothing."""
    if not any(other.is_required() for other in section.model_fields.values()) and section.__name__ not in (
        "Model",
        "Distribution",
    ):
        if section.__name__.startswith("Bounds"):
            return
        made = section.model_validate({})
        assert name in made.__dict__


REFERENCE = list(entries())


def test_the_reference_has_every_field_once() -> None:
    paths = [entry.path for entry in REFERENCE]
    assert len(set(paths)) == len(paths)
    assert "environments.<name>.branch" in paths
    assert "monitoring.alerts.custom[].expr" in paths


@pytest.mark.parametrize("entry", REFERENCE, ids=lambda entry: entry.path)
def test_the_example_of_a_field_is_valid_yaml_for_it(entry: Any) -> None:
    text = flow(entry.example)
    assert parse(f"a: {text}\n", "mlops.yaml").plain()["a"] == entry.example
    names = {"environments": "staging", "data": "prompt", "training": "learning_rate", "evaluation": "val_loss"}
    path = tuple(names[entry.path.partition(".")[0]] if part == "<name>" else part for part in parts(entry.path))
    try:
        resolve(tree(put(full(), path, entry.example)))
    except Failed as failed:
        # That a model has two sources, and all that takes more than the section, is not the example's fault.
        wrong = [d for d in failed.diagnostics if d.code[:2] == "E1" and d.code != "E120"]
        assert not [d for d in wrong if d.path.startswith(dotted(path))]


def parts(path: str) -> tuple[Any, ...]:
    found: list[Any] = []
    for word in path.split("."):
        found += [word[:-2], 0] if word.endswith("[]") else [word]
    return tuple(found)


@pytest.mark.parametrize("entry", REFERENCE, ids=lambda entry: entry.path)
def test_light_mode_knows_every_field(entry: Any) -> None:
    named = language.find(parts(entry.path))
    assert named is not None
    above = fields.find(parts(entry.path)[:-1])
    if above is None or above.section is None or not issubclass(above.section, Bounds):
        assert named.example == entry.example


@pytest.mark.parametrize("entry", REFERENCE, ids=lambda entry: entry.path)
def test_the_reference_is_whole(entry: Any) -> None:
    assert entry.kind
    assert entry.kind != "any value" or entry.path.endswith((".value", ".choice"))
    assert entry.default
    assert "\n" not in entry.default


def typos(word: str, chance: random.Random) -> Iterator[str]:
    """The word with one letter dropped, doubled, swapped, replaced, in another case."""
    if len(word) < 3:
        return
    at = chance.randrange(1, len(word))
    yield word[:at] + word[at + 1 :]
    yield word[:at] + word[at] + word[at:]
    yield word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
    yield word[:at] + chance.choice("abcdefghijklmnopqrstuvwxyz") + word[at + 1 :]
    yield word.upper()
    if "_" in word:
        yield word.replace("_", "-")
        yield "".join(part.title() for part in word.split("_"))


@pytest.mark.slow
def test_a_typo_in_the_name_of_a_field_is_understood() -> None:
    right, wrong = 0, []
    for entry in REFERENCE:
        path = tuple(
            "staging" if part == "<name>" and "environments" in entry.path else part for part in parts(entry.path)
        )
        name = path[-1]
        known = language.find(path[:-1])
        if known is None or known.names is None or not isinstance(name, str):
            continue
        for typo in typos(name, random.Random(entry.path)):
            if typo in known.names:
                continue
            if suggestion(alone((*path[:-1], typo), None)) == name:
                right += 1
            else:
                wrong.append(f"{typo} for {name}")
    share = right / (right + len(wrong))
    print(f"\n{right} of {right + len(wrong)} typos were understood: {share:.1%}; not: {', '.join(wrong[:20])}")
    assert right > 900
    assert share >= 0.95


def alone(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A document with the value at the path, nothing else beside it, and the sections that must be there."""
    plain = full()
    short = {name: plain[name] for name in ("version", "project", "data", "model") if name != path[0]}
    here: Any = value
    for part in reversed(path):
        here = [here] if part == 0 else {("name" if part == "<name>" else part): here}
    return {**short, **here}


def suggestion(plain: dict[str, Any]) -> str | None:
    with pytest.raises(Failed) as caught:
        resolve(tree(plain))
    found = [d for d in caught.value.diagnostics if d.code == "E101"]
    assert found
    return found[0].help.removeprefix("did you mean `").removesuffix("`?") if found[0].help else None


def test_a_key_that_means_nothing_is_told_what_there_is() -> None:
    with pytest.raises(Failed) as caught:
        resolve(tree(put(full(), ("registry", "zzz"), 1)))
    assert caught.value.diagnostics[0].help == "known here: keep, semantic_version"


def test_words_of_a_closed_set_are_suggested() -> None:
    text = (
        FULL.read_text().replace("precision: bf16", "precision: bfl6").replace("scheduler: cosine", "scheduler: adam")
    )
    with pytest.raises(Failed) as caught:
        resolve(parse(text, "mlops.yaml"))
    helps = [d.help for d in caught.value.diagnostics if d.code == "E105"]
    assert helps == ["one of cosine, linear, constant", "did you mean `bf16`?"]


def test_names_follow_one_rule() -> None:
    for section in SECTIONS:
        for name in section.model_fields:
            assert key(name).replace("_", "").isalnum()
            assert key(name).islower()
