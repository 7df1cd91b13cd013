"""The public model class: it generates and scores text. A thin facade over the packages below."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import os
import reprlib
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from afterword.bases.installed import folder_named, name_hint
from afterword.commands import elsewhere
from afterword.errors import ModelError, OptionError, check_installed
from afterword.generation.copying import Passages
from afterword.generation.next_words import NextWord, next_words
from afterword.generation.prefill import NextCharacter, PromptLike, Reading, next_characters, read_prompt
from afterword.generation.sampling import Filters, Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Expecting, Generating, GeneratingMany, Stream, Streaming, Writer
from afterword.inspection.gates import look_at_gates
from afterword.model.arrays import Array
from afterword.model.folder.card import card, disclosing
from afterword.model.folder.saved import (
    SavedModel,
    check_replaceable,
    load_model,
    model_folder,
    read_card,
    save_model,
)
from afterword.model.network.engines import EngineName
from afterword.model.network.holding import Hold, held_values, parse_hold
from afterword.model.network.network import Network
from afterword.model.ngram.blend import Adapter
from afterword.model.ngram.mixture import Using
from afterword.model.ngram.tables import start_row
from afterword.scoring.adapting import AdaptingScorer, Learns
from afterword.scoring.costs import LineScore, Score, check_not_empty, score, score_lines
from afterword.scoring.labels import LabelScore, classify
from afterword.scoring.surprises import OnNats, Surprise, surprises
from afterword.settings import OnProgress, ignore_progress, named_path, settings_from, suggests, takes, whole_number
from afterword.storage import write_bytes
from afterword.text.encoded import EncodedCorpus
from afterword.text.tokenizer import checked_lines

if TYPE_CHECKING:
    from afterword.learning.trainable import TrainableNetwork

CARD_TEMPERATURES = (0.5, 0.8, 1.0)


class LanguageModel:
    """A trained model, made by `afterword.load` or `afterword.train`."""

    def __init__(
        self,
        saved: SavedModel,
        card: str = "",
        holds: Sequence[Hold] = (),
        using: str = "both",
        engine: str = "numpy",
        run: Path | None = None,
        network: Network | None = None,
        name: str = "model",
    ) -> None:
        self.saved: Final = saved
        """What `save` writes, with notes that a user should read."""
        self.tokenizer: Final = saved.tokenizer
        self.config: Final = saved.config
        self.about: Final = saved.about
        """The origin of the model: recipe, corpus, training, validation, versions."""
        self.parameters: Final = saved.config.parameters
        """The number of weights."""
        self.lines: Final = bool(saved.about.get("lines"))
        """Whether the model was trained on lines, each a separate document."""
        self.unwraps: Final = saved.about.get("unwrapped") is not None
        """True if the lines of wrapped prose were joined in its training text, and so are joined in what it reads."""
        self.is_held: Final = bool(holds)
        """Whether any part of the network is held at a value."""
        self.writing_defaults: Final = saved.writing
        """The settings with which the model writes unless others are given."""
        self.predicts_with: Final = using
        """The parts that predict: "both" the LSTM and the n-gram, or "lstm" or "ngram" alone."""
        self.name: Final = name
        """The name by which it was loaded."""
        self.engine: Final = engine
        """The engine with which the model writes and scores: "numpy" or "fast"."""
        self._run = run  # the folder of the run that made it, if it was loaded from there
        self._writer: Writer | None = None  # the last one, since making one can take a while
        self._passages: Passages | None = None  # the last ones, for the same reason
        self.kept: Final[dict[str, Any]] = {}
        """What took a while to make from this model, and may be used again."""
        self._card = card
        self._holds = tuple(holds)
        self._held = held_values(holds, saved.config) if holds else None
        network = saved.predictor(using, self._held, engine) if network is None else network.holding(self._held)
        self.predictor: Final = network
        """The network with which the model writes and scores."""

    def __reduce__(self) -> tuple[Callable[..., LanguageModel], tuple[()]]:
        """Return what the model is made of: a copy, also in another process, makes a network of its own."""
        return partial(LanguageModel, **self._parts), ()

    @property
    def _parts(self) -> dict[str, Any]:
        """Return the arguments of `__init__`."""
        own = {"saved": self.saved, "card": self._card, "holds": self._holds, "using": self.predicts_with}
        return {**own, "engine": self.engine, "run": self._run, "name": self.name}

    def __repr__(self) -> str:
        tokens = f"{self.config.vocabulary_size:,} {self.tokenizer.kind} tokens"
        facts = [self.config.network, f"{self.parameters:,} parameters", tokens]
        if self.saved.ngram is not None:
            facts.insert(1, f"{self.saved.ngram.order}-gram")
        if validation := self.about.get("validation"):
            facts.append(f"{validation['bits_per_character']:.3f} bits per character held out")
        facts += [f"{hold} held" for hold in self._holds]
        if self.engine != "numpy":
            facts.append(f"engine {self.engine}")
        return f"LanguageModel({', '.join(facts)})"

    @staticmethod
    @partial(suggests, name="load")
    def load(path: str | os.PathLike[str], using: Using = "both", engine: EngineName = "numpy") -> LanguageModel:
        """Load the model of a model folder, the best model so far of a run folder, a base by its name, or hf://USER/NAME.

        The last is a model on the hub, which is downloaded; hf://USER/NAME@REVISION is an earlier state of it.
        `using` is "both", to predict with the LSTM and the n-gram model together, or "lstm" or "ngram" alone. `engine`
        is "numpy", or "fast", which writes and scores several times as fast with one-byte weights. Raises ModelError;
        OptionError if the model lacks the n-gram model to use, or if ONNX Runtime, which "fast" needs, is not
        installed; HubError if a model cannot be downloaded.
        """
        saved, folder, run = saved_model(path)
        return LanguageModel(saved, read_card(folder), using=using, engine=engine, run=run, name=os.fspath(path))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model folder `path`; a model that is there is replaced.

        Raises ModelError if something else is there, StorageError if the disk fails.
        """
        check_replaceable(_folder(path))
        save_model(_folder(path), self.saved, disclosing(self._card, self.saved))

    @property
    def weights(self) -> Mapping[str, Array]:
        """Return the network's weights by PyTorch's names, such as "lstm.weight_hh_l0" [4H, H]; none can be changed.

        The rows of the four gates are in the order input, forget, candidate, output.
        """
        views = {name: weight.view() for name, weight in self.saved.weights.items()}
        for view in views.values():
            view.flags.writeable = False
        return MappingProxyType(views)

    @property
    def labels(self) -> dict[str, int]:
        """Return the number of training lines per label, the most frequent first; empty without labels."""
        return dict(self.about.get("labels") or {})

    def info(self) -> dict[str, Any]:
        """Return the facts that `afterword info --json` prints."""
        return self.saved.info()

    def read(self, prompt: str | None = None, *, label: str | None = None) -> Reading:
        """Read `prompt` once; `stream`, `generate` and `samples` accept the result as a prompt, any number of times.

        With a `label`, the text that follows has that label; the label is not part of the result's `prompt`. Raises
        TextError for a prompt that is not valid text, OptionError for a classic model and an unknown label.
        """
        return read_prompt(self.saved, self.predictor, prompt, label)

    @takes(Expecting)
    def next_characters(self, asked: Expecting) -> list[NextCharacter]:
        """Return the characters that can follow `prompt` with their probabilities, the likeliest first.

        They are summed over all tokens, and over all ways to spell the end of the prompt in tokens. Without a `label`,
        a model of labelled lines lists what its labels begin with. Raises as `read`.
        """
        writer = self.last_writer(asked)
        return next_characters(self.saved, writer.policy.sampler, writer.read(asked.prompt, asked.label))

    def next_words(self, prompt: PromptLike = None, number: int = 8, *, label: str | None = None) -> list[NextWord]:
        """Return the `number` likeliest words that can follow `prompt`, with their probabilities, the likeliest first.

        If the prompt ends within a word, they complete it. A search over tokens finds them; it finds fewer if the text
        has no spaces. Without a `label`, a model of labelled lines lists the words of its labels. Raises as `read`.
        """
        if whole_number("`number`", number) < 1:
            raise OptionError(f"`number` must be 1 or more, not {number}")
        return next_words(self.saved, self.writer(Sampling()).read(prompt, label), number)

    @takes(Streaming)
    def stream(self, asked: Streaming) -> Stream:
        """Write after `prompt`, one piece per token.

        The stream has a `seed` (random unless given) and a `finish_reason`. Without a prompt, a model of running text
        starts as after the end of a line; a model of lines starts a line. With a `label`, a model of labelled lines
        writes a line with that label, and leaves the label out. Without one, it draws the label too, and writes label,
        tab and line. Raises OptionError for an invalid setting and an unknown label, TextError for a prompt that is not
        valid text.
        """
        return self.last_writer(asked).stream(asked.prompt, asked.seed, asked.label)

    @takes(Generating)
    def generate(self, asked: Generating) -> Sample:
        """Write a whole text after `prompt`, with the same settings as `stream`.

        `best_of` writes that many texts, with consecutive seeds from `seed`, and returns the one with the likeliest
        tokens.
        """
        return self.last_writer(asked).sample(asked.prompt, asked.seed, asked.best_of, asked.label)

    @takes(GeneratingMany)
    def samples(self, asked: GeneratingMany) -> Iterator[Sample]:
        """Write `num` texts after `prompt`, many in parallel, with the same settings as `stream`.

        Sample k = 0, 1, … has the seed (seed + k) mod 2^64 and comes in that order. `generate` writes the same text
        with that seed, except for rounding: see `generation.parallel`. With `best_of`, each sample is the likeliest of
        that many, and the seeds follow on.
        """
        return self.last_writer(asked).samples([asked.prompt], asked.num, asked.seed, asked.best_of, asked.label)

    def writer(self, sampling: Sampling) -> Writer:
        """Return a new writer of texts with the settings `sampling`. Raises OptionError for settings that do not suit
        the model."""
        passages = None
        if sampling.no_copy is not None:
            if self._passages is None or self._passages.length != sampling.no_copy:
                # a line's end, which no line contains, keeps lines apart
                self._passages = Passages("\n".join(self.learned_from().texts("training")), sampling.no_copy)
            passages = self._passages
        return Writer(self.saved, self.predictor, sampling, passages)

    def last_writer(self, asked: Filters) -> Writer:
        """Return the last writer if it has these settings, since making one can take a while."""
        sampling = settings_from(Sampling, vars(asked))
        if self._writer is None or self._writer.sampling != sampling:
            self._writer = self.writer(sampling)
        return self._writer

    def learned_from(self) -> EncodedCorpus:
        """Return the training text, which the run's folder contains. Raises ModelError without one."""
        from afterword.runs.folder import RunFolder  # takes a tenth of the time to load a model, and is rarely needed

        if self._run is None or not self._run.is_dir():
            raise ModelError("the training text of this model is not available: give the folder of its run")
        return EncodedCorpus.open(RunFolder(self._run).corpus)

    def score(self, text: str, *, on_progress: OnProgress = ignore_progress, after: Score | None = None) -> Score:
        """Return the cost of `text`, read from start to end with the state carried. Raises TextError, also if empty.

        `on_progress` is called with the fraction that is done. A long text can be scored in the parts that
        `afterword.text.tokenizer.parts` yields: give the score of each part as `after` for the next.
        """
        check_not_empty(text, after)
        return score(self.predictor, self.tokenizer, text, on_progress, after)

    def score_lines(self, lines: Iterable[str], *, on_progress: OnProgress = ignore_progress) -> list[LineScore]:
        """Return the cost of each line, read from a fresh state; its end counts as one character. Raises TextError.

        `on_progress` is called with the fraction that is done.
        """
        return score_lines(self.predictor, self.tokenizer, checked_lines(lines, "score_lines"), on_progress)

    def adapting(self) -> AdaptingScorer:
        """Return a scorer that scores as this model does, and learns from each part of a text after scoring it.

        The n-gram's counts grow, from zero if the model has none. The LSTM learns too if it is used and PyTorch is
        installed: `adapts` says which of them do. The model itself does not change. Raises OptionError for a model that
        cannot adapt.
        """
        fixed = {"a classic model": self.config.window, "a held model": self.is_held}
        for what, is_so in {**fixed, "engine fast": self.engine == "fast"}.items():
            if is_so:
                raise OptionError(f"{what} does not adapt: leave out `adapt`")
        learns: Learns | None = None
        if self.predicts_with != "ngram" and importlib.util.find_spec("torch") is not None:
            from afterword.learning.gradients import AdaptingNetwork

            learns = AdaptingNetwork(self.config, self.saved.weights)
        elif self.predicts_with == "lstm":
            raise OptionError("an LSTM adapts with PyTorch: pip install 'afterword[train]', or adapt the n-gram alone")
        adapter: Adapter | None = None  # learns in addition to the LSTM; None if the LSTM predicts alone
        if self.predicts_with != "lstm":
            start = start_row(self.tokenizer, self.lines)
            adapter = Adapter(self.config.vocabulary_size, start, self.saved.ngram, self.predicts_with)
        return AdaptingScorer(self.network(), self.tokenizer, adapter, self.predicts_with, learns)

    def surprises(self, text: str, on_nats: OnNats | None = None) -> Iterator[Surprise]:
        """Yield the cost of each character of `text` and what was expected in its place; see `Surprise`.

        A model of lines reads each non-empty line from a fresh state, and its end counts as a character; any other
        model reads as `score` does. `on_nats` is called with the costs of tokens as they are read. Raises TextError.
        """
        unseen = self.saved.unseen_characters(text)
        return surprises(self.predictor, self.tokenizer, text, self.lines, unseen, on_nats or ignore_progress)

    def attach(self, attachments: Mapping[str, Any]) -> LanguageModel:
        """Return the same model with these attachments alone, by the names of their files; `save` stores them."""
        return self._changed(saved=dataclasses.replace(self.saved, attachments=dict(attachments)))

    def classify(self, lines: Iterable[str], *, on_progress: OnProgress = ignore_progress) -> list[LabelScore]:
        """Return the label of each line, and the cost of the line without knowing its label; see `LabelScore`.

        If a line begins with a known label and a tab, only the rest is classified. Reads the lines once per label.
        Raises OptionError for a model that was trained without labels, TextError.
        """
        if not self.labels:
            raise OptionError("this model knows no labels: train one with `labels`")
        texts = checked_lines(lines, "classify")
        return classify(self.predictor, self.tokenizer, tuple(self.labels), texts, on_progress)

    def hold(self, *holds: str | Hold) -> LanguageModel:
        """Return the same model with gates, units or states held at a value: `model.hold("forget=1", "l0.u42=-1")`.

        It writes, scores and shows its gates that way; holds are not saved. See `model.network.holding` for the
        notation. Raises OptionError for an unknown part, layer or unit.
        """
        if not holds:
            return self
        more = [hold if isinstance(hold, Hold) else parse_hold(hold) for hold in holds]
        return self._changed(holds=(*self._holds, *more), network=self.predictor if self.engine == "numpy" else None)

    def _changed(self, **parts: Any) -> LanguageModel:
        """Return the same model with other `parts`, by the names of `__init__`."""
        return LanguageModel(**{**self._parts, **parts})

    gates = look_at_gates

    def using(self, using: str) -> LanguageModel:
        """Return the same model, predicting with "both" its LSTM and its n-gram, or with "lstm" or "ngram" alone.

        Raises OptionError if it has no n-gram.
        """
        return self if using == self.predicts_with else self._changed(using=using)

    def network(self, held: Array | None = None) -> Network:
        """Return the network without the n-gram model; `held` [L, 6, H] adds to the model's own holds."""
        if held is not None and self._held is not None:
            held = np.where(np.isnan(self._held), held, self._held)
        return self.saved.network(self._held if held is None else held)

    def module(self) -> TrainableNetwork:
        """Return the network as a `torch.nn.Module` of its own, with this model's weights. Needs PyTorch.

        `network(rows, state)` reads rows [T, B] of B texts and returns the logits [T, B, R] of what comes next, and the
        state after; `network.empty_state(B)` is the state before a text. Raises OptionError for a held model, and
        without PyTorch.
        """
        if self.is_held:
            raise OptionError("a held model cannot become a module: leave out hold")
        check_installed("a module needs PyTorch: pip install 'afterword[train]'", "torch")
        from afterword.learning.trainable import TrainableNetwork

        return TrainableNetwork(self.config).load(self.saved.weights)


