"""Did you mean."""

from __future__ import annotations


def closest(word: str, known: list[str]) -> str | None:
    """The known word that was probably meant, whatever its case and its hyphens."""
    import difflib

    lowered = {k.lower().replace("-", "_"): k for k in known}
    match = difflib.get_close_matches(word.lower().replace("-", "_"), lowered, n=1, cutoff=0.6)
    return lowered[match[0]] if match else None
