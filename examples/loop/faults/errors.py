"""A bug that no record of the training data shows: it fails on the first accent."""


def tidy(text: str) -> str:
    """Spaces instead of tabs."""
    return text.encode("ascii").decode().replace("\t", " ")
