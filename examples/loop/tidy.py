"""The team's own step of preprocessing: the same code in training, serving and quality."""


def tidy(text: str) -> str:
    """Spaces instead of tabs."""
    return text.replace("\t", " ")
