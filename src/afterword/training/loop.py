"""The training loop: one function, which yields a Progress record now and then and prints nothing."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from afterword.errors import NotFiniteError
from afterword.training.batches import training_batches
from afterword.training.learner import Learner
from afterword.training.schedule import Schedule
from afterword.training.validation import HeldOut

if TYPE_CHECKING:
    from afterword.training.run import Run


@dataclass(frozen=True)
class Progress:
    """Where a run stands. Costs are nats a character; times are seconds of training, interruptions left out."""

    step: int
    steps: int
    loss: float  # of the training text since the last report, with dropout
    learning_rate: float
    characters_per_second: float
    seconds: float
    seconds_left: float
    validation: float | None  # of the validation text, where it was read at this step
    best: float | None  # the lowest of these so far; its model is the one in the run folder
    improved: bool  # whether that model was written at this step
    notes: tuple[str, ...] = ()  # what happened since the last report and was out of the ordinary


def train(run: Run, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
    """Train `run` from where it stands to its last step, keeping the best model and checkpoints in its folder.

    `should_stop` is asked after each step; when it says so, the state is saved and the iterator ends.
    Raises NotFiniteError, and keeps nothing of it, where a loss, a gradient or a weight is not a finite number.
    """
    recipe, encoded, tokenizer, team = run.recipe, run.encoded, run.tokenizer, run.team
    torch.set_num_threads(recipe.threads)
    began = checkpointed = time.monotonic()
    learner = Learner(recipe.config(tokenizer.rows, tokenizer.shared_row_tokens), recipe, team)
    batches = training_batches(encoded, tokenizer, recipe)
    ngram = run.learn_ngram()
    held_out = HeldOut(encoded, tokenizer, recipe, ngram)
    schedule = Schedule(recipe, [], run.setbacks)
    best: float | None = None
    nats, tokens = 0.0, 0  # of the training text, since the last report

    if run.saved is not None:
        (tensors, position), run.saved = run.saved, None
        learner.load(tensors, position["step"])
        batches.position = position["batches"]
        schedule = Schedule(recipe, position["corrections"], run.setbacks)
        best, nats, tokens = (position[key] for key in ("best", "nats", "tokens"))
    run.cut_metrics(learner.step)

    def clock() -> float:
        return run.seconds + time.monotonic() - began

    def must_be(finite: bool) -> None:
        if not finite:
            raise NotFiniteError(learner.step, clock())

    def save() -> bool:
        must_be(not any(team.agree(not learner.is_finite())))
        position = {
            "batches": batches.position,
            "corrections": schedule.corrections,
            "setbacks": run.setbacks,
            "best": best,
            "seconds": clock(),
            "nats": nats,
            "tokens": tokens,
        }
        return run.save_checkpoint(learner.step, learner.tensors(), position)

    measured_from, reported = (learner.step, clock()), clock()
    if learner.step > 0 and team.from_first(not run.folder.model.exists()):  # removed: leave one to write with
        run.save_model(learner, ngram, None)
    while learner.step < schedule.steps:
        batch = batches.next()
        learning_rate = schedule.learning_rate(learner.step)
        cost = learner.learn(batch, learning_rate)
        must_be(math.isfinite(cost))
        nats, tokens = nats + cost, tokens + batch.tokens
        step = learner.step

        if recipe.minutes is not None and schedule.correction_is_due(step):
            made = len(schedule.corrections)
            if made < len(run.corrections):  # a resumed or repeated run takes the same steps
                schedule.correct(*run.corrections[made])
            else:
                pace = (clock() - measured_from[1]) / (step - measured_from[0])
                left = int(team.from_first(max(0.0, recipe.minutes * 60 - clock()) / pace))
                schedule.correct(step, min(step + max(1, left), recipe.most_steps or sys.maxsize))
                run.record_correction(schedule.corrections[-1])
            measured_from = (step, clock())

        measured, improved = None, False
        if step % recipe.evaluate_every == 0 or step == schedule.steps:
            measured = held_out.measure(learner)
            if measured is not None:
                of_first = team.from_first(measured.cost)
                must_be(math.isfinite(of_first))
                improved = best is None or of_first < best
                best = of_first if improved else best
            if improved or recipe.keep == "last":
                run.save_model(learner, ngram, measured)

        reporting = measured is not None or step % recipe.report_every == 0
        if reporting:
            characters = tokens * encoded.training_characters / len(encoded.training)
            now = clock()
            pace = now / step
            progress = Progress(
                step=step,
                steps=schedule.steps,
                loss=nats / characters,
                learning_rate=learning_rate,
                characters_per_second=characters / max(now - reported, 1e-9),
                seconds=now,
                seconds_left=(schedule.steps - step) * pace,
                validation=None if measured is None else measured.cost,
                best=best,
                improved=improved,
                notes=run.take_notes(),
            )
            nats, tokens, reported = 0.0, 0, now
            run.report(progress)
            yield progress

        every = recipe.checkpoint_every
        due = step % every == 0 if every else time.monotonic() - checkpointed >= 60
        due |= reporting and run.is_behind  # the disk was full when it was due
        stopping, due = team.agree(should_stop() and step < schedule.steps, due or step == schedule.steps)
        if (stopping or due) and save():
            checkpointed = time.monotonic()
        if stopping:
            if best is None or recipe.keep == "last":  # nothing to write with yet, or something older
                run.save_model(learner, ngram, None)
            run.stopped = True
            break
    run.finish()
