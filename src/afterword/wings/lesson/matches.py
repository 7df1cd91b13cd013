"""Where a regular expression matches, as an answer for each character of a text."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.text.patterns import Expression
from afterword.text.tokenizer import Tokenizer

SECONDS = 10.0  # the limit for an expression on one text

Mask = NDArray[np.bool_]  # one answer per character of a text, [N]


def matching(pattern: str, seconds: float = SECONDS) -> Callable[[str], Mask]:
    """Return a function of a text: where the regular expression matches, its first group if it has groups, else all.

    ^ and $ match at the ends of lines. Raises OptionError for an invalid expression; the function raises it if matching
    takes more than `seconds`.
    """
    expression = Expression(pattern, "matching", re.MULTILINE)  # regex has the same flag

    def where(text: str) -> Mask:
        mask = np.zeros(len(text), bool)
        for span in expression.spans(text, seconds, "on this text", group=min(expression.groups, 1)):
            mask[slice(*span)] = True  # nothing for (-1, -1)
        return mask

    return where


def last_characters(text: str, tokenizer: Tokenizer) -> Annotated[NDArray[np.intp], "T"]:
    """Return the index of the last character of each token of `text`."""
    starts = tokenizer.starts(text)
    return np.asarray(np.maximum(starts, np.append(starts[1:], len(text)) - 1))
