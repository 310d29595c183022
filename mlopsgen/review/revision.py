"""A revision of the git repository around a project, read through git."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from mlopsgen.diagnostics import Diagnostic, Failed, diagnose
from mlopsgen.output.digest import MAX_FILE
from mlopsgen.output.lock import Lock, parse
from mlopsgen.output.paths import LOCK, split

_SECONDS = 60.0
_OF_HOOKS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
_PLAIN = ("100644", "100755", "100664")
"""Modes of what is read; links and submodules are not followed."""


class Where(NamedTuple):
    """Where a spec lies in a revision.

    Attributes:
        path: of the spec from the top of the git repository.
        root: the folder that workflows go to, from there; with `/` at its end or empty.
        relative: the spec's folder below it.
    """

    path: str
    root: str
    relative: str

    @classmethod
    def of(cls, prefix: str, name: str, relative: str) -> Where:
        """The spec of a name in a folder: `prefix` from the top, with `/` at its end or empty; `relative` as above."""
        return cls(prefix + name, prefix.removesuffix(f"{relative}/") if relative else prefix, relative)

    @property
    def folder(self) -> str:
        """The spec's folder from the top, with `/` at its end or empty."""
        return f"{self.root}{self.relative}/" if self.relative else self.root

    def locate(self, key: str) -> str:
        """Path from the top of a file of the lock."""
        at_repository, path = split(key)
        return (self.root if at_repository else self.folder) + path


class Revision:
    """One commit, as seen from a folder.

    Attributes:
        name: as the user wrote it.
        commit: its full hash.
        prefix: the folder below the top of the repository, with `/` at its end, empty for the top.
    """

    def __init__(self, folder: str, name: str) -> None:
        """Find the commit.

        Raises:
            Failed: E320 where git cannot be asked, E321 where it knows no such revision.
        """
        self._folder = folder
        self.name = name
        top = _git(folder, "rev-parse", "--show-prefix")
        if top is None:
            raise Failed([_unasked(f"{folder or '.'} lies in no git repository")])
        self.prefix = top.decode(errors="surrogateescape").rstrip("\n")
        found = _git(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found is None:
            raise Failed([self._unknown()])
        self.commit = found.decode().strip()
        self._entries: dict[str, tuple[str, int]] | None = None

    @property
    def shown(self) -> str:
        """The name and the commit's short hash, which one written as a hash has in it already."""
        short = self.commit[:12]
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"

    def _unknown(self) -> Diagnostic:
        shallow = (_git(self._folder, "rev-parse", "--is-shallow-repository") or b"").strip() == b"true"
        empty = _git(self._folder, "rev-parse", "--verify", "--quiet", "HEAD") is None
        if empty:
            help = "commit something first; `mlopsgen diff` without `--base` needs no commit"
        elif shallow:
            help = "this clone is shallow: `git fetch --unshallow`, or `fetch-depth: 0` for actions/checkout"
        else:
            help = "see `git log`; a branch of the remote is `origin/NAME`, and may need `git fetch` first"
        message = f"git knows no revision `{self.name}`" + (" in this shallow clone" if shallow else "")
        return diagnose("E321", message, help=help)

    @property
    def top(self) -> str:
        """The top of the repository, absolute and without links on the way."""
        top = os.path.realpath(self._folder or ".")
        for _ in self.prefix.split("/")[1:]:
            top = os.path.dirname(top)
        return top

    def changed(self) -> frozenset[str]:
        """Paths from the top of all that is not on disk as it is here, new files among it. Raises Failed with E320."""
        asked = (
            ("diff", "--name-only", "-z", "--no-renames", "--no-relative", "--no-ext-diff", self.commit, "--"),
            ("ls-files", "--others", "--exclude-standard", "--full-name", "-z", ":/"),
        )
        found: set[str] = set()
        for arguments in asked:
            told = _git(self._folder, *arguments)
            if told is None:
                raise Failed([_unasked(f"git cannot compare the files on disk with {self.shown}")])
            found.update(path.decode(errors="surrogateescape") for path in told.split(b"\0") if path)
        return frozenset(found)

    @property
    def entries(self) -> dict[str, tuple[str, int]]:
        """Blob and size of every plain file, by path from the top of the repository."""
        if self._entries is None:
            self._entries = {}
            rows = _git(self._folder, "ls-tree", "-r", "-l", "-z", "--full-tree", self.commit) or b""
            for row in rows.split(b"\0"):
                facts, _, path = row.partition(b"\t")
                mode, _, blob, size = [*facts.decode().split(), "", "", "", ""][:4]
                if mode in _PLAIN and size.isdigit():
                    self._entries[path.decode(errors="surrogateescape")] = blob, int(size)
        return self._entries

    def read(self, paths: Iterable[str]) -> dict[str, bytes]:
        """Content of files by path from the top; what is absent or larger than 64 MiB is left out."""
        wanted = [path for path in dict.fromkeys(paths) if path in self.entries and self.entries[path][1] <= MAX_FILE]
        if not wanted:
            return {}
        asked = "".join(f"{self.entries[path][0]}\n" for path in wanted).encode()
        told = _git(self._folder, "cat-file", "--batch", given=asked) or b""
        found: dict[str, bytes] = {}
        place = 0
        for path in wanted:
            end = told.find(b"\n", place)
            words = told[place:end].split()
            if end < 0 or len(words) != 3:
                break  # a partial clone that cannot fetch: what follows is not here either
            size = int(words[2])
            found[path] = told[end + 1 : end + 1 + size]
            place = end + 1 + size + 1
        return found

    def lock(self, where: Where) -> Lock:
        """The lock beside a spec; an empty one where there is none."""
        path = where.folder + LOCK
        return parse(self.read([path]).get(path, b""))

    def specs(self, name: str) -> list[str]:
        """Paths from the top of files of a name, such as other places of mlops.yaml."""
        return sorted(path for path in self.entries if path.rpartition("/")[2] == name)


def _git(folder: str, *arguments: str, given: bytes = b"") -> bytes | None:
    """What git says; None when it refuses. Raises Failed with E320 where there is no git."""
    # A hook's variables name a repository and an index of their own, relative to another folder.
    environment = {name: value for name, value in os.environ.items() if name not in _OF_HOOKS}
    environment |= {"LC_ALL": "C", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    command: Sequence[str] = ["git", "-C", folder or ".", *arguments]
    try:
        done = subprocess.run(  # noqa: S603
            command, input=given, capture_output=True, timeout=_SECONDS, check=False, env=environment
        )
    except FileNotFoundError:
        raise Failed([_unasked("there is no program `git`")]) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed([_unasked(f"git does not answer: {error}")]) from None
    if b"dubious ownership" in done.stderr:
        raise Failed([_unasked("git distrusts the owner of this repository (see safe.directory in `git help config`)")])
    return done.stdout if done.returncode == 0 else None


def _unasked(message: str) -> Diagnostic:
    help = "`mlopsgen diff` without `--base` compares with the files on disk and needs no git"
    return diagnose("E320", message, help=help)
