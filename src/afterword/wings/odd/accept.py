"""Accept odd lines as harmless, so that they are not listed again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import KW_ONLY, replace
from typing import Annotated

from msgspec import UNSET, UnsetType

from afterword.errors import OptionError, TextError
from afterword.language_model import LanguageModel
from afterword.operations.operation import ModelName, Record, Request, argument, operation, path_names
from afterword.operations.work import Work, some
from afterword.records import read_json
from afterword.settings import setting, settings_class
from afterword.text.decoding import Encoding
from afterword.text.lines import Masks, filled_lines
from afterword.text.unicode import utf_8
from afterword.wings.odd.calibrate import writable
from afterword.wings.odd.detectors import DETECTORS, Placed, new_values, odd_text
from afterword.wings.odd.good_lines import MOST_ACCEPTED as MOST
from afterword.wings.odd.good_lines import GoodLines, Harmless
from afterword.wings.odd.normal import calibration_of, good_lines_of, with_good_lines
from afterword.wings.odd.odd import RATE, costs, unmask
from afterword.wings.odd.rates import silence
from afterword.wording import count_of, printable

ANY = 0.5  # the rate within which the odd parts of a text are found
KEY = r'"(?:finding"\s*:\s*\d|odd_pieces"\s*:\s*\[)'
FINDING = re.compile(rf"\{{.*{KEY}")  # in any order and with any spacing, such as that of jq
CSV = "finding,detector,|file,line,text,bits,"  # as a table of findings begins, or one of lines as read
SPREAD = re.compile(rf"\s*(?:\[.*)?{KEY}|{CSV}")  # over several lines, in a list, or in a table


@settings_class()
class Accept(Encoding, Request):
    """Accept what is odd in lines as harmless: odd does not list it again.

    LINE is a line as it is in the log; all that is odd in it is accepted. `source` is a file of lines, or of findings
    as odd prints them with --json. If you accept a finding, only what was found is harmless from then on, not the whole
    line: for example a new user at that place, but not a new address next to it. First remove findings that are not
    harmless from the file. The next-oddest findings, below odd's rule, are ignored.

    The model's folder keeps the lines. The model is not trained again. `remove` forgets the lines. Without LINE and
    `source`, the accepted lines are printed.
    """

    example = "accept log-model --from findings.json"

    model: Annotated[ModelName, argument("the calibrated model")]
    lines: Annotated[tuple[str, ...], argument("lines that are harmless", metavar="LINE", least=0)] = ()
    _: KW_ONLY
    source: str | None = setting(
        "a file of findings (JSON) or of lines; - is standard input", default=None, flag="from", metavar="FILE"
    )
    remove: bool = setting("forget these lines instead", default=False)


class Accepted(Record, kw_only=True):
    """How many lines were accepted or forgotten, and how many there are now."""

    changed: int
    accepted: int
    lines: list[str] | UnsetType = UNSET
    """The accepted lines, if no line was given."""

    def __str__(self) -> str:
        if isinstance(self.lines, list) and self.lines:
            return "\n".join(map(printable, self.lines))
        change = f"{abs(self.changed):,} {'more' if self.changed > 0 else 'fewer'}" if self.changed else "as before"
        return f"{count_of(self.accepted, 'accepted line')}, {change}"


class ListedFinding(Record, kw_only=True):
    """The part of a finding, or of a line that was printed as soon as it was read, that is read back."""

    lines: Sequence[Placed] = ()
    text: str = ""
    odd: bool = True
    detector: str | None = None
    """None for a line given by itself, and for one that is not odd."""
    why: str | None = None
    odd_pieces: Sequence[tuple[int, int]] = ()

    @property
    def texts(self) -> list[str]:
        """Its lines; those of a burst are equal."""
        return [self.text] if self.text else [one.text for one in self.lines[: 1 if self.detector == "rate" else None]]


@operation(Accept)
def accept(request: Accept, work: Work) -> Accepted:
    given = [ListedFinding(text=str(line)) for line in request.lines]  # of NumPy's strings too
    given += () if request.source is None else _findings_of(request.source, request, work)
    if not given and request.source is None and not request.remove:
        known = good_lines_of(work.model(request.model)).accepted
        return Accepted(changed=0, accepted=len(known), lines=known)
    if not given:
        why = f"{request.source} has no lines, or none that is odd" if request.source else "give a LINE, or `source`"
        raise OptionError(f"there is nothing to accept: {why}")
    for line in request.lines:
        utf_8(line)
        if not line or "\n" in line:
            raise OptionError("a LINE is one line that is not empty: give several one by one, or in a file by `source`")
    with writable(request.model) as folder:
        model = work.model(request.model)
        good, calibration = good_lines_of(model), calibration_of(model)
        if not good.places or calibration is None:
            raise OptionError("this model does not know what is usual in lines: run afterword calibrate MODEL FILE")
        hide, before = Masks(calibration.masks), dict.fromkeys(good.accepted)
        texts = dict.fromkeys(hide(text) for one in given for text in one.texts)
        now = {line: None for line in before if line not in texts} if request.remove else before | texts
        if request.remove and not texts.keys() & before.keys():
            work.note("none of these lines had been accepted")
        if len(now) > MOST:
            raise OptionError(f"a model keeps at most {MOST:,} accepted lines: calibrate it again with newer lines")
        found = {text: good.harmless_in(text) if text in before else [] for text in now}
        if not request.remove:
            with work.progress("judging lines", "lines") as on_progress:
                each = _harmless(model.using(calibration.using), good, hide, given, work)
                for done, (text, harmless) in enumerate(each, 1):
                    found[text] += [one for one in harmless if one not in found[text]]
                    on_progress(None, done)
        with_good_lines(model, replace(good, accepted=[*now], accepted_as=found)).save(folder)
    return Accepted(changed=len(now) - len(before), accepted=len(now))


def _harmless(
    model: LanguageModel, good: GoodLines, masks: Masks, given: Sequence[ListedFinding], work: Work
) -> Iterator[tuple[str, list[Harmless]]]:
    """Yield each line, masked, and what is harmless in it: what was found, nothing around it."""
    lines = [text for one in given for text in one.texts]
    each = (cost for part in some([lines]) for cost in costs(model, part, ANY, work.still_wanted))
    for one in given:
        silent, keys = [kind for kind in good.rates.regular if (one.why or "").startswith(silence(kind))], set[str]()
        for number, text in enumerate(one.texts):
            known, cost = masks(text), next(each)
            match None if number and good.continues(known) else one.detector:
                case "rate":
                    harmless = [Harmless("rate", kind) for kind in silent or [""]]
                case "value":
                    values = unmask(new_values(good, known, cost), masks, text)
                    keys |= keys or {value.key for value in values if {*value.pieces} <= {*one.odd_pieces}}
                    harmless = [Harmless("value", value.place) for value in values if value.key in keys]
                case "template":
                    harmless = [Harmless("template", "", cost.figure)]
                case "episode" | None:
                    [of_text] = odd_text(good, known, cost)
                    harmless = good.odd_in(known, cost.figure, of_text.key if of_text.p_value <= RATE else "")
                case name:
                    of_line = DETECTORS[name].of_line
                    harmless = [Harmless(name, each.key) for each in (of_line(good, known, cost) if of_line else ())]
            yield known, harmless


def _findings_of(source: str, request: Accept, work: Work) -> Iterator[ListedFinding]:
    """Yield the lines of a text, or the findings of a file, of which the next-oddest are included only to forget them.

    Raises TextError.
    """
    with work.reader(request.decoding) as reader:
        for block in filled_lines(reader.read(path_names(source))):
            for line in block:
                if SPREAD.match(line):
                    raise TextError(f"{source} must have each finding on a line of its own, as odd --json prints them")
                if not FINDING.match(line):
                    yield ListedFinding(text=line)
                    continue
                try:
                    found = read_json(ListedFinding, line)
                    if found.detector and found.detector not in DETECTORS:
                        raise ValueError(f"detector: invalid value {found.detector[:40]!r}")
                    if not (found.texts and all(text and "\n" not in text for text in found.texts)):
                        raise ValueError("lines, or its text, must be one or more lines, none of them empty")
                    if any(not 0 <= start <= stop <= len(found.texts[0]) for start, stop in found.odd_pieces):
                        raise ValueError("odd_pieces must lie in its first line")
                except ValueError as error:
                    raise TextError(f"{source} has a finding that cannot be read: {error}") from None
                if found.odd or request.remove:
                    yield found
