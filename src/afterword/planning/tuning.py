"""The rules of the plan: the numbers of a network and its training, from the text and the tokens that can be read.

Each was found by trials on texts of 35 kB to 30 MB in runs of one to five minutes. Their results are in
benchmarks/results/trials.jsonl, and benchmarks/LOG.md describes them. No rule depends on a clock or a machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

SIZES = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
TOKENS_PER_WEIGHT = 10.0  # to read; with fewer, a smaller network learns more in the same time
UNTIMED_SIZE = 512  # units, if steps or passes are given and no time, for a text that is long enough
LEAST_FROM_BASE = 0.014  # of the n-gram's cost: a base that lowers it less, as it is, does not help
MORE_LANES = 300_000, 3_000_000  # tokens: from each number on, a text is read in twice as many lanes
MORE_LANES_FROM_BASE = 75_000, 300_000  # a run from a base gains more from more text than from more steps
STEPS_PER_PASS_FROM_BASE = 16  # at least: with fewer, the run ends before it has moved far enough from the base
DISTILLATION, MOST_DISTILLATION = 1.25, 0.3  # per fraction of the n-gram's cost that a base saves as it is; at most
UNTAUGHT_PASSES = 1.5  # over a text: with more of them, the base teaches a run that begins from it
PASSES_OF_SIZE = 16.0  # over a text: a size with time for as many is not too large
FEW_PASSES_DROPOUT = 0.2  # of activations: the excess over it is the fraction of recurrent weights dropped
DROPPED_STEPS, DROPPED_PER_TOKEN = 500, 4.0  # with fewer steps, or weights per token, no recurrent weights are dropped
EMBEDDING = 64
EVALUATION_SHARE = 0.06  # of the run's time, at most
EVALUATIONS = 6  # per run at least: few and large, so that the best is not the luckiest
MOST_VALIDATION_TOKENS = 200_000
ALL_HELD_OUT = 20_000  # tokens: a held-out text up to this counts whole in a short run too, at the price of evaluations

T = TypeVar("T")


class Limit(NamedTuple):
    """The most that a run reads: more would only be learned by heart."""

    passes: float
    steps: int  # the limit if they are more than these passes: a short text needs more passes
    most_passes: float  # never exceeded


OF_TEXT = Limit(24, 1000, 64)
LEAST_SECOND_TRAINING = 0.25  # of the steps of the first training: no shorter second one was tried
FROM_BASE, LONG_FROM_BASE = Limit(4, 150, 16), Limit(2, 150, 16)


Choice = tuple[T, str]
"""A number of a recipe, and the reason for it, which may be empty."""
Choices = dict[str, Choice[Any]]  # by the names of a recipe's numbers


def weights(hidden_size: int, num_layers: int) -> int:
    """Return about the number of weights in LSTM layers."""
    return 4 * hidden_size * (hidden_size + EMBEDDING) + 8 * (num_layers - 1) * hidden_size**2


def largest_size(tokens: int) -> int:
    """Return the most units for a text of this number of tokens: they grow with its cube root."""
    return max(size for size in SIZES if size <= max(SIZES[0], 290 * (tokens / 30_000) ** (1 / 3)))


def size_in_time(tokens: int, tokens_read: Callable[[int], float], num_layers: int) -> Choice[int]:
    """Return the units for a text of this number of tokens; a size has time to read `tokens_read` of it.

    It is the largest size that reads `TOKENS_PER_WEIGHT`, or makes `PASSES_OF_SIZE`.
    """
    sizes = [size for size in SIZES if size <= largest_size(tokens)]
    passes = [size for size in sizes if tokens_read(size) >= PASSES_OF_SIZE * tokens]
    weighed = [size for size in sizes if tokens_read(size) >= TOKENS_PER_WEIGHT * weights(size, num_layers)]
    size = max(passes + weighed, default=sizes[0])
    if size == sizes[-1]:
        return size, f"a text of {tokens:,} tokens is too short for more"
    if size in passes:
        return size, f"the largest size with enough time for {PASSES_OF_SIZE:g} passes"
    if size in weighed:
        return size, f"the largest size with enough time to read {TOKENS_PER_WEIGHT:g} tokens per weight"
    return size, "the smallest size, because there is little time"


def size_untimed(tokens: int) -> Choice[int]:
    """Return the units if steps or passes are given and no time."""
    most = largest_size(tokens)
    if most <= UNTIMED_SIZE:
        return most, f"a text of {tokens:,} tokens is too short for more"
    return UNTIMED_SIZE, f"the usual size without a time limit; the text is long enough for {most}"


def lanes(tokens: int, seq_length: int, from_base: bool = False) -> Choice[int]:
    """Return the number of lanes for a running text: fewer for a short text, so that a pass has enough steps."""
    wanted = 8 << sum(tokens >= many for many in (MORE_LANES_FROM_BASE if from_base else MORE_LANES))
    least_steps = STEPS_PER_PASS_FROM_BASE if from_base else 1
    why = "lanes, each reading from its own place: fewer for a short text, so that a pass has enough steps"
    return max(1, min(wanted, tokens // (least_steps * seq_length))), why


def lines_per_step(mean_length: float) -> Choice[int]:
    """Return the number of lines per step, by their mean number of tokens: about the tokens of running text."""
    lines = max(8, min(128, 1 << max(0, round(math.log2(1_500 / max(mean_length, 1))))))
    return lines, "lines: about as many tokens per step as with running text"


def learning_rate(hidden_size: int, weight_dropout: float = 0.0) -> Choice[float]:
    """Return the peak rate: 0.02 for 256 units, falling with the square root of their number.

    It rises with the fraction of weights dropped, since each weight then learns in fewer steps.
    """
    rate = min(0.03, 0.02 * math.sqrt(256 / hidden_size)) * (1 + 2 * weight_dropout)
    why = "at its peak: 0.02 for 256 units, falling with the square root of their number"
    return float(f"{rate:.2g}"), why + ("; higher because weights are dropped" if weight_dropout else "")


def dropout(passes: float, from_base: bool = False) -> Choice[float]:
    """Return the fraction dropped: it grows with the number of passes, so that the text is not learned by heart.

    It is lower in a run from a base, which itself was trained without dropout.
    """
    at, there, per_doubling, most = (2, 0.0, 0.1, 0.1) if from_base else (3.3, FEW_PASSES_DROPOUT, 0.12, 0.6)
    fraction = round(min(most, max(0.0, there + per_doubling * math.log2(max(passes, 0.1) / at))), 2)
    return fraction, "fraction dropped: it grows with the number of passes"


def weight_dropout(dropout: float, steps: int, weights_per_token: float) -> Choice[float]:
    """Return the fraction of recurrent weights dropped at each step, from the fraction of activations dropped.

    A short run learns too little with it, and a network that is small for its text needs all its weights.
    """
    learns_by_heart = steps >= DROPPED_STEPS and weights_per_token >= DROPPED_PER_TOKEN
    fraction = max(0.0, dropout - FEW_PASSES_DROPOUT) if learns_by_heart else 0.0
    return round(fraction, 2), "fraction of the recurrent weights dropped at each step" if fraction else ""


def learning_rate_from_base(hidden_size: int, tokens: int, characters: int, lanes: int = 8) -> Choice[float]:
    """Return the peak rate of a run from a base, on a text of this number of tokens and characters.

    It is lower for few tokens, to lose less of the base, and higher for more than 8 lanes or tokens of several
    characters: a pass then has fewer steps, which must go as far. Bytes, shorter than characters, change nothing.
    """
    fewer_steps = math.sqrt(max(1.0, lanes / 8)) * max(1.0, characters / tokens)
    rate = 0.0033 * math.sqrt(768 / hidden_size) * (tokens / 100_000) ** 0.25 * fewer_steps
    why = "at its peak: lower for a short text, so that less of the base is lost; higher if a pass has fewer steps"
    return float(f"{min(max(rate, 0.001), 0.005):.2g}"), why


def limit_from_base(tokens: int, lines: bool) -> Limit:
    """Return the limit of a run from a base: two passes over a long running text, four over lines or a shorter text.

    See benchmarks/LOG.md: more passes were no better, and took longer.
    """
    return LONG_FROM_BASE if tokens >= MORE_LANES_FROM_BASE[-1] and not lines else FROM_BASE


def most_steps(steps_per_pass: float, limit: Limit) -> int:
    """Return the most steps that a run may take."""
    return math.ceil(min(max(limit.passes * steps_per_pass, limit.steps), limit.most_passes * steps_per_pass))


def distillation(gain: float, passes: float) -> Choice[float]:
    """Return the weight of the base's predictions in the targets of a run that begins from it.

    gain: the fraction of the n-gram's cost that the untrained base saves. It is largest for a short text of a kind
    that the base knows. For other texts, the base's predictions are wrong targets.
    """
    if passes <= UNTAUGHT_PASSES:
        return 0.0, "so few passes over the text memorize little, so the base does not teach"
    why = "weight of the base's predictions in the targets: it grows with what the untrained base saves"
    return round(min(MOST_DISTILLATION, max(0.0, DISTILLATION * gain)), 2), why


def of_steps(steps: int, tokens_per_step: float, held_out_tokens: int) -> Choices:
    """Return the numbers that follow from the number of steps.

    An evaluated token costs about a third of a learned one. So the size and the number of evaluations follow from the
    tokens that the run learns from, without a clock.
    """
    once = 3 * EVALUATION_SHARE * steps * tokens_per_step  # tokens that are affordable in a single evaluation
    at_least = min(max(2_000, once), ALL_HELD_OUT)
    validation_tokens = int(min(held_out_tokens, MOST_VALIDATION_TOKENS, max(at_least, once / EVALUATIONS)))
    every = max(steps / 100, validation_tokens / (3 * EVALUATION_SHARE * tokens_per_step))
    evaluate_every = max(1, min(math.ceil(every), steps))
    averaging = min(0.9998, max(0.9, 1 - 5 / steps))
    return {
        "warmup": (min(100, steps // 10), "steps to the peak rate: a hundred, or a tenth of all"),
        "averaging": (averaging, f"decay of the weights' moving average, over about {1 / (1 - averaging):,.0f} steps"),
        "validation_tokens": (validation_tokens, "of the held-out text, per evaluation"),
        "evaluate_every": (evaluate_every, f"steps: evaluations take {EVALUATION_SHARE:.0%} of the time at most"),
        "report_every": (max(1, min(steps // 200, evaluate_every)), "steps"),
    }
