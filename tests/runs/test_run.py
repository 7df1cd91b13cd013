"""Laws of a run folder: nothing half-made, nothing lost, and the same end whatever came between."""

from __future__ import annotations

import ast
import dataclasses
import inspect
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

import afterword
from afterword.errors import InputError, OptionError, RunError, StorageError, TextError, TrainingError
from afterword.language_model import LanguageModel
from afterword.learning.batches import Batch
from afterword.learning.learner import Learner
from afterword.learning.recipe import Schedule
from afterword.learning.validation import TIE
from afterword.planning.expectation import Expectation
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin, repeat
from afterword.runs.loop import train_run
from afterword.runs.record import as_json
from afterword.runs.resume import resume
from afterword.runs.run import Run
from afterword.runs.time_left import TimeLeft
from afterword.storage import write_json
from afterword.text.corpus import TextSettings
from tests.tiny import killed_beside
from tests.torture.runs import longest_file, outcome

BeginRun = Callable[..., Run]


def stop_at(step: int) -> Callable[[], bool]:
    asked = iter(range(1, 10**9))
    return lambda: next(asked) >= step


def finish(run: Run) -> None:
    for _ in train_run(run):
        pass


@pytest.mark.parametrize("kind", [{}, {"lines": True}, {"recipe": "classic"}, {"base": True}])
@pytest.mark.parametrize("stop", [1, 7, 12])
def test_a_run_that_was_stopped_and_resumed_ends_with_the_same_bits(
    begin_run: BeginRun, kind: dict[str, Any], stop: int
) -> None:
    whole = begin_run("whole", **kind)
    finish(whole)
    parted = begin_run("parted", **kind)
    for _ in train_run(parted, stop_at(stop)):
        pass
    finish(resume(parted.folder.path))
    assert outcome(parted.folder.path) == outcome(whole.folder.path)


def test_the_same_seed_makes_the_same_model(begin_run: BeginRun) -> None:
    runs = [begin_run(name) for name in ("one", "two")]
    for run in runs:
        finish(run)
    files = [[(run.folder.model / name).read_bytes() for name in ("model.safetensors", "config.json")] for run in runs]
    assert files[0] == files[1]


def test_the_kept_model_is_the_one_of_the_lowest_validation(begin_run: BeginRun) -> None:
    run = begin_run()
    progress = list(train_run(run))
    measured = [p.validation for p in progress if p.validation is not None]
    about = LanguageModel.load(run.folder.path).about
    assert len(measured) > 2
    assert about["validation"]["nats_per_character"] == progress[-1].best
    assert about["validation"]["nats_per_character"] <= min(measured) + TIE
    assert [p.step for p in progress if p.improved][-1] == about["training"]["steps"]


def test_the_validation_figure_is_what_scoring_the_held_out_text_gives(begin_run: BeginRun, text_file: Path) -> None:
    run = begin_run(lines=True, steps=30)
    finish(run)
    model = LanguageModel.load(run.folder.path)
    ids = run.encoded.validation
    lines: list[str] = []
    line: list[int] = []
    for id in ids.tolist():
        if id == model.tokenizer.end:
            lines.append(model.tokenizer.decode(line))
            line = []
        else:
            line.append(id)
    nats = sum(float(score.token_nats.sum()) for score in model.score_lines(lines))
    characters = run.encoded.validation_characters
    assert model.about["validation"]["nats_per_character"] == pytest.approx(nats / characters, rel=1e-4)


def test_a_stopped_run_leaves_a_model_that_writes(begin_run: BeginRun) -> None:
    run = begin_run()
    for _ in train_run(run, stop_at(1)):
        pass
    assert LanguageModel.load(run.folder.path).generate(max_tokens=5, seed=1).tokens == 5


