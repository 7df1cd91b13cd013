"""What every settings dataclass refuses, and what it makes of numbers that are not Python's own."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.generation.sampling import Sampling
from afterword.planning.training_plan import TrainingSettings
from afterword.text.corpus import TextSettings


@pytest.mark.parametrize(
    ("kind", "name", "value", "says"),
    [
        (Sampling, "top_k", True, "top_k= must be a whole number, not True"),
        (Sampling, "top_k", None, "top_k= must be a whole number, not None"),
        (Sampling, "top_k", "5", "top_k= must be a whole number, not '5'"),
        (Sampling, "max_tokens", 5.0, "max_tokens= must be a whole number, not 5.0"),
        (Sampling, "temperature", "0.8", "temperature= must be a number, not '0.8'"),
        (Sampling, "temperature", False, "temperature= must be a number, not False"),
        (Sampling, "temperature", np.float64("nan"), "temperature= must be a finite number, not nan"),
        (Sampling, "temperature", Decimal("0.8"), "temperature= must be a number, not Decimal"),
        (Sampling, "top_p", None, "top_p= must be a number, not None"),
        (Sampling, "stop", None, "stop= must be text, not None"),
        (Sampling, "stop", 5, "stop= must be text, not 5"),
        (Sampling, "stop", b"x", "stop= must be text, not b'x'"),
        (TrainingSettings, "minutes", "5", "minutes= must be a number, not '5'"),
        (TrainingSettings, "seed", None, "seed= must be a whole number, not None"),
        (TrainingSettings, "seed", np.bool_(True), "seed= must be a whole number, not"),
        (TrainingSettings, "hidden_size", np.float32(8), "hidden_size= must be a whole number"),
        (TrainingSettings, "hidden_size", np.array([8]), "hidden_size= must be a whole number"),
        (TrainingSettings, "device", None, "device= must be text, not None"),
        (TextSettings, "lowercase", 1, "lowercase= must be true or false, not 1"),
        (TextSettings, "lowercase", "no", "lowercase= must be true or false, not 'no'"),
        (TextSettings, "encoding", None, "encoding= must be text, not None"),
    ],
)
def test_a_value_of_another_type_is_refused(kind: Any, name: str, value: object, says: str) -> None:
    with pytest.raises(OptionError) as refused:
        kind(**{name: value})
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("kind", "name", "value", "own"),
    [
        (Sampling, "top_k", np.int64(5), 5),
        (Sampling, "temperature", np.float32(0.5), 0.5),
        (Sampling, "temperature", 1, 1.0),
        (TrainingSettings, "minutes", Fraction(1, 2), 0.5),
        (TrainingSettings, "hidden_size", np.uint8(8), 8),
    ],
)
def test_a_number_of_another_kind_becomes_pythons_own(kind: Any, name: str, value: object, own: object) -> None:
    found = dataclasses.asdict(kind(**{name: value}))[name]
    assert (found, type(found)) == (own, type(own))
