"""What a target hands out, and what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Root = Literal["project", "repository"]


@dataclass(frozen=True, slots=True)
class Commented:
    """A scalar with a comment behind it, where the format has comments."""

    value: Any
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One file that a target wants on disk. Exactly one of `template`, `data` and `text` is given.

    Attributes:
        path: forward slashes, relative to `root`; its suffix chooses the writer.
        root: the folder of mlops.yaml, or the root of the git repository around it.
        keep: written once when absent, then the user's: never compared, changed or removed.
        template: name below `templates/`, rendered with `context`.
        data: mappings, lists and scalars, written as YAML or JSON. A tuple of documents makes
            a YAML stream.
        text: the content as it is.
        comment: lines put at the top of `data` written as YAML.
    """

    path: str
    root: Root = "project"
    keep: bool = False
    template: str | None = None
    context: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    text: str | None = None
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A file in memory, ready to be written.

    Attributes:
        path: as in `File`.
        root: as in `File`.
        keep: as in `File`.
        target: name of the target that made it.
        content: the bytes, UTF-8 with LF line ends.
    """

    path: str
    target: str
    content: bytes
    root: Root = "project"
    keep: bool = False

    @property
    def key(self) -> str:
        """The path as the lock names it: `//` in front of what lies at the repository's root."""
        return f"//{self.path}" if self.root == "repository" else self.path


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an interpolated value stands in a file and which spec paths it came from. Line and column from 1."""

    line: int
    column: int
    end_column: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Output:
    """Content of one file and the origins of what was interpolated."""

    content: bytes
    origins: tuple[Origin, ...] = ()
