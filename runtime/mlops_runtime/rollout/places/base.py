"""What a rollout asks of the place where it happens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, Protocol

from mlops_runtime.rollout.state import State

Variant = Literal["champion", "canary"]


class Conflict(Exception):
    """Somebody else wrote since it was read: read again."""


class Unreachable(Exception):
    """The place does not answer now; the text says who and why."""


class Held(NamedTuple):
    """State and weights as they were read.

    Attributes:
        state: of the last rollout; None before the first.
        share: that the router gives the canary.
        right: whether the router does what the state says, testers included.
        revision: by which a write knows whether somebody else wrote in between.
        document: of the router.
    """

    state: State | None
    share: float
    right: bool
    revision: Any
    document: Any


class Servers(NamedTuple):
    """The servers of a variant.

    Attributes:
        version: of the model that they are told to serve; None for none.
        wanted: how many there should be.
        ready: how many serve that version and are ready.
        stuck: why more of them will not become ready; empty while there is hope.
    """

    version: str | None
    wanted: int
    ready: int
    stuck: str = ""


class Place(Protocol):
    """A place. Everything raises `Unreachable` when it cannot be asked."""

    def read(self) -> Held:
        """State and weights."""

    def write(self, held: Held, state: State) -> None:
        """Remember a state and give its weight to the router.

        Raises:
            Conflict: somebody wrote since `held` was read.
        """

    def settled(self, state: State) -> bool:
        """Whether the router is known to do what the state says."""

    def servers(self, variant: Variant) -> Servers:
        """The servers of a variant."""

    def prepare(self, version: str | None) -> str:
        """Have a canary, and say which version it serves.

        Args:
            version: that it is to serve; None for the one that the place knows.

        Raises:
            Mistaken: there is none, or it serves another one.
        """

    def scale(self, number: int) -> None:
        """Set the number of canary servers."""

    def replace(self) -> None:
        """Make the champion's servers run what the canary's run."""

    def leads(self) -> bool:
        """Whether this controller is the one that acts; renews its claim."""

    def resign(self) -> None:
        """Give the claim up."""

    def publish(self, content: Mapping[str, Any]) -> None:
        """Show `status.content` to people, where the place has a page for that."""

    def tell(self, text: str, bad: bool = False) -> None:
        """Say what was decided where people of this place look for it; whether it arrives does not matter."""
