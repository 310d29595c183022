"""Where the repository around a project begins."""

from __future__ import annotations

import os


def repository_root(folder: str) -> str:
    """Return the nearest folder, from `folder` upwards, that holds `.git` or the folder `.github`; else `folder`.

    Goes by where the folder really lies, as git does: symbolic links are resolved.
    """
    return root_above(os.path.realpath(folder))


def root_above(start: str) -> str:
    """As `repository_root`, for a folder without symbolic links on the way."""
    place = start
    while True:
        # In a worktree or submodule `.git` is a file.
        if os.path.exists(os.path.join(place, ".git")) or os.path.isdir(os.path.join(place, ".github")):
            return place
        above = os.path.dirname(place)
        if above == place:
            return start
        place = above
