"""Which spec, which folder, which repository."""

from __future__ import annotations

import os

from mlopsgen.output.repository import root_above

SPEC = "mlops.yaml"
SHARED = "mlops.workspace.yaml"
"""File at a repository's root that holds what its projects share."""

MAX_SHARED = 1024 * 1024


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
        self.repository = root_above(self.folder)

    @property
    def relative(self) -> str:
        """The folder below the repository's root with `/`, empty for the root itself."""
        relative = os.path.relpath(self.folder, self.repository).replace(os.sep, "/")
        return "" if relative == "." else relative

    @property
    def spec_file(self) -> str:
        """Name of the spec in its folder."""
        return os.path.basename(self.spec)

    @property
    def shared(self) -> str:
        """Path of the file with what the repository's projects share; names it in diagnostics."""
        path = os.path.join(self.repository, SHARED)
        try:
            return path if os.path.isabs(self.spec) else os.path.relpath(path)
        except ValueError:  # on another drive
            return path


def shared_bytes(path: str) -> bytes:
    """Content of a workspace file, at most a byte more than 1 MiB of it; empty when there is none. Raises OSError."""
    if not os.path.isfile(path):
        return b""
    with open(path, "rb") as stream:
        return stream.read(MAX_SHARED + 1)
