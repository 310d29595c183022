"""Records become the tokens that training, evaluation and serving agree on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mlops_runtime.errors import Mistaken
from mlops_runtime.training import examples, vocabulary
from mlops_runtime.training.rendering import Rendering

CHAT = {"prompt": "prompt", "response": "response"}
RECORD = {"id": "00000000000000aa", "prompt": "What is a dog?", "response": "An animal, naïve and 🐶."}
TEXTS = [*RECORD.values(), "### Instruction", "Response"] * 3


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return vocabulary.trained(iter(TEXTS), 300, "instruction-tuning")


def rendering(tokenizer: Any, **changes: Any) -> Rendering:
    return Rendering(
        **{"task": "instruction-tuning", "roles": CHAT, "tokenizer": tokenizer, "max_length": 512, **changes}
    )


def test_the_loss_counts_on_the_response_and_on_its_end(tokenizer: Any) -> None:
    made = rendering(tokenizer)
    (row,) = made.encode([RECORD])
    assert tokenizer.decode(row.ids) == f"<|user|>{RECORD['prompt']}<|assistant|>{RECORD['response']}<|end|>"
    ((start, end),) = row.spans
    assert tokenizer.decode(row.ids[start:end]) == f"{RECORD['response']}<|end|>"
    assert row.ids[:start] == made.prompt(RECORD) == made.prompt(RECORD["prompt"]), "serving asks as training did"
    assert row.ids[-1] == tokenizer.eos_token_id != tokenizer.pad_token_id


def test_a_chat_of_several_turns(tokenizer: Any) -> None:
    made = rendering(tokenizer, roles={"messages": "chat"})
    said = [("system", "be kind"), ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    chat = {"chat": [{"role": role, "content": content} for role, content in said]}
    (row,) = made.encode([chat])
    assert [tokenizer.decode(row.ids[a:b]) for a, b in row.spans] == ["b<|end|>", "d<|end|>"]
    assert tokenizer.decode(made.prompt(chat)).endswith("<|user|>c<|assistant|>")
    with pytest.raises(Mistaken, match="no list of messages"):
        made.encode([{"chat": "hello"}])
    with pytest.raises(Mistaken, match="teaches nothing"):
        made.encode([{"chat": chat["chat"][:2]}])


def test_a_long_record_is_cut_and_one_without_answer_left_out(tokenizer: Any, tmp_path: Path) -> None:
    whole = rendering(tokenizer).encode([RECORD])[0]
    start = whole.spans[0][0]
    assert rendering(tokenizer, max_length=start + 2).encode([RECORD])[0].spans == [(start, start + 2)]
    short = rendering(tokenizer, max_length=start)
    assert short.encode([RECORD])[0].spans == []
    with pytest.raises(Mistaken, match=r"no answer begins within `train.max_length` tokens"):
        examples.write(str(tmp_path / "a"), iter([RECORD]), short, "train.jsonl")
    other = {"id": "00000000000000bb", "prompt": "", "response": "An animal"}
    assert examples.write(str(tmp_path / "b"), iter([RECORD, other]), short, "train.jsonl") == 1
    mapped = examples.Examples(str(tmp_path / "b"))
    assert (len(mapped), mapped.name(0)) == (1, other["id"])


def test_plain_text_ends_with_the_end_token_and_all_but_the_first_counts(tokenizer: Any) -> None:
    made = rendering(tokenizer, task="causal-lm", roles={"text": "response"})
    (row,) = made.encode([RECORD])
    assert tokenizer.decode(row.ids) == RECORD["response"] + "<|end|>"
    assert row.spans == [(1, len(row.ids))]
    assert made.prompt(RECORD) == row.ids[:-1]


def test_classes(tokenizer: Any) -> None:
    sentence = vocabulary.trained(iter(TEXTS), 300, "text-classification")
    made = rendering(
        sentence, task="text-classification", roles={"text": "prompt", "label": "kind"}, labels=["false", "true"]
    )
    (row,) = made.encode([{**RECORD, "kind": "true"}])
    assert (row.label, row.spans) == (1, [])
    assert sentence.decode(row.ids) == f"<|user|>{RECORD['prompt']}<|end|>"
    with pytest.raises(Mistaken, match="no record of the class 'maybe'"):
        made.encode([{**RECORD, "kind": "maybe"}])


def test_records_that_lack_something_are_named(tokenizer: Any) -> None:
    with pytest.raises(Mistaken, match="record 00000000000000aa: the column `response` holds no text"):
        rendering(tokenizer).encode([{**RECORD, "response": None}])


def test_a_template_that_changes_the_prompt_is_refused(tokenizer: Any) -> None:
    import copy

    other = copy.deepcopy(tokenizer)
    other.chat_template = "{{ messages | length }}{{ messages[-1]['content'] }}"
    with pytest.raises(Mistaken, match="renders an answer differently"):
        rendering(other).encode([RECORD])


def test_the_smallest_vocabulary_holds_any_text() -> None:
    small = vocabulary.trained(iter(["abc"]), 260, "instruction-tuning")
    assert len(small) == 260
    text = "Grüße\n\t日本語 \x00 <|x|>"
    assert small.decode(small(text)["input_ids"]) == text


def test_the_same_texts_make_the_same_vocabulary(tokenizer: Any) -> None:
    again = vocabulary.trained(iter(TEXTS), 300, "instruction-tuning")
    assert again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str()
    assert 260 < len(again) <= 300


def bare(*, pad: str | None, unk: str | None = None, bos: bool = False) -> Any:
    """A base's tokenizer without a chat template."""
    from tokenizers import processors
    from transformers import PreTrainedTokenizerFast

    inner = vocabulary.trained(iter(TEXTS), 300, "instruction-tuning").backend_tokenizer
    if bos:
        inner.post_processor = processors.TemplateProcessing(single="<|user|> $A", special_tokens=[("<|user|>", 2)])
    given = {"bos_token": "<|user|>"} if bos else {}
    return PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<|end|>", pad_token=pad, unk_token=unk, **given)


