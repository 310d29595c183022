"""What all routers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Router(Protocol):
    """A document of a router. Both functions take it as YAML or JSON has it and change nothing in place."""

    def share(self, document: Mapping[str, Any]) -> float:
        """The share that the canary gets, 0 to 1.

        Raises:
            Mistaken: the document is not as `mlopsgen build` writes it.
        """

    def split(self, document: Mapping[str, Any], share: float) -> dict[str, Any]:
        """The document with this share for the canary; testers see the canary while the share is above 0."""
