"""`mlops-runtime rollout run`: the controller, until SIGTERM."""

from __future__ import annotations

import signal
import threading
from typing import Any

from mlops_runtime.listening import listening
from mlops_runtime.rollout import assembly, settings
from mlops_runtime.rollout.exposition import Values
from mlops_runtime.serving import logs


def run(environment: str | None, port: int | None = None) -> int:
    """Run the controller.

    Args:
        environment: its name; None where `MLOPS_CONFIG` names the settings.
        port: of its metrics; as the settings say when None.

    Returns:
        Exit code, after SIGTERM or SIGINT.

    Raises:
        Mistaken: no settings, no cluster, or the port is taken.
    """
    given = settings.read(environment)
    logs.install()
    values = Values(given.model)
    found = assembly.controller(given, values)
    ended = threading.Event()
    previous = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with listening(values.text, given.port if port is None else port, given.host) as heard:
            logs.say("listening", port=heard, environment=given.environment, every=given.pace)
            forever(found, ended)
    finally:
        found.resign()
        for number, handler in previous.items():
            signal.signal(number, handler)
    logs.say("stopped")
    return 0


def forever(controller: Any, ended: threading.Event) -> None:
    """Turn after turn until `ended` is set; a turn that has begun is finished."""
    while not ended.is_set():
        ended.wait(controller.turn())