def test_a_base_without_a_template_gets_one_of_text_alone() -> None:
    for bos in (False, True):
        base = bare(pad="<|pad|>", bos=bos)
        size = len(base)
        vocabulary.completed(base, "instruction-tuning", rows=size, grow=False)
        (row,) = rendering(base).encode([RECORD])
        begin = "<|user|>" if bos else ""
        wanted = f"{begin}### User:\n{RECORD['prompt']}\n\n### Response:\n{RECORD['response']}<|end|>\n"
        assert base.decode(row.ids) == wanted
        ((start, end),) = row.spans
        assert base.decode(row.ids[start:end]) == f"{RECORD['response']}<|end|>\n"
        assert len(base) == size


def test_the_pad_token_ends_nothing() -> None:
    base = bare(pad="<|end|>", unk="<|assistant|>")
    vocabulary.completed(base, "causal-lm", rows=len(base), grow=False)
    assert base.pad_token == "<|assistant|>"
    for rows, grow in ((10_000, False), (1, True)):
        base = bare(pad=None)
        vocabulary.completed(base, "causal-lm", rows=rows, grow=grow)
        assert base.pad_token_id not in (None, base.eos_token_id)
    base = bare(pad="<|pad|>")
    vocabulary.completed(base, "causal-lm", rows=1, grow=True)
    assert base.pad_token == "<|pad|>"


def test_other_renderings_are_told_apart(tokenizer: Any, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    made = rendering(tokenizer)
    tokenizer.save_pretrained(tmp_path)
    rendering(AutoTokenizer.from_pretrained(tmp_path)).check(made.identity())
    for changed in ({"max_length": 8}, {"roles": {"prompt": "x", "response": "y"}}, {"task": "causal-lm"}):
        with pytest.raises(Mistaken, match=f"another {next(iter(changed))}"):
            rendering(tokenizer, **changed).check(made.identity())
