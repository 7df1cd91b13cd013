from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from afterword.errors import ModelError
from afterword.model.network.config import Config, check_weights, weight_shapes
from afterword.records import as_record

CONFIG = Config(vocabulary_size=7, byte_tokens=256, embedding_size=3, hidden_size=5, num_layers=2, residual=True)


def test_a_config_comes_back_from_its_own_dict() -> None:
    assert as_record(Config, dataclasses.asdict(CONFIG)) == CONFIG


@pytest.mark.parametrize("value", [2**31, 2**63, 10**30, 0, -1, 1.0, "5", None, True, [5], float("nan")])
@pytest.mark.parametrize(
    "name", ["vocabulary_size", "byte_tokens", "embedding_size", "hidden_size", "num_layers", "cell", "residual"]
)
def test_a_value_no_network_can_have_is_refused_in_one_line_that_names_it(name: str, value: Any) -> None:
    if name == "residual" and value is True:
        value = 1
    with pytest.raises(ValueError, match=rf"^{name}:? .+$") as caught:
        as_record(Config, {**dataclasses.asdict(CONFIG), name: value})
    assert len(str(caught.value)) < 200


def test_parameters_are_those_of_torch() -> None:
    torch = pytest.importorskip("torch")
    modules = [torch.nn.Embedding(7, 3), torch.nn.LSTM(3, 5, 2), torch.nn.Linear(5, 7)]
    assert CONFIG.parameters == sum(weight.numel() for module in modules for weight in module.parameters())
    lstm = {f"lstm.{name}": tuple(weight.shape) for name, weight in modules[1].named_parameters()}
    assert {name: shape for name, shape in weight_shapes(CONFIG).items() if name.startswith("lstm.")} == lstm


def weights() -> dict[str, Any]:
    return {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(CONFIG).items()}


def test_weights_of_the_right_names_shapes_and_numbers_pass_and_an_unknown_one_is_refused() -> None:
    check_weights(CONFIG, weights())
    with pytest.raises(ModelError, match=r"^'lstm.weight_ih_l2' is unknown$"):
        check_weights(CONFIG, weights() | {"lstm.weight_ih_l2": np.zeros((20, 5), np.float32)})


def with_last(value: float) -> Any:
    return lambda weight: np.append(weight.flat[:-1], np.float32(value)).reshape(weight.shape)


@pytest.mark.parametrize("name", list(weight_shapes(CONFIG)))
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda weight: None, "is missing"),
        (lambda weight: np.zeros((2, 2), np.float32), "has the shape"),
        (lambda weight: weight.astype(np.float64), "holds float64"),
        (with_last(np.nan), "not finite"),
        (with_last(np.inf), "not finite"),
        (with_last(3e38), "beyond 1,000,000"),
    ],
)
def test_weights_that_are_not_the_configs_are_refused(name: str, wrong: Any, message: str) -> None:
    changed = {key: wrong(weight) if key == name else weight for key, weight in weights().items()}
    changed = {key: weight for key, weight in changed.items() if weight is not None}
    with pytest.raises(ModelError, match=f"^{name} {message}|{name}.*{message}"):
        check_weights(CONFIG, changed)
