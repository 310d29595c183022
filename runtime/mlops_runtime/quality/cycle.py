"""One cycle after the other: each asks the server, shows what it found, and survives what goes wrong."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from mlops_runtime.data.features import Features
from mlops_runtime.endpoint import PROMPT, Endpoint, Unanswered
from mlops_runtime.errors import Mistaken
from mlops_runtime.quality import heldout, record, scoring, subject
from mlops_runtime.quality.drift import Look, Looks
from mlops_runtime.quality.exposition import Values
from mlops_runtime.quality.heldout import Question
from mlops_runtime.quality.recent import Replicas
from mlops_runtime.quality.retrain import Retrain
from mlops_runtime.quality.scoring import Scores
from mlops_runtime.quality.settings import Settings
from mlops_runtime.quality.subject import Subject
from mlops_runtime.serving import logs
from mlopsgen.contract import ports

PATIENCE = 300.0
"""Seconds that a cycle waits for a server which is not ready, at most; never more than half of a cycle's time."""

POLL = 2.0
"""Seconds between two looks at a server that is not ready."""

T = TypeVar("T")


class Cycles:
    """What lasts from one cycle to the next.

    Args:
        settings: of the exporter.
        token: bearer token of the server; None where it asks for none.
        values: that are shown.
        hook: bearer token of the webhook that starts a training; None where it asks for none.
    """

    def __init__(self, settings: Settings, token: str | None, values: Values, hook: str | None = None) -> None:
        self._settings, self._values = settings, values
        self._endpoint = Endpoint(settings.server, token)
        self._replicas = Replicas(settings.server, token)
        self._looks = Looks(settings.alpha, settings.min_effect, time.monotonic())
        self._retrain = Retrain(settings, hook)
        self._subject: Subject | None = None
        self._questions: list[Question] = []
        self._failed: list[str] = []

    def run(self) -> bool:
        """One cycle; whether all of it went well. What failed keeps its last values, and a metric says so."""
        begin = time.monotonic()
        self._failed = []
        look = scores = None
        if self._tried("server", self._wait):
            about = self._tried("model", self._about)
            look = self._tried("requests", lambda: self._requests(about))
            self._tried("ratings", self._ratings)
            if about is not None:
                scores = self._tried("scores", lambda: self._scores(about, begin))
        self._values.ended(time.monotonic() - begin, bool(self._failed))
        self._retrain.hear(look, scores)
        if not self._failed and self._subject is not None:
            record.keep(self._settings, self._subject.version, self._values.known())
        self._log(time.monotonic() - begin, scores, look)
        return not self._failed

    def _tried(self, what: str, part: Callable[[], T]) -> T | None:
        """What a part of the cycle returns; None where it fails, which is logged."""
        try:
            return part()
        except (Unanswered, Mistaken) as error:
            self._failed.append(what)
            logs.say("failed", "error", part=what, reason=str(error))
            return None
        except Exception as error:  # the next cycle may go well whatever this one died of
            self._failed.append(what)
            stack = [f"{one.filename}:{one.lineno} {one.name}" for one in traceback.extract_tb(error.__traceback__)]
            logs.say("failed", "error", part=what, kind=type(error).__name__, stack=stack[-8:])
            return None

    def _wait(self) -> bool:
        """Wait for the server; true when it is ready.

        Raises:
            Unanswered: it does not become ready.
        """
        end = time.monotonic() + min(PATIENCE, self._settings.every / 2)
        while True:
            try:
                reply = self._endpoint.get(ports.READY, max(0.1, min(PROMPT, end - time.monotonic())))
                said = f"{reply.place} answered {reply.said}"
                if reply.status == 200:
                    return True
            except Unanswered as error:
                said = str(error)
            if time.monotonic() + POLL > end:
                raise Unanswered(said)
            time.sleep(POLL)

    def _about(self) -> Subject:
        """The served model; its files and records are read when it is another than before, or lies in a folder."""
        version, uri = subject.served(self._settings, self._endpoint)
        known = self._subject
        if known is not None and (known.version, known.uri) == (version, uri) and subject.remote(uri):
            return known
        found = subject.load(self._settings, version, uri)
        self._questions = heldout.questions(self._settings, found)
        self._subject = found
        return found

    def _requests(self, about: Subject | None) -> Look:
        """Signs and drift of the requests since the last cycle; while the model is not known, they wait."""
        window = self._replicas.window()
        self._values.answers(window.answers)
        reference = about.reference if about is not None else Features(0, {})
        look = self._looks.look(reference, window.features, time.monotonic())
        self._values.drift(look)
        return look

    def _ratings(self) -> None:
        self._values.rating(*self._replicas.rating())

    def _scores(self, about: Subject, begin: float) -> Scores:
        try:
            scores = scoring.score(self._endpoint, self._questions, begin + self._settings.every)
        finally:
            if self._settings.task == heldout.CLASSES:
                # The server has taken these records for requests: they are no part of the next window.
                self._replicas.window()
        if subject.served(self._settings, self._endpoint) != (about.version, about.uri):
            raise Unanswered("another version came while this one was scored: the next cycle scores that one")
        self._values.scores(scores)
        return scores

    def _log(self, seconds: float, scores: Scores | None, look: Look | None) -> None:
        facts: dict[str, Any] = {"seconds": round(seconds, 3), "failed": self._failed}
        if self._subject is not None:
            facts["version"] = self._subject.version
        if scores is not None:
            facts |= scores._asdict()
        if look is not None:
            facts["requests"] = dict(look.records)
            facts["drift"] = {name: found.state for name, found in look.shifts.items()}
        logs.say("cycle", "warning" if self._failed else "info", **facts)
