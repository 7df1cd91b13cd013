"""Questions about the places of a text: ready-made ones, and where a regular expression matches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

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


def ready_made(name: str) -> Question:
    """Return the question of `READY_MADE` with that name. Raises OptionError for an unknown one."""
    if name not in READY_MADE:
        raise OptionError(f"unknown question {str(name)[:40]!r}: ask one of {', '.join(READY_MADE)}")
    title, where = READY_MADE[name]
    return Question(f"{name} ({title})", where)


def _quotes(text: str) -> Mask:
    """Return True between quotation marks that are closed soon, without the marks."""
    return np.asarray(_matches('"([^"]{1,500})"')(text) | _matches("“([^“”]{1,500})”")(text))


def _matches(pattern: str) -> Callable[[str], Mask]:
    return lambda text: matching(pattern).where(text)


def _brackets(text: str) -> Mask:
    """Return True where at least one bracket of any kind is open; the closing ones are outside."""
    steps = ((one in "([{") - (one in ")]}") for one in text)
    depths = accumulate(steps, lambda depth, step: max(0, depth + step), initial=0)
    return np.array([*depths][1:]) > 0


READY_MADE: dict[str, tuple[str, Callable[[str], Mask]]] = {
    "line-start": ("the first 5 characters of a line", _matches(r"^(?:.{0,4}\n|.{1,5})")),
    "line-late": ("40 characters and more into the line", _matches(r"(?<=^.{40})(?:.+\n?|\n)")),
    "quotes": ("inside quotation marks", _quotes),
    "brackets": ("inside brackets", _brackets),
    "capitals": ("a capital letter", lambda text: np.array([one.isupper() for one in text], bool)),
    "word-start": ("the first letter of a word", _matches(r"\b[^\W\d_]")),
    "speaker": ("a speaker's name, alone on its line before a colon", _matches(r"^[A-Z][^:\n]{0,30}(?=:$)")),
    "number": ("in a number", _matches(r"\d+")),
}
