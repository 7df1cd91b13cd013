"""Laws of a run folder: nothing half-made, nothing lost, and the same end whatever came between."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from afterword.errors import InputError, OptionError, RunError, StorageError, TextError, TrainingError
from afterword.language_model import LanguageModel
from afterword.learning.batches import Batch
from afterword.learning.learner import Learner
from afterword.learning.ranks import Team
from afterword.learning.recipe import Schedule
from afterword.learning.validation import TIE
from afterword.planning.expectation import Expectation
from afterword.planning.training_plan import TrainingSettings
from afterword.runs import loop
from afterword.runs.begin import begin, repeat
from afterword.runs.folder import RunFolder
from afterword.runs.loop import train_run
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.runs.time_left import TimeLeft
from afterword.text.corpus import TextSettings
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
TOO_LARGE = {"hidden_size": 16384, "num_layers": 16}


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
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(
    whole: tuple[dict[str, Any], Path], tmp_path: Path, stop: int
) -> None:
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


def test_a_run_that_is_repeated_from_its_folder_alone_has_the_same_bits(
    whole: tuple[dict[str, Any], Path], tmp_path: Path
) -> None:
    path = Path(shutil.copytree(whole[1], tmp_path / "run", ignore=shutil.ignore_patterns("model", "checkpoints")))
    again = repeat(path, tmp_path / "again")
    assert again.take_notes() == ()
    finish(again)
    assert outcome(again.folder.path) == outcome(whole[1])
    assert (again.folder.model / "config.json").read_bytes() == (whole[1] / "model" / "config.json").read_bytes()


@pytest.mark.parametrize(("kind", "stop"), [*zip(KINDS, (7, 24, 7, 24, 7), strict=True), ("running text", 24)])
def test_a_run_with_more_time_is_resumed_and_repeated_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, stop: int
) -> None:
    Clock(monkeypatch)
    monkeypatch.setattr(
        TimeLeft, "correction", lambda *_: None
    )  # the clock decides otherwise in a run that was stopped
    path = stopped(begin_in(tmp_path, "whole", **KINDS[kind]), stop).folder.path
    parted = shutil.copytree(path, tmp_path / "parted")
    finish(resume(path, more_minutes=9 / 60))
    expected = outcome(path)
    assert expected["metrics"][-1]["step"] == 33
    stopped(resume(parted, more_minutes=9 / 60), 3)
    finish(resume(parted))
    assert outcome(parted) == expected
    again = outcome(finish(repeat(path, tmp_path / "again")).folder.path)
    for one in (again, expected):
        del one["files"]
    assert again == expected


def test_the_kept_model_is_the_one_of_the_lowest_validation(begin_run: BeginRun) -> None:
    run = begin_run()
    progress = list(train_run(run))
    measured = [p.validation for p in progress if p.validation is not None]
    about = LanguageModel.load(run.folder.path).about
    assert len(measured) > 2
    assert about["validation"]["nats_per_character"] == progress[-1].best
    assert about["validation"]["nats_per_character"] <= min(measured) + TIE
    assert [p.step for p in progress if p.improved][-1] == about["training"]["steps"]


def test_a_run_with_minutes_takes_the_same_steps_again_whatever_the_clock_says(
    begin_run: BeginRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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


def test_whoever_reads_the_reports_may_take_as_long_as_it_likes(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run()
    clock = Clock(monkeypatch)
    for progress in train_run(run):
        assert progress.seconds == progress.step
        clock.now += 1000  # a slow terminal, and a sample that is written
    assert run.seconds == 24


@pytest.mark.parametrize(("planned", "said"), [(70, []), (90, [", and the expected range no longer holds"])])
def test_a_run_that_the_machine_slows_says_once_that_the_expected_range_no_longer_holds(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch, planned: int, said: list[str]
) -> None:
    run = begin_run(steps=planned)  # then a minute in which each step takes a second
    plan = dataclasses.replace(run.recipe, minutes=1.0, evaluate_every=30)
    run.change_record(plan=plan, expected=Expectation(1.0, 0.9, 1.1))
    Clock(monkeypatch)
    notes = [note for progress in train_run(run) for note in progress.notes if "became slower" in note]
    assert run.record.corrections
    assert [note.partition(" planned steps")[2] for note in notes] == said


def test_the_speed_that_a_resumed_run_reports_first_is_its_own(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run()
    run.change_record(plan=dataclasses.replace(run.recipe, report_every=10, evaluate_every=10))
    Clock(monkeypatch)
    again = resume(stopped(run).folder.path)
    speeds = [progress.characters_per_second for progress in train_run(again)]
    assert speeds[:2] == [speeds[-1]] * 2


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


def test_what_could_change_the_bits_is_noted_by_a_resumed_run_and_refuses_a_repetition(
    begin_run: BeginRun, tmp_path: Path
) -> None:
    path, out = stopped(begin_run()).folder.path, tmp_path / "again"
    with pytest.raises(RunError, match="threads was 1 and is 2: the run cannot be repeated bit for bit here"):
        repeat(path, out, {"threads": 2})
    assert not out.exists()
    again = repeat(path, out, {"threads": 1, "checkpoint_every": 3})
    again.folder.unlock()
    assert again.take_notes() == ()
    assert (again.recipe.threads, again.recipe.checkpoint_every) == (1, 3)
    assert [(had.step, had.parts["threads"]) for had in again.record.environments] == [(0, 1)]
    again = resume(path, {"threads": 2})
    again.folder.unlock()
    (note,) = again.take_notes()
    assert note == "threads was 1 and is 2: the run continues, but perhaps not bit for bit as it would have"
    more = resume(path)
    more.folder.unlock()
    assert more.take_notes() == ()
    assert [had.step for had in more.record.environments] == [0, 7]
    with pytest.raises(RunError, match="threads was 1 and is 2: the run cannot be repeated bit for bit here"):
        repeat(path, tmp_path / "another")  # it has had both, and no run can have the same


def test_a_repeated_run_is_refused_by_other_numbers_and_in_a_place_that_is_taken(
    begin_run: BeginRun, ended: Path, tmp_path: Path
) -> None:
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


@pytest.mark.parametrize(
    ("name", "damage", "says"),
    [
        ("run.json", b"{}", None),
        ("run.json", b'{"format": 1}', None),
        ("run.json", b"\xff", None),
        ("corpus/corpus.json", b"[]", None),
        ("corpus/tokenizer.json", b"\xff\xfe", None),
        ("corpus/training.bin", b"short", None),
        ("corpus/training.bin", None, None),
        ("corpus/training.bin", "reversed", "not the one"),
        ("corpus/validation.bin", "reversed", "not the one"),
        ("run.json", {"format": 4}, r"has the format 4, and this Afterword reads 3: upgrade Afterword$"),
        ("run.json", {"plan": {}}, r"is damaged: run\.json: "),
        ("run.json", {"environments": [3]}, r"is damaged: run\.json: "),
        ("run.json", {"ended": {"step": 1}}, r"is damaged: run\.json: "),
        ("run.json", {"rollbacks": None}, r"is damaged: run\.json: "),
        ("run.json", {"corrections": [3]}, r"is damaged: run\.json: "),
        ("run.json", {"corrections": [["7", 9]]}, r"is damaged: run\.json: "),
    ],
)
def test_a_damaged_run_is_neither_resumed_nor_repeated(
    ended: Path, tmp_path: Path, name: str, damage: Any, says: str | None
) -> None:
    place = ended / name
    whole = place.read_bytes()
    place.unlink()
    if damage is not None:
        changed = json.dumps(json.loads(whole) | damage).encode() if isinstance(damage, dict) else damage
        place.write_bytes(whole[::-1] if damage == "reversed" else changed)
    with pytest.raises(RunError, match=says):
        resume(ended)
    with pytest.raises(RunError, match=says):
        repeat(ended, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    assert RunFolder(ended).is_run or not isinstance(damage, dict)


def test_a_folder_that_holds_a_run_is_refused_and_kept(begin_run: BeginRun, ended: Path) -> None:
    before = (ended / "run.json").read_bytes()
    for asked in ({}, {"steps": 25}):
        with pytest.raises(
            RunError, match="holds a run: continue it with afterword train --resume"
        ):  # odd has no --resume
            begin_run(**asked)
    assert (ended / "run.json").read_bytes() == before


def test_a_live_run_cannot_be_resumed_or_overwritten(begin_run: BeginRun) -> None:
    run = begin_run()
    path = run.folder.path
    with pytest.raises(RunError, match="another process"):
        resume(path)
    with pytest.raises(RunError, match="another process"):
        begin_run(steps=1, overwrite=True)
    assert (path / "run.json").exists()
    finish(run)
    assert (path / "model").is_dir()


def test_what_a_killed_begin_left_is_taken_over(begin_run: BeginRun, ended: Path) -> None:
    (ended / "run.json").unlink()
    finish(begin_run())
    assert LanguageModel.load(ended).generate(max_tokens=3, seed=1).tokens == 3


@pytest.mark.parametrize(
    "record", [None, b"{}", b'{"format": 1}', b"[1]", b"\xff", b'{"scripts": {"test": "x"}, "format": 1}']
)
def test_a_folder_with_anything_else_in_it_even_a_run_json_is_refused_and_untouched(
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


@pytest.mark.parametrize(
    "stranger", ["model/notes.txt", "checkpoints/step-1.pt", "corpus/training.txt", "model/deep/x"]
)
def test_an_overwritten_run_takes_nothing_along_that_is_not_its_own(
    begin_run: BeginRun, ended: Path, tmp_path: Path, stranger: str
) -> None:
    beside, within = ended / "notes.txt", ended / stranger
    within.parent.mkdir(exist_ok=True)
    for path in (beside, within):
        path.write_text("mine")
    before = contents(ended)
    name = stranger.removesuffix("/x")
    with pytest.raises(RunError, match=f"also holds files that do not belong to a run, {name}: move them away"):
        begin_run(overwrite=True)
    assert contents(ended) == before
    within.rename(tmp_path / "moved")
    if name != stranger:
        within.parent.rmdir()
    run = finish(begin_run(steps=1, overwrite=True))
    (tmp_path / "moved").rename(ended / "model" / "moved")  # when all was checked already
    run.folder.clear()
    assert sorted(str(path.relative_to(ended)) for path in contents(ended)) == ["lock", "model/moved", "notes.txt"]


def test_a_folder_elsewhere_that_a_run_only_links_to_is_kept(begin_run: BeginRun, ended: Path, tmp_path: Path) -> None:
    (ended / "model").rename(tmp_path / "elsewhere")
    (ended / "model").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="do not belong to a run, model: move"):
        begin_run(overwrite=True)
    RunFolder(ended).clear()
    assert LanguageModel.load(tmp_path / "elsewhere").parameters


@pytest.mark.parametrize(
    ("says", "asked", "text"),
    [
        ("at least 64 are needed", {}, "too short"),
        ("^seq_length= 5000", {"seq_length": 5000}, BOOK),
        ("need about .* GiB", TOO_LARGE, BOOK),
        ("the classic recipe is only for cell= lstm", {"recipe": "classic", "cell": "rnn"}, BOOK),
    ],
)
def test_a_run_that_cannot_begin_leaves_a_folder_only_where_there_was_one(
    begin_run: BeginRun, text_file: Path, says: str, asked: dict[str, Any], text: str
) -> None:
    text_file.write_text(text)
    out = text_file.with_name("deep") / "run"
    with pytest.raises((TextError, OptionError), match=says):
        begin_run("deep/run", **asked)
    assert not out.parent.exists()
    out.mkdir(parents=True)
    with pytest.raises((TextError, OptionError), match=says):
        begin_run("deep/run", **asked)
    assert [*out.parent.rglob("*")] == [out]


@pytest.mark.parametrize("text", [None, BOOK])
def test_an_overwrite_that_cannot_be_leaves_the_run_as_it_was(
    begin_run: BeginRun, ended: Path, text_file: Path, text: str | None
) -> None:
    before = contents(ended)
    text_file.write_text(text or "")
    with pytest.raises(InputError):
        begin_run(overwrite=True, **TOO_LARGE)
    assert contents(ended) == before
    text_file.write_text(BOOK)
    begin_run(overwrite=True).folder.unlock()
    assert sorted(path.name for path in ended.iterdir()) == ["corpus", "lock", "run.json"]


def test_a_run_killed_before_its_first_checkpoint_starts_again_by_the_same_command_alone(begin_run: BeginRun) -> None:
    begin_run().folder.unlock()
    with pytest.raises(RunError, match="holds a run"):
        begin_run(steps=25)
    finish(begin_run())
    with pytest.raises(RunError, match="holds a run"):
        begin_run()


@pytest.mark.parametrize("setting", [{"hidden_size": 13}, {"steps": 25}, {"dropout": 0.0}, {"lines": True}])
def test_a_resume_by_other_numbers_is_refused_and_says_what_differs(ended: Path, setting: dict[str, Any]) -> None:
    ((name, value),) = setting.items()
    given = "true" if value is True else value
    with pytest.raises(OptionError, match=rf"^{name}= is .* in the run .*, not {given}: "):
        resume(ended, setting)
    resume(ended, {"hidden_size": 12, "steps": 24, "dropout": 0.3}).folder.unlock()


def test_a_resume_with_another_text_is_refused(ended: Path, text_file: Path) -> None:
    resume(ended, sources=[text_file]).folder.unlock()
    before = text_file.read_text()
    for text, says in (
        (before[:-10], r"has 4,920 characters, and the text of the run .* has 4,930"),
        (before.replace("book", "look"), "as long as the text of the run"),
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


def test_a_folder_that_cannot_be_written_is_told_in_one_line(ended: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:  # which another user may enter
        path, text = Path(place, "run"), Path(place, "book.txt")
        shutil.copytree(ended, path)
        shutil.copy(ended.parent / "book.txt", text)
        for folder in (path, Path(place)):
            folder.chmod(0o555)
        (path / "lock").chmod(0o444)
        root = os.geteuid() == 0
        if root:
            os.seteuid(65534)
        try:
            with pytest.raises(RunError, match="cannot write in"):
                resume(path)
            with pytest.raises(RunError, match=r"cannot (write in|create the folder)"):
                begin([text], Path(place, "new"), TextSettings(), TrainingSettings(steps=1))
        finally:
            if root:
                os.seteuid(0)
            for folder in (path, Path(place)):
                folder.chmod(0o755)


class Sick:
    """Makes the loss at one step not a number, as often as told: what too high a rate does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, step: int, times: int) -> None:
        self.times = times
        whole = Learner._cost_and_loss

        def cost(learner: Learner, batch: Batch) -> Any:
            cost, loss = whole(learner, batch)
            if learner.step == step and self.times > 0:
                self.times -= 1
                return cost * math.nan, loss * math.nan
            return cost, loss

        monkeypatch.setattr(Learner, "_cost_and_loss", cost)


