"""`POST /retrain`: from an alert to a training, at most so many a day."""

from __future__ import annotations

import hmac
import json
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from mlops_runtime.errors import Mistaken
from mlops_runtime.retrain import records
from mlops_runtime.retrain.settings import Settings
from mlops_runtime.retrain.starting import Commands, Dispatch, Failed, Starter
from mlops_runtime.retrain.webhook import Unreadable, reasons
from mlops_runtime.serving import logs
from mlopsgen.contract import environment

BEARER = "Bearer "


class Receiver:
    """Takes webhooks.

    Args:
        settings: of the receiver.
        token: that callers must send; None where nobody set one, and then nobody may call.
        starter: of trainings; found from the settings when None.
        now: seconds since 1970.
    """

    def __init__(
        self,
        settings: Settings,
        token: str | None,
        starter: Starter | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._settings, self._token, self._now = settings, token, now
        self._starter = starter if starter is not None else found(settings)
        self._alone = threading.Lock()

    def take(self, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        """Answer one call.

        Returns:
            Status and JSON: 202 with `started` true or false and why, 401 for a wrong token, 400 for another body, 503
            where nothing can be started or recorded, so that Alertmanager tries again.
        """
        if self._token is None:
            return _answer(503, f"{environment.RETRAIN_TOKEN} is not set here: nobody may start a training")
        given = headers.get("authorization", "")
        if not hmac.compare_digest(given.encode(), (BEARER + self._token).encode()):
            return _answer(401, "the bearer token is wrong or missing")
        try:
            asked = reasons(body)
        except Unreadable as error:
            return _answer(400, str(error))
        if not asked:
            return _answer(200, "no alert that asks for a training fires", started=False)
        with self._alone:
            return self._asked("; ".join(asked))

    def stop(self) -> None:
        """End what runs here."""
        if self._starter is not None:
            self._starter.stop()

    def _asked(self, reason: str) -> tuple[int, bytes]:
        if self._starter is None:
            return _answer(503, "nothing to start: `project.repository` names no repository")
        if self._starter.busy:
            return self._refused("a training is under way", reason)
        try:
            before = records.read(self._settings.model)
            why = records.refusal(before, self._now(), self._settings.max_per_day, self._settings.min_interval)
            if why:
                return self._refused(why, reason)
            record = records.made(self._now(), reason)
            records.write(self._settings.model, record)
            records.prune(self._settings.model, [*before, record])
        except Mistaken as error:
            logs.say("retrain not recorded", "error", reason=str(error))
            return _answer(503, "the training cannot be recorded: the registry does not answer")
        try:
            self._starter.start(reason, lambda well: self._ended(record, well))
        except Failed as error:
            logs.say("retrain not started", "error", reason=str(error))
            self._noted(record._replace(state="failed"))
            return _answer(503, "the training did not start; the log says why")
        logs.say("retrain started", reason=reason)
        return _answer(202, reason, started=True)

    def _refused(self, why: str, reason: str) -> tuple[int, bytes]:
        logs.say("retrain refused", reason=reason, why=why)
        return _answer(202, why, started=False)

    def _ended(self, record: records.Record, well: bool) -> None:
        logs.say("retrain ended", "info" if well else "error", well=well)
        self._noted(record._replace(state="ended" if well else "broken"))

    def _noted(self, record: records.Record) -> None:
        try:
            records.write(self._settings.model, record)
        except Mistaken as error:
            logs.say("retrain not recorded", "error", reason=str(error))


def found(settings: Settings) -> Starter | None:
    """What starts trainings; None where nothing does."""
    if settings.commands:
        return Commands(settings.commands)
    return Dispatch(settings.repository) if settings.repository is not None else None


def _answer(status: int, text: str, **more: Any) -> tuple[int, bytes]:
    return status, json.dumps({**more, "reason": text}).encode()
