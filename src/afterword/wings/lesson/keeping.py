"""Memory of a word: a network's cell states, compared with those after other words in the same place.

A plain recurrent network has no cell states; its hidden states are compared.
The gates "that hold the word" are weighted by the square of what their cells hold of it: a forget gate by what the
cell held before the step, an input or output gate by what it holds after the step.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError, TextError
from afterword.inspection.trace import SIGMOIDS
from afterword.language_model import LanguageModel
from afterword.settings import OnProgress, ignore_progress, suggests
from afterword.wings.lesson.finding import Finding
from afterword.wings.lesson.matches import last_characters

MOST_WORDS = 32  # next words that are looked for
MOST_EXPECTED, LEAST_EXPECTED = 6, 0.005  # of these, those that are shown


@dataclass(frozen=True)
class HeldStretch:
    """Some characters of the text after the word."""

    text: str
    held: float
    """The difference in the cell states after the last character, as a fraction of the largest difference after the
    word."""
    forget_where_held: float | None
    """The mean of the forget gates that hold the word; a plain recurrent network has none."""
    forget: float | None
    """The mean of all forget gates."""
    input_where_held: float | None
    input: float | None
    output_where_held: float | None
    output: float | None


@dataclass(frozen=True, repr=False)
class Kept(Finding):
    """The share of a word that is still held after each stretch of a text, and the words expected at its end."""

    word: str
    instead: list[str]
    """The words that it was compared with."""
    at_word: HeldStretch
    """The word itself; its gates are weighted by what the cells hold after it."""
    stretches: list[HeldStretch]
    expected: dict[str, float]
    """The probabilities of the likeliest next words, and of `word`; of tokens, if `word` has no letter or digit."""

    @property
    def caption(self) -> str:
        return f"{self.word!r} compared with {', '.join(map(repr, self.instead))} in its place"

    @property
    def head(self) -> tuple[str, ...]:
        gates = [title for gate in SIGMOIDS for title in (f"{gate} where held", "all")]
        return (f"of {self.word!r} still held", *gates, "after")

    @property
    def foot(self) -> str:
        return "expected next: " + ", ".join(f"{word} {one:.2f}" for word, one in self.expected.items())

    def rows(self) -> list[tuple[str, ...]]:
        rows = []
        for one in (self.at_word, *self.stretches):
            gates = [getattr(one, name) for gate in SIGMOIDS for name in (f"{gate}_where_held", gate)]
            rows.append((*("–" if x is None else f"{x:.2f}" for x in (one.held, *gates)), repr(one.text)))
        return rows


@suggests
def keeps(
    model: LanguageModel,
    text: str,
    word: str,
    *,
    instead: str | Sequence[str],
    after: str | None = None,
    on_progress: OnProgress = ignore_progress,
) -> Kept:
    """Measure how much of the first `word` of the text the cell states still hold after each stretch of the rest.

    The text is compared with the same text with each word of `instead` in its place. The stretches are the words that
    follow. With `after`, such as a full stop, they are what comes before it, itself, and the space, first letter and
    rest of the word behind it.

    Raises OptionError if the text has no such `word`, TextError if nothing comes after it, and otherwise as
    `model.gates` does.
    """
    tokenizer = model.tokenizer
    text, word = tokenizer.normalise(text), tokenizer.normalise(word)
    text = text.rstrip("\n") if model.lines else text
    first, last = _place_of(word, text, after)
    others = [tokenizer.normalise(one) for one in ([instead] if isinstance(instead, str) else instead)]
    if not others or word in others:
        raise OptionError(f"{word[:40]!r} is compared with other words: name one to put in its place")
    here = model.gates(text)
    ids = tokenizer.encode(text)
    places = last_characters(text, tokenizer)
    n = max(int((places < last).sum()), 1)
    rest = slice(n - 1 - len(places), None)  # the last token of the word and those after it, counted from the end
    state = "cell" if here.has_gates else "hidden"
    # the squares of what differs in the states after each token, and before it, [n, L, H]
    apart = before = np.zeros(())
    for k, other in enumerate(others):
        on_progress((k + 1) / (len(others) + 1))
        changed = text[:first] + other + text[last:]
        if not np.array_equal(ids[n:], tokenizer.encode(changed)[n - len(ids) :]):
            raise OptionError(f"with {other[:40]!r} the rest of the text has other tokens: name another word")
        there = model.gates(changed)
        apart = apart + (getattr(here, state)[rest] - getattr(there, state)[rest]).astype(float) ** 2
        before = before + (here.before[rest] - there.before[rest]).astype(float) ** 2
    distance = np.sqrt(apart.sum(axis=(1, 2)))

    def stretch(begin: int, end: int, tokens: NDArray[np.intp]) -> HeldStretch:
        """Return the figures at these `tokens` of the text; a token's row of `distance` is its number less n - 1."""
        held = float(distance[tokens[-1] - n + 1] / max(distance[1:].max(initial=0), 1e-12))
        rows = np.maximum(tokens - n + 1, 0)
        means: dict[str, float | None] = {}
        for gate in SIGMOIDS:
            weights = (before if gate == "forget" and tokens[0] >= n else apart)[rows] + 1e-30  # if nothing is held
            gates = getattr(here, gate)[tokens].astype(float)
            for name, each in ((f"{gate}_where_held", weights), (gate, None)):
                means[name] = float(np.average(gates, (1, 2), each).mean()) if gates.size else None
        return HeldStretch(text[begin:end], held, **means)

    stretches, begin = [], last
    for end in _stretches(text, last, after):
        inside = np.flatnonzero((places >= begin) & (places < end))
        if len(inside):  # otherwise the next token begins here and ends in the next stretch
            stretches.append(stretch(begin, end, inside))
            begin = end
    at_word = stretch(first, last, np.arange(min(int((places < first).sum()), n - 1), n))
    expected = _next(model, text, word)
    likeliest = [(one, p) for one, p in expected.items() if p >= LEAST_EXPECTED][:MOST_EXPECTED]
    return Kept(word, others, at_word, stretches, dict(likeliest) | {word: expected.get(word, 0.0)})


