"""Find the units of a model that detect a property of the text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from afterword.errors import OptionError
from afterword.inspection import questions
from afterword.inspection.gates import MOST_TRACED, beginning
from afterword.inspection.units import MOST_UNITS, TOP
from afterword.operations.inspect_ import Found
from afterword.operations.operation import ModelName, Request, Source, argument, operation
from afterword.operations.work import Work
from afterword.settings import setting


@dataclass(frozen=True)
class Units(Request):
    """Find the units that best predict where something occurs in a text: brackets, a name, a match of REGEX.

    MODEL is a model's folder or a run's folder. FILE is a text, also .gz, or - for standard input; at most its first
    20,000 characters are read. Units are chosen on the first half of the text. Their area under the ROC curve (AUC) is
    reported for the second half: 0.5 is chance, 1 is perfect. The best area that chance finds in as many units is
    reported too. Without `matching` or `asking`, all built-in questions are asked.
    """

    model: Annotated[ModelName, argument("the model that reads")]
    file: Annotated[Source, argument("the text")]
    _: KW_ONLY
    matching: str | None = setting(
        None, "ask where this regular expression, or its first group, matches", metavar="REGEX"
    )
    within: str | None = setting(
        None, "compare only places that this, or its first group, matches, such as text in brackets", metavar="REGEX"
    )
    asking: tuple[str, ...] = setting(
        (), "ask this built-in question (default: all; repeatable)", choices=tuple(questions.READY_MADE)
    )
    top: int = setting(TOP, "how many units to print per question", minimum=1, maximum=MOST_UNITS)


@operation(Units)
def units(request: Units, work: Work) -> Iterator[Found]:
    asked = [] if request.matching is None else [questions.matching(request.matching)]
    asked += map(questions.ready_made, request.asking)
    within = None if request.within is None else questions.matching(request.within)
    model = work.model(request.model)
    text = work.text(str(request.file), MOST_TRACED + 1, unwrap=model.unwraps)
    read = beginning(model, text[:MOST_TRACED])
    if len(read) < len(text):
        work.note(f"only the first {len(read):,} characters are read")
    with work.progress("looking at the units"):
        found = model.units(read)
    for question in asked or map(questions.ready_made, questions.READY_MADE):
        try:
            with work.progress(question.title):
                answer = found.ask(question, request.top, within)
        except OptionError as error:
            if asked:
                raise
            work.note(error.message)  # not every text has brackets
        else:
            yield Found(finding=answer)
