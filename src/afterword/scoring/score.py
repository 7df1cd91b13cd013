"""What a text costs a model: the sum of -log P(token | all before it), and the figures made of it.

A text is read from a fresh start: empty state, the boundary token fed first, so that its first token is predicted too
and its cost is complete. The state is carried to its end. Where a vocabulary has no boundary token (the classic
recipe's), nothing predicts the first token, and it costs log R: every token is as likely.
"""

from __future__ import annotations

import math
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Ids
from afterword.model.mixture import USES, Mixture, mixed
from afterword.model.network import Network, State, log_probabilities
from afterword.text.tokenizer import Tokenizer

LANES = 64  # lines read side by side
USED = "used"  # the costs that are told, among those of a mixture's parts
ENTROPY = "entropy"  # what was expected to be paid, beside them
NUMBERS = 2**22  # how many numbers the network may take for one piece of reading
STEPS = 2048  # the longest piece, so that whoever waits for it can be told how far it is, or leave

Expected = Callable[[], NDArray[np.floating]]


@dataclass(frozen=True)
class Score:
    """The cost of a text. An empty text costs nothing: every figure is 0 then, and the perplexity 1."""

    token_nats: NDArray[np.float64]
    """-log P of each token, [N]."""
    characters: int
    bytes: int
    """Of the text in UTF-8."""
    apart: Mapping[str, float] = field(default_factory=dict)
    """Nats per character of network (lstm), n-gram (ngram) and mixture (both), where there is an n-gram."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._figures()})"

    def _figures(self) -> str:
        return f"{self.bits_per_character:.3f} bits per character, {self.characters:,} characters"

    @property
    def tokens(self) -> int:
        return len(self.token_nats)

    @property
    def nats(self) -> float:
        return float(self.token_nats.sum())

    @property
    def bits(self) -> float:
        return self.nats / math.log(2)

    @property
    def nats_per_character(self) -> float:
        return self.nats / max(self.characters, 1)

    @property
    def bits_per_character(self) -> float:
        return self.bits / max(self.characters, 1)

    @property
    def bits_per_byte(self) -> float:
        return self.bits / max(self.bytes, 1)

    @property
    def perplexity(self) -> float:
        """exp(nats per token)."""
        return float(np.exp(self.nats / max(self.tokens, 1)))


@dataclass(frozen=True)
class LineScore(Score):
    """The cost of a line, its end included, which counts as one character and one byte.

    Where the vocabulary has no boundary token, a line's end costs and counts nothing.
    """

    line: int = 0
    """Its number among the lines, from 1."""
    text: str = ""
    expected_nats: float = math.nan
    """The sum of the entropies of the predictions: what it would cost on average, if they were right. NaN unless it was
    asked for."""

    @property
    def expected_bits(self) -> float:
        return self.expected_nats / math.log(2)

    def __repr__(self) -> str:
        return f"LineScore({self.line}: {reprlib.repr(self.text)}, {self._figures()})"


def score(
    network: Network, tokenizer: Tokenizer, text: str, on_progress: Callable[[float], object] = lambda fraction: None
) -> Score:
    """What `text` costs. Raises TextError for a lone surrogate, or a character that the tokenizer refuses.

    `on_progress` is called with the fraction that is done.
    """
    ids = tokenizer.encode(text)
    costs = token_nats(network, tokenizer.end, ids[None], lambda read: on_progress(read / len(ids)))
    nats = {name: cost[0] for name, cost in costs.items()}
    return Score(nats.pop(USED), len(text), len(text.encode()), apart(nats, len(text)))


def score_lines(
    network: Network,
    tokenizer: Tokenizer,
    lines: Iterable[str],
    on_progress: Callable[[float], object] = lambda fraction: None,
    entropies: bool = False,
) -> list[LineScore]:
    """What each of `lines` costs, read from a fresh start, in their order. Raises TextError as `score` does.

    `on_progress` is called with the fraction that is done. With `entropies` also what was expected.
    """
    texts = list(lines)
    for text in texts:
        if not isinstance(text, str):
            tokenizer.encode(text)  # which refuses it
    unique = list(dict.fromkeys(texts))  # logs say the same again and again
    end = [] if tokenizer.end is None else [tokenizer.end]
    ids = [np.append(tokenizer.encode(text), np.array(end, np.int32)) for text in unique]
    found: dict[str, LineScore] = {}
    read, total = 0, sum(map(len, ids))
    for batch, padded in batches(ids):
        size = sum(len(ids[index]) for index in batch)

        def on_read(of_each: int, before: int = read, size: int = size, length: int = padded.shape[1]) -> None:
            on_progress((before + min(size, size * of_each / length)) / total)

        together = token_nats(network, tokenizer.end, padded, on_read, entropies=entropies)
        read += size
        on_progress(read / max(total, 1))
        for lane, index in enumerate(batch):
            text, tokens = unique[index], len(ids[index])
            # copies, so that the padding is let go
            costs = {name: cost[lane, :tokens].copy() for name, cost in together.items()}
            size, used = len(text) + len(end), costs.pop(USED)
            expected = float(costs.pop(ENTROPY).sum()) if entropies else math.nan
            number_of_bytes = len(text.encode()) + len(end)
            found[text] = LineScore(used, size, number_of_bytes, apart(costs, size), 0, text, expected)
    return [replace(found[text], line=number) for number, text in enumerate(texts, 1)]


def total(lines: Sequence[LineScore]) -> Score:
    """The lines as one text."""
    nats = [np.empty(0), *(line.token_nats for line in lines)]
    characters = sum(line.characters for line in lines)
    names = lines[0].apart if lines else ()
    each = {name: sum(line.apart[name] * line.characters for line in lines) / characters for name in names}
    return Score(np.concatenate(nats), characters, sum(line.bytes for line in lines), each)


def apart(nats: Mapping[str, NDArray[np.float64]], characters: int) -> dict[str, float]:
    """Nats per character of each of the named costs."""
    return {name: float(costs.sum()) / max(characters, 1) for name, costs in nats.items()}


def batches(ids: Sequence[Ids]) -> Iterator[tuple[list[int], Ids]]:
    """Lines that are read side by side: their indexes, shortest first, and their ids [B, T], padded at the end."""
    for batch in _by_length([len(line) for line in ids]):
        padded = np.zeros((len(batch), len(ids[batch[-1]])), np.int32)
        for lane, index in enumerate(batch):
            padded[lane, : len(ids[index])] = ids[index]
        yield batch, padded


def _by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """The indexes of `lengths`, shortest first, in batches that need little padding and bounded memory."""
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        length = lengths[index]
        if batch and (
            len(batch) == LANES or length > 2 * lengths[batch[0]] + 16 or length * (len(batch) + 1) > NUMBERS
        ):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def token_nats(
    network: Network,
    before: int | None,
    ids: Ids,
    on_read: Callable[[int], object] = lambda tokens: None,
    state: State | None = None,
    entropies: bool = False,
) -> dict[str, NDArray[np.float64]]:
    """-log P of every one of ids [B, T], each lane from `state` on; see `stretches`.

    Under `USED` by what the network predicts with; under "lstm", "ngram" and "both" by each, where there is an n-gram.
    With `entropies`, under `ENTROPY` that of each prediction: what a token would cost on average, if it was right.
    """
    names = [USED, *(USES if isinstance(network, Mixture) else ()), *([ENTROPY] if entropies else ())]
    nats = {name: np.empty(ids.shape) for name in names}
    for stretch in stretches(network, before, ids, state):
        if entropies:
            expected = stretch.expected()
            likely = np.where(np.isfinite(expected), expected, 0)
            stretch.nats[ENTROPY] = -(np.exp(expected) * likely).sum(axis=-1)
        for name in names:
            nats[name][:, stretch.place] = stretch.nats.get(name, stretch.nats[USED])
        on_read(stretch.place.stop)
    return nats


class Stretch(NamedTuple):
    """Some of the tokens that are read, [B, t] of [B, T]."""

    place: slice
    """Which of the T they are."""
    nats: dict[str, NDArray[np.float64]]
    """What they cost, [B, t] each, as in `token_nats`."""
    expected: Expected
    """Makes log P of all rows of the vocabulary in their places, [B, t, R]; -inf where nothing was expected."""
    state: State | None = None
    """After all tokens before the last of them; None where nothing was read."""


def stretches(
    network: Network, before: int | None, ids: Ids, state: State | None = None, most: int = STEPS
) -> Iterator[Stretch]:
    """Read ids [B, T] in pieces of at most `most` tokens, fewer where memory would not stay bounded.

    Each lane goes on from `state`, or from a fresh start, and first reads the token `before`: a boundary, as a rule.
    """
    (lanes, length), rows = ids.shape, network.config.vocabulary_size
    if before is None:  # the first token comes out of nothing
        if length:
            nothing = partial(np.full, (lanes, 1, rows), -np.inf, np.float32)
            yield Stretch(slice(0, 1), {USED: np.full((lanes, 1), math.log(rows))}, nothing)
        fed, first_predicted = ids[:, :-1], 1
    else:
        fed, first_predicted = np.concatenate([np.full((lanes, 1), before, ids.dtype), ids[:, :-1]], axis=1), 0
    steps = min(most, max(1, NUMBERS // (lanes * (6 * network.config.hidden_size + 5 * rows))))
    state = network.start(lanes) if state is None else state
    for first in range(first_predicted, length, steps):
        place = slice(first, min(first + steps, length))
        some = fed[:, first - first_predicted : place.stop - first_predicted]
        nats, expected, state = _predicted(network, some, ids[:, place], state)
        yield Stretch(place, nats, expected, state)


def _predicted(
    network: Network, fed: Ids, ids: Ids, state: State
) -> tuple[dict[str, NDArray[np.float64]], Expected, State]:
    """What a `Stretch` holds of ids [B, t], which come after each of `fed` [B, t], and the state after it."""
    if not isinstance(network, Mixture):
        logits, state = network.read(fed, state)
        nats = {USED: -network.token_log_probabilities(logits, ids)}
        return nats, partial(log_probabilities, logits), state
    logits, probabilities, state = network.read_apart(fed, state)
    nats = {
        "lstm": -network.token_log_probabilities(logits, ids),
        "ngram": -network.token_log_probabilities(np.log(probabilities), ids),
    }
    nats["both"] = mixed(nats["lstm"], nats["ngram"], network.weight)
    return {USED: nats[network.using], **nats}, partial(network.join, logits, probabilities), state
