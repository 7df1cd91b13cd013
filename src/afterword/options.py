"""The settings as keyword arguments of Python's functions, for editors to complete and for mypy to check.

Defaults, limits and a line on each stand with the settings' own dataclasses; a test holds these types to them.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ParamSpec, TypedDict, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class SamplingOptions(TypedDict, total=False):
    """`generation.sampling.Sampling`."""

    max_tokens: int | None
    min_tokens: int
    temperature: float | None
    final_temperature: float | None
    top_k: int
    top_p: float
    min_p: float | None
    repetition_penalty: float | None
    logit_bias: Mapping[str, float] | Sequence[str]
    stop: str | Sequence[str]
    pattern: str | None
    only: str | None
    without: str | None
    starts_with: str | None
    contains: str | Sequence[str]
    reject: bool
    no_copy: int | None
    log_probabilities: int | None


class TextOptions(TypedDict, total=False):
    """`text.corpus.TextSettings`."""

    encoding: str
    encoding_errors: str
    lowercase: bool
    lines: bool
    labels: bool
    validation: str | float | os.PathLike[str] | None
    vocabulary: str


class TrainingOptions(TypedDict, total=False):
    """`planning.settings.TrainingSettings`."""

    recipe: str
    base: str | os.PathLike[str]
    minutes: float | None
    steps: int | None
    epochs: float | None
    cell: str
    num_layers: int | None
    hidden_size: int | None
    embedding_size: int | None
    batch_size: int | None
    seq_length: int | None
    dropout: float | None
    ngram: int | None
    learning_rate: float | None
    seed: int
    device: str
    threads: int | None
    checkpoint_every: int | None


class TrainOptions(TextOptions, TrainingOptions, total=False):
    """What `afterword.train` takes."""


def spelled_out(
    options: type[Any], *kinds: type[Any]
) -> Callable[[Callable[Arguments, Result]], Callable[Arguments, Result]]:
    """Decorate a function with **`options`, which are the fields of the settings `kinds`.

    Its signature, which `help` and notebooks show, then names each with its default; any other is a TypeError.
    """
    defaults = {field.name: field.default for kind in kinds for field in dataclasses.fields(kind)}

    def decorate(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
        own = inspect.signature(function)
        named = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        spelled = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name], annotation=hint.__forward_arg__
            )
            for name, hint in options.__annotations__.items()
        ]
        signature = own.replace(parameters=[*named, *spelled])

        @functools.wraps(function)
        def checked(*arguments: Arguments.args, **options: Arguments.kwargs) -> Result:
            try:
                signature.bind(*arguments, **options)
            except TypeError as error:
                raise TypeError(f"{function.__name__}() {error}") from None
            return function(*arguments, **options)

        checked.__signature__ = signature  # type: ignore[attr-defined]
        return checked

    return decorate
