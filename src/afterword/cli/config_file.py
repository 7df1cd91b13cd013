"""`--config FILE.toml`: settings from a file, with the precedence command line, file, defaults.

The keys are the names of options, with hyphens or underscores, at the top level: `hidden-size = 256`. The settings' own
dataclasses check the values, so that a file, the command line and Python refuse the same values with the same message.
Paths are relative to the folder in which the command is run, as on the command line.
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
from afterword.planning.training_plan import LENGTHS, TrainingSettings
from afterword.series.table_corpus import SeriesSettings
from afterword.settings import Settings, made, setting
from afterword.text.corpus import TextSettings

LARGEST = 1 << 16  # bytes: a dozen lines are usual; a large text, given by mistake, is not parsed
EXAMPLE = "as in: hidden-size = 256"
Function = Callable[..., Any]


@dataclasses.dataclass(frozen=True)
class _Place(Settings):
    """The other settings of a file. Commands without such an option ignore them."""

    out: str | None = setting(None, "the run's folder")


KINDS = (TextSettings, SeriesSettings, TrainingSettings, _Place)
KEYS = [field.name for kind in KINDS for field in dataclasses.fields(kind)]


def config_option(function: Function) -> Function:
    """Decorate a command that has the options of these settings with `--config FILE.toml`.

    It must come above the `settings_options`. The option raises OptionError for an invalid file.
    """

    @functools.wraps(function)
    def command(**values: Any) -> Any:
        source = click.get_current_context().get_parameter_source
        if any(source(name) is ParameterSource.COMMANDLINE for name in LENGTHS):
            # the length of training has three names: the command line overrides any of them
            values |= {name: None for name in LENGTHS if source(name) is ParameterSource.DEFAULT_MAP}
        return function(**values)

    decorated: Function = click.option(
        "--config",
        type=PATH,
        metavar="FILE.toml",
        callback=_take,
        is_eager=True,  # before the options whose defaults it sets
        expose_value=False,
        help="read settings from lines such as hidden-size = 256 of this file; the command line has precedence",
    )(command)
    return decorated


def _take(context: click.Context, option: click.Parameter, path: str | None) -> None:
    if path is not None:
        context.default_map = read_config(path)


def read_config(path: str) -> dict[str, Any]:
    """Return the settings in the TOML file at `path`, by field name. Raises OptionError, which names the file."""
    values: dict[str, Any] = {}
    for key, value in _parsed(path).items():
        name, option = key.replace("-", "_"), key.replace("_", "-")
        if isinstance(value, dict) or (isinstance(value, list) and any(isinstance(item, dict) for item in value)):
            raise OptionError(f"{path}: {_shown(key)} is a table: write every setting at the top level, {EXAMPLE}")
        if name not in KEYS:
            close = [f"did you mean {other.replace('_', '-')}?" for other in get_close_matches(name, KEYS, n=1)]
            advice = close or ["keys have the names of options of train"]
            raise OptionError(f"{path}: {_shown(key)} is not a setting; {advice[0]}")
        if name in values:
            raise OptionError(f"{path}: {option} occurs twice: leave one out")
        if isinstance(value, int) and value.bit_length() > 64:
            raise OptionError(f"{path}: {option} is too large: write a smaller number")
        if name == "validation" and isinstance(value, int | float) and not isinstance(value, bool):
            value = str(value)  # a share, which is text on the command line
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
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}; give --config a TOML file") from None
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
    except ValueError:  # from Python's limit on digits
        raise OptionError(f"{path} contains a number with thousands of digits: write a smaller one") from None


def _shown(key: str) -> str:
    return repr(key[:60])
