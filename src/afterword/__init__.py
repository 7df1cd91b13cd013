"""Afterword: a small LSTM trained on a text of your own. It writes more of the text and scores other text.

    model = afterword.train("book.txt", minutes=5)
    model = afterword.load("book")
    model.generate("Brutus: ", max_tokens=200, seed=1).text
    model.score("Friends, Romans, countrymen").bits_per_character

The names are loaded when they are first used, so that importing the package costs nothing. Not even `typing` is
imported, because Ctrl-C during an import would print a traceback until the command can handle it.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from afterword.errors import AfterwordError
    from afterword.generation.texts import Piece, Sample
    from afterword.language_model import LanguageModel, load
    from afterword.operations.bases import bases_
    from afterword.operations.compare import compare
    from afterword.operations.demo import demo
    from afterword.operations.generate import generate
    from afterword.operations.info import info
    from afterword.operations.novelty import novelty
    from afterword.operations.plan import plan
    from afterword.operations.score import score
    from afterword.operations.surprises import surprises
    from afterword.operations.train import train
    from afterword.scoring.costs import Score
    from afterword.serving.serve import serve
    from afterword.wings.export.export import export
    from afterword.wings.hub.push import push
    from afterword.wings.lesson.ablation import ablate
    from afterword.wings.lesson.horizon import horizon
    from afterword.wings.lesson.inspecting import inspect
    from afterword.wings.lesson.keeping import keeps
    from afterword.wings.lesson.step_page import step_page
    from afterword.wings.lesson.units import units
    from afterword.wings.odd.accept import accept
    from afterword.wings.odd.calibrate import calibrate
    from afterword.wings.odd.normal import calibrated, odd_lines
    from afterword.wings.odd.odd import odd
    from afterword.wings.series.forecast import forecast
    from afterword.wings.voice.voice import voice

__version__ = "0.3.0"
__all__ = [
    "AfterwordError",
    "LanguageModel",
    "Piece",
    "Sample",
    "Score",
    "__version__",
    "ablate",
    "accept",
    "bases_",
    "calibrate",
    "calibrated",
    "compare",
    "demo",
    "export",
    "forecast",
    "generate",
    "horizon",
    "info",
    "inspect",
    "keeps",
    "load",
    "novelty",
    "odd",
    "odd_lines",
    "plan",
    "push",
    "score",
    "serve",
    "step_page",
    "surprises",
    "train",
    "units",
    "voice",
]

_PLACES = {
    "AfterwordError": "errors:AfterwordError",
    "LanguageModel": "language_model:LanguageModel",
    "Piece": "generation.texts:Piece",
    "Sample": "generation.texts:Sample",
    "Score": "scoring.costs:Score",
    "load": "language_model:load",
}


def __getattr__(name: str) -> "Any":
    from afterword.commands import functions, resolve

    if place := {**functions(), **_PLACES}.get(name):
        return resolve(place)
    raise AttributeError(f"module 'afterword' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
