"""Which trainings alerts have started: tags of the registered model, so that a restart forgets none."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime
from typing import NamedTuple

from mlops_runtime.tracking import server
from mlopsgen.contract.registry import RETRAIN

DAY = 86400.0

KEPT = 50
"""Records that are kept."""


class Record(NamedTuple):
    """A training that was asked for.

    Attributes:
        key: of the tag.
        at: seconds since 1970.
        reason: in words.
        state: `started`; `failed` to start; where it ran on this machine, `ended` or `broken`.
    """

    key: str
    at: float
    reason: str
    state: str


def read(model: str) -> list[Record]:
    """All of them, the oldest first.

    Raises:
        Mistaken: no such model, or the server does not answer.
    """
    with server.answering():
        tags = server.patient(server.client().get_registered_model, model).tags
    found = []
    for key, value in tags.items():
        if key.startswith(RETRAIN):
            try:
                content = json.loads(value)
                at = datetime.fromisoformat(content["at"]).timestamp()
                found.append(Record(key, at, str(content["reason"]), str(content["state"])))
            except (ValueError, KeyError, TypeError):
                continue
    return sorted(found, key=lambda record: (record.at, record.key))


def made(at: float, reason: str) -> Record:
    """A record of a training that starts."""
    moment = datetime.fromtimestamp(at, UTC)
    return Record(f"{RETRAIN}{moment:%Y%m%dT%H%M%S}.{uuid.uuid4().hex[:6]}", at, reason, "started")


def write(model: str, record: Record) -> None:
    """Write a record, or its new state.

    Raises:
        Mistaken: no such model, or the server does not answer.
    """
    moment = datetime.fromtimestamp(record.at, UTC).isoformat(timespec="seconds")
    value = json.dumps({"at": moment, "reason": record.reason, "state": record.state})
    with server.answering():
        server.patient(server.client().set_registered_model_tag, model, record.key, value)


def prune(model: str, records: list[Record]) -> None:
    """Remove the oldest beyond those that are kept.

    Raises:
        Mistaken: the server does not answer.
    """
    with server.answering():
        for record in records[:-KEPT]:
            server.patient(server.client().delete_registered_model_tag, model, record.key)


def refusal(records: list[Record], now: float, max_per_day: int, min_interval: float) -> str:
    """Why no training may start now; empty when one may.

    Args:
        records: of earlier ones; those that failed to start count for nothing.
        now: seconds since 1970.
        max_per_day: trainings in 24 hours at most.
        min_interval: seconds between two of them at least.
    """
    times = [record.at for record in records if record.state != "failed" and record.at <= now + min_interval]
    if times and now - times[-1] < min_interval:
        return f"the last training began {now - times[-1]:.0f} s ago; {min_interval:.0f} s must lie between two"
    lately = sum(now - at < DAY for at in times)
    if lately >= max_per_day:
        return f"{lately} trainings were started in 24 hours; {max_per_day} are allowed"
    return ""
