"""One machine, as `mlopsgen up` runs it: files for the state and for Envoy's weights, a list of the servers."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from mlops_runtime import settings as yaml
from mlops_runtime.data import atomic
from mlops_runtime.endpoint import Endpoint, Unanswered
from mlops_runtime.errors import Mistaken
from mlops_runtime.rollout import state as states
from mlops_runtime.rollout.places.base import Conflict, Held, Servers, Unreachable, Variant
from mlops_runtime.rollout.routers.envoy import Envoy
from mlops_runtime.rollout.state import State
from mlopsgen.contract import ports

PATIENCE = 180.0
"""Seconds in which a server may become ready."""

BUSY = 10.0
"""Seconds that another writer may take."""


class Local:
    """This machine.

    Args:
        given: section `local` of the settings.
        router: of `routes.yaml`.
        challenger: gives the version that is to be tried where nobody names one; None for none.
        clock: seconds that only grow.
    """

    def __init__(
        self,
        given: Mapping[str, Any],
        router: Envoy,
        challenger: Callable[[], str | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._routes, self._router, self._challenger, self._clock = str(given["routes"]), router, challenger, clock
        self._servers, self._status = str(given["servers"]), str(given["status"])
        folder = os.path.dirname(self._status)
        self._addresses: dict[Variant, Endpoint] = {
            "champion": Endpoint(given["champion"]),
            "canary": Endpoint(given["canary"]),
        }
        self._envoy = Endpoint(given["envoy"])
        self._state = os.path.join(folder, "state.json")
        os.makedirs(folder, exist_ok=True)
        self._writing = FileLock(os.path.join(folder, "state.lock"))
        self._leading = FileLock(os.path.join(folder, "controller.lock"))
        self._since: dict[Variant, tuple[str, float]] = {}

    def read(self) -> Held:
        """See `Place`."""
        document = yaml.content(self._routes) if os.path.exists(self._routes) else None
        if not isinstance(document, dict):
            raise Unreachable(f"there is no {self._routes}: start the machine with `mlopsgen up`")
        text = _text(self._state)
        state = states.read(text, self._state) if text else None
        share = self._router.share(document)
        right = document == self._router.split(document, state.weight if state is not None else 0.0)
        return Held(state, share, right, self._revision(), document)

    def write(self, held: Held, state: State) -> None:
        """See `Place`. The state comes first: weights that a process did not come to are set right by the next."""
        wanted = self._router.split(held.document, state.weight)
        with self._alone():
            if self._revision() != held.revision:
                raise Conflict(self._state)
            atomic.write(self._state, states.written(state).encode())
            if wanted != held.document:
                # JSON is YAML, and unlike YAML it has one meaning for every reader.
                atomic.write(self._routes, json.dumps(wanted, indent=1).encode())

    def settled(self, state: State) -> bool:
        """See `Place`: Envoy says what it does."""
        try:
            dump = self._envoy.get("/config_dump?resource=dynamic_route_configs", timeout=5).json()
            loaded = [one["route_config"] for one in dump["configs"]]
            document = {"resources": loaded}
            return bool(loaded) and abs(self._router.share(document) - state.weight) < 1e-9
        except (Unanswered, KeyError, TypeError, Mistaken):
            return False

    def servers(self, variant: Variant) -> Servers:
        """See `Place`."""
        version = self._listed().get(variant)
        if version is None:
            self._since.pop(variant, None)
            return Servers(None, 0, 0)
        if self._serves(variant, version):
            self._since.pop(variant, None)
            return Servers(version, 1, 1)
        known, since = self._since.setdefault(variant, (version, self._clock()))
        if known != version:
            self._since[variant] = (version, since := self._clock())
        late = self._clock() - since > PATIENCE
        return Servers(version, 1, 0, f"it is not ready after {PATIENCE:.0f} s: see its log" if late else "")

    def _serves(self, variant: Variant, version: str) -> bool:
        endpoint = self._addresses[variant]
        try:
            ready = endpoint.get(ports.READY, timeout=5).status == 200
            return ready and str(endpoint.get(ports.VERSION, timeout=5).json().get("version")) == version
        except (Unanswered, AttributeError):
            return False

    def prepare(self, version: str | None) -> str:
        """See `Place`."""
        wanted = version or self._challenger()
        if wanted is None:
            raise Mistaken("the registry has no challenger: train one with `dvc repro`, or name a `--model-version`")
        if self._listed().get("champion") == wanted:
            raise Mistaken(f"version {wanted} is the champion already")
        self._list(canary=wanted)
        return wanted

    def scale(self, number: int) -> None:
        """See `Place`: there is one canary or none."""
        if number == 0 and self._listed().get("canary") is not None:
            self._list(canary=None)

    def replace(self) -> None:
        """See `Place`."""
        self._list(champion=self._listed().get("canary"))

    def leads(self) -> bool:
        """See `Place`: the lock ends with the process."""
        try:
            self._leading.acquire(timeout=0)
        except Timeout:
            return False
        return True

    def resign(self) -> None:
        """See `Place`."""
        self._leading.release(force=True)

    def publish(self, content: Mapping[str, Any]) -> None:
        """See `Place`."""
        atomic.write_json(self._status, content)

    def tell(self, text: str, bad: bool = False) -> None:
        """See `Place`: the log says it."""

    def _listed(self) -> dict[str, str | None]:
        """Version of each server, as the list says that they should be."""
        text = _text(self._servers)
        try:
            found = json.loads(text) if text else {}
            return {name: None if one is None else _version(one) for name, one in found.items()}
        except (ValueError, AttributeError, KeyError, TypeError):
            raise Mistaken(f"{self._servers} is no list of servers: remove it and run `mlopsgen up`") from None

    def _list(self, **versions: str | None) -> None:
        with self._alone():
            listed = {**self._listed(), **versions}
            content = {name: {"version": version} for name, version in listed.items() if version is not None}
            atomic.write_json(self._servers, content)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with self._writing.acquire(timeout=BUSY):
                yield
        except Timeout:
            raise Unreachable(f"another process holds {self._writing.lock_file}") from None

    def _revision(self) -> str:
        seen = hashlib.sha256()
        for path in (self._state, self._routes):
            seen.update(_text(path).encode() + b"\0")
        return seen.hexdigest()


def _version(one: Any) -> str | None:
    version = one["version"]
    return None if version is None else str(version)


def _text(path: str) -> str:
    """Content of a file; empty when there is none."""
    try:
        return Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Unreachable(f"{path}: {error.strerror}") from None
