"""How everything is: plain data for the page, for `mlopsgen status`, for programs."""

from __future__ import annotations

import http.client
import json
import os
import threading
import time
import urllib.request
from collections.abc import Mapping
from typing import Any

from mlopsgen.processes import rollout
from mlopsgen.processes.child import Child
from mlopsgen.processes.supervisor import Supervisor

TAIL = 20
"""Lines of each log."""

FRESH = 2.0
"""Seconds for which alerts are not asked for again."""

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Status:
    """What a supervisor can tell. Asked by other threads than its own."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._of = supervisor
        self._lock = threading.Lock()
        self._asked, self._alerts = 0.0, {}  # type: tuple[float, dict[str, Any]]

    def document(self) -> dict[str, Any]:
        """Everything at this moment."""
        found, plan = self._of, self._of.plan
        return {
            "project": plan.project,
            "pid": os.getpid(),
            "page": found.page,
            "began": found.began,
            "now": time.time(),
            "ending": found.ending,
            "offset": plan.offset,
            "links": dict(plan.links),
            "environment": dict(plan.tracking),
            "processes": [self._process(each) for each in found.children],
            "rollout": self.rollout(),
            "alerts": self._current(),
        }

    def rollout(self) -> dict[str, Any] | None:
        """What the rollout's controller has written; None before the first rollout."""
        name = self._of.plan.rollout
        return None if name is None else rollout.read(self._of.place.path(name))

    def report(self) -> str | None:
        """Path of the rollout's report, when it is a page in the project's folder."""
        name = (self.rollout() or {}).get("report")
        if not name or not name.endswith(".html"):
            return None
        root = self._of.place.folder
        path = os.path.realpath(os.path.join(root, name))
        return path if path.startswith(root + os.sep) and os.path.isfile(path) else None

    def _process(self, child: Child) -> dict[str, Any]:
        plan, place = self._of.plan, self._of.place
        return {
            "name": child.process.name,
            "state": child.state,
            "text": child.text,
            "since": child.since,
            "answers": child.answers,
            "restarts": child.restarts,
            "version": child.version or None,
            "pid": child.own_pid,
            "ports": {name: plan.ports[name] for name in child.process.ports},
            "log": place.log(child.process.name),
            "tail": place.tail(child.process.name, TAIL),
        }

    def _current(self) -> dict[str, Any]:
        with self._lock:
            if time.monotonic() - self._asked > FRESH:
                self._alerts, self._asked = self._ask(), time.monotonic()
            return self._alerts

    def _ask(self) -> dict[str, Any]:
        if self._of.plan.alerts is None:
            return {"error": None, "found": []}
        try:
            with _DIRECT.open(self._of.plan.alerts, timeout=2) as answer:
                found = [_alert(each) for each in json.load(answer)["data"]["alerts"]]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
            return {"error": "Prometheus does not answer", "found": []}
        return {"error": None, "found": sorted(found, key=lambda each: (each["state"], each["name"]))}


def _alert(given: Mapping[str, Any]) -> dict[str, Any]:
    labels, notes = given["labels"], given.get("annotations") or {}
    return {
        "name": labels["alertname"],
        "state": given["state"],
        "severity": labels.get("severity", ""),
        "variant": labels.get("variant", ""),
        "summary": notes.get("summary", ""),
        "description": notes.get("description", ""),
        "since": given.get("activeAt", ""),
    }
