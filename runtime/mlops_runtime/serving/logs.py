"""The log: one JSON object a line on standard output. No prompt and no answer is ever part of it."""

from __future__ import annotations

import logging
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson

from mlops_runtime.experiment.assignment import pseudonym
from mlopsgen.contract.metrics import FAILED

if TYPE_CHECKING:
    from mlops_runtime.serving.calls import Call
    from mlops_runtime.serving.service import Service


OUTCOME = "outcome"
"""Event of a line with what a user of an experiment got: an answer, none, or the chance to rate one."""


def say(event: str, level: str = "info", **facts: Any) -> None:
    """Write one line."""
    now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds")
    line = orjson.dumps({"time": now, "level": level, "event": event, **facts}, default=str)
    sys.stdout.write(line.decode() + "\n")
    sys.stdout.flush()


def ended(call: Call, service: Service) -> None:
    """A request ended."""
    facts: dict[str, Any] = {
        "request_id": call.request_id,
        "method": call.method,
        "path": call.path,
        "status": call.status or None,
        "seconds": round(call.seconds, 6),
        "variant": service.settings.variant,
        "version": service.model.version,
    }
    if call.counted:
        facts |= {
            "outcome": call.outcome,
            "response_id": call.answers[0] if call.answers else None,
            "input_tokens": call.input_tokens,
            "output_tokens": call.output_tokens,
            "finish": call.finish,
        }
    if call.problem is not None:
        facts["error"] = call.problem.code
    say("request", "error" if call.status >= 500 else "info", **facts)


def outcome(call: Call, service: Service) -> None:
    """What a user of an experiment got, by pseudonym; nothing where there is no experiment or no user.

    Refused and abandoned requests say nothing about the model: their `success` is null. `seconds` is null for all that
    did not take its time: an error that comes at once is no quick answer, and a late one is at least as slow as this.
    """
    experiment = service.settings.experiment
    user = call.headers.get(experiment.header.encode(), b"").strip() if experiment is not None else b""
    if experiment is None or not user or not (call.counted or call.rating is not None):
        return
    facts: dict[str, Any] = {
        "variant": service.settings.variant,
        "version": service.model.version,
        "user": pseudonym(experiment.salt, user),
    }
    if call.rating is not None:
        say(OUTCOME, **facts, rating=call.rating)
        return
    success = True if call.outcome == "success" else False if call.outcome in FAILED else None
    timed = call.outcome in ("success", "timeout")
    say(OUTCOME, **facts, success=success, seconds=round(call.seconds, 6) if timed else None)


def failed(call: Call, error: BaseException) -> None:
    """The server itself failed: where, and with what kind of error. Its text may hold what the caller sent."""
    stack = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    say("failure", "error", request_id=call.request_id, path=call.path, kind=type(error).__name__, stack=stack[-12:])


class _Lines(logging.Handler):
    """Records of libraries as lines of this log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        facts: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            facts["kind"] = record.exc_info[0].__name__
        say("library", record.levelname.lower(), **facts)


def install() -> None:
    """Send what libraries log here, from warnings on."""
    logging.basicConfig(handlers=[_Lines()], level=logging.WARNING, force=True)