def test_a_run_with_minutes_takes_the_same_steps_when_it_is_repeated_from_its_record(
    text_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "timed"
    finish(begin([text_file], path, TextSettings(), TrainingSettings(minutes=0.01, hidden_size=8, threads=1)))
    record, weights = (path / "run.json").read_bytes(), (path / "model" / "model.safetensors").read_bytes()
    for name in ("checkpoints", "model"):
        shutil.rmtree(path / name)
    finish(resume(path))
    assert (path / "run.json").read_bytes() == record
    assert (path / "model" / "model.safetensors").read_bytes() == weights


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
    rare = dataclasses.replace(run.recipe, report_every=10, evaluate_every=10)
    run.change_record(plan=rare)
    Clock(monkeypatch)
    for _ in train_run(run, stop_at(7)):
        pass
    again = resume(run.folder.path)
    speeds = [progress.characters_per_second for progress in train_run(again)]
    assert speeds[:2] == [speeds[-1]] * 2


@pytest.mark.parametrize("kind", [{}, {"lines": True}, {"recipe": "classic"}, {"base": True}])
def test_a_run_that_is_repeated_from_its_folder_alone_has_the_same_bits(
    begin_run: BeginRun, text_file: Path, tmp_path: Path, kind: dict[str, Any]
) -> None:
    run = begin_run(**kind)
    finish(run)
    text_file.unlink()
    shutil.rmtree(tmp_path / "base", ignore_errors=True)
    for name in ("model", "checkpoints"):
        (run.folder.path / name).rename(tmp_path / name)
    again = repeat(run.folder.path, tmp_path / "again", exact=True)
    assert again.take_notes() == ()
    finish(again)
    for name in ("model", "checkpoints"):
        (tmp_path / name).rename(run.folder.path / name)
    assert outcome(again.folder.path) == outcome(run.folder.path)
    assert (again.folder.model / "config.json").read_bytes() == (run.folder.model / "config.json").read_bytes()


def test_a_repeated_run_with_minutes_takes_the_same_steps_whatever_the_clock_says(
    text_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "timed"
    monkeypatch.setattr(TimeLeft, "correction", lambda forecast, steps: None if steps == 31 else 31)
    finish(begin([text_file], path, TextSettings(), TrainingSettings(minutes=0.01, hidden_size=8, threads=1)))
    monkeypatch.setattr("afterword.planning.machine.step_time", None)  # to measure would be an error
    clock = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: 1000 * clock())
    again = repeat(path, tmp_path / "again")
    assert {steps for _, steps in again.record.corrections} <= {31}  # none where 31 were planned
    finish(again)
    outcomes = [outcome(folder) for folder in (path, again.folder.path)]
    for one in outcomes:
        del one["files"]  # a checkpoint is kept every minute, by the clock
    assert outcomes[0] == outcomes[1]


def test_a_repeated_run_halves_the_rate_where_the_first_one_had_to(
    begin_run: BeginRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin_run()
    Sick(monkeypatch, 11, 1)
    Sick(monkeypatch, 17, 2)
    finish(run)
    assert len(run.record.rollbacks) == 3
    again = repeat(run.folder.path, tmp_path / "again")
    rates = {progress.step: progress.learning_rate for progress in train_run(again)}
    assert rates[24] == Schedule(run.recipe).learning_rate(23) / 8
    assert outcome(again.folder.path) == outcome(run.folder.path)


def test_a_run_that_was_stopped_is_repeated_to_its_planned_end(begin_run: BeginRun, tmp_path: Path) -> None:
    parted = begin_run("parted")
    for _ in train_run(parted, stop_at(7)):
        pass
    again = repeat(parted.folder.path, tmp_path / "again")
    for _ in train_run(again, stop_at(13)):
        pass
    finish(resume(again.folder.path, exact=True))
    finish(resume(parted.folder.path))
    assert outcome(again.folder.path) == outcome(parted.folder.path)


def test_what_could_change_a_repeated_runs_bits_is_said_or_refused(begin_run: BeginRun, tmp_path: Path) -> None:
    run = begin_run()
    for _ in train_run(run, stop_at(7)):
        pass
    out = tmp_path / "again"
    with pytest.raises(RunError, match="threads was 1 and is 2: the run cannot be repeated exactly"):
        repeat(run.folder.path, out, {"threads": 2}, exact=True)
    assert not out.exists()
    again = repeat(run.folder.path, out, {"threads": 2, "checkpoint_every": 3})
    again.folder.unlock()
    assert again.take_notes() == ("threads was 1 and is 2: the run is repeated, but perhaps not bit for bit",)
    assert (again.recipe.threads, again.recipe.checkpoint_every) == (2, 3)
    assert [(had.step, had.parts["threads"]) for had in again.record.environments] == [(0, 2)]
    assert run.folder.read_record().plan.threads == 1
    resume(run.folder.path, {"threads": 2}).folder.unlock()  # now it has had both, and no run can have the same
    with pytest.raises(RunError, match="threads was 1 and is 2: the run cannot be repeated exactly"):
        repeat(run.folder.path, tmp_path / "another", exact=True)


def test_checkpoints_at_other_steps_do_not_change_a_repeated_runs_bits(begin_run: BeginRun, tmp_path: Path) -> None:
    run = begin_run()
    finish(run)
    again = repeat(run.folder.path, tmp_path / "again", {"checkpoint_every": 1}, exact=True)
    finish(again)
    assert outcome(again.folder.path)["model"] == outcome(run.folder.path)["model"]


def test_a_repeated_run_is_refused_by_other_numbers_and_in_a_place_that_is_taken(
    begin_run: BeginRun, tmp_path: Path
) -> None:
    run, other = begin_run(), begin_run("other", steps=3)
    finish(run)
    finish(other)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    path, again = run.folder.path, tmp_path / "again"
    inside = path / "model" / "within"
    shutil.copytree(other.folder.path, inside)
    with pytest.raises(OptionError, match=r"^hidden-size is 12 in the run .*, not 13"):
        repeat(path, again, {"hidden_size": 13})
    with pytest.raises(RunError, match="is the run to repeat"):
        repeat(path, path / ".." / path.name, overwrite=True)
    with pytest.raises(RunError, match="is in"):
        repeat(inside, path, overwrite=True)
    with pytest.raises(RunError, match="holds a run"):
        repeat(path, other.folder.path)
    with pytest.raises(RunError, match="there is no such folder"):
        repeat(tmp_path / "nothing", again)
    shutil.rmtree(inside)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    finish(repeat(path, other.folder.path, overwrite=True))
    assert outcome(other.folder.path) == outcome(path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", b"{}"),
        ("run.json", b'{"format": 1}'),
        ("corpus/corpus.json", b"[]"),
        ("corpus/tokenizer.json", b"\xff\xfe"),
        ("corpus/training.bin", b"short"),
        ("corpus/training.bin", None),
        ("corpus/validation.bin", b"other"),
    ],
)
def test_a_damaged_run_is_not_repeated_and_leaves_nothing(
    begin_run: BeginRun, tmp_path: Path, name: str, content: bytes | None
) -> None:
    run = begin_run()
    run.folder.unlock()
    place = run.folder.path / name
    if content is None:
        place.unlink()
    else:
        place.write_bytes(place.read_bytes()[::-1] if content == b"other" else content)
    with pytest.raises(RunError):
        repeat(run.folder.path, tmp_path / "again")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("entry", [{"corrections": [["3", 5]]}, {"corrections": [3]}, {"rollbacks": None}])
def test_decisions_that_make_no_sense_are_a_damaged_run(
    begin_run: BeginRun, tmp_path: Path, entry: dict[str, Any]
) -> None:
    run = begin_run()
    write_json(run.folder.path / "run.json", as_json(run.record) | entry)
    run.folder.unlock()
    with pytest.raises(RunError, match="is damaged"):
        repeat(run.folder.path, tmp_path / "again")


def test_a_folder_that_holds_a_run_is_refused_and_kept(begin_run: BeginRun) -> None:
    run = begin_run()
    finish(run)
    before = (run.folder.path / "run.json").read_bytes()
    with pytest.raises(RunError, match="--resume"):
        begin_run()
    assert (run.folder.path / "run.json").read_bytes() == before


def test_a_live_run_cannot_be_resumed_or_overwritten(begin_run: BeginRun, text_file: Path) -> None:
    run = begin_run()
    path = run.folder.path
    with pytest.raises(RunError, match="another process"):
        resume(path)
    with pytest.raises(RunError, match="another process"):
        begin([text_file], path, TextSettings(), TrainingSettings(steps=1), overwrite=True)
    assert (path / "run.json").exists()
    finish(run)
    assert (path / "model").is_dir()


def test_what_a_killed_begin_left_is_taken_over(begin_run: BeginRun) -> None:
    run = begin_run()
    finish(run)
    (run.folder.path / "run.json").unlink()
    finish(begin_run())
    assert LanguageModel.load(run.folder.path).generate(max_tokens=3, seed=1).tokens == 3


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_with_anything_else_in_it_is_refused_and_untouched(
    text_file: Path, tmp_path: Path, overwrite: bool
) -> None:
    mine = [tmp_path / "work" / "corpus" / "mine.txt", tmp_path / "work" / "model" / "precious.txt"]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    with pytest.raises(RunError, match="holds other files"):
        begin([text_file], tmp_path / "work", TextSettings(), TrainingSettings(steps=1), overwrite=overwrite)
    with pytest.raises(RunError, match=r"is in|holds other files"):
        begin([text_file], tmp_path, TextSettings(), TrainingSettings(steps=1), overwrite=overwrite)
    assert [path.read_text() for path in mine] == ["mine", "mine"]


@pytest.mark.parametrize(
    "record", [b"{}", b'{"format": 1}', b"[1]", b"\xff", b'{"scripts": {"test": "x"}, "format": 1}']
)
def test_another_programs_run_json_is_no_run_and_its_folder_is_untouched(
    text_file: Path, tmp_path: Path, record: bytes
) -> None:
    work = tmp_path / "work"
    mine = [work / part / "mine.bin" for part in ("model", "corpus", "checkpoints")]
    for path in mine:
        path.parent.mkdir(parents=True)
        path.write_text("mine")
    (work / "run.json").write_bytes(record)
    for overwrite in (False, True):
        with pytest.raises(RunError, match="holds other files, and not a run"):
            begin([text_file], work, TextSettings(), TrainingSettings(steps=1), overwrite=overwrite)
    with pytest.raises(RunError):
        resume(work)
    assert [path.read_text() for path in mine] == ["mine"] * 3
    assert (work / "run.json").read_bytes() == record


@pytest.mark.parametrize(
    "stranger", ["model/notes.txt", "checkpoints/step-1.pt", "corpus/training.txt", "model/deep/x"]
)
def test_an_overwritten_run_takes_nothing_along_that_is_not_its_own(
    begin_run: BeginRun, text_file: Path, tmp_path: Path, stranger: str
) -> None:
    run = begin_run()
    finish(run)
    place = run.folder.path
    beside, within = place / "notes.txt", place / stranger
    within.parent.mkdir(exist_ok=True)
    for path in (beside, within):
        path.write_text("mine")
    before = {path: path.read_bytes() for path in place.rglob("*") if path.is_file()}
    name = stranger.removesuffix("/x")
    with pytest.raises(RunError, match=f"also holds files that do not belong to a run, {name}: move them away"):
        begin([text_file], place, TextSettings(), TrainingSettings(steps=1), overwrite=True)
    assert {path: path.read_bytes() for path in place.rglob("*") if path.is_file()} == before
    within.rename(tmp_path / "moved")
    if name != stranger:
        within.parent.rmdir()
    finish(begin([text_file], place, TextSettings(), TrainingSettings(steps=1, hidden_size=8), overwrite=True))
    (tmp_path / "moved").rename(place / "model" / "moved")  # when all was checked already
    run.folder.clear()
    assert sorted(str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()) == [
        "lock",
        "model/moved",
        "notes.txt",
    ]


def test_a_folder_elsewhere_that_a_run_only_links_to_is_kept(
    begin_run: BeginRun, text_file: Path, tmp_path: Path
) -> None:
    run = begin_run()
    finish(run)
    (run.folder.path / "model").rename(tmp_path / "elsewhere")
    (run.folder.path / "model").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunError, match="do not belong to a run, model: move"):
        begin([text_file], run.folder.path, TextSettings(), TrainingSettings(steps=1), overwrite=True)
    run.folder.clear()
    assert LanguageModel.load(tmp_path / "elsewhere").parameters


