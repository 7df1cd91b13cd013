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

    from afterword.errors import AfterwordError as AfterwordError
    from afterword.generation.texts import Piece as Piece
    from afterword.generation.texts import Sample as Sample
    from afterword.language_model import LanguageModel as LanguageModel
    from afterword.language_model import load as load
    from afterword.operations.bases import bases_ as bases_
    from afterword.operations.compare import compare as compare
    from afterword.operations.demo import demo as demo
    from afterword.operations.generate import generate as generate
    from afterword.operations.info import info as info
    from afterword.operations.novelty import novelty as novelty
    from afterword.operations.plan import plan as plan
    from afterword.operations.score import score as score
    from afterword.operations.surprises import surprises as surprises
    from afterword.operations.train import train as train
    from afterword.scoring.costs import Score as Score
    from afterword.serving.serve import serve as serve
    from afterword.wings.export.export import export as export
    from afterword.wings.hub.push import push as push
    from afterword.wings.lesson.deciding import decides as decides
    from afterword.wings.lesson.horizon import horizon as horizon
    from afterword.wings.lesson.inspecting import inspect as inspect
    from afterword.wings.lesson.keeping import keeps as keeps
    from afterword.wings.lesson.lesson import lesson as lesson
    from afterword.wings.lesson.step_page import step_page as step_page
    from afterword.wings.odd.accept import accept as accept
    from afterword.wings.odd.calibrate import calibrate as calibrate
    from afterword.wings.odd.normal import calibrated as calibrated
    from afterword.wings.odd.normal import odd_lines as odd_lines
    from afterword.wings.odd.odd import odd as odd
    from afterword.wings.series.forecast import forecast as forecast
    from afterword.wings.voice.voice import voice as voice

__version__ = "0.3.0"


def __getattr__(name: str) -> "Any":
    from afterword.commands import public_names, resolve

    places = public_names()
    if name == "__all__":
        return sorted(["__version__", *places])
    if name in places:
        return resolve(places[name])
    raise AttributeError(f"module 'afterword' has no attribute {name!r}")


def __dir__() -> "list[str]":
    return __getattr__("__all__")  # type: ignore[no-any-return]
