"""Files, folders, pipes and standard input become text, split into a training and a validation part.

Everything is streamed twice, in pieces of about a million characters. `read_corpus` reads it all once, to count, to
learn which characters the training part has, and to report errors before anything is written. `Corpus.pieces` reads it
again, for encoding. Memory does not grow with the text (in lines mode only with its longest line).

    sources ──find──► documents ──Reader──► text in pieces ──split──► (part, piece)
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Literal, Self

import numpy as np

from afterword.errors import OptionError, TextError
from afterword.settings import setting, settings_class
from afterword.text.decoding import Decoding, Reader
from afterword.text.documents import Document, Notes, Source, source_name
from afterword.text.lines import check_labelled, count_labels, filled_lines, joined
from afterword.text.unicode import code_points, lower
from afterword.text.vocabularies import USAGE, vocabulary_asked_for
from afterword.wording import count_of

Split = Literal["training", "validation"]
Texts = Callable[[], Iterator[str]]  # each call reads from the start
Pieces = Callable[[], Iterator[tuple[Split, str]]]


def by_position(texts: Texts, training: int) -> Iterator[tuple[Split, str]]:
    """Yield the text in parts: the first `training` characters are for training."""
    for text in texts():
        if training > 0:
            yield "training", text[:training]
        if len(text) > training:
            yield "validation", text[training:]
        training = max(0, training - len(text))


def by_file(training: Texts, validation: Texts, lines: bool) -> Iterator[tuple[Split, str]]:
    """Yield the texts of both parts, which are separate files."""
    parts: list[tuple[Split, Texts]] = [("training", training), ("validation", validation)]
    for part, texts in parts:
        for text in chain.from_iterable(map(joined, filled_lines(texts()))) if lines else texts():
            yield part, text


def in_parts(lines: Mapping[Split, list[str]]) -> Iterator[tuple[Split, str]]:
    """Yield the text of lines that are already divided into parts."""
    return ((part, text) for part, some in lines.items() for text in joined(some))


class ByHash:
    """A split of lines by their seeded hash, so that equal lines are in the same part."""

    def __init__(self, texts: Texts, seed: int, lowercase: bool, share: float) -> None:
        self._texts, self._lowercase = texts, lowercase
        self._keyed = hashlib.blake2b(digest_size=8, key=(seed % 2**64).to_bytes(8))
        self._threshold = min(int(share * 2**64), 2**64 - 1)

    def __call__(self) -> Iterator[tuple[Split, str]]:
        """Yield the text in parts: lines whose digest, as a big-endian number, is below the threshold are held out."""
        limit = self._threshold.to_bytes(8)
        for block in filled_lines(self._texts()):
            parts: dict[Split, list[str]] = {"training": [], "validation": []}
            for line in block:
                parts["validation" if self._digest(line) < limit else "training"].append(line)
            yield from in_parts(parts)

    def move_one_line(self, out_of: Split) -> None:
        """Move the threshold so that one distinct line leaves the part `out_of`, which has all. Raises TextError."""
        lowest, highest = b"\xff" * 8, b""
        for block in filled_lines(self._texts()):
            digests = [self._digest(line) for line in block]
            lowest, highest = min(lowest, *digests), max(highest, *digests)
        if lowest == highest:
            raise TextError("all lines are equal, but two different ones are needed, one to train on and one to check")
        self._threshold = int.from_bytes(lowest) + 1 if out_of == "training" else int.from_bytes(highest)

    def _digest(self, line: str) -> bytes:
        hasher = self._keyed.copy()  # twice as fast as a new one with the same key
        hasher.update((lower(line) if self._lowercase else line).encode("utf-8", "surrogatepass"))
        return hasher.digest()


class Census:
    """The lengths of both parts, and the place where each character first occurs in the training part."""

    def __init__(self, pieces: Pieces) -> None:
        self.training = self.validation = 0  # characters
        self._seen = np.zeros(sys.maxunicode + 1, dtype=bool)  # by code point
        self._first = np.full(sys.maxunicode + 1, sys.maxsize, dtype=np.int64)
        for part, text in pieces():
            if part == "validation":
                self.validation += len(text)
            else:
                self._add(text)

    def _add(self, text: str) -> None:
        codes = code_points(text)
        seen = self._seen.take(codes, mode="clip")
        if not seen.all():
            new = np.flatnonzero(~seen)[::-1]
            self._seen[codes[new]] = True
            self._first[codes[new]] = self.training + new  # backwards: the last assignment to an index wins
        self.training += len(text)

    def characters(self) -> str:
        """Return the distinct characters of the training part, sorted."""
        return "".join(map(chr, np.flatnonzero(self._first < self.training).tolist()))


MINIMUM = 64  # characters
FAIR = 0.05  # fraction of all lines from which `unwrap` auto joins


@settings_class(kw_only=True)
class TextSettings(Decoding):
    """Settings for reading a text, splitting it and cutting it into tokens."""

    lowercase: bool = setting("convert the text to lower case", default=False)
    lines: bool = setting("treat each line as a separate document", default=False)
    labels: bool = setting("read each line as a label, a tab and a text with that label; implies lines", default=False)
    validation: str | float | os.PathLike[str] | None = setting(
        "fraction of the text, or a file, to hold out for validation (default: 0.1; classic: none)",
        default=None,
        metavar="FRACTION|FILE",
    )
    vocabulary: str | None = setting(
        "the kind of token (default: that of the base, or char)", default=None, metavar="|".join(USAGE)
    )
    unwrap: Literal["auto", "yes", "no"] = setting(
        "join the lines of wrapped prose; auto: if at least one line in twenty is joined", default="auto"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels:
            object.__setattr__(self, "lines", True)
        parse_validation(self.validation)
        if self.vocabulary is not None:
            vocabulary_asked_for(self.vocabulary)
        if self.unwrap == "yes" and not self.may_unwrap:
            raise OptionError("`unwrap` yes is for running text: leave it out, or leave out `lines` or `labels`")

    @property
    def may_unwrap(self) -> bool:
        """True if wrapped prose may be joined. It never is if lines are documents."""
        return self.unwrap != "no" and not self.lines

    def holding_out(self, fraction: str) -> Self:
        """Return these settings with that fraction for validation, unless something is held out already."""
        return replace(self, validation=self.validation or fraction)

    def read(self, sources: Sequence[Source], seed: int = 0) -> Corpus:
        """Return the text of `sources`; see `read_corpus`."""
        return read_corpus(sources, self, seed)


def parse_validation(validation: str | float | os.PathLike[str] | None) -> float | Path:
    """Return the fraction (below 1) or the file that `validation` names; 0 for None. Raises OptionError."""
    if validation is None:
        return 0.0
    try:
        share = float(str(validation))
    except ValueError:
        return Path(str(validation))
    if not 0 < share < 1:
        raise OptionError(f"`validation` must be a fraction above 0 and below 1, or a file, not {validation}")
    return share


@dataclass
class Corpus(AbstractContextManager["Corpus"]):
    """The data to learn from: it has been read once, and can be read again in pieces of text.

    It is a text, or something else that is written as one, with its own nouns. Use it in a `with` block: its
    end removes the temporary files with the content of pipes.
    """

    sources: list[str]  # as they were named
    notes: list[str]  # what was changed in the text, one line each
    lines: bool
    labels: dict[str, int]  # the number of lines per label in the training part, most first; empty without labels
    characters: str  # the distinct characters of the training part, sorted
    training_characters: int  # in lines mode the end of each line counts as one
    validation_characters: int
    pieces: Pieces = field(repr=False)
    """Yields the text of both parts, in order. In lines mode each line keeps its "\\n"; empty lines are left out."""
    _kept: ExitStack = field(repr=False, default_factory=ExitStack)
    kind: str = "text"  # the noun for what was read
    unit: str = "character"  # the noun for what is predicted, one after another
    unwrapped: int | None = None
    """The number of lines of wrapped prose that were joined to the line before; None if the text was read unchanged."""

    def __exit__(self, *error: object) -> None:
        self._kept.close()


def read_corpus(sources: Sequence[Source], settings: TextSettings, seed: int = 0) -> Corpus:
    """Read `sources` (files, folders, "-") once and split them by `settings`; `seed` decides which lines are held out.

    The validation part of a running text is its last max(1, round(share × characters)) characters. In lines mode, a
    line's seeded hash decides, so that equal lines are in the same part. If one part gets all lines, the line with the
    lowest hash (or the highest, if no line is left for training) is moved to the other. Empty lines are skipped.
    Without `settings.validation` all of the text is the training part. A validation file that is also among `sources`
    is left out of the training part. Raises TextError for a text that cannot be read or learned from.
    """
    validation = parse_validation(settings.validation)
    held_out: list[Source] = [validation] if isinstance(validation, Path) else []
    reader = Reader(settings)
    reader.unwraps = settings.may_unwrap
    with ExitStack() as kept:
        documents = reader.find([*sources, *held_out], kept)
        names = [source_name(source) for source in sources]
        to_learn = _once(chain(*documents[: len(sources)]), reader.notes)
        if isinstance(validation, Path):
            to_learn = _without(to_learn, documents[-1], reader.notes)
        if settings.labels:
            check_labelled([*to_learn, *chain(*documents[len(sources) :])], reader, settings.lowercase)
        texts = partial(reader.text, to_learn)
        pieces: Pieces
        if isinstance(validation, Path):
            pieces = partial(by_file, texts, partial(reader.text, documents[-1]), settings.lines)
            census = _census(pieces, reader, settings)
            _check_length(names, census.training)
            if not census.validation:
                raise TextError(f"{source_name(validation)} is empty: name a file with text to validate on")
        elif settings.lines:
            pieces = by_hash = ByHash(texts, seed, settings.lowercase, validation)
            census = Census(pieces)
            _check_length(names, census.training + census.validation)
            if validation and not (census.training and census.validation):
                by_hash.move_one_line("training" if census.training else "validation")
                census = Census(pieces)
        else:
            census = _census(partial(by_position, texts, sys.maxsize), reader, settings)
            _check_length(names, census.training)
            if validation:
                census.validation = max(1, round(validation * census.training))
                census.training -= census.validation
            pieces = partial(by_position, texts, census.training)
        characters = census.characters().replace("\n", "") if settings.lines else census.characters()
        if len(set(lower(characters) if settings.lowercase else characters)) < 2:
            raise TextError(f"{_together(names)} has only one distinct character to train on: give a text with more")
        training = (text for part, text in pieces() if part == "training")
        labels = count_labels(training, settings.lowercase) if settings.labels else {}
        counts = census.training, census.validation
        facts = reader.notes.lines(), settings.lines, labels, characters
        joined = reader.notes.line_ends[0] if reader.unwraps else None
        return Corpus(names, *facts, *counts, pieces, kept.pop_all(), unwrapped=joined)


def _census(pieces: Pieces, reader: Reader, settings: TextSettings) -> Census:
    """Count the text. With `unwrap` auto, decide whether wrapped prose is joined, now and whenever it is read again."""
    census = Census(pieces)
    ends, others = reader.notes.line_ends
    if settings.unwrap == "auto" and ends <= FAIR * (ends + others):
        reader.unwraps = False
        reader.notes.joined.clear()
        return Census(pieces) if ends else census
    return census


def _once(documents: Iterable[Document], notes: Notes) -> list[Document]:
    """Return `documents` without repetitions: a text that is named twice could be learned from and held out."""
    found: dict[str | int, Document] = {}
    for number, document in enumerate(documents):
        key = document.place or number  # a pipe is read once
        if key in found:
            notes.skipped["named twice"].add(document.name)
        else:
            found[key] = document
    return list(found.values())


def _without(documents: Sequence[Document], held_out: Sequence[Document], notes: Notes) -> list[Document]:
    """Return `documents` without those held out: a score on text that was learned from would mean nothing."""
    places = {document.place for document in held_out} - {None}
    for document in documents:
        if document.place in places:
            notes.skipped["held out for validation"].add(document.name)
    left = [document for document in documents if document.place not in places]
    if not left:
        raise TextError(f"{held_out[0].name} is all of the text: give another file for validation, or a fraction")
    return left


def _check_length(names: list[str], characters: int) -> None:
    if characters < MINIMUM:
        has = f"{_together(names)} has {count_of(characters, 'character')}"
        raise TextError(f"{has}; at least {MINIMUM} are needed: give a longer text")


def _together(names: list[str]) -> str:
    return names[0] if len(names) == 1 else "all the text together"
