"""A run: a text and a plan in a folder, begun or gone on with. Imports torch only when it must measure or train."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afterword import __version__
from afterword.errors import OptionError, RunError
from afterword.model.card import card
from afterword.model.saved import SavedModel, save_model
from afterword.storage import write_bytes
from afterword.text.corpus import Source, TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer
from afterword.text.tokenizer import Tokenizer
from afterword.training.checkpoint import RunFolder, can_be_written
from afterword.training.recipe import Recipe, TrainingSettings

if TYPE_CHECKING:
    from afterword.training.learner import Learner
    from afterword.training.loop import Progress


class Run:
    """A run folder that this process holds: its corpus, its tokenizer, its recipe and its record."""

    def __init__(
        self, folder: RunFolder, record: dict[str, Any], encoded: EncodedCorpus, tokenizer: Tokenizer, notes: list[str]
    ) -> None:
        self.folder, self.record, self.encoded, self.tokenizer, self.notes = folder, record, encoded, tokenizer, notes
        self.recipe = Recipe(**record["plan"])

    @property
    def corrections(self) -> list[tuple[int, int]]:
        """(step, steps) wherever a run with minutes changed its number of steps."""
        return [(step, steps) for step, steps in self.record["corrections"]]

    def train(self, should_stop: Callable[[], bool] = lambda: False) -> Iterator[Progress]:
        """Train to the end, or until `should_stop`; see `training.loop.train`. The folder is let go at the end."""
        from afterword.training.loop import train

        try:
            yield from train(self, should_stop)
        finally:
            self.folder.unlock()

    def record_correction(self, correction: tuple[int, int]) -> None:
        self.record["corrections"].append(list(correction))
        self.folder.write_record(self.record)

    def report(self, progress: Progress) -> None:
        self.folder.append_metrics(
            {
                "step": progress.step,
                "loss": progress.loss,
                "learning_rate": progress.learning_rate,
                "validation": progress.validation,
                "seconds": round(progress.seconds, 3),
            }
        )

    def save_model(self, learner: Learner, step: int, validation: float | None) -> None:
        """Write the averaged weights as the run's model. `validation` is nats a character, where it was measured."""
        encoded, recipe, tokenizer = self.encoded, self.recipe, self.tokenizer
        config = recipe.config(tokenizer.rows, tokenizer.shared_row_tokens)
        about: dict[str, Any] = {
            "recipe": recipe.recipe,
            "lines": encoded.lines,
            "corpus": {
                "sources": encoded.sources,
                "fingerprint": encoded.fingerprint,
                "training": {"characters": encoded.training_characters, "tokens": len(encoded.training)},
                "validation": {"characters": encoded.validation_characters, "tokens": len(encoded.validation)},
            },
            "training": {"steps": step, "seed": recipe.seed, "plan": recipe.record()},
            "validation": None,
            "versions": self.record["versions"],
        }
        if validation is not None:
            about["validation"] = {"nats_per_character": validation, "bits_per_character": bits(validation)}
        occurring = encoded.occurring(tokenizer.rows)
        unseen = [row for row in range(tokenizer.rows) if not occurring[row]]
        with learner.averaged() as network:
            weights = network.weights()
            model = SavedModel(config, weights, tokenizer, unseen, about)
            save_model(self.folder.model, model, card(model, samples=[]))


def begin(
    sources: Sequence[Source],
    out: Path,
    text: TextSettings,
    training: TrainingSettings,
    *,
    overwrite: bool = False,
) -> Run:
    """Read the text, plan, and make the run folder `out`.

    Raises an InputError, and leaves nothing behind, where the text, the numbers or the folder will not do.
    """
    _let_threads_sleep()
    folder = RunFolder(out)
    if folder.is_run and not overwrite:
        raise RunError(f"{out} holds a run: go on with it by --resume {out}, or replace it by --overwrite")
    if out.exists() and not out.is_dir():
        raise RunError(f"{out} is a file: give --out a folder")
    if not can_be_written(out):
        raise RunError(f"cannot write in {out}: choose another --out")
    with read_corpus(sources, text, seed=training.seed) as corpus:
        _check_fit(corpus.training_characters, training, text)
        tokenizer = learn_tokenizer(corpus, text.vocabulary, text.lowercase)
        with _claimed(folder):
            encoded = encode(corpus, tokenizer, folder.corpus)
            write_bytes(folder.corpus / "tokenizer.json", tokenizer.to_json().encode())
            from afterword.training.planning import plan

            recipe = plan(encoded, tokenizer, training)
            record = {
                "format": 1,
                "plan": recipe.record(),
                "corrections": [],
                "fingerprint": encoded.fingerprint,
                "versions": versions(),
            }
            folder.write_record(record)
        return Run(folder, record, encoded, tokenizer, corpus.notes)


def resume(path: Path) -> Run:
    """Take up the run in the folder `path` where its newest checkpoint stands. Raises RunError where there is none."""
    _let_threads_sleep()
    folder = RunFolder(path)
    record = folder.read_record()
    folder.lock()
    try:
        encoded = EncodedCorpus.open(folder.corpus)
        if encoded.fingerprint != record["fingerprint"]:
            raise RunError(f"the text in {folder.corpus} is not the one that this run began with")
        tokenizer = Tokenizer.from_json((folder.corpus / "tokenizer.json").read_text(encoding="utf-8"))
        return Run(folder, record, encoded, tokenizer, [])
    except OSError as error:
        folder.unlock()
        raise RunError(f"the text of {path} cannot be read: {error}") from None
    except BaseException:
        folder.unlock()
        raise


@contextlib.contextmanager
def _claimed(folder: RunFolder) -> Iterator[None]:
    """Make, lock and empty `folder`; where the block fails, all that was made is taken away again."""
    made = [place for place in (folder.path, *folder.path.parents) if not place.exists()]
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder.path}: {error.strerror}") from None
    folder.lock()  # from here on nobody else trains in it
    try:
        folder.clear()
        folder.corpus.mkdir()
        yield
    except BaseException:
        folder.clear()
        folder.unlock()
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()
        raise


def _check_fit(training_characters: int, training: TrainingSettings, text: TextSettings) -> None:
    """Refuse, before anything is written, a batch that is larger than the text."""
    if text.lines:
        return
    for name in ("seq_length", "batch_size"):
        value = getattr(training, name)
        if value is not None and value >= training_characters:
            option = name.replace("_", "-")
            raise OptionError(f"{option} {value} is too large for {training_characters} characters of training text")


def _let_threads_sleep() -> None:
    """Before torch is loaded: its threads shall spin for some microseconds at a barrier, and then sleep.

    By default GNU's OpenMP spins for so long that a single other busy process makes training ten times slower, since
    each of the thousands of barriers in a step then waits for a thread that has no processor. See docs/decisions.md.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def versions() -> dict[str, str]:
    """What a run's bits depend on, by name."""
    import platform
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("torch", "numpy")}
    return {"afterword": __version__, "python": platform.python_version(), **libraries}


def bits(nats: float) -> float:
    """Nats as bits."""
    return nats / 0.6931471805599453
