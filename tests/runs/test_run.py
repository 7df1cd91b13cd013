"""Laws of a run folder: nothing half-made, nothing lost, and the same end whatever came between."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.errors import OptionError, RunError, StorageError, TextError, TrainingError
from afterword.language_model import LanguageModel
from afterword.learning.batches import Batch
from afterword.learning.learner import Learner
from afterword.learning.ranks import Team
from afterword.learning.recipe import Schedule
from afterword.planning.expectation import Expectation
from afterword.runs.begin import repeat
from afterword.runs.folder import BASE, RunFolder
from afterword.runs.loop import train_run
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.runs.time_left import TimeLeft
from tests.runs.conftest import BOOK, begin_in
from tests.tiny import killed_beside
from tests.torture.ranks import losses, start_ranks, train
from tests.torture.runs import longest_file, outcome, write_text

BeginRun = Callable[..., Run]
KINDS: dict[str, dict[str, Any]] = {
    "running text": {},
    "lines": {"lines": True},
    "classic": {"recipe": "classic"},
    "plain recurrent": {"cell": "rnn"},
    "taught by a base": {"base": True, "taught": 0.3},
}


def stop_at(step: int) -> Callable[[], bool]:
    asked = iter(range(1, 10**9))
    return lambda: next(asked) >= step


def finish(run: Run) -> Run:
    list(train_run(run))
    return run


def stopped(run: Run, step: int = 7) -> Run:
    list(train_run(run, stop_at(step)))
    return run


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module", params=KINDS)
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """A kind of run, and the folder of one that was never stopped."""
    kind = KINDS[request.param]
    return kind, finish(begin_in(tmp_path_factory.mktemp("whole"), **kind)).folder.path


@pytest.mark.parametrize("stop", [1, 7, 12])
def test_a_run_that_was_stopped_ends_with_the_same_bits(whole: tuple[Any, Path], tmp_path: Path, stop: int) -> None:
    kind, path = whole
    parted = stopped(begin_in(tmp_path / "with its text", **kind), stop).folder.path.rename(tmp_path / "alone")
    shutil.rmtree(tmp_path / "with its text")
    assert LanguageModel.load(parted).generate(max_tokens=5, seed=1).tokens == 5
    if stop == 7:  # a run that was stopped is repeated to its planned end
        again = stopped(repeat(parted, tmp_path / "again"), 13).folder.path
        finish(resume(again))
        assert outcome(again) == outcome(path)
    finish(resume(parted))
    assert outcome(parted) == outcome(path)


def test_a_run_repeated_from_its_folder_alone_has_the_same_bits(whole: tuple[Any, Path], tmp_path: Path) -> None:
    path = Path(shutil.copytree(whole[1], tmp_path / "run", ignore=shutil.ignore_patterns("model", "checkpoints")))
    again = repeat(path, tmp_path / "again")
    assert again.take_notes() == ()
    finish(again)
    assert outcome(again.folder.path) == outcome(whole[1])
    assert (again.folder.model / "config.json").read_bytes() == (whole[1] / "model" / "config.json").read_bytes()


@pytest.mark.parametrize(("kind", "stop"), [*zip(KINDS, (7, 24, 7, 24, 7), strict=True), ("running text", 24)])
def test_more_time_gives_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, stop: int) -> None:
    Clock(monkeypatch)
    monkeypatch.setattr(TimeLeft, "correction", lambda *_: None)  # which differs in a run that was stopped
    path = stopped(begin_in(tmp_path, "whole", **KINDS[kind]), stop).folder.path
    parted = shutil.copytree(path, tmp_path / "parted")
    finish(resume(path, more_minutes=9 / 60))
    expected = outcome(path)
    assert expected["metrics"][-1]["step"] == 33
    stopped(resume(parted, more_minutes=9 / 60), 3)
    finish(resume(parted))
    assert outcome(parted) == expected
    again = outcome(finish(repeat(path, tmp_path / "again")).folder.path)
    assert again | {"files": ""} == expected | {"files": ""}


def test_what_the_clock_said_is_repeated(begin_run: BeginRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TimeLeft, "correction", lambda forecast, steps: None if steps == 31 else 31)
    path = finish(begin_run(steps=None, minutes=0.01)).folder.path
    expected, record = outcome(path), (path / "run.json").read_bytes()
    monkeypatch.setattr("afterword.planning.machine.step_time", None)  # to measure would be an error
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: 1000 * clock())
    again = repeat(path, tmp_path / "again")
    assert {steps for _, steps in again.record.corrections} <= {31}  # none where 31 were planned
    for name in ("checkpoints", "model"):
        shutil.rmtree(path / name)
    for run in (again, resume(path)):
        found = outcome(finish(run).folder.path)
        assert found | {"files": ""} == expected | {"files": ""}  # a checkpoint is kept every minute, by the clock
    assert (path / "run.json").read_bytes() == record


class Clock:
    """Takes the place of the clock: a step of learning takes a second, and nothing else takes any time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        whole = Learner.learn

        def learn(learner: Learner, *arguments: Any) -> float:
            self.now += 1
            return whole(learner, *arguments)

        monkeypatch.setattr(Learner, "learn", learn)
        monkeypatch.setattr(time, "monotonic", lambda: self.now)


