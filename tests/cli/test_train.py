"""`afterword train`, through the real command: it trains, stops, goes on, and refuses what cannot be in one line."""

from __future__ import annotations

import json
import math
import os
import pty
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterword.cli.signals import Stop
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.processes import finished, from_terminal, running, until
from tests.terminals import on_a_terminal
from tests.torture.runs import start

SMALL = ["--hidden-size", "12", "--threads", "1"]
INTERRUPTED = """import os, signal
from afterword.cli.main import main
from afterword.learning.learner import Learner
learn = Learner.learn
def learn_or_end(learner, *arguments):
    if learner.step == 30:
        os.kill(os.getpid(), signal.SIGINT)
    return learn(learner, *arguments)
Learner.learn = learn_or_end
main()"""


def test_a_text_becomes_a_model_that_writes_scores_and_tells_of_itself(
    run: Run, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book.parent)
    trained = fine(run("train", book, "--steps", "30", *SMALL))
    assert trained.stdout == b""
    assert trained.stderr.startswith(f"read {book}; measuring".encode())  # before the machine is measured
    assert b"bits per character on held-out text; the model is in book" in trained.stderr
    [written] = records(run("generate", "book", "--max-tokens", "20", "--seed", "1", "--json"))
    [scored], [told] = records(run("score", "book", book, "--json")), records(run("info", "book", "--json"))
    assert (written["tokens"], scored["characters"], told["hidden_size"]) == (20, len(book.read_text()), 12)
    assert "## Samples" in (book.parent / "book" / "model" / "README.md").read_text()


def test_ctrl_c_saves_and_resume_ends_as_an_uninterrupted_run_does(run: Run, book: Path, tmp_path: Path) -> None:
    arguments = ["--steps", "60", "--hidden-size", "48", "--threads", "1"]
    stopped = tmp_path / "stopped"
    command = [sys.executable, "-c", INTERRUPTED, "train", str(book), "--out", str(stopped), *arguments]
    found = finished(command)
    assert found.returncode == 130, found.stderr.decode()
    assert f"afterword train --resume {shlex.quote(str(stopped))}" in found.stderr.decode()
    fine(run("generate", stopped, "--max-tokens", "5"))
    fine(run("train", "--resume", stopped))
    fine(run("train", book, "--out", tmp_path / "whole", *arguments))
    weights = [(tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("stopped", "whole")]
    assert weights[0] == weights[1]


def test_a_terminal_gets_a_bar_with_the_figures(book: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "afterword", "train", str(book), "--out", str(tmp_path / "run"), "--steps", "30"]
    status, text = on_a_terminal(*command, *SMALL)
    assert status == 0
    for figure in ("100 % ", " ━━━", "training ", "held out ", "bits per character", "left"):
        assert figure in text
    last = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1])
    assert f"training {last['loss'] / math.log(2):.3f}, held out" in text  # the two in one unit


def test_progress_is_json_for_programs_or_none(run: Run, book: Path, tmp_path: Path) -> None:
    command = ["train", book, "--steps", "3", *SMALL, "--ngram", "0", "--overwrite", "--out", tmp_path / "run"]
    said = run(*command, "--progress", "json").stderr.decode().splitlines()
    first, *_, last = [json.loads(line) for line in said if line.startswith("{")]
    assert (first["progress"], last["progress"]) == ("reading the text and planning", "training")
    assert (last["fraction"], last["step"]) == (1.0, 3)
    said = run(*command, "--progress", "none").stderr.decode().splitlines()
    assert not [line for line in said if line.startswith(("{", "read ", "step "))]


