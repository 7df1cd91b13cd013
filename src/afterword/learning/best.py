"""What a look at the held-out text finds, and which of them is the best."""

from __future__ import annotations

import math
from dataclasses import dataclass

TIE = 0.001 * math.log(2)  # nats per character: less than anybody is shown


@dataclass(frozen=True)
class Measured:
    """What the held-out text costs, in nats per character, of the saved model and of its parts."""

    cost: float
    lstm: float
    ngram: float | None
    weight: float
    """Of the n-gram in the mixture, fitted to this text."""


@dataclass(frozen=True)
class Best:
    """The look at the held-out text whose model is kept.

    That is the one at which the model costs least. Where several cost least within `TIE`, as all do where the n-gram
    has nothing to gain from the LSTM, it is that of them at which the LSTM costs least by itself. Only one model is
    kept: a look that was passed over does not come back when that one falls behind.
    """

    kept: Measured
    lowest: float
    """Cost at any look, in nats per character."""

    def after(self, measured: Measured) -> Best:
        """The same when one look more was taken."""
        lowest = min(self.lowest, measured.cost)
        near = measured.cost <= lowest + TIE
        better = near and (measured.lstm < self.kept.lstm or self.kept.cost > lowest + TIE)
        return Best(measured if better else self.kept, lowest)
