"""Ports of this machine: which are free, who holds one, and which this run keeps for itself."""

from __future__ import annotations

import os
import random
import socket
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from mlopsgen.processes.errors import Refused
from mlopsgen.processes.plan import HOST, Plan

HIGHEST = 32000
"""Above, the system gives ports to callers."""

STEP = 10
TRIES = 200


def free(port: int) -> bool:
    """Whether one can listen at a port of the loopback address."""
    with socket.socket() as found:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, port))
        except OSError:
            return False
    return True


class Claim:
    """Ports that two supervisors that start at once do not both take. Ends with the process."""

    def __init__(self) -> None:
        self._held: list[int] = []

    def take(self, ports: Iterable[int]) -> bool:
        """Take all of them, or none where another supervisor has one."""
        import fcntl

        folder = os.path.join(tempfile.gettempdir(), f"mlopsgen-ports-{os.getuid()}")
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            for port in ports:
                self._held.append(os.open(os.path.join(folder, str(port)), os.O_RDWR | os.O_CREAT, 0o600))
        except OSError:
            # Without a place for the claims only the ports themselves tell.
            self.drop()
            return True
        try:
            for descriptor in self._held:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.drop()
            return False
        return True

    def drop(self) -> None:
        """Let go of all."""
        while self._held:
            os.close(self._held.pop())


def offset(ports: Sequence[int], claim: Claim) -> int:
    """An offset at which all ports are free; they are claimed.

    Raises:
        Refused: none was found.
    """
    room = range(0, HIGHEST - max(ports), STEP)
    for tried in (0, *random.SystemRandom().sample(room[1:], min(TRIES, len(room) - 1))):
        shifted = [port + tried for port in ports]
        if all(map(free, shifted)) and claim.take(shifted):
            return tried
    raise Refused("no port offset was found at which all ports are free")


def demand(plan: Plan, claim: Claim) -> None:
    """Claim the ports of a plan.

    Raises:
        Refused: some are taken; all of them are named.
    """
    users = {port: name for name, port in plan.ports.items()}
    for each in plan.processes:
        users |= {plan.ports[name]: each.name for name in each.ports}
    users[plan.ports["page"]] = "the status page"
    taken = {port: user for port, user in users.items() if not free(port)}
    if not taken and claim.take(plan.ports.values()):
        return
    lines = [f"port {port} is taken, and {user} needs it{_held(port)}" for port, user in taken.items()]
    lines = lines or ["another `mlopsgen up` that is starting takes the same ports"]
    raise Refused("\n".join([*lines, "end who holds it, or use other ports: `mlopsgen up --port-offset auto`"]))


def _held(port: int) -> str:
    pid = holder(port)
    if pid is None:
        return ""
    with suppress(OSError), open(f"/proc/{pid}/cmdline", "rb") as stream:
        return (
            f": held by process {pid}, `{stream.read().replace(bytes(1), b' ').decode(errors='replace').strip()[:120]}`"
        )
    return f": held by process {pid}"


def holder(port: int) -> int | None:
    """Process that listens at a port, where /proc tells."""
    inodes = {f"socket:[{inode}]" for inode in _listening(port)}
    for name in os.listdir("/proc") if inodes else ():
        if name.isdigit():
            with suppress(OSError):
                for descriptor in os.listdir(f"/proc/{name}/fd"):
                    with suppress(OSError):
                        if os.readlink(f"/proc/{name}/fd/{descriptor}") in inodes:
                            return int(name)
    return None


def _listening(port: int) -> Iterable[str]:
    """Inodes of the sockets that listen at a port."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError), open(table, encoding="ascii") as stream:
            for line in stream.readlines()[1:]:
                fields = line.split()
                if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]


def shown(ports: Mapping[str, int], names: Iterable[str]) -> str:
    """Ports of a process for people."""
    return ", ".join(str(ports[name]) for name in names)
