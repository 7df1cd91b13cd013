"""What a run reports on its way."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """Where a run stands. Costs are nats per character; times are seconds of training, interruptions left out."""

    step: int
    steps: int
    loss: float  # of the training text since the last report, with dropout
    learning_rate: float
    characters_per_second: float
    seconds: float
    seconds_left: float
    validation: float | None  # of the validation text, where it was read at this step
    lstm: float | None  # the same of the LSTM without its n-gram
    best: float | None  # the validation of the model that is in the run folder
    improved: bool  # whether that model was written at this step
    notes: tuple[str, ...] = ()  # what happened since the last report and was out of the ordinary


def bits(nats: float) -> float:
    """Nats as bits."""
    return nats / math.log(2)
