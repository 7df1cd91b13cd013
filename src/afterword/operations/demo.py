"""See what Afterword does in three minutes, on a play by Shakespeare, or on a task with a known answer.

The play is *Julius Caesar*, compressed next to this file: Project Gutenberg's text without its licence block. It is in
the public domain.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from msgspec import UNSET, UnsetType

from afterword.bases.installed import FOLDERS
from afterword.inspection.gates_page import gates_html
from afterword.inspection.questions import Mask, matching
from afterword.inspection.tasks import MEASURED, TASKS, Task, drawn
from afterword.inspection.trace import named_units, openness
from afterword.inspection.units import Answer, UnitMatch
from afterword.language_model import LanguageModel, load
from afterword.operations.operation import Record, Request, operation
from afterword.operations.train import trained
from afterword.operations.work import Work
from afterword.planning.training_plan import NONE, TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.folder import RunFolder, check_place
from afterword.runs.run import Run
from afterword.settings import SEEDS, setting
from afterword.storage import write_bytes
from afterword.text.corpus import TextSettings
from afterword.text.unicode import visible

PLAY = Path(__file__).parent / "demo-julius-caesar.txt.gz"
TEXTS = (PLAY.name, "python-help.txt", *(f"{task}.txt" for task in TASKS))  # also that of an earlier version
BASE = "english"
FROM_NOTHING = "from-nothing"  # the folder of the second run, inside the first
PROMPT = "BRUTUS.\n"  # a speaker, as the play names them
TEMPERATURE, SEED, LENGTH = 0.7, 1, 240
ASKED = f"Each model writes after {PROMPT.strip()!r}, at temperature {TEMPERATURE:g} with seed {SEED}:"
PAGE = "gates.html"
LONGEST_SENTENCE = 200  # characters of a sentence
WIDTH = 80  # characters of a heading
PAGE_CHARACTERS, DRAWN = 2000, 76  # of a task's text on the page, and in the terminal
LONGEST = 600  # characters back that a task's memory is measured
HELD_UNITS = 8  # a network keeps an answer in several cells, so the best are held together
SMALL: dict[str, Any] = {
    "hidden_size": 64,
    "batch_size": 16,
    "learning_rate": 0.014,
    "dropout": 0.0,
    "ngram": 0,
    "threads": 1,
}


@dataclass(frozen=True)
class Demo(Request):
    """Train on a play, from English and from scratch; write with both models, show the gates, and print what to try
    next.

    With `task`, train instead on a text that requires remembering one thing, show the cells that remember it, and
    write with these cells held. This takes a minute or two. The number of steps is fixed.
    """

    _: KW_ONLY
    out: str | os.PathLike[str] = setting("afterword-demo", "the run's folder", metavar="DIR", short="o")
    minutes: float = setting(1.0, "how long to train each of the two models", above=0, maximum=525_600)
    task: str | None = setting(
        None,
        "train on a task with a known answer, in a folder with its name",
        choices=tuple(TASKS),
        excludes=("minutes",),
    )
    seed: int = setting(0, "seed of the task's text and network", needs="task", **SEEDS)


class Told(Record, kw_only=True):
    """A part of the demo's report."""

    heading: str | UnsetType = UNSET
    text: str | UnsetType = UNSET

    def __str__(self) -> str:
        heading = [f"--- {self.heading}: ".ljust(WIDTH, "-")] if isinstance(self.heading, str) else []
        return "\n".join([*heading, *([self.text] if isinstance(self.text, str) else [])])


@operation(Demo)
def demo(request: Demo, work: Work) -> Iterator[Told]:
    if request.task is not None:
        yield from _task(request.task, Path(request.out), request.seed, work)
        return
    out, minutes = os.fspath(request.out), request.minutes
    runs = {Path(out): TrainingSettings(base=BASE, minutes=minutes)}
    runs[Path(out, FROM_NOTHING)] = TrainingSettings(base=NONE, minutes=minutes)
    for place in runs:
        check_place(RunFolder(place), _is_demo(place), {})
    page = Path(out, PAGE)
    yield Told(
        text=f"""\
Afterword trains a small LSTM on a text, here Julius Caesar, for about {minutes:g} min on this machine.
It starts from {BASE}, a model that ships with Afterword and was trained on many texts, but not on Shakespeare.
For comparison, a second model is trained on the play alone, for the same time.
The last tenth of the play is held out to measure the models.
"""
    )
    done = list[Run]()
    for place, settings in runs.items():
        yield Told(heading=f"training from {'scratch' if settings.base == NONE else settings.base}")
        with work.progress("reading the text and planning"):
            run = begin([str(PLAY)], place, TextSettings(), settings, overwrite=_is_demo(place))
        trained(run, work)
        done.append(run)
    both, alone = done
    models = {
        f"{BASE} alone": load(FOLDERS[BASE]),
        f"the play alone, in {alone.seconds:.0f} s": load(alone.folder.path),
        f"{BASE}, then the play, in {both.seconds:.0f} s": load(both.folder.path),
    }
    held_out = both.encoded.tokenizer.decode(both.encoded.validation)
    yield Told(heading="bits per character on the held-out tenth (a plain text file needs 8)")
    for name, model in models.items():
        with work.progress(f"scoring by {name}"):
            yield Told(text=f"{model.score(held_out).bits_per_character:.2f}  {name}")
    yield Told(text=f"\n{ASKED}\n")
    for name, model in models.items():
        length = model.writing_defaults.tokens(LENGTH)
        written = str(model.generate(PROMPT, max_tokens=length, temperature=TEMPERATURE, seed=SEED))
        yield Told(heading=name, text=f"{written}\n")
    sentence = first_sentence(written)
    write_bytes(page, gates_html(load(out).gates(sentence), "the demo's model reads what it just wrote").encode())
    yield Told(text=f"To see its gates while it reads {' '.join(sentence.split())!r}, open {page} in a browser.\n")
    name, folder = work.program, shlex.quote(out)
    yield Told(
        heading="try next",
        text=f"""\
{name} generate {folder} --prompt "Friends, " --temperature 0.5
{name} generate {BASE} --prompt "The sea was "
{name} score {folder} SOME_FILE.txt
{name} inspect {folder} "Divya likes to eat. Reena is not fat."
{name} info {folder}
{name} train YOUR_OWN.txt --minutes 5""",
    )


