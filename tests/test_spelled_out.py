"""The keyword arguments of Python are the settings, name by name, type by type, default by default."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import pytest

import afterword
from afterword.generation.sampling import Sampling
from afterword.planning.training_plan import TrainingSettings
from afterword.series.table_corpus import SeriesSettings
from afterword.text.corpus import TextSettings

WIDER = {  # what Python accepts in addition to the type that is kept
    "base": "str | os.PathLike[str]",
    "stop": "str | Sequence[str]",
    "contains": "str | Sequence[str]",
    "logit_bias": "Mapping[str, float] | Sequence[str]",
    "validation": "str | float | os.PathLike[str] | None",
}


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (afterword.train, (TextSettings, SeriesSettings, TrainingSettings)),
        (afterword.LanguageModel.generate, (Sampling,)),
        (afterword.LanguageModel.stream, (Sampling,)),
        (afterword.LanguageModel.samples, (Sampling,)),
    ],
)
def test_the_signature_names_every_option_with_its_type_and_default(
    function: Callable[..., object], kinds: tuple[Any, ...]
) -> None:
    parameters = inspect.signature(function).parameters
    fields = [field for kind in kinds for field in dataclasses.fields(kind)]
    assert {field.name: parameters[field.name].default for field in fields} == {
        field.name: field.default for field in fields
    }
    assert {field.name: parameters[field.name].annotation for field in fields} == {
        field.name: WIDER.get(field.name, field.type) for field in fields
    }
    assert all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters.values())


def test_an_unknown_option_is_named() -> None:
    train: Any = afterword.train
    with pytest.raises(TypeError, match=r"train\(\) got an unexpected keyword argument 'minuts'"):
        train("book.txt", minuts=5)
