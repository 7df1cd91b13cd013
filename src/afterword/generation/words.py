"""Words that the training text does not contain: most of those that a model writes are misspelled.

An unlikely token within a word makes a word that does not exist. The n-gram model knows the words of its text: a token
is known after the beginning of a word if the text continues that beginning with it. If a word is longer than the
n-gram model looks back, its last tokens count. If one mark or space is known after a word, all are.

A word in capitals is often a speaker's name or part of a heading. One that the text does not contain comes from the
texts of the base. So it is not written, however likely it is, unless nothing else is left.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache, reduce
from typing import Annotated

import numpy as np
import regex
from numpy.typing import NDArray

from afterword.generation.rules import NO_WORD
from afterword.model.ngram.tables import Ngram
from afterword.text.tokenizer import Tokenizer

LETTER = regex.compile(rf"(?!{NO_WORD})[\p{{L}}\p{{M}}]")
WORD_CHARACTERS = 64  # of a prompt, which may belong to its last word
CACHED = 2**22  # bytes
MOST_NEW = 0.2  # the fraction of new words beyond which the words of a text say little about further ones
LEAST_IN_WORDS = 0.6  # the fraction of characters that are in words, for a text made of words
JUDGED = 200_000  # characters of a text that decide this
LAST_RESORT = 1e6  # off a logit: at every temperature, the token has no weight while any other token is left

Word = tuple[int, ...]
"""The rows of a word being written, after the row before it."""


class Words:
    """The words of the text that an n-gram model has counted."""

    def __init__(self, ngram: Ngram, tokenizer: Tokenizer) -> None:
        self._ngram, self._tokenizer = ngram, tokenizer
        self._texts = tokenizer.texts
        self._parts = np.array([not LETTER.match(text[:1]) for text in self._texts])
        self._ends = [not LETTER.match(text[-1:]) for text in self._texts]
        self._capital = np.array([text[:1].isupper() for text in self._texts])
        self.known = lru_cache(max(1, CACHED // ngram.rows))(self._known)

    def after(self, prompt: str, tokens: Sequence[int] = ()) -> Word:
        """Return the word that the end of `prompt` and the `tokens` after it begin."""
        ids = (*self._tokenizer.encode(prompt[-WORD_CHARACTERS:]).tolist(), *tokens)
        return reduce(self.pushed, ids, (self._ngram.start,))

    def pushed(self, word: Word, id: int) -> Word:
        """Return `word` with a token appended, or the word that this token begins."""
        row = min(id, self._ngram.rows - 1)
        if row == self._ngram.boundary:
            row = self._ngram.start
        return (row,) if self._parts[row] or self._ends[row] else (*word, row)[-self._ngram.order :]

    def keep_capitals(self, word: Word, left: Annotated[NDArray[np.float64], "R"]) -> None:
        """Rule out in `left` the tokens that would make `word` a word in capitals that the text does not contain.

        They stay as a last resort, for a text that may not copy the others. Change nothing if no other would be left,
        for example after a beginning that only a prompt can give.
        """
        last = "".join(self._texts[row] for row in word[1:][-2:])
        if last[-1:].isupper():
            known = self.known(word)
            kept = known if last[:-1].isupper() else known | ~self._capital
            if (left[kept] > -np.inf).any():
                left[~kept] -= LAST_RESORT

    def _known(self, word: Word) -> NDArray[np.bool_]:
        """Return, for each row [R], whether the text has it after `word` as the beginning of a word."""
        beginnings = [word]
        parted = len(word) < max(self._ngram.order, 2) and self._ends[word[0]]
        if parted:  # in the text, the word may come after a space
            spaced = self._tokenizer.encode(" " + "".join(self._texts[row] for row in word[1:2]))
            beginnings.append((*self._tokenizer.to_rows(spaced).tolist(), *word[2:]))
        known = np.zeros(self._ngram.rows, bool)
        for beginning in beginnings:
            known[self._ngram.seen(beginning)] = True
        if known[self._parts].any() or (parted and len(word) == 1):
            known |= self._parts
        if self._tokenizer.several and not known.any():  # a rule can force tokens that the text has nowhere in a row
            known[:] = True
        return known


def recur(text: str) -> bool:
    """Return whether `text` consists of words that recur, so that few words of its continuation are new.

    The fraction of new words is about that of the words that occur once (Good 1953).
    """
    words = regex.findall(rf"(?:{LETTER.pattern})+", text[:JUDGED])
    new = sum(count == 1 for count in Counter(words).values())
    return new < MOST_NEW * len(words) and sum(map(len, words)) >= LEAST_IN_WORDS * len(text[:JUDGED])
