"""How fast this machine takes a recipe's steps: now, and when nothing else runs on it."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from afterword.learning.batches import training_batches
from afterword.learning.ranks import ranks_here
from afterword.learning.recipe import Recipe
from afterword.text.encoded import EncodedCorpus

SLOWEST_MEASURED = 0.15  # seconds: the times of longer steps are reckoned from shorter ones
GROWTH = 1.7  # a step's time grows by about this power of the units
ENOUGH = 2**20  # tokens to measure with
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "MICROSECONDS PERIOD", by Linux' control groups, version 2
SECONDS, SECONDS_WITH_WAITING = 1.0, 3.0  # that the steps of one recipe may take to be measured


@dataclass(frozen=True)
class StepTime:
    """The mean time of a step, in seconds."""

    now: float
    """By the clock."""
    alone: float
    """Without waiting for other processes."""

    def __mul__(self, factor: float) -> StepTime:
        return StepTime(self.now * factor, self.alone * factor)


def available_threads() -> int:
    """How many processors this process may use: its part, where torchrun has started several on this machine."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(here, _quota(here)) // ranks_here())


def _quota(otherwise: int) -> int:
    """How many whole processors' time a container may use: it sees them all, and waits once its time is used up."""
    try:
        time_of_all, period = CPU_QUOTA.read_text().split()
        return int(time_of_all) // int(period)
    except (OSError, ValueError):  # not Linux, or "max": no limit
        return otherwise


def step_time(encoded: EncodedCorpus, recipe: Recipe) -> StepTime:
    """How long real steps of `recipe` take on this machine, on a network that is then thrown away.

    In the first steps the optimizer does more than later, so they are left out where the network is not too slow.

    On the processor `alone` is the processor time of the thread that calls: it has its part in all that the others
    compute, and is charged neither for the time that other processes have its processor nor for waiting for a thread
    whose processor they have. On a GPU other threads compute the gradient, and `alone` is the clock's time too.
    """
    import torch

    from afterword.learning.learner import Learner
    from afterword.learning.muon import EARLY, RENEW

    torch.set_num_threads(recipe.threads)
    learner = Learner(recipe.config(encoded.tokenizer), recipe)
    batches = training_batches(encoded.beginning(ENOUGH), recipe)
    times: list[StepTime] = []
    while len(times) < EARLY + RENEW:
        clock, processor = time.perf_counter(), time.thread_time()
        learner.learn(batches.next(), 1e-3)
        now, alone = time.perf_counter() - clock, time.thread_time() - processor
        times.append(StepTime(now, now if recipe.device == "cuda" else min(now, alone)))
        if sum(t.alone for t in times) > SECONDS or sum(t.now for t in times) > SECONDS_WITH_WAITING:
            break
    steady = times[EARLY:] if len(times) > EARLY else times[len(times) // 3 :]
    return StepTime(statistics.mean(t.now for t in steady), statistics.mean(t.alone for t in steady))


class StepTimes:
    """How long a step of each size takes here: measured, or reckoned from the nearest size that was."""

    def __init__(self, encoded: EncodedCorpus, first: int, recipe_of: Callable[[int], Recipe]) -> None:
        """`recipe_of` gives the recipe of a size; `first` is measured where something must be."""
        self._encoded, self._first, self._recipe_of = encoded, first, recipe_of
        self._measured: dict[int, StepTime] = {}

    def fastest(self, size: int, recipes: Sequence[Recipe]) -> int:
        """Measure all `recipes`, of `size` units each: which of them takes the shortest steps."""
        times = [step_time(self._encoded, recipe) for recipe in recipes]
        best = min(range(len(times)), key=lambda k: times[k].now)
        self._measured[size] = times[best]
        return best

    def measure(self, size: int) -> bool:
        """Measure `size`, unless it was measured or would take too long; whether that was done."""
        if size in self._measured or self(size).alone > SLOWEST_MEASURED:
            return False
        self._measured[size] = step_time(self._encoded, self._recipe_of(size))
        return True

    def __call__(self, size: int) -> StepTime:
        if not self._measured:
            self._measured[self._first] = step_time(self._encoded, self._recipe_of(self._first))
        nearest = min(self._measured, key=lambda known: abs(math.log(known / size)))
        return self._measured[nearest] * math.pow(size / nearest, GROWTH)
