"""Units that predict where something is: inside quotation marks, in a speaker's name, where an expression matches.

A unit is judged by the area under the curve: the probability that its value is higher at a random place where the
answer is yes than at a random place where it is no, ties counting half. 0.5 predicts nothing; 1 (or 0, for a unit that
is low there) predicts everything. Among thousands of units some predict much of any text by chance. So units are
chosen, and turned the right way, on the first half of the text alone, and measured on the second half. The answer also
reports what chance finds: the search is repeated with the answer shifted along the text, where there is nothing to
find, and the largest area of all units that such a search would show is the limit. Shifting keeps how long an answer
stays the same. With 40 shifts, one random question in 41 has a unit above the limit, however many units are shown.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.inspection.gates import beginning
from afterword.inspection.trace import Trace
from afterword.language_model import LanguageModel
from afterword.model.arrays import Array, Floats
from afterword.settings import suggests, whole_number
from afterword.text.patterns import Expression
from afterword.text.tokenizer import Tokenizer
from afterword.wings.lesson.finding import Finding

STATES = ("hidden", "cell")
TOP, MOST_UNITS = 5, 1000  # units per answer
SHIFTS, SECONDS = 40, 10.0  # the limit for an expression on one text

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


def midranks(values: Annotated[NDArray[np.floating], "T C"]) -> Annotated[Array, "T C"]:
    """Return the rank of each of `values` in its column, from 1. Equal values get the mean of their ranks."""
    ranks = np.empty(values.shape, np.float32)
    for column in range(values.shape[1]):
        _, which, counts = np.unique(values[:, column], return_inverse=True, return_counts=True)
        ranks[:, column] = (counts.cumsum() - (counts - 1) / 2)[which]
    return ranks


def areas(ranks: Annotated[Array, "T C"], mask: Annotated[Mask, "T"]) -> Annotated[Floats, "C"]:
    """Return the area under the curve of each column of `ranks` for the answers `mask`.

    It is Mann and Whitney's U, divided by the number of pairs.
    """
    inside = int(mask.sum())
    sums = np.add.reduce(ranks[mask], axis=0, dtype=np.float64)
    return np.asarray((sums - inside * (inside + 1) / 2) / (inside * (len(mask) - inside)))


@dataclass(frozen=True)
class UnitMatch:
    """One unit, and how well it predicts the answer."""

    name: str
    state: str
    """"hidden" or "cell"."""
    above: bool
    """Whether it is high where the answer is yes; otherwise it is low there."""
    found: float
    """The area under the curve on the first half of the text, by which it was chosen; 0.5 to 1."""
    area: float
    """The area under the curve on the second half, which is held out."""


@dataclass(frozen=True, repr=False)
class Answer(Finding):
    """The units that best predict the answer to a question, best on the first half first."""

    question: str
    fraction: float
    """The fraction of tokens for which the answer is yes."""
    units: list[UnitMatch]
    chance: float
    """The largest held-out area of the requested number of best units, over 40 shifted answers."""

    @property
    def caption(self) -> str:
        return f"{self.question}: {self.fraction:.1%} of the text; chance finds up to {self.chance:.3f}"

    head = ("unit", "state", "when true", "area, first half", "area, held-out half", "")

    def rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for one in self.units:
            level, luck = "high" if one.above else "low", "" if one.area > self.chance else "no more than chance"
            rows.append((one.name, one.state, level, f"{one.found:.3f}", f"{one.area:.3f}", luck))
        return rows


class Units:
    """The units of a model over a text, ready for questions. Ranking them takes most of the time and is done once."""

    def __init__(self, lines: Sequence[Trace], tokenizer: Tokenizer) -> None:
        self.text = "\n".join(line.text for line in lines)
        starts = accumulate((len(line.text) + 1 for line in lines), initial=0)
        each = [start + last_characters(line.text, tokenizer) for start, line in zip(starts, lines, strict=False)]
        self._places = np.concatenate(each)
        T, (L, H) = len(self._places), lines[0].hidden.shape[1:]
        self._halves = slice(T // 2), slice(T // 2, T)
        self._names = [(f"l{layer}.u{unit}", state) for state in STATES for layer, unit in np.ndindex(L, H)]
        states = [np.concatenate([getattr(line, state) for line in lines]).reshape(T, L * H) for state in STATES]
        values = np.concatenate(states, axis=1)
        self._ranks = [midranks(values[half]) for half in self._halves]

    def __repr__(self) -> str:
        return f"Units({reprlib.repr(self.text)}, {len(self._names) // len(STATES):,} units)"

    def ask(self, question: str, where: Callable[[str], Mask], top: int = TOP) -> Answer:
        """Find the `top` units that best predict `where` a question has the answer yes.

        Raises OptionError if the answer is the same everywhere in one of the two halves of the text, or for an invalid
        `top`.
        """
        if not 1 <= whole_number("top", top) <= MOST_UNITS:
            raise OptionError(f"top must be from 1 to {MOST_UNITS:,}, not {top}")
        mask = where(self.text)[self._places]
        masks = [mask[half] for half in self._halves]
        for each, what in ((mask, "this text"), *zip(masks, ("the first half", "the second half"), strict=True)):
            if each.all() or not each.any():
                found = "everything" if each.any() else "nothing"
                raise OptionError(f"{question} matches {found} in {what}: choose another expression or a longer text")
        best = self._best(masks, top)
        shifted = ([np.roll(half, k * len(half) // (SHIFTS + 1)) for half in masks] for k in range(1, SHIFTS + 1))
        chance = max(one.area for each in shifted for one in self._best(each, top))
        return Answer(question, float(mask.mean()), best, max(chance, 0.5))

    def _best(self, masks: list[Mask], top: int) -> list[UnitMatch]:
        """Return the `top` units by the area on the first half, each with the state that predicts more."""
        found, area = (areas(each, half) for each, half in zip(self._ranks, masks, strict=True))
        above = found >= 0.5
        found, area = np.where(above, found, 1 - found), np.where(above, area, 1 - area)
        best: dict[str, UnitMatch] = {}
        for k in np.argsort(-found, kind="stable"):
            name, state = self._names[k]
            best.setdefault(name, UnitMatch(name, state, bool(above[k]), float(found[k]), float(area[k])))
            if len(best) == top:
                break
        return list(best.values())

    def matching(self, pattern: str, top: int = TOP) -> Answer:
        """Find the units that best predict where the regular expression `pattern` matches. Raises OptionError."""
        return self.ask(f"matching {pattern[:60]!r}", matching(pattern), top)


@suggests
def units(model: LanguageModel, text: str) -> Units:
    """Return the units over `text`, ready for questions: `units(model, text).matching("b+")`.

    Only the first 20,000 tokens are read, or fewer of a large network; a model of lines reads each line from a fresh
    state. Raises TextError for an empty text.
    """
    text = beginning(model, text)
    lines = [line for line in text.split("\n") if line] if model.lines else []
    return Units([model.gates(line) for line in lines or [text]], model.tokenizer)


def last_characters(text: str, tokenizer: Tokenizer) -> Annotated[NDArray[np.intp], "T"]:
    """Return the index of the last character of each token of `text`."""
    starts = tokenizer.starts(text)
    return np.asarray(np.maximum(starts, np.append(starts[1:], len(text)) - 1))
