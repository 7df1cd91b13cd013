"""Where something holds in a text: ready-made questions, each with what it means, and where an expression matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError

SECONDS = 10.0  # that an expression may take on one text

Mask = NDArray[np.bool_]  # one truth for each character of a text, [N]


@dataclass(frozen=True)
class Question:
    """Where does something hold?"""

    title: str
    where: Callable[[str], Mask]


def matching(pattern: str, seconds: float = SECONDS) -> Question:
    """Where does the regular expression match: its first group if it has groups, else all of it?

    ^ and $ match at the ends of lines. Raises OptionError for what is not an expression; the answer raises it where
    matching takes more than `seconds`.
    """
    import regex  # here, because this file is loaded with every model; Python's own engine has no time limit

    if not isinstance(pattern, str):
        raise OptionError(f"matching must be text, a regular expression, not {repr(pattern)[:60]}")
    too_large = OptionError(f"matching {pattern[:40]!r} takes more memory than there is: make it simpler")
    try:
        compiled = regex.compile(pattern, regex.MULTILINE)
    except regex.error as error:
        raise OptionError(f"matching {pattern[:40]!r} is not a regular expression: {error}") from None
    except (RecursionError, OverflowError, MemoryError):
        raise too_large from None

    def where(text: str) -> Mask:
        group = 1 if compiled.groups else 0
        try:
            return _marked(len(text), (match.span(group) for match in compiled.finditer(text, timeout=seconds)))
        except TimeoutError:
            raise OptionError(
                f"matching {pattern[:40]!r} takes more than {seconds:g} s on this text: write it with fewer ways to "
                "match, without a repeat inside a repeat"
            ) from None
        except MemoryError:
            raise too_large from None

    return Question(f"matching {pattern[:60]!r}", where)


def ready_made(name: str) -> Question:
    """One of `READY_MADE`. Raises OptionError for any other."""
    if name not in READY_MADE:
        raise OptionError(f"there is no question {str(name)[:40]!r}: ask one of {', '.join(READY_MADE)}")
    title, where = READY_MADE[name]
    return Question(f"{name} ({title})", where)


def _marked(length: int, spans: Iterable[tuple[int, int]]) -> Mask:
    """True inside `spans`; one of (-1, -1) is a group that took no part in its match."""
    mask = np.zeros(length, bool)
    for first, last in spans:
        mask[max(first, 0) : max(last, 0)] = True
    return mask


def _quotes(text: str) -> Mask:
    """Between quotation marks that are closed soon, the marks left out."""
    return np.asarray(_matches('"([^"]{1,500})"')(text) | _matches("“([^“”]{1,500})”")(text))


def _matches(pattern: str) -> Callable[[str], Mask]:
    return lambda text: matching(pattern).where(text)


def _brackets(text: str) -> Mask:
    """Where one bracket at least is open, of any kind; the closing ones are outside."""
    steps = np.array([(one in "([{") - (one in ")]}") for one in text], int)
    found, depth = np.zeros(len(text), bool), 0
    for k, step in enumerate(steps):
        depth = max(0, depth + step)
        found[k] = depth > 0
    return found


def _columns(text: str) -> NDArray[np.intp]:
    """How many characters of its line stand before each character, [N]."""
    starts = np.concatenate([[0], np.flatnonzero(np.array([one == "\n" for one in text], bool)) + 1])
    places = np.arange(len(text))
    columns: NDArray[np.intp] = places - starts[np.searchsorted(starts, places, side="right") - 1]
    return columns


READY_MADE: dict[str, tuple[str, Callable[[str], Mask]]] = {
    "line-start": ("the first 5 characters of a line", lambda text: _columns(text) < 5),
    "line-late": ("40 characters and more into the line", lambda text: _columns(text) >= 40),
    "quotes": ("inside quotation marks", _quotes),
    "brackets": ("inside brackets", _brackets),
    "capitals": ("a capital letter", lambda text: np.array([one.isupper() for one in text], bool)),
    "word-start": ("the first letter of a word", _matches(r"\b[^\W\d_]")),
    "speaker": (
        "a speaker's name, alone on its line before a colon",
        _matches(r"^[A-Z][^:\n]{0,30}(?=:$)"),
    ),
    "number": ("in a number", _matches(r"\d+")),
}
