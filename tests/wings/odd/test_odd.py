"""`afterword calibrate` and `afterword odd` through the real command."""

from __future__ import annotations

import json
import math
import random
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword import storage
from afterword.errors import ModelError, OptionError, RunError, StorageError, TextError
from afterword.language_model import LanguageModel, load
from afterword.model.folder.saved import CARD
from afterword.runs.folder import RunFolder
from afterword.wings.odd.calibrate import writable
from afterword.wings.odd.normal import LINES_FILE, OddLine, check_calibrated, good_lines_of, odd_lines
from tests.bases.test_installed import german, site
from tests.cli.answers import fine, printed, records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.cli.test_train import SMALL
from tests.logs import lines, planted
from tests.processes import finished, running
from tests.scoring.test_costs import LINE, check_columns
from tests.test_characters import LINES as KNOWN
from tests.test_characters import VOCABULARIES, models
from tests.wings.odd.test_detectors import GOOD, NEW, ODD, written

__all__ = ["german", "models", "site"]


def draw(count: int, seed: int) -> list[str]:
    """Lines of a to d, as long as words are."""
    chosen = random.Random(seed)
    return ["".join(chosen.choices("abcd", k=chosen.randrange(3, 12))) for _ in range(count)]


@pytest.fixture
def normal(tmp_path: Path) -> Path:
    return written(tmp_path / "normal.txt", draw(500, 0))


@pytest.fixture
def mine(lines_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lines_model, tmp_path / "mine"))


@pytest.fixture
def calibrated(mine: Path, normal: Path, run: Run) -> Path:
    fine(run("calibrate", mine, normal, "--json"))
    return mine


def test_calibrating_says_what_it_found_and_the_model_keeps_it(mine: Path, normal: Path, run: Run) -> None:
    finished = run("calibrate", mine, normal)
    text = printed(finished)
    assert text.startswith("calibrated with 400 normal lines\nat a rate of 0.01 it flags ")
    assert "of 100 other normal lines" in text
    assert len(check_calibrated(load(mine), 0.5).figures) == 400
    [record] = records(run("calibrate", mine, normal, "--json"))
    assert (record["lines"], record["checked"], list(record["flagged"])) == (400, 100, ["0.01"])


def test_calibrating_says_what_to_expect_of_lines_that_drift_and_of_few(mine: Path, tmp_path: Path, run: Run) -> None:
    note = "note: the lines drift: expect a rate of up to about 0.1, not 0.01"
    for new, says in ((10, True), (1, False)):
        drifting = written(tmp_path / "drifting", [*draw(500 - new, 0), *["☃" * (k + 3) for k in range(new)]])
        assert (note in printed(run("calibrate", mine, drifting))) == says
    few = written(tmp_path / "few", draw(100, 0))
    assert "4/5 of yours are 80: give at least 123 lines" in run("calibrate", mine, few).stderr.decode()


def test_lines_are_judged_as_the_model_judges_them(calibrated: Path, tmp_path: Path, run: Run) -> None:
    some = ["abcd", "aaaaaaaaaaaa", "", "é☃☃☃é", "cab"]
    asked = ["--as-read", "--all", "--false-alarms", "0.05", "--json"]
    rows = records(run("odd", calibrated, "-", *asked, input="\n".join(some).encode()))
    expected = odd_lines(load(calibrated), some, 0.05)
    for row, line in zip(rows, expected, strict=True):
        assert row.pop("file") == "-"
        assert (row.pop("detector") or "text", (row.pop("why") or "odd text")[:8]) == ("text", "odd text")
        figures = {name: row.pop(name) for name in ("bits", "bits_per_character", "figure", "p_value")}
        assert figures == pytest.approx({name: getattr(line, name) for name in figures}, rel=1e-4, abs=1e-3)
        assert row == json.loads(json.dumps({name: getattr(line, name) for name in row}))
    assert [row["odd"] for row in rows][3] is True
    assert rows[3]["odd_pieces"] == [[1, 4]]
    today = written(tmp_path / "today", some)
    found, named = (list(afterword.odd(one, today, all=True)) for one in (load(calibrated), calibrated))
    assert found == named != []


