"""Surprises: the cost of each character of a text, and what a model expected in its place.

The text is read as it is when it is scored, and the bits of all surprises add up to those of its score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heappush, heappushpop
from itertools import chain
from typing import Annotated, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Floats, Ids
from afterword.model.network.network import Network
from afterword.scoring.costs import USED, batches, line_ids, stretches
from afterword.text.tokenizer import Decoder, Tokenizer
from afterword.text.unicode import spaced, visible
from afterword.wording import count_of

LIKELIEST = 5  # alternatives
LEAST_SHOWN = 0.005  # the least probability of an alternative that is shown
SHOWN_PLACES = 5  # of the most surprising places, for people
PLACES = 10  # the most surprising ones that are kept
LINES = 256  # lines whose alternatives are in memory at the same time
CONTEXT = 24  # characters before each of them
NAMED = 8  # characters and runs that were never learned

OnNats = Callable[[dict[str, Floats]], object]
ignore: OnNats = lambda nats: None  # noqa: E731
Costs = tuple[int, float, list[int], list[float]]
"""A token, its nats, the likeliest in its place, as indexes of their names, and their probabilities."""


class TokenCosts(NamedTuple):
    """The costs of N tokens, with K alternatives each, at most `LIKELIEST`, as in `Costs`."""

    ids: Annotated[Ids, "N"]
    nats: Annotated[Floats, "N"]
    rows: Annotated[NDArray[np.intp], "N K"]
    probabilities: Annotated[NDArray[np.float32], "N K"]

    def each(self) -> Iterator[Costs]:
        """Return the costs one by one."""
        return zip(*(part.tolist() for part in self), strict=True)


@dataclass(frozen=True, slots=True)
class Surprise:
    """The cost of a character, or of a symbol if the tokens are symbols. If it has several tokens, it costs their sum.

    `start` is its place in the text, from 0; `line` and `column` count from 1. `alternatives` are the likeliest
    characters in its place and their probabilities, the likeliest first.
    """

    text: str
    """The end of a line is `\\n`, if it is read as one token."""
    start: int
    line: int
    column: int
    bits: float
    alternatives: tuple[tuple[str, float], ...]
    """At most `LIKELIEST`.

    A part of a character is named by its byte, such as <0xE2>. Tokens that the model cannot distinguish, because
    training saw none of them, are left out. Empty at the start of a classic model's text, where nothing was expected.
    """
    unlearned: str = ""
    """The character, if the training text lacks it; the run of blanks up to here, if the training text has no such run;
    otherwise empty. Such a character is surprising at any place, so it is not among the most surprising ones.

    A run of blanks counts as learned if, at its first occurrence in the text, none of it was less likely than chance.
    """

    @property
    def expected(self) -> list[str]:
        """The alternatives for display."""
        return expected(self.alternatives)


def shown(text: str) -> str:
    """Return the text of a surprise for display: ↵ for the end of a line, an arrow before a tab, numbers for
    unprintable characters."""
    return text if text.isprintable() else visible(text).replace("→", "→\t")


def expected(alternatives: Iterable[tuple[str, float]]) -> list[str]:
    """Return alternatives for display, such as "e 41%": the likeliest, and the others that round to 1% or more."""
    return [
        f"{spaced(text)} {probability:.0%}"
        for number, (text, probability) in enumerate(alternatives)
        if number == 0 or probability >= LEAST_SHOWN
    ]


def surprises(
    network: Network, tokenizer: Tokenizer, text: str, lines: bool = False, unseen: str = "", on_nats: OnNats = ignore
) -> Iterator[Surprise]:
    """Yield the surprises of `text` in order, as it is read from its start to its end.

    With `lines`, each line that is not empty is read from a fresh state, and its end counts as a character. Surprises
    show `text` itself, unless the model reads lower case and that has another length. `on_nats` is called with the
    costs of tokens, [N], by the names of `token_nats`, as they are read. `unseen` are the characters, as the tokenizer
    normalises them, that training never saw. Raises TextError as `score` does, at once.
    """
    read = tokenizer.normalise(text)
    spelled = text if len(text) == len(read) else read
    names = list(tokenizer.names)
    left_out = [network.config.vocabulary_size - 1] if network.config.byte_tokens > 1 else []
    if tokenizer.end is not None:
        names[tokenizer.end] = "\n" if lines else ""  # the text of a boundary token
        left_out += [] if lines else [tokenizer.end]
    pieces = partial(_pieces, network, tokenizer.end, left_out, on_nats)
    if lines:
        read_texts = _each_line(line_ids(tokenizer, filter(None, read.split("\n"))), pieces)
    else:
        read_texts = iter([chain.from_iterable(found.each() for _, found in pieces([tokenizer.encode(read)]))])
    unseen = "".join(one for one in {*spelled} if tokenizer.normalise(one) in unseen)
    return _placed(read_texts, tokenizer, names, spelled, lines, unseen)


def _each_line(
    ids: Sequence[Ids], pieces: Callable[[Sequence[Ids]], Iterator[tuple[int, TokenCosts]]]
) -> Iterator[Iterator[Costs]]:
    """Yield the costs of each line, in order, of which `pieces` reads some together."""
    for first in range(0, len(ids), LINES):
        some = ids[first : first + LINES]
        found: list[list[TokenCosts]] = [[] for _ in some]
        for index, piece in pieces(some):
            found[index].append(piece)
        for each in found:
            yield chain.from_iterable(map(TokenCosts.each, each))


def _pieces(
    network: Network, before: int | None, left_out: Sequence[int], on_nats: OnNats, ids: Sequence[Ids]
) -> Iterator[tuple[int, TokenCosts]]:
    """Read texts, as many as fit together. Yield the index of each text with what was found next in it, in order.

    Alternatives exclude `left_out`."""
    for batch, padded in batches(ids):
        lengths = np.array([len(ids[index]) for index in batch])
        for stretch in stretches(network, before, padded):
            place, nats, left = stretch.place, stretch.nats, np.maximum(lengths - stretch.place.start, 0)
            within = np.arange(place.stop - place.start) < left[:, None]  # without the padding
            on_nats({name: each[within] for name, each in nats.items()})
            expected = stretch.expected()
            expected[..., left_out] = -np.inf
            rows, likeliest = _likeliest(expected)
            found: list[NDArray[Any]] = [padded[:, place], nats[USED], rows, np.exp(likeliest).astype(np.float32)]
            for k, index in enumerate(batch):
                yield index, TokenCosts(*(each[k, : left[k]] for each in found))


def _likeliest(expected: NDArray[np.floating]) -> tuple[NDArray[np.intp], NDArray[np.floating]]:
    """Return the places of the largest of expected [N, R], the largest first, and their values, [N, ≤ LIKELIEST]."""
    number = min(LIKELIEST, expected.shape[-1])
    places = np.argpartition(expected, -number, axis=-1)[..., -number:]
    chosen = np.take_along_axis(expected, places, axis=-1)
    order = np.argsort(-chosen, axis=-1)
    return np.take_along_axis(places, order, axis=-1), np.take_along_axis(chosen, order, axis=-1)


def _placed(
    read: Iterable[Iterator[Costs]], tokenizer: Tokenizer, names: list[str], spelled: str, lines: bool, unseen: str
) -> Iterator[Surprise]:
    """Yield tokens as the characters of `spelled`, each with its place."""
    start = line_start = 0
    line = 1
    unlearned = dict[str, str]()  # by character, or run of blanks
    for tokens in read:
        while lines and spelled.startswith("\n", start):
            start = line_start = start + 1
            line += 1
        decoder = Decoder(tokenizer)
        nats, alternatives, run = 0.0, None, ""
        for id, cost, rows, probabilities in tokens:
            nats += cost
            if alternatives is None:  # those of its first token, if a character has several
                named = zip(rows, probabilities, strict=True)
                alternatives = tuple((names[row], probability) for row, probability in named if probability > 0)
            stop = start + len(decoder.push(id))
            ends_line = id == tokenizer.end
            if stop == start and not ends_line:
                continue
            text = "\n" if ends_line else spelled[start:stop]
            bits, run = nats / math.log(2), (run + text)[-CONTEXT:] if text.isspace() else ""
            unlikely = run if len(run) > 1 and bits > math.log2(tokenizer.rows) else ""
            new = text if text in unseen else unlearned.get(run[:-1]) or unlikely
            unlearned.setdefault(run or text, new)
            yield Surprise(text, start, line, start - line_start + 1, bits, alternatives, unlearned[run or text])
            start, nats, alternatives = stop, 0.0, None
            if not ends_line and "\n" in text:
                line += text.count("\n")
                line_start = start - len(text) + text.rindex("\n") + 1


class Place(NamedTuple):
    """A surprise, and up to `CONTEXT` characters before it in its line."""

    surprise: Surprise
    before: str


class Summary:
    """The figures of the surprises of a text, collected as they pass, and those at its start, which will be drawn."""

    def __init__(self, name: str = "", room: int = 0) -> None:
        """Keep the surprises of the first `room` characters."""
        self.name, self._room = name, room
        self.drawn = list[Surprise]()
        self.characters = 0
        self.bits = 0.0
        self._most: list[tuple[float, int, Place]] = []  # a heap
        self._unlearned = dict[str, str]()  # where each is first

    @property
    def bits_per_character(self) -> float:
        return self.bits / max(self.characters, 1)

    @property
    def most(self) -> list[Place]:
        """The `PLACES` most surprising places, the most surprising first; of equals, the earlier one first."""
        return [place for *_, place in sorted(self._most, reverse=True)]

    @property
    def notes(self) -> list[str]:
        """A sentence on what the model never learned, if there is anything."""
        named = [f"{spaced(text)} ({place})" for text, place in self._unlearned.items()]
        more = f" and {len(named) - NAMED:,} others" if len(named) > NAMED else ""
        return [f"never learned, so not among the most surprising: {', '.join(named[:NAMED])}{more}"] if named else []

    def lines(self) -> Iterator[str]:
        """Yield the summary for people."""
        yield f"{self.bits_per_character:.3f} bits per character, {count_of(self.characters, 'character')}"
        yield "most surprising:"
        for place in self.most[:SHOWN_PLACES]:
            one = place.surprise
            context = f"{visible(place.before)}[{spaced(one.text)}]"
            expected = "  ".join(one.expected)
            yield f"{f'{one.line}:{one.column}':>9}  {one.bits:5.1f} bits  {context}  expected {expected}"

    def watch(self, surprises: Iterable[Surprise]) -> Iterator[Surprise]:
        """Yield `surprises` unchanged, and take them into account."""
        before, line = "", 0
        for surprise in surprises:
            if surprise.line != line:
                before, line = "", surprise.line
            self.characters += len(surprise.text)
            if self.characters <= self._room:
                self.drawn.append(surprise)
            self.bits += surprise.bits
            if surprise.unlearned:
                self._unlearned.setdefault(surprise.unlearned, f"{surprise.line}:{surprise.column}")
            elif len(self._most) < PLACES or surprise.bits > self._most[0][0]:
                entry = surprise.bits, -surprise.start, Place(surprise, before)
                (heappush if len(self._most) < PLACES else heappushpop)(self._most, entry)
            before = (before + surprise.text)[-CONTEXT:]
            yield surprise
