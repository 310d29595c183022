"""Who is told of an alert: a walk through the routes of the compiled `alertmanager.yaml`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from mlopsgen.review.documents import Files
from mlopsgen.review.parts import items, mapping, mappings

FILE = "monitoring/alertmanager.yaml"
_MATCHER = re.compile(r'\s*(?P<label>[\w.:-]+|"[^"]*")\s*(?P<operator>=~|!~|!=|=)\s*"?(?P<value>.*?)"?\s*', re.DOTALL)


class Way(NamedTuple):
    """One way on which somebody is told.

    Attributes:
        kind: `slack`, `email`, `pagerduty`, `webhook` or what else Alertmanager knows.
        to: channel, addresses or URL; empty where it is a secret.
    """

    kind: str
    to: str

    @property
    def shown(self) -> str:
        """The way in words."""
        name = {"slack": "Slack", "email": "e-mail", "pagerduty": "PagerDuty"}.get(self.kind, self.kind)
        return f"{name} {self.to}".rstrip()


class Receiver(NamedTuple):
    """A receiver with its ways."""

    name: str
    ways: tuple[Way, ...]


class Routing:
    """The routes of a project; without a compiled file nobody is told."""

    def __init__(self, files: Files) -> None:
        document = mapping(files.document(FILE))
        self._route = mapping(document.get("route"))
        self._inhibits = mappings(document.get("inhibit_rules"))
        self._receivers = {
            str(each.get("name")): Receiver(str(each.get("name")), tuple(_ways(each)))
            for each in mappings(document.get("receivers"))
        }

    def told(self, labels: Mapping[str, str]) -> list[Receiver]:
        """Receivers of an alert with these labels that tell somebody, in the order of the routes."""
        names = dict.fromkeys(_walk(self._route, labels)) if self._route else {}
        return [self._receivers[name] for name in names if name in self._receivers and self._receivers[name].ways]

    def mutes(self, labels: Mapping[str, str]) -> list[str]:
        """Labels that another alert must share to be silent while this one fires; none when it mutes nothing."""
        for rule in self._inhibits:
            if _matches(rule.get("source_matchers"), labels):
                return [str(each) for each in items(rule.get("equal"))]
        return []


def _ways(receiver: Mapping[Any, Any]) -> Iterator[Way]:
    for key, entries in receiver.items():
        for each in mappings(entries) if str(key).endswith("_configs") else ():
            where = each.get("channel") or each.get("to") or each.get("url") or ""
            yield Way(str(key).removesuffix("_configs"), str(where))


def _walk(route: Mapping[Any, Any], labels: Mapping[str, str], above: str = "") -> list[str]:
    """Names of receivers: those of the routes below that match, else the route's own."""
    own = str(route.get("receiver") or above)
    found: list[str] = []
    for child in mappings(route.get("routes")):
        if _matches(child.get("matchers"), labels):
            found += _walk(child, labels, own)
            if child.get("continue") is not True:
                break
    return found or [own]


def _matches(matchers: Any, labels: Mapping[str, str]) -> bool:
    return all(_match(str(each), labels) for each in items(matchers))


def _match(text: str, labels: Mapping[str, str]) -> bool:
    found = _MATCHER.fullmatch(text)
    if found is None:
        return False
    has = labels.get(found["label"].strip('"'), "")
    if "~" in found["operator"]:
        try:
            same = re.fullmatch(found["value"], has) is not None
        except re.error:
            return False
    else:
        same = has == found["value"]
    return same != found["operator"].startswith("!")
