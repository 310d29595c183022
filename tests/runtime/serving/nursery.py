"""A process that forks servers with a fake engine, so that each starts in a moment: a port a line in, events out."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import uvloop
from mlops_runtime.serving import app, serve

from tests.runtime.serving.fake import FakeEngine, made


def child(port: int) -> int:
    """Serve at a port until SIGTERM; its exit code."""
    service = made(FakeEngine(slots=16, step=0.003), port=port, queue=200, timeout=10.0)
    service.drain.warm = False
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve.run(service, "127.0.0.1"))


def main() -> None:
    """Fork a server for each line, and tell how each ended."""
    app.made(made())
    tell("up")
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            os.dup2(2, 1)
            os._exit(child(int(line)))
        tell(f"born {pid}")
        threading.Thread(target=bury, args=(pid,)).start()


def tell(event: str) -> None:
    """One line in one write: those of several threads do not mix, and no lock is held when the next server forks."""
    os.write(1, f"{event}\n".encode())


def bury(pid: int) -> None:
    """Wait for a child's end."""
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    tell(f"dead {pid} {code}")


if __name__ == "__main__":
    main()