def test_odd_lines_make_it_fail_if_that_is_asked(calibrated: Path, run: Run) -> None:
    some = "abcd\n☃☃☃\ndcba\n☃☃\n".encode()
    assert [row["line"] for row in records(run("odd", calibrated, "-", "--as-read", "--json", input=some))] == [2, 4]
    assert run("odd", calibrated, "-", "--fail", input=some).returncode == 3
    blank = run("odd", calibrated, "-", "--as-read", "--fail", input=b"\nabcd\n\n")
    assert (blank.returncode, blank.stdout) == (0, b"")  # an empty line is not a document in training either
    [oddest] = records(run("odd", calibrated, "-", "--top", "1", "--json", input=some))
    assert [line["line"] for line in oddest["lines"]] == [2]


def test_a_growing_stream_is_judged_line_by_line(calibrated: Path) -> None:
    command = [sys.executable, "-m", "afterword", "odd", str(calibrated), "-", "--as-read", "--json"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with running(command, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for number in (1, 3):
            process.stdin.write("☃☃☃\nabc\n".encode())
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["line"] == number  # while the stream goes on
        process.stdin.close()
        assert process.wait() == 0


def test_masks_are_kept_until_others_are_given(mine: Path, tmp_path: Path, run: Run) -> None:
    texts = [f"{line} {k * k % 97}" for k, line in enumerate(draw(200, 1))]
    numbered, asked = written(tmp_path / "numbered", texts), ["--false-alarms", "0.05"]
    for given, kept in (
        (["--mask", "[0-9]+", "--mask", "é"], ("[0-9]+", "é")),
        ([], ("[0-9]+", "é")),
        (["--mask", "z+"], ("z+",)),
    ):
        calibrated = printed(run("calibrate", mine, numbered, *given))
        assert "160 normal lines" + "".join(f", --mask {mask}" for mask in kept) + "\n" in calibrated
        model = load(mine)
        assert check_calibrated(model, 0.5).masks == kept
        assert check_calibrated(afterword.calibrated(model, texts), 0.5).masks == kept
        assert check_calibrated(afterword.calibrated(model, texts, masks=()), 0.5).masks == ()
        rows = records(run("odd", mine, "-", "--as-read", "--all", "--json", *asked, input=b"abcd 1\nabcd 9999999\n"))
        assert (rows[0]["figure"] == rows[1]["figure"]) == (kept != ("z+",))
        assert [row["text"] for row in rows] == ["abcd 1", "abcd 9999999"]
        same = [word for mask in kept for word in ("--mask", mask)]
        fine(run("odd", mine, "-", *same, *asked, input=b"abcd 1\n"))
        other = run("odd", mine, "-", "--mask", "[a-z]+", input=b"abcd 1\n")
        assert "calibrated with other masks" in error_line(other)


def test_lines_are_judged_together_as_each_alone(mine: Path, normal: Path, run: Run) -> None:
    some = ["ab 1", "cd", "ab 22", "", "cd"]  # some are equal once they are masked
    fine(run("calibrate", mine, normal, "--mask", "[0-9]+"))
    model = load(mine)
    found = odd_lines(model, some)
    assert [(line.line, line.text) for line in found] == [*enumerate(some, 1)]
    assert [line.bits for line in found] == pytest.approx([odd_lines(model, [line])[0].bits for line in some])


def test_without_a_calibration_masks_hide_in_plain_scoring(mine: Path, run: Run) -> None:
    one, other = records(run("score", mine, "-", "--lines", "--mask", "[0-9]+", "--json", input=b"ab 1\nab 77\n"))
    assert (one["bits"], other["text"]) == (other["bits"], "ab 77")


def test_another_use_than_the_calibrated_one_is_refused(
    mixed_model: Path, normal: Path, tmp_path: Path, run: Run
) -> None:
    mine = shutil.copytree(mixed_model, tmp_path / "mixed")
    fine(run("calibrate", mine, normal, "--with", "ngram"))
    with pytest.raises(OptionError, match="calibrated with ngram, not with both"):
        odd_lines(load(mine), ["abc"])
    fine(run("odd", mine, "-", input=b"abc\n"))


def test_a_model_is_not_calibrated_from_inside_its_folder_or_while_it_is_trained(
    mine: Path, normal: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(mine, folder / "model")
    (folder / "run.json").write_text(json.dumps({"format": 3}))
    held = RunFolder(folder)
    monkeypatch.setattr(RunFolder, "is_run", True)
    held.lock()
    with pytest.raises(RunError, match="trained by another process"), writable(folder / "model"):
        pass
    held.unlock()
    with writable(folder) as place:
        assert place == folder / "model"
    monkeypatch.chdir(mine)
    assert "from outside of it" in error_line(run("calibrate", ".", normal))


def test_findings_are_in_one_command_and_a_kept_model_finds_them_again(tmp_path: Path, run: Run) -> None:
    made, kinds = planted(1000, 1, 2, start=600)
    made += [made[5]] * 60
    good, bad, model = written(tmp_path / "good.log", lines(1000, 0)), tmp_path / "bad.log", tmp_path / "model"
    finished = run("odd", good, written(bad, made), "--json", "--fail", "--out", model)
    rows = records(finished, 3)
    assert b"masked: time" in finished.stderr
    odd, following = [row for row in rows if row["odd"]], [row for row in rows if not row["odd"]]
    assert rows == [*odd, *following]
    assert [row["finding"] for row in rows] == [*range(1, len(rows) + 1)]
    assert [row["p_value"] for row in odd] == sorted(row["p_value"] for row in odd)
    assert all(row["p_value"] > 0.01 for row in following)
    assert len({kinds[line["line"] - 1] for row in odd for line in row["lines"] if line["line"] - 1 in kinds}) >= 8
    for row in rows:
        assert row["count"] == len(row["lines"])
        assert all(made[line["line"] - 1] == line["text"] for line in row["lines"])
    assert records(run("odd", model, bad, "--json")) == rows
    assert load(model).about["corpus"]["sources"] == ["good.log"]


WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from afterword.cli.main import main; main()"


def test_lines_need_no_network_and_a_run_and_a_model_do_not_replace_each_other(tmp_path: Path, run: Run) -> None:
    good, model, folder = written(tmp_path / "good.log", lines(300, 0)), tmp_path / "model", tmp_path / "run"
    asked = ["odd", str(good), str(good), "--out", str(model)]
    assert subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *asked]).returncode == 0
    found = load(model)
    assert check_calibrated(found.using("ngram"), 0.5).using == "ngram"
    assert (found.info()["recipe"], found.info()["training"]) == ("ngram", None)
    some = [*lines(20, 1), "zzz"]
    for using in ("ngram", "both"):  # the network has no weight
        assert [one.bits for one in load(model, using).score_lines(some)] == pytest.approx(
            [one.bits for one in found.using("ngram").score_lines(some)]
        )
    [alike] = load(model, "lstm").score_lines(["INFO"])
    assert alike.bits_per_character == pytest.approx(math.log2(found.config.vocabulary_size))
    assert "has learned nothing" in (model / "README.md").read_text()
    to_model, to_folder = ("odd", good, good, "--out", model), ("odd", good, good, "--out", folder)
    for command, says in (
        (to_model, "holds a model: replace it with --overwrite"),
        (("train", good, "--out", model, "--overwrite"), "holds other files, and not a run"),
        (("train", good, "--base", model, "--out", folder), "no run begins from one: give another, or --base none"),
    ):
        assert says in error_line(run(*command))
    fine(run(*to_model, "--overwrite"))
    fine(run("train", good, "--base", "none", "--minutes", "0.01", "--out", folder))
    assert "holds a run, which has a network" in error_line(run(*to_folder, "--overwrite"))


def test_a_model_that_is_calibrated_masks_what_odd_masks(lines_model: Path, tmp_path: Path, run: Run) -> None:
    symbols = ("open", "read", "write", "17", "4")
    events = [" ".join(random.Random(k).choices(symbols, k=4 + k % 17)) for k in range(300)]
    for name, texts, kind in (("log", lines(300, 0), "char"), ("events", events, "words")):
        good, mine, kept = written(tmp_path / name, texts), tmp_path / f"mine {name}", tmp_path / f"kept {name}"
        shutil.copytree(lines_model, mine)
        fine(run("calibrate", mine, good))
        fine(run("odd", good, good, "--out", kept))
        for usual in (good_lines_of(load(mine)), good_lines_of(load(kept))):
            assert ("time" in usual.masked_names) == (name == "log")
        assert load(kept).tokenizer.kind == kind


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the good lines of a log."""
    place = tmp_path_factory.mktemp("kept")
    list(afterword.odd(written(place / "good", GOOD), written(place / "new", NEW), out=str(place / "model")))
    return place / "model"


STRANGE = [*ODD["template"], *ODD["value"], *ODD["text"], '{"file": "a log of JSON"}']


def test_what_is_accepted_is_silent_until_it_is_forgotten(kept: Path, tmp_path: Path, run: Run) -> None:
    mine, findings = shutil.copytree(kept, tmp_path / "mine"), tmp_path / "findings"
    new, weights = written(tmp_path / "new", [*NEW[:90], *STRANGE]), (mine / "model.safetensors").read_bytes()
    found = fine(run("odd", mine, new, "--json")).stdout
    findings.write_bytes(found.replace(b'"odd": true', b'"odd": false'))
    assert f"there is nothing to accept: {findings} has no lines" in error_line(run("accept", mine, "--from", findings))
    findings.write_bytes(found)
    assert records(run("accept", mine, STRANGE[1], "--json")) == [{"changed": 1, "accepted": 1}]
    assert {row["detector"] for row in records(run("odd", mine, new, "--json")) if row["odd"]} == {"template", "text"}
    assert printed(run("accept", mine, "--from", findings)) == "4 accepted lines, 3 more\n"
    silent = run("odd", mine, new, "--fail")
    assert printed(silent) == ""
    assert silent.stderr.endswith(b"nothing is odd at a false-alarm rate of 0.01\n")
    fine(run("calibrate", mine, written(tmp_path / "good", GOOD)))  # newer lines; what was accepted stays
    listed = printed(run("accept", mine)).splitlines()
    assert listed[0] == STRANGE[1]
    assert {*listed} == {*STRANGE}
    assert printed(run("accept", mine, "--remove", "--from", findings)) == "0 accepted lines, 4 fewer\n"
    assert printed(run("accept", mine, "--remove", "unknown")) == "0 accepted lines, as before\n"
    assert (mine / "model.safetensors").read_bytes() == weights
    assert printed(run("accept", mine)) == "0 accepted lines, as before\n"
    assert records(run("accept", mine, "--json")) == [{"changed": 0, "accepted": 0, "lines": []}]


def test_rows_of_lines_as_they_are_read_are_accepted_as_what_is_odd_in_them(
    kept: Path, tmp_path: Path, run: Run
) -> None:
    mine, rows = shutil.copytree(kept, tmp_path / "mine"), tmp_path / "rows"
    new = written(tmp_path / "new", [*NEW[:90], *STRANGE])
    rows.write_bytes(fine(run("odd", mine, new, "--as-read", "--all", "--json")).stdout)
    assert printed(run("accept", mine, "--from", rows)) == "4 accepted lines, 4 more\n"
    assert printed(run("odd", mine, new, "--as-read", "--fail")) == ""
    assert printed(run("accept", mine)).splitlines() == STRANGE
    assert printed(run("accept", mine, "--remove", "--from", new)) == "0 accepted lines, 4 fewer\n"
    fine(run("accept", mine, "--from", new))  # a text of lines, one of which is JSON
    assert printed(run("odd", mine, new, "--as-read", "--fail")) == ""


def test_findings_are_read_back_in_any_spacing_and_order_and_never_taken_for_lines(
    kept: Path, tmp_path: Path, run: Run
) -> None:
    new, rows = written(tmp_path / "new", [*NEW[:90], *STRANGE]), tmp_path / "rows"
    for form in ([], ["--as-read"]):
        found = records(run("odd", kept, new, "--json", *form))
        for options in ({"separators": (",", ":")}, {"sort_keys": True}):
            mine = shutil.copytree(kept, tmp_path / "mine", dirs_exist_ok=True)
            fine(run("accept", mine, "--from", written(rows, (json.dumps(one, **options) for one in found))))
            assert printed(run("odd", mine, new, "--as-read", "--fail")) == ""
        empty = {**found[0], "text": "", "lines": []}
        broken = {**found[0], "text": "a\nb", "lines": [{"file": "a", "line": 1, "text": "a\nb"}]}
        outside = {**found[0], "odd_pieces": [[0, 99_999]]}
        wrong = [json.dumps(found), json.dumps(found, indent=2), "\n".join(json.dumps(one, indent=1) for one in found)]
        for text in [*wrong, *map(json.dumps, (empty, broken, outside))]:
            rows.write_text(text, encoding="utf-8")
            assert "finding" in error_line(run("accept", kept, "--from", rows))
    assert printed(run("accept", kept)) == "0 accepted lines, as before\n"


@pytest.mark.parametrize("options", [[], ["--as-read"]])
def test_empty_lines_change_nothing_but_the_numbers_of_others_and_a_file_is_read_once(
    calibrated: Path, tmp_path: Path, run: Run, options: list[str]
) -> None:
    lines, gaps, found = [*draw(20, 1), "☃☃☃"], 3, []
    for between in (0, gaps):
        new = written(tmp_path / "new", [each for line in lines for each in (line, *[""] * between)])
        rows = records(run("odd", calibrated, new, *options, "--json"))
        assert records(run("odd", calibrated, new, new, *options, "--json")) == rows
        found.append([*map(placed, rows)])
    assert [[(1 + (line - 1) * (gaps + 1), one) for line, one in part] for part in found[0]] == found[1] != []


def placed(record: dict[str, Any]) -> list[tuple[int, object]]:
    """The lines of a finding or of a row, each with all that is said of it."""
    said = {name: value for name, value in record.items() if name not in ("line", "lines")}
    return [(one["line"], {**said, "text": one["text"]}) for one in record.get("lines", [record])]


def test_a_long_line_is_cut_around_what_is_odd_but_not_in_json(tmp_path: Path, run: Run) -> None:
    good = written(tmp_path / "good.log", (f"job {k} ended with status {k % 2}" for k in range(200)))
    long = "job 7 ended with status 7 " + "x" * 200_000
    new = written(tmp_path / "new.log", [long])
    shown = printed(run("odd", good, new, "--out", tmp_path / "kept"))
    assert "job 7 ended" in shown
    assert 1000 < len(shown) < 2000
    [finding, *_] = records(run("odd", tmp_path / "kept", new, "--json"))
    assert finding["lines"][0]["text"] == long


@pytest.mark.parametrize("in_a_run", [False, True])
def test_of_six_that_accept_at_once_none_that_reports_success_loses_its_line(
    calibrated: Path, tmp_path: Path, in_a_run: bool
) -> None:
    folder = tmp_path / "run" / "model" if in_a_run else calibrated
    if in_a_run:
        (tmp_path / "run").mkdir()
        calibrated.rename(folder)
        record = {"format": 3, "plan": {}, "fingerprint": "", "versions": {"afterword": "0"}}
        (tmp_path / "run" / "run.json").write_text(json.dumps(record))
        assert RunFolder(tmp_path / "run").is_run
        with ThreadPoolExecutor() as threads:  # each of them opens the folder, as a process does
            assert {*threads.map(lambda line: afterword.accept(folder.parent, (line,)).changed, "uvwxyz")} == {1}
    else:
        command = [sys.executable, "-m", "afterword", "accept", str(folder)]
        with ThreadPoolExecutor() as threads:
            ended = [*threads.map(lambda line: finished([*command, line]), "uvwxyz")]
        assert not [one.stderr for one in ended if one.returncode]
    assert {*good_lines_of(load(folder)).accepted} == {*"uvwxyz"}
    assert not [*folder.parent.glob(".*")]


def test_who_waits_too_long_for_a_model_that_another_changes_is_refused(
    calibrated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "WAIT", 0.0)
    with writable(calibrated), pytest.raises(StorageError, match="another process has been changing"):
        afterword.accept(calibrated, ("x",))
    sibling = shutil.copytree(calibrated, calibrated.with_name("sibling"))
    with writable(calibrated):
        assert afterword.accept(sibling, ("x",)).changed == 1
    assert afterword.accept(calibrated, ("x",)).changed == 1


def test_what_is_masked_is_not_stored_and_the_card_says_what_is(tmp_path: Path, run: Run) -> None:
    out = tmp_path / "model"
    addresses = [f"10.{k % 4}.{k * 7 % 250}.{k % 250 + 1}" for k in range(1, 300)]
    good = (f"login user{'abcdefg'[k % 7]} from {one} ok" for k, one in enumerate(addresses))
    new = written(tmp_path / "new.log", ["login usera from 192.0.2.7 ok", "login userz from 10.1.2.3 ok"])
    made = run("odd", written(tmp_path / "good.log", good), new, "--out", out)
    assert b"masked: from" in made.stderr
    assert b"192.0.2.7: seen " in made.stdout
    stored = (out / LINES_FILE).read_text()
    assert not [one for one in addresses if one in stored]
    numbers = {float(int.from_bytes(map(int, one.split(".")))) for one in addresses}
    assert not [number for number in numbers if number % 256 and f"{number:.1f}" in stored]
    assert "usera" in stored
    assert {len(hash) for hash in re.findall(r'"\\t(\w+)"', stored)} == {5}  # which many values share
    for card in ((out / CARD).read_text(), load(out)._card):
        assert "`lines.json` contains the words of the normal lines, such as the names of users" in card
    fine(run("accept", out, "login userz from 10.1.2.3 ok"))
    card = (out / CARD).read_text()
    assert card.count("`lines.json` contains") == card.count("`calibration.safetensors` contains") == 1
    assert run("odd", out, new).stdout.count(b"\n") == 1


def test_training_further_removes_the_calibration_and_keeps_what_was_accepted(
    run: Run, book: Path, tmp_path: Path
) -> None:
    out, normal = tmp_path / "run", written(tmp_path / "normal.log", (f"login user{n % 7} ok" for n in range(60)))
    fine(run("train", book, "--out", out, "--steps", "5", *SMALL))
    run("calibrate", out, normal)
    fine(run("accept", out, "logout mallory"))
    fine(run("train", "--resume", out, "--more-minutes", "1e-9"))
    assert "run afterword calibrate" in error_line(run("odd", out, normal))
    assert printed(run("accept", out)) == "logout mallory\n"
    run("calibrate", out, normal)
    assert printed(run("accept", out)) == "logout mallory\n"
    (out / "model" / "lines.json").write_text("{}")
    trained = fine(run("train", "--resume", out, "--more-minutes", "1e-9"))
    assert b"lines.json: it has been changed" in trained.stderr
    assert b"training replaces it" in trained.stderr


def test_a_check_whose_output_is_cut_off_has_not_passed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*asked: object, **options: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("afterword.language_model.load", fail)
    assert run("odd", "english", "-", "--fail").returncode == 1


@pytest.mark.parametrize("vocabulary", VOCABULARIES)
def test_lines_are_judged_in_every_vocabulary(models: dict[str, LanguageModel], vocabulary: str) -> None:
    model = afterword.calibrated(models[f"lines {vocabulary}"], KNOWN)
    assert [one.odd for one in odd_lines(model, [KNOWN[0], "zzz qqq 123"], 0.05)] == [False, True]


def test_a_table_of_odd_lines_has_their_figures_as_its_columns() -> None:
    check_columns(OddLine, [*LINE, "figure", "p_value", "odd", "odd_pieces"])


def test_it_cannot_be_calibrated_as_it_is_shared_by_all_runs(german: Path) -> None:
    for named in (Path("german"), german):
        with pytest.raises(ModelError, match="is an installed base and cannot be changed"), writable(named):
            pass


def test_few_lines_do_not_replace_a_calibration_of_more(tmp_path: Path) -> None:
    lines = [f"user {('ann', 'bob', 'zoe')[k % 3]} opened file{k % 7}\n" for k in range(300)]
    for name, some in (("good", lines), ("few", lines[:122]), ("enough", lines[:123])):
        (tmp_path / name).write_text("".join(some))
    list(afterword.odd(tmp_path / "good", tmp_path / "few", out=str(tmp_path / "model")))
    before = {path: path.read_bytes() for path in (tmp_path / "model").rglob("*") if path.is_file()}
    with pytest.raises(TextError, match="4/5 of yours are 98: give at least 123 lines"):
        afterword.calibrate(tmp_path / "model", tmp_path / "few")
    assert {path: path.read_bytes() for path in (tmp_path / "model").rglob("*") if path.is_file()} == before
    assert afterword.calibrate(tmp_path / "model", tmp_path / "enough").lines == 99
