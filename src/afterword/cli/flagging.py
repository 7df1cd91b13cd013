"""`score --lines --false-alarms RATE --flag --fail`: which lines do not belong."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from afterword.cli.options import Function
from afterword.cli.screen import escaped
from afterword.cli.table import Marked
from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.scoring.odd import OddLine

RATE = 0.01  # of false alarms, by default
FAILED = 3  # exit status
ODD, PLAIN = "\033[1;31m", "\033[0m"  # what stands around odd characters on a terminal with colours


@dataclass(frozen=True)
class Flagging:
    """What is asked about odd lines."""

    false_alarms: float = RATE
    only: bool = False
    """Whether the odd lines alone are shown."""
    fail: bool = False
    """Whether there being any is a failure."""


def flag_options(function: Function) -> Function:
    """Decorate a command with the options; it gets a `Flagging`, or None where none is given."""

    @click.option(
        "--false-alarms",
        type=float,
        metavar="RATE",
        help=f"with --lines: tell odd lines, at this rate of false alarms ({RATE:g}; see calibrate)",
    )
    @click.option("--flag", "only", is_flag=True, help="with --lines: show the odd lines alone")
    @click.option("--fail", is_flag=True, help=f"with --lines: exit with status {FAILED} where there are odd lines")
    @functools.wraps(function)
    def command(false_alarms: float | None, only: bool, fail: bool, **values: Any) -> Any:
        asked = false_alarms is not None or only or fail
        rate = RATE if false_alarms is None else false_alarms
        return function(flagging=Flagging(rate, only, fail) if asked else None, **values)

    decorated: Function = command
    return decorated


def check_flagging(model: LanguageModel, asked: Flagging, masks: Sequence[str]) -> None:
    """Raise OptionError where `model` cannot tell odd lines as it is `asked`; note where the rate holds roughly."""
    calibration = model.check_calibrated(asked.false_alarms)
    if masks and tuple(masks) != calibration.masks:
        raise OptionError("the model was calibrated with other masks: leave out --mask, or calibrate it again")
    if note := calibration.holds_roughly(asked.false_alarms):
        print(f"note: {note}", file=sys.stderr)


def marked(line: OddLine) -> Marked:
    """The text of `line`, its odd pieces coloured; one where it ends too early is a coloured ↵."""
    parts, last = [], 0
    for start, stop in line.odd_pieces:
        parts += [escaped(line.text[last:start]), ODD, escaped(line.text[start:stop]) or "↵", PLAIN]
        last = stop
    return Marked("".join([*parts, escaped(line.text[last:])]))


def has_colours() -> bool:
    """Whether standard output shows colours."""
    from rich.console import Console

    console = Console()
    return console.color_system is not None and not console.no_color
