"""Say how much a draft sounds like the writer of a model's text."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from afterword.generation.copying import copied_spans
from afterword.operations.operation import (
    ModelName,
    Output,
    Record,
    Request,
    Source,
    Sources,
    argument,
    listed,
    operation,
)
from afterword.operations.options import Engine, Overwriting
from afterword.operations.work import Work
from afterword.scoring.voice import Gains, OwnVoice, Span
from afterword.scoring.voice_page import Shown, voice_html
from afterword.settings import setting
from afterword.storage import output
from afterword.text.decoding import Decoding
from afterword.text.documents import source_name

MOST_HEARD = 20_000  # characters of a text that comes over HTTP
TELLING = 1000  # characters, from which a text tells; see docs/voice.md
COPY = 12  # characters of a copy that is marked
LIKE_OWN = 0.1  # of the writer's own passages on either side: a sentence beyond has its phrase


@dataclass(frozen=True)
class Voice(Engine, Overwriting, Decoding, Request):
    """Say how much a draft sounds like the writer of a model's text, sentence by sentence.

    MODEL is the folder of a run; DRAFT is a text, also .gz, or - for standard input. The model and the base from which
    it began both read the draft. A part that costs the model less than the base sounds like the writer, and its place
    says of how many of the writer's own passages of like length it sounds more so. These are the passages that the run
    held out, or those of `own`.

    Names and the ends of lines do not count. With `html`, the words are shaded in two colours, yours and anybody's,
    and what occurs in the training text too is underlined. A text of fewer than 1,000 characters is too short to tell.
    In a play or a script, each speech gets the speaker that it sounds like.
    This is made for one's own drafts: it proves nothing about who wrote a text, or whether a machine did.
    """

    model: Annotated[ModelName, argument("the folder of the run, on the writer's text")]
    files: Annotated[Sources, argument("the drafts", metavar="DRAFT", least=1, most_served=MOST_HEARD)]
    _: KW_ONLY
    own: Source | None = setting(None, "text of the writer that the model did not learn from", metavar="FILE")
    against: ModelName | None = setting(None, "the model of anybody (default: the base, or english)", metavar="MODEL")
    html: Output | None = setting(None, "write an HTML page that works offline", ending=(".html", ".htm"))


class HeardWord(msgspec.Struct):
    """A word, at `start` in the text. Its bits are positive if it sounds like the writer."""

    start: int
    text: str
    bits: float


class Heard(Record, kw_only=True):
    """How much a text, or a paragraph or sentence of it, sounds like the writer."""

    rows: ClassVar = "parts"
    in_json: ClassVar = ("start", "own_gain", "words", "speaker", "sounds_like", "confusion", "copies")

    file: str | UnsetType = UNSET
    part: Literal["text", "paragraph", "sentence"]
    start: int
    characters: int
    gain: float
    """The bits per character that the base costs beyond the model; positive if it sounds like the writer."""
    own_gain: float | UnsetType = UNSET
    """The same of the writer's own held-out text; only of a whole text, like the margin of error and the copies."""
    margin_of_error: float | UnsetType | None = UNSET
    """Half the 95 % interval of the gain; null for fewer than 20 sentences."""
    place: float
    """The fraction of the writer's own passages of like length that sound less like the writer."""
    says: str
    text: str
    words: list[HeardWord] | UnsetType = UNSET
    speaker: str | UnsetType = UNSET
    """The speaker that a paragraph names at its head, in a play or a script."""
    sounds_like: str | UnsetType = UNSET
    """The speaker of the writer's text that the paragraph sounds like, if its speakers can be told apart."""
    confusion: dict[str, dict[str, int]] | UnsetType = UNSET
    """By speaker, how many of the learned speeches sound like each speaker; only of a whole text."""
    copies: list[tuple[int, int]] | UnsetType = UNSET
    """The parts that the training text contains too: of 12 characters and more, from one place to another."""

    def __str__(self) -> str:
        if self.part == "text":
            return f"{self.file}: {self.says}" if isinstance(self.file, str) else self.says
        return f"\n{self.says}" if self.part == "paragraph" else f"  {self.says:<32}  {self.text}"


