"""How many threads compute a step while other processes come and go.

A step ends when its last thread has ended. If another process has a processor, all threads wait for the one whose turn
it is not, and two of them may take ten times as long as one alone. So a run with a time limit tries fewer threads when
it has to wait, and more when it no longer has to. `run.json` keeps each change, because bits depend on the threads.
"""

from __future__ import annotations

WAITING = 1.5  # times the processor time of a step, from which it waits for other processes
WINDOW, LEAST_STEPS = 1.0, 5  # seconds and steps, at least, over which a number of threads is timed
REST = 8  # windows between two trials; twice as many after each that gained nothing


class ThreadsNow:
    """The number of threads that is fastest now, of `count` and fewer. All times are in seconds."""

    def __init__(self, most: int, count: int) -> None:
        self._most, self.count = most, count
        self._steps, self._clock, self._processor = 0, 0.0, 0.0
        self._tried: tuple[int, float] | None = None  # while another number is tried: the one before, and its pace
        self._rest, self._next_rest = 1, REST

    def took(self, clock: float, processor: float) -> int | None:
        """Note the time of a step, and its first thread's processor time; return the number to change to, or None."""
        self._steps, self._clock, self._processor = self._steps + 1, self._clock + clock, self._processor + processor
        if self._steps < LEAST_STEPS or self._clock < WINDOW:
            return None
        pace, waits = self._clock / self._steps, self._clock > WAITING * self._processor
        self._steps, self._clock, self._processor, self._rest = 0, 0.0, 0.0, self._rest - 1
        if self._tried is not None:
            (before, pace_before), self._tried = self._tried, None
            if pace < pace_before:
                self._next_rest = REST
                return None
            self._rest, self._next_rest = self._next_rest, 2 * self._next_rest
            return self._change(before)
        other = max(1, self.count // 2) if waits else min(self._most, 2 * self.count)
        if self._rest > 0 or other == self.count:
            return None
        self._tried = self.count, pace
        return self._change(other)

    def _change(self, count: int) -> int:
        self.count = count
        return count
