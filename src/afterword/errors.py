"""Every error that a user can get, as one tree. A wing may have more of them.

    AfterwordError                an error that is reported in one line, without a traceback
    ├── InputError                wrong input: the caller can correct it         exit status 2
    │   ├── OptionError           an invalid option value
    │   ├── TextError             a text that cannot be read, encoded or learned from
    │   ├── ModelError            a model folder that is missing, damaged or of another kind
    │   └── RunError              a run folder that is taken, live, or cannot be resumed
    └── WorkError                 the work itself failed                         exit status 1
        ├── StorageError          a file could not be written
        ├── HubError              the model hub cannot be reached, or refused
        └── TrainingError         training cannot continue
            └── NotFiniteError    a loss or gradient is not a number; a run rolls back before it is reported

A message is one line: what is wrong with the value, what is allowed, and what to do. It names options by their fields,
in backticks, and every caller reads them as they are written where he asked: `id_column` is id_column= in Python,
--id-column on the command line, and id_column over HTTP.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Callable

OPTION_NAME = re.compile(r"`([a-z][a-z0-9_]*)`")  # of an option, in a message


class AfterwordError(Exception):
    """Base of every error that Afterword raises on purpose."""

    exit_status = 1

    @property
    def message(self) -> str:
        """The message with the names of options in backticks, to be spelled or to be part of another one."""
        return super().__str__()

    def __str__(self) -> str:
        return spelled(self.message)

    @property
    def over_http(self) -> str:
        """The message with the names of options as an HTTP request has them."""
        return spelled(self.message, str)


class InputError(AfterwordError):
    """Wrong input: nothing was done, and the caller can correct it."""

    exit_status = 2


class OptionError(InputError):
    """An invalid option value."""


class TextError(InputError):
    """A text that cannot be read, encoded or learned from."""


class ModelError(InputError):
    """A model folder that is missing, damaged or of another kind."""


class RunError(InputError):
    """A run folder that is taken, live, or cannot be resumed."""


class WorkError(AfterwordError):
    """The input was right, but the work failed."""


class StorageError(WorkError):
    """A file could not be written."""


class HubError(WorkError):
    """The model hub cannot be reached, or refused a request."""


class TrainingError(WorkError):
    """Training cannot continue."""


class NotFiniteError(TrainingError):
    """A loss, gradient or weight was not a finite number after `step` steps; the run rolls back and tries again."""

    def __init__(self, step: int, seconds: float) -> None:
        super().__init__(f"the loss is not a number at step {step:,}: give a lower `learning_rate`")
        self.step, self.seconds = step, seconds


def spelled(message: str, spell: Callable[[str], str] = "{}=".format) -> str:
    """Return `message` with the names of options spelled, by default as in Python."""
    return OPTION_NAME.sub(lambda found: spell(found[1]), message)


def check_installed(problem: str, *packages: str) -> None:
    """Raise OptionError with the message `problem` unless the optional `packages` are installed."""
    if any(importlib.util.find_spec(package) is None for package in packages):
        raise OptionError(problem)