@pytest.mark.parametrize("existed", [False, True])
def test_a_run_that_cannot_begin_leaves_a_folder_only_where_there_was_one(
    text_file: Path, tmp_path: Path, existed: bool
) -> None:
    out = tmp_path / "in" / "run"
    if existed:
        out.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(InputError):
        begin([text_file], out, TextSettings(), TrainingSettings(steps=1, hidden_size=16384, num_layers=16))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("wrong", ["no text", "too large a network"])
def test_an_overwrite_that_cannot_be_leaves_the_run_as_it_was(
    begin_run: BeginRun, text_file: Path, tmp_path: Path, wrong: str
) -> None:
    run = begin_run()
    finish(run)
    files = {path: path.read_bytes() for path in run.folder.path.rglob("*") if path.is_file()}
    source = text_file if wrong != "no text" else tmp_path / "nothing.txt"
    large = TrainingSettings(steps=1, hidden_size=16384, num_layers=16)
    with pytest.raises(InputError):
        begin([source], run.folder.path, TextSettings(), large, overwrite=True)
    assert {path: path.read_bytes() for path in run.folder.path.rglob("*") if path.is_file()} == files


def test_an_overwritten_run_is_gone_when_the_new_one_begins(begin_run: BeginRun, text_file: Path) -> None:
    run = begin_run()
    finish(run)
    new = begin([text_file], run.folder.path, TextSettings(), TrainingSettings(steps=1, hidden_size=8), overwrite=True)
    new.folder.unlock()
    assert sorted(path.name for path in run.folder.path.iterdir()) == ["corpus", "lock", "run.json"]


