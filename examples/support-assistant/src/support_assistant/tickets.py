"""Tickets as prompts."""


def prompt(subject: str, body: str) -> str:
    """The prompt for a ticket: subject and body without surrounding white space, one empty line between."""
    return f"{subject.strip()}\n\n{body.strip()}".strip()
