"""Which units tell where something holds: inside quotation marks, in a speaker's name, where an expression matches.

A unit is judged by the area under the curve (see `areas`): 0.5 tells nothing, 1 tells everything. Among thousands of
units some tell much of any text by chance. So units are chosen, and turned the right way, on the first half of the text
alone, and what is reported of them is measured on the second half. Beside it stands what the same search finds at best
when the answer is shifted along the text, where there is nothing to be found.
"""

from __future__ import annotations

import reprlib
from typing import overload

import numpy as np
from numpy.typing import NDArray

from afterword.errors import OptionError
from afterword.inspection import questions
from afterword.inspection.answer import Answer, UnitMatch
from afterword.inspection.areas import areas, midranks
from afterword.inspection.gates import look_at_gates
from afterword.inspection.inspected import Inspected
from afterword.inspection.questions import Mask, Question
from afterword.inspection.trace import Trace
from afterword.settings import whole_number
from afterword.text.tokenizer import Tokenizer

STATES = ("hidden", "cell")
SHIFTS = 20
TOP, MOST_UNITS = 5, 1000  # units per answer


class Units:
    """The units of a model over a text, ready to be asked. Ranks are made once, which takes the most time."""

    def __init__(self, trace: Trace, tokenizer: Tokenizer) -> None:
        self.text = trace.text
        self._places = character_of_each_token(trace, tokenizer)
        T, L, H = trace.hidden.shape
        self._middle = T // 2
        self._names = [(layer, unit, state) for state in STATES for layer in range(L) for unit in range(H)]
        values = np.concatenate([getattr(trace, state).reshape(T, L * H) for state in STATES], axis=1)
        self._ranks = [midranks(half) for half in (values[: self._middle], values[self._middle :])]

    def __repr__(self) -> str:
        return f"Units({reprlib.repr(self.text)}, {len(self._names) // len(STATES):,} units)"

    def ask(self, question: Question, top: int = TOP) -> Answer:
        """Which `top` units tell where what is asked for is.

        Raises OptionError where that is everywhere or nowhere in one of the two halves of the text.
        """
        return self.tell(question.title, question.where(self.text), top)

    def matching(self, pattern: str, top: int = TOP) -> Answer:
        """Which units tell where the regular expression `pattern` matches. Raises OptionError."""
        return self.ask(questions.matching(pattern), top)

    def ready_made(self, name: str, top: int = TOP) -> Answer:
        """The answer to a ready-made question. Raises OptionError."""
        return self.ask(questions.ready_made(name), top)

    def tell(self, question: str, characters: Mask, top: int = TOP) -> Answer:
        """Which units tell where `characters` [N], one truth per character of the text, holds. Raises as `ask` does."""
        top = _checked(top)
        mask = characters[self._places]
        first, second = mask[: self._middle], mask[self._middle :]
        if not mask.any():
            raise OptionError(f"{question} matches nothing in this text: choose another expression or a longer text")
        if mask.all():
            raise OptionError(f"{question} matches everything in this text: it can tell nothing apart")
        for half, name in ((first, "first"), (second, "second")):
            if half.all() or not half.any():
                where = "everywhere" if half.any() else "nowhere"
                raise OptionError(f"{question} holds {where} in the {name} half of the text: give a longer text")
        found, area = (areas(ranks, half) for ranks, half in zip(self._ranks, (first, second), strict=True))
        above = found >= 0.5
        found, area = np.where(above, found, 1 - found), np.where(above, area, 1 - area)
        best: dict[tuple[int, int], UnitMatch] = {}  # of each unit the state that tells more
        for k in np.argsort(-found, kind="stable"):
            layer, unit, state = self._names[k]
            if (layer, unit) not in best:
                best[layer, unit] = UnitMatch(layer, unit, state, bool(above[k]), float(found[k]), float(area[k]))
            if len(best) == top:
                break
        return Answer(question, float(mask.mean()), list(best.values()), self._chance(first, second))

    def _chance(self, first: Mask, second: Mask) -> float:
        """The largest held-out area that the same search finds for answers that are shifted along each half."""
        highest = 0.5
        for k in range(1, SHIFTS + 1):
            shifted = [np.roll(half, k * len(half) // (SHIFTS + 1)) for half in (first, second)]
            found, area = (areas(ranks, half) for ranks, half in zip(self._ranks, shifted, strict=True))
            chosen = np.abs(found - 0.5).argmax()
            highest = max(highest, float(area[chosen] if found[chosen] >= 0.5 else 1 - area[chosen]))
        return highest


@overload
def ask_units(model: Inspected, text: str) -> Units: ...


@overload
def ask_units(model: Inspected, text: str, *, matching: str, top: int = ...) -> Answer: ...


@overload
def ask_units(model: Inspected, text: str, *, asking: str, top: int = ...) -> Answer: ...


def ask_units(
    model: Inspected, text: str, *, matching: str | None = None, asking: str | None = None, top: int = TOP
) -> Units | Answer:
    """The `top` units that best tell where in `text` the regular expression `matching` matches.

    Or those that answer the ready-made question `asking` ("brackets", "quotes" …); without either, the units over this
    text, ready to be asked. Raises as `gates` does, and OptionError for what cannot be asked.
    """
    if matching is not None and asking is not None:
        raise OptionError("matching and asking are two questions: ask one after the other, of model.units(text)")
    question = None  # what cannot be asked is refused before the work
    if matching is not None:
        question = questions.matching(matching)
    elif asking is not None:
        question = questions.ready_made(asking)
    top = _checked(top)
    units = Units(look_at_gates(model, text), model.tokenizer)
    return units if question is None else units.ask(question, top)


def _checked(top: int) -> int:
    top = whole_number("top", top)
    if not 1 <= top <= MOST_UNITS:
        raise OptionError(f"top must be from 1 to {MOST_UNITS:,}, not {top}")
    return top


def character_of_each_token(trace: Trace, tokenizer: Tokenizer) -> NDArray[np.intp]:
    """The last character of the text that each token has a part in, [T]."""
    decoder = tokenizer.decoder()
    lengths = np.array([len(decoder.push(id)) for id in trace.ids.tolist()])
    ends = lengths.cumsum()
    return np.minimum(np.where(lengths > 0, ends - 1, ends), max(len(trace.text) - 1, 0)).astype(np.intp)
