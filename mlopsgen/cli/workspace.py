"""Which spec, which folder, which repository."""

from __future__ import annotations

import os

from mlopsgen.output.repository import repository_root

SPEC = "mlops.yaml"


class Workspace:
    """A spec and the folders around it.

    Attributes:
        spec: path of the spec as the user wrote it; names it in diagnostics.
        folder: absolute path of the folder that output goes to.
        repository: absolute path of the root that workflows go to.
    """

    __slots__ = ("folder", "repository", "spec")

    def __init__(self, argument: str) -> None:
        self.spec = os.path.join(argument, SPEC) if os.path.isdir(argument) else argument
        if self.spec.startswith("./"):
            self.spec = self.spec[2:]
        self.folder = os.path.realpath(os.path.dirname(os.path.abspath(self.spec)))
        self.repository = repository_root(self.folder)

    @property
    def relative(self) -> str:
        """The folder below the repository's root with `/`, empty for the root itself."""
        relative = os.path.relpath(self.folder, self.repository).replace(os.sep, "/")
        return "" if relative == "." else relative
