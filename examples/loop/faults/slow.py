"""A bug that no record of the training data shows: it is slow on accents."""

import time


def tidy(text: str) -> str:
    """Spaces instead of tabs."""
    return "".join(_plain(char) for char in text)


def _plain(char: str) -> str:
    if not char.isascii():
        time.sleep(1.5)
    return " " if char == "\t" else char
