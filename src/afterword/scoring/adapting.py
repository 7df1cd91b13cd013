"""Scoring while learning from what is scored: each part is scored before it is learned from.

The n-gram's counts grow with every token (`model.adapting`). The network learns too, where `Learns` is given; else it
stays as it was trained.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from afterword.model.adapting import Adapter
from afterword.model.arrays import Ids
from afterword.model.network import Network, State, log_probabilities
from afterword.scoring.score import LANES, USED, LineScore, Score, apart
from afterword.text.tokenizer import Tokenizer

CHUNK = 32  # tokens of a text that the network learns from at once
NUMBERS = 2**21  # predictions held at once, tokens × rows of the vocabulary, so that memory stays bounded


class Learns(Protocol):
    """A network that learns from what it reads: `learning.adapting.AdaptingNetwork`."""

    def restart(self) -> None:
        """Begin other texts, from an empty state."""

    def read(self, fed: Ids, predicted: Ids) -> NDArray[np.float64]:
        """Rows fed [T, B] to the log-probabilities [T, B, R] of what comes next; then learn that predicted [T, B] did
        (-1: nothing)."""


class Still:
    """A network that stays as it is, read like one that `Learns`."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.restart()

    def restart(self) -> None:
        self._state: State | None = None

    def read(self, fed: Ids, predicted: Ids) -> NDArray[np.float64]:
        state = self._network.start(fed.shape[1]) if self._state is None else self._state
        logits, self._state = self._network.read(fed.T, state)
        return log_probabilities(logits).swapaxes(0, 1)


class AdaptingScorer:
    """Scores one text after the other, and goes on learning from each.

    `network` stands for the vocabulary and, where nothing `learns`, for the predictions; `adapter` is None where the
    network predicts alone. What was learned stays in this object.
    """

    def __init__(
        self, network: Network, tokenizer: Tokenizer, adapter: Adapter | None, using: str, learns: Learns | None
    ) -> None:
        assert tokenizer.end is not None
        self.adapts = [name for name, part in (("lstm", learns), ("ngram", adapter)) if part is not None]
        self._network, self._tokenizer, self._end = network, tokenizer, tokenizer.end
        self._adapter, self._using, self._reads = adapter, using, learns or Still(network)
        self._most = max(CHUNK, NUMBERS // network.config.vocabulary_size)  # tokens
        self._chunk = CHUNK if learns is not None else self._most

    def score(self, text: str, *, on_progress: Callable[[float], object] = lambda fraction: None) -> Score:
        """What `text` costs, read from its start with the state carried. Raises TextError as `scoring.score`."""
        ids = self._tokenizer.encode(text)
        (costs,) = self._read([ids], lambda read: on_progress(read / len(ids)))
        return Score(costs.pop(USED), len(text), len(text.encode()), apart(costs, len(text)))

    def score_lines(
        self, lines: Iterable[str], *, on_progress: Callable[[float], object] = lambda fraction: None
    ) -> list[LineScore]:
        """What each of `lines` costs, from a fresh state, in their order. Raises TextError as `scoring.score`."""
        texts = list(lines)
        ids = [np.append(self._tokenizer.encode(text), np.int32(self._end)) for text in texts]
        scores: list[LineScore] = []
        read, total = 0, sum(map(len, ids))
        for part in _parts(ids, self._most):
            for costs in self._read(part, lambda tokens: None):
                text, at = texts[len(scores)], len(scores) + 1
                size = len(text) + 1
                used, size_in_bytes = costs.pop(USED), len(text.encode()) + 1
                scores.append(LineScore(used, size, size_in_bytes, apart(costs, size), at, text))
            read += sum(map(len, part))
            on_progress(read / total)
        return scores

    def _read(self, texts: Sequence[Ids], on_read: Callable[[int], object]) -> list[dict[str, NDArray[np.float64]]]:
        """The costs of each token of some texts side by side, each from a fresh start: under `USED`, and by name."""
        rows = [self._network.rows(text) for text in texts]
        longest = max(map(len, rows))
        predicted = np.full((longest, len(texts)), -1, np.int64)
        for lane, text in enumerate(rows):
            predicted[: len(text), lane] = text
        start = self._network.rows(np.full((1, len(texts)), self._end, np.int32))
        fed = np.concatenate([start, np.maximum(predicted, 0)])[:-1]
        chunk = longest if len(texts) > 1 else self._chunk
        self._reads.restart()
        costs = [_Costs() for _ in texts]
        for at in range(0, longest, chunk):
            piece = slice(at, at + chunk)
            found = self._reads.read(fed[piece], predicted[piece])
            for lane, text in enumerate(rows):
                self._cost(costs[lane], text[piece], found[:, lane], fresh=at == 0)
            on_read(at + len(found))
        shared, few = np.log(self._network.config.byte_tokens), self._network.config.vocabulary_size - 1
        # tokens that share the last row share its probability
        return [cost.joined((text >= few) * shared) for text, cost in zip(texts, costs, strict=True)]

    def _cost(self, costs: _Costs, rows: Ids, network: NDArray[np.float64], fresh: bool) -> None:
        """Add to `costs` those of rows [T], of which `network` says the log-probabilities [≥ T, R]; learn from them."""
        lstm = -network[np.arange(len(rows)), rows]
        if self._adapter is None:
            costs.add({USED: lstm})
            return
        if fresh:
            self._adapter.restart()
        ngram, blended = self._adapter.read(rows, network)
        costs.add({USED: blended, "lstm": lstm, "ngram": ngram} | ({"both": blended} if self._using == "both" else {}))


class _Costs:
    """Nats of one text's tokens, by name, as its pieces are read."""

    def __init__(self) -> None:
        self._pieces: list[Mapping[str, NDArray[np.float64]]] = []

    def add(self, piece: Mapping[str, NDArray[np.float64]]) -> None:
        self._pieces.append(piece)

    def joined(self, more: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        """Those of all pieces, each with its part of `more` [N]."""
        names = self._pieces[0] if self._pieces else (USED,)
        return {name: more + np.concatenate([np.empty(0), *(piece[name] for piece in self._pieces)]) for name in names}


def _parts(texts: Sequence[Ids], most: int) -> Iterator[list[Ids]]:
    """Consecutive texts that are read side by side: not too many, and `most` tokens, but for a single text."""
    part: list[Ids] = []
    longest = 0
    for text in texts:
        longest = max(longest, len(text))
        if part and (len(part) == LANES or longest * (len(part) + 1) > most):
            yield part
            part, longest = [], len(text)
        part.append(text)
    if part:
        yield part
