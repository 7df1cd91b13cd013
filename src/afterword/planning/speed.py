"""How fast this machine takes a recipe's steps, and in which precision and with how many threads."""

from __future__ import annotations

import os
import statistics
import time

from afterword.learning.batches import training_batches
from afterword.learning.ranks import ranks_here
from afterword.learning.recipe import Recipe
from afterword.text.encoded import EncodedCorpus

ENOUGH = 2**20  # tokens to measure with
SECONDS = 1.0  # that the steps of one recipe may take to be measured


def available_threads() -> int:
    """How many processors this process may use: its part, where torchrun has started several on this machine."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, here // ranks_here())


def seconds_per_step(encoded: EncodedCorpus, recipe: Recipe) -> float:
    """The mean time of real steps of `recipe` on this machine, taken on a network that is then thrown away.

    In the first steps the optimizer does more than later, so they are left out where the network is not too slow.
    """
    import torch

    from afterword.learning.learner import Learner
    from afterword.learning.optimizer import EARLY, RENEW

    torch.set_num_threads(recipe.threads)
    learner = Learner(recipe.config(encoded.tokenizer), recipe)
    batches = training_batches(encoded.beginning(ENOUGH), recipe)
    times: list[float] = []
    began = time.perf_counter()
    while not times or (len(times) < EARLY + RENEW and time.perf_counter() < began + SECONDS):
        begin = time.perf_counter()
        learner.learn(batches.next(), 1e-3)
        times.append(time.perf_counter() - begin)
    steady = times[EARLY:] if len(times) >= EARLY + RENEW else times[len(times) // 3 :]
    return statistics.mean(steady)
