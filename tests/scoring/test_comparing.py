from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from afterword.scoring import comparing
from afterword.scoring.comparing import FEWEST, MOST_BLOCKS, SHORTEST, Comparison, Difference, block_sums
from afterword.scoring.costs import LineScore, Score, score, score_lines
from afterword.settings import OnProgress, ignore_progress
from afterword.text import tokenizer as tokenizing
from afterword.text.tokenizer import Tokenizer, parts
from tests.comparison import compare
from tests.scoring.test_costs import BPE, BYTE, CHAR, LOWER, NETWORKS, TOKENIZERS


def some_text(length: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("abcß ☃\n"), length))


@dataclass
class Model:
    tokenizer: Tokenizer

    def score(self, text: str, *, on_progress: OnProgress = ignore_progress, after: Score | None = None) -> Score:
        return score(NETWORKS[self.tokenizer], self.tokenizer, text, on_progress, after)

    def score_lines(self, lines: Iterable[str], *, on_progress: OnProgress = ignore_progress) -> list[LineScore]:
        return score_lines(NETWORKS[self.tokenizer], self.tokenizer, lines, on_progress)


@dataclass
class Pays(Model):
    """So many nats for each character."""

    nats: np.ndarray[tuple[int], np.dtype[np.float64]]

    def score(self, text: str, *, on_progress: OnProgress = ignore_progress, after: Score | None = None) -> Score:
        return Score(self.nats, len(text), len(text))


@given(st.lists(st.integers(0, 10**6), max_size=50), st.integers(1, 10**6))
def test_every_character_is_in_one_block_and_blocks_have_the_same_length_but_for_one(
    starts: list[int], characters: int
) -> None:
    sizes = block_sums(characters, np.arange(characters), np.ones(characters, np.intp))
    assert 1 <= len(sizes) <= MOST_BLOCKS
    assert sizes.sum() == characters
    assert np.ptp(sizes) <= 1
    assert len(sizes) == 1 or sizes.min() >= SHORTEST


@pytest.mark.parametrize("tokenizer", [CHAR, LOWER, BYTE, BPE], ids=["char", "lower", "byte", "bpe"])
def test_the_blocks_of_any_two_models_are_the_same_and_sum_to_their_scores(tokenizer: Tokenizer) -> None:
    text = some_text(3000)
    for found, one in zip(compare([Model(CHAR), Model(tokenizer)], text), [Model(CHAR), Model(tokenizer)], strict=True):
        assert found.score.token_nats.tolist() == one.score(text).token_nats.tolist()
        more = found.score.bits - Model(CHAR).score(text).bits
        assert math.fsum(found.difference.bits) == pytest.approx(more, abs=1e-6)
        assert found.difference.bits_per_character == pytest.approx(more / 3000, abs=1e-9)
        assert found.difference.characters.tolist() == [500] * 6


@pytest.mark.parametrize("tokenizer", [CHAR, BYTE, BPE], ids=["char", "byte", "bpe"])
def test_blocks_of_lines_are_whole_lines_and_sum_to_their_scores(tokenizer: Tokenizer) -> None:
    lines = ["ab" * 900, *(some_text(40, seed).replace("\n", "a") for seed in range(60))]
    first, other = compare([Model(CHAR), Model(tokenizer)], lines)
    costs = [[line.bits for line in Model(kind).score_lines(lines)] for kind in (CHAR, tokenizer)]
    assert other.score.bits == pytest.approx(sum(costs[1]), rel=1e-12)
    assert math.fsum(other.difference.bits) == pytest.approx(sum(costs[1]) - sum(costs[0]), abs=1e-6)
    assert math.fsum(other.difference.characters) == 1801 + 60 * 41 == first.score.characters
    # a block is what begins in it: the long line, which is alone, leaves others empty
    assert len(other.difference.characters) == 8
    assert other.difference.characters[0] == 1801
    assert other.difference.bits[0] == pytest.approx(costs[1][0] - costs[0][0], abs=1e-9)
    assert other.difference.blocks == np.count_nonzero(other.difference.characters) < 8


@pytest.mark.parametrize("tokenizer", TOKENIZERS, ids=[one.kind for one in TOKENIZERS])
def test_a_model_differs_from_itself_by_nothing_for_sure(tokenizer: Tokenizer) -> None:
    text = some_text(FEWEST * SHORTEST).replace("☃", "ß")
    for one in (text, text.split("\n")):
        for found in compare([Model(tokenizer), Model(tokenizer)], one):
            assert found.difference.bits_per_character == 0
        if isinstance(one, str):
            assert (found.difference.standard_error, found.difference.margin_of_error) == (0, 0)


