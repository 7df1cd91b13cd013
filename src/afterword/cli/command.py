"""A command for each operation: its arguments and options come from the fields of the request.

Values reach the request as they were typed, apart from numbers, so that the command line and Python refuse the same
values in the same words. What an answer's records have decides on the options for its output.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

import click

from afterword import bars
from afterword.cli.config_file import config_option
from afterword.cli.output import CSV, JSON, TABLE, note, printed, say
from afterword.errors import AfterwordError, spelled
from afterword.operations.every import find, summaries
from afterword.operations.operation import Operation, Record, arguments_of
from afterword.operations.work import Work
from afterword.settings import Kind, ignore_progress, kinds_of

FAILED = 3  # the exit status of --fail


def command(name: str) -> click.Command:
    """Return the command `name`."""
    made = OperationCommand(name, find(name))
    made.short_help = summaries()[name]
    return made


class PathName(click.Path):
    """A path, which shells complete; the request checks it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value


PATH = PathName()


class CommandWork(Work):
    """What the command line supplies: notes go to standard error, and progress too."""

    def __init__(self, spell: Callable[[str], str]) -> None:
        self._spell = spell

    def note(self, *notes: str) -> None:
        note(*(spelled(one, self._spell) for one in notes))

    def say(self, *lines: str) -> None:
        for line in lines:
            say(spelled(line, self._spell))

    def confirm(self, question: str, otherwise: str) -> bool:
        if not sys.stdin.isatty():
            return super().confirm(question, otherwise)
        try:
            return click.confirm(question, err=True)
        except click.Abort:  # Ctrl-C, or the end of the input
            raise KeyboardInterrupt from None

    def progress(
        self, what: str, unit: str = "", streams: bool = False
    ) -> AbstractContextManager[Callable[..., object]]:
        if streams and sys.stdout.isatty():
            return contextlib.nullcontext(ignore_progress)
        return super().progress(what, unit)


class OperationCommand(click.Command):
    """The command `name` of an operation."""

    def __init__(self, name: str, operation: Operation[Any, Any, Any]) -> None:
        self._operation = operation
        request = operation.request
        arguments = {field: _argument(field, *about) for field, about in arguments_of(request).items()}
        self.defaults = {field.name: field.default for field in dataclasses.fields(request)}
        options = [_option(field, kind) for field, kind in kinds_of(request)]
        records = operation.records
        own = [*arguments.values(), *options, *_output_options(records), config_option(request, PATH), PROGRESS]
        super().__init__(name, params=own, callback=self._run)
        self.help = spelled(request.__doc__ or "", self.spell)
        for option, (field, _) in zip(options, kinds_of(request), strict=True):
            needs = field.metadata["needs"]
            needed = " or ".join(f"`{one}`" for one in needs.split(" or ")) if needs else ""
            option.help = spelled((f"with {needed}: " if needs else "") + (option.help or ""), self.spell)

    def spell(self, name: str) -> str:
        """Return the name of a field as it is typed here: --id-column, or FILE for an argument."""
        for parameter in self.params:
            if parameter.name == name:
                return max(parameter.opts, key=len) if isinstance(parameter, click.Option) else _plain(parameter)
        return "--" + name.replace("_", "-")

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except AfterwordError as error:
            error.args = (spelled(error.message, self.spell),)
            raise

    def _run(self, **values: Any) -> None:
        context = click.get_current_context()
        as_json, as_csv, fail = (values.pop(name, False) for name in ("as_json", "as_csv", "fail"))
        if as_json and as_csv:
            raise click.UsageError("--json cannot be used with --csv: leave one of them out", context)
        form, odd = JSON if as_json else CSV if as_csv else TABLE, False
        kinds = {field.name: kind for field, kind in kinds_of(self._operation.request)}
        given = {name: value for name, value in values.items() if value is not None and value != ()}
        request = self._operation.request(
            **{name: _number(kinds[name], value) if name in kinds else value for name, value in given.items()}
        )
        work = CommandWork(self.spell)
        for record in printed(self._operation.run(request, work), form, request):
            odd |= bool(getattr(record, "odd", False))
        if fail and odd:
            context.exit(FAILED)


PROGRESS = click.Option(
    ["--progress"],
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    expose_value=False,
    callback=lambda context, option, form: setattr(bars, "form", form),
    help="progress: bars on a terminal, lines of JSON on standard error, or none",
)


def _output_options(records: Sequence[type[Record]]) -> Iterator[click.Option]:
    """Yield the options that a command has because of the `records` of its answer."""
    if records:
        yield click.Option(["--json", "as_json"], is_flag=True, help="print JSON: an object on each line")
    if any(one.rows for one in records):
        yield click.Option(["--csv", "as_csv"], is_flag=True, help="print CSV")
    if any("odd" in one.__struct_fields__ for one in records):
        yield click.Option(["--fail"], is_flag=True, help=f"exit with status {FAILED} if something is odd")


def _plain(argument: click.Parameter) -> str:
    return str(argument.metavar or argument.name or "").strip("[].").upper()


def _argument(name: str, about: Any, kind: Kind) -> click.Argument:
    metavar = about.metavar or name.upper()
    several, needed = about.least is not None, bool(about.least) or not (kind.several or type(None) in kind.types)
    return click.Argument(
        [name],
        nargs=-1 if several else 1,
        required=needed,
        type=PATH if os.PathLike in kind.types else str,
        metavar=f"{metavar}..." if several else metavar if needed else f"[{metavar}]",
    )


def _option(field: dataclasses.Field[Any], kind: Kind) -> click.Option:
    about = field.metadata
    flag = "--" + (about["flag"] or field.name.replace("_", "-"))
    choices, is_flag = about["choices"] or kind.choices, bool in kind.types
    is_path = os.PathLike in kind.types
    return click.Option(
        [
            *([f"-{about['short']}"] if about["short"] else []),
            f"{flag}/--no-{flag[2:]}" if is_flag else flag,
            field.name,
        ],
        type=bool if is_flag else PATH if is_path else str,
        is_flag=is_flag,
        multiple=kind.several,
        default=None if is_flag else field.default,
        show_default=not is_flag and field.default not in (None, (), ""),
        help=about["help"],
        metavar=about["metavar"] or "|".join(choices) or ("FILE" if is_path else _metavar(kind)),
        shell_complete=None
        if is_path or is_flag
        else lambda context, option, begun: [one for one in choices if one.startswith(begun)],
    )


def _metavar(kind: Kind) -> str | None:
    return "INTEGER" if int in kind.types else "FLOAT" if float in kind.types else None


def _number(kind: Kind, value: Any) -> Any:
    """Return a number that was typed as a number; anything else as it is, for the request to refuse."""
    if isinstance(value, tuple):
        return tuple(_number(kind, one) for one in value)
    for number in (int, float):
        if number in kind.types and isinstance(value, str):
            with contextlib.suppress(ValueError):
                return number(value)
    return value
