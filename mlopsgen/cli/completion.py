"""`mlopsgen completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of a SHELL.

    \b
    Examples:
      mlopsgen completion bash > ~/.local/share/bash-completion/completions/mlopsgen
      mlopsgen completion zsh > "${fpath[1]}/_mlopsgen"
      mlopsgen completion fish > ~/.config/fish/completions/mlopsgen.fish
    """
    from mlopsgen.cli.main import cli

    kind = get_completion_class(shell)
    assert kind is not None, "the choices are those of click"
    click.echo(kind(cli, {}, "mlopsgen", "_MLOPSGEN_COMPLETE").source())
