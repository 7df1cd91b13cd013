"""How far a run is, and the learning rate that goes with it; also when the number of steps is corrected on the way."""

from __future__ import annotations

import math
from collections.abc import Sequence

from afterword.learning.recipe import Recipe


class Schedule:
    """A warm-up, then a cosine to zero over the steps that are left; or, for the classic recipe, always the same rate.

    `corrections` lists (step, steps): at that step the run was found to end after `steps` steps. The progress made
    by then stays, and the rest of it is spread over the rest of the steps, so the rate never jumps. Where the run had
    ended at that step, another schedule begins: a warm-up and a cosine once more.
    `rollbacks` lists steps to which the run rolled back because of a loss that was not finite: from each of them on,
    the rate is half of what it was.
    """

    def __init__(
        self, recipe: Recipe, corrections: Sequence[tuple[int, int]] = (), rollbacks: Sequence[int] = ()
    ) -> None:
        self._recipe, self._rollbacks = recipe, rollbacks
        self.steps = recipe.steps
        self.corrections: list[tuple[int, int]] = []
        self._from_step, self._from_share = 0, 0.0
        self._begun, self._warmup = 0, recipe.warmup  # of the present way
        for step, steps in corrections:
            self.correct(step, steps)

    def share(self, step: int) -> float:
        """How much of the way lies behind after `step` steps: 0 to 1."""
        left = self.steps - self._from_step
        return self._from_share + (1 - self._from_share) * (step - self._from_step) / left if left else 1.0

    def learning_rate(self, step: int) -> float:
        """The rate of the step that follows `step` steps."""
        highest = self._recipe.learning_rate * 0.5 ** sum(to <= step for to in self._rollbacks)
        if self._recipe.schedule == "constant":
            return highest
        warmup = min(1.0, (step - self._begun + 1) / max(1, self._warmup))
        return highest * warmup * 0.5 * (1 + math.cos(math.pi * self.share(step)))

    def correct(self, step: int, steps: int) -> None:
        """From `step` on, the run ends after `steps` steps in all."""
        share = self.share(step)
        if step == self.steps:
            share = 0.0
            self._begun, self._warmup = step, min(self._recipe.warmup, (steps - step) // 10)
        self._from_share, self._from_step = share, step
        self.steps = steps
        self.corrections.append((step, steps))
