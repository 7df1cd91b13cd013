"""Measure how much a draft sounds like the writer of a model's text."""

from __future__ import annotations

import html
import os
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY
from itertools import groupby
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType

from afterword.generation.copying import copied_spans
from afterword.language_model import ModelLike
from afterword.operations.operation import (
    Output,
    Record,
    Request,
    Source,
    Sources,
    argument,
    operation,
    path_names,
)
from afterword.operations.options import Engine, Overwriting
from afterword.operations.work import Work
from afterword.scoring.comparing import Difference
from afterword.settings import setting, settings_class
from afterword.storage import output
from afterword.text.decoding import Decoding
from afterword.text.documents import source_name
from afterword.text.unicode import visible
from afterword.web.pages import document, inline, level, policy, read, style
from afterword.wings.voice.own_voice import Gains, OwnVoice, Span, own_voice

MOST_HEARD = 20_000  # characters of a text that comes over HTTP
TELLING = 1000  # characters from which a text can be judged; see docs/voice.md
COPY = 12  # characters of a copy that is marked
STRENGTH = 3.0  # a word has its strongest shade at a third of the bits of a surprise
LIKE_OWN = 0.1  # fraction of the writer's passages: a sentence in the highest or lowest of them shows a phrase


@settings_class()
class Voice(Engine, Overwriting, Decoding, Request):
    """Measure how much a draft sounds like the writer of a model's text, sentence by sentence.

    MODEL is the folder of a run. DRAFT is a text, also .gz, or - for standard input. The draft is read by the model and
    by the base from which it was trained. A part that costs the model less than the base sounds like the writer. Its
    place is the percentage of the writer's own passages of similar length that sound less like the writer. These
    passages are from the text that the run held out, or from `own`.

    Names and line ends do not count. With `html`, words are coloured by whether they sound like the writer, and copies
    from the training text are underlined. A text of fewer than 1,000 characters is too short to judge. This is made
    for your own drafts: it proves nothing about who wrote a text, or whether a machine did.
    """

    example = "voice book draft.txt --html draft.html"
    first = ("own", "html", "overwrite")

    model: Annotated[ModelLike, argument("the folder of a run on the writer's text")]
    files: Annotated[Sources, argument("the drafts", metavar="DRAFT", least=1, served="text", most_served=MOST_HEARD)]
    _: KW_ONLY
    own: Source | None = setting("other text by the writer, which the model never read", default=None, metavar="FILE")
    against: ModelLike | None = setting(
        "the model to compare with (default: the base, or english)", default=None, metavar="MODEL"
    )
    html: Output | None = setting("write an HTML page that works offline", default=None, ending=(".html", ".htm"))


class HeardWord(msgspec.Struct):
    """A word at `start` in the text. Its bits are positive if it sounds like the writer."""

    start: int
    text: str
    bits: float


class Heard(Record, kw_only=True):
    """The result for a text, or for a paragraph or sentence of it."""

    rows: ClassVar = "parts"
    in_json: ClassVar = ("start", "own_gain", "words", "copies")

    file: str | UnsetType = UNSET
    part: Literal["text", "paragraph", "sentence"]
    start: int
    characters: int
    gain: float
    """The cost to the base less the cost to the model, in bits per character; positive if it sounds like the writer."""
    own_gain: float | UnsetType = UNSET
    """The gain of the writer's own held-out text. It is given only with a whole text, as are margin and copies."""
    margin_of_error: float | UnsetType | None = UNSET
    """Half of the 95 % interval of the gain; null for fewer than 20 sentences."""
    place: float
    """The fraction of the writer's own passages of similar length that sound less like the writer."""
    says: str
    text: str
    words: list[HeardWord] | UnsetType = UNSET
    copies: list[tuple[int, int]] | UnsetType = UNSET
    """Copies from the training text, of 12 characters or more, each as its start and its end."""

    def __str__(self) -> str:
        if self.part == "text":
            return f"{self.file}: {self.says}" if isinstance(self.file, str) else self.says
        return f"\n{self.says}" if self.part == "paragraph" else f"  {self.says:<35}  {self.text}"


