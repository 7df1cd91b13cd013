"""The object people hold: a trained model that writes and scores. A thin face over the rooms below."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import secrets
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from afterword.errors import ModelError, OptionError
from afterword.generation.sampling import Sampling
from afterword.generation.stream import Stream, checked_seed
from afterword.inspection.ablation import Ablation, Ablations, variants
from afterword.inspection.horizon import MOST, POSITIONS, Horizon, measure, sequences
from afterword.inspection.trace import Trace, trace
from afterword.inspection.units import Units
from afterword.model.card import card
from afterword.model.config import Config
from afterword.model.holding import Hold, held_values, parse_hold
from afterword.model.network import Network
from afterword.model.saved import SavedModel, load_model, save_model
from afterword.planning.settings import TrainingSettings
from afterword.runs.opening import begin
from afterword.scoring.score import LineScore, Score, score, score_lines
from afterword.storage import write_bytes
from afterword.text.corpus import Source, TextSettings
from afterword.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from afterword.runs.loop import Progress

DEFAULTS = Sampling()
CARD_TEMPERATURES = (0.5, 0.8, 1.0)


@dataclass(frozen=True)
class Sample:
    """A text that a model wrote."""

    prompt: str
    text: str
    """Without the prompt."""
    tokens: int
    """How many were drawn, the end token included."""
    log_probability: float
    """The model's own, of all those tokens (nats, before any filter)."""
    finish_reason: str
    """"stop" (end token or stop string) or "length"."""
    seed: int
    """Writes the same text again, with the same settings."""


