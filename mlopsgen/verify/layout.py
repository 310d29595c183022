"""A folder that looks like the repository after a build, so that nothing has to be on disk, or clean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from tempfile import TemporaryDirectory

from mlopsgen.review.pointers import Place, places

MAX_BYTES = 1024 * 1024
MOST = 200
"""Files of the user's own in one folder that are taken along, and bytes of each."""

OWN = (
    ".hadolint.yaml",
    ".hadolint.yml",
    ".github/actionlint.yaml",
    ".github/actionlint.yml",
    ".github/zizmor.yml",
    ".github/zizmor.yaml",
    "zizmor.yml",
    "zizmor.yaml",
)
"""Settings of judges at the root of a repository, which hold here as well."""

CALLED = (".github/workflows", ".github/actions")
"""Folders that workflows call things from."""


class Layout:
    """What was laid out.

    Attributes:
        root: stands for the root of the repository.
        project: stands for the folder of mlops.yaml.
        texts: content of each file to be judged, by key.
    """

    def __init__(self, root: str, relative: str, texts: Mapping[str, str]) -> None:
        self.root = root
        self.project = os.path.join(root, *relative.split("/")) if relative else root
        self.texts = texts

    def path(self, key: str) -> str:
        """Where a file lies."""
        return _path(self.root, self.project, key)

    def named(self, pattern: str) -> list[str]:
        """Keys of files whose path matches."""
        return [key for key in self.texts if re.search(pattern, key)]

    def holding(self, *patterns: str) -> list[str]:
        """Keys of YAML files in which each pattern begins a line."""
        every = [re.compile(f"^(?:{pattern})", re.MULTILINE) for pattern in patterns]
        return [key for key in self.named(r"\.ya?ml$") if all(one.search(self.texts[key]) for one in every)]

    def key(self, path: str, folder: str) -> str:
        """The file that a judge, running in a folder, calls by a path; empty when it is none of ours."""
        return self._keys.get(os.path.normpath(os.path.join(folder, path)), "")

    def line(self, key: str, pointer: str, name: str = "") -> int:
        """Line of what stands at a pointer, or nearest above it; 0 when nothing does.

        Args:
            name: `Kind/name` of the manifest, in any case; empty for a file of one object.
        """
        known = {each.pointer: each.first for each in self._places(key) if each.object.lower() == name.lower()}
        while pointer and pointer not in known:
            pointer = pointer.rpartition("/")[0]
        return known.get(pointer, 0)

    def named_line(self, key: str, pointer: str, message: str, name: str = "") -> int:
        """Line of an entry at a pointer that a message quotes, or of the pointer itself."""
        known = {each.pointer: each.first for each in self._places(key) if each.object.lower() == name.lower()}
        below = (f"{pointer}/{word.replace('~', '~0').replace('/', '~1')}" for word in quotes(message))
        return next((known[one] for one in below if one in known), 0) or self.line(key, pointer, name)

    def pointer(self, key: str, steps: str, name: str) -> str:
        """The pointer of a path whose steps are joined by dots, though names may hold dots as well."""
        every = (each.pointer for each in self._places(key) if each.object.lower() == name.lower())
        return next((one for one in every if dotted(one) == steps), "")

    def quoted(self, key: str, message: str) -> int:
        """The first line that holds something a message quotes, the longest first; 0 when none does."""
        rows = self.texts[key].split("\n")
        for word in sorted(quotes(message), key=lambda one: (-len(one), one)):
            whole = re.compile(rf"(?<![\w-]){re.escape(word)}(?![\w-])")
            number = next((number for number, row in enumerate(rows, 1) if whole.search(row)), 0)
            if number:
                return number
        return 0

    @cached_property
    def _keys(self) -> dict[str, str]:
        return {self.path(key): key for key in self.texts}

    def _places(self, key: str) -> list[Place]:
        if key not in self._known:
            self._known[key] = places(key, self.texts[key])
        return self._known[key]

    @cached_property
    def _known(self) -> dict[str, list[Place]]:
        return {}


def quotes(message: str) -> list[str]:
    """What a message quotes, in its order."""
    found = re.findall(r"\"([^\"]{2,})\"|'([^']{2,})'|`([^`]{2,})`", message)
    return list(dict.fromkeys(word for words in found for word in words if word))


def dotted(pointer: str) -> str:
    """`/spec/ports/0` as `spec.ports.0`."""
    return ".".join(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


def _path(root: str, project: str, key: str) -> str:
    base = root if key.startswith("//") else project
    return os.path.join(base, *key.removeprefix("//").split("/"))


@contextmanager
def laid_out(repository: str, relative: str, texts: Mapping[str, str], beside: Mapping[str, str]) -> Iterator[Layout]:
    """Write everything into a temporary folder, which is gone afterwards.

    Args:
        repository: the real root, from which settings of judges are taken.
        relative: folder of mlops.yaml below it.
        texts: files to be judged, by key.
        beside: files that those refer to and nobody judges.
    """
    with TemporaryDirectory(prefix="mlopsgen-verify-") as folder:
        root = os.path.join(os.path.realpath(folder), "repository")
        layout = Layout(root, relative, texts)
        os.makedirs(os.path.join(root, ".git"))
        os.makedirs(layout.project, exist_ok=True)
        for path, content in _own(repository):
            _write(os.path.join(root, *path.split("/")), content)
        for key, text in {**beside, **texts}.items():
            _write(layout.path(key), text.encode())
        yield layout


def _own(repository: str) -> Iterator[tuple[str, bytes]]:
    """Files of the user's that judges read beside those that they judge."""
    found = list(OWN)
    for top in CALLED:
        for folder, folders, names in os.walk(os.path.join(repository, *top.split("/"))):
            folders.sort()
            below = os.path.relpath(folder, repository).replace(os.sep, "/")
            found += [f"{below}/{name}" for name in sorted(names) if name.endswith((".yaml", ".yml"))]
    for path in found[:MOST]:
        full = os.path.join(repository, *path.split("/"))
        try:
            if os.path.isfile(full) and os.path.getsize(full) <= MAX_BYTES:
                with open(full, "rb") as stream:
                    yield path, stream.read(MAX_BYTES)
        except OSError:
            continue


def _write(path: str, content: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as stream:
        stream.write(content)
