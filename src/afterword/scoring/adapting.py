"""Scoring with a model that learns on the way: each part is scored before it is learned from.

The counts of the n-gram grow with every token (`model.ngram.blend`). The network learns too if `Learns` is given;
otherwise it stays as it was trained.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Protocol

import numpy as np

from afterword.model.arrays import Floats, Ids
from afterword.model.network.network import Network, State, log_probabilities
from afterword.model.ngram.blend import Adapter
from afterword.scoring.costs import USED, End, LineScore, Score, check_not_empty, grouped, line_ids
from afterword.settings import OnProgress, ignore_progress
from afterword.text.tokenizer import Tokenizer

LINES_PER_STEP, TOKENS_PER_STEP = 64, 32  # lines, and tokens of each line, from which the network learns at once
NUMBERS_AT_ONCE = 2**21  # predictions in memory at once: tokens × rows of the vocabulary


class Learns(Protocol):
    """A network that learns from what it reads: `learning.gradients.AdaptingNetwork`."""

    def restart(self) -> None:
        """Begin new texts, from an empty state."""

    def read(self, fed: Annotated[Ids, "T B"], predicted: Annotated[Ids, "T B"]) -> Annotated[Floats, "T B R"]:
        """Return the log-probabilities after each of the rows `fed`, then learn that `predicted` came next (-1:
        nothing)."""


class Still:
    """A network that does not change, read like one that `Learns`."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.restart()

    def restart(self) -> None:
        self._state: State | None = None

    def read(self, fed: Ids, predicted: Ids) -> Floats:
        state = self._network.start(fed.shape[1]) if self._state is None else self._state
        logits, self._state = self._network.read(fed.T, state)
        return log_probabilities(logits).swapaxes(0, 1)


class AdaptingScorer:
    """Scores texts one after another and learns from each of them.

    `network` provides the vocabulary and, if nothing `learns`, the predictions; `adapter` is None if the network
    predicts alone. What was learned stays in this object.
    """

    def __init__(
        self, network: Network, tokenizer: Tokenizer, adapter: Adapter | None, using: str, learns: Learns | None
    ) -> None:
        self.adapts = [name for name, part in (("lstm", learns), ("ngram", adapter)) if part is not None]
        self._network, self._tokenizer, self._end = network, tokenizer, tokenizer.boundary
        self._adapter, self._using, self._reads = adapter, using, learns or Still(network)
        self._most = max(TOKENS_PER_STEP, NUMBERS_AT_ONCE // network.config.vocabulary_size)  # tokens
        self._chunk = TOKENS_PER_STEP if learns is not None else self._most

    def score(self, text: str, *, on_progress: OnProgress = ignore_progress, after: Score | None = None) -> Score:
        """Return the cost of `text`; with `after`, it continues the last text. Raises TextError as a model does."""
        check_not_empty(text, after)
        end = after.end if after is not None else None
        at, before, _ = end or (0, None, None)
        ids = self._tokenizer.encode(text, at)
        (costs,) = self._read([ids], lambda read: on_progress(read / len(ids)), before)
        if len(ids):
            end = End(at + len(text), int(ids[-1]), None)
        return Score.of(costs, text, end=end)

    def score_lines(self, lines: Iterable[str], *, on_progress: OnProgress = ignore_progress) -> list[LineScore]:
        """Return the cost of each of `lines`, read from a fresh state, in their order. Raises TextError as `score`."""
        texts = list(lines)
        ids = line_ids(self._tokenizer, texts)
        scores: list[LineScore] = []
        read, total = 0, sum(map(len, ids))
        for part in grouped(ids, self._fits):
            for costs in self._read(part, lambda tokens: None):
                text = texts[len(scores)]
                scores.append(LineScore.of(costs, text, 1, line=len(scores) + 1, text=text))
            read += sum(map(len, part))
            on_progress(read / total)
        return scores

    def _fits(self, part: list[Ids], text: Ids) -> bool:
        """Return whether `text` can be read together with `part`."""
        return len(part) < LINES_PER_STEP and max(map(len, [*part, text])) * (len(part) + 1) <= self._most

    def _read(
        self, texts: Sequence[Ids], on_read: Callable[[int], object], before: int | None = None
    ) -> list[dict[str, Floats]]:
        """Read some texts together, and return the costs of their tokens by name. Each starts fresh, unless `before`,
        the last token of its earlier part, is given."""
        rows = [self._network.rows(text) for text in texts]
        longest = max(map(len, rows))
        predicted = np.full((longest, len(texts)), -1, np.int64)
        for lane, text in enumerate(rows):
            predicted[: len(text), lane] = text
        first = self._end if before is None else before
        start = self._network.rows(np.full((1, len(texts)), first, np.int32))
        fed = np.concatenate([start, np.maximum(predicted, 0)])[:-1]
        chunk = longest if len(texts) > 1 else self._chunk
        if before is None:
            self._reads.restart()
        costs = [defaultdict(list, {USED: [np.empty(0)]}) for _ in texts]
        for at in range(0, longest, chunk):
            piece = slice(at, at + chunk)
            found = self._reads.read(fed[piece], predicted[piece])
            for lane, text in enumerate(rows):
                for name, nats in self._costs(text[piece], found[:, lane], fresh=before is None and at == 0).items():
                    costs[lane][name].append(nats)
            on_read(at + len(found))
        return [{name: np.concatenate(pieces) for name, pieces in each.items()} for each in costs]

    def _costs(self, rows: Ids, network: Floats, fresh: bool) -> dict[str, Floats]:
        """Return the costs of rows [T], given the network's log-probabilities [≥ T, R], and learn from them."""
        shared = self._network.config.shared_row_nats(rows)
        lstm = shared - network[np.arange(len(rows)), rows]
        if self._adapter is None:
            return {USED: lstm}
        if fresh:
            self._adapter.restart()
        ngram, blended = (shared + nats for nats in self._adapter.read(rows, network))
        return {USED: blended, "lstm": lstm, "ngram": ngram} | ({"both": blended} if self._using == "both" else {})
