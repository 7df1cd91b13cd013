"""The voice of a writer: what a text costs a model of the writer's text, compared with what it costs a base.

The model was trained from the base, which knows the language but not the writer. A text's gain is its cost to the base
less its cost to the model, in bits per character. It is compared with the gains of passages from the writer's own
held-out text: sentences in a row that are about as long.

Names and line ends do not count, because they show what a text is about and how it is laid out. One character counts
for at most one bit, so that no rare word decides. Only the LSTM of the model reads the text. The n-gram has a gain of
its own, which counts a tenth; the base predicts what the n-gram has not seen. It knows phrases of one work by heart: if
it predicted with the LSTM, authors would be harder to recognise in other works (benchmarks/LOG.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from typing import Annotated, NamedTuple, cast

import numpy as np
import regex
from numpy.typing import NDArray

from afterword.errors import ModelError, OptionError, TextError
from afterword.language_model import LanguageModel, ModelLike, load_if_named
from afterword.model.arrays import Floats
from afterword.model.ngram.tables import Ngram
from afterword.scoring.comparing import Comparable
from afterword.settings import OnProgress, ignore_progress
from afterword.text.encoded import SPLITS
from afterword.text.sentences import sentence_ends
from afterword.text.tokenizer import Tokenizer

MOST_OWN = 20_000  # characters of the writer's own text that are read
FEWEST_OWN = 20  # passages of it that a text is compared with, at least
ALIKE = 1.5  # factor by which the lengths of compared passages differ, at most
PHRASE = 4  # words in a phrase, at most
MOST_BITS = 1.0  # of one character, for or against the writer
PART = 1 << 12  # characters that the n-gram reads at once
NGRAM, MOST_NGRAM_BITS = 0.1, 4.0  # the weight of the n-gram's bits, and the most of one character before it
BLANK_LINE = regex.compile(r"\n\s*\n")
WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+(?:['’][\p{L}\p{M}]+)*")
# a word with a capital letter that begins no line and no quotation: a name, unless a sentence ends before it
NAME = regex.compile(r"(?<=[^\s\p{Ps}\p{Pi}\p{Pf}\p{Pd}\"'] )(?!I\b)\p{Lu}[\p{L}\p{M}]*(?:['’]s)?")


class Span(NamedTuple):
    """A part of a text, from one character up to another."""

    start: int
    stop: int


@dataclass(frozen=True)
class Gains:
    """A text and the gain of each character: its cost to the base less its cost to the model, in bits."""

    text: str
    bits: Annotated[Floats, "N"]
    counted: Annotated[NDArray[np.bool_], "N"]
    """True for each character that counts; the bits of the others are 0."""

    @staticmethod
    def of(text: str, bits: Annotated[Floats, "N"]) -> Gains:
        """Return the gains of `text`, whose characters have these `bits`; those that do not count get 0."""
        counted = np.array([character not in "\r\n" for character in text], bool)
        ends = set(sentence_ends(text))
        for name in NAME.finditer(text):
            if name.start() - 1 not in ends:
                counted[name.start() : name.end()] = False
        return Gains(text, bits * counted, counted)

    def sums(self, spans: Sequence[Span]) -> tuple[Floats, Floats]:
        """Return the bits of each of the `spans` , and the number of its characters that count."""
        edges = np.array(spans, np.intp).reshape(-1, 2)
        bits, counted = (np.concatenate([[0.0], one.cumsum()])[edges] for one in (self.bits, self.counted))
        return bits[:, 1] - bits[:, 0], counted[:, 1] - counted[:, 0]

    @property
    def gain(self) -> float:
        """The bits per character that counts; 0 if none does."""
        return float(self.bits.sum()) / max(int(self.counted.sum()), 1)

    @cached_property
    def paragraphs(self) -> list[tuple[Span, list[Span]]]:
        """The parts between blank lines, or the lines if no line is blank; each with its sentences."""
        between = BLANK_LINE if BLANK_LINE.search(self.text.strip()) else regex.compile("\n")
        edges = [0, *chain.from_iterable(gap.span() for gap in between.finditer(self.text)), len(self.text)]
        return [(one, self._sentences(one)) for one in self._filled(zip(edges[::2], edges[1::2], strict=True))]

    def _sentences(self, span: Span) -> list[Span]:
        ends = [span.start + end for end in sentence_ends(self.text[slice(*span)])]
        return [*self._filled(pairwise([span.start, *ends, span.stop]))]

    @property
    def sentences(self) -> list[Span]:
        """The sentences of all paragraphs."""
        return [one for _, sentences in self.paragraphs for one in sentences]

    def words(self, span: Span) -> list[Span]:
        """Return the words within `span`."""
        return [Span(*word.span()) for word in WORD.finditer(self.text, *span)]

    def phrase(self, span: Span, usual: float) -> str:
        """Return the words in a row within `span` that contribute most to its difference from the `usual` gain."""
        words = self.words(span)
        bits, counted = self.sums(words)
        away = np.concatenate([[0.0], (bits - usual * counted).cumsum()])
        side = 1 if away[-1] > 0 else -1
        found = [(side * (away[j] - away[i]), i, j) for j in range(1, len(away)) for i in range(max(0, j - PHRASE), j)]
        _, first, last = max(found, default=(0.0, 0, 0))
        return self.text[words[first].start : words[last - 1].stop] if last else ""

    def _filled(self, spans: Iterator[tuple[int, int]]) -> Iterator[Span]:
        """Yield the `spans` that contain a character that counts, without the spaces around them."""
        for start, stop in spans:
            text = self.text[start:stop]
            one = Span(start + len(text) - len(text.lstrip()), start + len(text.rstrip()))
            if self.counted[slice(*one)].any():
                yield one


def lstm_bits(model: Annotated[Floats, "N"], base: Annotated[Floats, "N"]) -> Annotated[Floats, "N"]:
    """Return the bits of each character, which costs `model` and `base` nats."""
    return np.clip((base - model) / math.log(2), -MOST_BITS, MOST_BITS).astype(np.float64)


def ngram_bits(text: str, ngram: Ngram, tokenizer: Tokenizer, base: Annotated[Floats, "N"]) -> Annotated[Floats, "N"]:
    """Return the bits of each character of `text` by `ngram`, which leaves unseen characters to the base.

    `base` is what each costs the base, in nats. The n-gram alone gives all rows an equal part of what is left. A row
    that it has not seen gets only that, which is the least probability of all.
    """
    starts, rows = tokenizer.starts(text), np.minimum(tokenizer.encode(text), ngram.rows - 1)
    read, found = np.concatenate([[ngram.boundary], rows[:-1]]), []
    for k in range(0, len(rows), PART):
        each = ngram.probabilities(read[None, max(0, k - ngram.order) : k + PART], min(k, ngram.order))[0]
        found.append((each[np.arange(len(each)), rows[k : k + PART]], each.min(axis=1)))
    alone, equal = np.concatenate(found, axis=1).astype(np.float64)
    below = np.exp(-np.add.reduceat(base, starts))  # a token may have several characters
    gains = np.bincount(starts, np.log2((alone - equal) / below + equal * ngram.rows), len(text))
    return NGRAM * np.clip(gains, -MOST_NGRAM_BITS, MOST_NGRAM_BITS).astype(np.float64)


class OwnVoice:
    """The voice of a writer: other texts are compared with the writer's own held-out text."""

    def __init__(
        self, model: Comparable, base: Comparable, ngram: Ngram | None, own: str, learned: str, on_progress: OnProgress
    ) -> None:
        """`ngram` is that of `model`, `own` the held-out text, and `learned` the training text or "".

        Raises TextError for too few sentences.
        """
        self._models, self._ngram, self.learned = (model, base), ngram, learned
        self._usual: float | None = None  # bits per character of the n-gram in the writer's own text: mostly below 0
        self.own = self.hear(own, on_progress)
        if (count := len(self.own.sentences)) < FEWEST_OWN:
            needed = f"it has {count} sentences, and at least {FEWEST_OWN} are needed"
            raise TextError(f"the writer's own held-out text is too short: {needed}; give a text with `own`")
        self._bits, self._counted = (np.append(0.0, each.cumsum()) for each in self.own.sums(self.own.sentences))

    def hear(self, text: str, on_progress: OnProgress = ignore_progress) -> Gains:
        """Return the gains of `text`, which both models read from start to end. Raises TextError as `score` does."""
        nats = list[Floats]()
        for before, one in enumerate(self._models):
            found = one.score(text, on_progress=lambda done, before=before: on_progress((before + done) / 2))  # type: ignore[misc]
            nats.append(np.bincount(one.tokenizer.starts(text), found.token_nats, len(text)).astype(np.float64))
        bits = lstm_bits(*nats)
        if self._ngram is not None:
            ngram = ngram_bits(text, self._ngram, self._models[0].tokenizer, nats[1])
            self._usual = float(ngram.mean()) if self._usual is None else self._usual  # of the first text: one's own
            bits += ngram - self._usual
        return Gains.of(text, bits)

    def place(self, bits: float, counted: float) -> float:
        """Return the place of a text with these `bits` and as many `counted` characters: the fraction of the writer's
        own passages of similar length that sound less like the writer. Equal ones count half."""
        ends = self._counted
        nearest = np.searchsorted((ends[:-1] + ends[1:]) / 2, ends[:-1] + counted, side="right")
        stops = np.maximum(nearest, np.arange(1, len(ends)))  # of the passage that begins with each sentence
        lengths, gained = ends[stops] - ends[:-1], self._bits[stops] - self._bits[:-1]
        unlike = np.abs(np.log(lengths / counted))
        alike = unlike <= max(math.log(ALIKE), np.sort(unlike)[FEWEST_OWN - 1])
        figures, figure = (gained / lengths)[alike], bits / counted
        return float((figures < figure).mean() + (figures == figure).mean() / 2)