def test_a_text_inside_the_run_that_it_would_replace_is_refused(begin_run: BeginRun) -> None:
    run = begin_run()
    finish(run)
    source = run.folder.model / "README.md"
    with pytest.raises(RunError, match="is in"):
        begin([source], run.folder.path, TextSettings(), TrainingSettings(steps=1), overwrite=True)
    assert source.exists()


@pytest.mark.parametrize(
    ("error", "text", "numbers"),
    [
        (TextError, "too short", {}),
        (TextError, "a" * 500, {}),
        (OptionError, "a longer text, long enough to be learned from. " * 5, {"seq_length": 5000}),
        (OptionError, "a longer text, long enough to be learned from. " * 5, {"batch_size": 5000}),
        (OptionError, "a longer text, long enough to be learned from. " * 5, {"hidden_size": 16384, "num_layers": 16}),
    ],
)
def test_what_cannot_be_leaves_no_folder(
    tmp_path: Path, error: type[InputError], text: str, numbers: dict[str, int]
) -> None:
    source = tmp_path / "book.txt"
    source.write_text(text)
    with pytest.raises(error):
        begin([source], tmp_path / "deep" / "run", TextSettings(), TrainingSettings(steps=1, **numbers))  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["book.txt"]


def test_two_ways_to_say_how_long_exclude_each_other() -> None:
    with pytest.raises(OptionError, match="minutes= cannot be used with steps="):
        TrainingSettings(minutes=1, steps=1)


