"""A comment on a pull request that is found again and fits."""

from __future__ import annotations

LIMIT = 60_000
"""Bytes of a comment. GitHub takes 65,536 characters and answers 422 beyond them."""


def marked(name: str) -> str:
    """The line that a comment begins with, by which it is found again; readers do not see it."""
    return f"<!-- mlopsgen: {name} -->"


def comment(text: str, name: str, whole: str, limit: int = LIMIT) -> str:
    """A text as a comment.

    Args:
        text: Markdown.
        name: tells the comments of one pull request apart.
        whole: address of the page that has the whole text, empty for none.
        limit: bytes that the comment may have.

    Returns:
        The text below its mark; what is too long is cut between two lines, and that is said.
    """
    body = f"{marked(name)}\n{text.rstrip()}\n"
    if len(body.encode()) <= limit:
        return body
    lines = body.rstrip("\n").split("\n")
    place = f"the [summary of the run]({whole}) has all" if whole else "the job's log has all"
    room = limit - len(f"\n… and {len(lines)} more lines: {place}\n".encode())
    kept = 0
    while kept < len(lines) and room >= len(lines[kept].encode()) + 1:
        room -= len(lines[kept].encode()) + 1
        kept += 1
    return "\n".join([*lines[:kept], "", f"… and {len(lines) - kept} more lines: {place}", ""])
