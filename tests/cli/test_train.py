"""`afterword train`, through the real command: it trains, stops, goes on, and refuses what cannot be in one line."""

from __future__ import annotations

import json
import math
import os
import pty
import re
import select
import shlex
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from afterword.cli.signals import Stop
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
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


def test_a_text_becomes_a_model_that_goes_on_and_is_repeated_without_its_text(
    run: Run, book: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(book.parent)
    trained = fine(run("train", book, "--steps", "20", *SMALL))
    assert trained.stdout == b""
    assert trained.stderr.startswith(f"read {book}; measuring".encode())  # before the machine is measured
    assert b"bits per character on held-out text; the model is in book" in trained.stderr
    [written] = records(run("generate", "book", "--max-tokens", "20", "--seed", "1", "--json"))
    [scored], [told] = records(run("score", "book", book, "--json")), records(run("info", "book", "--json"))
    assert (written["tokens"], scored["characters"], told["hidden_size"]) == (20, len(book.read_text()), 12)
    assert "## Samples" in Path("book/model/README.md").read_text()

    fine(run("train", "--resume", "book", book, "--steps", "20", "--threads", "1"))  # what it knows may be said again
    book.unlink()
    for again in (["--steps", "20", "--threads", "1"], ["--overwrite"]):
        fine(run("train", "--repeat", "book", "--out", "again", *again))
        for name in ("model.safetensors", "ngram.safetensors", "config.json", "tokenizer.json", "README.md"):
            assert Path("again/model", name).read_bytes() == Path("book/model", name).read_bytes()

    more = fine(run("train", "--resume", "book", "--more-minutes", "1e-9"))
    assert b"the run continues from step 20 to step 21 instead of 20: a new schedule starts" in more.stderr
    [plan] = [line for line in more.stderr.splitlines() if line.startswith(b"plan: ")]
    assert b" min, " in plan


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


def test_the_curve_of_a_run_is_read_by_the_line_on_its_page(run: Run, book: Path, tmp_path: Path) -> None:
    run("train", book, "--out", tmp_path / "book", "--steps", "30", *SMALL)
    page = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(import pandas\n.*?)```", page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code.replace("book/metrics", f"{tmp_path}/book/metrics"), names)
    reports = [json.loads(line) for line in (tmp_path / "book" / "metrics.jsonl").read_text().splitlines()]
    for report in reports:
        found = names["curve"].loc[report["step"]]
        assert found["loss_bits"] == pytest.approx(report["loss"] / math.log(2))
        if report["validation"] is not None:
            assert found["validation_bits"] == pytest.approx(report["validation"] / math.log(2))
    assert any(report["validation"] is not None for report in reports)


def test_progress_is_json_for_programs_or_none(run: Run, book: Path, tmp_path: Path) -> None:
    command = ["train", book, "--steps", "3", *SMALL, "--ngram", "0", "--overwrite", "--out", tmp_path / "run"]
    said = run(*command, "--progress", "json").stderr.decode().splitlines()
    first, *_, last = [json.loads(line) for line in said if line.startswith("{")]
    assert (first["progress"], last["progress"]) == ("reading the text and planning", "training")
    assert (last["fraction"], last["step"]) == (1.0, 3)
    said = run(*command, "--progress", "none").stderr.decode().splitlines()
    assert not [line for line in said if line.startswith(("{", "read ", "step "))]


def test_a_signal_to_end_ends_the_step_and_saves(book: Path, tmp_path: Path) -> None:
    out, log = tmp_path / "run", tmp_path / "log"
    process = start(["train", book, "--out", out, "--steps", "100000", *SMALL], log)
    until((out / "metrics.jsonl").exists)
    assert start(["train", "--resume", out], tmp_path / "second").wait(60) == 2
    assert "another process" in (tmp_path / "second").read_text()
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143
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


def test_a_second_signal_leaves_at_once_and_among_ranks_only_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def send(*numbers: int) -> None:
        for number in numbers:
            signal.raise_signal(number)

    with from_terminal():
        with Stop() as stop, pytest.raises(KeyboardInterrupt):
            send(signal.SIGINT, signal.SIGINT)
        assert stop.signal == signal.SIGINT
        with Stop() as stop:
            send(*[signal.SIGHUP] * 3)  # of a terminal that is closed: by the shell, and once more when that has gone
        assert stop.signal == signal.SIGHUP
        for name, value in {"RANK": "1", "MASTER_ADDR": "1", "MASTER_PORT": "1", "WORLD_SIZE": "2"}.items():
            monkeypatch.setenv(name, value)
        with Stop():
            send(signal.SIGINT, signal.SIGINT)  # the same, passed on by torchrun
            monkeypatch.setattr("afterword.cli.signals.SAME_SIGNAL_SECONDS", -1.0)
            with pytest.raises(KeyboardInterrupt):
                send(signal.SIGINT)
