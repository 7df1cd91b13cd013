"""Every number of a run, and the learning rate of each of its steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from afterword.model.network.cells import Cell
from afterword.model.network.config import Config, Layers, Units
from afterword.settings import settings_from
from afterword.text.tokenizer import Tokenizer

Precision = Literal["float32", "bfloat16", "float16"]
Device = Literal["cpu", "cuda", "mps"]
Positive = Annotated[int, Meta(ge=1)]


@dataclass(frozen=True)
class Recipe:
    """Every number of a run, fixed before its first step. Sizes have their names in `model.network.config.Config`.

    One step reads `batch_size` × `seq_length` tokens. The schedule reaches zero after `steps`. With `minutes` their
    number may be corrected on the way, and the run's record then contains the correction.
    """

    recipe: Literal["auto", "classic"]
    steps: int
    most_steps: int | None  # limit of a correction
    minutes: float | None
    num_layers: Layers
    hidden_size: Units
    embedding_size: Units
    residual: bool
    input: Literal["embedding", "number"]  # the input for a token
    windows: bool  # each prediction reads a window of seq_length tokens from an empty state
    batch_size: Positive
    seq_length: Positive  # BPTT length: tokens per lane and step
    dropout: float  # fraction dropped
    locked_dropout: bool  # one mask for all steps of a sequence, else a new one for every element
    reset_probability: float  # of a lane's restart at a step: so the empty state is learned too
    ngram: int  # tokens of the longest n-grams that the network is mixed with; 0 for no n-grams
    optimizer: str  # one of optimizer.OPTIMIZERS
    schedule: Literal["cosine", "constant"]
    learning_rate: float
    warmup: int  # steps
    weight_decay: float
    clip: float | None  # largest norm of the gradient
    averaging: float | None  # decay of the moving average of the weights, which is then saved and measured
    keep: Literal["best", "last"]  # weights in the saved model
    precision: Precision
    evaluate_every: int  # steps
    validation_tokens: int  # per evaluation
    report_every: int  # steps
    checkpoint_every: int | None  # steps; None: once per minute
    seed: int
    threads: Positive
    cell: Cell = "lstm"
    device: Device = "cpu"
    distillation: float = 0.0  # weight of the base's predictions in the targets
    second_training: bool = False  # whether one from the base may follow, if the limit is reached with time left
    weight_dropout: float = 0.0  # fraction of the recurrent weights dropped at each step

    def config(self, tokenizer: Tokenizer) -> Config:
        """Return the network that this recipe trains, for the rows of `tokenizer`."""
        rows = {"vocabulary_size": tokenizer.rows, "byte_tokens": tokenizer.shared_row_tokens}
        return settings_from(Config, vars(self) | rows | {"window": self.seq_length if self.windows else 0})


class Schedule:
    """The learning rate of each step: a warm-up, then a constant rate or a cosine to zero over the remaining steps.

    `corrections` lists (step, steps): at that step the end was moved to `steps`. The progress up to there stays, and
    the rest is spread over the remaining steps, so the rate never jumps. If the run had ended at that step, another
    schedule begins: a warm-up and a cosine once more.
    `rollbacks` lists steps to which the run rolled back because of a loss that was not finite. From each of them on,
    the rate is halved.
    """

    def __init__(
        self, recipe: Recipe, corrections: Sequence[tuple[int, int]] = (), rollbacks: Sequence[int] = ()
    ) -> None:
        self._recipe, self._rollbacks = recipe, rollbacks
        self.steps = recipe.steps
        self.corrections: list[tuple[int, int]] = []
        self._from_step, self._from_share = 0, 0.0
        self._begun, self._warmup = 0, recipe.warmup  # of the current cosine
        for step, steps in corrections:
            self.correct(step, steps)

    def share(self, step: int) -> float:
        """Return the progress after `step` steps: 0 to 1."""
        left = self.steps - self._from_step
        return self._from_share + (1 - self._from_share) * (step - self._from_step) / left if left else 1.0

    def learning_rate(self, step: int) -> float:
        """Return the rate of the step that follows `step` steps."""
        highest = self._recipe.learning_rate * 0.5 ** sum(to <= step for to in self._rollbacks)
        warmup = min(1.0, (step - self._begun + 1) / max(1, self._warmup))
        if self._recipe.schedule == "constant":
            return highest * warmup
        return highest * warmup * 0.5 * (1 + math.cos(math.pi * self.share(step)))

    def follow(self, step: int, recorded: Sequence[tuple[int, int]]) -> None:
        """Make the corrections of this `step` that are `recorded` and were not made yet.

        So a resumed or repeated run follows its record, even beyond an end that was moved.
        """
        for at, steps in recorded[len(self.corrections) :]:
            if at == step:
                self.correct(at, steps)

    def correct(self, step: int, steps: int) -> None:
        """Move the end, from `step` on, to `steps` steps in all."""
        share = self.share(step)
        if step == self.steps:
            share = 0.0
            self._begun, self._warmup = step, min(self._recipe.warmup, (steps - step) // 10)
        self._from_share, self._from_step = share, step
        self.steps = steps
        self.corrections.append((step, steps))
