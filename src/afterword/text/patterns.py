"""Regular expressions that users give. They may also come with a model, or over HTTP.

Compiling stops all other threads, so sizes are limited. Matching lets other threads run, and has a time limit.
"""

from __future__ import annotations

import math
import re

from afterword.errors import OptionError

LONGEST = 300  # characters: the first search for a literal takes cubic time, 10 ms for 300
LARGEST = 10_000  # characters, with copies: 20 ms to compile
GROUP = 10  # characters that a group counts as: some take quadratic time to compile


class Expression:
    """A compiled regular expression. `what` it is for is named in messages.

    Raises OptionError for text that is not a regular expression, that is too large, or whose repeats cannot be found
    without parsing it: the engine compiles the body of a repeat once for each time that it must match, and once more.
    """

    def __init__(self, pattern: str, what: str, flags: int = 0) -> None:
        import regex  # here, because this file is loaded with every model; Python's own engine has no time limit

        if not isinstance(pattern, str):
            raise OptionError(f"{what} must be text, a regular expression, not {repr(pattern)[:60]}")
        self._name = f"{what} {pattern[:60]!r}"
        if re.search(r"\(\?([\w-]*x|[R&]|P[>&]|[+-]?\d)", pattern):  # endless calls fill the memory
            raise OptionError(f"{self._name} has the flag x or calls a group, as (?R) does: rewrite it")
        # a repeat after a group or another repeat may be nested; any other repeats one character
        start = pattern[:LONGEST]
        nested, single = (
            [int(count or 1) + 1 for count in re.findall(rf"(?<{sign}[)}}+*?])(?:\+|{{(\d+))", start)] for sign in "=!"
        )
        size = (len(pattern) + GROUP * pattern.count("(")) * math.prod(nested) * max(single, default=1)
        if len(pattern) > LONGEST or size > LARGEST:
            shorter = f"it may have at most {LONGEST} characters, {LARGEST:,} with repeats such as a{{9}} copied"
            raise OptionError(f"{self._name} is too large: {shorter}; give several smaller ones")
        try:
            self._compiled = regex.compile(pattern, flags)
        except (regex.error, OverflowError, RecursionError, MemoryError) as error:
            raise OptionError(f"{self._name} is not a regular expression: {error}") from None
        self.groups = self._compiled.groups

    def spans(self, text: str, seconds: float, where: str, group: int = 0) -> list[tuple[int, int]]:
        """Return the span of a `group` in each match: (-1, -1) if it took no part; by default, of the whole match.

        Raises OptionError, which says `where`, if this takes more than `seconds`."""
        try:
            return [one.span(group) for one in self._compiled.finditer(text, timeout=seconds, concurrent=True)]
        except (TimeoutError, MemoryError):
            raise OptionError(
                f"{self._name} takes more than {seconds:g} s {where}: write it without a repeat inside a repeat"
            ) from None