def _task(name: str, out: Path, seed: int, work: Work) -> Iterator[Told]:
    """Train on the task with this name, and show the cells that do it."""
    task, place, source = TASKS[name], out / name, out / f"{name}.txt"
    check_place(RunFolder(place), _is_demo(place), {})
    out.mkdir(parents=True, exist_ok=True)
    write_bytes(source, task.text(seed).encode())
    yield Told(text=f"The task is {task.about}.\n")
    yield Told(heading=f"training on {source}")
    settings = TrainingSettings(base=NONE, steps=task.steps, seq_length=task.seq_length, seed=seed, **SMALL)
    with work.progress("reading the text and planning"):
        run = begin([str(source)], place, TextSettings(), settings, overwrite=_is_demo(place))
    model = trained(run, work)
    with work.progress("looking for the cells"):
        text = task.text(seed + 1, MEASURED)
        found = solution(model, task, text)
    best = found.best
    yield Told(heading="the cells that do it, found in a new text", text=f"{found.answer}\n")
    yield Told(heading=f"the {best.state} state of {best.name} over this text", text=f"{found.drawn}\n")
    yield Told(
        text=f"The characters to remember change the prediction up to {found.reach:,} characters later.\n"
        f"Among the best cells, {best.name} keeps longest: 37 % is left after {found.memory:,.1f} characters.\n"
    )
    yield Told(
        heading="the proof: these cells held",
        text=f"what is due costs {found.bits:.2f} bits per character, and {found.held_bits:.2f} with them held\n",
    )
    for title, hold in zip(
        ("as it is", "held as where true", "held as where false"), ((), *found.held_at), strict=True
    ):
        written = model.hold(*hold).generate(task.prompt, max_tokens=24, temperature=task.temperature, seed=SEED)
        yield Told(text=f"{title:>19}: {''.join(map(visible, str(written)))}")
    page = out / f"{name}.html"
    units = named_units([one.name for one in found.answer.units], model.config)
    write_bytes(page, gates_html(model.gates(text[:PAGE_CHARACTERS]), f"the task {name}", units).encode())
    program, folder = work.program, shlex.quote(str(place))
    yield Told(
        heading="try next",
        text=f"""\
open {page} in a browser
{program} units {folder} {shlex.quote(str(source))} --matching '{task.matching}' --within '{task.within}'
{program} generate {folder} --prompt {shlex.quote(task.prompt)} --hold {" --hold ".join(found.held_at[0])}""",
    )


class Solution(NamedTuple):
    """The cells of a model that do a task, and what happens if they are held."""

    answer: Answer
    best: UnitMatch
    """The unit with the longest memory among those with the largest area."""
    memory: float
    """The memory of `best` between resets, in characters; the input gate can refresh what the unit holds."""
    reach: int
    """The horizon of the characters to remember, in characters."""
    bits: float
    """The cost of what is due, in bits per character."""
    held_bits: float
    """This cost with the best units held at their means."""
    held_at: tuple[tuple[str, ...], tuple[str, ...]]
    """The values to hold these units at: their means where the question is true, and where it is false."""
    drawn: str
    """The beginning of the text, and the state of `best` below it."""


def solution(model: LanguageModel, task: Task, text: str) -> Solution:
    """Find the cells that do `task`, and measure what `text` costs without them."""
    answer, trace = model.units(text).matching(task.matching, HELD_UNITS, task.within), model.gates(text)
    true, within, due = (matching(one).where(text) for one in (task.matching, task.within, task.due))
    values = [getattr(trace, one.state)[:, one.layer, one.unit] for one in answer.units]
    names = [one.name + (".cell" if one.state == "cell" else "") for one in answer.units]

    def held(where: Mask) -> tuple[str, ...]:
        return tuple(f"{name}={each[where].mean():.3f}" for name, each in zip(names, values, strict=True))

    def cost(model: LanguageModel) -> float:
        return float(model.score(text).token_nats[due].mean() / np.log(2))

    layers = openness(trace)
    memories = [float(layers[one.layer].memory[one.unit]) for one in answer.units]
    k = max(range(len(memories)), key=lambda k: (round(answer.units[k].area, 3), memories[k]))
    return Solution(
        answer,
        answer.units[k],
        memories[k],
        model.horizon(text, steps=LONGEST, at=task.remembered).reach,
        cost(model),
        cost(model.hold(*held(within))),
        (held(true & within), held(within & ~true)),
        drawn(text[:DRAWN], values[k]),
    )


def _is_demo(place: Path) -> bool:
    """Return whether `place` has a run of an earlier demo. Only such a run may be replaced."""
    folder = RunFolder(place)
    sources = folder.read_record().text["sources"] if folder.is_run else []
    return len(sources) == 1 and Path(sources[0]).name in TEXTS


def first_sentence(text: str) -> str:
    """Return the first sentence of `text`, shortened if it is too long; all of `text` if no sentence ends in it."""
    text = text.strip()
    found = re.match(r".{20,}?[.!?:](?=\s|$)", text, re.DOTALL)
    return (found[0] if found else text)[:LONGEST_SENTENCE] or "\n"