@operation(Voice, path="/v1/voice")
def voice(request: Voice, work: Work) -> Iterator[Heard]:
    files = path_names(request.files)
    work.check(files)
    model = work.model(request.model, "lstm", request.engine)

    def text_of(source: Source) -> str:
        found = work.text(os.fspath(source), decoding=request, unwrap=model.unwraps)
        work.check_filled(os.fspath(source), found.strip())
        return found

    texts = [model.tokenizer.normalise(text_of(file)) for file in files]  # before the writer's own, which takes seconds
    own = None if request.own is None else text_of(request.own)
    with work.progress("reading the writer's own text") as on_progress:
        writer = own_voice(model, own, request.against, on_progress)
    work.rows(Heard, {name: None for name in Heard.__struct_fields__ if name != "file" or len(files) > 1})
    drafts = list[tuple[str, list[Heard]]]()
    for file, text in zip(files, texts, strict=True):
        with work.progress(f"reading {file}") as on_progress:
            heard = writer.hear(text, on_progress)
        drafts.append((source_name(file), [*_parts(writer, heard, copied_spans(text, writer.learned, COPY))]))
        for one in drafts[-1][1]:
            one.file = file if len(files) > 1 else UNSET
            yield one
    if isinstance(request.html, Path):
        with output(request.html) as written:
            written.write(voice_html(drafts).encode())
        work.say(f"wrote {request.html}")


def _parts(writer: OwnVoice, heard: Gains, copies: list[tuple[int, int]]) -> Iterator[Heard]:
    """Yield the whole text, then each paragraph, followed by its sentences."""
    usual, length = writer.own.gain, len(heard.text)
    margin = Difference(*heard.sums(heard.sentences)).margin_of_error  # from the variation between sentences
    whole = _part(writer, heard, "text", Span(0, length))
    about = f"{whole.gain:+.3f}{'' if margin is None else f' ± {margin:.3f}'} bits per character, your own {usual:+.3f}"
    whole.says = f"{about}: {whole.says} passages of this length"
    if length < TELLING:
        whole.says += f"; but {length:,} characters are too short to judge: give {TELLING:,} or more"
    whole.own_gain, whole.margin_of_error, whole.copies = usual, margin, copies
    yield whole
    for paragraph, sentences in heard.paragraphs:
        yield _part(writer, heard, "paragraph", paragraph)
        for sentence in sentences:
            yield _part(writer, heard, "sentence", sentence)


def _part(writer: OwnVoice, heard: Gains, part: Literal["text", "paragraph", "sentence"], span: Span) -> Heard:
    bits, counted = (float(each[0]) for each in heard.sums([span]))
    place = writer.place(bits, counted)
    than = f"more like you than {place:.0%}" if place >= 0.5 else f"less like you than {1 - place:.0%}"
    text, about = heard.text[span.start : span.stop], f"{than} of your own"
    found = Heard(
        part=part, start=span.start, characters=len(text), gain=bits / counted, place=place, says=about, text=text
    )
    if part == "sentence":
        if not LIKE_OWN < place < 1 - LIKE_OWN and (phrase := heard.phrase(span, writer.own.gain)):
            found.says += f" ({phrase})"
        words = heard.words(span)
        each = zip(words, heard.sums(words)[0].tolist(), strict=True)
        found.words = [HeardWord(start, heard.text[start:stop], gain) for (start, stop), gain in each]
    return found


def voice_html(drafts: Sequence[tuple[str, Sequence[Heard]]]) -> str:
    """Return a page of drafts, each a name and its records: words that sound like the writer have another colour."""
    css = style() + read("afterword.wings.voice", "voice.css")
    head = (
        "<div class=voice><h1>How much this sounds like you</h1>\n<p>Words in <b class=p8>this colour</b> sound like "
        "you, words in <b class=n8>this one</b> do not. <u>Underlined</u> text is in the training text too. Point at a "
        "sentence to see its place."
    )
    body = "".join([head, *(part for draft in drafts for part in _section(*draft)), "</div>"])
    return document(body, title="How much this sounds like you", style=css, policy=policy(style_src=inline(css)))


def _section(name: str, heard: Sequence[Heard]) -> Iterator[str]:
    whole = heard[0]
    yield f"<section>\n<h2>{html.escape(visible(name))}</h2>\n<p>{html.escape(whole.says)}</p>\n"
    kinds, said, copied = ([""] * whole.characters for _ in range(3))
    for one in heard:
        if one.part == "sentence":
            said[one.start : one.start + one.characters] = [html.escape(one.says)] * one.characters
        for word in one.words or ():
            kind = "pn"[int(word.bits < 0)] + str(level(STRENGTH * abs(word.bits)))
            kinds[word.start : word.start + len(word.text)] = [kind] * len(word.text)
    for start, stop in whole.copies or ():
        copied[start:stop] = ["u"] * (stop - start)
    for one in heard:
        if one.part == "paragraph":
            yield "<p>"
            places = range(one.start, one.start + one.characters)
            for (kind, about, is_copied), each in groupby(places, lambda k: (kinds[k], said[k], copied[k])):
                piece = html.escape(visible("".join(whole.text[k] for k in each)))
                piece = f"<u>{piece}</u>" if is_copied else piece
                yield f'<b class="{kind}" title="{about}">{piece}</b>'
            yield "</p>\n"
    yield "</section>\n"
