"""More time for a run: its end moves, from the state that it has reached.

A run that has come to its end begins another way from its weights: the rate rises once more, and falls to zero. One
that has not goes on as it is, and its rate falls the more slowly. Either is a correction in the run's record, and so a
resumed or repeated run takes the same steps.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from afterword.errors import OptionError, RunError
from afterword.learning.schedule import Schedule
from afterword.planning.recipes import steps_in
from afterword.runs.record import Stage
from afterword.runs.run import Run
from afterword.settings import check, setting


@dataclass(frozen=True)
class More:
    """How much longer a run shall train than it was to; one of the three, or none."""

    more_minutes: float | None = setting(
        None, "with --resume: train for so many minutes more, also after its end", above=0, maximum=525_600
    )
    more_steps: int | None = setting(None, "the same in optimizer steps", minimum=1)
    more_epochs: float | None = setting(None, "the same in passes over the text", above=0, maximum=10**6)

    def __post_init__(self) -> None:
        check(self)
        if len(self.given) > 1:
            first, second = list(self.given)[:2]
            raise OptionError(f"{first.replace('_', '-')} and {second.replace('_', '-')} exclude each other: give one")

    @property
    def given(self) -> dict[str, float]:
        """What was asked for, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


NO_MORE = More()


def extend(run: Run, more: More) -> None:
    """Move the end of `run`, and record it. Raises RunError where it has no state to go on from."""
    if run.saved is None:
        raise RunError(f"the run in {run.folder.path} has kept no state yet: go on with it by --resume alone first")
    position = run.saved[1]
    step, seconds = position.step, position.seconds
    corrections = [pair for pair in run.record.corrections if pair[0] <= step]  # what was decided later is abandoned
    ended_at = Schedule(run.recipe, corrections).steps
    pace = seconds / step
    minutes: float | None = None
    if more.more_steps is not None:
        steps = ended_at + more.more_steps
    elif more.more_epochs is not None:
        steps = ended_at + steps_in(more.more_epochs, run.encoded, run.recipe)
    else:
        assert more.more_minutes is not None
        steps = ended_at + max(1, round(more.more_minutes * 60 / pace))
        planned = None if step == ended_at else run.minutes  # one that ended may have ended early
        minutes = (planned or (seconds + (ended_at - step) * pace) / 60) + more.more_minutes
    run.change_record(
        corrections=(*corrections, (step, steps)),
        rollbacks=tuple(to for to in run.record.rollbacks if to <= step),
        stages=(*run.record.stages, Stage(step, steps, minutes, more.given)),
        ended=None,
    )
    way = "a new schedule begins from its weights" if step == ended_at else "the rate falls the more slowly"
    run.notes.append(f"the run goes on from step {step:,}, to step {steps:,} in place of {ended_at:,}: {way}")
