"""Surprises: the cost of each character of a text, and what a model expected in its place.

The text is read as it is when it is scored, and the bits of all surprises add up to those of its score.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from heapq import heappush, heappushpop
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Ids
from afterword.model.network.network import Network
from afterword.scoring.costs import LANES, USED, Stretch, batches, line_ids, stretches
from afterword.text.tokenizer import Decoder, Tokenizer
from afterword.text.unicode import spaced, visible

LIKELIEST = 5  # alternatives
LEAST_SHOWN = 0.005  # the least probability of an alternative that is shown
PLACES = 10  # the most surprising ones that are kept
CONTEXT = 24  # characters before each of them

OnNats = Callable[[dict[str, NDArray[np.float64]]], object]
Costs = tuple[int, float, list[int], list[float]]  # a token, its nats, the likeliest rows and their probabilities


@dataclass(frozen=True, slots=True)
class Surprise:
    """The cost of a character, or of several that are one token. A character of several tokens costs their sum.

    `start` is its place in the text, from 0; `line` and `column` count from 1. `alternatives` are the likeliest tokens
    in its place and their probabilities, the likeliest first.
    """

    text: str
    """The end of a line is "\\n", if it is read as one token."""
    start: int
    line: int
    column: int
    bits: float
    alternatives: tuple[tuple[str, float], ...]
    """At most `LIKELIEST`.

    A part of a character is named by its byte, such as <0xE2>. Tokens that the model cannot distinguish, because
    training saw none of them, are left out. Empty at the start of a classic model's text, where nothing was expected.
    """

    @property
    def shown(self) -> str:
        """Its text for display: ↵ for the end of a line, an arrow before a tab, numbers for unprintable characters."""
        return self.text if self.text.isprintable() else visible(self.text).replace("→", "→\t")

    @property
    def expected(self) -> list[str]:
        """The alternatives for display, such as "e 41%": the likeliest, and the others that round to 1% or more."""
        return [
            f"{spaced(text)} {probability:.0%}"
            for number, (text, probability) in enumerate(self.alternatives)
            if number == 0 or probability >= LEAST_SHOWN
        ]


def surprises(
    network: Network,
    tokenizer: Tokenizer,
    text: str,
    lines: bool = False,
    on_nats: OnNats = lambda nats: None,
) -> Iterator[Surprise]:
    """Yield the surprises of `text` in order, as it is read from its start to its end.

    With `lines`, each line that is not empty is read from a fresh state, and its end counts as a character. Surprises
    show `text` itself, unless the model reads lower case and that has another length. `on_nats` is called with the
    costs of tokens, [N], by the names of `token_nats`, as they are read. Raises TextError as `score` does, at once.
    """
    read = tokenizer.normalise(text)
    spelled = text if len(text) == len(read) else read
    names = list(tokenizer.names)
    left_out = [network.config.vocabulary_size - 1] if network.config.byte_tokens > 1 else []
    if tokenizer.end is not None and lines:
        names[tokenizer.end] = "\n"
    elif tokenizer.end is not None:
        left_out.append(tokenizer.end)
    if lines:
        ids = line_ids(tokenizer, filter(None, read.split("\n")))
        read_texts = _each_line(network, tokenizer.end, ids, left_out, on_nats)
    else:
        read_texts = iter([_running(network, tokenizer.end, tokenizer.encode(read), left_out, on_nats)])
    return _placed(read_texts, tokenizer, names, spelled, lines)


def _running(network: Network, before: int | None, ids: Ids, left_out: list[int], on_nats: OnNats) -> Iterator[Costs]:
    for stretch in stretches(network, before, ids[None]):
        on_nats({name: each[0] for name, each in stretch.nats.items()})
        nats, rows, probabilities = _found(stretch, left_out)
        yield from _costs(ids[stretch.place], nats[0], rows[0], probabilities[0])


def _each_line(
    network: Network, before: int | None, ids: Sequence[Ids], left_out: list[int], on_nats: OnNats
) -> Iterator[Iterator[Costs]]:
    """Yield the costs of each line, in order; as many lines as fit are read together."""
    for first in range(0, len(ids), 4 * LANES):
        some = ids[first : first + 4 * LANES]
        found: list[Any] = [None] * len(some)
        for batch, padded in batches(some):
            lengths = np.array([[len(some[index])] for index in batch])
            parts = []
            for stretch in stretches(network, before, padded):
                within = np.arange(stretch.place.start, stretch.place.stop) < lengths  # without the padding
                on_nats({name: each[within] for name, each in stretch.nats.items()})
                parts.append(_found(stretch, left_out))
            whole = [np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)]
            for lane, index in enumerate(batch):
                found[index] = [array[lane, : len(some[index])] for array in whole]
        for line, arrays in zip(some, found, strict=True):
            yield _costs(line, *arrays)


def _found(stretch: Stretch, left_out: list[int]) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float32]]:
    """Return nats [B, t], and the likeliest rows and their probabilities, each [B, t, ≤ LIKELIEST], likeliest first."""
    expected = stretch.expected()
    expected[..., left_out] = -np.inf
    number = min(LIKELIEST, expected.shape[-1])
    rows = np.argpartition(expected, -number, axis=-1)[..., -number:]
    chosen = np.take_along_axis(expected, rows, axis=-1)
    order = np.argsort(-chosen, axis=-1)
    probabilities = np.exp(np.take_along_axis(chosen, order, axis=-1)).astype(np.float32)
    return stretch.nats[USED], np.take_along_axis(rows, order, axis=-1), probabilities


def _costs(
    ids: Ids, nats: NDArray[np.float64], rows: NDArray[np.intp], probabilities: NDArray[np.float32]
) -> Iterator[Costs]:
    """Yield token by token what `_found` found for ids [T]."""
    return zip(ids.tolist(), nats.tolist(), rows.tolist(), probabilities.tolist(), strict=True)


def _placed(
    read: Iterable[Iterator[Costs]], tokenizer: Tokenizer, names: list[str], spelled: str, lines: bool
) -> Iterator[Surprise]:
    """Yield tokens as the characters of `spelled`, each with its place."""
    start = line_start = 0
    line = 1
    for tokens in read:
        while lines and spelled.startswith("\n", start):
            start = line_start = start + 1
            line += 1
        decoder = Decoder(tokenizer)
        nats, alternatives = 0.0, None
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
            yield Surprise(text, start, line, start - line_start + 1, nats / math.log(2), alternatives)
            start, nats, alternatives = stop, 0.0, None
            if not ends_line and "\n" in text:
                line += text.count("\n")
                line_start = start - len(text) + text.rindex("\n") + 1


@dataclass(frozen=True, slots=True)
class Place:
    """A surprise, and up to `CONTEXT` characters before it in its line."""

    surprise: Surprise
    before: str


class Summary:
    """The figures of surprises, collected as they pass."""

    def __init__(self) -> None:
        self.characters = 0
        self.bits = 0.0
        self.several = False
        """Whether any token has several characters."""
        self._most: list[tuple[float, int, Place]] = []  # a heap

    @property
    def bits_per_character(self) -> float:
        return self.bits / max(self.characters, 1)

    @property
    def most(self) -> list[Place]:
        """The `PLACES` most surprising places, the most surprising first; of equals, the earlier one first."""
        return [place for *_, place in sorted(self._most, reverse=True)]

    def watch(self, surprises: Iterable[Surprise]) -> Iterator[Surprise]:
        """Yield `surprises` unchanged, and take them into account."""
        before, line = "", 0
        for surprise in surprises:
            if surprise.line != line:
                before, line = "", surprise.line
            self.characters += len(surprise.text)
            self.bits += surprise.bits
            self.several |= len(surprise.text) > 1
            if len(self._most) < PLACES or surprise.bits > self._most[0][0]:
                entry = surprise.bits, -surprise.start, Place(surprise, before)
                (heappush if len(self._most) < PLACES else heappushpop)(self._most, entry)
            before = (before + surprise.text)[-CONTEXT:]
            yield surprise
