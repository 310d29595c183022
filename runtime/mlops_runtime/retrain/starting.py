"""What starts a training: a repository dispatch of GitHub, or commands on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Protocol

from mlops_runtime.endpoint import Endpoint, Unanswered
from mlops_runtime.serving import logs
from mlopsgen.contract.environment import GITHUB_TOKEN

GITHUB = "https://api.github.com"

GRACE = 20.0
"""Seconds that a command has to end after SIGTERM: a training saves its state."""


class Failed(Exception):
    """It did not start; the text says why."""


class Starter(Protocol):
    """Starts trainings."""

    @property
    def busy(self) -> bool:
        """Whether one that it started is known to be under way."""

    def start(self, reason: str, ended: Callable[[bool], None]) -> None:
        """Start one.

        Args:
            reason: in words.
            ended: called with whether it went well, where the end is known here.

        Raises:
            Failed: it did not start.
        """

    def stop(self) -> None:
        """End what runs here."""


class Dispatch:
    """A repository dispatch, which the generated workflow `ml-retrain` waits for.

    Source: https://docs.github.com/en/rest/repos/repos#create-a-repository-dispatch-event

    Args:
        repository: `owner/name`.
        url: of the API.
    """

    busy = False

    def __init__(self, repository: str, url: str | None = None) -> None:
        self._path = f"/repos/{repository}/dispatches"
        self._url = url or os.environ.get("GITHUB_API_URL") or GITHUB

    def start(self, reason: str, ended: Callable[[bool], None]) -> None:
        """See `Starter`."""
        token = os.environ.get(GITHUB_TOKEN, "").strip()
        if not token:
            raise Failed(f"{GITHUB_TOKEN} is not set: a token that may write contents of the repository")
        headers = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
        body = {"event_type": "retrain", "client_payload": {"reason": reason}}
        try:
            reply = Endpoint(self._url, token, headers).post(self._path, body, timeout=30)
        except Unanswered as error:
            raise Failed(str(error)) from None
        if reply.status != 204:
            raise Failed(f"{reply.place} answered {reply.said}")

    def stop(self) -> None:
        """See `Starter`: GitHub runs it."""


class Commands:
    """Commands one after the other, in the working directory; one that fails ends it.

    Args:
        commands: of the training.
    """

    def __init__(self, commands: tuple[tuple[str, ...], ...]) -> None:
        self._commands = commands
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[str] | None = None
        self._stopped = False

    @property
    def busy(self) -> bool:
        """See `Starter`."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, reason: str, ended: Callable[[bool], None]) -> None:
        """See `Starter`."""
        self._thread = threading.Thread(target=lambda: ended(self._run()), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """See `Starter`: the whole group of the command that runs, gently first."""
        self._stopped = True
        process = self._process
        if process is not None and process.poll() is None:
            _signal(process, signal.SIGTERM)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                _signal(process, signal.SIGKILL)

    def _run(self) -> bool:
        return all(not self._stopped and self._one(command) for command in self._commands)

    def _one(self, command: tuple[str, ...]) -> bool:
        shown = " ".join(command)
        logs.say("retrain runs", command=shown)
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            logs.say("retrain failed", "error", command=shown, reason=f"{command[0]}: {error.strerror}")
            return False
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.strip():
                logs.say("retrain says", text=line.rstrip()[:500])
        code = self._process.wait()
        if code:
            logs.say("retrain failed", "error", command=shown, code=code)
        return code == 0


def _signal(process: subprocess.Popen[str], number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return
