"""Checksums that know what they are of."""

from __future__ import annotations

from hashlib import sha256


class Checksum(str):
    """The sha256 of a text in hex digits; `of` is the text."""

    __slots__ = ("of",)
    of: str

    def __new__(cls, text: str) -> Checksum:
        """Take the sha256 of a text."""
        self = super().__new__(cls, sha256(text.encode()).hexdigest())
        self.of = text
        return self