def test_neither_pauses_nor_reading_reports_takes_time(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin_run()
    run.change_record(plan=dataclasses.replace(run.recipe, report_every=10, evaluate_every=10))
    clock, speeds = Clock(monkeypatch), list[float]()
    again = resume(stopped(run).folder.path)
    clock.now += 1000
    for progress in train_run(again):
        assert progress.seconds == progress.step
        speeds.append(progress.characters_per_second)
        clock.now += 1000  # a slow terminal, and a sample that is written
    assert speeds[:2] == [speeds[-1]] * 2
    assert again.seconds == 24


def test_a_slower_machine_is_told_once_where_a_range_was_expected(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    Clock(monkeypatch)
    for planned, said in ((70, []), (90, [", and the expected range no longer holds"])):
        run = begin_run(f"run{planned}", steps=planned)  # then a minute in which each step takes a second
        plan = dataclasses.replace(run.recipe, minutes=1.0, evaluate_every=30)
        run.change_record(plan=plan, expected=Expectation(1.0, 0.9, 1.1))
        notes = [note for progress in train_run(run) for note in progress.notes if "became slower" in note]
        assert run.record.corrections
        assert [note.partition(" planned steps")[2] for note in notes] == said


def test_loss_and_speed_are_per_character(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin_run(steps=10, lines=True, vocabulary="words")
    assert run.encoded.training_characters > 2 * len(run.encoded.training)
    before, read = 0.0, 0.0
    run.change_record(plan=dataclasses.replace(run.recipe, report_every=5, evaluate_every=10))
    Clock(monkeypatch)
    for progress in train_run(run):
        read, before = read + progress.characters_per_second * (progress.seconds - before), progress.seconds
    assert progress.validation is not None
    assert progress.validation / 2 < progress.loss < progress.validation * 2
    assert read == pytest.approx(10 * run.encoded.training_characters)  # each step reads all lines


def test_what_could_change_bits_is_noted_and_no_run_is_repeated_with_it(begin_run: BeginRun, tmp_path: Path) -> None:
    path, out = stopped(begin_run()).folder.path, tmp_path / "again"
    with pytest.raises(RunError, match="threads was 1 and is 2: the run cannot be repeated bit for bit here"):
        repeat(path, out, {"threads": 2})
    assert not out.exists()
    again = repeat(path, out, {"threads": 1, "checkpoint_every": 3})
    again.folder.unlock()
    assert again.take_notes() == ()
    assert (again.recipe.threads, again.recipe.checkpoint_every) == (1, 3)
    assert [(had.step, had.parts["threads"]) for had in again.record.environments] == [(0, 1)]
    note = "threads was 1 and is 2: the run continues, but perhaps not bit for bit as it would have"
    for asked, notes in (({"threads": 2}, (note,)), ({}, ())):
        more = resume(path, asked)
        more.folder.unlock()
        assert more.take_notes() == notes
        assert [had.step for had in more.record.environments] == [0, 7]
    with pytest.raises(RunError, match="threads was 1 and is 2: the run cannot be repeated bit for bit here"):
        repeat(path, tmp_path / "another")  # it has had both, and no run can have the same


def test_no_run_is_repeated_by_other_numbers_or_in_its_place(begin_run: BeginRun, ended: Path, tmp_path: Path) -> None:
    other = finish(begin_run("other", steps=3)).folder.path
    before, again, inside = contents(tmp_path), tmp_path / "again", ended / "model" / "within"
    shutil.copytree(other, inside)
    with pytest.raises(OptionError, match=r"^hidden_size= is 12 in the run .*, not 13"):
        repeat(ended, again, {"hidden_size": 13})
    for source, out, overwrite, says in (
        (ended, ended / ".." / ended.name, True, "is the run to repeat"),
        (inside, ended, True, "is in"),
        (ended, other, False, "holds a run"),
        (tmp_path / "nothing", again, False, "there is no such folder"),
    ):
        with pytest.raises(RunError, match=says):
            repeat(source, out, overwrite=overwrite)
    shutil.rmtree(inside)
    assert contents(tmp_path) == before
    finish(repeat(ended, other, overwrite=True))
    assert outcome(other) == outcome(ended)
    often = finish(repeat(ended, again, {"checkpoint_every": 1})).folder.path  # which changes no bit of the model
    assert outcome(often)["model"] == outcome(ended)["model"]


WRONG: list[dict[str, Any]] = [{"plan": {}}, {"environments": [3]}, {"ended": {"step": 1}}, {"rollbacks": None}]
DAMAGED: list[tuple[str, Any, str | None]] = [
    *[("run.json", content, None) for content in (b"{}", b'{"format": 1}', b"\xff")],
    *[("corpus/corpus.json", b"[]", None), ("corpus/tokenizer.json", b"\xff\xfe", None)],
    *[("corpus/training.bin", b"short", None), ("corpus/training.bin", None, None)],
    *[(f"corpus/{part}.bin", "reversed", "the text in .* is not the one") for part in ("training", "validation")],
    *[("run.json", wrong, r"is damaged: run\.json: ") for wrong in (*WRONG, {"corrections": [["7", 9]]})],
    ("run.json", {"format": 4}, r"has the format 4, and this Afterword reads 3: upgrade it$"),
]


@pytest.mark.parametrize(("name", "damage", "says"), DAMAGED)
def test_a_damaged_run_is_not_continued(ended: Path, tmp_path: Path, name: str, damage: Any, says: str | None) -> None:
    place = ended / name
    whole = place.read_bytes()
    place.unlink()
    if isinstance(damage, dict):
        place.write_text(json.dumps(json.loads(whole) | damage))
    elif damage is not None:
        place.write_bytes(whole[::-1] if damage == "reversed" else damage)
    for again in (resume, partial(repeat, out=tmp_path / "again")):
        with pytest.raises(RunError, match=says):
            again(ended)
    assert not (tmp_path / "again").exists()
    assert RunFolder(ended).is_run or not isinstance(damage, dict)


def test_a_live_run_cannot_be_resumed_or_overwritten(begin_run: BeginRun) -> None:
    run = begin_run()
    for again in (partial(resume, run.folder.path), partial(begin_run, steps=1, overwrite=True)):
        with pytest.raises(RunError, match="another process"):
            again()
    finish(run)
    assert run.folder.model.is_dir()


def test_only_a_run_killed_before_its_first_checkpoint_starts_again_by_the_same_command(begin_run: BeginRun) -> None:
    begin_run().folder.unlock()
    told = "holds a run: continue it with afterword train --resume"  # the command, also where there is no such option
    with pytest.raises(RunError, match=told):
        begin_run(steps=25)
    run = finish(begin_run())
    before = contents(run.folder.path)
    for asked in ({}, {"steps": 25}):
        with pytest.raises(RunError, match=told):
            begin_run(**asked)
    assert contents(run.folder.path) == before


@pytest.mark.parametrize("record", [None, b"{}", b"\xff", b'{"scripts": {"test": "x"}, "format": 1}'])
def test_a_folder_with_anything_else_is_refused_and_untouched(
    begin_run: BeginRun, text_file: Path, tmp_path: Path, record: bytes | None
) -> None:
    for part in ("model", "corpus", "checkpoints"):
        (tmp_path / "work" / part).mkdir(parents=True)
        (tmp_path / "work" / part / "mine.txt").write_text("mine")
    if record is not None:
        (tmp_path / "work" / "run.json").write_bytes(record)
    before = contents(tmp_path)
    for overwrite in (False, True):
        with pytest.raises(RunError, match="holds other files, and not a run"):
            begin_run("work", overwrite=overwrite)
        with pytest.raises(RunError, match=r"is in|holds other files"):
            begin_run(".", overwrite=overwrite)
    with pytest.raises(RunError):
        resume(tmp_path / "work")
    assert contents(tmp_path) == before


STRANGERS = [["model/notes.txt"], ["checkpoints/step-1.pt"], ["corpus/training.txt"], ["model/deep/x"]]


@pytest.mark.parametrize("strangers", [*STRANGERS, [f"model/{name}" for name in "abcd"]])
def test_an_overwrite_takes_nothing_else(
    begin_run: BeginRun, ended: Path, tmp_path: Path, strangers: list[str]
) -> None:
    for name in ("notes.txt", *strangers):
        (ended / name).parent.mkdir(exist_ok=True)
        (ended / name).write_text("mine")
    before = contents(ended)
    told = ", ".join(strangers[:3]).removesuffix("/x") + " and 1 more" * (len(strangers) > 3)
    with pytest.raises(RunError, match=f"also holds files that do not belong to a run, {told}: move them away"):
        begin_run(overwrite=True)
    assert contents(ended) == before
    for name in strangers:
        (ended / name).unlink()
    shutil.rmtree(ended / "model" / "deep", ignore_errors=True)
    run = finish(begin_run(steps=1, overwrite=True))
    (ended / "model" / "late").write_text("mine")  # when all was checked already
    run.folder.clear()
    assert sorted(str(path.relative_to(ended)) for path in contents(ended)) == ["lock", "model/late", "notes.txt"]


@pytest.mark.parametrize(("name", "kind"), [("model", "link"), ("model", "file"), (BASE, "link"), (BASE, "folder")])
def test_a_stranger_is_kept(begin_run: BeginRun, ended: Path, tmp_path: Path, name: str, kind: str) -> None:
    place, mine = ended / name, tmp_path / "mine"
    shutil.rmtree(ended / "model")
    mine.mkdir()
    (mine / "file").write_text("mine")
    if kind == "link":
        place.symlink_to(mine)
    else:
        (mine / "file" if kind == "file" else mine).rename(place)
    before = contents(tmp_path)
    with pytest.raises(RunError, match=f"do not belong to a run, {name}: move them away"):
        begin_run(overwrite=True)
    assert contents(tmp_path) == before
    if kind == "link":
        RunFolder(ended).clear()
        assert (mine / "file").exists()


def test_a_run_that_cannot_begin_leaves_all_as_it_was(begin_run: BeginRun, ended: Path, text_file: Path) -> None:
    before = contents(ended)
    (ended.parent / "there").mkdir()
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("at least 64 are needed", {}, "too short"),
        ("^seq_length= 5000", {"seq_length": 5000}, BOOK),
        ("need about .* GiB", {"hidden_size": 16384, "num_layers": 16}, BOOK),
    ]
    for says, asked, text in cases:
        text_file.write_text(text)
        for name in ("deep/run", "there", "run"):
            with pytest.raises((TextError, OptionError), match=says):
                begin_run(name, overwrite=True, **asked)
    assert sorted(path.name for path in ended.parent.iterdir()) == ["book.txt", "run", "there"]
    assert not list((ended.parent / "there").iterdir())
    assert contents(ended) == before


@pytest.mark.parametrize("setting", [{"hidden_size": 13}, {"minutes": 0.5}, {"lines": True}])
def test_a_resume_by_other_numbers_is_refused_and_says_what_differs(ended: Path, setting: dict[str, Any]) -> None:
    ((name, value),) = setting.items()
    with pytest.raises(OptionError, match=rf"^{name}= is .* in the run .*, not {str(value).lower()}: "):
        resume(ended, setting)
    resume(ended, {"hidden_size": 12, "steps": 24, "dropout": 0.3}).folder.unlock()


def test_a_resume_with_another_text_is_refused(ended: Path, text_file: Path) -> None:
    resume(ended, sources=[text_file]).folder.unlock()
    for text, says in (
        (BOOK[:-10], r"has 4,920 characters, and the text of the run .* has 4,930"),
        (BOOK.replace("book", "look"), "as long as the text of the run"),
    ):
        text_file.write_text(text)
        with pytest.raises(RunError, match=says):
            resume(ended, sources=[text_file])
    assert not list(ended.glob(".*"))


def test_what_a_killed_process_left_is_gone_when_the_run_is_resumed(ended: Path) -> None:
    before = sorted(ended.rglob("*"))
    for name in (".run.json", "checkpoints/.step-000000009.safetensors", "model/.README.md"):
        (ended / f"{name}.0123abcd.part").touch()
    (killed_beside(ended / "run.json")[0] / "corpus").mkdir(parents=True)
    (ended / "model").rename(killed_beside(ended / "model")[1])
    resume(ended).folder.unlock()
    assert sorted(ended.rglob("*")) == before


class Sick:
    """Makes the loss at one step not a number, as often as told: what too high a rate does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int, times: int) -> None:
        self.times = times
        whole = Learner._cost_and_loss

        def cost(learner: Learner, batch: Batch) -> Any:
            sick = learner.step == step and self.times > 0
            self.times -= sick
            return tuple(value * (math.nan if sick else 1) for value in whole(learner, batch))

        monkeypatch.setattr(Learner, "_cost_and_loss", cost)


def test_a_loss_that_is_no_number_sends_a_run_back_with_half_the_rate(
    begin_run: BeginRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run()
    run.take_notes()  # of so small a text
    every = run.recipe.evaluate_every
    Sick(monkeypatch, 17, 2)
    progress = list(train_run(run))
    notes = [note for p in progress for note in p.notes]
    back = [note for note in notes if note.startswith("the loss was not a number at step 17: the run rolls back to")]
    assert len(back) == 2
    assert run.record.rollbacks == (16 // every * every,) * 2
    plain = Schedule(run.recipe)
    for rates in (progress, list(train_run(again := repeat(run.folder.path, tmp_path / "again")))):
        assert rates[-1].learning_rate == plain.learning_rate(23) / 4
    found = outcome(run.folder.path)
    assert [line["step"] for line in found["metrics"]] == sorted({p.step for p in progress})
    assert outcome(again.folder.path) == found


def test_a_run_sent_back_and_killed_has_the_same_bits(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    Sick(monkeypatch, 17, 1)
    whole = finish(begin_run("whole"))
    for stop in (3, 14, 19, 22):
        sick = Sick(monkeypatch, 17, 1)
        parted = stopped(begin_run(f"parted-{stop}"), stop)
        finish(resume(parted.folder.path))
        assert sick.times == 0
        assert outcome(parted.folder.path) == outcome(whole.folder.path)


@pytest.mark.parametrize("weights", [False, True])
def test_what_stays_no_number_ends_a_run_in_a_good_state(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch, weights: bool
) -> None:
    whole, run = Learner.learn, begin_run()

    def learn(learner: Learner, *arguments: Any) -> float:
        cost = whole(learner, *arguments)
        if learner.step == 15:  # a checkpoint is due
            next(learner.network.parameters()).data[0] = math.inf
        return cost

    if weights:
        monkeypatch.setattr(Learner, "learn", learn)
    else:
        Sick(monkeypatch, 15, 10**9)
    with pytest.raises(TrainingError, match=r"not a number 6 times, the last time at step 15 .*learning_rate="):
        finish(run)
    loaded = run.folder.load_checkpoint([], run.record.rollbacks)
    assert loaded is not None
    assert loaded[1].step == (10 if weights else 15)
    assert all(np.isfinite(tensor).all() for tensor in loaded[0].values())


def test_an_evaluation_without_a_number_rolls_back(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate, infinite = Learner.evaluate, iter([math.inf])
    monkeypatch.setattr(Learner, "evaluate", lambda *arguments: evaluate(*arguments) + next(infinite, 0.0))
    assert finish(begin_run()).folder.read_record().rollbacks == (0,)


def test_a_disk_that_is_still_full_at_the_end_is_an_error_that_loses_nothing(begin_run: BeginRun, ended: Path) -> None:
    run = begin_run("full")
    training = train_run(run)
    while next(training).step < 12:
        pass
    with longest_file(2000), pytest.raises(StorageError, match="more bytes are needed"):
        list(training)
    finish(resume(run.folder.path))
    assert outcome(run.folder.path) == outcome(ended)


def test_a_damaged_newest_checkpoint_is_passed_over(ended: Path) -> None:
    weights = ended / "model" / "model.safetensors"
    before, newest = weights.read_bytes(), max((ended / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    again = resume(ended)
    assert any("damaged" in note for note in again.notes)
    finish(again)
    assert weights.read_bytes() == before
    for path in (ended / "checkpoints").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(RunError, match="all checkpoints"):  # it is not begun anew
        resume(ended)


OF_RANKS: dict[str, Any] = {
    "steps": 4,
    "hidden_size": 8,
    "batch_size": 4,
    "seq_length": 16,
    "threads": 1,
    "base": "none",
}


def test_two_ranks_begin_and_continue_and_are_refused_as_one(tmp_path: Path) -> None:
    text, out = write_text(tmp_path / "book.txt"), tmp_path / "run"
    begun = ["train", text, "--out", out, *(f"--{name}={of}".replace("_", "-") for name, of in OF_RANKS.items())]
    train(begun, tmp_path, 2)
    train(["train", "--resume", out, "--more-minutes", "1e-9"], tmp_path, 2)
    alone = losses(finish(begin_in(tmp_path, "alone", dropout=None, **OF_RANKS)).folder.path)
    assert losses(out) == pytest.approx([*alone, losses(out)[4]], abs=1e-5)
    assert [process.wait(100) for process in start_ranks(begun, tmp_path, 2)] == [2, 2]


class Second(Team):
    """The second of two ranks, whose first one always has the state of step 5."""

    def from_first(self, value: float) -> float:
        return 5

    def wait(self) -> None: ...


def test_a_rank_goes_back_to_the_state_of_the_first_one(begin_run: Callable[..., Run]) -> None:
    run = finish(begin_run(steps=6))
    run.team = Second(1, 2)
    run.load_checkpoint()
    assert run.saved is not None
    assert run.saved[1].step == 5
