"""Text as it comes is the text as it would be at once, and stop texts never show."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlops_runtime.serving.engines.local.text import Text

from tests.runtime.serving.engines.conftest import tokenizer

TEXTS = st.text(alphabet="abé—数🎉 <", max_size=30)


@pytest.fixture(scope="module")
def words() -> dict[str, Any]:
    """A byte-level tokenizer, and one of pieces with bytes to fall back to."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    pieces = {"<unk>": 0, **{f"<0x{byte:02X}>": 1 + byte for byte in range(256)}, "▁a": 257, "b": 258, "▁": 259}
    other = Tokenizer(models.BPE(pieces, [], byte_fallback=True, unk_token="<unk>"))
    other.pre_tokenizer = pre_tokenizers.Metaspace()
    parts = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    other.decoder = decoders.Sequence(parts)
    return {"bytes": tokenizer("causal-lm").backend_tokenizer, "pieces": other}


@settings(deadline=None, max_examples=150)
@given(tokens=st.lists(st.integers(4, 259), max_size=40))
def test_any_bytes_give_the_same_text_as_decoding_them_at_once(words: dict[str, Any], tokens: list[int]) -> None:
    text = Text(words["bytes"], ())
    parts = [text.add(token) for token in tokens]
    assert "".join([*parts, text.rest()]) == words["bytes"].decode(tokens, skip_special_tokens=True)


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@settings(deadline=None, max_examples=150)
@given(said=TEXTS)
def test_any_text_comes_as_it_is_decoded_at_once(words: dict[str, Any], kind: str, said: str) -> None:
    text, ids = Text(words[kind], ()), words[kind].encode(said).ids
    parts = [text.add(token) for token in ids]
    assert "".join([*parts, text.rest()]) == words[kind].decode(ids)


@settings(deadline=None, max_examples=200)
@given(said=TEXTS, stop=st.text(alphabet="abé—数🎉 <", min_size=1, max_size=4))
def test_a_stop_text_cuts_where_it_first_stands_and_nothing_of_it_shows(
    words: dict[str, Any], said: str, stop: str
) -> None:
    text, parts = Text(words["bytes"], [stop]), []
    for token in words["bytes"].encode(said).ids:
        parts.append(text.add(token))
        if text.stopped:
            break
    parts.append(text.rest())
    assert "".join(parts) == said.split(stop, maxsplit=1)[0]
    assert text.stopped is (stop in said)


def test_what_may_begin_a_stop_text_is_held_back_until_it_is_certain(words: dict[str, Any]) -> None:
    text = Text(words["bytes"], ["b<b"])
    letters = [words["bytes"].encode(letter).ids for letter in "ab<a"]
    assert all(len(ids) == 1 for ids in letters)
    assert [text.add(ids[0]) for ids in letters] == ["a", "", "", "b<a"]


def test_a_character_waits_for_its_last_token(words: dict[str, Any]) -> None:
    text = Text(words["pieces"], ())
    parts = [text.add(1 + byte) for byte in "é🎉".encode()]
    assert parts == ["", "é", "", "", "", "🎉"]