@pytest.mark.parametrize("tokenizer", [CHAR, LOWER, BYTE, BPE], ids=["char", "lower", "byte", "bpe"])
@pytest.mark.parametrize("places", [comparing.PLACES, 512])
def test_a_text_that_comes_in_parts_is_compared_as_the_whole(
    tokenizer: Tokenizer, places: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, models = some_text(12_000), [Model(CHAR), Model(tokenizer)]
    wholes: tuple[str | list[str], ...] = text, [*filter(None, text.split("\n"))]
    for whole in wholes:
        expected = compare(models, whole)
        with monkeypatch.context() as patch:
            patch.setattr(comparing, "PLACES", places)
            patch.setattr(tokenizing, "PART", 999)
            patch.setattr(tokenizing, "LONGEST_LINE", 333)
            comparison = Comparison(models)
            for part in parts([text]) if isinstance(whole, str) else (whole[at : at + 99] for at in range(0, 9999, 99)):
                comparison.read(part)
            found = comparison.result()
        for one, other in zip(found, expected, strict=True):
            assert one.score.bits == pytest.approx(other.score.bits, rel=1e-6)
            assert (one.score.tokens, one.score.characters) == (other.score.tokens, other.score.characters)
            assert one.difference.bits_per_character == pytest.approx(other.difference.bits_per_character, abs=1e-6)
            assert sum(one.difference.characters) == one.score.characters
            assert one.difference.blocks == other.difference.blocks
            if places > len(text):
                assert one.difference.characters.tolist() == other.difference.characters.tolist()
                assert one.difference.bits == pytest.approx(other.difference.bits, abs=1e-3)


@given(st.lists(st.tuples(st.floats(-1e4, 1e4), st.integers(0, 900)), min_size=1, max_size=MOST_BLOCKS), st.randoms())
def test_the_order_of_blocks_changes_nothing(blocks: list[tuple[float, int]], random: object) -> None:
    def figures(some: list[tuple[float, int]]) -> list[float | None]:
        found = Difference(*np.array(some, np.float64).T)
        return [found.bits_per_character, found.standard_error, found.margin_of_error]

    shuffled = list(blocks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert figures(shuffled) == figures(blocks)


def test_swapping_two_models_turns_the_sign_alone() -> None:
    text = some_text(FEWEST * SHORTEST)
    there, back = (compare([Model(a), Model(b)], text)[1].difference for a, b in ((CHAR, BYTE), (BYTE, CHAR)))
    assert there.bits_per_character == -back.bits_per_character != 0
    assert there.standard_error == back.standard_error


def test_a_text_of_too_few_blocks_has_a_difference_and_no_uncertainty() -> None:
    for length, told in ((FEWEST * SHORTEST - 1, False), (FEWEST * SHORTEST, True)):
        found = compare([Model(CHAR), Model(BYTE)], some_text(length))[1].difference
        assert found.blocks == FEWEST - (not told)
        assert found.bits_per_character != 0
        assert (found.standard_error is not None) == (found.margin_of_error is not None) == told


@pytest.mark.parametrize(("blocks", "quantile"), [(20, 2.0930), (30, 2.0452), (50, 2.0096)])
def test_the_margin_of_error_is_students(blocks: int, quantile: float) -> None:
    found = Difference(np.random.default_rng(0).normal(size=blocks), np.full(blocks, 500.0))
    assert found.standard_error
    assert found.margin_of_error
    assert found.margin_of_error / found.standard_error == pytest.approx(quantile, rel=5e-3)
    mean_of_blocks = float(found.bits.std(ddof=1)) / math.sqrt(blocks) / 500
    assert found.standard_error == pytest.approx(mean_of_blocks, rel=1e-12)


@pytest.mark.parametrize("length", [10_000, 40_000])
def test_the_interval_holds_the_truth_for_95_of_100_texts(length: int) -> None:
    """Costs hang together over some 50 characters, as in a text: by single characters the error would be too small."""
    texts, truth, memory = 600, 0.2, 0.98
    random = np.random.default_rng(1)
    noise = random.normal(size=(length, texts))
    noise[0] /= math.sqrt(1 - memory**2)
    for place in range(1, length):
        noise[place] += memory * noise[place - 1]
    shared = random.exponential(1.5, size=length)  # what is hard for both
    text = "a" * length
    held = 0
    for each in noise.T:
        first, other = Pays(CHAR, shared), Pays(CHAR, shared + truth * math.log(2) + 0.1 * each)
        found = compare([first, other], text)[1].difference
        assert found.margin_of_error is not None
        held += abs(found.bits_per_character - truth) <= found.margin_of_error
    assert 0.93 <= held / texts <= 0.97


def test_progress_goes_from_model_to_model_to_its_end() -> None:
    for text in (some_text(300), some_text(300).split("\n")):
        seen: list[float] = []
        compare([Model(CHAR), Model(BYTE)], text, seen.append)
        assert seen == sorted(seen)
        assert 0.5 in seen
        assert seen[-1] == 1
