"""When a run that was given minutes will end, and how many steps end it on the minute.

The machine's pace changes: other processes come and go. So the run looks at the clock all along its way, and changes
its number of steps where it would miss its end by more than a little; `run.json` keeps each change, so that a
resumed or repeated run takes the same steps.
"""

from __future__ import annotations

import math
from bisect import bisect_right

from afterword.learning.muon import EARLY
from afterword.learning.recipe import Recipe
from afterword.planning.rules import EVALUATION_SHARE

MEMORY, LEAST_MEMORY = 0.02, 2.0  # over which part of the run the pace is averaged, and over how many seconds at least
MISS_OF_ALL, MISS_OF_REST = 0.01, 0.05  # what may be missed: a share of the run's time, and of the time left
SAVING = 0.2  # seconds that the last checkpoint takes, about


class Forecast:
    """Watches the seconds that steps and evaluations take. All times are seconds on the run's own clock."""

    def __init__(self, recipe: Recipe, step: int, now: float) -> None:
        self._recipe = recipe
        self._first, self._step, self._now, self._aside = step, step, now, 0.0
        self._pace = 0.0  # a step's time, without evaluations and saves
        self._watched = 0.0  # for how many seconds it was
        self._evaluation: float | None = None  # an evaluation's time, with writing its model
        self._memory = max(LEAST_MEMORY, MEMORY * 60 * (recipe.minutes or 0.0))

    def evaluated(self, seconds: float) -> None:
        """An evaluation took so long."""
        self._evaluation = seconds
        self._aside += seconds

    def saved(self, seconds: float) -> None:
        """A checkpoint took so long."""
        self._aside += seconds

    def look(self, step: int, now: float) -> None:
        """After `step` steps it is `now`."""
        if step == self._step:
            return
        seconds = max(now - self._now - self._aside, 1e-6)
        if self._step - self._first < EARLY:
            self._watched = 0.0  # the first steps take longer than all that follow: forget them
        self._watched += seconds
        # an average over all that was watched, and then over the memory
        newest = max(-math.expm1(-seconds / self._memory), seconds / self._watched)
        self._pace += newest * (seconds / (step - self._step) - self._pace)
        self._step, self._now, self._aside = step, now, 0.0

    def correction(self, steps: int) -> int | None:
        """The number of steps that ends on the minute, where `steps` would miss it; None where they will do."""
        if self._recipe.minutes is None or self._watched < self._memory / 2:
            return None
        rest = self._recipe.minutes * 60 - self._now - SAVING
        missed = rest - self.seconds_left(steps)
        if abs(missed) <= max(MISS_OF_ALL * self._recipe.minutes * 60, MISS_OF_REST * rest):
            return None
        possible = range(self._step + 2, self._step + 2 + max(0, int(rest / self._pace)))
        fitting = self._step + 1 + bisect_right(possible, rest, key=self.seconds_left)
        fitting = min(fitting, self._recipe.most_steps or fitting)
        return None if fitting == steps else fitting

    def seconds_left(self, steps: int) -> float:
        """Until the end of a run of `steps` steps. An evaluation that is due now counts, and so does the last."""
        left = (steps - self._step) * self._pace
        if self._evaluation is None:  # none was made yet: what the plan leaves for them
            return left / (1 - EVALUATION_SHARE)
        every = self._recipe.evaluate_every
        return left + ((steps - 1) // every + 1 - (self._step - 1) // every) * self._evaluation
