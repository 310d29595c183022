"""Who sees the challenger: a salted hash of the user, the same in every process and every language.

The position of a user is made of the first 13 hexadecimal digits of SHA-256 over `salt:user` in UTF-8, divided by
16^13: exact in a double, and so in JavaScript, too. The canary has the positions from 0 up to its share: when the share
grows, users join it and nobody leaves. Another salt is another lot, so that two experiments do not share their luck.
"""

from __future__ import annotations

import hashlib

from mlops_runtime.errors import Mistaken
from mlopsgen.contract.metrics import VARIANT

DIGITS = 13
"""Hexadecimal digits of a position: 52 bits."""

PSEUDONYM = 16
"""Hexadecimal digits by which a user is known in records: 64 bits; of a million users, two are mistaken for one another
once in 37 million logs."""

CHAMPION, CANARY = VARIANT


def position(salt: str, user: str) -> float:
    """Where a user stands, from 0 to below 1.

    Args:
        salt: of the experiment, without `:`.
        user: the id, as callers send it.

    Raises:
        Mistaken: no salt, no user, or a `:` in the salt, with which two pairs could be one text.
    """
    if not salt or ":" in salt:
        raise Mistaken(f"the salt is {salt!r}: a text of the experiment's own without `:`")
    if not user:
        raise Mistaken("a user id is empty: users without one are in no experiment")
    return float(int(hashlib.sha256(f"{salt}:{user}".encode()).hexdigest()[:DIGITS], 16) / 16**DIGITS)


def arm(salt: str, user: str, share: float) -> str:
    """`canary` for a user whose position is below the share, else `champion`; arguments as of `position`."""
    return CANARY if position(salt, user) < share else CHAMPION


def pseudonym(salt: str, user: bytes) -> str:
    """The name of a user in records: what comes again can be told, who it is cannot be read.

    Args:
        salt: of project and environment.
        user: value of the header that tells users apart.
    """
    return hashlib.sha256(salt.encode() + b"\0" + user).hexdigest()[:PSEUDONYM]
