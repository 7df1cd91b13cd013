"""The object people hold: a trained model that writes and scores. A thin face over the rooms below."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import reprlib
import secrets
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from afterword.bases.shipped import named
from afterword.errors import ModelError, OptionError
from afterword.generation.choosing import Tally
from afterword.generation.copying import Passages
from afterword.generation.pieces import Sample
from afterword.generation.reading import Reading, prompt_ids, read_prompt
from afterword.generation.samples import written
from afterword.generation.sampling import Sampling
from afterword.generation.stream import Stream, checked_seed
from afterword.generation.writer import Writing
from afterword.inspection.ablation import ablate_gates
from afterword.inspection.gates import look_at_gates
from afterword.inspection.horizon import measure_horizon
from afterword.inspection.units import ask_units
from afterword.model.adapting import Adapter
from afterword.model.arrays import Array, Ids
from afterword.model.calibration import Calibration, check_false_alarms
from afterword.model.card import card
from afterword.model.config import Config
from afterword.model.holding import Hold, held_values, parse_hold
from afterword.model.network import Network
from afterword.model.ngram import start_row
from afterword.model.saved import SavedModel, load_model, model_folder, save_model
from afterword.model.writing import WritingDefaults
from afterword.options import SamplingOptions, spelled_out
from afterword.scoring.adapting import AdaptingScorer, Learns
from afterword.scoring.labels import LabelScore, classify
from afterword.scoring.odd import OddLine, calibrate, judge
from afterword.scoring.score import LineScore, Score, score, score_lines
from afterword.scoring.surprises import Surprise, surprises
from afterword.settings import made, whole_number
from afterword.storage import write_bytes
from afterword.text.encoded import EncodedCorpus
from afterword.text.labels import TAB, known_label
from afterword.text.tokenizer import Tokenizer

CARD_TEMPERATURES = (0.5, 0.8, 1.0)


class LanguageModel:
    """A trained model. Made by `afterword.load` or `afterword.train`."""

    def __init__(
        self,
        saved: SavedModel,
        card: str = "",
        holds: Sequence[Hold] = (),
        using: str = "both",
        engine: str = "numpy",
        run: Path | None = None,
        adapter: Adapter | None = None,
        network: Network | None = None,
    ) -> None:
        self._saved = saved
        self._adapter = adapter  # which has learned from what is written after
        self._run = run  # the folder of the run that made it, if that is where it comes from
        self._writing: Writing | None = None  # the last one, since making one can take a while
        self._passages: Passages | None = None  # the last ones, likewise
        self._card = card
        self._holds = tuple(holds)
        self._using, self._engine = using, engine
        self._held = held_values(holds, saved.config) if holds else None
        if network is not None and self._held is not None and engine == "numpy":
            self._network = network.holding(self._held)
        else:
            self._network = saved.predictor(using, self._held, engine, adapter)

    def __repr__(self) -> str:
        tokens = f"{self.config.vocabulary_size:,} {self.tokenizer.kind} tokens"
        facts = [self.config.network, f"{self.parameters:,} parameters", tokens]
        if self._saved.ngram is not None:
            facts.insert(1, f"{self._saved.ngram.order}-gram")
        if validation := self.about.get("validation"):
            facts.append(f"{validation['bits_per_character']:.3f} bits per character held out")
        facts += [f"{hold} held" for hold in self._holds]
        if self._engine != "numpy":
            facts.append(f"engine {self._engine}")
        return f"LanguageModel({', '.join(facts)})"

    @staticmethod
    def load(path: str | os.PathLike[str], using: str = "both", engine: str = "numpy") -> LanguageModel:
        """The model in a model folder, or the best one so far of a run folder; or a shipped one. Raises ModelError.

        It predicts by its LSTM and its n-gram together, or `using` "lstm" or "ngram" alone; OptionError where it has
        none. The `engine` "fast" writes and scores several times as fast, with weights of one byte; OptionError where
        ONNX Runtime is not installed.
        """
        place = named(_folder(path))
        folder = model_folder(place)
        is_run = folder != place
        try:
            saved = load_model(folder)
        except ModelError:
            if is_run and not os.path.exists(folder):
                raise ModelError(
                    f"the run {path} has no model yet: go on with it by afterword train --resume "
                    f"{shlex.quote(str(path))}"
                ) from None
            raise
        card = folder / "README.md"
        text = card.read_text("utf-8", "replace") if os.path.isfile(card) else ""
        return LanguageModel(saved, text, using=using, engine=engine, run=place if is_run else None)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model folder `path`, in place of a model that stands there.

        Raises ModelError where something else stands there, StorageError where the disk refuses.
        """
        folder = _folder(path)
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
    def labels(self) -> dict[str, int]:
        """How many lines of the training text each label has, the most frequent one first; empty without labels."""
        return dict(self.about.get("labels") or {})

    @property
    def parameters(self) -> int:
        """How many numbers the weights hold."""
        return self.config.parameters

    def info(self) -> dict[str, Any]:
        """What `afterword info --json` prints."""
        config = self.config
        return {
            "recipe": self.about.get("recipe"),
            "base": self.about.get("base"),
            "cell": config.cell,
            "parameters": self.parameters,
            "hidden_size": config.hidden_size,
            "num_layers": config.num_layers,
            "embedding_size": config.embedding_size,
            "ngram": None
            if self._saved.ngram is None
            else {"order": self._saved.ngram.order, "weight": self._saved.mixture_weight},
            "vocabulary_size": config.vocabulary_size,
            "vocabulary": self.tokenizer.kind,
            "lowercase": self.tokenizer.lowercase,
            "lines": self.lines,
            "labels": self.labels or None,
            "validation": self.about.get("validation"),
            "corpus": self.about.get("corpus"),
            "training": self.about.get("training"),
            "versions": self.about.get("versions"),
        }

    def read(self, prompt: str | None = None, *, label: str | None = None) -> Reading:
        """Read `prompt` once; the result serves `stream`, `generate` and `samples` as a prompt, again and again.

        With a `label` what follows is of that kind; the label is not part of the result's `prompt`.
        Raises TextError for a prompt that is not text, OptionError for a classic model and for an unknown label.
        """
        if label is None:
            return read_prompt(self._saved, self._network, prompt)
        whole = known_label(label, self.labels, self.tokenizer) + TAB + self.tokenizer.normalise(prompt or "")
        return dataclasses.replace(read_prompt(self._saved, self._network, whole), prompt=prompt or "")

    @spelled_out(SamplingOptions, Sampling)
    def stream(
        self,
        prompt: str | Reading | None = None,
        *,
        label: str | None = None,
        seed: int | None = None,
        **options: Unpack[SamplingOptions],
    ) -> Stream:
        """Write after `prompt`, a piece a token. The stream has its `seed` (random unless given) and `finish_reason`.

        Without a prompt a model of running text begins after a line's end, a model of lines begins a line.
        With a `label` a model of labelled lines writes a line of that kind, without the label; otherwise it draws a
        label too, and writes it before the line and a tab.
        Raises OptionError for an invalid setting and an unknown label, TextError for a prompt that is not text.
        """
        seed = random_seed() if seed is None else seed
        return self.stream_by(made(Sampling, options), self._under(label, prompt), seed)

    def stream_by(self, sampling: Sampling, prompt: str | Reading | None, seed: int) -> Stream:
        """`stream` with its settings in one object."""
        if sampling.reject:
            raise OptionError("reject is not for a stream, which shows a text before it is known to obey the rules")
        return Stream(self.writing_by(sampling), self._network, self._own(prompt), seed)

    @spelled_out(SamplingOptions, Sampling)
    def generate(
        self,
        prompt: str | Reading | None = None,
        *,
        label: str | None = None,
        seed: int | None = None,
        best_of: int = 1,
        **options: Unpack[SamplingOptions],
    ) -> Sample:
        """Write after `prompt` to the end; the same settings as `stream`.

        With `best_of` it is the one of so many texts, by the seeds from `seed` on, whose tokens are the likeliest.
        """
        sampling, seed = made(Sampling, options), random_seed() if seed is None else seed
        prompt = self._under(label, prompt)
        if sampling.reject or best_of != 1:
            return next(self.samples_by(sampling, [prompt], 1, checked_seed(seed), best_of))
        return self.stream_by(sampling, prompt, seed).sample()

    @spelled_out(SamplingOptions, Sampling)
    def samples(
        self,
        prompt: str | Reading | None = None,
        *,
        num: int,
        label: str | None = None,
        seed: int | None = None,
        best_of: int = 1,
        **options: Unpack[SamplingOptions],
    ) -> Iterator[Sample]:
        """Write `num` texts after `prompt`, many side by side; the same settings as `stream`.

        Sample k = 0, 1, … has the seed (seed + k) mod 2^64 and comes in that order. `generate` writes the same by that
        seed, but for rounding: see `generation.batch`. With `best_of`, it is the likeliest of so many, by the seeds
        that come next; with `reject`, texts that break the rules are left out, and further seeds taken.
        """
        first = random_seed() if seed is None else checked_seed(seed)
        return self.samples_by(made(Sampling, options), [self._under(label, prompt)], num, first, best_of)

    def samples_by(
        self,
        sampling: Sampling,
        prompts: Sequence[str | Reading | None],
        num: int,
        seed: int,
        best_of: int = 1,
        accept: Callable[[Sample], bool] | None = None,
        tally: Tally | None = None,
    ) -> Iterator[Sample]:
        """`num` samples after each of `prompts`, with the settings in one object.

        A text that `accept` refuses is replaced by one of a further seed. `tally` counts those that are written freely
        to be judged.
        """
        for name, number in (("num", num), ("best-of", best_of)):
            if whole_number(name, number) < 1:
                raise OptionError(f"{name} must be 1 or more, not {number}")
        prompts = [self._own(prompt) for prompt in prompts]
        return written(self.writing_by(sampling), self._network, prompts, num, seed, best_of, accept, tally)

    def check_by(self, sampling: Sampling, prompts: Iterable[str | Reading | None]) -> None:
        """Raise at once what `samples_by` would raise for settings or prompts that will not do."""
        self.writing_by(sampling)
        for prompt in prompts:
            if isinstance(prompt, str):
                self.tokenizer.encode(prompt)

    def writing_by(self, sampling: Sampling) -> Writing:
        """What texts have in common that are written by `sampling`. Raises OptionError where it does not suit."""
        if self._writing is None or self._writing.sampling != sampling:
            self._writing = self.make_writing(sampling)
        return self._writing

    def make_writing(self, sampling: Sampling) -> Writing:
        """`writing_by`, made anew."""
        passages = None
        if sampling.no_copy is not None:
            if self._passages is None or self._passages.length != sampling.no_copy:
                # a line's end, which no line has, keeps lines apart
                self._passages = Passages("\n".join(self.learned_from().texts("training")), sampling.no_copy)
            passages = self._passages
        return Writing(self._saved, sampling, passages)

    def prompt_ids(self, prompt: str | None, seed: int) -> Ids:
        """The tokens [T] that a text of `seed` goes on from: what the model begins with, and the prompt."""
        return prompt_ids(self._saved, prompt, seed)

    def learned_from(self) -> EncodedCorpus:
        """The text that the model learned from, which its run's folder keeps. Raises ModelError where there is none."""
        from afterword.runs.folder import RunFolder  # a tenth of a model's start, and seldom asked for

        if self._run is None or not self._run.is_dir():
            raise ModelError("the text that this model learned from is not at hand: name the folder of its run")
        return EncodedCorpus.open(RunFolder(self._run).corpus)

    def _under(self, label: str | None, prompt: str | Reading | None) -> str | Reading | None:
        if label is None:
            return prompt
        if isinstance(prompt, Reading):
            raise OptionError("the prompt was read without a label: give the label to read")
        return self.read(prompt, label=label)

    def _own(self, prompt: str | Reading | None) -> str | Reading | None:
        if isinstance(prompt, Reading) and prompt.network is not self._network:
            raise OptionError(f"the prompt {prompt.prompt[:40]!r} was read by another model: read it by this one")
        return prompt

    def score(self, text: str, *, on_progress: Callable[[float], object] = lambda fraction: None) -> Score:
        """What `text` costs this model, read from its start to its end with the state carried. Raises TextError.

        `on_progress` is called with the fraction that is done.
        """
        return score(self._network, self.tokenizer, text, on_progress)

    def score_lines(
        self, lines: Iterable[str], *, on_progress: Callable[[float], object] = lambda fraction: None
    ) -> list[LineScore]:
        """What each line costs, each from a fresh state, its end counted as one character. Raises TextError.

        `on_progress` is called with the fraction that is done.
        """
        return score_lines(self._network, self.tokenizer, _several(lines, "score_lines"), on_progress)

    def adapted(self, text: str) -> LanguageModel:
        """The same model, whose n-gram has learned from `text` too: names in it are then used again in writing.

        It learns no more from what it writes.

        Raises OptionError for a model that uses no n-gram, TextError for what is not text.
        """
        if self._using == "lstm":
            raise OptionError("adapt: it is the n-gram that learns from a prompt: leave out --with lstm")
        if self._saved.ngram is None:
            raise OptionError("adapt: this model has no n-gram, which could learn: use one that was trained with it")
        self._check_unadapted()
        adapter = self._new_adapter()
        AdaptingScorer(self.network(), self.tokenizer, adapter, self._using, None).score(text)
        return self._changed(adapter=adapter)

    def adapting(self) -> AdaptingScorer:
        """What scores texts as this model does, and goes on learning from each part once that is scored.

        The n-gram's counts grow, or begin where the model has none; the LSTM learns too, where PyTorch is installed and
        it is used: `adapts` says which of them do. The model is left as it is. Raises OptionError for a model that
        cannot adapt.
        """
        self._check_unadapted()
        whats = {
            "a classic model": self.config.window,
            "a held model": self.is_held,
            "engine fast": self._engine == "fast",
        }
        if what := next((what for what, is_so in whats.items() if is_so), None):
            raise OptionError(f"{what} does not adapt: leave out --adapt")
        learns: Learns | None = None
        if self._using != "ngram" and importlib.util.find_spec("torch") is not None:
            from afterword.learning.adapting import AdaptingNetwork

            learns = AdaptingNetwork(self.config, self._saved.weights)
        elif self._using == "lstm":
            raise OptionError("an LSTM adapts with PyTorch: pip install 'afterword[train]', or adapt the n-gram alone")
        return AdaptingScorer(self.network(), self.tokenizer, self._new_adapter(), self._using, learns)

    def _new_adapter(self) -> Adapter | None:
        """What learns beside the LSTM; None where that predicts alone."""
        if self._using == "lstm":
            return None
        start = start_row(self.tokenizer, self.lines)
        return Adapter(self.config.vocabulary_size, start, self._saved.ngram, self._using)

    def surprises(self, text: str) -> Iterator[Surprise]:
        """What each character of `text` cost, and what was expected in its place, as the text is read; see `Surprise`.

        A model of lines reads each line that is not empty from a fresh state, and its end counts as a character; any
        other reads as `score` does. Raises TextError.
        """
        return surprises(self._network, self.tokenizer, text, self.lines)

    def _check_unadapted(self) -> None:
        if self._adapter is not None:
            raise OptionError("this model has adapted to a text already: begin from the one it was made of")

    @property
    def calibration(self) -> Calibration | None:
        """What normal lines cost it, where it was `calibrated`."""
        return self._saved.calibration

    def calibrated(
        self,
        lines: Iterable[str],
        *,
        masks: Sequence[str] = (),
        on_progress: Callable[[float], object] = lambda fraction: None,
    ) -> LanguageModel:
        """The same model, which knows what normal `lines` cost and can tell odd ones; `save` keeps that.

        `masks` are regular expressions behind which is hidden what always changes in lines, now and in `odd_lines`.
        Raises OptionError for too few lines or for a mask that is none, TextError as `score_lines`.
        """
        self._check_unadapted()
        if self.is_held:
            raise OptionError("a held model cannot be calibrated: leave out hold")
        texts = _several(lines, "calibrated")
        calibration = calibrate(self._network, self.tokenizer, texts, masks, self._using, on_progress)
        return self._changed(saved=dataclasses.replace(self._saved, calibration=calibration))

    def check_calibrated(self, false_alarms: float) -> Calibration:
        """What `odd_lines` judges by at that rate. Raises OptionError where it cannot judge."""
        check_false_alarms(false_alarms)
        self._check_unadapted()
        if self.calibration is None:
            raise OptionError("this model does not know what normal lines cost: afterword calibrate MODEL NORMAL_FILE")
        if self.is_held:
            raise OptionError("a held model cannot tell odd lines: leave out hold")
        self.calibration.check(false_alarms, self._using)
        return self.calibration

    def odd_lines(
        self,
        lines: Iterable[str],
        false_alarms: float = 0.01,
        *,
        on_progress: Callable[[float], object] = lambda fraction: None,
    ) -> list[OddLine]:
        """Each line beside what normal lines cost. A share of `false_alarms` of normal lines is taken for odd too.

        Raises OptionError where the model is not calibrated, or with too few lines for that rate; TextError as
        `score_lines`.
        """
        calibration, texts = self.check_calibrated(false_alarms), _several(lines, "odd_lines")
        return judge(calibration, self._network, self.tokenizer, texts, false_alarms, on_progress)

    def classify(
        self, lines: Iterable[str], *, on_progress: Callable[[float], object] = lambda fraction: None
    ) -> list[LabelScore]:
        """Of which kind each line is, and what it costs a reader who does not know; see `LabelScore`.

        A line that begins with a known label and a tab is judged by what follows. Takes the time of reading the lines
        once for each label. Raises OptionError for a model that was trained without labels, else as `score_lines`.
        """
        if not self.labels:
            raise OptionError("this model knows no labels: train one with --labels")
        return classify(self._network, self.tokenizer, tuple(self.labels), _several(lines, "classify"), on_progress)

    def hold(self, *holds: str | Hold) -> LanguageModel:
        """The same model with gates, units or states held at a value: `model.hold("forget=1", "l0.u42=-1")`.

        It writes, scores and shows its gates as such; nothing of it is saved. See `model.holding` for the notation.
        Raises OptionError for a part, layer or unit that is not there.
        """
        if not holds:
            return self
        for hold in holds:
            if not isinstance(hold, str | Hold):
                raise OptionError(f"hold must be text such as forget=1, not {repr(hold)[:60]}")
        more = [parse_hold(hold) if isinstance(hold, str) else hold for hold in holds]
        return self._changed(holds=(*self._holds, *more), network=self._network)

    def _changed(
        self,
        saved: SavedModel | None = None,
        holds: Sequence[Hold] | None = None,
        adapter: Adapter | None = None,
        using: str | None = None,
        network: Network | None = None,
    ) -> LanguageModel:
        """The same model with other parts."""
        return LanguageModel(
            saved or self._saved,
            self._card,
            self._holds if holds is None else holds,
            using or self._using,
            self._engine,
            self._run,
            adapter or self._adapter,
            network,
        )

    # Inspections, a line each: functions of `inspection` whose first argument is this model.
    gates = look_at_gates
    ablate = ablate_gates
    units = ask_units
    horizon = measure_horizon

    def using(self, using: str) -> LanguageModel:
        """The same model, which predicts with its LSTM and its n-gram together ("both"), or with one of the two.

        Raises OptionError where it has none.
        """
        return self if using == self._using else self._changed(using=using)

    @property
    def predictor(self) -> Network:
        """What it writes and scores with."""
        return self._network

    @property
    def writing(self) -> WritingDefaults:
        """How it writes unless it is told otherwise."""
        return self._saved.writing

    @property
    def engine(self) -> str:
        """What it writes and scores with: "numpy" or "fast"."""
        return self._engine

    @property
    def engine_seconds(self) -> float:
        """How long that engine took to make its graph; NumPy has none."""
        return 0.0 if self._network.engine is None else self._network.engine.seconds

    @property
    def is_held(self) -> bool:
        """Whether any part of its network is held at a value."""
        return self._held is not None

    def network(self, held: Array | None = None) -> Network:
        """Its network without the n-gram; `held` [L, 6, H] as in `model.holding`, beside what is held anyway."""
        if held is not None and self._held is not None:  # what is held anyway stays so
            held = np.where(np.isnan(self._held), held, self._held)
        return self._saved.network(self._held if held is None else held)

    def network_bits(self, text: str, held: Array | None = None) -> float:
        """What `text` costs that network, in bits per character."""
        return score(self.network(held), self.tokenizer, text).bits_per_character

    def input_gradients(self, ids: Ids, steps: int) -> Iterator[tuple[slice, NDArray[np.float64]]]:
        """See `learning.gradients.input_gradients`; this takes the tokenizer's ids [N, T]. Needs PyTorch."""
        from afterword.learning.gradients import input_gradients

        return input_gradients(self.config, self._saved.weights, self._network.rows(ids), steps)

    def unseen_characters(self, text: str) -> str:
        """The different characters of `text` that training never saw, in the order in which they come."""
        unseen = set(self._saved.unseen)
        return "".join(
            character
            for character in dict.fromkeys(self.tokenizer.normalise(text))
            if unseen & set(self._network.rows(self.tokenizer.encode(character)).tolist())
        )


