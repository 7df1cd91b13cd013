"""The limits of this machine: the memory for a network, and the time of a recipe's steps."""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from afterword.errors import OptionError
from afterword.learning.batches import training_batches
from afterword.learning.device import gpu_memory
from afterword.learning.ranks import ranks_here
from afterword.learning.recipe import Recipe
from afterword.text.encoded import EncodedCorpus
from afterword.text.tokenizer import Tokenizer


def check_memory(recipe: Recipe, tokenizer: Tokenizer) -> None:
    """Raise OptionError if a network does not fit in the memory that it learns in, the machine's or its GPU's."""
    config, batch_size, seq_length = recipe.config(tokenizer), recipe.batch_size, recipe.seq_length
    if recipe.device == "cuda":
        memory, place = gpu_memory(), "its GPU"
    else:
        memory, place = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "this machine"
    weights = 5 * 4 * config.parameters  # the weights, their gradient, two moments and the average, in float32
    logits = 4 * config.vocabulary_size  # and their softmax, and the gradients of both
    numbers_per_token = 10 * config.hidden_size * config.num_layers + logits
    activations = 4 * batch_size * seq_length * numbers_per_token
    if weights + activations > memory:
        raise OptionError(
            f"{config.num_layers} layers of {config.hidden_size} units in batches of {batch_size} × "
            f"{seq_length} need about {(weights + activations) / 2**30:,.0f} GiB and {place} has "
            f"{memory / 2**30:,.0f}: make `hidden_size`, `num_layers`, `batch_size` or `seq_length` smaller"
        )


SLOWEST_MEASURED = 0.15  # seconds: the times of longer steps are estimated from shorter ones
GROWTH = 1.7  # a step's time grows with about this power of the units
ENOUGH = 2**20  # tokens to measure with
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # "MICROSECONDS PERIOD", by Linux' control groups, version 2
SECONDS, SECONDS_WITH_WAITING = 0.5, 3.0  # for measuring the steps of one recipe


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
    """Return the number of processors for this process: its share, if torchrun started several on this machine."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(here, _quota(here)) // ranks_here())


def _quota(otherwise: int) -> int:
    """Return how many processors' time a container may use: it sees more of them, but waits when that is used up."""
    try:
        time_of_all, period = CPU_QUOTA.read_text().split()
        return int(time_of_all) // int(period)
    except (OSError, ValueError):  # not Linux, or "max": no limit
        return otherwise


def step_time(encoded: EncodedCorpus, recipe: Recipe) -> StepTime:
    """Measure real steps of `recipe` on this machine, with a network that is discarded afterwards.

    The first step is left out. Then the optimizer is taken to later steps, since it does more in its early ones: of
    `RENEW` steps, the one that renews its roots is measured, and as many of the others as there is time for.

    On the processor, `alone` is the processor time of the calling thread. That thread takes part in all computing, and
    it is charged neither while another process has its processor nor while it waits for a thread whose processor is
    taken. On a GPU other threads compute the gradient, so `alone` is the clock's time too.
    """
    import torch

    from afterword.learning.learner import Learner
    from afterword.learning.optimizer import EARLY, RENEW

    torch.set_num_threads(recipe.threads)
    learner = Learner(recipe.config(encoded.tokenizer), recipe)
    batches = training_batches(encoded.beginning(ENOUGH), recipe)
    times: list[StepTime] = []
    while len(times) < 1 + RENEW:
        clock, processor = time.perf_counter(), time.thread_time()
        learner.learn(batches.next(), 1e-3)
        now, alone = time.perf_counter() - clock, time.thread_time() - processor
        times.append(StepTime(now, min(now, alone) if recipe.device == "cpu" else now))
        learner.skip_to(EARLY * RENEW + len(times) - 1)  # again and again: in float16 the first may move nothing
        took, waited = sum(t.alone for t in times), sum(t.now for t in times)
        if (took > SECONDS and len(times) >= 3) or waited > SECONDS_WITH_WAITING:
            break
    return StepTime(_steady([t.now for t in times], RENEW), _steady([t.alone for t in times], RENEW))


def _steady(seconds: Sequence[float], renew: int) -> float:
    """Return the mean over all steps of a run, of which every `renew`-th is like the second here."""
    renewing, *others = seconds[1:] or seconds
    return renewing / renew + statistics.mean(others or [renewing]) * (1 - 1 / renew)


class StepTimes:
    """The time of a step of each size here: measured, or estimated from the nearest size that was."""

    def __init__(self, encoded: EncodedCorpus, first: int, recipe_of: Callable[[int], Recipe]) -> None:
        """`recipe_of` returns the recipe of a size; `first` is the size to measure if none was."""
        self._encoded, self._first, self._recipe_of = encoded, first, recipe_of
        self._measured: dict[int, StepTime] = {}

    def fastest(self, size: int, recipes: Sequence[Recipe]) -> int:
        """Measure all `recipes`, of `size` units each. Return the index of the fastest."""
        times = [step_time(self._encoded, recipe) for recipe in recipes]
        best = min(range(len(times)), key=lambda k: times[k].now)
        self._measured[size] = times[best]
        return best

    def measure(self, size: int) -> bool:
        """Measure `size` if its time is only estimated, and it is not too slow. Return whether it was measured now."""
        if self(size).alone > SLOWEST_MEASURED or size in self._measured:
            return False
        self._measured[size] = step_time(self._encoded, self._recipe_of(size))
        return True

    def __call__(self, size: int) -> StepTime:
        if not self._measured:
            self._measured[self._first] = step_time(self._encoded, self._recipe_of(self._first))
        nearest = min(self._measured, key=lambda known: abs(math.log(known / size)))
        return self._measured[nearest] * math.pow(size / nearest, GROWTH)
