from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.language_model import LanguageModel
from afterword.scoring import comparing
from afterword.scoring.comparing import FEWEST, MOST_BLOCKS, SHORTEST, Comparison, Difference, block_sums
from afterword.text import tokenizer as tokenizing
from afterword.text.tokenizer import parts
from tests.comparison import compare
from tests.scoring.test_costs import CHAR, LOWER, MODELS, SYMBOLS

MODEL = MODELS[CHAR]
BLOCK = 50  # characters, ten times fewer than for users
KINDS = pytest.mark.parametrize("other", [MODELS[one] for one in (CHAR, LOWER, SYMBOLS)], ids=lambda one: str(one)[:40])


def some_text(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("abcß ☃\n"), length))


@pytest.fixture(autouse=True)
def shorter_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "SHORTEST", BLOCK)


@given(st.integers(1, 10**6))
def test_every_character_is_in_one_block_and_blocks_have_the_same_length_but_for_one(characters: int) -> None:
    sizes = block_sums(characters, np.arange(characters), np.ones(characters, np.intp))
    assert 1 <= len(sizes) <= MOST_BLOCKS
    assert sizes.sum() == characters
    assert np.ptp(sizes) <= 1
    assert len(sizes) == 1 or sizes.min() >= BLOCK


@KINDS
def test_the_blocks_of_any_two_models_are_the_same_and_sum_to_their_scores(other: LanguageModel) -> None:
    text, told = some_text(6 * BLOCK), list[float]()
    for found, one in zip(compare([MODEL, other], text, told.append), [MODEL, other], strict=True):
        assert found.score.token_nats.tolist() == one.score(text).token_nats.tolist()
        more = found.score.bits - MODEL.score(text).bits
        assert math.fsum(found.difference.bits) == pytest.approx(more, abs=1e-6)
        assert found.difference.bits_per_character == pytest.approx(more / len(text), abs=1e-9)
        assert found.difference.characters.tolist() == [BLOCK] * 6
    assert told == sorted(told)
    assert {0.5, 1} <= {*told}


@KINDS
def test_blocks_of_lines_are_whole_lines_and_sum_to_their_scores(other: LanguageModel) -> None:
    lines = ["ab" * 90, *(some_text(4, seed).replace("\n", "a") for seed in range(60))]
    costs = [[line.bits for line in model.score_lines(lines)] for model in (MODEL, other)]
    first, found = compare([MODEL, other], lines)
    assert found.score.bits == pytest.approx(sum(costs[1]), rel=1e-12)
    assert math.fsum(found.difference.bits) == pytest.approx(sum(costs[1]) - sum(costs[0]), abs=1e-6)
    assert math.fsum(found.difference.characters) == 181 + 60 * 5 == first.score.characters
    # a block is what begins in it: the long line, which is alone, leaves others empty
    assert len(found.difference.characters) == 9
    assert found.difference.characters[0] == 181
    assert found.difference.bits[0] == pytest.approx(costs[1][0] - costs[0][0], abs=1e-9)
    assert found.difference.blocks == np.count_nonzero(found.difference.characters) < 9


def test_a_model_differs_from_itself_by_nothing_and_swapping_two_turns_the_sign_alone() -> None:
    text = some_text(FEWEST * BLOCK).replace("☃", "ß")
    for model in MODELS.values():
        for found in [*compare([model, model], text), *compare([model, model], text.split("\n"))]:
            assert found.difference.bits_per_character == 0
            assert found.difference.standard_error in (0, None)
    models = [MODEL, MODELS[SYMBOLS]]
    there, back = (compare(some, text)[1].difference for some in (models, models[::-1]))
    assert there.bits_per_character == -back.bits_per_character != 0
    assert there.standard_error == back.standard_error


@pytest.mark.parametrize("places", [comparing.PLACES, 64])
def test_parts_are_compared_as_the_whole(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    models, text = [MODEL, MODELS[LOWER], MODELS[SYMBOLS]], some_text(600)
    lines = [line for line in text.split("\n") if line]
    expected = [compare(models, text), compare(models, lines)]
    monkeypatch.setattr(comparing, "PLACES", places)
    monkeypatch.setattr(tokenizing, "PART", 99)
    monkeypatch.setattr(tokenizing, "LONGEST_LINE", 33)
    pieces: list[Iterable[Any]] = [parts([text]), [lines[at : at + 9] for at in range(0, len(lines), 9)]]
    for some, wholes in zip(pieces, expected, strict=True):
        comparison = Comparison(models)
        for part in some:
            comparison.read(part)
        for one, whole in zip(comparison.result(), wholes, strict=True):
            assert one.score.bits == pytest.approx(whole.score.bits, rel=1e-6)
            assert (one.score.tokens, one.score.characters) == (whole.score.tokens, whole.score.characters)
            assert one.difference.bits_per_character == pytest.approx(whole.difference.bits_per_character, abs=1e-6)
            assert sum(one.difference.characters) == one.score.characters
            assert one.difference.blocks == whole.difference.blocks
            if places > len(text):
                assert one.difference.characters.tolist() == whole.difference.characters.tolist()
                assert one.difference.bits == pytest.approx(whole.difference.bits, abs=1e-3)


@given(st.lists(st.tuples(st.floats(-1e4, 1e4), st.integers(0, 900)), min_size=1, max_size=MOST_BLOCKS), st.randoms())
def test_the_order_of_blocks_changes_nothing(blocks: list[tuple[float, int]], random: Any) -> None:
    shuffled = list(blocks)
    random.shuffle(shuffled)
    one, other = (Difference(*np.array(some, np.float64).T) for some in (blocks, shuffled))
    for figure in ("bits_per_character", "standard_error", "margin_of_error"):
        assert getattr(one, figure) == getattr(other, figure)


def test_a_text_of_too_few_blocks_has_a_difference_and_no_uncertainty() -> None:
    for length, told in ((FEWEST * BLOCK - 1, False), (FEWEST * BLOCK, True)):
        found = compare([MODEL, MODELS[SYMBOLS]], some_text(length))[1].difference
        assert found.blocks == FEWEST - (not told)
        assert found.bits_per_character != 0
        assert (found.standard_error is not None) == (found.margin_of_error is not None) == told


def test_the_margin_of_error_is_students() -> None:
    for blocks, quantile in ((20, 2.0930), (30, 2.0452), (50, 2.0096)):
        found = Difference(np.random.default_rng(0).normal(size=blocks), np.full(blocks, 500.0))
        assert found.standard_error
        assert found.margin_of_error == pytest.approx(quantile * found.standard_error, rel=5e-3)
        mean_of_blocks = float(found.bits.std(ddof=1)) / math.sqrt(blocks) / 500
        assert found.standard_error == pytest.approx(mean_of_blocks, rel=1e-12)


def test_the_interval_holds_the_truth_for_95_of_100_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Costs hang together over some 50 characters, as in a text: by single characters the error would be too small."""
    monkeypatch.setattr(comparing, "SHORTEST", SHORTEST)
    length, texts, truth, memory = 10_000, 600, 0.2, 0.98
    noise = np.random.default_rng(1).normal(size=(length, texts))
    noise[0] /= math.sqrt(1 - memory**2)
    for place in range(1, length):
        noise[place] += memory * noise[place - 1]
    places, held = np.arange(length), 0
    characters = block_sums(length, places, np.ones(length))
    for each in noise.T:
        found = Difference(block_sums(length, places, truth + 0.1 * each / math.log(2)), characters)
        assert found.margin_of_error is not None
        held += abs(found.bits_per_character - truth) <= found.margin_of_error
    assert 0.93 <= held / texts <= 0.97