def _several(lines: Iterable[str], name: str) -> list[str]:
    if isinstance(lines, str | bytes) or not isinstance(lines, Iterable):
        raise OptionError(f"{name} takes several lines: put one into a list, and cut a text by splitlines()")
    return list(lines)


def _folder(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, str | os.PathLike):
        raise ModelError(f"a model is named by the path of its folder, not by {reprlib.repr(path)}")
    return Path(path)


def random_seed() -> int:
    """An unpredictable seed, from 0 to 2^64 - 1."""
    return secrets.randbits(64)


def load(path: str | os.PathLike[str], using: str = "both", engine: str = "numpy") -> LanguageModel:
    """The model in a model folder, or the best one so far of a run folder. Raises ModelError.

    `using` is "both", its LSTM and its n-gram together, or "lstm" or "ngram" alone; `engine` "numpy", or "fast" with
    weights of one byte, which needs ONNX Runtime.
    """
    return LanguageModel.load(path, using, engine)


def complete_card(run: Path) -> LanguageModel:
    """The model of a finished run, whose card now shows what it writes."""
    model = LanguageModel.load(run)
    writing = model._saved.writing
    number, length = (10, 100) if model.lines else (1, min(400, writing.max_tokens))
    samples = [
        (t, "\n".join(model.generate(max_tokens=length, temperature=t, seed=k).text for k in range(number)))
        for t in sorted({writing.temperature, *CARD_TEMPERATURES})
    ]
    model._card = card(model._saved, samples)
    write_bytes(run / "model" / "README.md", model._card.encode())
    return model
