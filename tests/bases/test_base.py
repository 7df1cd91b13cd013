"""Laws of a base's weights on another text: they say the same there of all that the two texts have in common."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from afterword.bases.base import BIAS, EMBEDDING, OUTPUT, Base, load_base
from afterword.model.arrays import in_bytes
from afterword.model.folder.tensors import read_tensors
from afterword.model.network.network import Network
from afterword.scoring.costs import score, score_lines
from afterword.text.characters import CharTokenizer
from afterword.text.symbols import SymbolTokenizer
from afterword.text.tokenizer import Tokenizer
from tests.bases.small import SIZES, base_of, save


def begun(base: Base, tokenizer: Tokenizer | str, lines: bool = False, seed: int = 0) -> tuple[Network, Tokenizer]:
    """The network that a run on a text of `tokenizer`, or of these characters, begins with."""
    if isinstance(tokenizer, str):
        tokenizer = CharTokenizer.of(tokenizer)
    rows, shared = tokenizer.rows, tokenizer.shared_row_tokens
    config = dataclasses.replace(base.model.config, vocabulary_size=rows, byte_tokens=shared)
    return Network(config, base.weights_for(tokenizer, lines, seed)), tokenizer


def cost(network: Network, tokenizer: Tokenizer, text: str) -> float:
    return score(network, tokenizer, text).nats


WORDS = SymbolTokenizer.of("\n abcd", texts=["dab bad\ndab\nbad cab\n"])
EACH_KIND = pytest.mark.parametrize("tokenizer", [CharTokenizer.of("\nabcd"), WORDS], ids=str)


@EACH_KIND
def test_a_text_and_its_lines_cost_what_they_cost_a_base_of_running_text(tokenizer: Tokenizer) -> None:
    base, text = base_of(tokenizer), "dab\n\nbad"
    network, same = begun(base, tokenizer)
    assert cost(network, same, text) == pytest.approx(cost(base.model.network(), tokenizer, text), rel=1e-5)
    fewer, few = begun(base, tokenizer.for_text("\nabc", lowercase=False), seed=3)
    assert cost(fewer, few, "abc\nc") <= cost(base.model.network(), tokenizer, "abc\nc") * (1 + 1e-5)
    characters = "".join({*tokenizer.characters} - {"\n"})
    network, lines = begun(base, tokenizer.for_text(characters, lowercase=False), lines=True)
    for line, found in zip(["abc", "", "cab"], score_lines(network, lines, ["abc", "", "cab"]), strict=True):
        expected = cost(base.model.network(), tokenizer, line + "\n")  # there, a newline ends it
        assert found.nats == pytest.approx(expected, rel=1e-5)


def test_a_text_and_its_lines_cost_what_they_cost_a_base_of_lines() -> None:
    base = base_of("abc", lines=True)
    network, own, end = base.model.network(), base.model.tokenizer, base.model.tokenizer.end
    assert end is not None
    running, tokenizer = begun(base, "\nabc")
    predicted = [*own.encode("ab").tolist(), end, *own.encode("cab").tolist(), end]  # one line after the other
    logits, _ = network.read(np.array([[end, *predicted[:-1]]]), network.start())
    expected = -float(network.token_log_probabilities(logits[0], np.array(predicted)).sum())
    assert cost(running, tokenizer, "ab\ncab\n") == pytest.approx(expected, rel=1e-5)
    lines = ["ab", "c", ""]
    of_lines, same = begun(base, "abc", lines=True)
    costs = [[one.nats for one in score_lines(*each, lines)] for each in ((of_lines, same), (network, own))]
    assert costs[0] == pytest.approx(costs[1], rel=1e-5)


@pytest.mark.parametrize(
    ("own", "tokenizer"),
    [
        (CharTokenizer.of("\nacx"), CharTokenizer.of("\nbcxyé")),
        (CharTokenizer.of("\nAaBb"), CharTokenizer.of("AaBb\n", lowercase=True)),
        (WORDS, WORDS.for_text("\nabxy", lowercase=False)),
    ],
)
def test_rows_are_found_by_their_tokens_wherever_they_stand(own: Tokenizer, tokenizer: Tokenizer) -> None:
    base = base_of(own)
    weights, tokens = base.weights_for(tokenizer, False, 0), tokenizer.tokens()
    assert {weight.dtype for weight in weights.values()} == {np.dtype(np.float32)}
    assert weights[EMBEDDING].shape == (tokenizer.rows, SIZES["embedding_size"])
    for row, token in enumerate(tokens[: tokenizer.rows - 1]):
        read = own.tokens().index(token) if token in own.tokens() else None
        for name in (OUTPUT, BIAS):
            expected = base.model.weights[name][own.rows - 1 if read is None else read]
            np.testing.assert_array_equal(weights[name][row], expected)
        if read is not None:
            np.testing.assert_array_equal(weights[EMBEDDING][row], base.model.weights[EMBEDDING][read])
    others = {name for name in weights if name not in (EMBEDDING, OUTPUT, BIAS)}
    assert others
    assert all(weights[name].tobytes() == base.model.weights[name].tobytes() for name in others)
    network, same = begun(base, tokenizer)
    assert math.isfinite(cost(network, same, "xyΩab\n"))


def test_symbols_whose_characters_a_text_has_are_kept() -> None:
    kept = WORDS.for_text("\n abxy", lowercase=False).symbols
    assert kept == tuple(symbol for symbol in WORDS.symbols if {*symbol} <= {*" ab"}) != WORDS.symbols


def test_new_characters_are_drawn_from_the_seed_and_unlikely_but_possible() -> None:
    base = base_of("\nabc")
    drawn = [base.weights_for(CharTokenizer.of("\nabcxyz"), False, seed)[EMBEDDING][4:7] for seed in (0, 0, 1)]
    assert drawn[0].tobytes() == drawn[1].tobytes() != drawn[2].tobytes()
    assert len({each.tobytes() for each in drawn[0]}) == 3
    assert 0.01 < np.abs(drawn[0]).max() < 0.5
    network, tokenizer = begun(base, "\nabcxyz")
    known, new = (cost(network, tokenizer, text) for text in ("abcabc", "abxabc"))
    assert known + 10 < new < 200
    assert math.isfinite(cost(network, tokenizer, "Ωxyz"))


def test_what_ends_no_line_in_a_text_is_as_unlikely_as_it_was() -> None:
    """Else each of its predictions would be shared with a token that never comes."""
    for base, text, lines in ((base_of("\nab"), "\nab", False), (base_of("ab", lines=True), "\nab", False)):
        network, tokenizer = begun(base, text, lines)
        logits, _ = network.read(np.array([[tokenizer.end, 1, 2]]), network.start())
        assert (logits[0, :, tokenizer.end] < logits[0, :, :-2].max(-1) - 10).all()


def test_a_text_without_newlines_or_a_base_without_any_has_none_to_match() -> None:
    without, tokenizer = begun(base_of("\nabc"), "abc")
    assert math.isfinite(cost(without, tokenizer, "abc"))
    base = base_of("abc")
    new, tokenizer = begun(base, "\nabc")
    assert cost(new, tokenizer, "ab\n") > cost(new, tokenizer, "abc") + 10


def test_the_fingerprint_is_of_the_weights_and_the_tokenizer_and_not_of_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = base_of("\nabc")
    others = [base_of("\nabc", seed=1), base_of("\nabd"), base_of(CharTokenizer.of("\nabc", lowercase=True))]
    assert len({each.fingerprint for each in [base, *others]}) == 4
    assert base.fingerprint == base_of("\nabc", name="other").fingerprint
    save(tmp_path / "friend", base)
    monkeypatch.chdir(tmp_path / "friend")
    for spelled in (".", "../friend", "../friend/", tmp_path / "friend"):
        found = load_base(spelled)
        assert (found.name, found.fingerprint) == ("friend", base.fingerprint)


def test_the_fingerprint_is_of_float32_whatever_type_the_file_has(tmp_path: Path) -> None:
    base = base_of("\nabc")
    weights = {name: weight.astype(np.float16).astype(np.float32) for name, weight in base.model.weights.items()}
    multiples, scale = in_bytes(weights["lstm.weight_hh_l0"])
    weights["lstm.weight_hh_l0"] = multiples * scale[:, None]
    rounded = Base("rounded", dataclasses.replace(base.model, weights=weights))
    found = load_base(save(tmp_path / "rounded", rounded))
    stored = read_tensors(tmp_path / "rounded" / "model.safetensors")[0]
    assert {tensor.dtype.str for tensor in stored.values()} == {"|i1", "<f4", "<f2"}
    assert found.fingerprint == rounded.fingerprint != base.fingerprint
