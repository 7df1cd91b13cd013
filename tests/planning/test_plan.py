"""From a text, a time and a machine's speed to a plan."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.learning import optimizer
from afterword.learning.learner import Learner
from afterword.learning.recipe import Recipe
from afterword.planning import classic, machine, tuning
from afterword.planning.auto import Planner
from afterword.planning.machine import StepTime
from afterword.planning.recipes import make_plan as plan
from afterword.planning.training_plan import Plan, TrainingSettings
from afterword.text.corpus import TextSettings, read_corpus
from afterword.text.encoded import EncodedCorpus, encode, learn_tokenizer

WORDS = ("the", "of", "a", "house", "rain", "falls", "runs", "and", "not", "river", "over")
NAMES = {field.name for field in dataclasses.fields(Recipe)} | {"base"}
SET_BY_HAND = {
    "hidden_size": 96,
    "num_layers": 2,
    "embedding_size": 10,
    "batch_size": 5,
    "seq_length": 33,
    "dropout": 0.0,
    "learning_rate": 0.001,
    "ngram": 3,
}
MakePlan = Callable[..., Plan]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoded")


@pytest.fixture
def make_plan(place: Path, monkeypatch: pytest.MonkeyPatch) -> MakePlan:
    """Plans for a machine whose step takes `seconds` for each 256 units squared, and `busy` times that now.

    Of each plan it holds that no size is measured twice, and that each reason belongs to a number.
    """

    def make(characters: int, seconds: float = 0.02, lines: bool = False, busy: float = 1.0, **settings: Any) -> Plan:
        sizes: list[int] = []

        def measured(encoded: EncodedCorpus, recipe: Recipe) -> StepTime:
            sizes.append(recipe.hidden_size)
            alone = seconds * (recipe.hidden_size / 256) ** 2 * recipe.batch_size / 16
            return StepTime(busy * alone, alone)

        for module in (machine, classic):
            monkeypatch.setattr(module, "step_time", measured)
        encoded = encoded_prose(characters, place, lines)
        made = plan(encoded, TrainingSettings(**{"device": "cpu", "threads": 1, "base": "none", **settings}))
        assert len(sizes) == len(set(sizes))
        assert made.reasons.keys() <= NAMES
        assert all(made.reasons.values())
        return made

    return make


def encoded_prose(characters: int, place: Path, lines: bool = False) -> EncodedCorpus:
    """Encode as many characters of drawn words; no two lengths share their sentences."""
    path, folder = place / "text.txt", place / f"corpus-{characters}-{lines}"
    if folder.exists():
        return EncodedCorpus.open(folder)
    drawn = np.random.default_rng(characters).integers(0, len(WORDS), characters // 3)
    path.write_text(" ".join(WORDS[k] + ("\n" if k == 3 else "") for k in drawn)[:characters])
    folder.mkdir()
    with read_corpus([path], TextSettings(validation="0.1", lines=lines)) as corpus:
        return encode(corpus, learn_tokenizer(corpus, "char", False), folder)


def test_more_minutes_or_a_faster_machine_make_a_larger_network(make_plan: MakePlan) -> None:
    sizes = [make_plan(500_000, minutes=minutes).recipe.hidden_size for minutes in (0.1, 1, 4, 1000)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4
    assert sizes[-1] == tuning.largest_size(450_000)
    slow, fast = (make_plan(500_000, speed, minutes=1).recipe.hidden_size for speed in (0.2, 0.002))
    assert slow < fast
    for hidden_size in (64, 1024, 2048):  # one that is set is measured as it is
        recipe = make_plan(500_000, minutes=60, hidden_size=hidden_size, batch_size=16).recipe
        seconds = recipe.steps * 0.02 * (hidden_size / 256) ** 2 / (1 - tuning.EVALUATION_SHARE)
        assert recipe.steps == recipe.most_steps or seconds == pytest.approx(3600, rel=0.01)


def test_a_busy_machine_gets_the_network_of_a_free_one_and_fewer_steps(make_plan: MakePlan) -> None:
    free, busy = make_plan(500_000, minutes=1), make_plan(500_000, busy=4.0, minutes=1)
    seconds = free.recipe.steps * 0.02 * (free.recipe.hidden_size / 256) ** 2
    assert seconds == pytest.approx(60 * (1 - tuning.EVALUATION_SHARE), rel=0.01)  # the steps fill the minutes
    assert (busy.recipe.hidden_size, busy.recipe.dropout) == (free.recipe.hidden_size, free.recipe.dropout)
    assert busy.recipe.steps == pytest.approx(free.recipe.steps / 4, rel=0.01)
    assert free.notes == []
    assert "other processes keep this machine busy" in busy.notes[0]


def test_a_small_text_is_not_read_too_often_and_the_plan_says_so(make_plan: MakePlan) -> None:
    for lines in (False, True):
        planned = make_plan(30_000, minutes=60, lines=lines)
        assert planned.recipe.most_steps == planned.recipe.steps
        assert "the run will end after about" in planned.notes[1]
    planned = make_plan(30_000, minutes=60)
    tokens = planned.recipe.batch_size * planned.recipe.seq_length * planned.recipe.steps
    assert tokens / 27_000 == pytest.approx(tuning.OF_TEXT.passes, rel=0.05)
    assert "27,000 characters are few" in planned.notes[0]


@pytest.mark.parametrize("length", [{"steps": 100}, {"epochs": 2.5}])
def test_without_minutes_nothing_is_measured(
    place: Path, monkeypatch: pytest.MonkeyPatch, length: dict[str, Any]
) -> None:
    monkeypatch.setattr(machine, "step_time", None)  # to measure would be an error
    encoded = encoded_prose(60_000, place)
    one, other = (plan(encoded, TrainingSettings(device="cpu", base="none", **length)).recipe for _ in range(2))
    assert one == other
    assert one.minutes is None
    assert one.steps == length.get("steps", round(2.5 * 54_000 / (8 * 64)))


def test_a_number_set_by_hand_is_taken_and_the_rest_fitted_around_it(make_plan: MakePlan) -> None:
    free = make_plan(500_000, minutes=1)
    assert [name for name, why in free.reasons.items() if why == "as you asked"] == ["base", "threads", "device"]
    for name, value in SET_BY_HAND.items():
        bound = make_plan(500_000, minutes=1, **{name: value})
        assert getattr(bound.recipe, name) == value != getattr(free.recipe, name)
        assert bound.reasons[name] == "as you asked"
        assert bound.recipe.steps > 0
        if name == "hidden_size":
            assert bound.recipe.learning_rate == tuning.learning_rate(96, bound.recipe.weight_dropout)[0]
            assert bound.recipe.steps > free.recipe.steps


def test_a_large_network_alone_that_reads_its_text_often_drops_weights_and_learns_faster(make_plan: MakePlan) -> None:
    recipe = make_plan(30_000, minutes=60).recipe
    assert recipe.weight_dropout > 0.3
    assert recipe.weight_dropout == pytest.approx(recipe.dropout - 0.2)
    assert recipe.learning_rate == tuning.learning_rate(recipe.hidden_size, recipe.weight_dropout)[0]
    assert recipe.learning_rate > 1.5 * tuning.learning_rate(recipe.hidden_size)[0]
    by_hand = make_plan(30_000, minutes=60, learning_rate=0.01).recipe
    assert by_hand.weight_dropout > 0
    assert by_hand.learning_rate == 0.01
    others: list[dict[str, Any]] = [
        {"dropout": 0.0},
        {"steps": 499},  # too few
        {"epochs": 3},
        {"hidden_size": 64, "minutes": 60},  # small for the text
        {"recipe": "classic", "minutes": 1},
    ]
    for characters, settings in [(500_000, {"minutes": 1}), *((30_000, one) for one in others)]:
        recipe = make_plan(characters, **settings).recipe
        assert recipe.weight_dropout == 0, settings
        assert recipe.recipe == "classic" or recipe.learning_rate == tuning.learning_rate(recipe.hidden_size)[0]


def test_nothing_is_expected_where_nothing_is_held_out_or_known(make_plan: MakePlan) -> None:
    assert make_plan(100, minutes=1).recipe.steps > 0
    assert make_plan(60_000, minutes=1, cell="rnn").expected is None
    assert make_plan(60_000, minutes=1, recipe="classic").expected is None


class Clocks:
    """In place of `time`: processor time is a quarter of the clock's."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def perf_counter(self) -> float:
        return 4 * self.seconds

    def thread_time(self) -> float:
        return self.seconds


