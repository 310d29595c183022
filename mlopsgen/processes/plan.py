"""`local/processes.yaml` as data."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlopsgen.processes.errors import Refused

FILE = "local/processes.yaml"
HOST = "127.0.0.1"
HIGHEST = 65535

_PORT = re.compile(r"(127\.0\.0\.1:|\bport(?:_value)?(?:: |=))(\d+)\b")
_NAME = re.compile(r"\$\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Process:
    """One process.

    Attributes:
        name: of it and of its log.
        command: words; the first is looked for beside the Python that runs this, and on PATH.
        also: other names of that program.
        install: how to get the program.
        environment: variables beside those of the shell.
        after: processes that are ready before it starts.
        ports: names of the ports it listens at.
        ready: URL that answers with 200 when it is; None for as soon as it runs.
        within: seconds in which it becomes ready.
        release: server in the list of releases; it runs the version that is named there, or not at all.
        grace: seconds from asking it to end to killing it.
        restart: whether it is started again when it ends.
        restarts: failures in a row after which it is left alone.
        pause: seconds before the first restart; each further one waits twice as long.
        on_demand: runs only when asked for by name.
    """

    name: str
    command: tuple[str, ...]
    also: tuple[str, ...] = ()
    install: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    ready: str | None = None
    within: float = 60.0
    release: str | None = None
    grace: float = 5.0
    restart: bool = True
    restarts: int = 5
    pause: float = 1.0
    on_demand: bool = False


@dataclass(frozen=True, slots=True)
class Releases:
    """Which version each server runs.

    Attributes:
        file: that says so.
        servers: that it may name.
        registry: process that knows them.
        champion: URL that the registry answers with the version to begin with.
        help: what to do when it has none.
    """

    file: str
    servers: tuple[str, ...]
    registry: str
    champion: str
    help: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that runs.

    Attributes:
        project: its name.
        offset: added to every port.
        ports: by name; `page` is the status page's.
        copies: generated file and where the processes read it.
        folders: made before the start.
        tokens: variables with a secret made for this run, and the file it is also written to.
        releases: of the servers.
        rollout: file in which the rollout's controller says how it stands.
        alerts: URL of Prometheus' alerts.
        tracking: variables for people who train.
        links: addresses for people.
        processes: in the order of starting.
    """

    project: str
    ports: Mapping[str, int]
    processes: tuple[Process, ...]
    offset: int = 0
    copies: Mapping[str, str] = field(default_factory=dict)
    folders: tuple[str, ...] = ()
    tokens: Mapping[str, str] = field(default_factory=dict)
    releases: Releases | None = None
    rollout: str | None = None
    alerts: str | None = None
    tracking: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def read(folder: str, offset: int = 0) -> Plan:
    """The plan of a project, with its ports shifted.

    Args:
        folder: of the project.
        offset: added to every port.

    Raises:
        Refused: there is none, or it cannot be read.
    """
    path = os.path.join(folder, FILE)
    try:
        with open(path, encoding="utf-8") as stream:
            text = stream.read()
    except FileNotFoundError:
        raise Refused(
            f"there is no {path}: run `mlopsgen build` first (and see that `targets.local` is not off)"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{path} cannot be read: {error}") from None
    import yaml

    try:
        usual = yaml.safe_load(text)["ports"]
        plan = _plan(yaml.safe_load(shifted(text, usual.values(), offset)), offset)
        _check(plan)
    except (yaml.YAMLError, KeyError, TypeError, ValueError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise Refused(f"{path} is not what `mlopsgen build` writes ({reason}): build again") from None
    if (highest := max(plan.ports.values())) > HIGHEST:
        raise Refused(f"--port-offset {offset}: ports would reach {highest}, and {HIGHEST} is the highest")
    return plan


def shifted(text: str, ports: Collection[int], offset: int) -> str:
    """A text with its ports shifted: those of ours that stand in a local address or behind `port`."""
    if not offset:
        return text
    return _PORT.sub(lambda m: m[1] + str(int(m[2]) + offset) if int(m[2]) in ports else m[0], text)


def filled(text: str, values: Mapping[str, str]) -> str:
    """A text with `${NAME}` replaced.

    Raises:
        KeyError: a name that has no value.
    """
    return _NAME.sub(lambda match: values[match[1]], text)


def names(text: str) -> set[str]:
    """What `filled` needs."""
    return set(_NAME.findall(text))


def _plan(given: Any, offset: int) -> Plan:
    releases = given.get("releases")
    return Plan(
        project=str(given["project"]),
        ports={name: int(port) + offset for name, port in given["ports"].items()},
        processes=tuple(_process(each) for each in given["processes"]),
        offset=offset,
        copies=_texts(given, "copies"),
        folders=tuple(given.get("folders") or ()),
        tokens=_texts(given, "tokens"),
        releases=None if releases is None else Releases(**{**releases, "servers": tuple(releases["servers"])}),
        rollout=given.get("rollout"),
        alerts=given.get("alerts"),
        tracking=_texts(given, "tracking"),
        links=_texts(given, "links"),
    )


def _process(given: Mapping[str, Any]) -> Process:
    lists = {name: tuple(map(str, given.get(name) or ())) for name in ("command", "also", "after", "ports")}
    return Process(**{**given, **lists, "environment": _texts(given, "environment")})


def _texts(given: Mapping[str, Any], name: str) -> dict[str, str]:
    return {str(key): str(value) for key, value in (given.get(name) or {}).items()}


def _check(plan: Plan) -> None:
    """Raises ValueError for what cannot work: names that nothing has, rings, ports that are none."""
    known: set[str] = set()
    for each in plan.processes:
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]*", each.name) or each.name in known or not each.command:
            raise ValueError(f"process {each.name!r}")
        if missing := {*each.after} - known | {*each.ports} - plan.ports.keys():
            raise ValueError(f"{each.name} needs {', '.join(sorted(missing))}")
        if each.release is not None and (plan.releases is None or each.release not in plan.releases.servers):
            raise ValueError(f"{each.name} has no release {each.release}")
        known.add(each.name)
    if "page" not in plan.ports or min(plan.ports.values()) < 1:
        raise ValueError("ports")
