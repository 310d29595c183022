"""`mlops-runtime quality`: measure on a schedule, and show it at `/metrics`, until SIGTERM."""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

from mlops_runtime.listening import listening
from mlops_runtime.quality import settings
from mlops_runtime.quality.cycle import Cycles
from mlops_runtime.quality.exposition import Values
from mlops_runtime.retrain.receiver import Receiver
from mlops_runtime.serving import logs
from mlopsgen.contract import environment, ports


def quality(port: int | None = None) -> int:
    """Run the exporter.

    Args:
        port: to listen at; as the settings say when None.

    Returns:
        Exit code, after SIGTERM or SIGINT.

    Raises:
        Mistaken: no settings, or the port is taken.
    """
    given = settings.read()
    logs.install()
    values = Values(given)
    cycles = Cycles(given, _secret(environment.AUTH_TOKEN), values, _secret(environment.RETRAIN_TOKEN))
    receiver = Receiver(given.receiver, _secret(environment.RETRAIN_TOKEN)) if given.receiver is not None else None
    previous = {number: signal.signal(number, _stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        takers = {ports.RETRAIN: receiver.take} if receiver is not None else {}
        with listening(values.text, given.port if port is None else port, given.host, takers) as found:
            logs.say("listening", port=found, server=given.server, every=given.every)
            forever(cycles.run, given.every)
    except SystemExit:
        logs.say("stopped")
        # As it ends, the interpreter looks for garbage: seconds, among the objects of the libraries loaded here.
        gc.freeze()
    finally:
        if receiver is not None:
            receiver.stop()
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def forever(
    cycle: Callable[[], Any],
    every: float,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run a cycle at once and then every so many seconds; a cycle that takes longer skips those that it covers."""
    due = clock()
    while True:
        cycle()
        due += every * max(1, -(-(clock() - due) // every))
        sleep(max(0.0, due - clock()))


def _secret(variable: str) -> str | None:
    return os.environ.get(variable, "").strip() or None


def _stop(*_: Any) -> None:
    """End at once, also in the middle of a request: nothing is half written."""
    sys.exit(0)
