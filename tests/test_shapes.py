"""A call that does not fit the shapes in a signature fails, in the tests alone."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from afterword.generation.sampling import keep_known
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.network import Network
from tests.shapes import ShapeError

CONFIG = Config(5, 1, 4, 3, 2)
NETWORK = Network(CONFIG, {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(CONFIG).items()})


@pytest.mark.parametrize(
    ("function", "given", "why"),
    [
        (NETWORK.step, [np.zeros((2, 1), np.int32), NETWORK.start(2)], r"step: ids has the shape \[2, 1\], not"),
        (NETWORK.step, [np.zeros(2, np.int32), NETWORK.start(3)], r"state.hidden has the shape .*, not \[L B _\]"),
        (NETWORK.step, [np.zeros(2), NETWORK.start(2)], "ids has float64, not integer"),
        (keep_known, [np.ones((2, 3)), np.ones(2, bool), 0.5], r"known has the shape \[2\], not \[... R\]"),
    ],
)
def test_a_call_that_does_not_fit_its_signature_fails(function: Any, given: list[Any], why: str) -> None:
    with pytest.raises(ShapeError, match=why):
        function(*given)


def test_a_result_that_does_not_fit_fails_in_the_tests_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NETWORK, "_logits", lambda outputs: outputs[0])
    with pytest.raises(ShapeError, match=r"Network.advance: the result has the shape .*, not \[B R\]"):
        NETWORK.advance(np.zeros((2, 4), np.int32), NETWORK.start(2))
    code = "from afterword.model.ngram.mixture import mixed; print(hasattr(mixed, '__wrapped__'))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
