"""Questions about the places of a text, such as where a regular expression matches."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.text.patterns import Expression

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
    expression = Expression(pattern, "matching", re.MULTILINE)  # regex has the same flag

    def where(text: str) -> Mask:
        mask = np.zeros(len(text), bool)
        for span in expression.spans(text, seconds, "on this text", group=min(expression.groups, 1)):
            mask[slice(*span)] = True  # nothing for (-1, -1)
        return mask

    return Question(f"matching {pattern[:60]!r}", where)
