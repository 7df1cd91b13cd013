"""`--engine`: what a model runs on, and how the output says so."""

from __future__ import annotations

import sys

import click

from afterword.language_model import LanguageModel
from afterword.model.fast import ENGINES

engine_option = click.option(
    "--engine",
    default="numpy",
    type=click.Choice(ENGINES),
    show_default=True,
    help="fast: several times as fast, with weights of one byte (pip install 'afterword[fast]')",
)


def tell_engine(model: LanguageModel) -> dict[str, str]:
    """Say on standard error how long the engine of `model` took to make its graph; what JSON is to say of it.

    Nothing is said of NumPy, which is the definition.
    """
    if model.engine == "numpy":
        return {}
    print(f"engine {model.engine}: its graph took {model.engine_seconds:.2f} s to make", file=sys.stderr)
    return {"engine": model.engine}
