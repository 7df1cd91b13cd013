"""The expected cost of held-out text to a model, before it is trained.

The n-gram model, which is counted beforehand, measures how hard the text is. The LSTM's gain grows with the square root
of the tokens that it reads, with repetitions: about 3.3 % at a million, 10 % at ten million. It varies with the text;
`benchmarks/expectation.py` has the figures, and fits them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

GAIN = 0.033  # of the n-gram's cost, by mixing it with an LSTM that has read a million tokens
LEAST_GAIN, MOST_GAIN = 0.4, 1.6  # times this gain, for four of five texts
SAMPLING = 0.005  # of the n-gram's cost: its error by measuring on a sample of the held-out text
GAIN_FROM_BASE, TEXT_GAIN_FROM_BASE = 0.09, 0.023  # of n-gram's and base's cost, by a long run; by twice the text
SOON = 40_000  # characters read, after which most of this gain is reached
LEAST_OF_THAT, MOST_OF_THAT = 0.5, 1.5  # times this gain, for four of five texts
TEXT_GAIN, TEXT_SIZE, TEXT_POWER = 0.06, 50_000, 0.45  # by twice a text of this size; it falls with this power of it
FREE = 0.9  # of a step's time is a thread's processor time on a free machine
FEWEST_CHARACTERS, MOST_READ = 30_000, 20_000_000  # for which a forecast is made: of the text, and tokens or characters


@dataclass(frozen=True)
class Expectation:
    """The expected cost of LSTM and n-gram together, in nats per held-out character."""

    likely: float
    low: float
    high: float
    """For four of five texts it is between these two."""

    @property
    def before_from_base(self) -> float:
        """The cost before the training, of a run from a base."""
        return (MOST_OF_THAT * self.likely - self.low) / (MOST_OF_THAT - 1 + SAMPLING)


def expectation(ngram_cost: float, characters: int, tokens_read: float) -> Expectation | None:
    """Return the expected cost after `tokens_read` tokens of a text with this number of characters.

    ngram_cost: nats per held-out character, of the n-gram alone. Returns None for shorter texts and longer runs than
    have been tried.
    """
    if characters < FEWEST_CHARACTERS or tokens_read > MOST_READ:
        return None
    found = _expected(ngram_cost, GAIN * math.sqrt(tokens_read / 1e6), LEAST_GAIN, MOST_GAIN)
    return replace(found, high=min(ngram_cost, found.high))


def expectation_from_base(untouched: float, characters_read: float) -> Expectation | None:
    """Return the expected cost of a run from a base after reading `characters_read`, with repetitions.

    untouched: nats per held-out character, of the base as it is and the n-gram together. Returns None for longer runs
    than have been tried.
    """
    if characters_read > MOST_READ:
        return None
    return _expected(untouched, GAIN_FROM_BASE * -math.expm1(-characters_read / SOON), LEAST_OF_THAT, MOST_OF_THAT)


def _expected(before: float, gain: float, least: float, most: float) -> Expectation:
    """Return the expected cost after training reduces the cost `before` by the fraction `gain`.

    The range allows for `least` to `most` times this gain.
    """
    low, high = before * (1 - most * gain - SAMPLING), before * (1 - least * gain + SAMPLING)
    return Expectation(before * (1 - gain), low, high)


def savings(size: int, passes: float, most: float, gained: float, from_base: bool, share: float) -> dict[str, float]:
    """Return the fraction of a run's cost that twice the text, twice the minutes or a free machine would save.

    A text of `size` characters was read `passes` times, and more than `most` gain nothing. `gained` is the fraction of
    the cost that training has saved so far: where it is below what was expected, twice the minutes gain less, too, and
    from a base so does twice the text. `share` is a thread's processor time in a step, as a fraction of the step's
    time. A free machine is left out unless it would take more than twice the steps.
    """

    def gain(times: float) -> float:
        read = size * min(times * passes, most)
        return GAIN_FROM_BASE * -math.expm1(-read / SOON) if from_base else GAIN * math.sqrt(read / 1e6)

    known, new = TEXT_GAIN_FROM_BASE * math.sqrt(min(1.0, passes)), TEXT_GAIN * (TEXT_SIZE / size) ** TEXT_POWER
    usual = min(1.0, max(0.0, gained / gain(1)))
    saved = {"twice the text": usual * known if from_base else new, "twice the minutes": usual * (gain(2) - gain(1))}
    return saved | ({"a free machine": gain(FREE / share) - gain(1)} if share < FREE / 2 else {})
