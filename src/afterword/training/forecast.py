"""When a run that was given minutes will end, and how many steps end it on the minute.

The machine's pace changes: other processes come and go. So the run looks at the clock all along its way, and changes
its number of steps where it would miss its end by more than a little; `run.json` keeps each change, so that a
resumed or repeated run takes the same steps.
"""

from __future__ import annotations

from afterword.training.optimizer import EARLY
from afterword.training.planning import EVALUATION_SHARE
from afterword.training.recipe import Recipe

FRESH = 0.3  # weight of the newest look at the pace
MISS_OF_ALL, MISS_OF_REST = 0.005, 0.04  # what may be missed: a share of the run's time, and of the time left
SAVING = 0.2  # seconds that the last checkpoint takes, about


class Forecast:
    """Watches the seconds that steps and evaluations take. All times are seconds on the run's own clock."""

    def __init__(self, recipe: Recipe, step: int, now: float) -> None:
        self._recipe = recipe
        self._step, self._now, self._aside = step, now, 0.0
        self._pace: float | None = None  # a step's time, without evaluations
        self._evaluation: float | None = None  # an evaluation's time, with writing its model

    def evaluated(self, seconds: float) -> None:
        """An evaluation took so long."""
        self._evaluation = seconds
        self._aside += seconds

    def look(self, step: int, now: float) -> None:
        """After `step` steps it is `now`."""
        if step == self._step:
            return
        if step <= EARLY:  # these steps take longer than all that follow
            self._step, self._now, self._aside = step, now, 0.0
            return
        pace = max(now - self._now - self._aside, 1e-6) / (step - self._step)
        self._pace = pace if self._pace is None else self._pace + FRESH * (pace - self._pace)
        self._step, self._now, self._aside = step, now, 0.0

    def correction(self, steps: int) -> int | None:
        """The number of steps that ends on the minute, where `steps` would miss it; None where they will do."""
        if self._recipe.minutes is None or self._pace is None:
            return None
        rest = self._recipe.minutes * 60 - self._now - SAVING - (self._evaluation or 0.0) / 2
        cost = self._cost_of_step()
        missed = rest - (steps - self._step) * cost
        if abs(missed) <= max(MISS_OF_ALL * self._recipe.minutes * 60, MISS_OF_REST * rest, cost):
            return None
        fitting = self._step + max(1, int(rest / cost))
        return min(fitting, self._recipe.most_steps or fitting)

    def seconds_left(self, steps: int) -> float:
        """Until the end of a run of `steps` steps."""
        return (steps - self._step) * self._cost_of_step()

    def _cost_of_step(self) -> float:
        """A step's time with its part of the evaluations."""
        pace = self._pace or 0.0
        if self._evaluation is None:  # none was made yet: what the plan leaves for them
            return pace / (1 - EVALUATION_SHARE)
        return pace + self._evaluation / self._recipe.evaluate_every