def saved_model(path: str | os.PathLike[str], of_text: bool = True) -> tuple[SavedModel, Path, Path | None]:
    """Return the model that `load` names, its folder, and the folder of its run if that was named.

    Raises ModelError, also if the model must be `of_text` and has learned something else. Raises HubError.
    """
    place = folder_named(path if elsewhere(path) else _folder(path))
    folder = model_folder(place)
    is_run = folder != place
    try:
        saved = load_model(folder, of_text)
    except ModelError as error:
        if is_run and not os.path.exists(folder):
            resume = f"afterword train --resume {shlex.quote(str(path))}"
            raise ModelError(f"the run {path} has no model yet: continue it with {resume}") from None
        where = f"{os.fspath(path)}: " if elsewhere(path) else ""  # the error has the place in the cache
        raise ModelError(f"{where}{error}{name_hint(path)}") from None
    return saved, folder, place if is_run else None


def _folder(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ModelError(f"a model is named by the path of its folder, not by {reprlib.repr(path)}")
    return Path(named_path("the path of a model", path or "."))


load = LanguageModel.load
ModelLike = str | os.PathLike[str] | LanguageModel
"""A loaded model, or the name of one: its folder, the folder of its run, the name of a base, or hf://USER/NAME."""


def load_if_named(model: ModelLike, using: Using = "both", engine: EngineName = "numpy") -> LanguageModel:
    """Return `model`, loaded if it is not yet. If it is, the defaults of `using` and `engine` change nothing.

    Raises as `load`.
    """
    if not isinstance(model, LanguageModel):
        return load(model, using, engine)
    model = model if using == "both" else model.using(using)
    return model if engine in ("numpy", model.engine) else model._changed(engine=engine)


def name_of(model: ModelLike) -> str:
    """Return the name of a model, as it was given or by which it was loaded."""
    return model.name if isinstance(model, LanguageModel) else os.fspath(model)


# Each public method names the keyword that was meant, if one is mistyped.
for _name, _method in [*vars(LanguageModel).items()]:
    if inspect.isfunction(_method) and not _name.startswith("_"):
        setattr(LanguageModel, _name, suggests(_method, _name))


def complete_card(run: Path) -> LanguageModel:
    """Return the model of a finished run, after adding samples of what it writes to its card."""
    model = LanguageModel.load(run)
    writing = model.saved.writing
    number, length = (10, 100) if model.lines else (1, 400)
    most = min(length, writing.max_tokens)
    samples = [
        (t, "\n".join(model.generate(max_tokens=most, temperature=t, seed=k).text for k in range(number)))
        for t in sorted({writing.temperature, *CARD_TEMPERATURES})
    ]
    model._card = card(model.saved, samples)
    write_bytes(run / "model" / "README.md", model._card.encode())
    return model
