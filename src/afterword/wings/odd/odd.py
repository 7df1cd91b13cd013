"""Find the lines that do not belong among good ones."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, replace
from itertools import accumulate
from pathlib import Path
from shlex import quote
from typing import Annotated, ClassVar

import numpy as np
from msgspec import UNSET, Meta, UnsetType

from afterword.errors import AfterwordError, ModelError, OptionError
from afterword.language_model import LanguageModel, ModelLike, name_of
from afterword.learning.validation import learn_ngram
from afterword.model.folder.card import card
from afterword.model.folder.defaults import LINES as WRITING
from afterword.model.folder.saved import SavedModel, check_replaceable
from afterword.model.network.config import Config, weight_shapes
from afterword.model.ngram.tables import HIGHEST_ORDER
from afterword.operations.operation import Record, Request, Sources, argument, operation, path_names
from afterword.operations.options import Masking
from afterword.operations.work import ProgressShown, Work
from afterword.runs.environment import versions
from afterword.runs.folder import RunFolder
from afterword.settings import OnProgress, ignore_progress, setting, settings_class
from afterword.storage import temporary_folder
from afterword.text.corpus import TextSettings
from afterword.text.decoding import Encoding
from afterword.text.documents import source_name
from afterword.text.encoded import encode, learn_tokenizer
from afterword.text.lines import Masks
from afterword.wings.odd.calibrate import normal_lines, writable
from afterword.wings.odd.calibration import check_enough, check_false_alarms
from afterword.wings.odd.clocks import clocks
from afterword.wings.odd.detectors import DETECTORS, Oddity, Placed, Told, Verdict, judge
from afterword.wings.odd.fields import are_events
from afterword.wings.odd.findings import Findings
from afterword.wings.odd.good_lines import GoodLines
from afterword.wings.odd.helpful_masks import helpful_masks
from afterword.wings.odd.normal import (
    OddLine,
    calibrated,
    calibration_of,
    check_calibrated,
    good_lines_of,
    odd_lines,
    with_good_lines,
)
from afterword.wording import escaped, has_colours, listed_names, printable

RATE = 0.01  # of false alarms, by default
LEAST = 60  # good lines, whose last third is enough to calibrate with
MOST_LEARNED = 800_000  # the last characters, of which n-grams are counted; each takes 50 bytes of memory
MOST_NAMED = 10  # masked fields
TRIED, HELPS = 3, 0.5  # masks that are tried, and the fraction of the lines, at most, that a helpful one would list
READ = 25  # findings that are printed at least, the next-oddest below those within the rate
ODD, PLAIN = "\033[1;31m", "\033[0m"  # around the reason on a terminal with colours
WIDEST = 1000  # characters of a line that are printed
DetectorName = Annotated[str, Meta(extra_json_schema={"enum": [*DETECTORS]})]


@settings_class()
class Odd(Masking, Encoding, Request):
    """Print what does not belong in FILE, compared with the lines of GOOD, as PATH:LINE: REASON  text.

    GOOD is a text of good lines, or a model that was calibrated on normal lines (afterword calibrate). An n-gram learns
    the first two thirds of good lines in a second, and the last third calibrates it. `out` keeps the model.

    A line is odd if no good line is of its kind, if a value is new or out of range at its place, or if its text costs
    the model more than usual. `false_alarms` is the fraction of normal lines that may be as odd. Bursts of equal lines
    are found too, and silences of a regular kind of line.

    Lines with the same oddity are one finding, printed with their number. New kinds of line that come together are one
    episode; `all` also prints its findings. Below a rule come the next-oddest findings, each with the rate that would
    list it.

    What always changes is masked: times, ids, counters, and numbers that hardly repeat. `mask` hides more. `as_read`
    prints each odd line as soon as it is read; with `all`, every line.
    """

    example = "odd good.log today.log --false-alarms 0.001"
    over_http: ClassVar = {"as_read": True}  # groups of equal lines would have no figures of the whole
    first = ("false_alarms", "mask", "out", "top", "all", "as_read")

    good: Annotated[ModelLike, argument("good lines, or a calibrated model")]
    files: Annotated[Sources, argument("the lines to judge", metavar="FILE", least=1, served="text")]
    _: KW_ONLY
    false_alarms: float = setting("flag up to this fraction of normal lines", default=RATE, metavar="RATE", served=True)
    top: int | None = setting("print only the N oddest", default=None, minimum=1, metavar="N", excludes=("as_read",))
    as_read: bool = setting("print each odd line as soon as it is read", default=False)
    all: bool = setting("also print each episode's findings; with `as_read`, every line", default=False, served=True)
    out: str | None = setting("folder for the model (default: discard it)", default=None, metavar="DIR", short="o")
    overwrite: bool = setting("replace the model in the folder", default=False, needs="out")


class OddFinding(Record, kw_only=True):
    """Lines with the same oddity: what found them, why, how odd they are, and how often a normal line is as odd.

    `figure` is in standard deviations for a text or a new kind of line, and otherwise in bits. In `lines` are the first
    ones of the `count` lines, the oddest in front. `odd_pieces` are the odd parts of that line, as places in its text.
    """

    rows: ClassVar = "findings"
    served: ClassVar = False
    in_json: ClassVar = ("lines", "odd_pieces")
    may_fail: ClassVar = "if something is odd"
    fails_if: ClassVar = "odd"

    finding: int
    detector: DetectorName
    why: str
    figure: float
    p_value: float
    count: int
    odd: bool
    lines: list[Placed]
    odd_pieces: list[tuple[int, int]]


class OddRow(Record, kw_only=True):
    """A line compared with normal ones: the cost of its text above normal in standard deviations, and how often a
    normal line is as odd. `odd_pieces` are the odd parts, as places in the text."""

    rows: ClassVar = "lines"
    in_json: ClassVar = ("odd_pieces",)
    may_fail: ClassVar = "if something is odd"
    fails_if: ClassVar = "odd"

    file: str
    line: int
    text: str
    bits: float
    bits_per_character: float
    figure: float
    p_value: float
    odd: bool
    detector: DetectorName | UnsetType = UNSET
    why: str | UnsetType = UNSET
    odd_pieces: list[tuple[int, int]]


def findings_shown(records: Iterator[OddFinding | OddRow], request: Odd, work: Work) -> Iterator[Record]:
    """Print findings as PATH:LINE: REASON  text; below a rule, the next-oddest ones."""
    ruled = False
    for one in records:
        yield one
        if isinstance(one, OddRow):
            why = f"  {said(one.why, one.odd)}" if isinstance(one.why, str) else ""
            text = printable(around(one.text, one.odd_pieces))
            print(f"{printable(one.file)}:{one.line}: {one.figure:.1f}{why}  {text}", flush=True)
        else:
            if not one.odd and not ruled:
                print("-- next, not listed, each with the rate that would list it --")
                ruled = True
            first = one.lines[0]
            numbers = [line.line for line in one.lines if line.file == first.file]
            others = {printable(line.file) for line in one.lines} - {printable(first.file)}
            more = f"; also in {listed_names(others)}" if others else ""
            times = f"  ({one.count:,} lines, {min(numbers):,} to {max(numbers):,}{more})" if one.count > 1 else ""
            would = "" if one.odd else f"  [{one.p_value:.2g}]"
            text = printable(around(first.text, one.odd_pieces))
            print(f"{printable(first.file)}:{first.line}: {said(one.why, one.odd)}  {text}{times}{would}", flush=True)


def around(text: str, pieces: Sequence[tuple[int, int]]) -> str:
    """Return `text`, or, if it is long, only the part around its first odd piece."""
    start = max(0, min((pieces[0][0] if pieces else 0) - WIDEST // 2, len(text) - WIDEST))
    return "…" * (start > 0) + text[start : start + WIDEST] + "…" * (start + WIDEST < len(text))


def said(why: str, is_odd: bool) -> str:
    """Return a reason, coloured on a terminal if it `is_odd`."""
    return f"{ODD}{escaped(why)}{PLAIN}" if is_odd and has_colours() else printable(why)


@operation(Odd, path="/v1/odd", show=findings_shown)
def odd(request: Odd, work: Work) -> Iterator[OddFinding | OddRow]:
    check_false_alarms(request.false_alarms)
    model = _kept_model(request, work) if work.is_model(request.good) else _learn(request, work)
    if request.as_read:
        work.rows(OddRow, dict.fromkeys(("detector", "why")))
        for file, number, line, _, verdicts in _judged(request, work, model, Told()):
            is_odd = bool(verdicts[0].p_value <= request.false_alarms and line.text)
            if request.all or is_odd:
                why = {"detector": verdicts[0].detector, "why": verdicts[0].why} if is_odd else {}
                about = {"line": number, "p_value": verdicts[0].p_value, "odd": is_odd, **why}
                pieces = sorted(piece for one in verdicts for piece in one.pieces if is_odd)
                yield OddRow.of(line, file=file, odd_pieces=pieces, **about)
        return
    work.rows(OddFinding, {})
    found, odd_ones, following = _found(request, work, model)
    if found.has_many(odd_ones):
        listed = f"{found.share(odd_ones):.1%} of the lines are listed, not {100 * request.false_alarms:.3g}%"
        first = _what_to_mask(request, work, found, odd_ones)
        work.note(f"{listed}: {first} add newer good lines, or accept what is harmless")
    if not odd_ones:
        work.say(f"nothing is odd at a false-alarm rate of {request.false_alarms:g}")
    odd_ones = odd_ones[: request.top]
    following = following[: max(0, (request.top or READ) - len(odd_ones))]
    for number, one in enumerate([*odd_ones, *following], 1):
        yield OddFinding.of(one, finding=number, odd=number <= len(odd_ones))


def _found(request: Odd, work: Work, model: LanguageModel) -> tuple[Findings, list[Oddity], list[Oddity]]:
    """Return all findings, those within the rate, and the next-oddest ones."""
    found = Findings(good_lines_of(model), request.false_alarms, request.top or READ)
    for file, number, line, masked, verdicts in _judged(request, work, model, found.told):
        found.add(Placed(file, number, line.text), masked, verdicts)
    return found, *found.listed(open_episodes=request.all)


class _Trial(Work):
    """Work that nobody watches."""

    def note(self, *notes: str) -> None: ...

    def progress(self, what: str, unit: str = "", streams: bool = False) -> ProgressShown:
        return contextlib.nullcontext(ignore_progress)


def _what_to_mask(request: Odd, work: Work, found: Findings, listed: Sequence[Oddity]) -> str:
    """Return the first mask with which far fewer lines would be listed, and how many: the lines are judged again.

    That needs files, which can be read twice, and lines with fields.
    """
    files = (name_of(request.good), *path_names(request.files))
    again = not found.good.is_plain and all(Path(file).is_file() for file in files)
    words = [(line.text, at) for one in listed if (line := one.oddest) for at, _ in one.odd_pieces]
    for mask in helpful_masks(words)[:TRIED] if again else ():
        with work.progress("trying masks"), contextlib.suppress(AfterwordError):  # a file may have changed
            trial = replace(request, mask=(*request.mask, mask), out=None, overwrite=False)
            with_mask, odd_ones, _ = _found(trial, _Trial(), _learn(trial, _Trial()))
            if (share := with_mask.share(odd_ones)) <= HELPS * found.share(listed):
                return f"`mask` {quote(mask)} would list {share:.1%}; or"
    return "mask what changes,"


Judged = tuple[str, int, OddLine, str, list[Verdict]]


def _judged(request: Odd, work: Work, model: LanguageModel, told: Told) -> Iterator[Judged]:
    """Yield the file of each line, its number, its cost, the line with the user's masks applied, and its verdicts, the
    oddest first. Empty lines are never odd: they are read only if every line is printed."""
    good, masks, rate = good_lines_of(model), Masks(check_calibrated(model).masks), request.false_alarms
    with work.progress("scoring lines", "lines", streams=request.as_read) as on_progress:
        read, files = 0, [*dict.fromkeys(path_names(request.files))]
        for file, before, some in work.lines(files, request.decoding, always=True):
            kept = {k: text for k, text in enumerate(some, before + 1) if text or (request.as_read and request.all)}
            each = costs(model, [*kept.values()], rate, work.still_wanted)
            for number, line in zip(kept, each, strict=True):
                known = masks(line.text)
                yield file, number, line, known, unmask(judge(good, known, line, rate, told), masks, line.text)
            read += len(some)
            on_progress(None, read)


def costs(model: LanguageModel, lines: Sequence[str], rate: float, on_progress: OnProgress) -> list[OddLine]:
    """Return the costs of `lines`, with the odd pieces of those within `rate`, if the calibration knows it."""
    return odd_lines(model, lines, max(rate, 1 / (len(check_calibrated(model).figures) + 1)), on_progress=on_progress)


def unmask(verdicts: Sequence[Verdict], masks: Masks, text: str) -> list[Verdict]:
    """Return one detector's `verdicts` on the masked `text`, with the odd parts as places in the text itself, as those
    without a `place` are already."""
    if not masks.patterns or not verdicts or not verdicts[0].place:
        return [*verdicts]
    spans = masks.origins(text)
    return [one._replace(pieces=[(spans[a][0], spans[b - 1][1]) for a, b in one.pieces]) for one in verdicts]


def _kept_model(request: Odd, work: Work) -> LanguageModel:
    """Return the model as it was calibrated.

    Raises OptionError if it cannot find odd lines at that rate, or for other masks.
    """
    model = work.model(request.good)
    if wrong := [name for name in request.given_names if name in ("out", "overwrite")]:
        raise OptionError(f"`{wrong[0]}` is for training, but {name_of(request.good)} is a model already: leave it out")
    work.check(path_names(request.files))
    if before := calibration_of(model):
        model = model.using(before.using)
    calibration, good = check_calibrated(model), good_lines_of(model)
    check_enough(request.false_alarms, good.rates.lines if good.places else len(calibration.figures))
    if not {*request.mask} <= {*calibration.masks}:
        raise OptionError("the model was calibrated with other masks: leave out `mask`, or calibrate it again")
    return model


def _learn(request: Odd, work: Work) -> LanguageModel:
    source, rate = name_of(request.good), request.false_alarms
    work.check([source, *path_names(request.files)])
    with work.progress(f"reading {source}"):
        lines = normal_lines([source], request.decoding, work)
    check_enough(rate, len(lines), LEAST, f"{source_name(source)} has")
    with work.progress("reading the kinds of line"):
        times = dict(clocks([*map(Masks(request.mask), lines)]))
        masks = (*request.mask, *times)
        texts = [*map(Masks(masks), lines)]
        good = GoodLines.of(texts)
    vocabulary = "words" if are_events(texts) else "char"
    if request.out is not None:
        _check_out(Path(request.out), request.overwrite)
    if masked := [*(f"times such as {printable(one)}" for one in times.values()), *good.masked_names]:
        more = f" and {len(masked) - MOST_NAMED:,} more" if len(masked) > MOST_NAMED else ""
        work.say(f"masked: {', '.join(masked[:MOST_NAMED])}{more}")
    begin = len(texts) - good.late
    lengths = accumulate(len(text) for text in reversed(texts[:begin]))
    enough = next((number for number, length in enumerate(lengths, 1) if length > MOST_LEARNED), begin)
    early, late = ([*map(good.hide, some)] for some in (texts[begin - enough : begin], texts[begin:]))
    del lines, texts, lengths  # 30 MB of a long log
    with temporary_folder() as temporary, work.progress("counting the n-grams"):
        name = Path(source).name if source != "-" else "lines"  # it is in the model's card
        model = _count_ngrams(temporary / name, early, vocabulary)
    with work.progress("calibrating") as on_progress:
        model = with_good_lines(calibrated(model, late, masks=masks, on_progress=on_progress), good)
    if request.out is not None:
        with writable(request.out) as place:
            model.save(place)
    return model


def _check_out(out: Path, overwrite: bool) -> None:
    """Raise RunError or ModelError if the model cannot be kept in `out`."""
    if out.exists() and not out.is_dir():
        raise ModelError(f"{out} is a file: give `out` a folder")
    if RunFolder(out).is_run:
        raise ModelError(f"{out} holds a run, which has a network: give `out` another folder")
    check_replaceable(out)
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise ModelError(f"{out} holds a model: replace it with `overwrite`, or give `out` another folder")


def _count_ngrams(training: Path, lines: Sequence[str], vocabulary: str) -> LanguageModel:
    """Return a model of `lines`, written to the file `training`, whose n-gram alone predicts.

    Each model has a network. This one's has one unit and has learned nothing, and no weight in any prediction.
    """
    training.write_text("\n".join([*lines, ""]), "utf-8")
    text = TextSettings(lines=True, vocabulary=vocabulary)
    with text.read([training]) as corpus:
        encoded = encode(corpus, learn_tokenizer(corpus, vocabulary, text.lowercase), training.parent)
    tokenizer = encoded.tokenizer
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=1, hidden_size=1, num_layers=1)
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(config).items()}
    about = {"recipe": "ngram", "base": None, **encoded.origin, "training": None, "validation": None}
    about, ngram = about | {"versions": versions("numpy")}, learn_ngram(encoded, HIGHEST_ORDER)
    saved = SavedModel(config, weights, tokenizer, encoded.unseen, about, ngram=ngram, mixture_weight=1.0)
    saved = replace(saved, writing=WRITING)
    return LanguageModel(saved, card(saved, samples=[], command="afterword odd . FILE"), using="ngram")
