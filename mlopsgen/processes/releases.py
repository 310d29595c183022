"""Which version of the model each server is to run: a file that is watched, and begun with the registry's champion."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping

from mlopsgen.processes.place import Place
from mlopsgen.processes.plan import Releases

EVERY = 0.5
"""Seconds between two looks at the file."""

ASK = 2.0
"""Seconds between two questions to the registry."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Watch:
    """The file of releases as it was when it could be read last."""

    def __init__(self, given: Releases, place: Place) -> None:
        self._given, self._place = given, place
        self._seen: tuple[int, ...] | None = None
        self._versions: Mapping[str, str | None] = {}
        self._trouble, self._looked, self._asked = "", 0.0, 0.0
        self._exists = self._asked_once = False
        self._asking: threading.Thread | None = None
        self._answer: tuple[str, str] = ("", "")

    def turn(self, registry: bool) -> None:
        """Look again when it is time to.

        Args:
            registry: whether the registry can be asked.

        Raises:
            OSError: the file cannot be written.
        """
        if time.monotonic() - self._looked < EVERY:
            return
        self._looked = time.monotonic()
        self._read()
        if self._exists or not registry:
            return
        version, _ = self._answer
        if version:
            content = dict.fromkeys(self._given.servers) | {self._given.servers[0]: {"version": version}}
            self._place.write(self._given.file, json.dumps(content, indent=1) + "\n")
            self._answer = ("", "")
            self._read()
        elif (self._asking is None or not self._asking.is_alive()) and time.monotonic() - self._asked > ASK:
            self._asked = time.monotonic()
            self._asking = threading.Thread(target=self._ask, daemon=True)
            self._asking.start()

    @property
    def settled(self) -> bool:
        """Whether the file is there, or the registry has said that it knows none."""
        return self._exists or self._asked_once

    def version(self, server: str) -> str | None:
        """What a server is to run; None for nothing."""
        return self._versions.get(server)

    def why(self, server: str) -> str:
        """Why a server runs nothing."""
        if self._trouble:
            return self._trouble
        if self._exists or server != self._given.servers[0]:
            return f"no version in {self._given.file}"
        return self._answer[1]

    def _read(self) -> None:
        path = self._place.path(self._given.file)
        try:
            found = os.stat(path)
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            self._exists = True
            if seen == self._seen:
                return
            with open(path, encoding="utf-8") as stream:
                self._versions = _versions(json.load(stream))
            self._seen, self._trouble = seen, ""
        except FileNotFoundError:
            self._exists, self._seen, self._versions, self._trouble = False, None, {}, ""
        except (OSError, ValueError, AttributeError, KeyError, TypeError) as error:
            self._trouble = f"{self._given.file} cannot be read ({error}): what runs goes on"

    def _ask(self) -> None:
        try:
            with _DIRECT.open(self._given.champion, timeout=10) as answer:
                self._answer = (str(json.load(answer)["model_version"]["version"]), "")
            return
        except urllib.error.HTTPError as error:
            none = error.code in (400, 404)
            self._answer = (
                "",
                f"no champion in the registry yet: {self._given.help}" if none else f"the registry says {error}",
            )
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
            self._answer = ("", f"the registry does not say its champion: {error}")
        self._asked_once = True


def _versions(content: Mapping[str, Mapping[str, object] | None]) -> dict[str, str | None]:
    versions = {name: None if one is None else one["version"] for name, one in content.items()}
    return {name: None if version is None else str(version) for name, version in versions.items()}
