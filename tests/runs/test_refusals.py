"""Places, texts, records and machines that a run refuses, and faults that it survives."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from afterword.errors import OptionError, RunError
from afterword.learning.learner import Learner
from afterword.learning.validation import Measured
from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin, repeat
from afterword.runs.environment import check_ranks, check_torch, processor
from afterword.runs.folder import RunFolder, held
from afterword.runs.loop import train_run
from afterword.runs.resume import resume, take_settings
from afterword.runs.run import Run
from afterword.text.corpus import TextSettings

BeginRun = Callable[..., Run]


@pytest.mark.parametrize(
    ("out", "text", "why"),
    [("x" * 300, "book.txt", "File name too long"), ("run", "run/run.json", "run.json is in .*run: give out= another")],
)
def test_a_run_does_not_begin_there(begin_run: BeginRun, tmp_path: Path, out: str, text: str, why: str) -> None:
    begin_run().folder.unlock()
    with pytest.raises(RunError, match=why):
        begin([tmp_path / text], tmp_path / out, TextSettings(), TrainingSettings(steps=1), overwrite=True)


def test_a_folder_that_cannot_be_made_is_not_held(text_file: Path) -> None:
    with pytest.raises(RunError, match=r"cannot create the folder .*: Not a directory"):
        held(RunFolder(text_file / "run")).__enter__()


def test_a_run_whose_text_was_changed_is_neither_resumed_nor_repeated(begin_run: BeginRun, tmp_path: Path) -> None:
    run = begin_run()
    run.folder.unlock()
    place = next(file for file in run.folder.corpus.iterdir() if file.name.startswith("training"))
    place.write_bytes(place.read_bytes()[::-1])
    with pytest.raises(RunError, match=r"the text in .* is not the one that this run began with"):
        resume(run.folder.path)
    with pytest.raises(RunError, match=r"the text in .* is not the one that this run began with"):
        repeat(run.folder.path, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_every_rank_needs_a_lane(begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin_run()
    for name, value in {"RANK": "0", "WORLD_SIZE": "1000", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(OptionError, match=r"1000 ranks and a batch-size of .*: every rank needs a lane of its own"):
        check_ranks(run.recipe)


def test_a_record_that_lacks_a_fact_is_damaged(begin_run: BeginRun) -> None:
    run = begin_run()
    run.folder.unlock()
    record = json.loads((run.folder.path / "run.json").read_text())
    del record["environments"][0]["parts"]["processor"]
    (run.folder.path / "run.json").write_text(json.dumps(record))
    with pytest.raises(RunError, match="is damaged: KeyError: 'processor'"):
        resume(run.folder.path)


def test_a_removed_model_is_written_again_when_its_run_continues(begin_run: BeginRun) -> None:
    run = begin_run()
    for _ in train_run(run, iter([False] * 12 + [True]).__next__):
        pass
    shutil.rmtree(run.folder.model)
    next(iter(train_run(resume(run.folder.path))))
    assert run.folder.model.exists()


def test_an_evaluation_that_gives_no_number_rolls_the_run_back(
    begin_run: BeginRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, evaluate = begin_run(), Learner.evaluate

    def sick(learner: Learner, batches: Any) -> Any:
        monkeypatch.setattr(Learner, "evaluate", evaluate)
        return evaluate(learner, batches) + math.inf

    monkeypatch.setattr(Learner, "evaluate", sick)
    for _ in train_run(run):
        pass
    assert run.folder.read_record().rollbacks == (0,)


def test_a_run_on_another_device_in_the_same_precision_needs_no_note(begin_run: BeginRun) -> None:
    run = begin_run()
    record = replace(run.record, plan=replace(run.recipe, device="cuda", precision="float32"))
    changed, notes = take_settings(run.folder, record, {"device": "cpu"})
    assert (changed.plan.device, notes) == ("cpu", [])


def test_a_run_that_cannot_be_longer_is_not_told_to_be(begin_run: BeginRun) -> None:
    run = begin_run()
    run.record = replace(run.record, plan=replace(run.recipe, most_steps=run.recipe.steps))
    run.take_notes()
    run.note_ngram(Measured(1.0, 2.0, 1.0, 1.0))
    (note,) = run.take_notes()
    assert note.endswith("the LSTM would gain from more text or a base (`base`)")


def test_a_machine_without_pytorch_or_a_named_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "")
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("THP_MEM_ALLOC_ENABLE", "")
    monkeypatch.delenv("THP_MEM_ALLOC_ENABLE")
    check_torch()
    assert os.environ["GOMP_SPINCOUNT"] == "2000"
    assert ("THP_MEM_ALLOC_ENABLE" in os.environ) == Path("/sys/kernel/mm/transparent_hugepage").exists()
    monkeypatch.setattr(Path, "read_text", lambda path: "Features : fp asimd\n")  # as on ARM
    assert processor() == (platform.processor() or platform.machine())
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RunError, match="PyTorch, which is not installed"):
        check_torch()
