"""Files, folders, pipes and standard input become text, split into a training and a validation part.

Everything streams in pieces of about a million characters, twice: `read_corpus` reads it all once, to count, to learn
which characters the training part holds and to find what is wrong before anything is written; `Corpus.pieces` reads it
again, to be encoded. Memory does not grow with the text (in lines mode only with its longest line).

    sources ──find──► documents ──Reader──► text in pieces ──splitting──► (part, piece)
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self

from afterword.errors import OptionError, TextError
from afterword.settings import setting
from afterword.text.census import Census
from afterword.text.decoding import Decoding
from afterword.text.labels import check_labelled, count_labels
from afterword.text.notes import Notes, counted
from afterword.text.reading import Reader
from afterword.text.sources import Document, Source, source_name
from afterword.text.splitting import ByHash, Part, Pieces, by_file, by_position
from afterword.text.unicode import lower
from afterword.text.vocabularies.table import USAGE, chosen

MINIMUM = 64  # characters


@dataclass(frozen=True)
class TextSettings(Decoding):
    """How a text is read, split and cut into tokens."""

    lowercase: bool = setting(False, "turn the text into lower case")
    lines: bool = setting(False, "every line is a document of its own")
    labels: bool = setting(False, "every line is a label, a tab and a text of that kind; implies lines")
    validation: str | None = setting(
        None, "the fraction of the text, or a file, that is held out (0.1; none for classic)", metavar="FRACTION|FILE"
    )
    vocabulary: str = setting("char", "what a token is", metavar="|".join(USAGE))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels:
            object.__setattr__(self, "lines", True)
        parse_validation(self.validation)
        chosen(self.vocabulary)


def parse_validation(validation: str | None) -> float | Path:
    """The fraction of the text, below 1, or the file that `validation` names; 0 for None. Raises OptionError."""
    if validation is None:
        return 0.0
    try:
        share = float(validation)
    except ValueError:
        return Path(validation)
    if not 0 < share < 1:
        raise OptionError(f"validation must be a fraction above 0 and below 1, or a file, not {validation}")
    return share


@dataclass
class Corpus:
    """A text that has been read once, and can be read again in pieces. Close it, or use it in a `with` block."""

    sources: list[str]  # as they were named
    notes: list[str]  # what was done to the text, a line each
    lines: bool
    labels: dict[str, int]  # how many lines of the training part have each, most first; empty where there are none
    characters: str  # the distinct characters of the training part, sorted
    training_characters: int  # in lines mode the end of each line counts as one
    validation_characters: int
    _pieces: Pieces = field(repr=False)
    _kept: ExitStack = field(repr=False)

    def pieces(self) -> Iterator[tuple[Part, str]]:
        """The text of both parts, in order. In lines mode each line has its "\\n", and empty ones are left out."""
        return self._pieces()

    def close(self) -> None:
        """Remove the temporary files that hold what came through pipes."""
        self._kept.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def read_corpus(sources: Sequence[Source], settings: TextSettings, seed: int = 0) -> Corpus:
    """Read `sources` (files, folders, "-") once and split them by `settings`; `seed` decides which lines are held out.

    Of a running text the last max(1, round(share × characters)) characters are the validation part. In lines mode a
    line's seeded hash decides, so that equal lines are in one part; where one part got all, the line of the
    lowest hash (or of the highest, where no line was left for training) goes to the other. Empty lines are skipped.
    Without `settings.validation` all of the text is the training part; a validation file that is also among `sources`
    is left out of it.
    Raises TextError for a text that cannot be read or learned from.
    """
    validation = parse_validation(settings.validation)
    held_out: list[Source] = [validation] if isinstance(validation, Path) else []
    reader = Reader(settings)
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
            census = Census(pieces)
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
            census = Census(partial(by_position, texts, sys.maxsize))
            _check_length(names, census.training)
            if validation:
                census.hold_out(max(1, round(validation * census.training)))
            pieces = partial(by_position, texts, census.training)
        characters = census.characters().replace("\n", "") if settings.lines else census.characters()
        if len(set(lower(characters) if settings.lowercase else characters)) < 2:
            raise TextError(f"{_together(names)} has only one distinct character to train on: give a text with more")
        training = (text for part, text in pieces() if part == "training")
        labels = count_labels(training, settings.lowercase) if settings.labels else {}
        counts = census.training, census.validation
        return Corpus(names, reader.notes.lines(), settings.lines, labels, characters, *counts, pieces, kept.pop_all())


def _once(documents: Iterable[Document], notes: Notes) -> list[Document]:
    """`documents` without those that come again: what is learned from twice could be held out the second time."""
    found: dict[str | int, Document] = {}
    for number, document in enumerate(documents):
        key = document.place or number  # a pipe is read once
        if key in found:
            notes.skipped(document.name, "named twice")
        else:
            found[key] = document
    return list(found.values())


def _without(documents: Sequence[Document], held_out: Sequence[Document], notes: Notes) -> list[Document]:
    """`documents` but those held out: a figure over text that was learned from would say nothing."""
    places = {document.place for document in held_out} - {None}
    for document in documents:
        if document.place in places:
            notes.skipped(document.name, "held out for validation")
    left = [document for document in documents if document.place not in places]
    if not left:
        raise TextError(f"{held_out[0].name} is all of the text: name another file to validate on, or a fraction")
    return left


def _check_length(names: list[str], characters: int) -> None:
    if characters < MINIMUM:
        raise TextError(
            f"{_together(names)} has {counted(characters, 'character')} and {MINIMUM} are needed: give a longer text"
        )


def _together(names: list[str]) -> str:
    return names[0] if len(names) == 1 else "all the text together"
