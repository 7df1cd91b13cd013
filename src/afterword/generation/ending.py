"""The end of a text: a stop string, or the end of a sentence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from afterword.text.sentences import CONTEXT, stops

BEYOND = 800  # the most characters from the length of a text to the end of its sentence: verse has long ones
OPEN, SHUT = "01"
# without one, it ends with a line, then with a word
LAST = regex.compile(rf".{{{BEYOND - 50},}}?(?=\n)|.{{{BEYOND - 20},}}?(?=\s)|.{{{BEYOND}}}", regex.DOTALL)


@dataclass(frozen=True)
class Goal:
    """The conditions that end a text. Lengths are in tokens, or in characters if the text must obey rules."""

    sentences: int
    """The number of sentences; 0 for any number."""
    most: int
    """The length after which the text ends: at once, or if it `finishes`, with the next sentence."""
    finishes: bool
    """True if the text continues to the end of its sentence, for at most `BEYOND` characters."""
    cased: bool
    """False if the model writes lower-case letters only."""


class Ending:
    """A filter that takes a text in parts and cuts it off after its last sentence. A copy of it is independent."""

    def __init__(self, goal: Goal, before: str) -> None:
        """`before` is the prompt."""
        self._goal, self._text = goal, before[-CONTEXT:]
        self._open = OPEN * len(self._text)  # for each character: OPEN if the text may end after it, else SHUT
        # sentences before `_seen` are counted; text before `_given` was returned
        self._seen = self._given = len(self._text)
        self._sentences = 0
        self._most = math.inf  # a place in the text

    def push(self, text: str, length: int, may_end: bool | None = None) -> tuple[str, str | None]:
        """Take the text of a token; the whole text then has that `length`. Return the text that is certain now, and why
        the text ends: "stop", "length", or None if it continues.

        With `may_end`, the text cannot end within the token, and can end after it only if `may_end` is true.
        """
        before = len(self._text)
        self._text += text
        within, after = (OPEN, OPEN) if may_end is None else (SHUT, OPEN if may_end else SHUT)
        self._open += within * (len(text) - 1) + after * bool(text)
        if not self._goal.sentences and length < self._goal.most - CONTEXT:  # too early to look
            self._seen = self._given = len(self._text)
            self._forget()
            return text, None
        if length >= self._goal.most and self._most == math.inf:
            self._most = before
        certain, has_ended = self._count_sentences()
        if has_ended:
            return self._give(certain), "stop"
        if self._goal.finishes and self._most < math.inf:
            last = LAST.match(self._text, int(self._most))
            if last and (place := self._open.find(OPEN, last.end() - 1) + 1):
                return self._give(place), "length"
        part = self._give(certain)
        if self._seen == len(self._text) and self._most == math.inf:
            self._forget()
        return part, None

    def _count_sentences(self) -> tuple[int, bool]:
        """Count the sentences that have ended. Return the end of the certain text, and whether the text ends there."""
        for stop in stops(self._text, self._seen, self._goal.cased, is_whole=False):
            if stop.is_end is None:  # what follows decides whether a sentence ends here
                self._seen = stop.begin
                return (stop.end if self._is_end(stop.end) else len(self._text)), False
            self._seen = stop.end
            if stop.is_end and self._is_end(stop.end):
                return stop.end, True
            self._sentences += stop.is_end
        self._seen = len(self._text)
        return self._seen, False

    def _is_end(self, place: int) -> bool:
        """Return whether the text ends if a sentence ends at that `place`."""
        enough = 0 < self._goal.sentences <= self._sentences + 1
        return self._open[place - 1] == OPEN and (enough or (self._goal.finishes and place > self._most))

    def _forget(self) -> None:
        """Drop all but the last characters of a text whose sentences are all counted."""
        dropped = max(0, len(self._text) - CONTEXT)
        self._text, self._open = self._text[dropped:], self._open[dropped:]
        self._seen = self._given = len(self._text)

    def finish(self) -> str:
        """Return the text that was held back, once nothing can follow it."""
        return self._give(len(self._text))

    def _give(self, end: int) -> str:
        part = self._text[self._given : end]
        self._given = end
        return part


class StopStrings:
    """Cuts a text that comes in parts before the first stop string that it completes."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = regex.compile("|".join(map(regex.escape, stops)))
        self._held = ""  # could be the start of a stop string

    def push(self, text: str, length: int, may_end: bool | None = None) -> tuple[str, str | None]:
        """Take `text`. Return the text that is certain now, as `Ending.push`, and "stop" if a stop string ends it."""
        self._held += text
        if found := self._stops.search(self._held):
            return self._held[: found.start()], "stop"
        begun = self._stops.search(self._held, partial=True)
        certain = self._held[: begun.start()] if begun else self._held
        self._held = self._held[len(certain) :]
        return certain, None

    def finish(self) -> str:
        """Return what was held back, once nothing can follow it."""
        return self._held
