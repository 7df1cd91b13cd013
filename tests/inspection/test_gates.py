"""The trace is what the network computes; what is told of it: how open its gates are."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from afterword.errors import ModelError, TextError
from afterword.inspection import gates as gates_module
from afterword.inspection import gates_page
from afterword.inspection.figures import gates_figure
from afterword.inspection.gates_page import gates_html
from afterword.inspection.trace import LONGEST_MEMORY, memories, named_units, openness
from afterword.language_model import LanguageModel
from afterword.model.folder.saved import SavedModel
from afterword.model.network.config import Config, weight_shapes
from afterword.model.network.holding import GATES_AND_STATES
from afterword.model.network.network import log_probabilities
from afterword.text.characters import CharTokenizer, ClassicTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer

TEXT = "Divya likes to eat. Reena is not fat.\n"


def made(
    tokenizer: Tokenizer | None = None, scale: float = 0.5, seed: int = 0, lines: bool = False, **shape: Any
) -> LanguageModel:
    """A model with random weights that knows TEXT."""
    tokenizer = tokenizer or CharTokenizer.of(TEXT)
    sizes = {"embedding_size": 5, "hidden_size": 7, "num_layers": 2, "residual": True} | shape
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, **sizes)
    random = np.random.default_rng(seed)
    weights = {name: random.normal(0, scale, s).astype(np.float32) for name, s in weight_shapes(config).items()}
    text = np.zeros(config.window, np.int64) if config.window else None
    return LanguageModel(SavedModel(config, weights, tokenizer, [tokenizer.rows - 1], {"lines": lines}, text))


def textbook(model: LanguageModel, inputs: Any) -> dict[str, Any]:
    """Every gate and state of the steps that read `inputs` [T, E] from a fresh start, in float64 and by the textbook.

    A plain recurrent network has a hidden state alone."""
    config = model.config
    weights = {name: weight.astype(np.float64) for name, weight in model.saved.weights.items()}
    found: dict[str, list[Any]] = {part: [] for part in (*GATES_AND_STATES, "log_probabilities")}
    hidden, cell = np.zeros((2, config.num_layers, config.hidden_size))
    for x in inputs:
        here: dict[str, list[Any]] = {part: [] for part in GATES_AND_STATES}
        for k in range(config.num_layers):
            sums = sum(
                weights[f"{config.cell}.weight_{kind}_l{k}"] @ value + weights[f"{config.cell}.bias_{kind}_l{k}"]
                for kind, value in (("ih", x), ("hh", hidden[k]))
            )
            if config.cell == "rnn":
                hidden[k] = np.tanh(sums)
                here["hidden"].append(hidden[k].copy())
            else:
                i, f, g, o = np.split(sums, 4)
                i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
                g = np.tanh(g)
                cell[k] = f * cell[k] + i * g
                hidden[k] = o * np.tanh(cell[k])
                for part, value in zip(GATES_AND_STATES, (i, f, g, o, cell[k].copy(), hidden[k].copy()), strict=True):
                    here[part].append(value)
            x = hidden[k] + x if k and config.residual else hidden[k].copy()
        for part, values in here.items():
            found[part].append(values)
        logits = weights["output.weight"] @ x + weights["output.bias"]
        found["log_probabilities"].append(logits - np.log(np.exp(logits).sum()))
    return {part: np.array(values) for part, values in found.items()}


@settings(deadline=None, max_examples=15)
@given(
    text=st.text(alphabet=[*TEXT, "☃"], min_size=1, max_size=40),
    seed=st.integers(0, 99),
    layers=st.integers(1, 3),
    at_once=st.integers(1, 50),
    cell=st.sampled_from(["lstm", "lstm", "rnn"]),
)
def test_a_trace_in_pieces_of_any_size_is_a_recomputation_in_float64(
    text: str, seed: int, layers: int, at_once: int, cell: str
) -> None:
    model = made(seed=seed, num_layers=layers, cell=cell)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gates_module, "TOKENS_AT_ONCE", at_once)
        found = model.gates(text)
    ids: Any = [model.tokenizer.end, *found.ids]
    rows = np.minimum(ids, model.config.vocabulary_size - 1)
    expected = textbook(model, model.saved.weights["embedding.weight"][rows].astype(np.float64))
    for part in GATES_AND_STATES if cell == "lstm" else ("hidden",):
        np.testing.assert_allclose(getattr(found, part), expected[part][1:], rtol=0, atol=1e-5)
    if cell == "lstm":
        np.testing.assert_allclose(found.before, expected["cell"][:-1], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.log_probabilities, expected["log_probabilities"][1:], rtol=0, atol=5e-5)
    np.testing.assert_allclose(found.expected_first, expected["log_probabilities"][0], rtol=0, atol=5e-5)


@pytest.mark.parametrize("scale", [0.1, 1, 30])
def test_what_was_kept_and_what_was_added_is_the_cell(scale: float) -> None:
    found = made(scale=scale).gates(TEXT * 30)
    size = np.maximum(np.abs(found.cell), np.abs(found.kept) + np.abs(found.added))
    assert (np.abs(found.kept + found.added - found.cell) <= 1e-6 * size).all()


@pytest.mark.parametrize(
    "model",
    [
        made(),
        made(SymbolTokenizer.of(TEXT + "☃", texts=[TEXT * 3])),
        made(CharTokenizer.of(TEXT, True)),
    ],
    ids=["char", "words", "lower"],
)
def test_the_surprise_of_a_trace_is_the_score(model: LanguageModel) -> None:
    text = TEXT * 30 + "Étude ☃"  # longer than one piece of reading
    found = model.gates(text)
    np.testing.assert_allclose(found.nats, model.score(text).token_nats, rtol=0, atol=1e-5)
    assert len(found.tokens) == len(found.ids)
    assert "".join(found.tokens[:10]) == model.tokenizer.decode(found.ids[:10])


def test_a_classic_model_carries_no_state_to_show() -> None:
    model = made(ClassicTokenizer.of(TEXT, lowercase=True), embedding_size=1, input="number", window=6, residual=False)
    with pytest.raises(ModelError, match="a classic model reads its last 6 characters anew for each one"):
        model.gates(TEXT * 9)


def test_the_likeliest_are_those_expected_before_the_token_was_read() -> None:
    found = made().gates(TEXT)
    rows, probabilities = found.likeliest(3)
    assert rows[0].tolist() == np.argsort(-found.expected_first, kind="stable")[:3].tolist()
    assert rows[5, 0] == found.log_probabilities[4].argmax()
    assert probabilities[5, 0] == pytest.approx(np.exp(found.log_probabilities[4].max()))


def test_json_holds_every_unit_of_a_short_text_and_the_telling_or_named_ones_of_a_long_one() -> None:
    model = made(hidden_size=60)
    short, long = model.gates(TEXT).to_dict(), model.gates(TEXT * 20).to_dict()
    assert short["units"] == [list(range(60))] * 2
    assert np.array(short["forget"][0]).shape == (len(TEXT), 60)
    assert np.array(short["expected"]).shape == (len(TEXT), model.config.vocabulary_size)
    assert [len(layer) for layer in long["units"]] == [48, 48]
    assert np.array(long["means"]["forget"]).shape == (20 * len(TEXT), 2)
    named = model.gates(TEXT * 20).to_dict(named_units(["l1.u3", "l1.u0"], model.config))
    assert named["units"] == [[], [0, 3]]


def test_the_moving_units_are_those_whose_hidden_state_moves_most() -> None:
    found = made(hidden_size=60).gates(TEXT)
    units = found.moving_units(5)
    spread = found.hidden[:, 1].std(axis=0)
    assert spread[units[1]].tolist() == sorted(spread, reverse=True)[:5]


def test_a_plain_recurrent_network_shows_its_hidden_state_and_no_gates() -> None:
    model = made(cell="rnn").hold("l0.u2=0.5")
    trace = model.gates(TEXT)
    network, end = model.network(), model.tokenizer.end
    assert end is not None
    logits, state = network.advance(np.append([end], trace.ids)[None], network.start())
    np.testing.assert_allclose(trace.hidden[-1], state.hidden[:, 0], atol=1e-6)
    np.testing.assert_allclose(trace.log_probabilities[-1], log_probabilities(logits[0]), atol=1e-6)
    assert (trace.hidden[:, 0, 2] == 0.5).all()
    assert not trace.has_gates
    assert trace.to_dict()["means"].keys() == {"hidden"}
    image = gates_figure(trace).axes[1].images[0].get_array()
    assert image is not None
    assert image.shape == (7, len(TEXT))
    says = "none of an LSTM's gates: afterword inspect shows its hidden state"
    with pytest.raises(ModelError, match=says):
        openness(trace)
    assert "What the hidden state does" in trace._repr_html_()


def test_a_large_network_shows_fewer_tokens_and_a_line_may_have_its_end() -> None:
    assert gates_module.most_traced(Config(9, 1, 9, 4096, 2)) == 7_500
    assert made(lines=True).gates("Divya\n").text == "Divya"


def test_bytes_of_a_character_are_tokens_with_names_of_their_own_and_one_row() -> None:
    trace = made(CharTokenizer.of("ab")).gates("aéb")
    assert trace.tokens == ["a", "<0xC3>", "<0xA9>", "b"]
    assert trace.ids.max() < len(trace.rows)
    assert [trace.rows[id] for id in trace.ids] == ["a", "<byte>", "<byte>", "b"]


TRACE = made().gates(TEXT)


def test_means_and_units_that_never_open_or_close() -> None:
    forget = np.full_like(TRACE.forget, 0.5)
    forget[:, 0, 2] = 0.05
    forget[:, 1, 3] = 0.95
    forget[4, 1, 5] = 0.01
    lower, upper = openness(dataclasses.replace(TRACE, forget=forget))
    assert lower.gates["forget"].mean == pytest.approx((6 * 0.5 + 0.05) / 7, abs=1e-6)
    assert lower.gates["forget"].shut == [2]
    assert upper.gates["forget"].open == [3]
    assert upper.gates["forget"].shut == []


def test_a_unit_keeps_for_as_many_steps_as_leave_one_eth_of_it() -> None:
    forget = np.full_like(TRACE.forget, np.exp(-1 / 250))
    forget[:, 0, 1] = 1
    forget[:, 0, 2] = 0
    [lower, _] = openness(dataclasses.replace(TRACE, forget=forget))
    assert lower.memory[0] == pytest.approx(250, rel=1e-3)
    assert lower.memory[1] == LONGEST_MEMORY
    assert lower.memory[2] < 0.02
    assert lower.longest[0] == 1
    assert dict(lower.spread()) == {"under 3": 1, "3–10": 0, "10–30": 0, "30–100": 0, "100–300": 5, "over 300": 1}


def test_a_memory_is_a_number_of_characters_also_where_a_character_has_several_tokens() -> None:
    found = made(CharTokenizer.of("a")).gates("éßéß")
    forget = np.full_like(found.forget, np.exp(-1 / 250))
    [lower, *_] = openness(dataclasses.replace(found, forget=forget))
    assert lower.memory[0] == pytest.approx(125, rel=1e-3)


def test_a_memory_is_measured_between_resets() -> None:
    """A cell that keeps inside brackets alone has the memory that it has there, and the longest of all."""
    random, T = np.random.default_rng(0), 6000
    inside, t = np.zeros(T, bool), 0
    while t < T:
        length = int(random.integers(20, 60))
        inside[t + 10 : t + 10 + length] = True
        t += 10 + length + int(random.integers(5, 40))
    forget = np.full((T, 3), 0.97)
    forget[:, 1] = np.where(inside, 0.9986, random.uniform(0.1, 0.9, T))
    forget[:, 2] = np.where(np.arange(T) % 5, 1.0, 0.01)  # keeps everything, but never longer than four steps
    found = memories(forget.astype(np.float32))
    assert found[0] == pytest.approx(-1 / np.log(0.97), rel=1e-3)
    assert found[1] == pytest.approx(-1 / np.log(0.9986), rel=1e-3)
    assert found[2] < 3
    assert -1 / np.log(forget[:, 1]).mean() < 5  # its geometric mean
    assert memories(np.full((3, 1), 0.1, np.float32))[0] == pytest.approx(-1 / np.log(0.1), rel=1e-4)  # a short text


def test_the_page_holds_no_address_and_nothing_that_a_text_could_break() -> None:
    trace = made().gates(TEXT + "</script>☃")
    written = gates_html(trace, about="</script>")
    assert written == gates_html(trace, about="</script>")
    assert "<script" not in trace._repr_html_()  # but in a frame
    assert not re.findall(r"(?:https?:)?//[a-z]", written)
    assert written.count("</script>") == written.count("<script")
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', written, re.DOTALL)
    assert data is not None
    assert json.loads(data[1])["about"] == "</script>"


def test_a_page_too_large_to_be_useful_is_refused_and_a_stretch_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = made().gates(TEXT)
    monkeypatch.setattr(gates_page, "MOST_BYTES", 6 * 14 * 20)
    with pytest.raises(TextError, match=r"38 tokens and 14 units would be too large .* stretch= 0:20, or fewer"):
        gates_html(trace)
