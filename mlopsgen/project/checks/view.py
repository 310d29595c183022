"""What a check sees."""

from __future__ import annotations

from typing import NamedTuple

from mlopsgen.diagnostics import Diagnostic, Span, diagnose
from mlopsgen.spec.document import Spec
from mlopsgen.spec.tree import Node, Path, dotted

Also = tuple[tuple[str, Path], ...]
"""Other places that take part, each with a label."""


class View(NamedTuple):
    """A valid document, with one environment's overlays merged in, and where everything stands.

    Attributes:
        name: the environment, empty for the document itself.
    """

    name: str
    spec: Spec
    tree: Node

    def span(self, *path: str | int) -> Span:
        """Place of the value at `path`, or of what encloses it."""
        return self.tree.nearest(path).span

    def key(self, *path: str | int) -> Span:
        """Place of the key at `path`."""
        return self.tree.key_span(path)

    def written(self, path: Path) -> str:
        """The path as it stands in the file: an overlay's own."""
        node = self.tree.find(path)
        return dotted(node.path if node is not None and node.path else path)

    def finding(
        self,
        code: str,
        message: str,
        *path: str | int,
        help: str = "",
        also: Also = (),
        on_key: bool = False,
    ) -> Diagnostic:
        """A diagnostic at `path`, with the other places that take part."""
        span = self.key(*path) if on_key else self.span(*path)
        places = [(label, self.span(*other)) for label, other in also if self.tree.find(other) is not None]
        related = tuple((label, place) for label, place in places if place != span)
        return diagnose(code, message, path=self.written(path), span=span, help=help, related=related)
