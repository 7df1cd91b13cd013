"""The training loop: steps, and what is corrected, measured, reported and saved between them. It prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import torch

from afterword.errors import NotFiniteError
from afterword.learning.batches import training_batches
from afterword.learning.best import Best, Measured
from afterword.learning.learner import Learner
from afterword.learning.schedule import Schedule
from afterword.learning.validation import HeldOut
from afterword.runs.clock import Clock
from afterword.runs.forecast import Forecast
from afterword.runs.keeper import Keeper
from afterword.runs.progress import Progress
from afterword.runs.record import Position

LOOKS = 400  # at the clock, at least about so many in a run that was given minutes
CHECKPOINT_SECONDS = 60.0  # between two checkpoints, where no number of steps is asked for


def train(run: Keeper, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
    """Train `run` from where it stands to its last step, keeping the best model and checkpoints in its folder.

    `should_stop` is asked after each step; when it says so, the state is saved and the iterator ends.
    Raises NotFiniteError, and keeps nothing of it, where a loss, a gradient or a weight is not a finite number.
    """
    training = Training(run)
    while not training.at_end():
        training.take_step()
        training.correct()
        measured = training.evaluate() if training.evaluation_due else None
        reporting = measured is not None or training.report_due
        if reporting:
            progress = training.report(measured)
            with training.clock.paused():
                yield progress
        stopping, saving = run.team.agree(
            should_stop() and not training.at_last_step, training.checkpoint_due or (reporting and run.is_behind)
        )
        if stopping or saving:
            training.save()
        if stopping:
            training.stop()
            break
    else:
        run.end(training.step, training.clock.now)
    run.finish()


class Training:
    """What changes while a run trains: its learner, its place in the text, its schedule, and its best look so far."""

    def __init__(self, run: Keeper) -> None:
        self._run, self._recipe, self._team = run, run.recipe, run.team
        torch.set_num_threads(run.recipe.threads)
        self._learner = Learner(run.recipe.config(run.encoded.tokenizer), run.recipe, run.team)
        self._batches = training_batches(run.encoded, run.recipe)
        self._ngram = run.learn_ngram()
        self._held_out = HeldOut(run.encoded, run.recipe, self._ngram)
        position = self._restored()
        self._schedule = Schedule(run.recipe, position.corrections, run.record.rollbacks)
        self._best = position.best
        self._nats, self._tokens = position.nats, position.tokens  # of the training text, since the last report
        self._learning_rate = 0.0  # of the last step
        run.cut_metrics(self.step)
        self._team.wait()  # for the others to have prepared too
        self.clock = Clock(run.seconds)  # what came before the first step does not count
        if run.preparation is None:
            run.preparation = time.monotonic() - run.opened
        self._reported, self._read = self.clock.now, 0  # when the last report was, and the tokens since then
        self._saved = time.monotonic()
        limits = replace(
            run.recipe, minutes=run.minutes, most_steps=None if run.record.stages else run.recipe.most_steps
        )
        self._forecast = Forecast(limits, self.step, self.clock.now)
        if self.step > 0 and self._team.from_first(not run.folder.model.exists()):  # removed: leave one to write with
            self._save_model(None)

    def _restored(self) -> Position:
        """Where the run stands: at its newest checkpoint, or at its beginning."""
        if self._run.saved is None:
            if self._run.record.base is not None:
                self._learner.start_from(self._run.folder.read_base(self._learner.network.config))
            return Position(0)
        (tensors, position), self._run.saved = self._run.saved, None
        self._learner.load(tensors, position.step)
        self._batches.position = position.batches
        return position

    @property
    def step(self) -> int:
        """How many were taken."""
        return self._learner.step

    @property
    def at_last_step(self) -> bool:
        return self.step == self._schedule.steps

    def at_end(self) -> bool:
        """Whether no step is left, when all is done that the record says of this one: a resumed or repeated run
        takes the same steps, also beyond an end that was moved."""
        for step, steps in self._run.record.corrections[len(self._schedule.corrections) :]:
            if step == self.step:
                self._schedule.correct(step, steps)
        return self.step >= self._schedule.steps

    def take_step(self) -> None:
        """Learn from the next batch."""
        batch = self._batches.next()
        self._learning_rate = self._schedule.learning_rate(self.step)
        nats = self._learner.learn(batch, self._learning_rate)
        self._check(math.isfinite(nats))
        self._nats += nats
        self._tokens += batch.tokens
        self._read += batch.tokens

    def correct(self) -> None:
        """Change the number of steps where the clock says that they would miss the end; not where the record does."""
        run, step, every = self._run, self.step, max(1, self._recipe.steps // LOOKS)
        timed = run.minutes is not None and run.record.ended is None
        decided = len(self._schedule.corrections) < len(run.record.corrections)
        if not timed or decided or step % every or self.at_last_step:
            return
        self._forecast.look(step, self.clock.now)
        found = self._forecast.correction(self._schedule.steps) or self._schedule.steps
        steps = int(self._team.from_first(found))
        if steps != self._schedule.steps:
            self._schedule.correct(step, steps)
            run.change_record(corrections=(*run.record.corrections, (step, steps)))

    @property
    def evaluation_due(self) -> bool:
        return self.step % self._recipe.evaluate_every == 0 or self.at_last_step

    def evaluate(self) -> Measured | None:
        """Look at the held-out text, where there is one, and save the model if it is the best so far."""
        began = self.clock.now
        measured = self._held_out.measure(self._learner)
        if measured is not None:
            cost, lstm = self._team.from_first(measured.cost), self._team.from_first(measured.lstm)
            self._check(math.isfinite(cost) and math.isfinite(lstm))
            measured = replace(measured, cost=cost, lstm=lstm)
            self._best = Best(measured, cost) if self._best is None else self._best.after(measured)
        if self._is_best(measured) or self._recipe.keep == "last":
            self._save_model(measured)
        if self.at_last_step and self._best is not None:
            self._run.tell_of_ngram(self._best.kept)
        self._forecast.evaluated(self.clock.now - began)
        return measured

    def _is_best(self, measured: Measured | None) -> bool:
        return measured is not None and self._best is not None and self._best.kept is measured

    @property
    def report_due(self) -> bool:
        return self.step % self._recipe.report_every == 0

    def report(self, measured: Measured | None) -> Progress:
        """What has come of the steps since the last report; it is in the run's metrics too."""
        now, encoded = self.clock.now, self._run.encoded
        self._forecast.look(self.step, now)
        characters_per_token = encoded.training_characters / len(encoded.training)
        progress = Progress(
            step=self.step,
            steps=self._schedule.steps,
            loss=self._nats / (self._tokens * characters_per_token),
            learning_rate=self._learning_rate,
            characters_per_second=self._read * characters_per_token / max(now - self._reported, 1e-9),
            seconds=now,
            seconds_left=self._forecast.seconds_left(self._schedule.steps),
            validation=None if measured is None else measured.cost,
            lstm=None if measured is None else measured.lstm,
            best=None if self._best is None else self._best.kept.cost,
            improved=self._is_best(measured),
            notes=self._run.take_notes(),
        )
        self._nats, self._tokens, self._read, self._reported = 0.0, 0, 0, now
        self._run.report(progress)
        return progress

    @property
    def checkpoint_due(self) -> bool:
        every = self._recipe.checkpoint_every
        due = self.step % every == 0 if every else time.monotonic() - self._saved >= CHECKPOINT_SECONDS
        return due or self.at_last_step

    def save(self) -> None:
        """Keep a checkpoint, if the disk allows; where it does not, one is due again at the next report."""
        began = self.clock.now
        self._check(not any(self._team.agree(not self._learner.is_finite())))
        position = Position(
            self.step,
            self._batches.position,
            tuple(self._schedule.corrections),
            self._run.record.rollbacks,
            self._best,
            began,
            self._nats,
            self._tokens,
        )
        if self._run.save_checkpoint(self._learner.tensors(), position):
            self._saved = time.monotonic()
        self._forecast.saved(self.clock.now - began)

    def stop(self) -> None:
        """End before the last step, with a model to write with: where there is none yet, or only something older."""
        if self._best is None or self._recipe.keep == "last":
            self._save_model(None)
        self._run.stopped = True

    def _save_model(self, measured: Measured | None) -> None:
        self._run.save_model(self._learner, self._ngram, measured)

    def _check(self, finite: bool) -> None:
        if not finite:
            raise NotFiniteError(self.step, self.clock.now)
