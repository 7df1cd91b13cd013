"""Classifying lines with a model of labelled lines, by Bayes: P(label | text) ∝ P(label, tab, text, end).

The model gives that joint probability as for any line. The state after a label and its tab is computed once; then the
lines are read after each label in turn, many at once.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import InitVar, dataclass, field

import numpy as np

from afterword.model.arrays import Floats, Ids
from afterword.model.network.network import Network, State
from afterword.scoring.costs import NONE, USED, Cost, LineScore, line_ids, read_lines, token_nats
from afterword.settings import OnProgress, ignore_progress
from afterword.text.lines import TAB
from afterword.text.tokenizer import Tokenizer


class LabelCost(Cost):
    """The figures of a line that are computed from its costs after each label."""

    labels: Sequence[str]
    label_nats: Floats
    """-log P(label, tab, text, end) of each of `labels`."""

    @property
    def probabilities(self) -> dict[str, float]:
        """P(label | text) of each label. They add up to 1."""
        relative = np.exp(self.label_nats.min() - self.label_nats)
        return dict(zip(self.labels, (relative / relative.sum()).tolist(), strict=True))

    @property
    def label(self) -> str:
        """The likeliest label."""
        return self.labels[int(self.label_nats.argmin())]

    @property
    def label_probability(self) -> float:
        return self.probabilities[self.label]


@dataclass(frozen=True, repr=False)
class LabelScore(LineScore, LabelCost):
    """The probability of each label for a line, and the cost of the line for a reader who does not see its label.

    `text` is the line without its label, if it has one. All figures are of that text and its end, whose cost is -log of
    the sum of P(label, tab, text, end) over the labels.
    """

    label: str = field(init=False)
    label_probability: float = field(init=False)
    given_label: str | None = None
    """The label at the start of the line, if it is one of `labels`."""
    labels: InitVar[Sequence[str]] = ()
    label_nats: InitVar[Floats] = NONE

    def __repr__(self) -> str:
        kind = f"{self.label!r} {self.label_probability:.3f}"
        return f"LabelScore({self.line}: {reprlib.repr(self.text)}, {kind}, {self._figures()})"


def classify(
    network: Network,
    tokenizer: Tokenizer,
    labels: Sequence[str],
    lines: Iterable[str],
    on_progress: OnProgress = ignore_progress,
) -> list[LabelScore]:
    """Return the probabilities of `labels` for each of `lines`, in their order. Raises TextError as `score_lines` does.

    The tokenizer must have a boundary token.
    """
    known = frozenset(labels)
    parted = [_parted(line, tokenizer, known) for line in lines]
    texts = [text for text, _ in parted]
    ids = line_ids(tokenizer, texts)
    begun = [_begun(network, tokenizer, label) for label in labels]
    label_nats = np.zeros((len(texts), len(labels)))
    costs: list[Floats] = [np.empty(0)] * len(texts)

    def read(batch: list[int], padded: Ids, done: Callable[[int], None]) -> None:
        last = [len(ids[index]) - 1 for index in batch]
        both = np.full(padded.shape, -np.inf)  # log P of the line up to each token, summed over the labels, [B, T]
        for k, (nats, state, tab) in enumerate(begun):
            found, _ = token_nats(network, tab, padded, lambda read: done(0), network.chosen(state, [0] * len(batch)))
            so_far = nats + found[USED].cumsum(axis=1)
            np.logaddexp(both, -so_far, out=both)
            label_nats[batch, k] = so_far[range(len(batch)), last]
            done(sum(last) + len(last))
        each = -np.diff(both, axis=1, prepend=0.0)
        for lane, index in enumerate(batch):
            costs[index] = each[lane, : len(ids[index])].copy()  # so that the padding is freed

    read_lines(network, ids, read, on_progress, len(labels))
    return [
        LabelScore.of(
            {USED: costs[k]}, text, 1, line=k + 1, text=text, labels=labels, label_nats=label_nats[k], given_label=given
        )
        for k, (text, given) in enumerate(parted)
    ]


def _parted(line: str, tokenizer: Tokenizer, labels: Set[str]) -> tuple[str, str | None]:
    """Return the text of a line, and the label at its start if it is one of `labels`."""
    label, tab, _ = tokenizer.normalise(line).partition(TAB)
    return (line.partition(TAB)[2], label) if tab and label in labels else (line, None)


def _begun(network: Network, tokenizer: Tokenizer, label: str) -> tuple[float, State, int]:
    """Return the nats of `label` and its tab, the state before their last token is read, and that token."""
    ids: Ids = tokenizer.encode(label + TAB)
    nats, state = token_nats(network, tokenizer.boundary, ids[None])
    assert state is not None
    return float(nats[USED].sum()), state, int(ids[-1])