def test_a_loss_that_is_not_a_number_sends_a_run_back_with_half_the_rate_and_its_repetition_too(
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
    assert [line["step"] for line in outcome(run.folder.path)["metrics"]] == sorted({p.step for p in progress})
    assert outcome(again.folder.path) == outcome(run.folder.path)


def test_a_run_that_was_sent_back_and_killed_ends_with_the_same_bits(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    Sick(monkeypatch, 17, 1)
    whole = finish(begin_run("whole"))
    for stop in (3, 14, 19, 22):
        sick = Sick(monkeypatch, 17, 1)
        parted = stopped(begin_run(f"parted-{stop}"), stop)
        finish(resume(parted.folder.path))
        assert sick.times == 0
        assert outcome(parted.folder.path) == outcome(whole.folder.path)


def test_a_run_whose_loss_stays_no_number_gives_up_and_keeps_its_last_good_state(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run()
    Sick(monkeypatch, 12, 10**9)
    with pytest.raises(TrainingError, match=r"not a number 6 times, the last time at step 12 .*learning_rate="):
        finish(run)
    loaded = run.folder.load_checkpoint([], run.record.rollbacks)
    assert loaded is not None
    assert loaded[1].step <= 12
    assert all(np.isfinite(tensor).all() for tensor in loaded[0].values())


def test_weights_that_are_not_finite_are_never_kept(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Learner.learn

    def learn(learner: Learner, *arguments: Any) -> float:
        cost = whole(learner, *arguments)
        if learner.step == 15:  # a checkpoint is due
            next(learner.network.parameters()).data[0] = math.inf
        return cost

    monkeypatch.setattr(Learner, "learn", learn)
    run = begin_run()
    with pytest.raises(TrainingError):
        finish(run)
    assert max(run.folder.checkpoints) <= 10


def test_a_disk_that_is_still_full_at_the_end_is_an_error_and_the_run_can_go_on(
    begin_run: BeginRun, ended: Path
) -> None:
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


def test_old_checkpoints_do_not_pile_up(ended: Path) -> None:
    kept = sorted((ended / "checkpoints").iterdir())
    assert len(kept) == 2
    shutil.copy(kept[0], kept[0].with_name("step-000000001.safetensors"))  # killed before it was removed
    finish(resume(ended))
    assert sorted((ended / "checkpoints").iterdir()) == kept


OF_RANKS = ["--hidden-size", "8", "--batch-size", "4", "--seq-length", "16", "--threads", "1", "--base", "none"]


def test_two_ranks_begin_and_continue_and_are_refused_as_one(tmp_path: Path) -> None:
    text, out = write_text(tmp_path / "book.txt"), tmp_path / "run"
    begin = ["train", text, "--out", out, "--steps", "4", *OF_RANKS]
    train(begin, tmp_path, 2)
    train(["train", "--resume", out, "--more-minutes", "1e-9"], tmp_path, 2)
    assert len(losses(out)) == 5
    assert [process.wait(100) for process in start_ranks(begin, tmp_path, 2)] == [2, 2]


class Second(Team):
    """The second of two ranks, whose first one always has the state of step 5."""

    def from_first(self, value: float) -> float:
        return 5

    def wait(self) -> None: ...


def test_a_rank_goes_back_to_the_state_of_the_first_one(begin_run: Callable[..., Run]) -> None:
    run = begin_run(steps=6)
    list(loop.train_run(run))
    run.team = Second(1, 2)
    run.load_checkpoint()
    assert run.saved is not None
    assert run.saved[1].step == 5
