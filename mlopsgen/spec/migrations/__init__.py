"""Older versions of the language, and what brings a spec of one to the next.

A version is a module with `VERSION`, the one that it comes from, and `steps`, small functions that look at a document
and say what to change. They know the language of their time only: no later change of it changes them.
"""

from __future__ import annotations

from mlopsgen.spec.migrations import zero
from mlopsgen.spec.migrations.step import Step

CHAIN: dict[int, tuple[Step, ...]] = {zero.VERSION: zero.steps}
"""What brings a spec of a version to the next one, step by step."""
