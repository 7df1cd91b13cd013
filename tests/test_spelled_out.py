"""The keyword arguments of Python are the settings, name by name, type by type, default by default."""

from __future__ import annotations

import dataclasses
import inspect
from typing import Any

import pytest

import afterword
from afterword.generation.sampling import Sampling


@pytest.mark.parametrize("name", ["generate", "stream", "samples"])
def test_the_signature_names_every_option_with_its_type_and_default(name: str) -> None:
    parameters = inspect.signature(getattr(afterword.LanguageModel, name)).parameters
    for field in dataclasses.fields(Sampling):
        found = parameters[field.name]
        assert (found.default, found.annotation) == (field.default, field.type), field.name
    assert all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters.values())


def test_an_unknown_option_is_named() -> None:
    train: Any = afterword.train
    with pytest.raises(TypeError, match=r"train\(\) got an unexpected keyword argument 'minuts'"):
        train("book.txt", minuts=5)
