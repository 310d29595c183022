"""What becomes of one record."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlops_runtime.data import columns as known
from mlops_runtime.errors import Mistaken
from mlops_runtime.preprocessing import Preprocessing

PLAIN = Preprocessing(["strip", "nfc"])


def column(kind: str = "text", role: str = "prompt", **more: Any) -> dict[str, Any]:
    return {"type": kind, "role": role, "required": True, "blank": True} | more


COLUMNS = {"prompt": column(), "response": column(role="response"), "score": column("number", "other", required=False)}


def test_a_record_gets_its_columns_preprocessed_and_an_id() -> None:
    found = known.normalised({"response": "b ", "prompt": " a\u0308", "score": None, "more": 1}, COLUMNS, PLAIN)
    content = json.dumps({"prompt": "ä", "response": "b"}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert found == {"id": hashlib.sha256(content.encode()).hexdigest()[:16], "prompt": "ä", "response": "b"}
    assert known.is_prepared(found)
    assert not known.is_prepared({**found, "prompt": "changed"})
    assert not known.is_prepared({"id": "7", "prompt": "ä"})


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"prompt": "a"}, "missing"),
        ({"prompt": None, "response": "b"}, "missing"),
        ({"prompt": 3, "response": "b"}, "wrong_type"),
        ({"prompt": "a", "response": ["b"]}, "wrong_type"),
        ({"prompt": "a", "response": "b", "score": "1"}, "wrong_type"),
        ({"prompt": "a", "response": "b", "score": True}, "wrong_type"),
    ],
)
def test_a_record_that_is_of_no_use(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(known.Dropped, match=reason):
        known.normalised(values, COLUMNS, PLAIN)


def test_blank_is_judged_after_preprocessing() -> None:
    columns = {"text": column(role="text", blank=False)}
    with pytest.raises(known.Dropped, match="blank"):
        known.normalised({"text": " \u00a0 "}, columns, PLAIN)


@pytest.mark.parametrize(
    ("kind", "raw", "typed"),
    [
        ("number", "1.5", 1.5),
        ("boolean", "True", True),
        ("boolean", "0", False),
        ("category", " a ", "a"),
        ("messages", '[{"role": "user", "content": "x"}]', [{"role": "user", "content": "x"}]),
        ("text", "1.5", "1.5"),
    ],
)
def test_texts_of_csv_become_what_their_column_is(kind: str, raw: str, typed: Any) -> None:
    found = known.typed(raw, kind, True)
    assert (found, type(found)) == (typed, type(typed))
    assert known.fits(found, kind)


@pytest.mark.parametrize(("raw", "typed"), [(True, "true"), (3, "3"), (3.0, "3"), ("x", "x")])
def test_classes_are_text_whatever_wrote_them(raw: Any, typed: str) -> None:
    assert known.typed(raw, "category", False) == typed


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("text", 1),
        ("number", "x"),
        ("number", float("nan")),
        ("number", float("inf")),
        ("boolean", 1),
        ("category", 1.5),
        ("messages", []),
        ("messages", "x"),
        ("messages", [{"role": "user"}]),
        ("messages", [{"role": "user", "content": None}]),
    ],
)
def test_what_does_not_fit(kind: str, value: Any) -> None:
    assert not known.fits(value, kind)


def test_a_column_may_not_be_named_id() -> None:
    with pytest.raises(Mistaken, match="has a column `id`"):
        known.checked({"id": column()})


CHAT = {"chat": column("messages", "messages")}


def chat(*said: str) -> dict[str, Any]:
    roles = ["system", "user", "assistant", "user", "assistant"]
    return {"chat": [{"role": role, "content": text} for role, text in zip(roles, said, strict=False)]}


def test_turns_of_one_conversation_belong_together_and_a_system_prompt_says_nothing() -> None:
    short, long = (
        chat("Be kind.", "My order is late", "Sorry!"),
        chat("Be kind.", "My order is late", "Oh.", "So?", "!"),
    )
    other = chat("Be kind.", "I lost my key", "Sorry!")
    assert known.group_key(short, CHAT, None) == known.group_key(long, CHAT, None)
    assert known.group_key(short, CHAT, None) != known.group_key(other, CHAT, None)
    assert known.written(short, CHAT) == "Be kind.\nMy order is late\nSorry!"


def test_the_same_beginning_belongs_together_and_the_same_prompt_is_known() -> None:
    long = "The same conversation so far, again and again. " * 8
    first, second = {"prompt": long + "And?"}, {"prompt": long.upper() + "But!"}
    assert known.group_key(first, COLUMNS, None) == known.group_key(second, COLUMNS, None)
    assert known.prompt_key(first, COLUMNS) != known.prompt_key(second, COLUMNS)
    assert known.prompt_key({"prompt": "What now?"}, COLUMNS) == known.prompt_key({"prompt": "what NOW"}, COLUMNS)
    assert known.prompt_key({"prompt": "?!"}, COLUMNS) != known.prompt_key({"prompt": "..."}, COLUMNS)


def test_a_named_group_counts_alone_and_a_record_without_one_stands_alone() -> None:
    one, other = {"id": "1", "prompt": "a", "who": "x"}, {"id": "2", "prompt": "b", "who": "x"}
    assert known.group_key(one, COLUMNS, "who") == known.group_key(other, COLUMNS, "who")
    del one["who"], other["who"]
    assert known.group_key(one, COLUMNS, "who") != known.group_key(other, COLUMNS, "who")


def test_hashes_are_the_same_everywhere() -> None:
    assert known.digest("group", "x", 1) == 12248752219899427072
    assert known.digest({"b": 1, "a": 2}) == known.digest({"a": 2, "b": 1})


@given(st.dictionaries(st.sampled_from(["prompt", "response"]), st.text(st.characters(exclude_categories=("Cs",)))))
def test_normalising_again_changes_nothing(values: dict[str, str]) -> None:
    columns = {name: column(role=name, required=False) for name in ("prompt", "response")}
    once = known.normalised(values, columns, PLAIN)
    assert known.normalised(once, columns, PLAIN) == once
