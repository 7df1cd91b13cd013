"""The likeliest next words, by a search over the tokens that spell them.

    reading ──► the likeliest beginnings of words ──► their next tokens ──► words, and longer beginnings
                              ▲                                                        │
                              └────────────────────────────────────────────────────────┘

A beginning is at least as likely as each word that begins with it. So the search ends once no beginning is likelier
than the words that were found. The probability of a word is summed over all that can follow it, and over the ways to
spell it in tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush, nlargest
from itertools import count
from operator import itemgetter
from typing import NamedTuple

import numpy as np
import regex
from numpy.typing import NDArray

from afterword.generation.prefill import Reading, continues, label_ends
from afterword.generation.rules import APOSTROPHES, OF_WORD, is_of_word
from afterword.generation.words import WORD_CHARACTERS
from afterword.model.folder.saved import SavedModel
from afterword.model.network.network import State, log_probabilities
from afterword.model.threads import PRODUCTS
from afterword.text.tokenizer import Tokenizer

SPELLED = rf"(?:{OF_WORD})++(?:[{APOSTROPHES}](?:{OF_WORD})++)*+"
# punctuation, and each letter of a script without spaces, is a word too
WORD = regex.compile(rf"\s*+(?:{SPELLED}|[^\w\s]++|\w)")
BEGUN = regex.compile(rf"{SPELLED}[{APOSTROPHES}]?$")
TOGETHER, MOST_STEPS = 12, 32  # beginnings that the network reads side by side, and number of such steps
LEAST = 1e-5  # the least probability of a beginning that is examined
RARER = 8  # if tokens have several characters, a word has several spellings; those rarer by this factor are ignored


@dataclass(frozen=True)
class NextWord:
    """A word that can follow a prompt. Punctuation marks in a row count as one word."""

    text: str
    """The text to append to the prompt: the word with the space before it, or the rest of a word that the prompt
    begins."""
    probability: float
    """The model's own probability, before temperature and filters."""


class _Tail(NamedTuple):
    """The end of a text, as far as it decides where its last word ends."""

    spelled: str
    begun: int = 0
    """The number of its first characters that belong to the prompt."""


class _Beginning(NamedTuple):
    """The beginning of a word, whose last token has not been read yet."""

    probability: float
    spelled: str
    tail: _Tail
    row: int
    state: State
    """The states of several lanes, before the last token."""
    lane: int


class _Search:
    """The search for the `number` likeliest words. Where a label comes first, they are those of its `ends`."""

    def __init__(self, tokenizer: Tokenizer, number: int, ends: Sequence[str] | None) -> None:
        self._tokenizer, self._number, self._ends = tokenizer, number, ends
        self._found = defaultdict[str, float](float)
        self._ahead = list[tuple[float, int, _Beginning]]()  # a heap, the likeliest first
        self._order, self._least = count(), 0.0

    def add(
        self, before: str, tail: _Tail, probabilities: NDArray[np.float64], state: State, lane: int, rest: str = ""
    ) -> None:
        """Take the `probabilities` [R] of the tokens after `before`. Each begins with the `rest` of the prompt."""
        tokenizer = self._tokenizer
        for row in np.flatnonzero(probabilities[: tokenizer.own_rows] > LEAST).tolist():
            spelled = "\n" if row == tokenizer.end else tokenizer.texts[row][len(rest) :]
            probability, (end, new_tail) = float(probabilities[row]), _after(tail, spelled)
            spelled = before + spelled
            if not continues(spelled, self._ends):
                continue
            if end is not None:
                self._found[spelled[: len(before) + end]] += probability
            elif row != tokenizer.end and probability > self._least:
                beginning = _Beginning(probability, spelled, new_tail, row, state, lane)
                heappush(self._ahead, (-probability, next(self._order), beginning))

    def likelier(self) -> list[_Beginning]:
        """Remove and return the likeliest beginnings that can still change the result."""
        found, some = self.likeliest, list[_Beginning]()
        if len(found) == self._number:
            self._least = found[-1].probability / (RARER if self._tokenizer.several else 1)
        while self._ahead and -self._ahead[0][0] > self._least and len(some) < TOGETHER:
            some.append(heappop(self._ahead)[2])
        return some

    @property
    def likeliest(self) -> list[NextWord]:
        """The words, the likeliest first."""
        return [NextWord(*each) for each in nlargest(self._number, self._found.items(), key=itemgetter(1))]


@lru_cache(2**16)
def _after(tail: _Tail, spelled: str) -> tuple[int | None, _Tail]:
    """Return where the word in `tail` ends if `spelled` follows, in characters after the tail, and the new tail.

    The end is None if it depends on what follows: an apostrophe can end a word, or be within it.
    """
    text, at = tail.spelled + spelled, 0
    while word := WORD.match(text, at):
        end, rest, last = word.end(), text[word.end() :], text[word.end() - 1]
        last = "a" if is_of_word(last) else last  # all letters are treated alike
        if not rest or (last == "a" and rest in {*APOSTROPHES}):
            return None, _Tail(last + rest, int(end <= tail.begun))
        if end > tail.begun:
            return end - len(tail.spelled), tail
        at = tail.begun  # the prompt ends with a whole word
    return None, _Tail("")


def next_words(model: SavedModel, reading: Reading, number: int) -> list[NextWord]:
    """Return the `number` likeliest words after the prompt that was read, the likeliest first; those of labels, where
    one comes first.

    There are fewer if the search finds fewer, as in a text without spaces.
    """
    tokenizer, network = model.tokenizer, reading.network
    begun = BEGUN.search(tokenizer.normalise(reading.prompt[-WORD_CHARACTERS:]))
    start, search = begun[0] if begun else "", _Search(tokenizer, number, label_ends(model, reading))
    for spelling in reading.each:
        probabilities = np.exp(log_probabilities(spelling.logits)[0])
        search.add("", _Tail(start, len(start)), probabilities, spelling.state, 0, spelling.rest)
    with PRODUCTS.limited():  # on busy processors, the threads of many small products wait for one another
        for _ in range(MOST_STEPS):
            if not (some := search.likelier()):
                break
            state = network.side_by_side(*[network.chosen(one.state, [one.lane]) for one in some])
            logits, state = network.step(np.array([one.row for one in some]), state)
            for lane, (one, after) in enumerate(zip(some, np.exp(log_probabilities(logits)), strict=True)):
                search.add(one.spelled, one.tail, one.probability * after, state, lane)
    return search.likeliest
