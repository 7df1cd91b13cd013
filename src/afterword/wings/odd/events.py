"""Sequences of events: lines whose words are few symbols that come at any place, such as system calls or clicks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

MOST_SYMBOLS, USES = 2_000, 20  # symbols, at most, and uses of each on average, at least: unlike words of prose
PLACES = 4  # at which a word's symbol comes, on average, at least; in logs, these are 1 to 2.5
FARTHEST = 50  # place that is counted: each later one counts as this


def are_events(lines: Sequence[str]) -> bool:
    """Return whether most symbols of `lines` (between spaces) are frequent, and occur at many places of a line.

    Lines of a log are not events, because each word has one or two places. Prose is not, because it has too many words.
    """
    pairs = Counter((symbol, min(place, FARTHEST)) for line in lines for place, symbol in enumerate(line.split()))
    uses, places = Counter[str](), Counter[str](symbol for symbol, _ in pairs)
    for (symbol, _), count in pairs.items():
        uses[symbol] += count
    words, are_few = uses.total(), len(uses) <= min(MOST_SYMBOLS, uses.total() / USES)
    return are_few and sum(uses[symbol] * places[symbol] for symbol in uses) >= PLACES * words > 0
