"""`--config FILE.toml`: settings from a file, in the precedence command line, file, defaults.

The file's keys are the options' names, with hyphens or underscores, at top level: `hidden-size = 256`. Its values are
judged by the settings' own dataclasses, so that a file, the command line and Python refuse the same values with the
same words. Paths in it are read as on the command line, from where the command is run.
"""

from __future__ import annotations

import dataclasses
import functools
import tomllib
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import click
from click.core import ParameterSource

from afterword.cli.options import PATH
from afterword.errors import OptionError
from afterword.planning.settings import LENGTHS, TrainingSettings
from afterword.settings import check, made, setting
from afterword.text.corpus import TextSettings

LARGEST = 1 << 16  # bytes: a dozen lines are usual, and a text given by mistake should not be parsed
EXAMPLE = "as in: hidden-size = 256"
Function = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class _Place:
    """What else a file may set. A command that writes no run has no such option and ignores it."""

    out: str | None = setting(None, "the run's folder")

    def __post_init__(self) -> None:
        check(self)


KINDS = (TextSettings, TrainingSettings, _Place)
KEYS = [field.name for kind in KINDS for field in dataclasses.fields(kind)]


def config_option(function: Function) -> Function:
    """Decorate a command that has the options of TextSettings and TrainingSettings with `--config FILE.toml`.

    It stands above the `settings_options`. Raises OptionError for a file that will not do.
    """

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        source = click.get_current_context().get_parameter_source
        if any(source(name) is ParameterSource.COMMANDLINE for name in LENGTHS):
            # how long to train is one setting with three names: the command line overrides whichever the file has
            values |= {name: None for name in LENGTHS if source(name) is ParameterSource.DEFAULT_MAP}
        return function(**values)

    decorated: Function = click.option(
        "--config",
        type=PATH,
        metavar="FILE.toml",
        callback=_take,
        is_eager=True,  # before the options whose defaults it gives
        expose_value=False,
        help="take the settings that are not given here from this file: lines such as hidden-size = 256",
    )(command)
    return decorated


def _take(context: click.Context, option: click.Parameter, path: str | None) -> None:
    if path is not None:
        context.default_map = read_config(path)


def read_config(path: str) -> dict[str, Any]:
    """The settings in the TOML file at `path`, by field name. Raises OptionError, which names the file."""
    values: dict[str, Any] = {}
    for key, value in _parsed(path).items():
        name = key.replace("-", "_")
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
            raise OptionError(f"{path}: {_shown(key)} is a table: write every setting at the top level, {EXAMPLE}")
        if name not in KEYS:
            close = get_close_matches(name, KEYS, n=1)
            advice = (
                f"did you mean {close[0].replace('_', '-')}?" if close else "keys are named as options of train are"
            )
            raise OptionError(f"{path}: there is no setting {_shown(key)}; {advice}")
        if name in values:
            raise OptionError(f"{path}: {name.replace('_', '-')} stands there twice: leave one out")
        if isinstance(value, int) and value.bit_length() > 64:
            raise OptionError(f"{path}: {name.replace('_', '-')} is too large: write a smaller number")
        if name == "validation" and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)  # a share, which the command line writes with the same characters
        values[name] = value
    try:
        for kind in KINDS:
            made(kind, values)
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from None
    return values


def _parsed(path: str) -> Mapping[str, Any]:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        raise OptionError(f"there is no file {path}: give --config a TOML file") from None
    except IsADirectoryError:
        raise OptionError(f"{path} is a folder: give --config a TOML file") from None
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}") from None
    if len(content) > LARGEST:
        raise OptionError(f"{path} is larger than {LARGEST >> 10} KiB: give --config a file of settings, {EXAMPLE}")
    try:
        return tomllib.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise OptionError(f"{path} is not UTF-8 (at line {line}): save it as UTF-8") from None
    except RecursionError:
        raise OptionError(f"{path} is nested too deeply: write every setting at the top level, {EXAMPLE}") from None
    except tomllib.TOMLDecodeError as error:
        why = str(error)
        raise OptionError(f"{path} is not TOML: {why[:1].lower()}{why[1:]}; a setting is a line {EXAMPLE}") from None
    except ValueError:  # Python's own limit of digits
        raise OptionError(f"{path} holds a number of thousands of digits: write a smaller one") from None


def _shown(key: str) -> str:
    return repr(key[:60])
