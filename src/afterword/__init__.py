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
    from afterword.forecasting.forecasts import forecast
    from afterword.generation.texts import Piece, Sample
    from afterword.language_model import LanguageModel, load
    from afterword.scoring.costs import Score
    from afterword.training import train

__version__ = "0.2.0"
__all__ = ["AfterwordError", "LanguageModel", "Piece", "Sample", "Score", "__version__", "forecast", "load", "train"]

_HOMES = {
    "AfterwordError": "errors",
    "LanguageModel": "language_model",
    "Piece": "generation.texts",
    "Sample": "generation.texts",
    "Score": "scoring.costs",
    "forecast": "forecasting.forecasts",
    "load": "language_model",
    "train": "training",
}


def __getattr__(name: str) -> "Any":
    from importlib import import_module

    if name not in _HOMES:
        raise AttributeError(f"module 'afterword' has no attribute {name!r}")
    return getattr(import_module(f"afterword.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
