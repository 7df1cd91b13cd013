"""Show what each character of a text costs a model, and what it expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY
from heapq import nlargest
from operator import attrgetter
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from afterword.inspection.gates_page import about
from afterword.language_model import ModelLike
from afterword.operations.judged import Facts, ScoredText
from afterword.operations.operation import Output, Record, Request, Sources, TextPart, argument, operation, path_names
from afterword.operations.options import Engine, Holding, Overwriting, Predicting
from afterword.operations.work import Work
from afterword.scoring.costs import USED
from afterword.scoring.costs import Score as TextScore
from afterword.scoring.surprises import LIKELIEST, Summary, expected, shown
from afterword.scoring.surprises_page import MOST_DRAWN, surprises_html
from afterword.settings import setting, settings_class
from afterword.storage import output
from afterword.text.decoding import Decoding
from afterword.text.documents import source_name
from afterword.text.unicode import spaced
from afterword.web.pages import MOST_BITS
from afterword.wording import has_colours, printable

COLLECTED = 4096  # characters of a line that are collected before they are printed
TABLE = "{:>8}  {:>8}  {:>8}  {:6}  {}"
MOST_SHADED = 50_000  # characters of a text that comes over HTTP, with a cost each


@settings_class()
class Surprises(Predicting, Holding, Engine, Overwriting, Decoding, Request):
    """Show what each character of a text costs a model, in bits, and what was expected in its place.

    MODEL is a model's folder, the folder of its run, the name of a base, or hf://USER/NAME. FILE is a text, also
    .gz, or - for standard input. Each character is shaded by its bits if the terminal has colours; otherwise each
    character gets a row. A model of words has a cost per symbol instead. The bits add up to the score. The end of a
    line is shown as ↵.
    """

    example = "surprises book draft.txt --html draft.html"
    first = ("html", "using", "hold", "engine", "encoding", "overwrite")

    model: Annotated[ModelLike, argument("the model that reads")]
    files: Annotated[Sources, argument("the texts", metavar="FILE", least=1, served="text", most_served=MOST_SHADED)]
    _: KW_ONLY
    top: int | None = setting("show only the N that cost most, the highest first", default=None, minimum=1, metavar="N")
    html: Output | None = setting("write an HTML page that works offline", default=None, ending=(".html", ".htm"))


class ExpectedText(msgspec.Struct):
    """A text that was expected in a character's place."""

    text: str
    probability: float


class Surprising(Record, kw_only=True):
    """The cost of a character. `start` is its place in the text, from 0; `line` and `column` count from 1."""

    rows: ClassVar = "surprises"
    in_json: ClassVar = ("start", "engine", "alternatives", "unlearned")
    widths: ClassVar = {"alternatives": LIKELIEST}

    file: str | UnsetType = UNSET
    line: int
    column: int
    text: str
    bits: float
    start: int
    alternatives: list[ExpectedText]
    """The alternatives, the likeliest first. A part of a character is named by its byte, such as <0xE2>."""
    unlearned: str
    """The character, or the run of blanks up to it, if the model never learned it; otherwise empty."""
    engine: str | UnsetType = UNSET


def show(records: Iterator[ScoredText | Surprising | TextPart], request: Surprises, work: Work) -> Iterator[Record]:
    """Print the text with each character on its shade, or a row per character without colours."""
    if request.html is not None:
        yield from records
        return
    if request.top is not None or not has_colours():
        yield from _rows(records, work)
        return
    from rich.console import Console
    from rich.text import Text

    from afterword.inspection.terminal import LEAST_BITS, SHADES, shade

    console = Console(highlight=False, markup=False)
    line, number, file = Text(), 0, None
    for one in records:
        yield one
        if isinstance(one, TextPart):
            console.print(line, soft_wrap=True)
            console.print()
            legend = Text(f"{LEAST_BITS:g} bits ")
            for style in SHADES:
                legend.append("  ", style)
            console.print(legend.append(f" {MOST_BITS:g} bits and more"))
            console.print(printable(one.text), soft_wrap=True)
            line, number = Text(), 0
        if not isinstance(one, Surprising):
            continue
        if one.file != file and isinstance(one.file, str):
            console.print(f"{printable(one.file)}:", style="bold", soft_wrap=True)
            file = one.file
        if (number and one.line > number) or len(line) > COLLECTED:
            console.print(line, soft_wrap=True, end="\n" * (one.line - number))
            line = Text()
        number = one.line
        line.append(shown(one.text), shade(one.bits))


def _rows(records: Iterator[ScoredText | Surprising | TextPart], work: Work) -> Iterator[Record]:
    headed = False
    for one in records:
        yield one
        if isinstance(one, TextPart):
            work.say(one.text, verbatim=True)
        if isinstance(one, Surprising):
            file = f"  {one.file}" if isinstance(one.file, str) else ""
            if not headed:
                print(TABLE.format("line", "column", "bits", "text", "expected") + ("  file" if file else ""))
                headed = True
            place = one.line, one.column, f"{one.bits:.4f}", spaced(one.text)
            alternatives = expected((each.text, each.probability) for each in one.alternatives)
            print(printable(TABLE.format(*place, "  ".join(alternatives)) + file))


@operation(Surprises, path="/v1/surprises", show=show)
def surprises(request: Surprises, work: Work) -> Iterator[ScoredText | Surprising | TextPart]:
    files = path_names(request.files)
    work.check(files)
    model = work.model(request.model, request.using, request.engine, request.hold)
    facts = work.engine_of(model)
    work.rows(Surprising, {**dict.fromkeys(("file",) * (len(files) > 1)), **facts})
    whole = dict[str, list[NDArray[np.float64]]]({USED: []})
    read, drawn = "", list[Summary]()

    def keep(nats: dict[str, NDArray[np.float64]]) -> None:
        for part, costs in nats.items():
            whole.setdefault(part, []).append(costs)

    def rows(file: str, text: str) -> Iterator[Surprising]:
        """Yield the cost of each character of `text`, and add the costs of its tokens to `whole`."""
        several: Facts = {"file": file} if len(files) > 1 else {}
        with work.progress(f"scoring {file}", "characters", streams=True) as on_progress:
            for one in drawn[-1].watch(model.surprises(text, on_nats=keep)):
                on_progress(one.start / len(text), one.start)
                alternatives = [ExpectedText(*each) for each in one.alternatives]
                yield Surprising.of(one, alternatives=alternatives, **several, **facts)

    for file in files:
        text = work.text(file, decoding=request, unwrap=model.unwraps)
        work.check_filled(file, text.strip("\n") if model.lines else text)
        read += "".join(f"{line}\n" for line in text.split("\n") if line) if model.lines else text
        taken = sum(len(one.text) for each in drawn for one in each.drawn)
        drawn.append(Summary(source_name(file), MOST_DRAWN - taken if request.html is not None else 0))
        found = rows(file, text)
        if request.top is not None:
            found = iter(nlargest(request.top, (one for one in found if not one.unlearned), attrgetter("bits")))
        yield from found
        yield TextPart(text="\n".join(drawn[-1].lines()))
        work.note(*(f"{file}: {one}" if len(files) > 1 else one for one in drawn[-1].notes))
    if isinstance(request.html, Path):
        with output(request.html) as written:
            head = about(Path(model.name).name, model.config, request.hold, request.using)
            written.write(surprises_html(drawn, head).encode())
        work.say(f"wrote {request.html}")
    cost = TextScore.of({part: np.concatenate(nats) for part, nats in whole.items()}, read)
    yield ScoredText.of(cost, **cost.apart)
