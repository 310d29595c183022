"""Which paths may be written, and how they are told apart. Imports nothing, so that `fast` starts quickly."""

from __future__ import annotations

import os

LOCK = "mlops.lock"
TEMPORARY = ".mlopsgen~"
"""How the name of a file that is being written ends."""

_NAME_MAX = 255


def split(key: str) -> tuple[bool, str]:
    """Take a lock key apart: whether it lies at the repository's root, and its path below its root."""
    return (True, key[2:]) if key.startswith("//") else (False, key)


def problem(path: str, windows: bool = os.name == "nt") -> str:
    """Say why a path, relative to its root, may not be written; empty when it may.

    The answer is the same on every system, but for `:` inside a name, which only Windows reads as another stream.
    """
    if not path.isprintable():
        if any(ord(c) < 32 or 127 <= ord(c) < 160 or c in "\u2028\u2029" for c in path):
            return "it holds a control character"
        if any(0xD800 <= ord(c) < 0xE000 for c in path):
            return "it is not valid Unicode"
    if "\\" in path:
        return "it holds a backslash"
    if path[1:2] == ":" and path[0].isalpha():
        return "it starts with a drive letter"
    if windows and ":" in path:
        return "it holds a colon"
    for name in path.split("/"):
        if not name:
            return "it is absolute or has an empty part"
        if name in (".", ".."):
            return f"it holds '{name}'"
        if name[-1] in ". ":
            return "a part of it ends with a dot or a space, which Windows drops"
        if name.lower() == ".git":
            return "it reaches into .git"
        if name.endswith(TEMPORARY):
            return f"names that end with {TEMPORARY} are for files being written"
    return ""


def fold(path: str) -> str:
    """Return what two paths have in common when some file system takes them for the same file."""
    if path.isascii():
        return path.lower()
    from unicodedata import normalize

    return normalize("NFC", normalize("NFC", path).casefold())


def temporary(name: str) -> str:
    """Return the name, in the same folder, under which a file is written before it is renamed to `name`."""
    made = f".{name}{TEMPORARY}"
    if len(made) * 4 <= _NAME_MAX or len(os.fsencode(made)) <= _NAME_MAX:  # no character takes more than 4 bytes
        return made
    from mlopsgen.output.digest import digest

    return f".{digest(name.encode())}{TEMPORARY}"
