"""What is kept of a run that is under way: its text, its plan, its record, its reports, its states and its model."""

from __future__ import annotations

import time
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword.generation.repeats import suited_penalty
from afterword.learning.ngram import learn_ngram
from afterword.learning.ranks import ALONE
from afterword.model.card import card
from afterword.model.mixture import DEFAULT_WEIGHT
from afterword.model.ngram import Ngram
from afterword.model.saved import SavedModel, save_model
from afterword.model.writing import usual
from afterword.runs.deferred import DeferredWrites
from afterword.runs.folder import Checkpoint, RunFolder
from afterword.runs.progress import Progress, bits
from afterword.runs.record import Ended, Position, Record
from afterword.text.encoded import EncodedCorpus

if TYPE_CHECKING:
    from afterword.learning.best import Measured
    from afterword.learning.learner import Learner


CARRIES = 0.95  # the n-gram's weight from which on the LSTM has next to no part in a model, which is said
OPENINGS = 2**20  # tokens of the training text that a model of windows is saved with, to begin writing from


class Keeper:
    """A run folder that this process holds: its corpus, its recipe and its record.

    Where torchrun's ranks share a run, all have one of these, and the first holds the folder and writes.
    """

    def __init__(
        self,
        folder: RunFolder,
        record: Record,
        encoded: EncodedCorpus,
        notes: list[str],
        saved: Checkpoint | None = None,
    ) -> None:
        """`saved` is the checkpoint to go on from: tensors by name, and the position."""
        self.folder, self.record, self.encoded, self.notes = folder, record, encoded, notes
        self.saved = saved
        self.opened = time.monotonic()
        self.ngram: Ngram | None = None  # as soon as it is counted
        self.model: SavedModel | None = None  # that this process saved last
        self.preparation: float | None = None  # seconds from its opening to its first step
        self.seconds: float = saved[1].seconds if saved else 0.0  # of training, before it went on
        self.recipe = record.plan
        self.team = ALONE
        self.stopped = False  # before its end, as it was asked to
        self._writes = DeferredWrites(notes)

    @property
    def base_name(self) -> str | None:
        """The name of the model that the run began from."""
        return None if self.record.base is None else self.record.base.name

    @property
    def minutes(self) -> float | None:
        """Of training, after which it is to end; None where a number of steps was asked for."""
        return self.record.stages[-1].minutes if self.record.stages else self.recipe.minutes

    @cached_property
    def _repetition_penalty(self) -> float:
        return suited_penalty(self.encoded.training)

    def load_checkpoint(self) -> None:
        """Make the newest good state the one to go on from."""
        if self.team.first:
            self.saved = self.folder.load_checkpoint(self.notes, self.record.rollbacks)
        self.share_checkpoint()

    def share_checkpoint(self) -> None:
        """Let every rank go on from the state of the first one."""
        step = int(self.team.from_first(-1 if self.saved is None else self.saved[1].step))
        if not self.team.first:
            self.saved = None if step < 0 else self.folder.read_checkpoint(step)
        self.seconds = self.saved[1].seconds if self.saved else 0.0

    def end(self, step: int, seconds: float) -> None:
        """The run has taken its last step and written its last save."""
        self.seconds = seconds
        if self.record.ended is None:
            self.change_record(ended=Ended(step, round(seconds, 3)))

    def change_record(self, **changes: Any) -> None:
        """Put `changes` into the record, and write it as soon as the disk allows."""
        self.record = record = replace(self.record, **changes)
        if self.team.first:
            self._writes.write("run.json", lambda: self.folder.write_record(record))

    def report(self, progress: Progress) -> None:
        """Add a line to the run's metrics."""
        entry = {
            "step": progress.step,
            "loss": progress.loss,
            "learning_rate": progress.learning_rate,
            "validation": progress.validation,
            "lstm": progress.lstm,
            "seconds": round(progress.seconds, 3),
        }
        if self.team.first:
            self._writes.write(f"report {progress.step}", lambda: self.folder.append_metrics(entry))

    def cut_metrics(self, step: int) -> None:
        """Drop what was reported after `step`."""
        if self.team.first:
            self.folder.cut_metrics(step)

    def save_checkpoint(self, tensors: dict[str, NDArray[Any]], position: Position) -> bool:
        """Keep a state; False where the disk refuses. It is never ahead of the model, the record and the reports."""
        saved = True
        if self.team.first:
            saved = self._writes.write_now(lambda: self.folder.save_checkpoint(tensors, position))
        self.team.wait()
        return saved

    @property
    def is_behind(self) -> bool:
        """Whether something could not be written yet."""
        return self._writes.in_trouble

    def finish(self) -> None:
        """Raise StorageError where something could not be written to the end."""
        self._writes.finish()

    def take_notes(self) -> tuple[str, ...]:
        """What a user should know and has not seen yet."""
        notes = tuple(self.notes)
        self.notes.clear()
        return notes

    def learn_ngram(self) -> Ngram | None:
        """The n-gram model of the training part that the network is mixed with, where the recipe has one."""
        if self.recipe.ngram and self.ngram is None:
            self.ngram = learn_ngram(self.encoded, self.recipe.ngram)
        return self.ngram

    def tell_of_ngram(self, kept: Measured) -> None:
        """Note where the model that is kept predicts by its n-gram, and the network has next to no part in it."""
        if kept.ngram is not None and kept.weight >= CARRIES:
            network = self.recipe.cell.upper()
            shown = "inspect and units show the LSTM by itself, " if self.recipe.cell == "lstm" else ""
            self.notes.append(
                f"the n-gram carries this model (its weight is {kept.weight:.2f} of 1): on held-out text the {network} "
                f"alone needs {bits(kept.lstm):.2f} bits per character, both together {bits(kept.cost):.2f}; "
                f"{shown}--with lstm makes generate and score do without the n-gram"
            )

    def save_model(self, learner: Learner, ngram: Ngram | None, measured: Measured | None) -> None:
        """Write the averaged weights and the n-gram as the run's model, with what the held-out text costs it."""
        encoded, recipe = self.encoded, self.recipe
        config = recipe.config(encoded.tokenizer)
        about: dict[str, Any] = {
            "recipe": recipe.recipe,
            "base": None if self.record.base is None else asdict(self.record.base),
            "lines": encoded.lines,
            "labels": encoded.labels or None,
            "corpus": {
                "sources": encoded.sources,
                "fingerprint": encoded.fingerprint,
                "training": {"characters": encoded.training_characters, "tokens": len(encoded.training)},
                "validation": {"characters": encoded.validation_characters, "tokens": len(encoded.validation)},
            },
            "training": {"steps": learner.step, "seed": recipe.seed, "plan": recipe.record()},
            "validation": None,
            "versions": self.record.versions,
        }
        if measured is not None:
            about["validation"] = {"nats_per_character": measured.cost, "bits_per_character": bits(measured.cost)}
            if ngram is not None:
                about["validation"] |= {"lstm": measured.lstm, "ngram": measured.ngram}
        weight = 0.0 if ngram is None else DEFAULT_WEIGHT if measured is None else measured.weight
        text = np.asarray(encoded.training[:OPENINGS]) if recipe.windows else None
        with learner.averaged() as network:  # copied, since they may have to wait
            weights = {name: weight.copy() for name, weight in network.weights().items()}
        writing = usual(windows=recipe.windows, lines=encoded.lines)
        if writing.repetition_penalty > 1:
            writing = replace(writing, repetition_penalty=self._repetition_penalty)
        model = SavedModel(config, weights, encoded.tokenizer, encoded.unseen, about, text, ngram, weight, writing)
        self.model = model
        if self.team.first:
            self._writes.write("model", lambda: save_model(self.folder.model, model, card(model, samples=[])))
        self.team.wait()