def test_a_resume_of_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"holds no run: run\.json is missing"):
        resume(tmp_path)
    with pytest.raises(RunError, match="holds no run: there is no such folder"):
        resume(tmp_path / "nothing")
    (tmp_path / "book.txt").write_text("a text")
    with pytest.raises(RunError, match="holds no run: it is a file"):
        resume(tmp_path / "book.txt")


def test_a_run_killed_before_its_first_checkpoint_starts_again_by_the_same_command_alone(
    begin_run: BeginRun, text_file: Path
) -> None:
    begin_run().folder.unlock()
    with pytest.raises(RunError, match="holds a run"):
        begin_run(steps=25)
    finish(begin_run())
    with pytest.raises(RunError, match="holds a run: continue it with afterword train --resume"):  # odd has no --resume
        begin_run()


@pytest.mark.parametrize("setting", [{"hidden_size": 13}, {"steps": 25}, {"dropout": 0.0}, {"lines": True}])
def test_a_resume_by_other_numbers_is_refused_and_says_what_differs(
    begin_run: BeginRun, setting: dict[str, Any]
) -> None:
    run = begin_run()
    finish(run)
    ((name, value),) = setting.items()
    given = "true" if value is True else value
    with pytest.raises(OptionError, match=rf"^{name.replace('_', '-')} is .* in the run .*, not {given}: "):
        resume(run.folder.path, setting)
    resume(run.folder.path, {"hidden_size": 12, "steps": 24, "batch_size": run.recipe.batch_size}).folder.unlock()


