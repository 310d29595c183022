"""Tokenizers: a byte-level BPE trained on the training part, or the base's own, made fit for chats and padding."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mlops_runtime.training.rendering import PLAIN_TEMPLATE

PAD, END, USER, ASSISTANT = "<|pad|>", "<|end|>", "<|user|>", "<|assistant|>"
SPECIAL = [PAD, END, USER, ASSISTANT]
"""Four, so that with 256 bytes they fill the smallest vocabulary that mlops.yaml allows."""

CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '<|assistant|>' + message['content'] + '<|end|>' }}"
    "{% else %}{{ '<|user|>' + message['content'] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)

RESERVED = ("<|finetune_right_pad_id|>", "<|reserved_special_token_0|>", "<pad>", "[PAD]")
"""Tokens that vocabularies keep for padding without saying so."""


def trained(texts: Iterable[str], size: int, task: str) -> Any:
    """A byte-level BPE tokenizer of at most `size` tokens, trained on `texts`; the same texts give the same one.

    Text-classification reads `<|user|>` first, where encoders look for the sentence, and `<|end|>` last, where decoders
    do.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=size, special_tokens=SPECIAL, initial_alphabet=sorted(alphabet), show_progress=False
    )
    inner.train_from_iterator(texts, trainer)
    if task == "text-classification":
        ends = [(token, inner.token_to_id(token)) for token in (USER, END)]
        inner.post_processor = processors.TemplateProcessing(single=f"{USER} $A {END}", special_tokens=ends)
    tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=inner, pad_token=PAD, eos_token=END, clean_up_tokenization_spaces=False
    )
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def completed(tokenizer: Any, task: str, rows: int, grow: bool) -> None:
    """Give a base's tokenizer what training needs and it lacks: a pad token that ends nothing, a chat template.

    A pad token that is the end token would, masked, keep a model from learning to stop. Where there is no other and no
    room for one, the end token stays; training itself pads nothing for language models, and masks by length.

    Args:
        tokenizer: changed in place.
        task: of the model.
        rows: of the base's embedding.
        grow: whether the embedding may get more rows.
    """
    if task == "instruction-tuning" and not tokenizer.chat_template:
        first = tokenizer("")["input_ids"]
        begins = bool(first) and first[0] == tokenizer.bos_token_id
        tokenizer.chat_template = ("{{ bos_token }}" if begins else "") + PLAIN_TEMPLATE
    if tokenizer.pad_token_id is not None and tokenizer.pad_token_id != tokenizer.eos_token_id:
        return
    known = tokenizer.get_vocab()
    found = next((token for token in (*RESERVED, tokenizer.unk_token) if token in known), None)
    if found is not None and found != tokenizer.eos_token:
        tokenizer.pad_token = found
    elif grow or len(tokenizer) < rows:
        tokenizer.add_special_tokens({"pad_token": PAD})
    else:
        tokenizer.pad_token = tokenizer.eos_token
