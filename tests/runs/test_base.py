"""Laws of a run that begins from a base: it keeps what it needs of it, and comes to the same end whatever happens."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from afterword.bases.base import Base, load_base
from afterword.errors import OptionError, RunError, StorageError
from afterword.language_model import LanguageModel
from afterword.learning.batches import training_batches
from afterword.learning.learner import Learner
from afterword.model.folder.tensors import read_tensors, write_tensors
from afterword.runs.begin import repeat
from afterword.runs.folder import RunFolder
from afterword.runs.record import Position
from afterword.runs.resume import resume
from afterword.runs.run import Run
from tests.bases.small import SYMBOLS, base_of, save
from tests.runs.test_run import Sick, contents, finish, stopped
from tests.torture.runs import longest_file, outcome

BeginRun = Callable[..., Run]
EARLIER = Path(__file__).with_name("earlier-from-characters.zip")  # stopped at step 7 of 12, of which the base teaches


def kept(run: Run | Path) -> Path:
    return (run if isinstance(run, Path) else run.folder.path) / "base.safetensors"


def test_it_begins_with_the_weights_of_the_base(begin_run: BeginRun, tmp_path: Path) -> None:
    run = begin_run(base=True)
    expected = load_base(tmp_path / "base").weights_for(run.encoded.tokenizer, False, run.recipe.seed)
    np.testing.assert_equal(read_tensors(kept(run))[0], expected)
    learner = Learner(run.recipe.config(run.encoded.tokenizer), dataclasses.replace(run.recipe, averaging=0.9))
    assert run.restore(learner, training_batches(run.encoded, run.recipe)) == Position(0)
    for network in (learner.network, learner.kept):
        np.testing.assert_equal(network.weights(), expected)
    again = repeat(run.folder.path, tmp_path / "again")
    again.folder.unlock()
    assert kept(again).read_bytes() == kept(run).read_bytes()
    run = stopped(run)
    kept(run).unlink()  # it is not needed any more once there is a checkpoint
    finish(resume(run.folder.path))


def test_the_first_look_at_the_held_out_text_is_the_score_of_the_base(begin_run: BeginRun, tmp_path: Path) -> None:
    run = finish(begin_run(base=True, steps=1, learning_rate=1e-9, ngram=0))
    model, base = LanguageModel.load(run.folder.path), LanguageModel.load(tmp_path / "base")
    held_out = run.encoded.tokenizer.decode(run.encoded.validation)
    found, expected = (each.score(held_out).nats_per_character for each in (model, base))
    assert found == pytest.approx(expected, rel=1e-3)
    assert model.about["validation"]["nats_per_character"] == pytest.approx(expected, rel=1e-3)


def test_a_run_killed_before_its_first_checkpoint_goes_on_without_the_base(begin_run: BeginRun, tmp_path: Path) -> None:
    whole = finish(begin_run("whole", base=True))
    begin_run("killed", base=True).folder.unlock()
    shutil.rmtree(tmp_path / "base")
    finish(resume(tmp_path / "killed"))
    assert outcome(tmp_path / "killed") == outcome(whole.folder.path)


def test_a_run_from_a_base_of_characters_goes_on_as_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.unpack_archive(EARLIER, tmp_path)
    path, again = tmp_path / "run", tmp_path / "again"
    model = LanguageModel.load(path)
    assert (model.tokenizer.kind, model.info()["base"]["name"]) == ("char", "base")
    assert model.generate("The ", max_tokens=5, seed=1).tokens == 5
    with pytest.raises(RunError, match=r"afterword was 0\.1\.0 and is .*: the run cannot be repeated bit for bit here"):
        repeat(path, again)
    monkeypatch.setattr("afterword.runs.begin.differences", lambda *_: "")  # as if this were that machine and version
    finish(repeat(path, again))
    finish(resume(path, {"vocabulary": "char"}))
    costs = [LanguageModel.load(run).about["validation"]["nats_per_character"] for run in (path, again)]
    assert costs == pytest.approx([9.38347] * 2, rel=1e-3)  # as in its own time


def test_a_run_rolls_back_to_the_old_base(begin_run: BeginRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = begin_run(base=True)
    save(tmp_path / "base", base_of("\nab", seed=9))
    Sick(monkeypatch, 0, 1)
    with mock.patch.object(Learner, "start_from", autospec=True, side_effect=Learner.start_from) as starting:
        finish(run)
    assert run.record.rollbacks == (0,)
    assert starting.call_count == 2
    again = finish(repeat(run.folder.path, tmp_path / "again"))
    assert outcome(again.folder.path) == outcome(run.folder.path)


def test_a_resume_takes_the_same_base_and_no_other(begin_run: BeginRun, tmp_path: Path) -> None:
    run, plain = stopped(begin_run(base=True), 1), stopped(begin_run("plain"), 1)
    path, base = run.folder.path, tmp_path / "base"
    other = save(tmp_path / "other", base_of("\nab"))
    for same in ("auto", str(base), str(shutil.copytree(base, tmp_path / "copy"))):
        resume(path, {"base": same}).folder.unlock()
    resume(plain.folder.path, {"base": "none"}).folder.unlock()
    for wrong, told in ((str(other), str(other)), ("none", "scratch")):
        refused(path, wrong, rf"^the run .*run began from base, not from {told}: leave base= out")
    refused(plain.folder.path, str(base), r"^the run .*plain began from scratch, not from")
    save(base, base_of("\nab"))
    refused(path, str(base), r"^the run .*run began from base, not from .*base as it is now: leave")
    shutil.rmtree(base)
    refused(path, str(base), r"^base: no model at .*base: no such folder$")


def refused(run: Path, base: str, told: str) -> None:
    with pytest.raises(OptionError, match=told):
        resume(run, {"base": base})
    with pytest.raises(OptionError, match=told):
        repeat(run, run.parent / "again", {"base": base})
    assert not (run.parent / "again").exists()


@pytest.mark.parametrize("how", ["missing", "cut", "of another network"])
def test_a_run_whose_beginning_is_damaged_says_so_in_one_line(begin_run: BeginRun, tmp_path: Path, how: str) -> None:
    run = begin_run(base=True)
    run.folder.unlock()
    if how == "missing":
        kept(run).unlink()
    elif how == "cut":
        kept(run).write_bytes(kept(run).read_bytes()[:-1])
    else:
        weights, _ = read_tensors(kept(run))
        write_tensors(kept(run), weights | {"output.bias": weights["output.bias"][:1]})
    for again in (resume, partial(repeat, out=tmp_path / "again")):
        with pytest.raises(RunError, match=r"^the run in .*run is damaged: .*(base\.safetensors|output\.bias)"):
            finish(again(run.folder.path))
    assert run.folder.is_run
    assert not (tmp_path / "again").exists()


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_run_takes_the_old_ones_beginning_away(begin_run: BeginRun, tmp_path: Path) -> None:
    path = finish(begin_run(base=True)).folder.path
    begin_run(overwrite=True).folder.unlock()
    assert names_in(path) == ["corpus", "lock", "run.json"]
    begin_run(base=str(save(tmp_path / "other", base_of("\nab"))), overwrite=True).folder.unlock()
    assert names_in(path) == ["base.safetensors", "corpus", "lock", "run.json"]
    RunFolder(path).clear()
    assert names_in(path) == ["lock"]
    assert RunFolder(path).is_free


def test_a_run_may_take_the_place_of_the_run_that_it_begins_from(begin_run: BeginRun, ended: Path) -> None:
    fingerprint = load_base(ended).fingerprint
    new = finish(begin_run(base=str(ended), overwrite=True))
    assert new.record.base is not None
    assert (new.record.base.name, new.record.base.fingerprint) == ("run", fingerprint)
    assert (new.recipe.hidden_size, new.recipe.num_layers) == (12, 2)


def test_what_a_killed_begin_left_is_taken_over(begin_run: BeginRun) -> None:
    run = stopped(begin_run(base=True))
    (run.folder.path / "run.json").unlink()
    assert run.folder.is_free
    finish(begin_run())
    assert not kept(run).exists()


@pytest.mark.parametrize("begun", ["begin", "overwrite", "repeat"])
def test_a_full_disk_at_its_beginning_leaves_all_as_it_was(begin_run: BeginRun, tmp_path: Path, begun: str) -> None:
    large = str(save(tmp_path / "large", base_of("\nab", hidden_size=40)))
    if begun == "repeat":
        begin_run("first", base=large).folder.unlock()
    if begun == "overwrite":
        begin_run().folder.unlock()
    before = contents(tmp_path)
    begin = partial(begin_run, base=large, overwrite=begun == "overwrite")
    make = partial(repeat, tmp_path / "first", tmp_path / "run") if begun == "repeat" else begin
    with longest_file(20_000), pytest.raises(StorageError, match=r"base\.safetensors: .*more bytes are needed"):
        make()
    assert contents(tmp_path) == before
    assert (tmp_path / "run").exists() == (begun == "overwrite")


def test_notes_record_model_and_card_say_what_it_began_from(begin_run: BeginRun, tmp_path: Path) -> None:
    for base, note in ((True, "more like base than like the text;"), (None, "made-up words between them;")):
        run = begin_run(f"run-{base}", **{"base": True} if base else {})
        assert any(note in one for one in run.take_notes() if "few to learn from" in one)
        model = LanguageModel.load(finish(run).folder.path)
        fingerprint = load_base(tmp_path / "base").fingerprint
        expected = {"name": "base", "fingerprint": fingerprint} if base else None
        assert json.loads((run.folder.path / "run.json").read_text())["base"] == expected
        assert model.info()["base"] == model.about["base"] == expected
        card = (run.folder.model / "README.md").read_text()
        for told in (f"| begun from | base (`{fingerprint[:12]}`) |", "This one began from base: the same is true of"):
            assert (told in card) == bool(base)


@pytest.mark.parametrize(
    ("base", "asked"),
    [
        (base_of("\n ,.aehilnorst"), {"lines": True}),
        (base_of("\n ,.aehilnorst", lines=True), {}),
        (base_of(SYMBOLS), {"vocabulary": "words"}),
        (base_of("\nab", cell="rnn"), {"cell": "rnn"}),
        (base_of("\nab"), {"hidden_size": 6, "num_layers": 2, "embedding_size": 4}),  # sizes that it has may be said
    ],
)
def test_it_begins_from_a_base_of_its_kind(
    begin_run: BeginRun, tmp_path: Path, base: Base, asked: dict[str, Any]
) -> None:
    run = finish(begin_run(base=str(save(tmp_path / "base", base)), steps=3, **asked))
    assert kept(run).exists()
    model = LanguageModel.load(run.folder.path)
    found = {"lines": model.lines, "vocabulary": model.tokenizer.kind, **dataclasses.asdict(model.config)}
    assert asked.items() <= found.items()
    assert model.generate(max_tokens=5, seed=1).tokens == 5


@pytest.mark.parametrize("lines", [False, True])
def test_symbols_begin_with_those_of_the_base(
    begin_run: BeginRun, text_file: Path, tmp_path: Path, lines: bool
) -> None:
    text_file.write_text("é é é\n" * 9 + text_file.read_text() * 4)
    base = save(tmp_path / "base", base_of(SYMBOLS))
    run = begin_run(base=str(base), taught=0.3, steps=12, lines=lines)
    assert "é" in run.encoded.tokenizer.characters
    assert "X" not in run.encoded.tokenizer.characters
    assert len(run.encoded.training) < 0.9 * run.encoded.training_characters
    stopped(run, 5)
    shutil.rmtree(base)
    finish(resume(run.folder.path, sources=[text_file]))
    finish(repeat(run.folder.path, tmp_path / "again"))
    assert outcome(tmp_path / "again") == outcome(run.folder.path)
    model = LanguageModel.load(run.folder.path)
    assert model.tokenizer.kind == "words"
    assert model.saved.unseen_characters("Theé") == ""
    assert model.saved.unseen_characters("X") == "X"
    assert "X" not in model.generate(max_tokens=300, temperature=9, seed=1).text
    assert math.isfinite(model.score("X&é☃").nats)
    with pytest.raises(OptionError, match=r"^vocabulary= is words in the run .*run, not char: leave it out"):
        resume(run.folder.path, {"vocabulary": "char"})
