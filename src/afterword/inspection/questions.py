"""Where something holds in a text: ready-made questions, each with what it means, and where an expression matches."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError

SECONDS = 10.0  # that an expression may take on one text

Mask = NDArray[np.bool_]  # one truth for each character of a text, [N]


def matches(pattern: str, text: str, seconds: float = SECONDS) -> Mask:
    """Where in `text` the regular expression matches, [N]: its first group's span if it has groups, else all of it.

    ^ and $ match at the ends of lines. Raises OptionError for what is not an expression, or takes too long.
    """
    import regex  # here, because this file is loaded with every model; Python's own engine has no time limit

    try:
        compiled = regex.compile(pattern, regex.MULTILINE)
        group = 1 if compiled.groups else 0
        return _marked(len(text), (match.span(group) for match in compiled.finditer(text, timeout=seconds)))
    except TimeoutError:
        raise OptionError(
            f"matching {pattern[:40]!r} takes more than {seconds:g} s on this text: write it with fewer ways to match, "
            "without a repeat inside a repeat"
        ) from None
    except (RecursionError, OverflowError, MemoryError):
        raise OptionError(f"matching {pattern[:40]!r} takes more memory than there is: make it simpler") from None
    except regex.error as error:
        raise OptionError(f"matching {pattern[:40]!r} is not a regular expression: {error}") from None


def _marked(length: int, spans: Iterable[tuple[int, int]]) -> Mask:
    """True inside `spans`; one of (-1, -1) is a group that took no part in its match."""
    mask = np.zeros(length, bool)
    for first, last in spans:
        mask[max(first, 0) : max(last, 0)] = True
    return mask


def _quotes(text: str) -> Mask:
    """Between quotation marks that are closed soon, the marks left out."""
    return np.asarray(matches('"([^"]{1,500})"', text) | matches("“([^“”]{1,500})”", text))


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


QUESTIONS: dict[str, tuple[str, Callable[[str], Mask]]] = {
    "line-start": ("the first 5 characters of a line", lambda text: _columns(text) < 5),
    "line-late": ("40 characters and more into the line", lambda text: _columns(text) >= 40),
    "quotes": ("inside quotation marks", _quotes),
    "brackets": ("inside brackets", _brackets),
    "capitals": ("a capital letter", lambda text: np.array([one.isupper() for one in text], bool)),
    "word-start": ("the first letter of a word", lambda text: matches(r"\b[^\W\d_]", text)),
    "speaker": (
        "a speaker's name, alone on its line before a colon",
        lambda text: matches(r"^[A-Z][^:\n]{0,30}(?=:$)", text),
    ),
    "number": ("in a number", lambda text: matches(r"\d+", text)),
}
