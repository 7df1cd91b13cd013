"""Which units tell where something holds: inside quotation marks, in a speaker's name, where an expression matches.

A unit is judged by the area under the curve: the probability that its state is higher at a random place where it holds
than at a random place where it does not; 0.5 tells nothing, 1 (or 0, for a unit that is low there) tells everything.
Among thousands of units some tell much of any text by chance. So units are chosen, and turned the right way, on the
first half of the text alone, and what is reported of them is measured on the second half. Beside it stands what the
same search finds at best when the answer is shifted along the text, where there is nothing to be found.
"""

from __future__ import annotations

import json
import re
import reprlib
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.inspection.tables import as_html, as_text
from afterword.inspection.trace import Trace
from afterword.settings import whole_number
from afterword.text.tokenizer import Tokenizer

STATES = ("hidden", "cell")
SHIFTS = 20
TOP, MOST_UNITS = 5, 1000  # units an answer
SECONDS = 10.0  # that an expression may take on one text
HEAD = ("unit", "state", "when it holds", "area, first half", "area, held-out half", "")

Mask = NDArray[np.bool_]

# Python's engine may take exponential time, and nothing stops it from outside but the end of its process.
MATCH = """
import json, re, sys
asked = json.load(sys.stdin)
try:
    found = re.compile(asked["pattern"], re.MULTILINE)
    spans = [m.span(1 if found.groups else 0) for m in found.finditer(asked["text"])]
except (re.error, RecursionError, OverflowError) as error:
    json.dump({"error": str(error)}, sys.stdout)
else:
    json.dump({"spans": spans}, sys.stdout)
"""


@dataclass(frozen=True)
class UnitMatch:
    """How well one unit tells the answer."""

    layer: int
    unit: int
    state: str
    """"hidden" or "cell"."""
    above: bool
    """Whether it is high where the answer is yes; else it is low there."""
    found: float
    """The area under the curve on the first half, which chose it; 0.5 to 1."""
    area: float
    """The area under the curve on the second half, which did not."""

    @property
    def name(self) -> str:
        return f"l{self.layer}.u{self.unit}"


@dataclass(frozen=True)
class Answer:
    """Which units best tell where something holds, the best on the first half first."""

    question: str
    share: float
    """Of the tokens at which it holds."""
    units: list[UnitMatch]
    chance: float
    """The largest held-out area of the best unit for any of 20 shifted answers."""

    def rows(self, most: int) -> list[tuple[str, ...]]:
        """The table of the first `most` units, whose head is HEAD."""
        return [
            (
                one.name,
                one.state,
                "high" if one.above else "low",
                f"{one.found:.3f}",
                f"{one.area:.3f}",
                "" if one.area > self.chance else "no more than chance",
            )
            for one in self.units[:most]
        ]

    def caption(self) -> str:
        return f"{self.question}: {self.share:.1%} of the text; chance finds up to {self.chance:.3f}"

    def __str__(self) -> str:
        return f"{self.caption()}\n{as_text(HEAD, self.rows(len(self.units)))}"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return as_html(self.caption(), HEAD, self.rows(len(self.units)))


