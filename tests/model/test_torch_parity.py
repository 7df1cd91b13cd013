"""The NumPy network and torch's compute the same numbers."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.language_model import LanguageModel
from afterword.model.network.config import Config
from afterword.model.network.network import Network
from tests.bases.small import base_of
from tests.tiny import random_weights

torch = pytest.importorskip("torch")

SHAPES = [tuple(int(n) for n in row) for row in np.random.default_rng(0).integers(1, [80, 70, 90, 4, 6, 30], (20, 6))]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small only lose time to a second thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def both(config: Config, seed: int) -> tuple[Network, Any]:
    """The network, and a function ids, state → logits, state made of torch's modules, with the same weights."""
    weights = random_weights(config, config.hidden_size**-0.5, seed)
    tensors = {name: torch.from_numpy(weight) for name, weight in weights.items()}
    sizes = config.embedding_size, config.hidden_size, config.num_layers
    cells = getattr(torch.nn, config.cell.upper())(*sizes, batch_first=True)
    own = f"{config.cell}."
    cells.load_state_dict({name.removeprefix(own): tensor for name, tensor in tensors.items() if name.startswith(own)})

    def reference(ids: Any, state: Any) -> Any:
        with torch.no_grad():
            outputs, state = cells(tensors["embedding.weight"][torch.from_numpy(ids)], state)
        return (outputs @ tensors["output.weight"].T + tensors["output.bias"]).numpy(), state

    return Network(config, weights), reference


@pytest.mark.parametrize(("cell", "shape"), [*(("lstm", one) for one in SHAPES), *(("rnn", one) for one in SHAPES[:5])])
def test_logits_and_state_are_those_of_torch_for_any_shape(cell: Any, shape: tuple[int, ...]) -> None:
    rows, embedding, hidden, layers, lanes, steps = shape
    config = Config(rows, 1, embedding, hidden, layers, cell=cell)
    network, reference = both(config, sum(shape))
    ids = np.random.default_rng(1).integers(0, rows, (lanes, steps))
    logits, state = network.read(ids, network.start(lanes))
    expected, after = reference(ids, None)
    hidden_and_cell = (after, np.zeros_like(after)) if cell == "rnn" else after
    for found, wanted in zip((logits, state.hidden, state.cell), (expected, *hidden_and_cell), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-5)


SIZES: list[dict[str, Any]] = [
    {"num_layers": 1},
    {"num_layers": 3, "residual": True},
    {"num_layers": 2, "residual": False},
    {"input": "number", "embedding_size": 1},
    {"cell": "rnn"},
]


@pytest.mark.parametrize("sizes", SIZES)
def test_the_module_of_a_model_computes_what_the_model_computes_and_is_its_own(sizes: dict[str, Any]) -> None:
    model = LanguageModel(base_of("\nabcdé", **sizes).model)
    rows = np.random.default_rng(1).integers(0, model.config.vocabulary_size, (3, 7))
    network, module = model.network(), model.module()
    expected = network.read(rows, network.start(3))[0]
    state = module.empty_state(3)
    for part in (slice(0, 2), slice(2, 7)):  # the second reading carries the state of the first
        found, state = module(torch.from_numpy(rows[:, part].T), state)
        np.testing.assert_allclose(found.detach().numpy().swapaxes(0, 1), expected[:, part], rtol=0, atol=1e-5)
    found.sum().backward()  # it learns
    with torch.no_grad():
        module.output.bias.add_(1)
    assert np.array_equal(network.read(rows, network.start(3))[0], expected)


def test_a_module_needs_pytorch_and_a_model_that_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LanguageModel(base_of("\nab").model)
    with pytest.raises(OptionError, match="a held model cannot become a module: leave out hold"):
        model.hold("forget=1").module()
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(OptionError, match=r"a module needs PyTorch: pip install 'afterword\[train\]'"):
        model.module()
