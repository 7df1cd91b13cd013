"""A command for each operation: its arguments and options come from the fields of the request.

Values reach the request as they were typed, apart from numbers, so that the command line and Python refuse the same
values in the same words. What an answer's records have decides on the options for its output.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from afterword import bars
from afterword.cli.output import CSV, JSON, TABLE, printed, say
from afterword.cli.signals import Stop
from afterword.commands import commands, find_operation
from afterword.errors import AfterwordError, OptionError, WorkError, spelled
from afterword.learning.ranks import rank
from afterword.operations.operation import Operation, Record, Request, arguments_of, checked_output
from afterword.operations.work import Enough, ProgressShown, Work
from afterword.settings import Kind, ignore_progress, kinds_of, named_path
from afterword.storage import is_whole_file, output, read_whole

if TYPE_CHECKING:
    from afterword.runs.record import OnReport, Progress
    from afterword.runs.run import Run

FAILED = 3  # the exit status of --fail
SAMPLE_EVERY = 15.0  # seconds between lines that a model writes while it learns
SAMPLE = 120  # tokens of them, of which the first line is shown
MOST = 12  # options that --help shows
ALL = "afterword.all"  # in click's notes on a command: --help-all was given


def command(name: str) -> click.Command:
    """Return the command `name`."""
    made = OperationCommand(name, find_operation(name))
    made.short_help = commands()[name].help
    return made


class PathName(click.Path):
    """A path, which shells complete; the request checks it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return value


PATH = PathName()


class CommandWork(Work):
    """The work of a command: notes and progress go to standard error."""

    def __init__(self, spell: Callable[[str], str], streams: bool = False) -> None:
        self._spell, self.streams = spell, streams

    def note(self, *notes: str) -> None:
        self.say(*(f"note: {one}" for one in notes))

    def say(self, *lines: str, verbatim: bool = False) -> None:
        for line in lines:
            say(line if verbatim else spelled(line, self._spell))

    def confirm(self, question: str, otherwise: str) -> bool:
        if not sys.stdin.isatty():
            return super().confirm(question, otherwise)
        try:
            return click.confirm(question, err=True)
        except click.Abort:  # Ctrl-C, or the end of the input
            raise KeyboardInterrupt from None

    def progress(self, what: str, unit: str = "", streams: bool = False) -> ProgressShown:
        if streams and sys.stdout.isatty():
            return contextlib.nullcontext(ignore_progress)
        return super().progress(what, unit)

    @property
    def program(self) -> str:  # type: ignore[override]
        """The name to type for this program: its path, if the shell does not find it by name."""
        if shutil.which("afterword"):
            return "afterword"
        return shlex.quote(sys.argv[0]) if Path(sys.argv[0]).name == "afterword" else "python -m afterword"

    def folder(self, out: str | os.PathLike[str] | None, default: Callable[[], str]) -> AbstractContextManager[Path]:
        return contextlib.nullcontext(Path(default() if out is None else out))

    def samples(self, run: Run) -> OnReport:
        from afterword.language_model import LanguageModel

        improved, written = False, time.monotonic()

        def report(progress: Progress) -> None:
            nonlocal improved, written
            improved |= progress.improved
            due = improved and time.monotonic() - written >= SAMPLE_EVERY
            if due and run.model and bars.form == "auto" and rank() == 0:
                improved, written = False, time.monotonic()
                text = LanguageModel(run.model).generate(max_tokens=SAMPLE, seed=progress.step).text
                if line := text.strip().partition("\n")[0]:
                    say(f"    it writes: {line}")

        return report

    def train(
        self, run: Run, on_progress: OnReport | None = None, kept: bool = True, enough: Enough = lambda: False
    ) -> None:
        """Train `run` to its end, or until it is `enough`. A signal saves it and ends the command; so do the ends of
        ranks but the first."""
        with Stop() as stop:
            try:
                super().train(run, on_progress, kept, lambda: stop.signal is not None or enough())
            finally:
                self.note(*run.take_notes())
        status = 128 + (stop.signal or signal.SIGTERM)  # another rank may have had the signal
        if run.stopped and kept:
            again = f"{self.program} train --resume {shlex.quote(str(run.folder.path))}"
            say(f"stopped and saved; continue with: {again}")
            raise click.exceptions.Exit(status)
        if stop.signal is not None and not kept:
            raise KeyboardInterrupt if stop.signal == signal.SIGINT else SystemExit(status)
        if run.team.rank > 0:
            raise click.exceptions.Exit(0)


