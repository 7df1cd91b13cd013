"""The speaker of a play or a script that a speech sounds like: the one whose speeches have its trigrams of characters.

The name is at the head of a line, as in "ROMEO:" or "ROMEO.". A trigram counts by how frequent it is in the speaker's
own speeches beyond all speeches, so that the most frequent speaker does not win by default. What a speech costs the
model after each name was tried first. An LSTM of a few hundred steps was right no more often than by chance:
docs/voice.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np
import regex

from afterword.text.unwrap import SPEAKER

MOST_SPEAKERS = 12  # those with the most speeches
FEWEST_SPEECHES = 10  # of each
SPOKEN = 0.5  # fraction of the characters of a play that are within speeches
MOST_LEARNED = 1_000_000  # characters of the text that are read
OWN = 0.2  # weight of a speaker's own frequencies; the others are those of all speeches, which makes names equal
PARTS, STRETCH = 5, 12  # of which each is left out in turn; speeches in a row in the same one
ONE_SIDED = 1.645  # standard errors below which 95 % of a normal distribution lies
HEAD = regex.compile(rf"^(?:{SPEAKER.pattern})[_*]*[ \t]*\n?", regex.M)
BLANK_LINE = regex.compile(r"\n\s*\n")


def speeches(text: str) -> list[tuple[str, str]]:
    """Return each speaker and speech in `text`, from a name up to the next one or a blank line.

    A name begins three speeches or more.
    """
    times = Counter(head[1] for head in HEAD.finditer(text))
    heads = [head for head in HEAD.finditer(text) if times[head[1]] >= 3]
    stops = [*(head.start() for head in heads), len(text)][1:]
    said = [BLANK_LINE.split(text[head.end() : stop], 1)[0].strip() for head, stop in zip(heads, stops, strict=False)]
    return [(head[1], speech) for head, speech in zip(heads, said, strict=True) if speech]


class Speakers:
    """The speakers of a text, and how often their speeches are taken for another's."""

    def __init__(self, learned: str) -> None:
        learned = learned[:MOST_LEARNED]
        spoken = speeches(learned)
        is_play = sum(len(speech) for _, speech in spoken) > SPOKEN * len(learned)  # prose has a few labels too
        self._all = Counter(speaker for speaker, _ in spoken if is_play)
        self.names = [name for name, times in self._all.most_common(MOST_SPEAKERS) if times >= FEWEST_SPEECHES]
        """Those among whom is decided, the most frequent first."""
        self._gains = self._learn(spoken)
        self.errors = np.zeros((len(self.names),) * 2, np.intp)
        """How many speeches of each speaker [n] sound like each of them [n, n], by the rest of the text."""
        part = np.arange(len(spoken)) // STRETCH % PARTS
        for k in range(PARTS if len(self.names) > 1 else 0):
            gains = self._learn([spoken[j] for j in np.flatnonzero(part != k)])
            for speaker, speech in (spoken[j] for j in np.flatnonzero(part == k) if spoken[j][0] in self.names):
                self.errors[self.names.index(speaker), _likest(gains, speech)] += 1
        self.are_told_apart, self.says = self._found()
        """Whether more of them sound like their speaker than would by chance in 19 of 20 texts, and a sentence about it
        that names the two who speak most alike: "" if there are fewer than two speakers."""

    def _learn(self, spoken: Sequence[tuple[str, str]]) -> list[dict[str, float]]:
        """Return for each name how much each three characters in a row speak for it, in nats; others do by 0."""
        every = Counter(chain.from_iterable(_grams(speech) for _, speech in spoken))
        own = [Counter(chain.from_iterable(_grams(said) for one, said in spoken if one == name)) for name in self.names]
        scales = [OWN / (1 - OWN) * every.total() / max(counts.total(), 1) for counts in own]
        each = zip(scales, own, strict=True)
        return [{gram: math.log1p(scale * counts[gram] / every[gram]) for gram in counts} for scale, counts in each]

    def _found(self) -> tuple[bool, str]:
        if len(self.names) < 2:
            return False, ""
        of, like, right = self.errors.sum(axis=1), self.errors.sum(axis=0), int(self.errors.trace())
        count, chance = int(of.sum()), float(of @ like / of.sum())
        says = f"of {count:,} speeches, {right:,} sound like their speaker, by chance {chance:,.0f} would"
        says += f", and {of.max():,} are by {self.names[of.argmax()]}"
        if right <= chance + ONE_SIDED * math.sqrt(chance * (1 - chance / count)):
            return False, f"{says}: the speakers sound alike"
        pairs = combinations(range(len(self.names)), 2)
        each = [((self.errors[a, b] + self.errors[b, a]) / (of[a] + of[b]), a, b) for a, b in pairs]
        share, one, other = max(each)
        return True, says + (f"; {self.names[one]} and {self.names[other]} speak most alike" if share else "")

    def heads(self, text: str) -> list[int]:
        """Return where in `text` the name of a speaker begins a line."""
        return [head.start() for head in HEAD.finditer(text) if self.says and head[1] in self._all]

    def heard(self, parts: Sequence[str]) -> list[tuple[str | None, str | None]]:
        """Return the speaker that each of the `parts` of a draft names, and the one that it sounds like.

        If some of them name one, the others are not speeches, and sound like nobody.
        """
        heads = [HEAD.match(part) if 0 in self.heads(part) else None for part in parts]
        is_speech = [self.are_told_apart and (head is not None or not any(heads)) for head in heads]
        said = [part[head.end() if head else 0 :] for part, head in zip(parts, heads, strict=True)]
        like = [self.names[_likest(self._gains, one)] if so else None for one, so in zip(said, is_speech, strict=True)]
        return [(head[1] if head else None, one) for head, one in zip(heads, like, strict=True)]


def _likest(gains: Sequence[dict[str, float]], text: str) -> int:
    """Return the number of the speaker whose `gains` speak most for `text`."""
    grams = _grams(text)
    found = [math.fsum(own.get(gram, 0.0) for gram in grams) for own in gains]
    return found.index(max(found))


def _grams(text: str) -> list[str]:
    """Return each three characters in a row, with a space at each end of `text`."""
    return [f" {text} "[k : k + 3] for k in range(len(text))]
