"""Where checkpoints lie: a folder, or an object store through fsspec.

Both hold entries, which are folders of files that appear complete or not at all. Their order of writing is files,
manifest with sizes and SHA-256, marker. In a folder an entry has a temporary name until all of it is on the disk; in
an object store, where single writes are atomic and nothing can be renamed, the marker alone makes it one.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from mlops_runtime.data.atomic import synced, write
from mlops_runtime.errors import Mistaken

MANIFEST, MARKER = "manifest.json", "COMPLETE"
PART = ".part"
"""Suffix of an entry that is being written."""

PROTOCOLS = {"azure": "az"}
"""Names that fsspec has for what mlops.yaml calls otherwise."""

Manifest = dict[str, dict[str, Any]]
"""Size in bytes and SHA-256 by file."""


def sealed(path: str) -> dict[str, Any]:
    """Bring a file to the disk; its size in bytes and SHA-256."""
    digest = hashlib.sha256()
    descriptor = os.open(path, os.O_RDONLY)
    with open(descriptor, "rb") as stream:
        os.fsync(descriptor)
        while block := stream.read(1 << 20):
            digest.update(block)
        return {"size": stream.tell(), "sha256": digest.hexdigest()}


def intact(folder: str, files: Sequence[str] | None = None) -> bool:
    """Whether a folder holds what its manifest says, and the manifest is what the marker says.

    Args:
        folder: of the entry.
        files: those to look at; all when not given.
    """
    try:
        with open(os.path.join(folder, MARKER), encoding="ascii") as stream:
            wanted = stream.read()
        if sealed(os.path.join(folder, MANIFEST))["sha256"] != wanted:
            return False
        with open(os.path.join(folder, MANIFEST), encoding="utf-8") as stream:
            manifest: Manifest = json.load(stream)
        wanted_files = manifest if files is None else files
        return all(sealed(os.path.join(folder, name)) == manifest[name] for name in wanted_files)
    except (OSError, ValueError, KeyError):
        return False


class Folder:
    """Entries below a folder of this machine, or one that its machines share."""

    def __init__(self, path: str) -> None:
        self.path = path

    @contextmanager
    def writing(self, name: str, first: bool = True) -> Iterator[str]:
        """A folder to write the files of an entry into; `first`: make it, empty."""
        part = os.path.join(self.path, name + PART)
        if first:
            os.makedirs(self.path, exist_ok=True)
            shutil.rmtree(part, ignore_errors=True)
            os.mkdir(part)
        try:
            yield part
        except BaseException:
            shutil.rmtree(part, ignore_errors=True)
            raise

    def keep(self, folder: str, name: str, file: str) -> dict[str, Any]:
        """Make one file that was written durable; its size and SHA-256."""
        return sealed(os.path.join(folder, file))

    def commit(self, folder: str, name: str, manifest: Manifest) -> None:
        """Make an entry of the files that were kept."""
        _close(folder, manifest)
        synced(folder)
        os.rename(folder, os.path.join(self.path, name))
        synced(self.path)

    def names(self) -> list[str]:
        """Entries that are complete by their marker, sorted."""
        try:
            found = sorted(os.listdir(self.path))
        except FileNotFoundError:
            return []
        return [n for n in found if not n.endswith(PART) and os.path.exists(os.path.join(self.path, n, MARKER))]

    def files_of(self, name: str) -> list[str]:
        """Files of an entry, by its manifest; raises OSError or ValueError when that cannot be read."""
        with open(os.path.join(self.path, name, MANIFEST), encoding="utf-8") as stream:
            return sorted(json.load(stream))

    @contextmanager
    def reading(self, name: str, files: Sequence[str]) -> Iterator[str]:
        """A folder with files of an entry; whether they are intact is for the reader to check."""
        yield os.path.join(self.path, name)

    def verified(self, name: str, files: Sequence[str]) -> bool:
        """Whether files of an entry read back as they were written."""
        return intact(os.path.join(self.path, name), files)

    def remove(self, name: str) -> None:
        """Delete an entry; its marker first, so that half of it is none."""
        path = os.path.join(self.path, name)
        with_marker = os.path.join(path, MARKER)
        if os.path.exists(with_marker):
            os.unlink(with_marker)
        shutil.rmtree(path, ignore_errors=True)

    def put(self, name: str, content: bytes) -> None:
        """Write a file beside the entries; it appears whole or not at all."""
        write(os.path.join(self.path, name), content)

    def tidy(self) -> None:
        """Delete what killed processes left."""
        complete = self.names()
        for name in os.listdir(self.path) if os.path.isdir(self.path) else ():
            if name not in complete and os.path.isdir(os.path.join(self.path, name)):
                shutil.rmtree(os.path.join(self.path, name), ignore_errors=True)


class Bucket:
    """Entries below a prefix of an object store.

    Raises:
        Mistaken: the plug-in for this kind of store is not installed.
    """

    def __init__(self, url: str) -> None:
        import fsspec  # type: ignore[import-untyped]

        scheme, _, rest = url.partition("://")
        protocol = PROTOCOLS.get(scheme, scheme)
        try:
            self.files: Any = fsspec.filesystem(protocol)
        except ImportError as error:
            raise Mistaken(
                f"checkpoints go to {scheme}:// (`training.checkpoint.store`), and a package for it is missing: "
                f"{error}; add it to requirements.txt"
            ) from None
        except ValueError:
            raise Mistaken(f"`training.checkpoint.store`: nothing here can write to {scheme}://") from None
        self.path = rest.rstrip("/")

    @contextmanager
    def writing(self, name: str, first: bool = True) -> Iterator[str]:
        """A local folder to write the files of an entry into; `first`: nothing of the name is left in the store."""
        if first:
            self.remove(name)
        with tempfile.TemporaryDirectory(prefix="mlops-checkpoint-") as folder:
            yield folder

    def keep(self, folder: str, name: str, file: str) -> dict[str, Any]:
        """Upload one file that was written; its size and SHA-256."""
        path = os.path.join(folder, file)
        facts = sealed(path)
        self._upload(path, name)
        return facts

    def commit(self, folder: str, name: str, manifest: Manifest) -> None:
        """Make an entry of the files that were kept."""
        _close(folder, manifest)
        self._upload(os.path.join(folder, MANIFEST), name)
        self._upload(os.path.join(folder, MARKER), name)

    def names(self) -> list[str]:
        """Entries that are complete by their marker, sorted."""
        self.files.invalidate_cache()
        found = self.files.glob(f"{self.path}/*/{MARKER}")
        return sorted(path.rsplit("/", 2)[1] for path in found)

    def files_of(self, name: str) -> list[str]:
        """Files of an entry, by its manifest; raises OSError or ValueError when that cannot be read."""
        with self.files.open(f"{self.path}/{name}/{MANIFEST}") as stream:
            return sorted(json.load(stream))

    @contextmanager
    def reading(self, name: str, files: Sequence[str]) -> Iterator[str]:
        """A local folder with files of an entry; whether they are intact is for the reader to check."""
        with tempfile.TemporaryDirectory(prefix="mlops-checkpoint-") as folder:
            for file in (MANIFEST, MARKER, *files):
                with suppress(FileNotFoundError):
                    self.files.get_file(f"{self.path}/{name}/{file}", os.path.join(folder, file))
            yield folder

    def verified(self, name: str, files: Sequence[str]) -> bool:
        """Whether the store has files of an entry in their size; their bytes the store itself checks."""
        self.files.invalidate_cache()
        with self.files.open(f"{self.path}/{name}/{MANIFEST}") as stream:
            manifest: Manifest = json.load(stream)
        return all(self.files.info(f"{self.path}/{name}/{file}")["size"] == manifest[file]["size"] for file in files)

    def remove(self, name: str) -> None:
        """Delete an entry; its marker first, so that half of it is none."""
        path = f"{self.path}/{name}"
        if self.files.exists(f"{path}/{MARKER}"):
            self.files.rm_file(f"{path}/{MARKER}")
        if self.files.exists(path):
            self.files.rm(path, recursive=True)

    def put(self, name: str, content: bytes) -> None:
        """Write a file beside the entries; it appears whole or not at all."""
        self.files.makedirs(self.path, exist_ok=True)
        self.files.pipe_file(f"{self.path}/{name}", content)

    def tidy(self) -> None:
        """Nothing: what has no marker is overwritten, and another process may be writing it."""

    def _upload(self, path: str, name: str) -> None:
        self.files.makedirs(f"{self.path}/{name}", exist_ok=True)
        self.files.put_file(path, f"{self.path}/{name}/{os.path.basename(path)}")


Store = Folder | Bucket


def opened(url: str) -> Store:
    """The store at a URL (`s3://…`, `gs://…`, `azure://…`, anything that fsspec writes to) or a folder's path."""
    return Bucket(url) if "://" in url else Folder(url)


def _close(folder: str, manifest: Manifest) -> None:
    path = os.path.join(folder, MANIFEST)
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(manifest, stream, indent=1, sort_keys=True)
    digest = sealed(path)["sha256"]
    marker = os.path.join(folder, MARKER)
    with open(marker, "w", encoding="ascii") as stream:
        stream.write(digest)
    sealed(marker)
