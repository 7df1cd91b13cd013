"""Parts of a network held at a value."""

from __future__ import annotations

import numpy as np
import pytest

from afterword.errors import OptionError
from afterword.model.network import cell
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.holding import GATES_AND_STATES, Hold, held_values, parse_hold
from afterword.model.network.network import Network

CONFIG = Config(9, 1, embedding_size=4, hidden_size=6, num_layers=2, residual=True)
RANDOM = np.random.default_rng(0)
WEIGHTS = {name: RANDOM.normal(0, 0.7, s).astype(np.float32) for name, s in weight_shapes(CONFIG).items()}
IDS = RANDOM.integers(0, 9, (3, 12))


@pytest.mark.parametrize(
    ("text", "hold"),
    [
        ("forget=1", Hold("forget", 1)),
        ("l1.output=0.5", Hold("output", 0.5, 1)),
        ("l0.u42=-1", Hold("hidden", -1, 0, 42)),
        (" l0.u3.cell = 3e1", Hold("cell", 30, 0, 3)),
    ],
)
def test_the_notation_says_what_is_held(text: str, hold: Hold) -> None:
    assert parse_hold(text) == hold


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is invalid"),
        ("forget", "is invalid"),
        ("=1", "is invalid"),
        ("u3=1", "is invalid"),
        ("l0=1", "names no part"),
        ("l0.u1.u2=1", "is invalid"),
        ("gate=1", "unknown part 'gate'"),
        ("forget=wide", "is not a number"),
        ("forget=1.5", "from 0 to 1"),
        ("forget=nan", "from 0 to 1"),
        ("l0.u0.hidden=-2", "from -1 to 1"),
        ("cell=inf", "a finite number"),
        ("l2.forget=1", "unknown layer l2: the model has the layers l0 to l1"),
        ("l0.u6=1", "unknown unit u6: a layer of this model has u0 to u5"),
    ],
)
def test_what_cannot_be_held_is_refused(text: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        held_values([parse_hold(text)], CONFIG)


def by_the_textbook(ids: np.ndarray, hold: Hold) -> np.ndarray:
    """The logits after ids [B, T], each part of each step replaced by hand."""
    hidden, cells = np.zeros((2, 2, len(ids), 6), np.float32)
    for column in ids.T:
        x = WEIGHTS["embedding.weight"][column]
        for k in range(2):
            here = hold.layer is None or hold.layer == k
            unit = slice(None) if hold.unit is None else hold.unit
            step = cell.step(cell.layer_weights(WEIGHTS, k), x, hidden[k], cells[k])
            parts = {part: value.copy() for part, value in step._asdict().items()}
            if here and hold.part in cell.GATES:
                parts[hold.part][:, unit] = hold.value
            parts["cell"] = parts["forget"] * cells[k] + parts["input"] * parts["candidate"]
            if here and hold.part == "cell":
                parts["cell"][:, unit] = hold.value
            parts["hidden"] = parts["output"] * np.tanh(parts["cell"])
            if here and hold.part == "hidden":
                parts["hidden"][:, unit] = hold.value
            hidden[k], cells[k] = parts["hidden"], parts["cell"]
            x = hidden[k] + x if k else hidden[k].copy()
    return np.asarray(x @ WEIGHTS["output.weight"].T + WEIGHTS["output.bias"])


@pytest.mark.parametrize("part", GATES_AND_STATES)
@pytest.mark.parametrize(("layer", "unit"), [(None, None), (1, None), (0, 2)])
def test_everything_after_it_sees_the_held_value(part: str, layer: int | None, unit: int | None) -> None:
    hold = Hold(part, 0.75, layer, unit)
    network = Network(CONFIG, WEIGHTS, held_values([hold], CONFIG))
    logits, state = network.read(IDS, network.start(3))
    np.testing.assert_allclose(logits[:, -1], by_the_textbook(IDS, hold), rtol=0, atol=1e-5)
    step_by_step = network.start(3)
    for column in IDS.T:
        last, step_by_step = network.step(column, step_by_step)
    np.testing.assert_allclose(last, logits[:, -1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(step_by_step.cell, state.cell, rtol=0, atol=1e-5)


def test_of_two_that_hold_the_same_the_later_one_counts_and_the_rest_stays_free() -> None:
    held = held_values([parse_hold("forget=1"), parse_hold("l1.forget=0")], CONFIG)
    at = GATES_AND_STATES.index("forget")
    assert held[0, at].tolist() == [1] * 6
    assert held[1, at].tolist() == [0] * 6
    assert np.isnan(np.delete(held, at, axis=1)).all()


def test_a_plain_network_holds_units_and_nothing_else() -> None:
    config = Config(9, 1, 4, 6, 2, cell="rnn")
    weights = {name: RANDOM.normal(0, 0.7, s).astype(np.float32) for name, s in weight_shapes(config).items()}
    held = held_values([parse_hold("l1.u2=0.5")], config)
    network = Network(config, weights, held)
    _, state = network.read(IDS, network.start(3))
    assert state.hidden[1, :, 2].tolist() == [0.5] * 3
    with pytest.raises(OptionError, match="plain recurrent network has no forget"):
        held_values([parse_hold("forget=1")], config)
