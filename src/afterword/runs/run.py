"""A run that is under way: its text, its plan, its record, its reports, its states and its model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import ModelError, NotFiniteError, StorageError, TrainingError
from afterword.generation.repeats import suited_penalty
from afterword.generation.words import JUDGED, recur
from afterword.learning.batches import Batches, Lanes
from afterword.learning.ranks import ALONE, Team
from afterword.learning.recipe import Recipe
from afterword.learning.validation import Measured, learn_ngram
from afterword.model.folder.card import card
from afterword.model.folder.defaults import (
    LINES,
    PROSE,
    RECURRING_WORDS,
    REPETITIVE,
    RUNNING_TEXT,
    WINDOWS,
    WritingDefaults,
)
from afterword.model.folder.saved import SavedModel, outliving, save_model
from afterword.model.network.cells import CELLS
from afterword.model.ngram.mixture import DEFAULT_WEIGHT
from afterword.model.ngram.tables import Ngram
from afterword.planning.auto import smaller_recipe
from afterword.planning.training_plan import DEFAULT_MINUTES, TrainingSettings
from afterword.runs.folder import Checkpoint, RunFolder
from afterword.runs.record import Ended, Position, Progress, RunRecord, bits
from afterword.text.encoded import EncodedCorpus
from afterword.text.unwrap import is_prose

if TYPE_CHECKING:
    from afterword.learning.learner import Learner

ENOUGH = 0.8  # fraction of the planned steps for which the expected range holds
MOST_ROLLBACKS = 5
BEGINNING = 0.1  # of the time, after which the run may begin anew with a smaller network
CARRIES = 0.95  # from this weight of the n-gram on, the user reads that the LSTM has hardly any part in a model
OPENINGS = 2**20  # tokens of the training text that a model of windows is saved with, to start writing from


class DeferredWrites:
    """Does writes in order. One that fails is kept and tried again before the next, while training continues.

    So a full disk does not end a run, and no file on the disk is ahead of a file that it depends on.
    """

    def __init__(self, notes: list[str]) -> None:
        """Messages for the user are added to `notes`."""
        self._notes = notes
        self._waiting: dict[str, Callable[[], None]] = {}
        self.trouble: StorageError | None = None  # of the last write, if it failed

    def write(self, name: str, write: Callable[[], None]) -> None:
        """Do `write` after the writes that wait. If it fails it waits too, in place of one of the same name."""
        self._waiting.pop(name, None)
        self._waiting[name] = write
        self.write_now(lambda: None)

    def write_now(self, write: Callable[[], None]) -> bool:
        """Do the writes that wait and then `write`. Return False if that fails; then `write` does not wait."""
        try:
            for name in list(self._waiting):
                self._waiting[name]()
                del self._waiting[name]
            write()
        except StorageError as error:
            if self.trouble is None:
                self._notes.append(f"{error}; training continues, and tries again")
            self.trouble = error
            return False
        if self.trouble is not None:
            self._notes.append("writing works again, and nothing was lost")
        self.trouble = None
        return True

    def finish(self) -> None:
        """Raise the last StorageError if something could not be written."""
        if self.trouble is not None:
            raise StorageError(f"{self.trouble}; free some space, and continue with `resume`") from None


class Run:
    """A run that this process holds, created by `begin`, `resume` or `repeat`, and trained by `loop.train_run`.

    When several ranks share a run, each has a `Run`; the first one holds the folder and writes.
    """

    def __init__(
        self,
        folder: RunFolder,
        record: RunRecord,
        encoded: EncodedCorpus,
        notes: list[str],
        *,
        opened: float | None = None,
        ngram: Ngram | None = None,
        settings: TrainingSettings | None = None,
    ) -> None:
        """`opened` is when work on it began, by the monotonic clock; `ngram` is the one that its plan has counted.

        `settings` are those it was planned from: with them, it may begin anew with a smaller network on a busy machine.
        """
        self.folder, self.record, self.encoded, self.notes = folder, record, encoded, notes
        self.base_name = None if record.base is None else record.base.name
        """The name of the model that the run began from."""
        self.team = ALONE
        self.saved: Checkpoint | None = None  # the state to continue from
        self.model: SavedModel | None = None  # the last one that this process saved
        self.seconds = 0.0  # of training, before it continued
        self.preparation: float | None = None  # seconds from its opening to its first step
        self.stepping = self.computing = 0.0  # seconds of the steps taken here; of a processor's time in them
        self.stopped = False  # before its end, on request
        self._opened = time.monotonic() if opened is None else opened
        self._anew: float | None = None  # when it decided to begin anew, by the same clock
        self._ngram, self._settings = ngram, settings
        self.writes = DeferredWrites(notes)

    @property
    def recipe(self) -> Recipe:
        return self.record.plan

    @property
    def minutes(self) -> float | None:
        """Minutes of training after which it ends; None if a number of steps was asked for."""
        return self.record.stages[-1].minutes if self.record.stages else self.recipe.minutes

    @property
    def most_steps(self) -> int | None:
        """The most steps that the clock may allow, or None. In a second training, twice the steps of the first."""
        if self.record.stages:
            return None
        return self.recipe.most_steps if self.record.begun_again is None else 2 * self.record.begun_again

    @cached_property
    def _writing(self) -> WritingDefaults:
        encoded, recipe = self.encoded, self.recipe
        writing = WINDOWS if recipe.windows else LINES if encoded.lines else RUNNING_TEXT
        if encoded.tokenizer.several:  # as many characters as a model of characters writes
            length = max(1.0, encoded.training_characters / max(1, len(encoded.training)))
            writing = replace(writing, max_tokens=max(1, round(writing.max_tokens / length)))
        if writing.opening == "newline":
            penalty = suited_penalty(encoded.training, encoded.tokenizer.lengths)
            writing = replace(writing, repetition_penalty=penalty)
            text = encoded.tokenizer.decode(encoded.training[:JUDGED].tolist())
            if recipe.ngram > 1 and recur(text):
                suited = PROSE if penalty >= REPETITIVE and is_prose(text) else RECURRING_WORDS
                writing = replace(suited, max_tokens=writing.max_tokens, repetition_penalty=penalty)
        return writing

    def join(self, team: Team) -> None:
        """Share the run, and the first rank's state, with the other ranks of `team`."""
        self.team = team
        self._share_checkpoint()

    def load_checkpoint(self) -> None:
        """Make the newest good state the one to continue from."""
        if self.team.rank == 0:
            self.saved = self.folder.load_checkpoint(self.notes, self.record.rollbacks)
            if self.saved is not None:  # a killed process may have left one more
                self.folder.drop_checkpoints(self.saved[1].step)
        self._share_checkpoint()

    def _share_checkpoint(self) -> None:
        step = int(self.team.from_first(-1 if self.saved is None else self.saved[1].step))
        if self.team.rank > 0:
            self.saved = None if step < 0 else self.folder.read_checkpoint(step)
        self.seconds = self.saved[1].seconds if self.saved else 0.0

    def restore(self, learner: Learner, batches: Batches) -> Position:
        """Bring both to the newest state, or to the run's beginning, and return that position."""
        if self.record.base is not None and (self.saved is None or self.recipe.distillation):
            learner.start_from(self.folder.read_base(learner.network.config))
        if self.saved is None:
            return Position(0)
        (tensors, position), self.saved = self.saved, None  # which takes as much memory as the learner
        if position.step > (self.record.begun_again or position.step):
            self.begin_again(learner, batches)
        learner.load(tensors, position.step)
        batches.position = position.batches
        return position

    def may_begin_again(self, step: int) -> bool:
        """Return whether a second training may begin after `step` steps: the limit is reached, and none has begun."""
        return self.recipe.second_training and self.record.begun_again is None and step == self.most_steps

    def begin_again(self, learner: Learner, batches: Batches) -> None:
        """Begin the second training: from the base, and from other places in the text."""
        learner.begin_again(self.folder.read_base(learner.network.config), self.record.begun_again or 0)
        if isinstance(batches, Lanes):
            batches.shift()

    @property
    def follows_machine(self) -> bool:
        """True if the run may change its number of threads on a busy machine: not if it or the steps were given."""
        may = self.minutes is not None and self.record.asked.get("threads") is None
        return may and self.recipe.device == "cpu" and self.team is ALONE

    @property
    def last_change(self) -> int:
        """The step of the last change of the number of threads."""
        return self.record.threads[-1][0] if self.record.threads else 0

    def threads(self, step: int) -> int:
        """Return the number of threads after `step` steps."""
        return next((count for at, count in reversed(self.record.threads) if at <= step), self.recipe.threads)

    def change_threads(self, step: int, count: int, **changes: Any) -> None:
        """Record that the steps after `step` are computed by `count` threads, and other `changes`."""
        before = (pair for pair in self.record.threads if pair[0] <= step)
        self.change_record(threads=(*before, (step, count)), **changes)

    def smaller_recipe(self, step: int, now: float, pace: float) -> Recipe | None:
        """Return a recipe for a smaller network, if other processes leave too little time for this one.

        The run decides once, when a tenth of its time is over; resumed later, it does not. A step takes `pace` seconds.
        """
        settings, minutes = self._settings, self.minutes
        if settings is None or minutes is None or not BEGINNING * minutes * 60 <= now < minutes * 60:
            return None
        self._settings, began = None, time.monotonic()
        decided = self.seconds >= BEGINNING * minutes * 60 or minutes != (settings.minutes or DEFAULT_MINUTES)
        if decided or self.record.base is not None or self.recipe.recipe != "auto" or not self.follows_machine:
            return None
        settings = replace(settings, minutes=minutes - now / 60, threads=self.threads(step))
        found = smaller_recipe(self.encoded, settings, self.recipe, pace)
        self._anew = began if found else None
        return found and replace(found, threads=self.recipe.threads)

    def begin_anew(self, recipe: Recipe) -> None:
        """Begin again from the first step with another recipe, as if the plan had chosen it."""
        units, had = (f"{each.hidden_size:,}" for each in (recipe, self.recipe))
        self.notes.append(
            f"other programs take most of this machine's time: the run begins anew with {units} units instead of "
            f"{had}, which learn more in the {recipe.minutes:.3g} minutes that are left"
        )
        threads = tuple((0, count) for _, count in self.record.threads[-1:])
        self.folder.drop_checkpoints()  # before the record: they suit its old recipe alone
        self.change_record(plan=recipe, expected=None, corrections=(), threads=threads, rollbacks=())
        self.saved, self.seconds = None, 0.0

    def prepared(self, step: int) -> None:
        """Note that the run is ready to continue after `step` steps, once all ranks are; drop what was reported since.

        Preparation does not count as training.
        """
        if self.team.rank == 0:
            self.folder.cut_metrics(step)
        self.team.wait()
        if self.preparation is None:
            self.preparation = time.monotonic() - self._opened
        elif self._anew is not None:  # measuring and preparing once more count as training
            self.seconds, self._anew = time.monotonic() - self._anew, None

    def learn_ngram(self) -> Ngram | None:
        """Return the n-gram model of the training part that the network is mixed with, if the recipe has one."""
        if self.recipe.ngram and self._ngram is None:
            self._ngram = learn_ngram(self.encoded, self.recipe.ngram)
        return self._ngram

    def change_record(self, **changes: Any) -> None:
        """Change the record, and write it as soon as the disk allows."""
        self.record = record = replace(self.record, **changes)
        self._write("run.json", lambda: self.folder.write_record(record))

    def report(self, progress: Progress) -> None:
        """Add a line to the run's metrics."""
        row = {name: getattr(progress, name) for name in ("step", "loss", "learning_rate", "validation", "lstm")}
        row |= {f"{name}_bits": bits(row[name]) for name in ("loss", "validation", "lstm") if row[name] is not None}
        row["seconds"] = round(progress.seconds, 3)
        self._write(f"report {progress.step}", lambda: self.folder.append_metrics(row))

    def save_checkpoint(self, tensors: dict[str, NDArray[Any]], position: Position) -> bool:
        """Save a state, never ahead of the model, the record and the reports. Return False if the disk refuses."""
        saved = self.team.rank > 0 or self.writes.write_now(lambda: self.folder.save_checkpoint(tensors, position))
        self.team.wait()
        return saved

    def save_model(self, learner: Learner, measured: Measured | None) -> None:
        """Write the averaged weights and the n-gram as the run's model, with the cost of the held-out text."""
        encoded, recipe, ngram = self.encoded, self.recipe, self.learn_ngram()
        about: dict[str, Any] = {
            "recipe": recipe.recipe,
            "base": None if self.record.base is None else asdict(self.record.base),
            **encoded.origin,
            "training": {"steps": learner.step, "seed": recipe.seed, "plan": asdict(recipe)},
            "validation": None,
            "versions": self.record.versions,
        }
        if measured is not None:
            about["validation"] = {"nats_per_character": measured.cost, "bits_per_character": bits(measured.cost)}
            if ngram is not None:
                about["validation"] |= {"lstm": measured.lstm, "ngram": measured.ngram}
        weight = 0.0 if ngram is None else DEFAULT_WEIGHT if measured is None else measured.weight
        text = np.asarray(encoded.training[:OPENINGS]) if recipe.windows else None
        kept = learner.kept
        weights = {name: array.copy() for name, array in kept.weights().items()}  # a full disk may defer them
        self.model = model = SavedModel(
            kept.config, weights, encoded.tokenizer, encoded.unseen, about, text, ngram, weight, self._writing
        )
        try:
            model.attachments = outliving(self.folder.model)
        except ModelError as error:
            self.notes.append(f"{error}; training replaces it")
        self._write("model", lambda: save_model(self.folder.model, model, card(model, samples=[])))
        self.team.wait()

    def _write(self, name: str, write: Callable[[], None]) -> None:
        if self.team.rank == 0:
            self.writes.write(name, write)

    def note_ngram(self, kept: Measured) -> None:
        """Add a note if the n-gram makes the predictions of the model that is kept, and the network hardly any."""
        if kept.ngram is not None and kept.weight >= CARRIES:
            cell = CELLS[self.recipe.cell]
            network, help = cell.name, ["more text"]
            if self.base_name is None and "the bases" in cell.claimed_by:
                help.append("a base (`base`)")
            if self.recipe.steps != self.recipe.most_steps:
                help.append("more training")
            self.notes.append(
                f"the n-gram makes {kept.weight:.0%} of each prediction; the {network} alone needs "
                f"{bits(kept.lstm):.2f} bits per character of held-out text, both together {bits(kept.cost):.2f}; "
                f"the {network} would gain from {' or '.join(help)}"
            )

    def correct(self, step: int, steps: int, second: bool = False) -> None:
        """Record that the clock changed the number of steps at `step`; note once if this ends the expected range.

        second: the additional steps are a second training.
        """
        before = min((each for _, each in self.record.corrections), default=self.recipe.steps)
        expects = self.record.expected is not None and not self.record.stages
        if expects and steps < ENOUGH * self.recipe.steps <= before:
            fewer = f"there is time for {steps:,} of the {self.recipe.steps:,} planned steps"
            self.notes.append(f"the machine became slower: {fewer}, and the expected range no longer holds")
        if second:
            self.notes.append(f"time is left: a second training begins from {self.base_name}; both are averaged")
        begun_again = step if second else self.record.begun_again
        self.change_record(corrections=(*self.record.corrections, (step, steps)), begun_again=begun_again)

    def take_notes(self) -> tuple[str, ...]:
        """Return the messages that the user has not seen yet."""
        notes = tuple(self.notes)
        self.notes.clear()
        return notes

    def roll_back(self, trouble: NotFiniteError) -> None:
        """Continue from before `trouble` with half the learning rate, a few times at most.

        The record says so first, so that a resumed run does the same. The rate falls from the last evaluation before
        the trouble, or from the start of the second training if that is later. If the last checkpoint is older, the
        steps between them are taken once more, as they were. Raises TrainingError if that does not help.
        """
        every = self.recipe.evaluate_every
        to = max(0, trouble.step - 1) // every * every
        if (begun_again := self.record.begun_again or 0) < trouble.step:
            to = max(to, begun_again)
        if len(self.record.rollbacks) == MOST_ROLLBACKS:
            raise TrainingError(
                f"the loss was not a number {MOST_ROLLBACKS + 1} times, the last time at step {trouble.step:,} with "
                f"{0.5**MOST_ROLLBACKS:.0%} of the learning rate: give a much lower `learning_rate`"
            )
        self.change_record(rollbacks=(*self.record.rollbacks, to))
        self.notes.append(
            f"the loss was not a number at step {trouble.step:,}: the run rolls back to step {to:,} "
            "and continues with half the learning rate"
        )
        self.load_checkpoint()
        self.seconds = trouble.seconds

    def end(self, step: int, seconds: float) -> None:
        """Record that the run has taken its last step."""
        self.seconds = seconds
        if self.record.ended is None:
            self.change_record(ended=Ended(step, round(seconds, 3)))
