"""Of which kind a line is, for a model of labelled lines, by Bayes: P(label | text) ∝ P(label, tab, text, end).

The model gives that joint probability as it gives any line's. What it knows after a label and its tab is computed
once; then the lines are read after each label in turn, many side by side.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from afterword.model.arrays import Ids
from afterword.model.network import Network, State
from afterword.scoring.score import USED, LineScore, batches, token_nats
from afterword.text.labels import TAB
from afterword.text.tokenizer import Tokenizer


@dataclass(frozen=True, repr=False)
class LabelScore(LineScore):
    """How likely each label is for a line, and what the line costs a reader to whom no label is shown.

    `text` is the line without its label, where it has one, and all figures are of that text and its end: they cost
    -log of the sum of P(label, tab, text, end) over the labels.
    """

    labels: Sequence[str] = ()
    label_nats: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """-log P(label, tab, text, end) of each of `labels`."""
    given_label: str | None = None
    """The label that the line itself begins with, where it is one of `labels`."""

    def __repr__(self) -> str:
        kind = f"{self.label!r} {self.label_probability:.3f}"
        return f"LabelScore({self.line}: {reprlib.repr(self.text)}, {kind}, {self._figures()})"

    @property
    def probabilities(self) -> dict[str, float]:
        """P(label | text) of each label; they sum to 1."""
        relative = np.exp(self.label_nats.min() - self.label_nats)
        return dict(zip(self.labels, (relative / relative.sum()).tolist(), strict=True))

    @property
    def label(self) -> str:
        """The likeliest."""
        return self.labels[int(self.label_nats.argmin())]

    @property
    def label_probability(self) -> float:
        return self.probabilities[self.label]


def classify(
    network: Network,
    tokenizer: Tokenizer,
    labels: Sequence[str],
    lines: Iterable[str],
    on_progress: Callable[[float], object] = lambda fraction: None,
) -> list[LabelScore]:
    """How likely each of `labels` is for each of `lines`, in their order. Raises TextError as `score_lines` does.

    The tokenizer has a boundary token. `on_progress` is called with the fraction that is done.
    """
    assert tokenizer.end is not None
    known = frozenset(labels)
    parted = [_parted(line, tokenizer, known) for line in lines]
    texts = [text for text, _ in parted]
    ids = [np.append(tokenizer.encode(text), np.int32(tokenizer.end)) for text in texts]
    begun = [_begun(network, tokenizer, tokenizer.end, label) for label in labels]
    label_nats = np.zeros((len(texts), len(labels)))
    costs: list[NDArray[np.float64]] = [np.empty(0)] * len(texts)
    read, total = 0, len(labels) * sum(map(len, ids))
    for batch, padded in batches(ids):
        last = [len(ids[index]) - 1 for index in batch]
        both = np.full(padded.shape, -np.inf)  # log P of all up to each token, whatever the label, [B, T]
        for k, (nats, state, tab) in enumerate(begun):
            lanes = network.chosen(state, [0] * len(batch))

            def on_read(of_each: int, before: int = read) -> None:
                on_progress(before / total)

            so_far = nats + token_nats(network, tab, padded, on_read, lanes)[USED].cumsum(axis=1)
            np.logaddexp(both, -so_far, out=both)
            label_nats[batch, k] = so_far[range(len(batch)), last]
            read += sum(last) + len(last)
            on_progress(read / total)
        each = -np.diff(both, axis=1, prepend=0.0)
        for lane, index in enumerate(batch):
            costs[index] = each[lane, : len(ids[index])].copy()  # so that the padding is let go
    return [
        LabelScore(
            costs[k],
            len(text) + 1,
            len(text.encode()) + 1,
            line=k + 1,
            text=text,
            labels=labels,
            label_nats=label_nats[k],
            given_label=given,
        )
        for k, (text, given) in enumerate(parted)
    ]


def _parted(line: str, tokenizer: Tokenizer, labels: Set[str]) -> tuple[str, str | None]:
    """The text of a line, and the label that it begins with, if it is one of `labels`."""
    label, tab, _ = tokenizer.normalise(line).partition(TAB)
    return (line.partition(TAB)[2], label) if tab and label in labels else (line, None)


def _begun(network: Network, tokenizer: Tokenizer, boundary: int, label: str) -> tuple[float, State, int]:
    """What `label` and its tab cost in nats, the state before the last token of them is read, and that token."""
    ids: Ids = tokenizer.encode(label + TAB)
    nats = float(token_nats(network, boundary, ids[None])[USED].sum())
    _, state = network.advance(np.append(np.int32(boundary), ids[:-1])[None], network.start())
    return nats, state, int(ids[-1])
