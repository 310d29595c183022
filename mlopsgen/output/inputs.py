"""Digest of everything that goes into a build, told without parsing YAML."""

from __future__ import annotations

import os

from mlopsgen.output.digest import digest

MAX_TEMPLATE = 1024 * 1024
MAX_TEMPLATES = 1000


def input_digest(spec: bytes, folder: str, workspace: bytes = b"") -> str:
    """Digest of the spec, of what it shares and of the user's own templates; empty when they cannot be told.

    Args:
        spec: content of mlops.yaml.
        folder: where it lies.
        workspace: content of the workspace file; empty when there is none.
    """
    parts = [b"spec\0", spec]
    if workspace:
        parts += [b"\0workspace\0", workspace]
    templates = templates_folder(spec)
    if templates:
        try:
            for name, content in sorted(templates_in(os.path.join(folder, *templates.split("/"))).items()):
                parts += [b"\0", name.encode(), b"\0", content]
        except (OSError, ValueError):
            return ""
    return digest(b"".join(parts))


def templates_folder(spec: bytes) -> str:
    """What `templates:` at the top level of a spec says, told from its line alone; empty when absent."""
    for line in spec.split(b"\n"):
        if line.startswith(b"templates:"):
            value = line[len(b"templates:") :].split(b" #")[0].strip()
            return value.strip(b"\"'").decode(errors="replace")
    return ""


def templates_in(folder: str) -> dict[str, bytes]:
    """Files below a folder of templates, by name with `/`.

    Raises:
        OSError: the folder or a file cannot be read.
        ValueError: there are too many of them, or one is too large.
    """
    found: dict[str, bytes] = {}
    for here, folders, names in os.walk(folder, onerror=_raise):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(here, name)
            with open(path, "rb") as stream:
                content = stream.read(MAX_TEMPLATE + 1)
            if len(content) > MAX_TEMPLATE or len(found) >= MAX_TEMPLATES:
                raise ValueError(f"{path}: more than 1 MiB, or more than {MAX_TEMPLATES} templates")
            found[os.path.relpath(path, folder).replace(os.sep, "/")] = content
    return found


def _raise(error: OSError) -> None:
    raise error
