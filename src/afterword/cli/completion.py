"""`afterword completion SHELL`: what a shell needs to complete the commands, options, choices and files of this one."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from afterword.cli.main import COMPLETE, program


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
def completion(shell: str) -> None:
    """Print what lets a shell complete commands, options and files with the Tab key. To have it in every session:

    \b
    bash   echo 'eval "$(afterword completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(afterword completion zsh)"' >> ~/.zshrc
    fish   afterword completion fish > ~/.config/fish/completions/afterword.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(program, {}, "afterword", COMPLETE).source(), nl=False)
