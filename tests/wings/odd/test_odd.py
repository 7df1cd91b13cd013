"""`afterword calibrate` and `afterword odd` through the real command."""

from __future__ import annotations

import json
import math
import random
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import afterword
from afterword import storage
from afterword.errors import ModelError, OptionError, RunError, StorageError
from afterword.language_model import LanguageModel, load
from afterword.model.arrays import Ids
from afterword.model.folder.saved import CARD
from afterword.runs.folder import RunFolder
from afterword.scoring import costs
from afterword.scoring.costs import line_ids
from afterword.text.tokenizer import Tokenizer
from afterword.wings.odd.calibrate import writable
from afterword.wings.odd.normal import LINES_FILE, OddLine, calibration_of, check_calibrated, good_lines_of, odd_lines
from tests.bases.test_installed import german, site
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.cli.test_train import SMALL
from tests.logs import lines, planted
from tests.processes import finished, running
from tests.scoring.test_costs import LINE, check_columns
from tests.test_characters import LINES as KNOWN
from tests.test_characters import VOCABULARIES, models

__all__ = ["german", "models", "site"]


def draw(count: int, seed: int) -> list[str]:
    """Lines of a to d, as long as words are."""
    chosen = random.Random(seed)
    return ["".join(chosen.choices("abcd", k=chosen.randrange(3, 12))) for _ in range(count)]


@pytest.fixture
def normal(tmp_path: Path) -> Path:
    path = tmp_path / "normal.txt"
    path.write_text("\n".join([*draw(500, 0), ""]))
    return path


@pytest.fixture
def mine(lines_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(lines_model, tmp_path / "mine"))


@pytest.fixture
def calibrated(mine: Path, normal: Path, run: Run) -> Path:
    finished = run("calibrate", mine, normal, "--json")
    assert finished.returncode == 0, finished.stderr
    return mine


def test_calibrating_says_what_it_found_and_the_model_keeps_it(mine: Path, normal: Path, run: Run) -> None:
    finished = run("calibrate", mine, normal)
    assert finished.returncode == 0
    text = finished.stdout.decode()
    assert text.startswith("calibrated with 400 normal lines\nat a rate of 0.01 it flags ")
    assert "of 100 other normal lines" in text
    assert b"1,600" in finished.stderr
    calibration = calibration_of(load(mine))
    assert calibration is not None
    assert len(calibration.figures) == 400
    record = json.loads(run("calibrate", mine, normal, "--json").stdout)
    assert (record["lines"], record["checked"], list(record["flagged"])) == (400, 100, ["0.01"])


def test_calibrating_says_what_to_expect_of_lines_that_drift(mine: Path, tmp_path: Path, run: Run) -> None:
    drifting, note = tmp_path / "drifting.txt", "note: the lines drift: expect a rate of up to about 0.1, not 0.01"
    for new, says in ((10, True), (1, False)):
        drifting.write_text("\n".join([*draw(500 - new, 0), *["☃☃☃"] * new]))
        assert (note in run("calibrate", mine, drifting).stdout.decode()) == says


def test_lines_are_judged_as_the_model_judges_them(calibrated: Path, run: Run) -> None:
    some = ["abcd", "aaaaaaaaaaaa", "", "é☃☃☃é", "cab"]
    rows = records(
        run(
            "odd",
            calibrated,
            "-",
            "--as-read",
            "--all",
            "--false-alarms",
            "0.05",
            "--json",
            input="\n".join(some).encode(),
        )
    )
    expected = odd_lines(load(calibrated), some, 0.05)
    for row, line in zip(rows, expected, strict=True):
        assert row.pop("file") == "-"
        assert (row.pop("detector") or "text", (row.pop("why") or "odd text")[:8]) == ("text", "odd text")
        figures = {name: row.pop(name) for name in ("bits", "bits_per_character", "figure", "p_value")}
        assert figures == pytest.approx({name: getattr(line, name) for name in figures}, rel=1e-4, abs=1e-3)
        assert row == json.loads(json.dumps({name: getattr(line, name) for name in row}))
    assert [row["odd"] for row in rows][3] is True
    assert rows[3]["odd_pieces"] == [[1, 4]]


