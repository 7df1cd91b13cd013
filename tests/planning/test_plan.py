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
MakePlan = Callable[..., Plan]


def prose(characters: int) -> str:
    """As many characters of sentences that no two seeds share."""
    drawn = np.random.default_rng(characters).integers(0, len(WORDS), characters // 3)
    return " ".join(WORDS[k] + ("\n" if k == 3 else "") for k in drawn)[:characters]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoded")


@pytest.fixture
def make_plan(place: Path, monkeypatch: pytest.MonkeyPatch) -> MakePlan:
    """Plans for a machine whose step takes `seconds` for each 256 units squared, and `busy` times that now."""

    def make(characters: int, seconds: float = 0.02, lines: bool = False, busy: float = 1.0, **settings: Any) -> Plan:
        def measured(encoded: EncodedCorpus, recipe: Recipe) -> StepTime:
            alone = seconds * (recipe.hidden_size / 256) ** 2 * recipe.batch_size / 16
            return StepTime(busy * alone, alone)

        for module in (machine, classic):
            monkeypatch.setattr(module, "step_time", measured)
        encoded = encoded_prose(characters, place, lines)
        return plan(encoded, TrainingSettings(**{"device": "cpu", "threads": 1, "base": "none", **settings}))

    return make


def encoded_prose(characters: int, place: Path, lines: bool = False) -> EncodedCorpus:
    path, folder = place / "text.txt", place / f"corpus-{characters}-{lines}"
    if folder.exists():
        return EncodedCorpus.open(folder)
    path.write_text(prose(characters))
    folder.mkdir()
    with read_corpus([path], TextSettings(validation="0.1", lines=lines)) as corpus:
        return encode(corpus, learn_tokenizer(corpus, "char", False), folder)


@pytest.mark.parametrize("hidden_size", [64, 1024, 2048])
def test_a_size_that_is_set_is_measured_as_it_is(make_plan: MakePlan, hidden_size: int) -> None:
    recipe = make_plan(500_000, minutes=60, hidden_size=hidden_size, batch_size=16).recipe
    seconds = recipe.steps * 0.02 * (hidden_size / 256) ** 2 / (1 - tuning.EVALUATION_SHARE)
    assert recipe.steps == recipe.most_steps or seconds == pytest.approx(3600, rel=0.01)


def test_more_minutes_or_a_faster_machine_make_a_larger_network(make_plan: MakePlan) -> None:
    sizes = [make_plan(500_000, minutes=minutes).recipe.hidden_size for minutes in (0.1, 1, 4, 1000)]
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4
    assert sizes[-1] == tuning.largest_size(450_000)
    slow, fast = (make_plan(500_000, speed, minutes=1).recipe.hidden_size for speed in (0.2, 0.002))
    assert slow < fast


def test_a_busy_machine_gets_the_network_of_a_free_one_and_fewer_steps(make_plan: MakePlan) -> None:
    free, busy = make_plan(500_000, minutes=1), make_plan(500_000, busy=4.0, minutes=1)
    seconds = free.recipe.steps * 0.02 * (free.recipe.hidden_size / 256) ** 2
    assert seconds == pytest.approx(60 * (1 - tuning.EVALUATION_SHARE), rel=0.01)  # the steps fill the minutes
    assert busy.recipe.hidden_size == free.recipe.hidden_size
    assert busy.recipe.dropout == free.recipe.dropout
    assert busy.recipe.steps == pytest.approx(free.recipe.steps / 4, rel=0.01)
    assert free.notes == []
    assert "other processes keep this machine busy" in busy.notes[0]


def test_a_small_text_is_not_read_too_often_and_the_plan_says_so(make_plan: MakePlan) -> None:
    planned = make_plan(30_000, minutes=60)
    tokens = planned.recipe.batch_size * planned.recipe.seq_length * planned.recipe.steps
    assert tokens / 27_000 == pytest.approx(tuning.OF_TEXT.passes, rel=0.05)
    assert planned.recipe.most_steps == planned.recipe.steps
    assert "27,000 characters are few" in planned.notes[0]
    assert "the run will end after about" in planned.notes[1]


@pytest.mark.parametrize("length", [{"steps": 100}, {"epochs": 2.5}])
def test_without_minutes_nothing_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: dict[str, Any]
) -> None:
    monkeypatch.setattr(machine, "step_time", None)  # to measure would be an error
    encoded = encoded_prose(100_000, tmp_path)
    one, other = (plan(encoded, TrainingSettings(device="cpu", base="none", **length)) for _ in range(2))
    assert one.recipe == other.recipe
    assert one.recipe.minutes is None
    assert one.recipe.steps == length.get("steps", round(2.5 * 90_000 / (8 * 64)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_size", 96),
        ("num_layers", 2),
        ("embedding_size", 10),
        ("batch_size", 5),
        ("seq_length", 33),
        ("dropout", 0.0),
        ("learning_rate", 0.001),
        ("ngram", 3),
    ],
)
def test_a_number_set_by_hand_is_taken_and_the_rest_fitted_around_it(
    make_plan: MakePlan, name: str, value: float
) -> None:
    free, bound = make_plan(400_000, minutes=1), make_plan(400_000, minutes=1, **{name: value})
    assert getattr(bound.recipe, name) == value != getattr(free.recipe, name)
    assert bound.reasons[name] == "as you asked"
    assert [name for name, why in free.reasons.items() if why == "as you asked"] == ["base", "threads", "device"]
    assert bound.recipe.steps > 0
    if name == "hidden_size":
        assert bound.recipe.learning_rate == tuning.learning_rate(96, bound.recipe.weight_dropout)[0]
        assert bound.recipe.steps > free.recipe.steps


