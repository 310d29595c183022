"""Who calls: the bearer token, and how often one caller may."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping

from mlops_runtime.serving import problems
from mlops_runtime.serving.settings import RateLimit

REMEMBERED = 10_000
"""Callers whose recent requests are known; of more, the one that was quiet longest is forgotten."""


class Token:
    """The bearer token that callers need.

    Args:
        token: itself; only its digest is kept.
    """

    def __init__(self, token: str) -> None:
        self._digest = _digest(token.encode())

    def check(self, header: bytes | None) -> None:
        """Hold an `Authorization` header against it, in a time that does not depend on what is wrong.

        Raises:
            Problem: 401.
        """
        scheme, _, given = (header or b"").partition(b" ")
        same = hmac.compare_digest(_digest(given.strip()), self._digest)
        if not same or scheme.lower() != b"bearer":
            raise problems.unauthorized()


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


class Callers:
    """Requests per caller, by the generic cell rate algorithm (ITU-T I.371): one number a caller.

    Args:
        limit: how many in which time.
        clock: seconds.
    """

    def __init__(self, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit, self._clock = limit, clock
        self._step = limit.per / limit.requests
        self._ends: OrderedDict[str, float] = OrderedDict()

    def count(self, caller: str) -> None:
        """Take one request of a caller.

        Raises:
            Problem: 429, with the seconds until the next one is taken.
        """
        now = self._clock()
        end = max(self._ends.pop(caller, now), now) + self._step
        allowed = end - now <= self.limit.per * (1 + 1e-9)
        self._ends[caller] = end if allowed else end - self._step
        while len(self._ends) > REMEMBERED:
            self._ends.popitem(last=False)
        if not allowed:
            wait = math.ceil(end - now - self.limit.per)
            text = f"more than {self.limit.requests} requests in {self.limit.per:g} s: try again in {max(1, wait)} s"
            raise problems.busy(text, "rate_limit_exceeded", "rate_limit", wait)


def caller(headers: Mapping[bytes, bytes], peer: str, by: str | None) -> str:
    """Who sent a request: the value of the header `by`, else an address.

    The address is the peer's, or what a proxy inside of the network says about its own peer: the last entry of
    `X-Forwarded-For`, which a caller cannot write. From a public peer the header is not believed.

    Args:
        headers: of the request, names in lower case.
        peer: address of the other end of the connection.
        by: name of a header, in lower case.
    """
    if by is not None and (name := headers.get(by.encode())):
        return "=" + hashlib.sha256(name).hexdigest()[:32]
    forwarded = headers.get(b"x-forwarded-for")
    if forwarded and _inside(peer):
        return forwarded.rpartition(b",")[2].strip()[:64].decode("latin-1")
    return peer


def _inside(peer: str) -> bool:
    try:
        found = ipaddress.ip_address(peer)
    except ValueError:
        return False
    return found.is_private or found.is_loopback
