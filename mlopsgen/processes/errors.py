"""What the user can put right."""

from __future__ import annotations


class Refused(Exception):
    """Nothing was started, or what ran was ended in order; the text says why and what to do."""


class Running(Refused):
    """Another supervisor holds the folder."""