def test_every_reason_belongs_to_a_number(make_plan: MakePlan) -> None:
    names = {field.name for field in dataclasses.fields(Recipe)} | {"base"}
    for lines in (False, True):
        planned = make_plan(60_000, lines=lines, minutes=1)
        assert set(planned.reasons) <= names
        assert all(planned.reasons.values())


def test_a_large_network_that_reads_its_text_often_drops_weights_and_learns_faster(make_plan: MakePlan) -> None:
    recipe = make_plan(30_000, minutes=60).recipe
    assert recipe.weight_dropout > 0.3
    assert recipe.weight_dropout == pytest.approx(recipe.dropout - 0.2)
    assert recipe.learning_rate == tuning.learning_rate(recipe.hidden_size, recipe.weight_dropout)[0]
    assert recipe.learning_rate > 1.5 * tuning.learning_rate(recipe.hidden_size)[0]
    by_hand = make_plan(30_000, minutes=60, learning_rate=0.01).recipe
    assert by_hand.weight_dropout > 0
    assert by_hand.learning_rate == 0.01


@pytest.mark.parametrize(
    ("characters", "settings"),
    [
        (30_000, {"dropout": 0.0}),
        (30_000, {"steps": 499}),  # too few
        (30_000, {"epochs": 3}),
        (30_000, {"hidden_size": 64, "minutes": 60}),  # small for the text
        (500_000, {"minutes": 1}),
        (30_000, {"recipe": "classic", "minutes": 1}),
    ],
)
def test_other_runs_drop_no_weights(make_plan: MakePlan, characters: int, settings: dict[str, Any]) -> None:
    planned = make_plan(characters, **settings)
    assert planned.recipe.weight_dropout == 0
    if planned.recipe.recipe == "auto":
        assert planned.recipe.learning_rate == tuning.learning_rate(planned.recipe.hidden_size)[0]


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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Here a step takes `seconds` of computing, and each renewal of a root as much again."""
    clocks, learn, renew = Clocks(), Learner.learn, optimizer.inverse_root

    def slow_learn(*given: Any) -> float:
        clocks.seconds += seconds
        return learn(*given)

    def slow_renewal(*given: Any) -> Any:
        clocks.seconds += seconds
        return renew(*given)

    monkeypatch.setattr(Learner, "learn", slow_learn)
    monkeypatch.setattr(optimizer, "inverse_root", slow_renewal)
    monkeypatch.setattr(machine, "time", clocks)
    encoded = encoded_prose(20_000, tmp_path)
    settings = TrainingSettings(device="cpu", threads=1, hidden_size=16, batch_size=2, seq_length=8)
    measured = machine.step_time(encoded, Planner(encoded, settings).recipe(16))
    matrices = 2
    assert measured.alone == pytest.approx(seconds * (1 + matrices / optimizer.RENEW))
    assert measured.now == pytest.approx(4 * measured.alone)


def test_no_size_is_measured_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[int] = []

    def step_time(encoded: EncodedCorpus, recipe: Recipe) -> machine.StepTime:
        measured.append(recipe.hidden_size)
        return machine.StepTime(0.01, 0.01)

    monkeypatch.setattr(machine, "step_time", step_time)
    encoded = encoded_prose(20_000, tmp_path)
    for size in (None, 32, 256):
        plan(encoded, TrainingSettings(device="cpu", threads=1, base="none", hidden_size=size))
        assert len(measured) == len(set(measured)) > 0
        measured.clear()


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
