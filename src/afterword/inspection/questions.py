"""Questions about the places of a text, such as where a regular expression matches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError

SECONDS = 10.0  # the limit for an expression on one text

Mask = NDArray[np.bool_]  # one answer per character of a text, [N]


@dataclass(frozen=True)
class Question:
    """A question with one answer, yes or no, per character of a text."""

    title: str
    where: Callable[[str], Mask]


def matching(pattern: str, seconds: float = SECONDS) -> Question:
    """Return the question where the regular expression matches: its first group if it has groups, else all of it.

    ^ and $ match at the ends of lines. Raises OptionError for an invalid expression; the answer raises it if matching
    takes more than `seconds`.
    """
    import regex  # here, because this file is loaded with every model; Python's own engine has no time limit

    if not isinstance(pattern, str):
        raise OptionError(f"matching must be text, a regular expression, not {repr(pattern)[:60]}")
    too_large = OptionError(f"matching {pattern[:40]!r} needs too much memory: make it simpler")
    try:
        compiled = regex.compile(pattern, regex.MULTILINE)
    except regex.error as error:
        raise OptionError(f"matching {pattern[:40]!r} is not a regular expression: {error}") from None
    except (RecursionError, OverflowError, MemoryError):
        raise too_large from None

    def where(text: str) -> Mask:
        group = 1 if compiled.groups else 0
        try:
            mask = np.zeros(len(text), bool)
            for match in compiled.finditer(text, timeout=seconds, concurrent=True):
                mask[slice(*match.span(group))] = True  # nothing for (-1, -1), a group that took no part
            return mask
        except TimeoutError:
            raise OptionError(
                f"matching {pattern[:40]!r} takes more than {seconds:g} s on this text: write it without a repeat "
                "inside a repeat"
            ) from None
        except MemoryError:
            raise too_large from None

    return Question(f"matching {pattern[:60]!r}", where)
