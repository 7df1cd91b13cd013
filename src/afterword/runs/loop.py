"""The training loop: one function, which yields a Progress record now and then and prints nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from afterword.errors import NotFiniteError
from afterword.learning.batches import training_batches
from afterword.learning.best import Best
from afterword.learning.learner import Learner
from afterword.learning.schedule import Schedule
from afterword.learning.validation import HeldOut
from afterword.runs.forecast import Forecast
from afterword.runs.progress import Progress
from afterword.runs.record import Position

if TYPE_CHECKING:
    from afterword.runs.keeper import Keeper


LOOKS = 400  # at the clock, at least about so many in a run that was given minutes


def train(run: Keeper, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
    """Train `run` from where it stands to its last step, keeping the best model and checkpoints in its folder.

    `should_stop` is asked after each step; when it says so, the state is saved and the iterator ends.
    Raises NotFiniteError, and keeps nothing of it, where a loss, a gradient or a weight is not a finite number.
    """
    recipe, encoded, team = run.recipe, run.encoded, run.team
    torch.set_num_threads(recipe.threads)
    learner = Learner(recipe.config(encoded.tokenizer), recipe, team)
    batches = training_batches(encoded, recipe)
    ngram = run.learn_ngram()
    held_out = HeldOut(encoded, recipe, ngram)
    schedule = Schedule(recipe, [], run.record.rollbacks)
    best: Best | None = None
    nats, tokens = 0.0, 0  # of the training text, since the last report
    read = 0  # of these tokens, in this process

    if run.saved is not None:
        (tensors, position), run.saved = run.saved, None
        learner.load(tensors, position.step)
        batches.position = position.batches
        schedule = Schedule(recipe, position.corrections, run.record.rollbacks)
        best, nats, tokens = position.best, position.nats, position.tokens
    run.cut_metrics(learner.step)
    team.wait()  # for the others to have prepared too
    began = checkpointed = time.monotonic()  # what came before the first step is told apart
    away = 0.0  # seconds that whoever reads the reports has taken
    if run.preparation is None:
        run.preparation = began - run.opened

    def clock() -> float:
        return run.seconds + time.monotonic() - began - away

    def must_be(finite: bool) -> None:
        if not finite:
            raise NotFiniteError(learner.step, clock())

    def save() -> bool:
        must_be(not any(team.agree(not learner.is_finite())))
        position = Position(
            learner.step,
            batches.position,
            tuple(schedule.corrections),
            run.record.rollbacks,
            best,
            clock(),
            nats,
            tokens,
        )
        return run.save_checkpoint(learner.tensors(), position)

    recorded, looking = run.record.corrections, run.minutes is not None and run.record.ended is None
    clocked = replace(recipe, minutes=run.minutes, most_steps=None if run.record.stages else recipe.most_steps)
    forecast, look_every, reported = Forecast(clocked, learner.step, clock()), max(1, recipe.steps // LOOKS), clock()
    if learner.step > 0 and team.from_first(not run.folder.model.exists()):  # removed: leave one to write with
        run.save_model(learner, ngram, None)
    while True:
        for correction in recorded[len(schedule.corrections) :]:  # a resumed or repeated run takes the same steps
            if correction[0] == learner.step:
                schedule.correct(*correction)
        if learner.step >= schedule.steps:
            run.end(learner.step, clock())
            break
        batch = batches.next()
        learning_rate = schedule.learning_rate(learner.step)
        cost = learner.learn(batch, learning_rate)
        must_be(math.isfinite(cost))
        nats, tokens, read = nats + cost, tokens + batch.tokens, read + batch.tokens
        step = learner.step

        if len(schedule.corrections) >= len(recorded) and looking and step % look_every == 0 and step < schedule.steps:
            forecast.look(step, clock())
            steps = int(team.from_first(forecast.correction(schedule.steps) or schedule.steps))
            if steps != schedule.steps:
                schedule.correct(step, steps)
                run.change_record(corrections=(*run.record.corrections, (step, steps)))

        measured, improved = None, False
        if step % recipe.evaluate_every == 0 or step == schedule.steps:
            evaluating = clock()
            measured = held_out.measure(learner)
            if measured is not None:
                cost, lstm = team.from_first(measured.cost), team.from_first(measured.lstm)
                measured = replace(measured, cost=cost, lstm=lstm)
                must_be(math.isfinite(cost) and math.isfinite(lstm))
                best = Best(measured, cost) if best is None else best.after(measured)
                improved = best.kept is measured
            if improved or recipe.keep == "last":
                run.save_model(learner, ngram, measured)
            forecast.evaluated(clock() - evaluating)

        if step == schedule.steps and best is not None:
            run.tell_of_ngram(best.kept)
        reporting = measured is not None or step % recipe.report_every == 0
        if reporting:
            characters_a_token = encoded.training_characters / len(encoded.training)
            now = clock()
            forecast.look(step, now)
            progress = Progress(
                step=step,
                steps=schedule.steps,
                loss=nats / (tokens * characters_a_token),
                learning_rate=learning_rate,
                characters_per_second=read * characters_a_token / max(now - reported, 1e-9),
                seconds=now,
                seconds_left=forecast.seconds_left(schedule.steps),
                validation=None if measured is None else measured.cost,
                lstm=None if measured is None else measured.lstm,
                best=None if best is None else best.kept.cost,
                improved=improved,
                notes=run.take_notes(),
            )
            nats, tokens, read, reported = 0.0, 0, 0, now
            run.report(progress)
            handed = time.monotonic()
            yield progress
            away += time.monotonic() - handed

        every = recipe.checkpoint_every
        due = step % every == 0 if every else time.monotonic() - checkpointed >= 60
        due |= reporting and run.is_behind  # the disk was full when it was due
        stopping, due = team.agree(should_stop() and step < schedule.steps, due or step == schedule.steps)
        if stopping or due:
            saving = clock()
            if save():
                checkpointed = time.monotonic()
            forecast.saved(clock() - saving)
        if stopping:
            if best is None or recipe.keep == "last":  # nothing to write with yet, or something older
                run.save_model(learner, ngram, None)
            run.stopped = True
            break
    run.finish()
