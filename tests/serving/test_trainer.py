"""Laws of who trains: how a process ended, and what it leaves, played by programs that end at once."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from afterword.serving import trainer as module
from afterword.serving.errors import ApiError
from afterword.serving.runs import Runs
from afterword.serving.trainer import Trainer, Wish

WISH = Wish("book", b"text", 1.0, False)
BEGUN = """
import json, os
os.mkdir("book")
record = {"format": 3, "plan": {}, "fingerprint": "", "versions": {"afterword": "1"}}
open("book/run.json", "w").write(json.dumps(record))
"""
WAITING = "import time; print('error: not this', flush=True); time.sleep(60)"


@pytest.fixture
def trainer(tmp_path: Path) -> Trainer:
    return Trainer(tmp_path / "runs")


def plays(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `program` run in place of Afterword."""

    def command(arguments: Sequence[str]) -> list[str]:
        return [sys.executable, "-c", program, *arguments]

    monkeypatch.setattr(module, "_command", command)


def ended(trainer: Trainer) -> None:
    while trainer.training is not None:
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import sys; sys.exit('note: a\\nerror: first\\nerror: last\\nbye')", "last"),
        ("import sys; sys.exit(9)", "its process ended with status 9"),
        ("import os; os.kill(os.getpid(), 9)", "its process was killed by signal 9"),
        ("import sys; print('x' * 10**6, file=sys.stderr); sys.exit('error: late')", "late"),
    ],
)
def test_the_last_error_is_why_it_failed(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, program: str, message: str
) -> None:
    plays(program, monkeypatch)
    trainer.begin(WISH)
    ended(trainer)
    assert trainer.failures() == {"book": message}
    assert os.listdir(trainer.place) == []
    runs = Runs((), trainer)
    assert runs.names() == ["book"]
    assert (runs.see("book").state, runs.see("book").message) == ("failed", message)
    trainer.begin(WISH)  # the name is free again
    ended(trainer)


def test_a_run_that_fails_later_keeps_its_text(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    plays(f"{BEGUN}\nimport sys; sys.exit('error: the disk is full')", monkeypatch)
    trainer.begin(WISH)
    ended(trainer)
    assert trainer.failures() == {"book": "the disk is full"}
    assert sorted(os.listdir(trainer.place)) == ["book", "book.txt"]
    with pytest.raises(ApiError, match="something named book already"):
        trainer.begin(WISH)


@pytest.mark.parametrize("begun", [False, True])
def test_what_is_stopped_did_not_fail(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, begun: bool) -> None:
    plays(f"{BEGUN if begun else ''}\n{WAITING}", monkeypatch)
    trainer.begin(WISH)
    while begun and trainer.is_preparing("book"):
        time.sleep(0.01)
    with pytest.raises(ApiError, match="book is being trained"):
        trainer.begin(Wish("two", b"text", 1.0, False))
    trainer.stop("book")
    ended(trainer)
    assert trainer.failures() == {}
    assert sorted(os.listdir(trainer.place)) == (["book", "book.txt"] if begun else [])
    with pytest.raises(ApiError, match="nothing to stop"):
        trainer.stop("book")


def test_a_process_is_asked_to_end_once(trainer: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = tmp_path / "said"
    program = f"""
import signal, time
signal.signal(signal.SIGINT, lambda number, frame: open({str(said)!r}, "a").write("asked\\n"))
open({str(said)!r}, "a").write("ready\\n")
while "asked" not in open({str(said)!r}).read(): time.sleep(0.01)
time.sleep(0.2)
"""
    plays(program, monkeypatch)
    trainer.begin(WISH)
    while not said.exists():
        time.sleep(0.01)
    trainer.stop("book")
    trainer.stop("book")
    trainer.close()
    assert said.read_text() == "ready\nasked\n"


def test_the_key_is_not_told_and_what_lies_in_the_folder_is_no_program(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "-P" in module._command(["plan"])
    monkeypatch.setenv("AFTERWORD_API_KEY", "a secret")
    said = tmp_path / "said"
    plays(f"import json, os, sys; json.dump([sys.argv, dict(os.environ)], open({str(said)!r}, 'w'))", monkeypatch)
    trainer.begin(WISH)
    ended(trainer)
    arguments, environment = json.loads(said.read_text())
    assert arguments[1:] == ["train", "book.txt", "--minutes", "1.0", "--out", "book"]
    assert "a secret" not in environment.values()


def test_a_plan_ends_when_nobody_waits_for_it(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    plays(f"import os, time; open({str(said)!r}, 'w').write(str(os.getpid())); time.sleep(60)", monkeypatch)

    async def leave() -> None:
        planning = asyncio.ensure_future(trainer.plan(WISH))
        while not (said.exists() and said.read_text()):
            await asyncio.sleep(0.01)
        planning.cancel()
        await asyncio.gather(planning, return_exceptions=True)

    asyncio.run(leave())
    with pytest.raises(ProcessLookupError):
        os.kill(int(said.read_text()), 0)
