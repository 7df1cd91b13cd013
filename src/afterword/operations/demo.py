"""See what Afterword does in three minutes, on a play by Shakespeare.

The play is *Julius Caesar*, compressed next to this file: Project Gutenberg's text without its licence block. It is in
the public domain.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import KW_ONLY
from pathlib import Path

from afterword.bases.installed import FOLDERS
from afterword.inspection.gates_page import gates_html
from afterword.language_model import load
from afterword.operations.operation import Request, TextPart, operation
from afterword.operations.train import train_and_report
from afterword.operations.work import Work
from afterword.planning.training_plan import NONE, TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.folder import RunFolder, check_run_place
from afterword.runs.run import Run
from afterword.settings import setting, settings_class
from afterword.storage import write_bytes
from afterword.text.corpus import TextSettings

PLAY = Path(__file__).parent / "demo-julius-caesar.txt.gz"
TEXTS = (PLAY.name, "python-help.txt")  # also that of an earlier version
BASE = "english"
FROM_NOTHING = "from-nothing"  # the folder of the second run, inside the first
PROMPT = "BRUTUS.\n"  # a speaker, as the play names them
TEMPERATURE, SEED, LENGTH = 0.7, 1, 240
ASKED = f"Each model writes after {PROMPT.strip()!r}, at temperature {TEMPERATURE:g} with seed {SEED}:"
PAGE = "gates.html"
LONGEST_SENTENCE = 200  # characters of a sentence
WIDTH = 80  # characters of a heading


@settings_class()
class Demo(Request):
    """Train on a play, from English and from scratch; write with both models, show the gates, and print what to try
    next.
    """

    example = "demo --out my-demo"

    _: KW_ONLY
    out: str | os.PathLike[str] = setting("the run's folder", default="afterword-demo", metavar="DIR", short="o")
    minutes: float = setting("how long to train each of the two models", default=1.0, above=0, maximum=525_600)


def headed(heading: str, *text: str) -> TextPart:
    """Return a part below a heading."""
    return TextPart(text="\n".join([f"--- {heading}: ".ljust(WIDTH, "-"), *text]))


@operation(Demo)
def demo(request: Demo, work: Work) -> Iterator[TextPart]:
    out, minutes = os.fspath(request.out), request.minutes
    runs = {Path(out): TrainingSettings(base=BASE, minutes=minutes)}
    runs[Path(out, FROM_NOTHING)] = TrainingSettings(base=NONE, minutes=minutes)
    for place in runs:
        check_run_place(RunFolder(place), _is_demo(place), {})
    page = Path(out, PAGE)
    yield TextPart(
        text=f"""\
Afterword trains a small LSTM on a text, here Julius Caesar, for about {minutes:g} min on this machine.
It starts from {BASE}, a model that ships with Afterword and was trained on many texts, but not on Shakespeare.
For comparison, a second model is trained on the play alone, for the same time.
The last tenth of the play is held out to measure the models.
"""
    )
    done = list[Run]()
    for place, settings in runs.items():
        yield headed(f"training from {'scratch' if settings.base == NONE else settings.base}")
        with work.progress("reading the text and planning"):
            run = begin([str(PLAY)], place, TextSettings(), settings, overwrite=_is_demo(place))
        train_and_report(run, work)
        done.append(run)
    both, alone = done
    models = {
        f"{BASE} alone": load(FOLDERS[BASE]),
        f"the play alone, in {alone.seconds:.0f} s": load(alone.folder.path),
        f"{BASE}, then the play, in {both.seconds:.0f} s": load(both.folder.path),
    }
    held_out = both.encoded.tokenizer.decode(both.encoded.validation)
    yield headed("bits per character on the held-out tenth (a plain text file needs 8)")
    for name, model in models.items():
        with work.progress(f"scoring by {name}"):
            yield TextPart(text=f"{model.score(held_out).bits_per_character:.2f}  {name}")
    yield TextPart(text=f"\n{ASKED}\n")
    for name, model in models.items():
        written = str(model.generate(PROMPT, max_tokens=LENGTH, temperature=TEMPERATURE, seed=SEED))
        yield headed(name, f"{written}\n")
    sentence = first_sentence(written)
    write_bytes(page, gates_html(load(out).gates(sentence), "the demo's model reads what it just wrote").encode())
    yield TextPart(text=f"To see its gates while it reads {' '.join(sentence.split())!r}, open {page} in a browser.\n")
    name, folder = work.program, shlex.quote(out)
    yield headed(
        "try next",
        f"""\
{name} generate {folder} --prompt "Friends, " --temperature 0.5
{name} generate {BASE} --prompt "The sea was "
{name} score {folder} SOME_FILE.txt
{name} inspect {folder} "Divya likes to eat. Reena is not fat."
{name} info {folder}
{name} train YOUR_OWN.txt --minutes 5""",
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