class OperationCommand(click.Command):
    """The command `name` of an operation."""

    def __init__(self, name: str, operation: Operation[Any, Any, Any]) -> None:
        self._operation = operation
        request = operation.request
        arguments = {field: _argument(field, *about) for field, about in arguments_of(request).items()}
        options = [_option(field, kind) for field, kind in kinds_of(request)]
        records = operation.records
        printing = [*_output_options(records)]
        config = [CONFIG] if name == "train" else []
        own = [*arguments.values(), *options, *printing, *config, PROGRESS, HELP_ALL]
        super().__init__(name, params=own, callback=self._run)
        self._first = [*request.first, *(one.name for one in printing)]
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

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first paragraph of what the command does, or all of it with --help-all, and the example."""
        whole, self.help = self.help, self.help if ALL in ctx.meta else (self.help or "").partition("\n\n")[0]
        super().format_help_text(ctx, formatter)
        self.help = whole
        with formatter.section("Example"):
            formatter.write(f"{'':>{formatter.current_indent}}afterword {self._operation.request.example}\n")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write all options if there are few, or with --help-all; otherwise, those that most people need."""
        records = {one.name: one.get_help_record(ctx) for one in self.get_params(ctx) if isinstance(one, click.Option)}
        rows = {name: row for name, row in records.items() if row}
        few = [name for name in self._first if name in rows] if ALL not in ctx.meta and len(rows) > MOST else [*rows]
        with formatter.section("Options"):
            formatter.write_dl([rows[name] for name in few])
        if left := len(rows) - len(few):
            formatter.write(f"\n{left} more options, and more about each: {ctx.command_path} --help-all\n")

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
        to_file, replace = values.pop("to_file", None), values.pop("replace", False)
        out = None if to_file is None else checked_output(named_path("--out", to_file), (), replace, [])
        form = JSON if as_json else CSV if as_csv else TABLE
        kinds = {field.name: kind for field, kind in kinds_of(self._operation.request)}
        config = values.pop("config", None)
        given = [name for name in values if context.get_parameter_source(name) == ParameterSource.COMMANDLINE]
        typed = {name: _number(kinds[name], values[name]) if name in kinds else values[name] for name in given}
        request = self._operation.make_request(**_of_file(config, self._operation.request, typed), **typed)
        work = CommandWork(self.spell, streams=form == TABLE and out is None)
        answer = self._operation.run(request, work)
        with contextlib.nullcontext() if out is None else _printing_to(out):
            try:
                failing = sum(one.fails for one in printed(answer, form, request, self._operation.show, work))
            except KeyboardInterrupt as error:  # while a record was printed: the operation knows what is complete
                if isinstance(answer, Generator):
                    answer.throw(error)
                raise
        if fail and failing:
            context.exit(FAILED)


@contextlib.contextmanager
def _printing_to(path: Path) -> Iterator[None]:
    """Print to the file `path`. If the work is interrupted or fails, what is complete is kept."""
    early: BaseException | None = None
    with output(path) as file:
        text = io.TextIOWrapper(file, "utf-8", "backslashreplace", write_through=True)
        try:
            with contextlib.redirect_stdout(text):
                yield
        except (KeyboardInterrupt, WorkError) as error:
            if is_whole_file(path) and not file.tell():
                raise
            early = error
        finally:
            text.detach()
    if early is not None:
        raise early


PROGRESS = click.Option(
    ["--progress"],
    type=click.Choice(["auto", "json", "none"]),
    default="auto",
    expose_value=False,
    callback=lambda context, option, form: setattr(bars, "form", form),
    help="progress: bars on a terminal, lines of JSON on standard error, or none",
)


CONFIG = click.Option(
    ["--config"],
    type=PATH,
    metavar="FILE.toml",
    help="read options from this file, from lines such as minutes = 10; options that you type replace them",
)


def _of_file(path: str | None, request: type[Request], typed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options in a file, except those typed or excluded by a typed one. Raises OptionError."""
    if path is None:
        return {}
    import tomllib  # few commands need it

    try:
        content = read_whole(Path(named_path("--config", path)), 1 << 16)  # a larger file is a mistake
        found = tomllib.loads(content.decode("utf-8-sig"))
        str(found)  # raises ValueError if a number has too many digits for a message
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # RecursionError: thousands of brackets
        raise OptionError(f"{path} is invalid: {str(error)[:100]}; write lines such as: minutes = 10") from None
    excludes = {field.name: field.metadata["excludes"] for field, _ in kinds_of(request)}
    values = {key.replace("-", "_"): value for key, value in found.items()}
    for name, key in zip(values, found, strict=True):
        if name not in excludes:
            close = "".join(
                f"; did you mean {one.replace('_', '-')}?" for one in get_close_matches(name, excludes, n=1)
            )
            advice = "; leave out its heading" if isinstance(found[key], dict) else close
            raise OptionError(f"{path} sets {key[:60]!r}, which is not an option of train{advice}")
    clash = {one for other in typed for one in (other, *excludes.get(other, ()))}
    return {name: value for name, value in values.items() if name not in clash and not typed.keys() & {*excludes[name]}}


def _in_full(context: click.Context, option: click.Parameter, given: bool) -> None:
    if given:
        context.meta[ALL] = True
        click.echo(context.get_help(), color=context.color)
        context.exit()


HELP_ALL = click.Option(["--help-all"], is_flag=True, is_eager=True, hidden=True, expose_value=False, callback=_in_full)


def _output_options(records: Sequence[type[Record]]) -> Iterator[click.Option]:
    """Yield the options that a command has because of the `records` of its answer."""
    if records:
        yield click.Option(["--json", "as_json"], is_flag=True, help="print JSON: an object on each line")
    if any(one.rows for one in records):
        yield click.Option(["--csv", "as_csv"], is_flag=True, help="print CSV")
    if any(one.to_file for one in records):
        yield click.Option(["-o", "--out", "to_file"], type=PATH, metavar="FILE", help="write to this file")
        yield click.Option(["--overwrite", "replace"], is_flag=True, help="replace an existing file")
    for meaning in {one.may_fail: None for one in records if one.may_fail}:
        yield click.Option(["--fail"], is_flag=True, help=f"exit with status {FAILED} {meaning}")


def _plain(argument: click.Parameter) -> str:
    return str(argument.metavar or argument.name or "").strip("[].").upper()


def _argument(name: str, about: Any, kind: Kind) -> click.Argument:
    metavar = about.metavar or name.upper()
    several, needed = about.least is not None, about.least != 0 and type(None) not in kind.types
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