def _place_of(word: str, text: str, after: str | None) -> tuple[int, int]:
    """Return where the first `word` of the text begins and ends. Raises OptionError, TextError as `keeps`."""
    left, right = (r"(?<!\w)" if word[:1].isalnum() else "", r"(?!\w)" if word[-1:].isalnum() else "")
    found = re.search(left + re.escape(word) + right, text)
    if not word or found is None:
        raise OptionError(f"the text has no word {word[:40]!r}: name one of its words")
    if found.end() == len(text):
        raise TextError(f"the text ends with {word[:40]!r}: add some text after it")
    if after is not None and after not in text[found.end() :]:
        raise OptionError(f"the text has no {after[:40]!r} after {word[:40]!r}: name characters that come after it")
    return found.span()


def _stretches(text: str, first: int, after: str | None) -> Iterator[int]:
    """Yield the ends of the stretches of `text` from `first` on."""
    if after:
        pieces = re.split(rf"({re.escape(after)})(\s*)(\w?)(\w*)", text[first:])
    else:
        pieces = re.findall(r"\s*\w+|\s*[^\w\s]|\s+", text[first:])
    for piece in filter(None, pieces):
        yield (first := first + len(piece))


def _next(model: LanguageModel, text: str, word: str) -> dict[str, float]:
    """Return the LSTM's probabilities of the likeliest next words after `text`; of characters, if `word` is not one."""
    lstm = model.using("lstm")
    if not any(letter.isalnum() for letter in word):  # such as a bracket
        return {one.text: one.probability for one in lstm.next_characters(text) if one.text}
    found = [(one.text.strip(), one.probability) for one in lstm.next_words(text, MOST_WORDS)]
    # the same word can come after one space and after two
    return {word: sum(p for other, p in found if other == word) for word, _ in found if word.isalnum()}
