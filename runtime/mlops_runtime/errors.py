"""What a command says when the project, not the runtime, is wrong."""


class Mistaken(Exception):
    """A mistake of the user: its text says what is wrong and what to do. Exit code 2."""
