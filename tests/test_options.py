"""The keyword arguments of Python are the settings, name by name, type by type, default by default."""

from __future__ import annotations

import dataclasses
import inspect
import os
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

import afterword
from afterword.generation.sampling import Sampling
from afterword.options import SamplingOptions, TextOptions, TrainingOptions, TrainOptions
from afterword.planning.settings import TrainingSettings
from afterword.text.corpus import TextSettings

WIDER = {  # what Python takes beside the type that is kept
    "base": str | os.PathLike[str],
    "stop": str | Sequence[str],
    "contains": str | Sequence[str],
    "logit_bias": Mapping[str, float] | Sequence[str],
    "validation": str | float | os.PathLike[str] | None,
}


@pytest.mark.parametrize(
    ("options", "kind"),
    [(SamplingOptions, Sampling), (TextOptions, TextSettings), (TrainingOptions, TrainingSettings)],
)
def test_the_options_are_the_fields_of_the_settings_and_of_their_types(options: Any, kind: Any) -> None:
    hints = typing.get_type_hints(kind)
    wanted = {field.name: WIDER.get(field.name, hints[field.name]) for field in dataclasses.fields(kind)}
    assert typing.get_type_hints(options) == wanted
    assert not options.__required_keys__


@pytest.mark.parametrize(
    ("function", "options", "kinds"),
    [
        (afterword.train, TrainOptions, (TextSettings, TrainingSettings)),
        (afterword.LanguageModel.generate, SamplingOptions, (Sampling,)),
        (afterword.LanguageModel.stream, SamplingOptions, (Sampling,)),
    ],
)
def test_the_signature_names_every_option_with_its_default(
    function: Callable[..., object], options: Any, kinds: tuple[Any, ...]
) -> None:
    parameters = inspect.signature(function).parameters
    defaults = {field.name: field.default for kind in kinds for field in dataclasses.fields(kind)}
    assert {name: parameters[name].default for name in options.__annotations__} == defaults
    assert all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters.values())


def test_an_option_that_there_is_not_is_named() -> None:
    train: Any = afterword.train
    with pytest.raises(TypeError, match=r"train\(\) got an unexpected keyword argument 'minuts'"):
        train("book.txt", minuts=5)
