"""Laws of choosing among whole texts."""

from __future__ import annotations

import pytest

from afterword.errors import WorkError
from afterword.generation import writer
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Writer, accepted, best_of_each, likeliest
from tests.generation.test_continuation import CHAR, MODELS


def sample(seed: int, log_probability: float = -1.0, tokens: int = 1) -> Sample:
    return Sample("", str(seed), tokens, log_probability, "stop", seed)


def test_of_each_group_the_likeliest_by_its_tokens_is_kept() -> None:
    samples = [sample(0, -9.0, 10), sample(1, -1.0), sample(2, -3.0), sample(3, -2.0), sample(4, -5.0)]
    assert [one.seed for one in best_of_each(iter(samples), 2)] == [0, 3, 4]
    assert list(best_of_each(iter(samples), 1)) == samples
    assert [one.seed for one in likeliest(samples, 2)] == [0, 1]


def test_so_many_are_kept_as_are_wanted() -> None:
    samples = map(sample, range(100))
    assert [one.seed for one in accepted(samples, 3, lambda one: one.seed % 4 == 3)] == [3, 7, 11]
    assert next(samples).seed == 12


def test_the_search_ends_once_too_few_of_the_last_seeds_bring_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "LAST", 20)
    monkeypatch.setattr(writer, "FEWEST", 2)
    found = accepted(map(sample, range(1000)), 99, lambda one: one.seed % 10 == 9 and one.seed < 60)
    assert [next(found).seed for _ in range(6)] == [9, 19, 29, 39, 49, 59]
    with pytest.raises(WorkError, match="fewer than 1 in 10 of the last 20 seeds brought a new one"):
        next(found)


def test_only_a_text_that_depends_on_its_seed_draws() -> None:
    saved = MODELS[CHAR]
    for temperature, draws in ((0.0, False), (0.1, True)):
        assert Writer(saved, saved.network(), Sampling(temperature=temperature)).draws == draws
