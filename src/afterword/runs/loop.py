"""The training loop: steps, and what is corrected, measured, reported and saved between them. It prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
import torch

from afterword.errors import NotFiniteError
from afterword.learning.batches import training_batches
from afterword.learning.device import memory_reported
from afterword.learning.learner import Learner
from afterword.learning.recipe import Recipe, Schedule
from afterword.learning.validation import Best, HeldOut
from afterword.runs.record import Position, Progress
from afterword.runs.run import Run
from afterword.runs.threads_now import ThreadsNow
from afterword.runs.time_left import Clock, TimeLeft

LOOKS, LATE = 400, 100  # looks at the clock in a run with a time limit: about this many, and at least this many
CHECKPOINT_SECONDS = 60.0  # between two checkpoints, if no number of steps is asked for


class _TooBig(Exception):
    """The network is too big for the time that other processes leave; `recipe` has a smaller one."""

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe


def train_run(run: Run, should_stop: Callable[[], bool] = lambda: False) -> Generator[Progress, None, None]:
    """Train `run` to its end, or until `should_stop`, keeping the best model and checkpoints; then unlock its folder.

    `should_stop` is called after each step; if it returns True, the state is saved and the iterator ends. If a loss, a
    gradient or a weight is not finite, the run rolls back to its last good state and halves the learning rate, a few
    times at most. Raises TrainingError if that does not help and if a GPU's memory is full, StorageError if the disk
    is still full at the end.
    """
    try:
        while True:
            try:
                with memory_reported():
                    yield from _train(run, should_stop)
                break
            except NotFiniteError as trouble:
                run.roll_back(trouble)
            except _TooBig as found:
                run.begin_anew(found.recipe)
        run.team.leave()
    finally:
        run.folder.unlock()


def _train(run: Run, should_stop: Callable[[], bool]) -> Generator[Progress, None, None]:
    """Raise NotFiniteError, and keep nothing of it, if a loss, a gradient or a weight is not a finite number."""
    recipe, team, encoded = run.recipe, run.team, run.encoded
    length = encoded.training_characters / len(encoded.training)  # of a token, in characters
    torch.set_num_threads(recipe.threads)
    learner = Learner(recipe.config(encoded.tokenizer), recipe, team)
    batches = training_batches(encoded, recipe)
    held_out = HeldOut(encoded, recipe, run.learn_ngram())
    position = run.restore(learner, batches)
    schedule = Schedule(recipe, position.corrections, run.record.rollbacks)
    best, nats, tokens = position.best, position.nats, position.tokens  # the last two since the last report
    run.prepared(learner.step)
    clock = Clock(run.seconds)
    limits = replace(recipe, minutes=run.minutes, most_steps=run.most_steps)
    forecast = TimeLeft(limits, learner.step, clock.now)
    reported, read, saved = clock.now, 0, time.monotonic()
    if learner.step > 0 and team.from_first(not run.folder.model.exists()):  # removed: save one to write with
        run.save_model(learner, None)

    schedule.follow(learner.step, run.record.corrections)
    torch.set_num_threads(run.threads(learner.step))
    threads = ThreadsNow(recipe.threads, run.threads(learner.step))
    while learner.step < schedule.steps:
        if learner.step == run.record.begun_again:
            run.begin_again(learner, batches)
        batch, rate = batches.next(), schedule.learning_rate(learner.step)
        before, computing = clock.now, time.thread_time()
        cost = learner.learn(batch, rate)
        took = clock.now - before
        run.stepping, run.computing = run.stepping + took, run.computing + time.thread_time() - computing
        if not math.isfinite(cost):
            raise NotFiniteError(learner.step, clock.now)
        step, nats, tokens, read = learner.step, nats + cost, tokens + batch.tokens, read + batch.tokens

        ending = step == schedule.steps
        decided = run.record.ended is not None or len(schedule.corrections) < len(run.record.corrections)
        if not decided:
            _correct_steps(run, schedule, forecast, step, clock)
            if run.follows_machine and step > run.last_change and (count := threads.took(took)):
                run.change_threads(step, count)
        if run.last_change >= step:
            threads.count = run.threads(step)  # as recorded, if a resumed run repeats these steps
            torch.set_num_threads(threads.count)
        schedule.follow(step, run.record.corrections)
        last = step == schedule.steps  # unless a second training begins here, or the record gives more time

        measured = None
        if step % recipe.evaluate_every == 0 or ending:
            began = clock.now
            measured = held_out.measure(learner)
            if measured is not None:
                measured = replace(measured, cost=team.from_first(measured.cost), lstm=team.from_first(measured.lstm))
                if not (math.isfinite(measured.cost) and math.isfinite(measured.lstm)):
                    raise NotFiniteError(step, clock.now)
                best = Best(measured, measured.cost) if best is None else best.after(measured)
            if recipe.keep == "last" or (best is not None and best.kept is measured):
                run.save_model(learner, measured)
            if last and best is not None:
                run.note_ngram(best.kept)
            forecast.evaluated(clock.now - began)

        reporting = measured is not None or step % recipe.report_every == 0
        if reporting:
            now = clock.now
            forecast.look(step, now)
            left = forecast.seconds_left(schedule.steps)
            if run.minutes is not None and run.may_begin_again(schedule.steps) and not (last or decided):
                left = max(left, min(forecast.seconds_left(2 * schedule.steps), run.minutes * 60 - now))
            progress = Progress(
                step=step,
                steps=schedule.steps,
                loss=nats / (tokens * length),
                learning_rate=rate,
                characters_per_second=read * length / max(now - reported, 1e-9),
                seconds=now,
                seconds_left=left,
                validation=None if measured is None else measured.cost,
                lstm=None if measured is None else measured.lstm,
                best=None if best is None else best.kept.cost,
                improved=best is not None and best.kept is measured,
                notes=run.take_notes(),
                unit=run.encoded.unit,
            )
            nats, tokens, read, reported = 0.0, 0, 0, now
            run.report(progress)
            stopped_at = clock.now
            yield progress
            clock = Clock(stopped_at)  # the time that the reader of a report takes is not training

        every = recipe.checkpoint_every
        due = step % every == 0 if every else time.monotonic() - saved >= CHECKPOINT_SECONDS
        stopping, saving = team.agree(
            should_stop() and not last, due or ending or (reporting and run.writes.trouble is not None)
        )
        if stopping or saving:
            began, tensors = clock.now, learner.tensors()
            if any(team.agree(not all(np.isfinite(tensor).all() for tensor in tensors.values()))):
                raise NotFiniteError(step, began)
            rollbacks, corrections = run.record.rollbacks, tuple(schedule.corrections)
            position = Position(step, batches.position, corrections, rollbacks, best, began, nats, tokens)
            if run.save_checkpoint(tensors, position):  # else one is due again at the next report
                saved = time.monotonic()
            del tensors  # as large as a checkpoint
            forecast.saved(clock.now - began)
        if stopping:
            if best is None or recipe.keep == "last":  # there is no model yet, or only an older one
                run.save_model(learner, None)
            run.stopped = True
            break
    else:
        run.end(learner.step, clock.now)
    run.writes.finish()


def _correct_steps(run: Run, schedule: Schedule, forecast: TimeLeft, step: int, clock: Clock) -> None:
    """Let the clock correct the number of steps now and then, and at the end decide on a second training."""
    ending, now = step == schedule.steps, clock.now
    if run.minutes is None or (ending and not run.may_begin_again(step)):
        return
    late = now - forecast.looked > run.minutes * 60 / LATE  # steps take much longer than planned
    if not (ending or late or step % max(1, run.recipe.steps // LOOKS) == 0):
        return
    forecast.look(step, now)
    if recipe := run.smaller_recipe(step, now, forecast.pace):
        raise _TooBig(recipe)
    fitting = forecast.again(step, run.minutes) if ending else forecast.correction(schedule.steps)
    steps = int(run.team.from_first(fitting or schedule.steps))
    if steps != schedule.steps:
        schedule.correct(step, steps)
        run.correct(step, steps, second=ending)
    forecast.saved(clock.now - now)  # measuring a smaller network takes no step's time
