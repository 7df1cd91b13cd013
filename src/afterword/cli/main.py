"""The command `afterword`: finds the command that was asked for, and reports every error in one line.

Only click is imported here; a command's file is imported when the command is run.
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
from types import FrameType
from typing import NoReturn, cast

import click

from afterword import __version__
from afterword.cli.screen import shown
from afterword.cli.signals import ENDINGS, heard
from afterword.errors import AfterwordError

# name: where it lives, and its line in `afterword --help`
COMMANDS = {
    "demo": ("afterword.cli.demo:demo", "The whole story in three minutes, on a play of Shakespeare's."),
    "train": ("afterword.cli.train:train", "Train a model on your own text."),
    "plan": ("afterword.cli.plan:plan", "Say what train would do with a text, and why."),
    "generate": ("afterword.cli.generate:generate", "Write text with a trained model."),
    "novelty": ("afterword.cli.novelty:novelty", "Say how much of what a model writes was copied from its text."),
    "score": ("afterword.cli.score:score", "Say how well a model predicts a text."),
    "odd": ("afterword.cli.odd:odd", "Train on good lines and list the lines of another file that do not belong."),
    "calibrate": ("afterword.cli.calibrate:calibrate", "Tell a model what normal lines cost, to flag odd ones."),
    "inspect": ("afterword.cli.inspect:inspect", "Show what the gates do while a model reads a text."),
    "units": ("afterword.cli.units:units", "Find the units of a model that tell where something holds."),
    "horizon": ("afterword.cli.horizon:horizon", "Measure how far back a model remembers."),
    "serve": ("afterword.cli.serve:serve", "Serve models: a page for people, an API for programs."),
    "info": ("afterword.cli.info:info", "Say what a model is and what it was trained on."),
    "completion": ("afterword.cli.completion:completion", "Let bash, zsh or fish complete what is typed."),
}
COMPLETE = "_AFTERWORD_COMPLETE"  # what a shell sets to ask for completions


class Program(click.Group):
    """A group whose commands are named in COMMANDS and imported one by one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:  # for a shell that completes what is typed
                return None
            close = "".join(f"; did you mean {name}?" for name in get_close_matches(cmd_name, COMMANDS, n=1))
            raise click.UsageError(f"no such command '{cmd_name}'{close}", ctx)
        place, line = COMMANDS[cmd_name]
        module, attribute = place.split(":")
        command = cast(click.Command, getattr(import_module(module), attribute))
        command.short_help = line
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="afterword", message="%(prog)s %(version)s")
def program() -> None:
    """Train a small LSTM on a text of your own; it writes more of it and scores other text."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run the command line and exit: 0 done, 1 the work failed, 2 wrong input; 129, 130 or 143 ended by a signal."""
    _open_streams()
    if instruction := os.environ.get(COMPLETE):
        from click.shell_completion import shell_complete

        sys.exit(shell_complete(program, {}, "afterword", COMPLETE, instruction))
    for number in heard(*ENDINGS):
        signal.signal(number, _terminate)
    try:
        status = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read the output has seen enough
        status = 1
    except KeyboardInterrupt:
        status = _tell("\ninterrupted", 130)
    except AfterwordError as error:
        status = _tell(f"error: {_one_line(str(error))}", error.exit_status)
    except click.ClickException as error:
        status = _tell(f"error: {_one_line(_advice(error))}", error.exit_code)
    except Exception as error:
        status = _tell(f"error: {_one_line(_description(error))}", 1)
    _leave_streams()
    sys.exit(status)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(128 + number)  # an exception, so that half-written files are removed on the way out


def _run(arguments: list[str]) -> int:
    try:
        with program.make_context("afterword", list(arguments) or ["--help"]) as context:
            try:
                program.invoke(context)
            except click.UsageError as error:
                if error.ctx is None and context.invoked_subcommand in COMMANDS:  # click's parser does not know it
                    name = context.invoked_subcommand
                    error.ctx = click.Context(click.Command(name), parent=context, info_name=name)
                raise
    except click.exceptions.Exit as done:  # --help and --version end so
        return done.exit_code
    return 0


def _tell(line: str, status: int) -> int:
    if os.environ.get("AFTERWORD_DEBUG"):
        traceback.print_exc()
    with contextlib.suppress(OSError):
        sys.stdout.flush()  # what was written comes before what went wrong
    with contextlib.suppress(OSError):
        print(shown(line, sys.stderr), file=sys.stderr, flush=True)
    return status


def _one_line(message: str) -> str:
    return " ".join(line.strip() for line in message.splitlines())


def _advice(error: click.ClickException) -> str:
    message = re.sub(r"\. \(?Did you mean (.*\?)\)?$", r"; did you mean \1", error.format_message().rstrip("."))
    if not isinstance(error, click.UsageError):
        return message
    command = error.ctx.command_path if error.ctx else "afterword"
    return f"{message[:1].lower()}{message[1:]} (see {command} --help)"


def _description(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}".rstrip(": ")
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return f"{type(error).__name__}: {error} (AFTERWORD_DEBUG=1 shows where)"


def _open_streams() -> None:
    """Standard output and error write UTF-8 whatever the locale says. A stream that is closed is empty or goes nowhere.

    A lone surrogate (half of a bad file name) is written as \\udcXX, which JSON reads back.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115
        elif mode == "w" and isinstance(stream, TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors="backslashreplace")


def _leave_streams() -> None:
    """Flush, or where that fails let the rest go, so that Python does not complain about it on its way out."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
