"""A run: a text and a plan in a folder, begun or gone on with. Imports torch only when it must measure or train."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from afterword import __version__
from afterword.errors import ModelError, OptionError, RunError
from afterword.model.card import card
from afterword.model.mixture import DEFAULT_SHARE
from afterword.model.ngram import Ngram
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
    from afterword.training.validation import Measured


DEFAULT_VALIDATION = "0.1"  # the share of the text that `auto` holds out


class Run:
    """A run folder that this process holds: its corpus, its tokenizer, its recipe and its record."""

    def __init__(
        self,
        folder: RunFolder,
        record: dict[str, Any],
        encoded: EncodedCorpus,
        tokenizer: Tokenizer,
        notes: list[str],
        saved: tuple[dict[str, NDArray[Any]], dict[str, Any]] | None = None,
    ) -> None:
        """`saved` is the checkpoint to go on from: tensors by name, and the position."""
        self.folder, self.record, self.encoded, self.tokenizer, self.notes = folder, record, encoded, tokenizer, notes
        self.saved = saved
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

    def learn_ngram(self) -> Ngram | None:
        """The n-gram model of the training part that the network is mixed with, where the recipe has one."""
        if self.recipe.ngram == 0:
            return None
        end, newline = self.tokenizer.end, int(self.tokenizer.encode("\n")[0])
        assert end is not None  # only the classic recipe's tokenizer has none
        start = end if self.encoded.lines else min(newline, self.tokenizer.rows - 1)
        return Ngram.learn(self.encoded.training, self.tokenizer.rows, end, start, self.recipe.ngram)

    def save_model(self, learner: Learner, ngram: Ngram | None, measured: Measured | None) -> None:
        """Write the averaged weights and the n-gram as the run's model, with what the held-out text costs it."""
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
            "training": {"steps": learner.step, "seed": recipe.seed, "plan": recipe.record()},
            "validation": None,
            "versions": self.record["versions"],
        }
        if measured is not None:
            about["validation"] = {"nats_per_character": measured.cost, "bits_per_character": bits(measured.cost)}
            if ngram is not None:
                about["validation"] |= {"lstm": measured.lstm, "ngram": measured.ngram}
        share = 0.0 if ngram is None else DEFAULT_SHARE if measured is None else measured.share
        text = np.asarray(encoded.training) if recipe.windows else None
        with learner.averaged() as network:
            weights = network.weights()
            model = SavedModel(config, weights, tokenizer, encoded.unseen, about, text, ngram, share)
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

    Raises an InputError, and leaves all as it was, where the text, the numbers or the folder will not do. A run that
    is overwritten goes when the new one is ready to begin.
    """
    _check_torch()
    text = _settled(text, training)
    folder = RunFolder(out)
    _check_place(folder, overwrite)
    _check_sources(sources, folder)
    with read_corpus(sources, text, seed=training.seed) as corpus:
        _check_fit(corpus.training_characters, training, text)
        tokenizer = learn_tokenizer(corpus, text.vocabulary, text.lowercase)
        with _held(folder):
            _check_place(folder, overwrite)  # it may have become a run while a pipe was read
            new = folder.begin_new()
            encoded = encode(corpus, tokenizer, new.corpus)
            write_bytes(new.corpus / "tokenizer.json", tokenizer.to_json().encode())
            from afterword.training.planning import plan

            record = {
                "format": 1,
                "plan": plan(encoded, tokenizer, training).record(),
                "corrections": [],
                "text": {"sources": corpus.sources, **dataclasses.asdict(text)},
                "fingerprint": encoded.fingerprint,
                "versions": versions(),
            }
            new.write_record(record)
            folder.take(new)
        return Run(folder, record, EncodedCorpus.open(folder.corpus), tokenizer, corpus.notes)


def resume(path: Path) -> Run:
    """Take up the run in the folder `path` where its newest checkpoint stands.

    Raises RunError where there is no run, where it is damaged, and where another process trains it.
    """
    _check_torch()
    folder = RunFolder(path)
    folder.read_record()
    notes: list[str] = []
    with _held(folder):
        record = folder.read_record()
        encoded = EncodedCorpus.open(folder.corpus)
        try:
            tokenizer = Tokenizer.from_json((folder.corpus / "tokenizer.json").read_text(encoding="utf-8"))
            if record["fingerprint"] != encoded.measured_fingerprint(tokenizer):
                raise RunError(f"the text in {folder.corpus} is not the one that this run began with")
            return Run(folder, record, encoded, tokenizer, notes, folder.load_checkpoint(notes))
        except (OSError, LookupError, TypeError, ValueError, ModelError) as error:
            raise RunError(f"the run in {path} is damaged: {type(error).__name__}: {error}") from None


@contextlib.contextmanager
def _held(folder: RunFolder) -> Iterator[None]:
    """Make and lock `folder`; where the block fails, let it go and take away what was made."""
    made = [place for place in folder.path.parents if not place.exists()]
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {folder.path}: {error.strerror}") from None
    folder.lock()  # from here on nobody else trains in it
    try:
        yield
    except BaseException:
        folder.give_up()
        folder.unlock()
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()
        raise


def _check_torch() -> None:
    """Training needs torch, whose threads shall spin for some microseconds at a barrier, and then sleep.

    By default GNU's OpenMP spins for so long that a single other busy process makes training ten times slower, since
    each of the thousands of barriers in a step then waits for a thread that has no processor. See docs/decisions.md.
    """
    if importlib.util.find_spec("torch") is None:
        raise RunError("training needs PyTorch, which is not installed: pip install 'afterword[train]'")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _check_place(folder: RunFolder, overwrite: bool) -> None:
    out = folder.path
    try:
        if folder.is_run and not overwrite:
            raise RunError(f"{out} holds a run: go on with it by --resume {out}, or replace it by --overwrite")
        if out.exists() and not out.is_dir():
            raise RunError(f"{out} is a file: give --out a folder")
        if not can_be_written(out):
            raise RunError(f"cannot write in {out}: choose another --out")
        if not folder.is_run and not folder.is_free:
            raise RunError(f"{out} holds other files: give --out a new folder")
    except OSError as error:
        raise RunError(f"cannot use {out} for a run: {error.strerror}") from None


def _check_sources(sources: Sequence[Source], folder: RunFolder) -> None:
    """Refuse a text that is part of the run whose place is to be taken."""
    out = Path(os.path.realpath(folder.path))
    for source in sources:
        place = Path(os.path.realpath(source))
        if os.fspath(source) != "-" and out in (place, *place.parents):
            raise RunError(f"the text {os.fspath(source)} lies in {folder.path}: give --out another folder")


def _check_fit(training_characters: int, training: TrainingSettings, text: TextSettings) -> None:
    """Refuse, before anything is written, a batch that is larger than the text."""
    if text.lines:
        return
    window = training.seq_length or 50
    if training.recipe == "classic" and training_characters <= window:
        raise OptionError(
            f"the classic recipe reads windows of {window} characters, and the text has fewer: give a longer one"
        )
    for name in ("seq_length", "batch_size"):
        value = getattr(training, name)
        if value is not None and value >= training_characters:
            option = name.replace("_", "-")
            raise OptionError(f"{option} {value} is too large for {training_characters} characters of training text")


def _settled(text: TextSettings, training: TrainingSettings) -> TextSettings:
    """What the recipe makes of the text's settings: `classic` reads lower case, and all of it unless told otherwise."""
    if training.recipe == "auto":
        if text.vocabulary == "classic":
            raise OptionError("vocabulary classic belongs to the classic recipe: give --recipe classic")
        return dataclasses.replace(text, validation=text.validation or DEFAULT_VALIDATION)
    if text.lines:
        raise OptionError("lines: the classic recipe reads running text; leave --lines out")
    if text.vocabulary not in (TextSettings.vocabulary, "classic"):
        raise OptionError(f"vocabulary {text.vocabulary}: the classic recipe reads characters; leave it out")
    return dataclasses.replace(text, lowercase=True, vocabulary="classic")


def versions() -> dict[str, str]:
    """What a run's bits depend on, by name."""
    import platform
    from importlib.metadata import version

    libraries = {name: version(name) for name in ("torch", "numpy")}
    return {"afterword": __version__, "python": platform.python_version(), **libraries}


def bits(nats: float) -> float:
    """Nats as bits."""
    return nats / 0.6931471805599453
