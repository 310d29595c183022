"""What the replicas of a server know of recent requests, taken together."""

from __future__ import annotations

import math
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from mlops_runtime.data.features import VERSION, Counts, Features
from mlops_runtime.endpoint import Endpoint, Reply, Unanswered
from mlopsgen.contract import ports
from mlopsgen.contract.metrics.quality import SIGN

RATING = ("model_feedback_rating_count", "model_feedback_rating_sum")


class Answers(NamedTuple):
    """Signs of recent answers.

    Attributes:
        number: of answers.
        signs: answers that show each sign.
        tokens: of all of them.
        logprob: number and sum of mean log-probabilities.
    """

    number: int
    signs: Mapping[str, int]
    tokens: int
    logprob: tuple[int, float]


class Window(NamedTuple):
    """Requests of a time, over all replicas.

    Attributes:
        features: counts of the requests.
        answers: of theirs.
    """

    features: Features
    answers: Answers


class Replicas:
    """The servers behind an address, each asked by itself.

    A name with several addresses, such as a headless Service's, is several replicas. A Service with one address of its
    own hands each question to any one of its pods: then what is seen is that pod's share of the requests, which are a
    fair sample of all where the balance is fair, and fewer.

    Args:
        url: of the server.
        token: bearer token.
        resolve: addresses of a host, as `socket.getaddrinfo` has them.
    """

    def __init__(self, url: str, token: str | None, resolve: Callable[..., Any] = socket.getaddrinfo) -> None:
        self._url, self._token, self._resolve = url, token, resolve
        self._parts = urlsplit(url)
        self._seen: dict[str, float] = {}

    def window(self) -> Window:
        """Requests since the last call; all that are remembered at the first. No request is part of two windows.

        Replicas that do not answer are left out until they do.

        Raises:
            Unanswered: no replica answers, or one answers something else.
        """
        answers = self._answers(ports.FEATURES, lambda name: f"?since={self._since(name)!r}")
        documents = {name: reply.json() for name, reply in answers.items()}
        try:
            found = _merged(documents.values())
            ends = {name: float(one["end"]) for name, one in documents.items() if one["end"] is not None}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Unanswered(f"{self._url}{ports.FEATURES} answered no counts of requests ({error!r})") from None
        self._seen |= ends
        return found

    def _since(self, name: str) -> float:
        """Time of the first request of a replica that is new."""
        return math.nextafter(self._seen[name], math.inf) if name in self._seen else 0.0

    def rating(self) -> tuple[int, float]:
        """Number and sum of the ratings since the replicas started; those that do not answer are left out.

        Raises:
            Unanswered: no replica answers, or one answers something else.
        """
        from prometheus_client.parser import text_string_to_metric_families

        found = dict.fromkeys(RATING, 0.0)
        for reply in self._answers(ports.METRICS, lambda _: "").values():
            try:
                families = list(text_string_to_metric_families(reply.body.decode()))
            except ValueError as error:
                raise Unanswered(f"{reply.place} answered no metrics ({error!r})") from None
            for sample in (sample for family in families for sample in family.samples):
                if sample.name in found:
                    found[sample.name] += sample.value
        count, total = found.values()
        return int(count), total

    def _answers(self, path: str, query: Callable[[str], str]) -> dict[str, Reply]:
        """What the replicas answer, by address; they come and go while a release is under way.

        Raises:
            Unanswered: none answers 200.
        """
        found, failed = {}, None
        for address, endpoint in self._endpoints().items():
            try:
                reply = endpoint.get(path + query(address))
                if reply.status != 200:
                    raise Unanswered(f"{reply.place} answered {reply.said}")
                found[address] = reply
            except Unanswered as error:
                failed = error
        if failed is not None and not found:
            raise failed
        return found

    def _endpoints(self) -> dict[str, Endpoint]:
        """By address. TLS names the host and not its addresses, so that a server behind it is asked as one."""
        host, port = self._parts.hostname or "", self._parts.port or 80
        if self._parts.scheme == "https":
            return {host: Endpoint(self._url, self._token)}
        try:
            found = self._resolve(host, port, 0, socket.SOCK_STREAM)
        except OSError as error:
            raise Unanswered(f"{host} cannot be found: {error}") from None
        # A replica may have an address of either family: one of them counts each once.
        family = min((one[0] for one in found), key=lambda one: one != socket.AF_INET)
        addresses = sorted({str(one[4][0]) for one in found if one[0] == family})
        if len(addresses) == 1:
            return {addresses[0]: Endpoint(self._url, self._token)}
        shown = {one: f"[{one}]" if ":" in one else one for one in addresses}
        headers = {"Host": self._parts.netloc}
        path = self._parts.path
        return {one: Endpoint(f"http://{shown[one]}:{port}{path}", self._token, headers) for one in addresses}


def _merged(documents: Iterable[Mapping[str, Any]]) -> Window:
    found, counts = list(documents), dict[str, Counts]()
    for document in found:
        if document["version"] != VERSION:
            raise ValueError(f"counts of version {document['version']}, this is version {VERSION}")
        for name, given in document["features"].items():
            kept = counts.setdefault(name, Counts(given["kind"], Counter()))
            for bin, count in given["bins"].items():
                kept.bins[int(bin) if given["kind"] == "number" else bin] += int(count)
    return Window(Features(sum(one["records"] for one in found), counts), _answers(found))


def _answers(found: Sequence[Mapping[str, Any]]) -> Answers:
    return Answers(
        number=sum(one["answers"]["count"] for one in found),
        signs={sign: sum(one["answers"][sign] for one in found) for sign in SIGN},
        tokens=sum(one["output_tokens"] for one in found),
        logprob=(sum(one["logprob"]["count"] for one in found), sum(one["logprob"]["sum"] for one in found)),
    )


def together(first: Features, second: Features) -> Features:
    """Counts of the requests of two windows."""
    counts = {name: Counts(given.kind, given.bins.copy()) for name, given in first.counts.items()}
    for name, given in second.counts.items():
        counts.setdefault(name, Counts(given.kind, Counter())).bins.update(given.bins)
    return Features(first.records + second.records, counts)
