"""What a model will cost on held-out text, said before it is trained.

The n-gram model, which is counted beforehand, says how hard the text is. What the LSTM adds to it grows with the root
of the tokens that it reads, repeated ones too: about 3.3 % less at a million, 10 % at ten millions. How much more or
less it is depends on the text; `benchmarks/expectation.py` has the figures, and fits them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

GAIN = 0.033  # of the n-gram's cost, that the mixture with an LSTM that read a million tokens costs less
LEAST, MOST = 0.4, 1.6  # times this gain, on four of five texts
SAMPLING = 0.005  # of the n-gram's cost, which is measured on a sample of the held-out text
GAIN_FROM_BASE = 0.09  # of what the base as it is and the n-gram cost, that a long run from it takes off
SOON = 40_000  # tokens, after which most of this gain is there
LEAST_OF_THAT, MOST_OF_THAT = 0.5, 1.5  # times this gain, on four of five texts
FEWEST_CHARACTERS, MOST_TOKENS_READ = 30_000, 20_000_000  # that anything is known of


@dataclass(frozen=True)
class Expectation:
    """Nats per held-out character that the LSTM and the n-gram will cost together."""

    likely: float
    low: float
    high: float
    """On four of five texts it is between these two."""


def expectation(ngram_cost: float, characters: int, tokens_read: float) -> Expectation | None:
    """What to expect after so many tokens, of a text of so many characters.

    ngram_cost: nats per held-out character, of the n-gram alone. None for shorter texts and longer runs than were
    ever tried.
    """
    if characters < FEWEST_CHARACTERS or tokens_read > MOST_TOKENS_READ:
        return None
    gain = GAIN * math.sqrt(tokens_read / 1e6)
    return Expectation(
        likely=ngram_cost * (1 - gain),
        low=ngram_cost * (1 - MOST * gain - SAMPLING),
        high=ngram_cost * min(1.0, 1 - LEAST * gain + SAMPLING),
    )


def expectation_from_base(untouched: float, tokens_read: float) -> Expectation | None:
    """What to expect of a run from a base after so many tokens.

    untouched: nats per held-out character, of the base as it is and the n-gram together. None for longer runs than
    were ever tried.
    """
    if tokens_read > MOST_TOKENS_READ:
        return None
    gain = GAIN_FROM_BASE * -math.expm1(-tokens_read / SOON)
    return Expectation(
        likely=untouched * (1 - gain),
        low=untouched * (1 - MOST_OF_THAT * gain - SAMPLING),
        high=untouched * (1 - LEAST_OF_THAT * gain + SAMPLING),
    )
