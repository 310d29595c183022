"""From records to token ids and back: one renderer for training, evaluation and serving.

Instruction-tuning goes through the chat template that is stored with the tokenizer, and the loss counts on what the
assistant says, the token that ends its turn included. What makes two renderings the same is stored with the model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mlops_runtime.errors import Mistaken
from mlops_runtime.identity import both

VERSION = 1
PLAIN_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] == 'assistant' %}{{ '### Response:\\n' + message['content'] + eos_token + '\\n' }}"
    "{% else %}{{ '### ' + message['role'] | capitalize + ':\\n' + message['content'] + '\\n\\n' }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
)
"""For a base without a chat template: text only, so that its vocabulary needs no new tokens."""


class Encoded(NamedTuple):
    """One record as tokens.

    Attributes:
        ids: token ids, at most `max_length`.
        spans: half-open ranges of `ids` whose loss counts.
        label: index of the class, for text-classification.
    """

    ids: list[int]
    spans: list[tuple[int, int]]
    label: int | None = None


class Rendering:
    """How a record becomes tokens.

    Args:
        task: of the model.
        roles: column by role, as `Settings.roles`.
        tokenizer: a fast tokenizer of transformers; instruction-tuning needs its chat template.
        max_length: tokens of a record; longer ones are cut at the end.
        labels: classes in order, for text-classification.
    """

    def __init__(
        self, task: str, roles: Mapping[str, str], tokenizer: Any, max_length: int, labels: Sequence[str] = ()
    ) -> None:
        self.task, self.roles, self.tokenizer = task, dict(roles), tokenizer
        self.max_length, self.labels = max_length, list(labels)
        self._index = {label: index for index, label in enumerate(self.labels)}
        if not getattr(tokenizer, "is_fast", False):
            raise Mistaken("the tokenizer of this base has no `tokenizer.json`: convert it with transformers first")

    def encode(self, records: Sequence[Mapping[str, Any]]) -> list[Encoded]:
        """Tokens of records, in their order.

        Raises:
            Mistaken: a record lacks a column, or the chat template does not continue its own prompt.
        """
        if self.task == "instruction-tuning":
            return self._chats([self.messages(record) for record in records])
        texts = [self._text(record, "text") for record in records]
        rows = self.tokenizer(texts, return_attention_mask=False)["input_ids"]
        if self.task == "text-classification":
            return [
                Encoded(ids[: self.max_length], [], self._label(record))
                for ids, record in zip(rows, records, strict=True)
            ]
        end = self.tokenizer.eos_token_id
        ended = [ids if ids and ids[-1] == end else [*ids, end] for ids in rows]
        cut = [ids[: self.max_length] for ids in ended]
        return [Encoded(ids, [(1, len(ids))] if len(ids) > 1 else []) for ids in cut]

    def prompt(self, record: Mapping[str, Any] | str) -> list[int]:
        """Tokens up to where the model goes on, uncut: of a record, or of a text in the role that the task reads."""
        if self.task == "instruction-tuning":
            messages = [{"role": "user", "content": record}] if isinstance(record, str) else self._asked(record)
            text = self._render(messages, True)
            found: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            return found
        text = record if isinstance(record, str) else self._text(record, "text")
        ids: list[int] = self.tokenizer(text)["input_ids"]
        return ids

    def messages(self, record: Mapping[str, Any]) -> list[dict[str, str]]:
        """The record as a chat: its `messages`, or its prompt and response."""
        if "messages" in self.roles:
            found = record.get(self.roles["messages"])
            if not isinstance(found, list) or not found:
                raise Mistaken(f"record {record.get('id', '?')}: `{self.roles['messages']}` holds no list of messages")
            return found
        return [
            {"role": "user", "content": self._text(record, "prompt")},
            {"role": "assistant", "content": self._text(record, "response")},
        ]

    def identity(self) -> dict[str, Any]:
        """What makes two renderings the same; `template` is the SHA-256 of the chat template."""
        template = getattr(self.tokenizer, "chat_template", None)
        return {
            "version": VERSION,
            "task": self.task,
            "roles": self.roles,
            "max_length": self.max_length,
            "labels": self.labels,
            "template": hashlib.sha256(str(template).encode()).hexdigest() if template else None,
        }

    def check(self, identity: Mapping[str, Any]) -> None:
        """Hold this rendering against the one stored with a model.

        Raises:
            Mistaken: they differ.
        """
        mine = self.identity()
        different = sorted(key for key in {*mine, *identity} if mine.get(key) != identity.get(key))
        if different:
            raise Mistaken(
                f"the rendering does not fit the model, which was trained with another {', '.join(different)}: use the "
                f"tokenizer stored with it, or train again ({both(identity, mine)})"
            )

    def _asked(self, record: Mapping[str, Any]) -> list[dict[str, str]]:
        if "messages" not in self.roles:
            return [{"role": "user", "content": self._text(record, "prompt")}]
        messages = self.messages(record)
        last = max((i for i, message in enumerate(messages) if message["role"] != "assistant"), default=-1)
        return messages[: last + 1]

    def _text(self, record: Mapping[str, Any], role: str) -> str:
        found = record.get(self.roles[role])
        if not isinstance(found, str):
            raise Mistaken(f"record {record.get('id', '?')}: the column `{self.roles[role]}` holds no text")
        return found

    def _label(self, record: Mapping[str, Any]) -> int:
        label = str(record.get(self.roles["label"]))
        if label not in self._index:
            raise Mistaken(
                f"record {record.get('id', '?')}: the training part has no record of the class {label!r}; split so "
                "that it has one"
            )
        return self._index[label]

    def _render(self, messages: list[dict[str, str]], prompt: bool) -> str:
        text: str = self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=prompt)
        return text

    def _chats(self, chats: list[list[dict[str, str]]]) -> list[Encoded]:
        texts = [self._render(chat, False) for chat in chats]
        spoken = [self._spoken(chat, text) for chat, text in zip(chats, texts, strict=True)]
        rows = self.tokenizer(texts, add_special_tokens=False, return_attention_mask=False)
        result = []
        for index, spans in enumerate(spoken):
            ids = rows["input_ids"][index][: self.max_length]
            found = ((_token(rows, index, a, b), _token(rows, index, b, len(texts[index]))) for a, b in spans)
            ends = ((max(1, a), len(ids) if b is None else min(b, len(ids))) for a, b in found if a is not None)
            result.append(Encoded(ids, [(a, b) for a, b in ends if a < b]))
        return result

    def _spoken(self, chat: list[dict[str, str]], text: str) -> list[tuple[int, int]]:
        """Ranges of characters of `text` that the assistant says."""
        turns = [i for i, message in enumerate(chat) if message["role"] == "assistant"]
        if not turns:
            raise Mistaken("a chat without a message of the role `assistant` teaches nothing: drop it")
        ranges = []
        for turn in turns:
            before = self._render(chat[:turn], True)
            until = text if turn == len(chat) - 1 else self._render(chat[: turn + 1], False)
            if text.startswith(until) and until.startswith(before):
                ranges.append((len(before), len(until)))
        if turns[-1] == len(chat) - 1 and (not ranges or ranges[-1][1] != len(text)):
            raise Mistaken(
                "the chat template of this tokenizer renders an answer differently once it is given than when it is "
                "asked for, so that its tokens cannot be told from the prompt's: train with another template"
            )
        return ranges


def _token(rows: Any, index: int, character: int, end: int) -> int | None:
    """The token in which a character stands, or the next one before `end`; None when there is none."""
    for at in range(character, end):
        token: int | None = rows.char_to_token(index, at)
        if token is not None:
            return token
    return None
