"""Accept odd lines as harmless, so that they are not listed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass, replace
from typing import Annotated

from afterword.errors import OptionError, TextError
from afterword.oddities.findings import Placed
from afterword.oddities.usual import MOST_ACCEPTED as MOST
from afterword.operations.calibrate import writable
from afterword.operations.operation import ModelName, Record, Request, argument, listed, operation
from afterword.operations.work import Work
from afterword.records import read_json
from afterword.settings import setting
from afterword.text.decoding import Decoding
from afterword.text.documents import counted
from afterword.text.lines import Masks, filled_lines
from afterword.text.tokenizer import check_text


@dataclass(frozen=True)
class Accept(Decoding, Request):
    """Accept lines as harmless: odd does not list them again, nor other lines with the same new kind or value.

    LINE is a line as it is in the log. `source` is a file of lines, or of findings as odd prints them with --json.
    Remove what is not harmless from it first. Findings below odd's rule, the next-oddest, are left out.

    The model's folder keeps the lines. The model is not trained again. `remove` forgets the lines. To print those that
    were accepted, use odd with --accepted.
    """

    model: Annotated[ModelName, argument("the calibrated model")]
    lines: Annotated[tuple[str, ...], argument("lines that are harmless", metavar="LINE", least=0)] = ()
    _: KW_ONLY
    source: str | None = setting(
        None, "a file of findings (JSON) or of lines; - is standard input", flag="from", metavar="FILE"
    )
    remove: bool = setting(False, "forget these lines instead")


class Accepted(Record, kw_only=True):
    """How many lines were accepted or forgotten, and how many there are now."""

    changed: int
    accepted: int

    def __str__(self) -> str:
        change = f"{abs(self.changed):,} {'more' if self.changed > 0 else 'fewer'}" if self.changed else "as before"
        return f"{counted(self.accepted, 'accepted line')}, {change}"


class ListedFinding(Record):
    """The part of a finding that is read back."""

    lines: list[Placed]
    odd: bool = True


@operation(Accept)
def accept(request: Accept, work: Work) -> Accepted:
    given = [*request.lines, *(() if request.source is None else _lines_of(request.source, request, work))]
    if not given:
        raise OptionError("there is nothing to accept: give a LINE, or `source`")
    for line in given:
        check_text(line)
    with writable(request.model) as folder:
        model = work.model(request.model)
        if model.usual is None or model.calibration is None:
            raise OptionError("this model does not know what is usual in lines: run afterword calibrate MODEL FILE")
        hide, before = Masks(model.calibration.masks), model.usual.accepted
        texts = dict.fromkeys(map(hide, given))
        kept = [line for line in before if line not in texts]
        now = kept if request.remove else [*before, *(line for line in texts if line not in before)]
        if len(now) > MOST:
            raise OptionError(f"a model keeps at most {MOST:,} accepted lines: calibrate it again with newer lines")
        model.with_usual(replace(model.usual, accepted=now)).save(folder)
    return Accepted(changed=len(now) - len(before), accepted=len(now))


def _lines_of(source: str, request: Accept, work: Work) -> Iterator[str]:
    """Yield the lines of a text, or of a file of findings, whose next-oddest ones are included only to forget them.

    Raises TextError.
    """
    with work.reader(request) as reader:
        for block in filled_lines(reader.read(listed(source))):
            for line in block:
                if not line.startswith('{"finding"'):
                    yield line
                    continue
                try:
                    found = read_json(ListedFinding, line)
                    yield from (one.text for one in found.lines if found.odd or request.remove)
                except ValueError as error:
                    raise TextError(f"{source} has a finding that cannot be read: {error}") from None