def test_a_loaded_model_finds_what_its_folder_finds(calibrated: Path, tmp_path: Path) -> None:
    (tmp_path / "today").write_text("abcd\naaaaaaaaaaaa\n\né☃☃☃é\ncab\n", "utf-8")
    found, named = (list(afterword.odd(one, tmp_path / "today", all=True)) for one in (load(calibrated), calibrated))
    assert found == named != []


def test_odd_lines_make_it_fail_if_that_is_asked(calibrated: Path, run: Run) -> None:
    some = "abcd\n☃☃☃\ndcba\n☃☃\n".encode()
    finished = run("odd", calibrated, "-", "--as-read", "--json", input=some)
    assert finished.returncode == 0
    assert [row["line"] for row in records(finished)] == [2, 4]
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


def test_masks_are_kept_with_the_calibration(mine: Path, tmp_path: Path, run: Run) -> None:
    random.seed(0)
    numbered = tmp_path / "numbered.txt"
    numbered.write_text("\n".join(f"{line} {random.randrange(10**6)}" for line in draw(200, 1)))
    assert run("calibrate", mine, numbered, "--mask", "[0-9]+").returncode == 0
    some = b"abcd 1\nabcd 9999999\n"
    rows = records(run("odd", mine, "-", "--as-read", "--all", "--false-alarms", "0.05", "--json", input=some))
    assert rows[0]["figure"] == rows[1]["figure"]
    assert [row["text"] for row in rows] == ["abcd 1", "abcd 9999999"]
    same = run("odd", mine, "-", "--mask", "[0-9]+", "--false-alarms", "0.05", input=b"abcd 1\n")
    assert same.returncode == 0
    other = run("odd", mine, "-", "--mask", "[a-z]+", input=b"abcd 1\n")
    assert other.returncode == 2
    assert b"calibrated with other masks" in other.stderr


def test_calibrating_again_keeps_the_masks_unless_others_are_given(mine: Path, normal: Path, run: Run) -> None:
    for given, kept in (
        (["--mask", "[0-9]+", "--mask", "é"], ("[0-9]+", "é")),
        ([], None),
        (["--mask", "z+"], ("z+",)),
    ):
        kept = kept or ("[0-9]+", "é")
        finished = run("calibrate", mine, normal, *given)
        assert "400 normal lines" + "".join(f", --mask {mask}" for mask in kept) + "\n" in finished.stdout.decode()
        model = load(mine)
        assert check_calibrated(model, 0.5).masks == kept
        some = normal.read_text().split()[:100]
        for again, masks in (
            (afterword.calibrated(model, some), kept),
            (afterword.calibrated(model, some, masks=()), ()),
        ):
            assert check_calibrated(again, 0.5).masks == masks
    assert json.loads(run("calibrate", mine, normal, "--json").stdout)["masks"] == ["z+"]


def test_calibrating_with_few_lines_says_which_rate_they_cannot_give(mine: Path, tmp_path: Path, run: Run) -> None:
    few = tmp_path / "few.txt"
    for count, says in ((100, "a false-alarm rate of 0.01 cannot be used"), (125, "0.01 can be off by a factor")):
        few.write_text("\n".join(draw(count, 0)))
        assert says in run("calibrate", mine, few).stderr.decode()


