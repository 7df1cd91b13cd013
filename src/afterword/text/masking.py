"""What always changes in lines, such as numbers and addresses, hidden behind one mark."""

from __future__ import annotations

import re
from collections.abc import Sequence

from afterword.errors import OptionError

MARK = "<*>"


class Masks:
    """Regular expressions, each of which is replaced by `MARK` in turn.

    Raises OptionError for a pattern that is no regular expression, or matches the empty text.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self.patterns = tuple(patterns)
        self._compiled = []
        for pattern in self.patterns:
            try:
                found = re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                raise OptionError(f"mask {pattern[:60]!r} is no regular expression: {error}") from None
            if found.fullmatch(""):
                raise OptionError(f"mask {pattern[:60]!r} matches an empty text: write + for *, as in [0-9]+")
            self._compiled.append(found)

    def __call__(self, line: str) -> str:
        """`line` with everything hidden that matches."""
        for pattern in self._compiled:
            line = pattern.sub(lambda found: MARK if found[0] else "", line)
        return line

    def origins(self, line: str) -> list[tuple[int, int]]:
        """For each character of the masked `line` the piece of `line`, from and to, that it stands for."""
        masked, places = line, [(k, k + 1) for k in range(len(line))]
        for pattern in self._compiled:
            pieces, kept, last = [], [], 0
            for found in pattern.finditer(masked):
                start, end = found.span()
                if start == end:
                    continue
                pieces += [masked[last:start], MARK]
                kept += [*places[last:start], *[(places[start][0], places[end - 1][1])] * len(MARK)]
                last = end
            masked, places = "".join([*pieces, masked[last:]]), kept + places[last:]
        return places