@operation(Voice, path="/v1/voice")
def voice(request: Voice, work: Work) -> Iterator[Heard]:
    files = listed(request.files)
    work.check(files)
    model = work.model(request.model, "lstm", request.engine)
    own = None if request.own is None else work.text(os.fspath(request.own), decoding=request, unwrap=model.unwraps)
    with work.progress("reading the writer's own text") as on_progress:
        writer = model.voice(own, os.fspath(request.against or ""), on_progress)
    drawn = []
    for file in files:
        text = model.tokenizer.normalise(work.text(file, decoding=request, unwrap=model.unwraps))
        work.check_filled(file, text.strip())
        with work.progress(f"reading {file}") as on_progress:
            heard = replace(writer.hear(text, on_progress), heads=writer.speakers.heads(text))
        copies = copied_spans(text, writer.learned, COPY)
        parts = [*_parts(writer, heard, copies)]
        drawn.append(Shown(source_name(file), heard, [(one.start, one.says) for one in parts], copies))
        for one in parts:
            one.file = file if len(files) > 1 else UNSET
            yield one
    if isinstance(request.html, Path):
        with output(request.html) as written:
            written.write(voice_html(drawn).encode())
        work.say(f"wrote {request.html}")


def _parts(writer: OwnVoice, heard: Gains, copies: list[tuple[int, int]]) -> Iterator[Heard]:
    """Yield the whole text, and each paragraph before its sentences."""
    usual, length, margin = writer.own.gain, len(heard.text), heard.margin_of_error
    whole = _part(writer, heard, "text", Span(0, length))
    about = f"{whole.gain:+.3f}{'' if margin is None else f' ± {margin:.3f}'} bits per character, your own {usual:+.3f}"
    whole.says = f"{about}: {whole.says} passages as long"
    if length < TELLING:
        whole.says += f"; but {length:,} characters are too short to tell: give {TELLING:,} or more"
    whole.own_gain, whole.margin_of_error, whole.copies = usual, margin, copies
    speakers = writer.speakers
    if speakers.says:
        whole.says += f"; {speakers.says}"
        rows = zip(speakers.names, speakers.errors.tolist(), strict=True)
        whole.confusion = {name: dict(zip(speakers.names, row, strict=True)) for name, row in rows if any(row)}
    yield whole
    spoken = speakers.heard([heard.text[slice(*one)] for one in heard.paragraphs])
    sentences = iter([*heard.sentences, Span(length, length)])
    sentence = next(sentences)
    for paragraph, (speaker, like) in zip(heard.paragraphs, spoken, strict=True):
        part = _part(writer, heard, "paragraph", paragraph)
        part.speaker, part.sounds_like = speaker or UNSET, like or UNSET
        if like:
            part.says += f"; {speaker or 'it'} sounds like {like}"
        yield part
        while sentence.start < paragraph.stop:
            yield _part(writer, heard, "sentence", sentence)
            sentence = next(sentences)


def _part(writer: OwnVoice, heard: Gains, part: Literal["text", "paragraph", "sentence"], span: Span) -> Heard:
    bits, counted = (float(each[0]) for each in heard.sums([span]))
    place = writer.place(bits, counted)
    than = f"closer to you than {place:.0%}" if place >= 0.5 else f"farther than {1 - place:.0%}"
    text, about = heard.text[span.start : span.stop], f"{than} of your own"
    found = Heard(
        part=part, start=span.start, characters=len(text), gain=bits / counted, place=place, says=about, text=text
    )
    if part == "sentence":
        if not LIKE_OWN < place < 1 - LIKE_OWN:
            found.says += f" ({heard.phrase(span, writer.own.gain)})"
        words = heard.words(span)
        each = zip(words, heard.sums(words)[0].tolist(), strict=True)
        found.words = [HeardWord(start, heard.text[start:stop], gain) for (start, stop), gain in each]
    return found
