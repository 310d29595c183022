"""What callers may send: pydantic models of the request bodies. Unknown fields are errors, as everywhere here."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from mlops_runtime.serving import problems

MOST_PROMPTS = 256
"""Prompts of one request at most."""

MOST_FIELDS = 64
"""Fields of an object at most; more than any has."""

SHOWN = 3
"""Mistakes of a body that are told at once."""


def _clean(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character")
    return text


PlainText = Annotated[str, AfterValidator(_clean)]
Filled = Annotated[str, Field(min_length=1), AfterValidator(_clean)]
# Lists end at their first mistake: a body of a million would otherwise hold up all others for seconds.
TokenIds = Annotated[list[Annotated[int, Field(ge=0, le=2**31)]], Field(min_length=1, fail_fast=True)]
Stop = Annotated[str, Field(min_length=1, max_length=256)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Drawn(_Body):
    """How answers are drawn."""

    model: str | None = Field(None, description="Name of the served model; there is one.", max_length=512)
    temperature: float | None = Field(None, ge=0, le=2, description="0 takes the likeliest token.")
    top_p: float | None = Field(None, gt=0, le=1, description="Share of the probability that tokens are drawn from.")
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1, description="Makes draws repeatable.")
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = Field(
        None, description="Texts that end the answer."
    )
    n: int | None = Field(None, ge=1, le=128, description="Answers to each prompt.")
    user: str | None = Field(None, max_length=512, description="Taken and not used.")
    presence_penalty: float | None = Field(None, ge=0, le=0, description="0; others are not supported.")
    frequency_penalty: float | None = Field(None, ge=0, le=0, description="0; others are not supported.")
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = Field(
        None, description="Empty; others are not supported."
    )

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class StreamOptions(_Body):
    """Of a streamed answer."""

    include_usage: bool = Field(False, description="One more event at the end, with the numbers of tokens.")


class Completion(Drawn):
    """Body of `/v1/completions`. A text is rendered as in training; token ids are taken as they are."""

    prompt: (
        Filled
        | TokenIds
        | Annotated[list[Filled], Field(min_length=1, max_length=MOST_PROMPTS, fail_fast=True)]
        | Annotated[list[TokenIds], Field(min_length=1, max_length=MOST_PROMPTS, fail_fast=True)]
    ) = Field(description="One or several texts or lists of token ids.")
    max_tokens: int | None = Field(None, ge=0, description="Most tokens of the answer; 0 with `echo` only.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    echo: bool | None = Field(None, description="The prompt comes before the answer.")
    logprobs: int | None = Field(None, ge=0, le=1, description="Log-probabilities of the tokens.")
    best_of: Literal[1] | None = None
    suffix: Literal[""] | None = None
    return_tokens_as_token_ids: bool | None = Field(
        None, description="Tokens are named `token_id:ID`, as different tokens may have the same text."
    )

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts, always as a list."""
        given: Any = self.prompt
        if isinstance(given, str) or isinstance(given[0], int):
            return [given]
        return list(given)


class TextPart(_Body):
    """Part of a message."""

    type: Literal["text"]
    text: PlainText


class ChatMessage(_Body):
    """A message of a chat."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: PlainText | Annotated[list[TextPart], Field(fail_fast=True)]
    name: str | None = Field(None, max_length=512)

    @property
    def plain(self) -> dict[str, str]:
        """As engines take it."""
        text = self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)
        return {"role": self.role, "content": text}


class Chat(Drawn):
    """Body of `/v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=4096, fail_fast=True)]
    max_tokens: int | None = Field(None, ge=1, description="Most tokens of the answer.")
    max_completion_tokens: int | None = Field(None, ge=1, description="The same, by its newer name.")
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    logprobs: bool | None = Field(None, description="Log-probabilities of the tokens.")
    top_logprobs: Annotated[int, Field(ge=0, le=1)] | None = None


class Prediction(_Body):
    """Body of `/predict`: `prompt` for one answer, `prompts` for several."""

    prompt: Filled | None = None
    prompts: Annotated[list[Filled], Field(min_length=1, max_length=MOST_PROMPTS, fail_fast=True)] | None = None
    max_tokens: int | None = Field(None, ge=1, description="Most tokens of the answer.")
    temperature: float | None = Field(None, ge=0, le=2, description="0, unless given, takes the likeliest token.")
    top_p: float | None = Field(None, gt=0, le=1, description="Share of the probability that tokens are drawn from.")
    seed: int | None = Field(None, ge=-(2**63), le=2**63 - 1, description="Makes draws repeatable.")
    stop: Stop | Annotated[list[Stop], Field(max_length=16)] | None = Field(
        None, description="Texts that end the answer."
    )

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class Rating(_Body):
    """Body of `/feedback`."""

    id: Annotated[str, Field(min_length=1, max_length=128)]
    rating: Annotated[int, Field(ge=1, le=5)]


B = TypeVar("B", bound=_Body)


def parsed(kind: type[B], body: bytes) -> B:
    """A body as what it should be.

    Raises:
        Problem: 400, naming the fields that are wrong and never what they hold.
    """
    try:
        content = from_json(body)
    except ValueError as error:
        raise problems.invalid(f"the body is no JSON: {error}", code="invalid_json") from None
    if not isinstance(content, dict):
        raise problems.invalid("the body is no JSON object")
    if _crowded(content):
        raise problems.invalid(f"an object of the body has more than {MOST_FIELDS} fields")
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False, include_context=False)
    told = {_place(one["loc"]): one["msg"] for one in reversed(found)}
    shown = [f"{place}: {message}" if place else message for place, message in list(told.items())[::-1][:SHOWN]]
    more = f" (and {len(told) - SHOWN} more)" if len(told) > SHOWN else ""
    first = str(found[0]["loc"][0]) if found[0]["loc"] else None
    raise problems.invalid("; ".join(shown) + more, first)


def _crowded(content: dict[str, Any]) -> bool:
    """Whether an object, or one of its messages, has more fields than any may have: each would be a mistake."""
    messages = content.get("messages")
    found = [content, *(messages if isinstance(messages, list) else ())]
    return any(isinstance(one, dict) and len(one) > MOST_FIELDS for one in found)


def _place(location: tuple[int | str, ...]) -> str:
    """`prompts.3` of a place, without the names that pydantic gives to alternatives."""
    parts = [str(part) for part in location if isinstance(part, int) or part.isidentifier()]
    return ".".join(part for part in parts if part not in ("str", "constrained_str"))
