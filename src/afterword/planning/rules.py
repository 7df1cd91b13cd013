"""The rules of the plan: what a network and its training should be, from the text and the tokens that can be read.

Each was read off trials on texts of 35 kB to 30 MB in runs of one to five minutes, which are kept in
benchmarks/results/trials.jsonl and told in docs/decisions.md. None of them knows a clock or a machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable

SIZES = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)
TOKENS_A_WEIGHT = 10.0  # that a network must read, or a smaller one learns more in the same time
UNTIMED_SIZE = 512  # units, where steps or passes are given and no time, if the text feeds so many
MOST_PASSES = 16.0  # over a text: more of them only teach it by heart
EMBEDDING = 64


def weights(hidden_size: int, num_layers: int) -> int:
    """About how many weights LSTM layers of so many units have."""
    return 4 * hidden_size * (hidden_size + EMBEDDING) + 8 * (num_layers - 1) * hidden_size**2


def largest_size(tokens: int) -> int:
    """The most units that a text of so many tokens can feed: they grow with its cube root."""
    return max(size for size in SIZES if size <= max(SIZES[0], 290 * (tokens / 30_000) ** (1 / 3)))


def size_for(tokens: int, tokens_read: Callable[[int], float], num_layers: int) -> int:
    """The size for a text of so many tokens, of which a size has the time for `tokens_read` of it.

    It is the largest that reads `TOKENS_A_WEIGHT`, or takes all the passes that the text is worth.
    """
    sizes = [size for size in SIZES if size <= largest_size(tokens)]
    enough = (
        size
        for size in sizes
        if tokens_read(size) >= min(TOKENS_A_WEIGHT * weights(size, num_layers), MOST_PASSES * tokens)
    )
    return max(enough, default=sizes[0])


def lanes(tokens: int, seq_length: int) -> int:
    """How many lanes read a running text: fewer where it is short, so that a pass has enough steps."""
    wanted = 32 if tokens >= 3_000_000 else 16 if tokens >= 300_000 else 8
    return max(1, min(wanted, tokens // seq_length))


def lines_a_step(mean_length: float) -> int:
    """How many lines of so many tokens are read in a step: about as many tokens as of running text."""
    return max(8, min(128, 1 << max(0, round(math.log2(1_500 / max(mean_length, 1))))))


def learning_rate(hidden_size: int) -> float:
    """The highest rate: 0.02 for 256 units, and as the root of their number rises it falls."""
    return float(f"{min(0.03, 0.02 * math.sqrt(256 / hidden_size)):.2g}")


def dropout(passes: float) -> float:
    """The oftener a text is read, the more must be left out, so that it is not learned by heart."""
    return round(min(0.6, max(0.0, 0.2 + 0.12 * math.log2(max(passes, 0.1) / 3.3))), 2)


def expected_ratio(tokens: int, tokens_read: float, *, mixed: bool) -> float:
    """What a held-out character will cost the model, as a share of what it costs the n-gram alone.

    tokens: of the training text. tokens_read: in all passes. mixed: of the LSTM and the n-gram together, or of the
    LSTM alone. What is read again teaches less: after four passes little more than half as much as the text read fresh.
    """
    fresh = 4 * tokens * -math.expm1(-tokens_read / (4 * tokens))
    learned = 1 - math.pow(1 + fresh / 11e6, -0.8)  # from 0 to 1
    return 0.98 - 0.4 * learned if mixed else 1.09 - 0.55 * learned
