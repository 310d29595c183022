"""Limit per caller, as Envoy's local rate limit filter takes it."""

from __future__ import annotations

import math
from typing import Any

from mlopsgen.project.routing import lowered
from mlopsgen.spec.serving import RateLimit
from mlopsgen.spec.traced import Text, merged, traced

SHORTEST_FILL = 0.05
"""Seconds; Envoy refuses a shorter interval."""

MOST_TOKENS = 2**32 - 1

CALLERS = 10_000
"""Callers that a proxy remembers, the latest ones; Envoy's own default is 20. Who is forgotten starts anew."""

POST = {
    "header_value_match": {
        "descriptor_value": "post",
        "headers": [{"name": ":method", "string_match": {"exact": "POST"}}],
    }
}


def context(given: RateLimit) -> dict[str, Any]:
    """What the template takes: which requests count for whom, one bucket per caller, when to come again."""
    address: dict[str, Any] = {"remote_address": {}}
    if given.by is None:
        counted: list[tuple[list[dict[str, Any]], list[str]]] = [([POST, address], ["remote_address"])]
    else:
        header = lowered(given.by)
        known = {"request_headers": {"header_name": header, "descriptor_key": "caller"}}
        nameless = {
            "header_value_match": {
                "descriptor_value": "nameless",
                "expect_match": False,
                "headers": [{"name": header, "present_match": True}],
            }
        }
        counted = [([POST, known], ["caller"]), ([POST, nameless, address], ["nameless", "remote_address"])]
    return {
        "actions": [{"actions": actions} for actions, _ in counted],
        "descriptors": [{"entries": _entries(keys), "token_bucket": _bucket(given)} for _, keys in counted],
        "callers": CALLERS,
        "retry_after": _retry_after(given),
    }


def _entries(keys: list[str]) -> list[dict[str, str]]:
    """Entries that a request's descriptor must have, in order; one without a value makes a bucket for each value."""
    entries = [{"key": "header_match", "value": "post"}]
    for key in keys:
        entries.append({"key": "header_match", "value": key} if key == "nameless" else {"key": key})
    return entries


def _bucket(given: RateLimit) -> dict[str, Any]:
    per = max(given.per, SHORTEST_FILL)
    tokens = min(round(given.requests * per / given.per), MOST_TOKENS)
    tokens = traced(tokens, *merged(given.requests))
    return {"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": _seconds(per, given.per)}


def _seconds(value: float, source: float) -> Text:
    """Seconds as JSON of protobuf writes a duration."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return Text(f"{text}s", merged(source))


def _retry_after(given: RateLimit) -> Text:
    """Whole seconds until the bucket has a token again."""
    seconds = max(1, math.ceil(given.per / given.requests))
    return Text(str(seconds), merged(given.per, given.requests))
