"""The command `afterword`: finds the command to run, and reports every error in one line.

Only click is imported here. The file of a command is imported when the command is run.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from io import TextIOWrapper
from itertools import groupby
from operator import itemgetter
from typing import NoReturn

import click

from afterword import __version__
from afterword.cli.signals import ENDINGS, end, heard, take_interrupts
from afterword.commands import commands
from afterword.errors import AfterwordError
from afterword.wording import printable

COMPLETE = "_AFTERWORD_COMPLETE"  # set by a shell that asks for completions


def names() -> list[str]:
    """Return the names of all commands."""
    return [*commands(), "completion"]  # which is for shells


class Program(click.Group):
    """A group whose commands are made when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return names()

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name == "completion":
            return completion
        if cmd_name not in commands():
            if ctx.resilient_parsing:  # for a shell that asks for completions
                return None
            close = "".join(f"; did you mean {name}?" for name in get_close_matches(cmd_name, names(), n=1))
            raise click.UsageError(f"no such command '{cmd_name}'{close}", ctx)
        made: click.Command = import_module("afterword.cli.command").command(cmd_name)
        take_interrupts()  # before this, there was nothing to clean up
        return made

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        each = [(one.group, (name, one.help)) for name, one in commands().items()]
        each.append(("Share", ("completion", "Print a completion script for bash, zsh or fish.")))
        for title, rows in groupby(each, itemgetter(0)):
            with formatter.section(title):
                formatter.write_dl([row for _, row in rows], col_max=11)


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "show_default": True}  # of every command


@click.group(cls=Program, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="afterword", message="%(prog)s %(version)s")
def program() -> None:
    """Train a small LSTM on your own text, then generate and score text with it."""


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), metavar="SHELL")
def completion(shell: str) -> None:
    """Print a script that makes a shell complete commands, options and files on Tab. To install it:

    \b
    bash   echo 'eval "$(afterword completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(afterword completion zsh)"' >> ~/.zshrc
    fish   afterword completion fish > ~/.config/fish/completions/afterword.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(program, {}, "afterword", COMPLETE).source(), nl=False)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 the work failed, 2 wrong input; 129, 130 or 143 by a signal."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _open_streams()
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(program, {}, "afterword", COMPLETE, instruction))
    for number in heard(*ENDINGS):
        signal.signal(number, end)
    try:
        status = _run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has all that it wanted; but a check that was cut off has not passed
        status = int("--fail" in arguments)
    except KeyboardInterrupt as error:
        status = _report(str(error) or "\ninterrupted", 130)
    except AfterwordError as error:
        status = _report(f"error: {_one_line(str(error))}", error.exit_status)
    except click.ClickException as error:
        status = _report(f"error: {_one_line(_advice(error))}", error.exit_code)
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # of Rust, by pyo3
            raise
        status = _report(f"error: {_one_line(_description(error))}", 1)
    _leave_streams()
    sys.exit(status)


def _run(arguments: list[str]) -> int:
    try:
        with program.make_context("afterword", list(arguments) or ["--help"]) as context:
            try:
                program.invoke(context)
            except click.UsageError as error:
                if error.ctx is None and context.invoked_subcommand in names():  # click's parser leaves it out
                    name = context.invoked_subcommand
                    error.ctx = click.Context(click.Command(name), parent=context, info_name=name)
                raise
    except click.exceptions.Exit as done:  # raised by --help and --version
        return done.exit_code
    return 0


def _report(line: str, status: int) -> int:
    if os.environ.get("AFTERWORD_DEBUG"):
        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()  # so that the output comes before the error
    with contextlib.suppress(OSError):
        print(printable(line, sys.stderr), file=sys.stderr, flush=True)
    return status


def _one_line(message: str) -> str:
    return " ".join(line.strip() for line in message.splitlines())


def _advice(error: click.ClickException) -> str:
    if isinstance(error, click.NoSuchOption) and error.ctx:  # click looks for similar names, not for longer ones
        every = [name for one in error.ctx.command.params for name in one.opts]
        if longer := " or ".join([repr(name) for name in every if name.startswith(error.option_name)][:3]):
            error = click.UsageError(f"no such option '{error.option_name}'; did you mean {longer}?", error.ctx)
    message = re.sub(r"\. \(?Did you mean (.*\?)\)?$", r"; did you mean \1", error.format_message().rstrip("."))
    if not isinstance(error, click.UsageError):
        return message
    if "unexpected extra argument" in message:
        has_prompt = error.ctx is not None and any(one.name == "prompt" for one in error.ctx.command.params)
        message += ": put text with spaces in quotation marks" + ', as in --prompt "It was "' * has_prompt
    command = error.ctx.command_path if error.ctx else "afterword"
    return f"{message[:1].lower()}{message[1:]} (see {command} --help)"


NO_MEMORY = re.compile(
    r"allocate memory|out of memory|enough memory|failed to map segment|start new thread|bad.?alloc|capacity overflow"
    r"|pointer is null",
    re.IGNORECASE,
)  # what libraries say in errors of other kinds


def _description(error: BaseException) -> str:
    if isinstance(error, MemoryError) or NO_MEMORY.search(str(error)):
        return "not enough memory: close other programs, or give a smaller text or model"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (set AFTERWORD_DEBUG=1 to see where)"


def _open_streams() -> None:
    """Make standard output and error write UTF-8 in any locale, and replace closed streams with empty ones.

    A lone surrogate (from a bad file name) is written as \\udcXX, which JSON reads back.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif mode == "w" and isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _leave_streams() -> None:
    """Flush, or discard what cannot be written, so that Python does not complain about it at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