def test_a_resume_with_another_text_is_refused(begin_run: BeginRun, text_file: Path) -> None:
    run = begin_run()
    finish(run)
    resume(run.folder.path, sources=[text_file]).folder.unlock()
    before = text_file.read_text()
    text_file.write_text(before[:-10])
    with pytest.raises(RunError, match=r"has 4,920 characters, and the text of the run .* has 4,930"):
        resume(run.folder.path, sources=[text_file])
    text_file.write_text(before.replace("book", "look"))
    with pytest.raises(RunError, match="as long as the text of the run"):
        resume(run.folder.path, sources=[text_file])
    assert not list(run.folder.path.glob(".*"))


def test_what_could_change_the_bits_is_said_and_recorded_or_refused_where_they_must_be_exact(
    begin_run: BeginRun,
) -> None:
    run = begin_run()
    for _ in train_run(run, stop_at(7)):
        pass
    with pytest.raises(RunError, match="threads was 1 and is 2: the run cannot continue exactly"):
        resume(run.folder.path, {"threads": 2}, exact=True)
    again = resume(run.folder.path, {"threads": 2})
    assert again.take_notes() == (
        "threads was 1 and is 2: the run continues, but perhaps not bit for bit as it would have",
    )
    again.folder.unlock()
    more = resume(run.folder.path, exact=True)
    more.folder.unlock()
    assert more.take_notes() == ()
    assert [had.step for had in more.record.environments] == [0, 7]


def test_what_a_killed_process_left_is_gone_when_the_run_is_resumed(begin_run: BeginRun) -> None:
    run = begin_run()
    for _ in train_run(run, stop_at(7)):
        pass
    path = run.folder.path
    before = sorted(path.rglob("*"))
    for name in (".run.json", "checkpoints/.step-000000009.safetensors", "model/.README.md"):
        (path / f"{name}.0123abcd.part").touch()
    (killed_beside(path / "run.json")[0] / "corpus").mkdir(parents=True)
    (path / "model").rename(killed_beside(path / "model")[1])
    resume(path).folder.unlock()
    assert sorted(path.rglob("*")) == before


def test_a_folder_that_cannot_be_written_is_told_in_one_line(text_file: Path) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as place:
        path, text = Path(place, "run"), Path(place, "book.txt")
        shutil.copy(text_file, text)
        finish(begin([text], path, TextSettings(), TrainingSettings(steps=2, hidden_size=8, threads=1)))
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