def test_lines_that_are_equal_once_masked_are_read_once(
    mine: Path, normal: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("calibrate", mine, normal, "--mask", "[0-9]+").returncode == 0
    read: list[str] = []

    def watched(tokenizer: Tokenizer, lines: list[str]) -> list[Ids]:
        read.extend(lines)
        return line_ids(tokenizer, lines)

    monkeypatch.setattr(costs, "line_ids", watched)
    found = odd_lines(load(mine), ["ab 1", "cd", "ab 22", "", "cd"])
    assert read == ["ab <*>", "cd", ""]
    assert [(line.line, line.text) for line in found] == [(1, "ab 1"), (2, "cd"), (3, "ab 22"), (4, ""), (5, "cd")]
    assert found[0].bits == found[2].bits


def test_without_a_calibration_masks_hide_in_plain_scoring(mine: Path, run: Run) -> None:
    rows = records(run("score", mine, "-", "--lines", "--mask", "[0-9]+", "--json", input=b"ab 1\nab 77\n"))
    assert rows[0]["bits"] == rows[1]["bits"]
    assert rows[1]["text"] == "ab 77"


def test_a_calibrated_model_says_which_rate_it_cannot_hold(calibrated: Path, run: Run) -> None:
    finished = run("odd", calibrated, "-", "--false-alarms", "0.001", input=b"abc\n")
    assert (finished.returncode, finished.stdout) == (2, b"")
    assert b"a false-alarm rate of 0.001 needs at least 999 normal lines" in finished.stderr


def test_another_use_than_the_calibrated_one_is_refused(
    mixed_model: Path, normal: Path, tmp_path: Path, run: Run
) -> None:
    mine = shutil.copytree(mixed_model, tmp_path / "mixed")
    assert run("calibrate", mine, normal, "--with", "ngram").returncode == 0
    with pytest.raises(OptionError, match="calibrated with ngram, not with both"):
        odd_lines(load(mine), ["abc"])
    assert run("odd", mine, "-", input=b"abc\n").returncode == 0


def test_a_model_is_not_calibrated_from_inside_its_folder_or_while_it_is_trained(
    mine: Path, normal: Path, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    shutil.copytree(mine, folder / "model")
    (folder / "run.json").write_text(json.dumps({"format": 3}))
    held = RunFolder(folder)
    monkeypatch.setattr(RunFolder, "is_run", True)
    held.lock()
    try:
        with pytest.raises(RunError, match="trained by another process"), writable(folder / "model"):
            pass
    finally:
        held.unlock()
    with writable(folder) as place:
        assert place == folder / "model"
    monkeypatch.chdir(mine)
    finished = run("calibrate", ".", normal)
    assert finished.returncode == 2
    assert b"from outside of it" in finished.stderr


def test_lines_that_are_all_equal_are_normal(mine: Path, tmp_path: Path, run: Run) -> None:
    (tmp_path / "same.txt").write_text("abcd\n" * 200)
    assert run("calibrate", mine, tmp_path / "same.txt").returncode == 0
    some = ("dcba\n" + "ab\n" * 90 + "abcd\n").encode()
    rows = records(run("odd", mine, "-", "--as-read", "--all", "--json", input=some))
    assert (rows[-1]["figure"], rows[-1]["odd"]) == (0.0, False)


def test_findings_are_in_one_command_and_a_kept_model_finds_them_again(tmp_path: Path, run: Run) -> None:
    good, bad, model = tmp_path / "good.log", tmp_path / "bad.log", tmp_path / "model"
    good.write_text("\n".join(lines(1000, 0)))
    made, kinds = planted(1000, 1, 2, start=600)
    bad.write_text("\n".join([*made, *[made[5]] * 60]))
    finished = run("odd", good, bad, "--json", "--fail", "--out", model)
    assert finished.returncode == 3, finished.stderr
    assert b"masked: time" in finished.stderr
    rows = records(finished, 3)
    odd, following = [row for row in rows if row["odd"]], [row for row in rows if not row["odd"]]
    assert rows == [*odd, *following]
    assert [row["finding"] for row in rows] == [*range(1, len(rows) + 1)]
    assert [row["p_value"] for row in odd] == sorted(row["p_value"] for row in odd)
    assert all(row["p_value"] > 0.01 for row in following)
    found = {kinds[line["line"] - 1] for row in odd for line in row["lines"] if line["line"] - 1 in kinds}
    assert len(found) >= 8
    assert {row["detector"] for row in odd} >= {"template", "value", "rate"}
    for row in rows:
        assert row["count"] == len(row["lines"])
        assert all([*made, *[made[5]] * 60][line["line"] - 1] == line["text"] for line in row["lines"])
    assert records(run("odd", model, bad, "--json")) == rows
    config = json.loads((model / "config.json").read_text())
    assert config["about"]["corpus"]["sources"] == ["good.log"]


WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; from afterword.cli.main import main; main()"


def test_lines_with_fields_need_no_network_and_a_run_and_a_model_do_not_replace_each_other(
    tmp_path: Path, run: Run
) -> None:
    good, model, folder = tmp_path / "good.log", tmp_path / "model", tmp_path / "run"
    good.write_text("\n".join(lines(300, 0)))
    asked = ["odd", str(good), str(good), "--out", str(model)]
    assert subprocess.run([sys.executable, "-c", WITHOUT_TORCH, *asked]).returncode == 0
    found = load(model)
    assert (check_calibrated(found.using("ngram"), 0.5).using, found.info()["recipe"], found.info()["training"]) == (
        "ngram",
        "ngram",
        None,
    )
    some = [*lines(20, 1), "zzz"]
    for using in ("ngram", "both"):  # the network has no weight
        assert [one.bits for one in load(model, using).score_lines(some)] == pytest.approx(
            [one.bits for one in found.using("ngram").score_lines(some)]
        )
    [alike] = load(model, "lstm").score_lines(["INFO"])
    assert alike.bits_per_character == pytest.approx(math.log2(found.config.vocabulary_size))
    assert "has learned nothing" in (model / "README.md").read_text()
    for command, says in (
        (("odd", good, good, "--out", model), b"holds a model: replace it with --overwrite"),
        (("odd", good, good, "--network", "1", "--out", model, "--overwrite"), b"holds other files, and not a run"),
        (("train", good, "--base", model, "--out", folder), b"no run begins from one: give another, or --base none"),
    ):
        refused = run(*command)
        assert (refused.returncode, refused.stdout) == (2, b"")
        assert says in refused.stderr
    assert run("odd", good, good, "--out", model, "--overwrite").returncode == 0
    assert run("odd", good, good, "--out", folder, "--network", "0.01").returncode == 0
    assert load(folder).info()["training"]["steps"] > 0
    refused = run("odd", good, good, "--out", folder, "--overwrite")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"holds a run, which has a network" in refused.stderr


def test_names_train_a_network_without_being_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("afterword.wings.odd.odd.MINUTES", 0.005)
    (tmp_path / "names").write_text("\n".join(draw(300, 0)))
    list(afterword.odd(tmp_path / "names", tmp_path / "names", out=str(tmp_path / "kept")))
    assert RunFolder(tmp_path / "kept").is_run
    assert load(tmp_path / "kept").info()["training"]["steps"] > 0


def test_a_model_that_is_calibrated_masks_what_odd_masks(lines_model: Path, tmp_path: Path, run: Run) -> None:
    events = [
        " ".join(random.Random(k).choices(("open", "read", "write", "17", "4"), k=4 + k % 17)) for k in range(300)
    ]
    for name, texts in (("log", lines(300, 0)), ("events", events)):
        good, mine, kept = tmp_path / name, tmp_path / f"mine {name}", tmp_path / f"kept {name}"
        good.write_text("\n".join(texts))
        shutil.copytree(lines_model, mine)
        assert run("calibrate", mine, good).returncode == run("odd", good, good, "--out", kept).returncode == 0
        calibrated, counted = good_lines_of(load(mine)), good_lines_of(load(kept))
        assert calibrated is not None
        assert counted is not None
        assert ("time" in calibrated.masked_names) == ("time" in counted.masked_names) == (name == "log")
        assert load(kept).tokenizer.kind == {"log": "char", "events": "words"}[name]


def test_what_was_accepted_is_silent_until_it_is_forgotten(mine: Path, tmp_path: Path, run: Run) -> None:
    good, new = tmp_path / "good", tmp_path / "new"
    good.write_text("".join(f"GET /{'abc'[k % 3]} 200 user{k % 7}\n" for k in range(600)))
    new.write_text(
        "".join(f"GET /a 200 user{k % 7}\n" for k in range(50))
        + "GET /new/route 200 user2\n" * 6
        + "DELETE everything now, please\n"
    )
    assert run("calibrate", mine, good).returncode == 0
    findings = run("odd", mine, new, "--json", "--fail").stdout
    rows = [json.loads(row) for row in findings.decode().splitlines()]
    assert {row["detector"] for row in rows} == {"value", "template"}
    (tmp_path / "next").write_bytes(findings.replace(b'"odd": true', b'"odd": false'))
    assert b"there is nothing to accept" in run("accept", mine, "--from", tmp_path / "next").stderr
    [value] = [row for row in rows if row["detector"] == "value"]
    assert (value["why"], value["count"]) == ("/new/route: seen /a, /b, /c", 6)
    (tmp_path / "findings").write_bytes(findings)
    before = {name: (mine / name).read_bytes() for name in ("model.safetensors", "calibration.safetensors")}
    accepted = run("accept", mine, "GET /new/route 200 user3", "--json")
    assert json.loads(accepted.stdout) == {"changed": 1, "accepted": 1}
    assert [row["detector"] for row in records(run("odd", mine, new, "--json"))] == ["template"]
    assert run("accept", mine, "--from", tmp_path / "findings").returncode == 0
    silent = run("odd", mine, new, "--fail")
    assert silent.stdout == b""
    assert silent.stderr.endswith(b"nothing is odd at a false-alarm rate of 0.01\n")
    listed = run("odd", mine, "--accepted").stdout.decode().splitlines()
    assert listed[0] == "GET /new/route 200 user3"
    assert {*listed[1:]} == {"GET /new/route 200 user2", "DELETE everything now, please"}
    assert run("calibrate", mine, good).returncode == 0  # newer lines; what was accepted stays
    assert run("accept", mine, "--remove", "--from", tmp_path / "findings").stdout.startswith(b"1 accepted line, ")
    assert run("accept", mine, "--remove", "unknown").stdout == b"1 accepted line, as before\n"
    assert {name: (mine / name).read_bytes() for name in before}["model.safetensors"] == before["model.safetensors"]
    assert [row["detector"] for row in records(run("odd", mine, new, "--json"))] == ["template"]


def clock(second: int, text: str) -> str:
    return f"2026-03-02 {second // 3600:02}:{second // 60 % 60:02}:{second % 60:02} {text}"


def service(count: int, seed: int) -> list[str]:
    """Lines of a service, with a heartbeat in every tenth."""
    draw = random.Random(seed)
    texts = (
        "heart: beat"
        if k % 10 == 0
        else f"auth: login user={draw.choice(USERS)} from 10.0.0.{draw.randrange(1, 9)} ok"
        if k % 2
        else f"db: select from {draw.choice(('orders', 'items', 'users'))} took {draw.randrange(1, 80)} ms"
        for k in range(count)
    )
    return [clock(100_000 // 90 * seed + k, text) for k, text in enumerate(texts)]


USERS = ("ann", "carl", "dora", "emil")
PLANTED = {
    "bob": "auth: login user=bob from 10.0.0.3 ok",
    "eve": "auth: login user=eve from 66.6.6.6 ok",
    "okk": "auth: login user=ann from 10.0.0.3 okk",
    "new kind of line": "disk: I/O error (sda1), giving up",
}


def night(seed: int) -> list[str]:
    """Another log with something odd for each detector that needs no trained model."""
    lines, shape = service(700, seed), [*PLANTED.values()]
    for k, text in enumerate(shape):
        lines[105 + 50 * k] = clock(seed, text)
    burst = [clock(seed, "db: select from items took 7 ms")] * 50
    boot = [clock(seed, f"kernel {'x ' * k}[{'y' * (k % 2)}] begins") for k in range(1, 9)]
    quiet = [line for line in lines[400:] if "heart" not in line]
    return [*lines[:400], *burst, *quiet[:200], *boot, *quiet[200:]]


def test_each_accepted_finding_is_silent_the_next_night_and_no_other_one(mine: Path, tmp_path: Path, run: Run) -> None:
    good, first, second = tmp_path / "good", tmp_path / "first", tmp_path / "second"
    for path, log in ((good, service(900, 0)), (first, night(1)), (second, night(2))):
        path.write_text("".join(f"{line}\n" for line in log))
    assert run("calibrate", mine, good).returncode == 0

    def listed(file: Path) -> dict[str, dict[str, object]]:
        return {str(row["why"]).split(":")[0]: row for row in records(run("odd", mine, file, "--json")) if row["odd"]}

    rows, before = listed(first), listed(second)
    assert rows.keys() == before.keys() >= {*PLANTED, "burst", "silence", "episode"}
    for name, row in rows.items():
        path = tmp_path / "findings"
        path.write_text(json.dumps(row) + "\n")
        assert run("accept", mine, "--from", path).returncode == 0
        assert run("accept", mine, "--from", path).stdout.endswith(b"as before\n")
        assert listed(second).keys() == before.keys() - {name}
        assert run("accept", mine, "--remove", "--from", path).stdout.startswith(b"0 accepted lines")
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows.values()))
    assert run("accept", mine, "--from", path).returncode == 0
    assert run("calibrate", mine, good).returncode == 0
    assert listed(first).keys() == listed(second).keys() == set()


def test_rows_of_lines_as_they_are_read_are_accepted_as_what_is_odd_in_them(
    mine: Path, tmp_path: Path, run: Run
) -> None:
    good, new, rows = tmp_path / "good", tmp_path / "new", tmp_path / "rows"
    good.write_text("".join(f"{line}\n" for line in service(900, 0)))
    new.write_text("".join(f"{line}\n" for line in [*service(90, 1), *PLANTED.values(), '{"file": "a log of JSON"}']))
    assert run("calibrate", mine, good).returncode == 0
    rows.write_bytes(run("odd", mine, new, "--as-read", "--all", "--json").stdout)
    assert run("accept", mine, "--from", rows).stdout == b"5 accepted lines, 5 more\n"
    assert run("odd", mine, new, "--as-read", "--fail").returncode == 0
    kept = run("odd", mine, "--accepted").stdout.decode().splitlines()
    assert kept == [*PLANTED.values(), '{"file": "a log of JSON"}']
    assert run("accept", mine, "--remove", "--from", new).stdout == b"0 accepted lines, 5 fewer\n"
    assert run("accept", mine, "--from", new).returncode == 0  # a text of lines, one of which is JSON
    assert run("odd", mine, new, "--as-read", "--fail").returncode == 0


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lines that a model reads to judge them."""
    seen = list[str]()

    def watched(model: LanguageModel, lines: list[str], *more: float, **options: Any) -> list[OddLine]:
        seen.extend(lines)
        return odd_lines(model, lines, *more, **options)

    monkeypatch.setattr("afterword.wings.odd.odd.odd_lines", watched)
    return seen


@pytest.mark.parametrize("options", [[], ["--as-read"]])
def test_empty_lines_change_nothing_but_the_numbers_of_others_and_are_not_read(
    calibrated: Path, read: list[str], tmp_path: Path, run: Run, options: list[str]
) -> None:
    lines, new, gaps = [*draw(20, 1), "☃☃☃"], tmp_path / "new", 3
    found = []
    for between in ("\n", "\n" * (gaps + 1)):
        new.write_text(between.join([*lines, ""]))
        found.append([*map(placed, records(run("odd", calibrated, new, *options, "--json")))])
        assert read == lines
        read.clear()
    assert [[(1 + (line - 1) * (gaps + 1), one) for line, one in part] for part in found[0]] == found[1] != []


def placed(record: dict[str, Any]) -> list[tuple[int, object]]:
    """The lines of a finding or of a row, each with all that is said of it."""
    said = {name: value for name, value in record.items() if name not in ("line", "lines")}
    return [(one["line"], {**said, "text": one["text"]}) for one in record.get("lines", [record])]


def test_only_lines_whose_cost_decides_what_is_harmless_are_read_to_accept_them(
    mine: Path, read: list[str], tmp_path: Path, run: Run
) -> None:
    good, new, findings = tmp_path / "good", tmp_path / "new", tmp_path / "findings"
    good.write_text("".join(f"{line}\n" for line in service(900, 0)))
    new.write_text("".join(f"{line}\n" for line in night(1)))
    assert run("calibrate", mine, good).returncode == 0
    listed = [one for one in records(run("odd", mine, new, "--json")) if one["odd"]]
    assert {one["detector"] for one in listed} > {"value", "rate"}
    findings.write_text("".join(f"{json.dumps(one)}\n" for one in listed))
    read.clear()
    assert run("accept", mine, "--from", findings).returncode == 0
    judged = [one for one in listed if one["detector"] not in ("value", "rate")]
    assert read == [line["text"] for one in judged for line in one["lines"]] != []


def test_findings_are_read_back_in_any_spacing_and_order_and_never_taken_for_lines(
    mine: Path, tmp_path: Path, run: Run
) -> None:
    good, new, rows = tmp_path / "good", tmp_path / "new", tmp_path / "rows"
    good.write_text("".join(f"{line}\n" for line in service(900, 0)))
    new.write_text("".join(f"{line}\n" for line in [*service(90, 1), *PLANTED.values()]))
    assert run("calibrate", mine, good).returncode == 0
    before = shutil.copytree(mine, tmp_path / "before")
    for form in ("--json", "--as-read --json"):
        found = records(run("odd", mine, new, *form.split()))
        forms = [json.dumps(one, separators=(",", ":")) for one in found]
        forms = ["\n".join(forms), "\n".join(json.dumps(one, sort_keys=True) for one in found)]
        for text in forms:
            model = shutil.copytree(before, tmp_path / "model", dirs_exist_ok=True)
            rows.write_text(text, encoding="utf-8")
            assert run("accept", model, "--from", rows).returncode == 0
            assert run("odd", model, new, "--as-read", "--fail").returncode == 0
        wrong = [json.dumps(found), json.dumps(found, indent=2), "\n".join(json.dumps(one, indent=1) for one in found)]
        empty = {**found[0], "text": "", "lines": []}
        broken = {**found[0], "text": "a\nb", "lines": [{"file": "a", "line": 1, "text": "a\nb"}]}
        outside = {**found[0], "odd_pieces": [[0, 99_999]]}
        wrong += [json.dumps(one) for one in (empty, broken, outside)]
        for text in wrong:
            rows.write_text(text, encoding="utf-8")
            finished = run("accept", mine, "--from", rows)
            assert (finished.returncode, finished.stderr.count(b"\n")) == (2, 1), text[:80]
            assert b"finding" in finished.stderr
    assert run("odd", mine, "--accepted").stdout == b""


def test_the_lines_of_an_array_are_accepted(calibrated: Path) -> None:
    assert afterword.accept(calibrated, tuple(np.array(["a new line", "another one"]))).accepted == 2


@pytest.mark.parametrize("options", [[], ["--as-read"]])
def test_a_file_that_is_given_twice_is_read_once(
    calibrated: Path, tmp_path: Path, run: Run, options: list[str]
) -> None:
    (tmp_path / "new").write_text("abcd\n☃☃☃\n")
    one, two = (run("odd", calibrated, *[tmp_path / "new"] * k, *options, "--json").stdout for k in (1, 2))
    assert one == two != b""


def test_a_long_line_is_cut_around_what_is_odd_but_not_in_json(tmp_path: Path, run: Run) -> None:
    good, new = tmp_path / "good.log", tmp_path / "new.log"
    good.write_text("".join(f"job {k} ended with status {k % 2}\n" for k in range(200)))
    long = "job 7 ended with status 7 " + "x" * 200_000
    new.write_text(f"{long}\n")
    printed = run("odd", good, new, "--out", tmp_path / "kept").stdout.decode()
    assert "job 7 ended" in printed
    assert 1000 < len(printed) < 2000
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
    if in_a_run:
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
    good, out = tmp_path / "good.log", tmp_path / "model"
    addresses = [f"10.{k % 4}.{k * 7 % 250}.{k % 250 + 1}" for k in range(1, 300)]
    users = [f"user{'abcdefg'[k % 7]}" for k in range(300)]
    good.write_text("".join(f"login {user} from {one} ok\n" for one, user in zip(addresses, users, strict=False)))
    (tmp_path / "new.log").write_text("login usera from 192.0.2.7 ok\nlogin userz from 10.1.2.3 ok\n")
    made = run("odd", good, tmp_path / "new.log", "--out", out)
    assert b"masked: from" in made.stderr
    assert b"192.0.2.7: seen " in made.stdout
    stored = (out / LINES_FILE).read_text()
    assert not [one for one in addresses if one in stored]
    numbers = {float(int.from_bytes(map(int, one.split(".")))) for one in addresses}
    assert not [number for number in numbers if number % 256 and f"{number:.1f}" in stored]
    assert "usera" in stored
    for card in ((out / CARD).read_text(), load(out)._card):
        assert "`lines.json` contains the words of the normal lines, such as the names of users" in card
    accepted = run("accept", out, "login userz from 10.1.2.3 ok")
    assert accepted.returncode == 0
    card = (out / CARD).read_text()
    assert card.count("`lines.json` contains") == card.count("`calibration.safetensors` contains") == 1
    assert run("odd", out, tmp_path / "new.log").stdout.count(b"\n") == 1


def test_training_further_removes_the_calibration_and_keeps_what_was_accepted(
    run: Run, book: Path, tmp_path: Path
) -> None:
    out, normal = tmp_path / "run", tmp_path / "normal.log"
    normal.write_text("".join(f"login user{n % 7} ok\n" for n in range(60)), encoding="utf-8")
    fine(run("train", book, "--out", out, "--steps", "5", *SMALL))
    run("calibrate", out, normal)
    fine(run("accept", out, "logout mallory"))
    fine(run("train", "--resume", out, "--more-minutes", "1e-9"))
    assert "run afterword calibrate" in error_line(run("odd", out, normal))
    assert fine(run("odd", out, "--accepted")).stdout == b"logout mallory\n"
    run("calibrate", out, normal)
    assert fine(run("odd", out, "--accepted")).stdout == b"logout mallory\n"
    (out / "model" / "lines.json").write_text("{}")
    trained = fine(run("train", "--resume", out, "--more-minutes", "1e-9"))
    assert b"lines.json: it has been changed" in trained.stderr
    assert b"training replaces it" in trained.stderr


def test_a_check_whose_output_is_cut_off_has_not_passed(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*asked: object, **options: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("afterword.language_model.load", fail)
    assert run("odd", "english", "-", "--fail").returncode == 1


def test_accepted_lines_have_a_head_even_if_there_are_none(calibrated: Path, run: Run) -> None:
    assert fine(run("odd", calibrated, "--accepted", "--csv")).stdout == b"text\n"


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