class LanguageModel:
    """A trained model. Made by `afterword.load` or `afterword.train`."""

    def __init__(self, saved: SavedModel, card: str = "", holds: Sequence[Hold] = (), using: str = "both") -> None:
        self._saved = saved
        self._card = card
        self._holds = tuple(holds)
        self._using = using
        self._held = held_values(holds, saved.config) if holds else None
        self._network = saved.predictor(using, self._held)

    @staticmethod
    def load(path: str | os.PathLike[str], using: str = "both") -> LanguageModel:
        """The model in a model folder, or the best one so far of a run folder. Raises ModelError.

        It predicts by its LSTM and its n-gram together, or `using` "lstm" or "ngram" alone; OptionError where it has
        none.
        """
        is_run = os.path.isfile(os.path.join(path, "run.json"))
        folder = Path(path, "model") if is_run else Path(path)
        try:
            saved = load_model(folder)
        except ModelError:
            if is_run and not os.path.exists(folder):
                raise ModelError(
                    f"the run {path} has no model yet: train on, afterword train --resume {path}"
                ) from None
            raise
        card = folder / "README.md"
        return LanguageModel(saved, card.read_text("utf-8", "replace") if os.path.isfile(card) else "", using=using)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model folder `path`, in place of a model that stands there.

        Raises ModelError where something else stands there, StorageError where the disk refuses.
        """
        folder = Path(path)
        if folder.is_dir() and any(folder.iterdir()):
            if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
                raise ModelError(f"cannot save to {path}: the folder is in use; name a new one")
            try:
                load_model(folder)
            except ModelError as error:
                raise ModelError(f"cannot save to {path}, which is not a model's folder: {error}") from None
        save_model(folder, self._saved, self._card)

    @property
    def tokenizer(self) -> Tokenizer:
        return self._saved.tokenizer

    @property
    def config(self) -> Config:
        return self._saved.config

    @property
    def about(self) -> dict[str, Any]:
        """Where the model comes from: recipe, corpus, training, validation, versions."""
        return self._saved.about

    @property
    def lines(self) -> bool:
        """Whether the model was trained on lines, each a document of its own."""
        return bool(self.about.get("lines"))

    @property
    def parameters(self) -> int:
        """How many numbers the weights hold."""
        return self.config.parameters

    def info(self) -> dict[str, Any]:
        """What `afterword info --json` prints."""
        config = self.config
        return {
            "recipe": self.about.get("recipe"),
            "cell": config.cell,
            "parameters": self.parameters,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            "embedding_size": config.embedding_size,
            "ngram": None
            if self._saved.ngram is None
            else {"order": self._saved.ngram.order, "share": self._saved.share},
            "vocabulary_size": config.vocabulary_size,
            "vocabulary": self.tokenizer.kind,
            "lowercase": self.tokenizer.lowercase,
            "lines": self.lines,
            "validation": self.about.get("validation"),
            "corpus": self.about.get("corpus"),
            "training": self.about.get("training"),
            "versions": self.about.get("versions"),
        }

    def stream(
        self,
        prompt: str | None = None,
        *,
        max_tokens: int | None = DEFAULTS.max_tokens,
        temperature: float | None = DEFAULTS.temperature,
        top_k: int = DEFAULTS.top_k,
        top_p: float = DEFAULTS.top_p,
        min_p: float = DEFAULTS.min_p,
        stop: str | Sequence[str] = DEFAULTS.stop,
        seed: int | None = None,
    ) -> Stream:
        """Write after `prompt`, a piece a token. The stream has its `seed` (random unless given) and `finish_reason`.

        Without a prompt a model of running text begins after a line's end, a model of lines begins a line.
        Raises OptionError for a setting that cannot be, TextError for a prompt that is no text.
        """
        stops = (stop,) if isinstance(stop, str) else tuple(stop)
        sampling = Sampling(max_tokens, temperature, top_k, top_p, min_p, stops)
        return self.stream_by(sampling, prompt, random_seed() if seed is None else seed)

    def stream_by(self, sampling: Sampling, prompt: str | None, seed: int) -> Stream:
        """`stream` with its settings in one object."""
        text = self._default_prompt() if prompt is None else prompt
        return Stream(self._network, self.tokenizer, self._saved.unseen, text, sampling, seed, self._saved.text)

    def generate(
        self,
        prompt: str | None = None,
        *,
        max_tokens: int | None = DEFAULTS.max_tokens,
        temperature: float | None = DEFAULTS.temperature,
        top_k: int = DEFAULTS.top_k,
        top_p: float = DEFAULTS.top_p,
        min_p: float = DEFAULTS.min_p,
        stop: str | Sequence[str] = DEFAULTS.stop,
        seed: int | None = None,
    ) -> Sample:
        """Write after `prompt` to the end; the same settings as `stream`."""
        stream = self.stream(
            prompt,
            max_tokens=max_tokens,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            min_p=min_p,
            stop=stop,
            seed=seed,
        )
        return sample(prompt, stream)

    def _default_prompt(self) -> str:
        """A line's end, if running text taught the model what follows it."""
        if self.lines or self.config.window:
            return ""
        rows = self._network.rows(self.tokenizer.encode("\n"))
        return "" if set(rows.tolist()) & set(self._saved.unseen) else "\n"

    def score(self, text: str) -> Score:
        """What `text` costs this model, read from its start to its end with the state carried. Raises TextError."""
        return score(self._network, self.tokenizer, text)

    def score_lines(self, lines: Iterable[str]) -> list[LineScore]:
        """What each line costs, each from a fresh state, its end counted as one character. Raises TextError."""
        return score_lines(self._network, self.tokenizer, lines)

    def hold(self, *holds: str | Hold) -> LanguageModel:
        """The same model with gates, units or states held at a value: `model.hold("forget=1", "l0.u42=-1")`.

        It writes, scores and shows its gates as such; nothing of it is saved. See `model.holding` for the notation.
        Raises OptionError for a part, layer or unit that is not there.
        """
        if not holds:
            return self
        more = (parse_hold(hold) if isinstance(hold, str) else hold for hold in holds)
        return LanguageModel(self._saved, self._card, (*self._holds, *more), self._using)

    def gates(self, text: str) -> Trace:
        """Every gate and state of the network while it reads `text`, and what it expected after each token.

        Raises TextError for an empty text or one too long to be looked at (20,000 characters; fewer of a network of
        more than 3 × 1024 units), ModelError for a plain recurrent network, which has no gates.
        """
        return trace(self._network, self.tokenizer, text, lines=self.lines)

    def ablate(self, text: str) -> Ablations:
        """What `text` costs with each gate held open, or at its mean over the text. Raises as `gates` does."""
        trace = self.gates(text)
        each = []
        for gate, layer, way, held in variants(trace):
            if self._held is not None:  # what is held anyway stays so
                held = np.where(np.isnan(self._held), held, self._held)
            network = Network(self.config, self._saved.weights, held)
            each.append(Ablation(gate, layer, way, score(network, self.tokenizer, trace.text).bits_per_character))
        return Ablations(float(trace.bits.sum()) / len(trace.text), each)

    def units(self, text: str) -> Units:
        """The units of the network over `text`, ready to be asked what they tell. Raises as `gates` does."""
        return Units(self.gates(text), self.tokenizer)

    def horizon(
        self, text: str, *, steps: int = MOST, places: int = POSITIONS, seed: int = 0, gradient: bool | None = None
    ) -> Horizon:
        """How much a character up to `steps` back changes what the network predicts, at `places` places of `text`.

        `gradient` says whether the gradient is measured too, which needs PyTorch; None is wherever that is at hand.
        A model with parts held at a value is measured by replacing alone. Raises TextError for a text that is too
        short, OptionError for numbers that cannot be.
        """
        network = self._saved.predictor("lstm", self._held)  # an n-gram looks back a few characters, and no more
        found = measure(
            network, self.tokenizer, text, self.config.cell, most=steps, positions=places, seed=checked_seed(seed)
        )
        torch_is_here = importlib.util.find_spec("torch") is not None
        if gradient and not torch_is_here:
            raise OptionError("the gradient needs PyTorch, which is not installed: pip install 'afterword[train]'")
        if not (torch_is_here if gradient is None else gradient) or self._held is not None:
            return found
        from afterword.learning.gradients import input_gradients

        K, W = found.changes.shape[1], self.config.window
        ids = sequences(self._network, self.tokenizer, self.tokenizer.encode(text), K, places)
        gradients = np.zeros((len(ids), K))  # a network of windows depends on nothing before its window
        reach = min(K, W or K)
        gradients[:, :reach] = input_gradients(self.config, self._saved.weights, self._network.rows(ids), reach)
        return dataclasses.replace(found, gradients=gradients)

    def unseen_characters(self, text: str) -> str:
        """The different characters of `text` that training never saw, in the order in which they come."""
        unseen = set(self._saved.unseen)
        return "".join(
            character
            for character in dict.fromkeys(self.tokenizer.normalise(text))
            if unseen & set(self._network.rows(self.tokenizer.encode(character)).tolist())
        )


