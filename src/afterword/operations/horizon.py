"""Measure how far back a model remembers."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Annotated

from afterword.inspection.figures import check_plot, horizon_figure, write_figure
from afterword.inspection.horizon import HorizonSettings
from afterword.language_model import LanguageModel
from afterword.operations.inspect_ import Found
from afterword.operations.operation import ModelName, Output, Request, Source, argument, listed, operation
from afterword.operations.options import Overwriting
from afterword.operations.work import Work
from afterword.records import fact
from afterword.settings import made, setting

MOST_CHARACTERS = 1_000_000  # of the text that are read; the places are spread over them


@dataclass(frozen=True)
class Horizon(HorizonSettings, Overwriting, Request):
    """Measure how much the character k steps back still changes a model's prediction.

    MODEL is a model's folder or a run's folder. FILE is a text, also .gz, or - for standard input; its first million
    characters are read. One character is replaced by another one from the text, and the prediction k steps later is
    compared with the one without the change, as Kullback-Leibler divergence in bits. ± is the standard error over the
    places. To compare with a plain recurrent network, train one with --cell rnn.
    """

    model: Annotated[ModelName, argument("the model that reads")]
    file: Annotated[Source, argument("the text")]
    _: KW_ONLY
    against: tuple[ModelName, ...] = setting((), "also measure this model, side by side (repeatable)", metavar="MODEL")
    png: Output | None = setting(None, "draw the curves", ending=(".png",))
    svg: Output | None = setting(None, "draw the curves, as SVG", ending=(".svg",))


@operation(Horizon)
def horizon(request: Horizon, work: Work) -> Iterator[Found]:
    check_plot(request.png, request.svg)
    models = [(path, work.model(path)) for path in listed((request.model, *request.against))]
    text = work.text(str(request.file), MOST_CHARACTERS, unwrap=models[0][1].unwraps)
    if differs := _training_differs(model for _, model in models):
        work.note(f"these models were trained differently: {differs}")
    found = []
    for path, model in models:
        name = Path(path).name or path
        with work.progress(f"measuring {name}") as on_progress:
            one = model.horizon(text, **vars(made(HorizonSettings, vars(request))), on_progress=on_progress)
        found.append(dataclasses.replace(one, name=name))
        yield Found(finding=found[-1])
    if request.png is not None or request.svg is not None:
        write_figure(horizon_figure(found), request.png, request.svg)
        work.say(*(f"wrote {file}" for file in (request.png, request.svg) if file is not None))


def _training_differs(models: Iterable[LanguageModel]) -> str:
    """Return the differences in the training of `models`, in words, or an empty text."""
    found: dict[str, list[str]] = {"steps": [], "text": [], "vocabulary": [], "layers × units": []}
    for model in models:
        # a run with a time limit took as many steps as it could; its plan only estimates them
        timed = fact(model.about, "training", "plan", "minutes") is not None
        found["steps"].append(str(fact(model.about, "training", *([] if timed else ["plan"]), "steps") or "unknown"))
        found["text"].append(str(fact(model.about, "corpus", "fingerprint") or "unknown")[:8])
        found["vocabulary"].append(model.tokenizer.kind)
        found["layers × units"].append(f"{model.config.num_layers} × {model.config.hidden_size}")
    return "; ".join(f"{name} {' and '.join(each)}" for name, each in found.items() if len(set(each)) > 1)