def test_a_loss_that_is_not_a_number_sends_a_run_back_with_half_the_rate(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
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
    rates = {p.step: p.learning_rate for p in progress}
    plain = Schedule(run.recipe)
    assert rates[24] == plain.learning_rate(23) / 4
    assert [line["step"] for line in outcome(run.folder.path)["metrics"]] == sorted(rates)


def test_a_run_that_was_sent_back_and_killed_ends_with_the_same_bits(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = begin_run("whole")
    Sick(monkeypatch, 17, 1)
    finish(whole)
    for stop in (3, 14, 19, 22):
        parted = begin_run(f"parted-{stop}")
        sick = Sick(monkeypatch, 17, 1)
        for _ in train_run(parted, stop_at(stop)):
            pass
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


def test_a_disk_that_is_still_full_at_the_end_is_an_error_and_the_run_can_go_on(begin_run: BeginRun) -> None:
    whole = begin_run("whole")
    finish(whole)
    run = begin_run()
    training = train_run(run)
    while next(training).step < 12:
        pass
    with longest_file(2000), pytest.raises(StorageError, match="more bytes are needed"):
        for _ in training:
            pass
    finish(resume(run.folder.path))
    assert outcome(run.folder.path) == outcome(whole.folder.path)


def test_a_damaged_newest_checkpoint_is_passed_over(begin_run: BeginRun) -> None:
    run = begin_run()
    for _ in train_run(run, stop_at(12)):
        pass
    newest = max((run.folder.path / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:-1])
    again = resume(run.folder.path)
    assert any("damaged" in note for note in again.notes)
    finish(again)
    whole = begin_run("whole")
    finish(whole)
    assert (again.folder.model / "model.safetensors").read_bytes() == (
        whole.folder.model / "model.safetensors"
    ).read_bytes()


def test_a_run_whose_checkpoints_are_all_damaged_is_not_begun_anew(begin_run: BeginRun) -> None:
    run = begin_run()
    finish(run)
    for path in (run.folder.path / "checkpoints").iterdir():
        path.write_bytes(b"damaged")
    with pytest.raises(RunError, match="all checkpoints"):
        resume(run.folder.path)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.json", b"{}"),
        ("run.json", b'{"format": 1}'),
        ("run.json", b"\xff"),
        ("corpus/corpus.json", b"[]"),
        ("corpus/tokenizer.json", b"\xff\xfe"),
        ("corpus/training.bin", b"short"),
    ],
)
def test_a_damaged_run_is_refused_in_one_line(begin_run: BeginRun, name: str, content: bytes) -> None:
    run = begin_run()
    finish(run)
    (run.folder.path / name).write_bytes(content)
    with pytest.raises(RunError):
        resume(run.folder.path)


def test_a_text_that_changed_since_the_run_began_is_noticed(begin_run: BeginRun) -> None:
    run = begin_run()
    finish(run)
    path = run.folder.corpus / "training.bin"
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(RunError, match="not the one"):
        resume(run.folder.path)


@pytest.mark.parametrize("value", [{"steps": 5.5}, {"batch_size": 2.5}, {"steps": "5"}, {"seed": True}])
def test_a_number_of_the_wrong_kind_is_refused(value: dict[str, object]) -> None:
    with pytest.raises(OptionError, match=f"{next(iter(value))}="):
        TrainingSettings(**value)  # type: ignore[arg-type]


def test_old_checkpoints_do_not_pile_up(begin_run: BeginRun) -> None:
    run = begin_run()
    finish(run)
    kept = sorted((run.folder.path / "checkpoints").iterdir())
    assert len(kept) == 2
    shutil.copy(kept[0], kept[0].with_name("step-000000001.safetensors"))  # killed before it was removed
    finish(resume(run.folder.path))
    assert sorted((run.folder.path / "checkpoints").iterdir()) == kept


def assigned(path: Path) -> set[tuple[str, str]]:
    """The attributes that a file assigns: (owner, attribute), as `run.saved = None` has ("run", "saved")."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        (ast.unparse(node.value), node.attr)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def test_no_file_but_its_own_assigns_the_attributes_of_a_run() -> None:
    own = Path(inspect.getfile(Run))
    attributes = {attribute for owner, attribute in assigned(own) if owner == "self"}
    assert {"record", "saved", "seconds"} <= attributes
    for path in Path(afterword.__file__).parent.rglob("*.py"):
        if path != own:
            outside = {f"{owner}.{name}" for owner, name in assigned(path) if owner != "self" and name in attributes}
            assert not outside, path