def sample(prompt: str | None, stream: Stream) -> Sample:
    """Read `stream`, which writes after `prompt`, to its end."""
    pieces = list(stream)
    return Sample(
        prompt=prompt or "",
        text="".join(piece.text for piece in pieces),
        tokens=len(pieces),
        log_probability=sum((piece.log_probability for piece in pieces), start=0.0),
        finish_reason=stream.finish_reason or "length",
        seed=stream.seed,
    )


def random_seed() -> int:
    """A seed that nobody can foretell, from 0 to 2^64 - 1."""
    return secrets.randbits(64)


def load(path: str | os.PathLike[str], using: str = "both") -> LanguageModel:
    """The model in a model folder, or the best one so far of a run folder. Raises ModelError.

    `using` is "both", its LSTM and its n-gram together, or "lstm" or "ngram" alone.
    """
    return LanguageModel.load(path, using)


def train(
    texts: Source | Sequence[Source],
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    recipe: str = TrainingSettings.recipe,
    minutes: float | None = TrainingSettings.minutes,
    steps: int | None = TrainingSettings.steps,
    epochs: float | None = TrainingSettings.epochs,
    encoding: str = TextSettings.encoding,
    lowercase: bool = TextSettings.lowercase,
    lines: bool = TextSettings.lines,
    validation: str | float | os.PathLike[str] | None = TextSettings.validation,
    vocabulary: str = TextSettings.vocabulary,
    cell: str = TrainingSettings.cell,
    num_layers: int | None = TrainingSettings.num_layers,
    hidden_size: int | None = TrainingSettings.hidden_size,
    embedding_size: int | None = TrainingSettings.embedding_size,
    batch_size: int | None = TrainingSettings.batch_size,
    seq_length: int | None = TrainingSettings.seq_length,
    dropout: float | None = TrainingSettings.dropout,
    ngram: int | None = TrainingSettings.ngram,
    learning_rate: float | None = TrainingSettings.learning_rate,
    seed: int = TrainingSettings.seed,
    device: str = TrainingSettings.device,
    threads: int | None = TrainingSettings.threads,
    checkpoint_every: int | None = TrainingSettings.checkpoint_every,
    on_progress: Callable[[Progress], None] | None = None,
) -> LanguageModel:
    """Train on `texts` (files, folders, "-") and return the best model; the options are those of `afterword train`.

    The run folder is `out`, which is kept and can be resumed, or else a temporary one. `on_progress` is called with
    every report. Raises an InputError for what cannot be, a WorkError where training cannot go on.
    """
    sources = [texts] if isinstance(texts, str | os.PathLike) else list(texts)
    text = TextSettings(encoding, lowercase, lines, None if validation is None else str(validation), vocabulary)
    training = TrainingSettings(
        recipe=recipe,
        minutes=minutes,
        steps=steps,
        epochs=epochs,
        cell=cell,
        num_layers=num_layers,
        hidden_size=hidden_size,
        embedding_size=embedding_size,
        batch_size=batch_size,
        seq_length=seq_length,
        dropout=dropout,
        ngram=ngram,
        learning_rate=learning_rate,
        seed=seed,
        device=device,
        threads=threads,
        checkpoint_every=checkpoint_every,
    )
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run" if out is None else Path(out)
        run = begin(sources, folder, text, training, overwrite=overwrite)
        for progress in run.train():
            if on_progress is not None:
                on_progress(progress)
        return complete_card(folder)


def complete_card(run: Path) -> LanguageModel:
    """The model of a finished run, whose card now shows what it writes."""
    model = LanguageModel.load(run)
    number, length = (10, 100) if model.lines else (1, 50) if model.config.window else (1, 400)
    samples = [
        (t, "\n".join(model.generate(max_tokens=length, temperature=t, seed=k).text for k in range(number)))
        for t in ((0.0, *CARD_TEMPERATURES) if model.config.window else CARD_TEMPERATURES)
    ]
    model._card = card(model._saved, samples)
    write_bytes(run / "model" / "README.md", model._card.encode())
    return model
