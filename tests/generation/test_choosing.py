"""Laws of choosing among whole texts."""

from __future__ import annotations

import pytest

from afterword.errors import WorkError
from afterword.generation import choosing
from afterword.generation.choosing import accepted, likeliest
from afterword.generation.pieces import Sample


def sample(seed: int, log_probability: float = -1.0, tokens: int = 1) -> Sample:
    return Sample("", str(seed), tokens, log_probability, "stop", seed)


def test_of_each_group_the_likeliest_by_its_tokens_is_kept() -> None:
    samples = [sample(0, -9.0, 10), sample(1, -1.0), sample(2, -3.0), sample(3, -2.0), sample(4, -5.0)]
    assert [one.seed for one in likeliest(iter(samples), 2)] == [0, 3, 4]
    assert list(likeliest(iter(samples), 1)) == samples


def test_so_many_are_kept_as_are_wanted() -> None:
    samples = map(sample, range(100))
    assert [one.seed for one in accepted(samples, 3, lambda one: one.seed % 4 == 3)] == [3, 7, 11]
    assert next(samples).seed == 12


def test_in_vain_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choosing, "IN_VAIN", 5)
    found = accepted(map(sample, range(100)), 3, lambda one: one.seed == 2)
    assert next(found).seed == 2
    with pytest.raises(WorkError, match="found 1 of 3 samples: the last 5 brought no further one"):
        next(found)
