"""The number of threads that compute a step, chosen anew while other processes come and go.

A step ends when its last thread ends. If another process uses a processor, all threads wait for the one that cannot
run, and two threads may take ten times as long as one. So a run with a time limit tries fewer threads at its beginning
and when its steps become slower, and more when they become faster. `run.json` records each change, because the bits of
the result depend on the number of threads.
"""

from __future__ import annotations

WINDOW, LEAST_STEPS = 1.0, 5  # seconds and steps, at least, over which a number of threads is timed
CHANGED = 1.5  # times slower or faster steps, from which another number is tried
BETTER = 0.95  # times the time of a step before, at most, for which another number is kept
REST = 8  # windows without a trial after one that gained nothing; twice as many after each further one


class ThreadsNow:
    """The number of threads that is fastest now: it begins at `count`, and is at most `most`."""

    def __init__(self, most: int, count: int) -> None:
        self._most, self.count = most, count
        self._steps, self._seconds = 0, 0.0  # of the window
        self._usual = 0.0  # seconds per step when the number was last decided; 0 before
        self._tried: tuple[int, float] | None = None  # while another number is tried: the one before, and its pace
        self._rest, self._next_rest = 0, REST

    def took(self, seconds: float) -> int | None:
        """Note the time of a step; return the number of threads to change to, or None."""
        self._steps, self._seconds = self._steps + 1, self._seconds + seconds
        if self._steps < LEAST_STEPS or self._seconds < WINDOW:
            return None
        pace, self._steps, self._seconds, self._rest = self._seconds / self._steps, 0, 0.0, self._rest - 1
        slower, faster = pace > CHANGED * self._usual, pace * CHANGED < self._usual
        if self._tried is not None:
            before, pace_before = self._tried
            if pace >= BETTER * pace_before:
                self._tried, self._usual = None, pace_before
                self._rest, self._next_rest = self._next_rest, 2 * self._next_rest
                return self._change(before)
            self._next_rest, slower, faster = REST, self.count < before, self.count > before  # further that way
        elif self._rest > 0:
            return None
        other = max(1, self.count // 2) if slower else min(self._most, 2 * self.count) if faster else self.count
        self._tried, self._usual = None if other == self.count else (self.count, pace), pace
        return None if other == self.count else self._change(other)

    def _change(self, count: int) -> int:
        self.count = count
        return count