def test_a_folder_that_holds_a_run_or_a_file_in_its_place_is_refused(run: Run, book: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    asked = ("train", book, "--out", out, *SMALL)
    fine(run(*asked, "--steps", "1"))
    assert "--overwrite" in error_line(run(*asked, "--steps", "1"))
    fine(run(*asked, "--steps", "2", "--overwrite"))
    told = error_line(run("train", "--resume", out, "--steps", "9"))
    assert f"steps is 2 in the run {out}, not 9: leave it out" in told
    assert "leave out --out and --overwrite" in error_line(run("train", "--resume", out, "--overwrite"))
    fine(run("train", "--resume", out, book, "--steps", "2", "--threads", "1"))


def test_a_finished_run_gets_more_time(run: Run, book: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    fine(run("train", book, "--out", out, "--steps", "5", *SMALL))
    more = fine(run("train", "--resume", out, "--more-minutes", "1e-9"))
    assert b"the run continues from step 5 to step 6 instead of 5: a new schedule starts" in more.stderr
    (plan,) = [line for line in more.stderr.splitlines() if line.startswith(b"plan: ")]
    assert b" min, " in plan


def test_a_run_is_repeated_without_its_text_and_refused_in_one_line(run: Run, book: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "run", tmp_path / "again"
    fine(run("train", book, "--out", out, "--minutes", "0.005", *SMALL))
    book.unlink()
    fine(run("train", "--repeat", out, "--out", again))
    for name in ("model.safetensors", "ngram.safetensors", "config.json", "tokenizer.json", "README.md"):
        assert (again / "model" / name).read_bytes() == (out / "model" / name).read_bytes()

    new = tmp_path / "new"
    for arguments, says in [
        (["--out", out, "--overwrite"], "is the run to repeat: give --out another folder"),
        (["--out", again], "replace it with --overwrite"),
        (["--out", new, __file__], f"--repeat takes the text from the run {out}: leave out TEXT"),
        (["--out", new, "--steps", "5"], "steps is"),
        (["--out", new, "--lines"], "lines is false in the run"),
        (["--out", new, "--threads", "2"], "threads was 1 and is 2: the run cannot be repeated bit for bit here"),
    ]:
        assert says in error_line(run("train", "--repeat", out, *arguments))
    assert not new.exists()
    fine(run("train", "--repeat", out, "--out", again, "--overwrite", "--threads", "1", "--minutes", "0.005"))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_to_end_ends_the_step_and_saves(book: Path, tmp_path: Path, number: int, status: int) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    process = start(["train", book, "--out", out, "--steps", "100000", *SMALL], log)
    until((out / "metrics.jsonl").exists)
    assert "another process" in refused(["train", "--resume", out], tmp_path / "second")
    process.send_signal(number)
    assert process.wait(60) == status
    go_on = f"stopped and saved; continue with: afterword train --resume {shlex.quote(str(out))}"
    assert go_on in log.read_text().replace("python -m ", "")
    assert [*(out / "checkpoints").iterdir()]


def test_a_run_whose_terminal_is_closed_saves(book: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = ["train", str(book), "--out", str(out), "--steps", "100000", *SMALL]
    own = "import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); from afterword.cli.main import main; main()"
    controller, terminal = pty.openpty()
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with running([sys.executable, "-c", own, *arguments], env={**os.environ, "TERM": "xterm"}, **streams) as process:
        os.close(terminal)
        while not (out / "metrics.jsonl").exists() and process.poll() is None:
            if select.select([controller], [], [], 0.01)[0]:
                os.read(controller, 65536)
        os.close(controller)  # the bar has nowhere to go from here on
        assert process.wait() == 129
    assert [*(out / "checkpoints").iterdir()]


def test_a_run_that_nohup_started_goes_on_when_the_terminal_is_closed(book: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    ignores = f"import signal; signal.signal({signal.SIGHUP:d}, signal.SIG_IGN); "  # as a program of nohup does
    command = [sys.executable, "-c", ignores + "from afterword.cli.main import main; main()", "train", str(book)]
    with running([*command, "--out", str(out), "--steps", "400", *SMALL], stderr=subprocess.PIPE) as process:
        until(lambda: (out / "metrics.jsonl").exists() or process.poll() is not None)
        process.send_signal(signal.SIGHUP)
        _, told = process.communicate()
        assert process.returncode == 0, told.decode()


def refused(arguments: list[object], log: Path) -> str:
    """What the command says that refuses its input."""
    assert start(arguments, log).wait(60) == 2
    return log.read_text()


@pytest.fixture
def unblocked() -> Iterator[None]:
    with from_terminal():
        yield


@pytest.mark.usefixtures("unblocked")
def test_a_second_signal_leaves_at_once_and_among_ranks_only_later(monkeypatch: pytest.MonkeyPatch) -> None:
    with Stop() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    with Stop() as stop:
        for _ in range(3):  # of a terminal that is closed: by the shell, and once more when that has gone
            signal.raise_signal(signal.SIGHUP)
        assert stop.signal == signal.SIGHUP
    for name in ("RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.setenv(name, "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with Stop():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)  # the same, passed on by torchrun
        monkeypatch.setattr("afterword.cli.signals.SAME_SIGNAL_SECONDS", -1.0)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
