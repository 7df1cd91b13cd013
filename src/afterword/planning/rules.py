"""The rules of the plan: what a network and its training should be, from the text and the tokens that can be read.

Each was read off trials on texts of 35 kB to 30 MB in runs of one to five minutes, which are kept in
benchmarks/results/trials.jsonl and told in docs/decisions.md. None of them knows a clock or a machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

SIZES = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
TOKENS_PER_WEIGHT = 10.0  # that a network must read, or a smaller one learns more in the same time
UNTIMED_SIZE = 512  # units, where steps or passes are given and no time, if the text feeds so many
LEAST_FROM_BASE = 0.01  # that a base, as it is, takes off the n-gram's cost where it helps
MOST_PASSES_FROM_BASE = 8.0  # over a text: the base knows already what more of them would teach
MOST_PASSES = 16.0  # over a text: more of them only teach it by heart
EMBEDDING = 64
EVALUATION_SHARE = 0.06  # of the run's time, at most
EVALUATIONS = 6  # at least, in a run: few and large, so that the best is not the luckiest
MOST_VALIDATION_TOKENS = 200_000

T = TypeVar("T")


@dataclass(frozen=True)
class Choice(Generic[T]):
    """A number of a recipe, and why it is so."""

    value: T
    reason: str = ""


Choices = dict[str, Choice[Any]]  # by the names of a recipe's numbers


def weights(hidden_size: int, num_layers: int) -> int:
    """About how many weights LSTM layers of so many units have."""
    return 4 * hidden_size * (hidden_size + EMBEDDING) + 8 * (num_layers - 1) * hidden_size**2


def largest_size(tokens: int) -> int:
    """The most units that a text of so many tokens can feed: they grow with its cube root."""
    return max(size for size in SIZES if size <= max(SIZES[0], 290 * (tokens / 30_000) ** (1 / 3)))


def size_in_time(tokens: int, tokens_read: Callable[[int], float], num_layers: int) -> Choice[int]:
    """Units for a text of so many tokens, of which there is time to read `tokens_read` of a size.

    They are the most that read `TOKENS_PER_WEIGHT`, or take all the passes that the text is worth.
    """
    sizes = [size for size in SIZES if size <= largest_size(tokens)]
    passes = [size for size in sizes if tokens_read(size) >= MOST_PASSES * tokens]
    weighed = [size for size in sizes if tokens_read(size) >= TOKENS_PER_WEIGHT * weights(size, num_layers)]
    size = max(passes + weighed, default=sizes[0])
    if size == sizes[-1]:
        return Choice(size, f"a text of {tokens:,} tokens feeds no more")
    if size in passes:
        return Choice(size, f"the most that take {MOST_PASSES:g} passes in the time")
    if size in weighed:
        return Choice(size, f"the most that still read {TOKENS_PER_WEIGHT:g} tokens per weight in the time")
    return Choice(size, "the fewest, for so little time")


def size_untimed(tokens: int) -> Choice[int]:
    """Units where steps or passes are given and no time."""
    most = largest_size(tokens)
    if most <= UNTIMED_SIZE:
        return Choice(most, f"a text of {tokens:,} tokens feeds no more")
    return Choice(UNTIMED_SIZE, f"where no time is given; the text could feed {most}")


def lanes(tokens: int, seq_length: int) -> Choice[int]:
    """How many lanes read a running text: fewer where it is short, so that a pass has enough steps."""
    wanted = 32 if tokens >= 3_000_000 else 16 if tokens >= 300_000 else 8
    return Choice(
        max(1, min(wanted, tokens // seq_length)),
        "lanes, each reading on from its own place: fewer for a short text, so that a pass has enough steps",
    )


def lines_per_step(mean_length: float) -> Choice[int]:
    """How many lines of so many tokens are read in a step: about as many tokens as of running text."""
    lines = max(8, min(128, 1 << max(0, round(math.log2(1_500 / max(mean_length, 1))))))
    return Choice(lines, "lines: about as many tokens per step as running text has")


def learning_rate(hidden_size: int) -> Choice[float]:
    """The peak rate: 0.02 for 256 units, falling as the root of their number."""
    rate = float(f"{min(0.03, 0.02 * math.sqrt(256 / hidden_size)):.2g}")
    return Choice(rate, "at its peak: 0.02 for 256 units, falling as the root of their number")


def dropout(passes: float) -> Choice[float]:
    """The fraction dropped grows with the number of passes, so that the text is not learned by heart."""
    fraction = round(min(0.6, max(0.0, 0.2 + 0.12 * math.log2(max(passes, 0.1) / 3.3))), 2)
    return Choice(fraction, f"the fraction dropped grows with the number of passes, {passes:.1f}")


def learning_rate_from_base(hidden_size: int, tokens: int) -> Choice[float]:
    """The peak rate from a base on, lower for few tokens, so that less of the base is lost."""
    rate = 0.0033 * math.sqrt(768 / hidden_size) * (tokens / 100_000) ** 0.25
    return Choice(
        float(f"{min(max(rate, 0.001), 0.005):.2g}"),
        "at its peak: a fifth of a run's from nothing, and lower for a short text, so that what the base knows is kept",
    )


def dropout_from_base(passes: float) -> Choice[float]:
    """The fraction dropped, from a base that was itself trained with none."""
    fraction = round(min(0.3, max(0.0, 0.1 * math.log2(max(passes, 0.1) / 2))), 2)
    return Choice(fraction, f"the fraction dropped grows with the number of passes, {passes:.1f}")


def of_steps(steps: int, tokens_per_step: float, held_out_tokens: int) -> Choices:
    """What follows from the number of steps.

    An evaluated token costs about a third of a learned one. So the part of the validation text that is read, and how
    often, follow from the tokens that the run learns from, and need no clock.
    """
    affordable = 3 * EVALUATION_SHARE * steps * tokens_per_step / EVALUATIONS
    validation_tokens = int(min(held_out_tokens, MOST_VALIDATION_TOKENS, max(2_000, affordable)))
    every = max(steps / 100, validation_tokens / (3 * EVALUATION_SHARE * tokens_per_step))
    evaluate_every = max(1, min(math.ceil(every), steps))
    averaging = min(0.9998, max(0.9, 1 - 5 / steps))
    return {
        "warmup": Choice(min(100, steps // 10), "steps to the peak rate: a hundred, or a tenth of all"),
        "averaging": Choice(
            averaging, f"decay of the weights' moving average, over about {1 / (1 - averaging):,.0f} steps"
        ),
        "validation_tokens": Choice(validation_tokens, "of the held-out text, read by each evaluation"),
        "evaluate_every": Choice(evaluate_every, f"steps: evaluations take {EVALUATION_SHARE:.0%} of the time at most"),
        "report_every": Choice(max(1, min(steps // 200, evaluate_every)), "steps"),
    }