class Units:
    """The units of a model over a text, ready to be asked. Ranks are made once, which takes the most time."""

    def __init__(self, trace: Trace, tokenizer: Tokenizer) -> None:
        self.text = trace.text
        self._places = character_of_each_token(trace, tokenizer)
        T, L, H = trace.hidden.shape
        self._middle = T // 2
        self._names = [(layer, unit, state) for state in STATES for layer in range(L) for unit in range(H)]
        values = np.concatenate([getattr(trace, state).reshape(T, L * H) for state in STATES], axis=1)
        self._ranks = [midranks(half) for half in (values[: self._middle], values[self._middle :])]

    def __repr__(self) -> str:
        return f"Units({reprlib.repr(self.text)}, {len(self._names) // len(STATES):,} units)"

    def ask(self, question: str, characters: Mask, top: int = TOP) -> Answer:
        """Which units tell where `characters` [N], one truth a character of the text, is true.

        Raises OptionError where it holds everywhere or nowhere in one of the two halves.
        """
        top = whole_number("top", top)
        if not 1 <= top <= MOST_UNITS:
            raise OptionError(f"top must be from 1 to {MOST_UNITS:,}, not {top}")
        mask = characters[self._places]
        first, second = mask[: self._middle], mask[self._middle :]
        if not mask.any():
            raise OptionError(f"{question} matches nothing in this text: choose another expression or a longer text")
        if mask.all():
            raise OptionError(f"{question} matches everything in this text: it can tell nothing apart")
        for half, name in ((first, "first"), (second, "second")):
            if half.all() or not half.any():
                where = "everywhere" if half.any() else "nowhere"
                raise OptionError(f"{question} holds {where} in the {name} half of the text: give a longer text")
        found, area = (areas(ranks, half) for ranks, half in zip(self._ranks, (first, second), strict=True))
        above = found >= 0.5
        found, area = np.where(above, found, 1 - found), np.where(above, area, 1 - area)
        best: dict[tuple[int, int], UnitMatch] = {}  # of each unit the state that tells more
        for k in np.argsort(-found, kind="stable"):
            layer, unit, state = self._names[k]
            if (layer, unit) not in best:
                best[layer, unit] = UnitMatch(layer, unit, state, bool(above[k]), float(found[k]), float(area[k]))
            if len(best) == top:
                break
        return Answer(question, float(mask.mean()), list(best.values()), self._chance(first, second))

    def matching(self, pattern: str, top: int = TOP) -> Answer:
        """Which units tell where the regular expression `pattern` matches. Raises OptionError."""
        if not isinstance(pattern, str):
            raise OptionError(f"matching must be text, a regular expression, not {repr(pattern)[:60]}")
        return self.ask(f"matching {pattern[:60]!r}", matching(pattern, self.text), top)

    def ready_made(self, name: str, top: int = TOP) -> Answer:
        """The answer to one of QUESTIONS. Raises OptionError for any other, and where there is nothing to ask about."""
        if name not in QUESTIONS:
            raise OptionError(f"there is no question {str(name)[:40]!r}: ask one of {', '.join(QUESTIONS)}")
        question, mask = QUESTIONS[name]
        return self.ask(f"{name} ({question})", mask(self.text), top)

    def _chance(self, first: Mask, second: Mask) -> float:
        """The largest held-out area that the same search finds for answers that are shifted along each half."""
        highest = 0.5
        for k in range(1, SHIFTS + 1):
            shifted = [np.roll(half, k * len(half) // (SHIFTS + 1)) for half in (first, second)]
            found, area = (areas(ranks, half) for ranks, half in zip(self._ranks, shifted, strict=True))
            chosen = np.abs(found - 0.5).argmax()
            highest = max(highest, float(area[chosen] if found[chosen] >= 0.5 else 1 - area[chosen]))
        return highest


def midranks(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """The rank of each of values [T, C] in its column, from 1; equal ones have the mean of theirs."""
    ranks = np.empty(values.shape, np.float32)
    for column in range(values.shape[1]):
        order = values[:, column].argsort(kind="stable")
        ordered = values[order, column]
        new = np.concatenate([[True], ordered[1:] != ordered[:-1]])
        first = np.flatnonzero(new)
        count = np.diff(np.append(first, len(order)))
        ranks[order, column] = (first + (count + 1) / 2)[new.cumsum() - 1]
    return ranks


def areas(ranks: NDArray[np.float32], mask: Mask) -> NDArray[np.float64]:
    """The area under the curve of each column of `ranks` [T, C] for the truth `mask` [T] (Mann and Whitney's U)."""
    inside = int(mask.sum())
    sums = np.add.reduce(ranks[mask], axis=0, dtype=np.float64)
    value: NDArray[np.float64] = (sums - inside * (inside + 1) / 2) / (inside * (len(mask) - inside))
    return value


def character_of_each_token(trace: Trace, tokenizer: Tokenizer) -> NDArray[np.intp]:
    """The last character of the text that each token has a part in, [T]."""
    decoder = tokenizer.decoder()
    lengths = np.array([len(decoder.push(id)) for id in trace.ids.tolist()])
    ends = lengths.cumsum()
    return np.minimum(np.where(lengths > 0, ends - 1, ends), max(len(trace.text) - 1, 0)).astype(np.intp)


def matching(pattern: str, text: str, seconds: float = SECONDS) -> Mask:
    """Where in `text` the regular expression matches, [N]: its first group's span if it has groups, else all of it.

    ^ and $ match at lines' ends. Raises OptionError for an expression that is none, or that takes too long.
    """
    import subprocess  # here, because this file is loaded with every model

    asked = json.dumps({"pattern": pattern, "text": text})
    try:
        finished = subprocess.run(
            [sys.executable, "-I", "-S", "-c", MATCH], input=asked, capture_output=True, text=True, timeout=seconds
        )
        found = json.loads(finished.stdout)
    except subprocess.TimeoutExpired:
        raise OptionError(
            f"matching {pattern[:40]!r} takes more than {seconds:g} s on this text: write it so that it needs not try "
            f"so many ways (no repeat inside a repeat)"
        ) from None
    except ValueError:
        raise OptionError(f"matching {pattern[:40]!r} needs more than this machine has: make it simpler") from None
    if "error" in found:
        raise OptionError(f"matching {pattern[:40]!r} is no regular expression: {found['error']}")
    mask = np.zeros(len(text), bool)
    for first, last in found["spans"]:
        if first >= 0:  # a group that took no part in its match
            mask[first:last] = True
    return mask


def _inside(open: str, close: str, at_most: int) -> Callable[[str], Mask]:
    """Where a text is between two signs, the signs themselves left out; what is never closed soon is no pair."""
    pattern = re.compile(f"{re.escape(open)}([^{re.escape(open + close)}]{{1,{at_most}}}){re.escape(close)}")

    def mask(text: str) -> Mask:
        found = np.zeros(len(text), bool)
        for match in pattern.finditer(text):
            found[match.start(1) : match.end(1)] = True
        return found

    return mask


def _quotes(text: str) -> Mask:
    return np.asarray(_inside('"', '"', 500)(text) | _inside("“", "”", 500)(text))


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


def _by_expression(pattern: str) -> Callable[[str], Mask]:
    compiled = re.compile(pattern, re.MULTILINE)

    def mask(text: str) -> Mask:
        found = np.zeros(len(text), bool)
        for match in compiled.finditer(text):
            found[match.start() : match.end()] = True
        return found

    return mask


QUESTIONS: dict[str, tuple[str, Callable[[str], Mask]]] = {
    "line-start": ("the first 5 characters of a line", lambda text: _columns(text) < 5),
    "line-late": ("40 characters and more into the line", lambda text: _columns(text) >= 40),
    "quotes": ("inside quotation marks", _quotes),
    "brackets": ("inside brackets", _brackets),
    "capitals": ("a capital letter", lambda text: np.array([one.isupper() for one in text], bool)),
    "word-start": ("the first letter of a word", _by_expression(r"\b[^\W\d_]")),
    "speaker": ("a speaker's name, alone on its line before a colon", _by_expression(r"^[A-Z][^:\n]{0,30}(?=:$)")),
    "number": ("in a number", _by_expression(r"\d+")),
}
