"""A run that is under way, from where it stands to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from afterword.errors import NotFiniteError, TrainingError
from afterword.runs.keeper import Keeper
from afterword.runs.progress import Progress

MOST_ROLLBACKS = 5


class Run(Keeper):
    """A run that this process holds, begun by `begin`, `resume` or `repeat`."""

    def train(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Train to the end, or until `should_stop`; see `runs.loop.train`. The folder is let go at the end.

        A loss that is not finite rolls the run back to its last good state and halves the rate, a few times at most.
        Raises TrainingError where that does not help and where a GPU's memory is full, StorageError where the disk is
        full at the end too.
        """
        from afterword.learning.device import memory_reported
        from afterword.runs.loop import train

        try:
            while True:
                try:
                    with memory_reported():
                        yield from train(self, should_stop)
                    break
                except NotFiniteError as trouble:
                    self._roll_back(trouble)
            self.team.part()
        finally:
            self.folder.unlock()

    def _roll_back(self, trouble: NotFiniteError) -> None:
        """Take up the run again before `trouble`. The record says so first, so that a resumed run does the same.

        The rate is lower from the last evaluation before it. Its state is not at hand where the last checkpoint is
        older; the steps between them are then taken once more, as they were.
        """
        every = self.recipe.evaluate_every
        to = max(0, trouble.step - 1) // every * every
        if len(self.record.rollbacks) == MOST_ROLLBACKS:
            raise TrainingError(
                f"the loss was not a number {MOST_ROLLBACKS + 1} times, the last time at step {trouble.step:,} with "
                f"{0.5**MOST_ROLLBACKS:.0%} of the learning rate: give a much lower --learning-rate"
            )
        self.change_record(rollbacks=(*self.record.rollbacks, to))
        self.notes.append(
            f"the loss was not a number at step {trouble.step:,}: back to step {to:,}, and on with half the rate"
        )
        self.load_checkpoint()
        self.seconds = trouble.seconds