@pytest.mark.parametrize("seconds", [0.001, 0.03, 0.1])
def test_a_step_takes_the_mean_time_of_late_ones_alone_without_waiting_for_others(
    place: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Here a step takes `seconds` of computing, and each renewal of a root as much again."""
    clocks = Clocks()

    def slow(function: Callable[..., Any]) -> Callable[..., Any]:
        def slowly(*given: Any) -> Any:
            clocks.seconds += seconds
            return function(*given)

        return slowly

    monkeypatch.setattr(Learner, "learn", slow(Learner.learn))
    monkeypatch.setattr(optimizer, "inverse_root", slow(optimizer.inverse_root))
    monkeypatch.setattr(machine, "time", clocks)
    encoded = encoded_prose(30_000, place)
    settings = TrainingSettings(device="cpu", threads=1, hidden_size=16, batch_size=2, seq_length=8)
    measured = machine.step_time(encoded, Planner(encoded, settings).recipe(16))
    matrices = 2
    assert measured.alone == pytest.approx(seconds * (1 + matrices / optimizer.RENEW))
    assert measured.now == pytest.approx(4 * measured.alone)


@pytest.mark.parametrize(
    ("quota", "threads"), [("max 100000", 8), ("250000 100000", 2), ("50000 100000", 1), ("", 8), (None, 8)]
)
def test_a_container_gets_as_many_threads_as_it_has_time_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str | None, threads: int
) -> None:
    monkeypatch.setattr(machine, "CPU_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    if quota is not None:
        machine.CPU_QUOTA.write_text(quota)
    assert machine.available_threads() == threads