def own_voice(model: LanguageModel, own: str | None, against: ModelLike | None, on_progress: OnProgress) -> OwnVoice:
    """Return the voice of the writer whose text `model` has learned.

    `own` is text by the writer that the model has not learned; the default is the held-out text of its run. `against`
    is the model to compare with; the default is the base. The model keeps the result for the next call. Raises
    OptionError for a model that has no voice, such as one of lines, and without held-out text; TextError if that is too
    short.
    """
    if model.lines or model.config.window:
        raise OptionError("a voice needs a model of running text, which classic and `lines` do not make")
    against = against or (model.about.get("base") or {}).get("name") or "english"
    corpus = model.learned_from() if model._run is not None and model._run.is_dir() else None
    learned, held_out = (corpus.texts(part)[0] if corpus else "" for part in SPLITS)
    own = model.tokenizer.normalise((held_out if own is None else own)[:MOST_OWN])
    if not own.strip():
        raise OptionError("this model has no held-out text: give the folder of its run; or give a text with `own`")
    made_of = own, against
    if model.kept.get("voice", [None])[0] != made_of:
        try:
            base = load_if_named(against, "lstm", model.engine)  # type: ignore[arg-type]
        except ModelError as error:
            raise OptionError(f"{error.message}; name the model to compare with: `against`") from None
        voice = OwnVoice(model.using("lstm"), base, model.saved.ngram, own, learned, on_progress)
        model.kept["voice"] = made_of, voice
    return cast(OwnVoice, model.kept["voice"][1])
