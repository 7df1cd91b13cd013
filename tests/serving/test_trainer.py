"""Laws of who trains: how a process ended, and what it leaves, played by programs that end at once."""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import Mock

import pytest

from afterword.errors import OptionError
from afterword.serving.http.failures import ApiError
from afterword.serving.runs import trainer as module
from afterword.serving.runs.trainer import Trainer
from afterword.serving.runs.watched import Runs
from tests.processes import until

WISH = ("book", b"text", ["--minutes", "1.0"])
BEGUN = """
import json, os
os.mkdir("book")
record = {"format": 3, "plan": {}, "fingerprint": "", "versions": {"afterword": "1"}}
open("book/run.json", "w").write(json.dumps(record))
"""
WAITING = "import signal; print('error: not this', flush=True); signal.pause()"
Play = Callable[[str], None]


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[Trainer]:
    trainer = Trainer(tmp_path / "runs")
    yield trainer
    trainer.close()


@pytest.fixture
def play(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> Play:
    """Let a program run in place of Afterword, and begin a run."""

    def begin(program: str) -> None:
        monkeypatch.setattr(module, "_command", lambda words, module="": [sys.executable, "-c", program, *words])
        trainer.begin(*WISH)

    return begin


@pytest.fixture
def said(tmp_path: Path) -> Path:
    return tmp_path / "said"


def left(trainer: Trainer) -> list[str]:
    return sorted({*os.listdir(trainer.place)} - {".lock"})


def ended(trainer: Trainer) -> list[str]:
    """Wait until nothing is trained; return what is left in the folder."""
    until(lambda: trainer.training is None)
    return left(trainer)


FAILURES = {
    "import sys; sys.exit('note: a\\nerror: first\\nerror: last\\nbye')": "last",
    "import sys; sys.exit(9)": "its process ended with status 9",
    "import os; os.kill(os.getpid(), 9)": "its process was killed by signal 9",
    "import sys; print('x' * 10**6, file=sys.stderr); sys.exit('error: late')": "late",
}


@pytest.mark.parametrize("program", FAILURES)
def test_the_last_error_is_why_it_failed(trainer: Trainer, play: Play, program: str) -> None:
    play(program)
    assert ended(trainer) == []
    assert trainer.failures() == {"book": FAILURES[program]}
    seen = Runs((), trainer).see("book")
    assert (seen.state, seen.message) == ("failed", FAILURES[program])
    trainer.begin(*WISH)  # the name is free again


def test_a_run_that_fails_later_keeps_its_text(trainer: Trainer, play: Play) -> None:
    play(f"{BEGUN}\nimport sys; sys.exit('error: the disk is full')")
    assert ended(trainer) == ["book", "book.txt"]
    assert trainer.failures() == {"book": "the disk is full"}
    with pytest.raises(ApiError, match="book already exists"):
        trainer.begin(*WISH)


@pytest.mark.parametrize("begun", [False, True])
@pytest.mark.parametrize("is_killed", [False, True])
def test_what_is_stopped_did_not_fail_and_leaves_a_text_only_of_a_run_that_began(
    trainer: Trainer, play: Play, said: Path, begun: bool, is_killed: bool
) -> None:
    play(f"{BEGUN if begun else ''}\nopen({str(said)!r}, 'w')\n{WAITING}")
    until(said.exists)
    with pytest.raises(ApiError, match="book is being trained"):
        trainer.begin("two", *WISH[1:])
    if is_killed:
        trainer.kill()
        assert left(trainer) == ["book", "book.txt"] * begun
        return
    trainer.stop("book")
    assert ended(trainer) == ["book", "book.txt"] * begun
    assert trainer.failures() == {}
    with pytest.raises(ApiError, match="nothing to stop"):
        trainer.stop("book")


def test_a_process_is_asked_to_end_once(trainer: Trainer, play: Play, said: Path, tmp_path: Path) -> None:
    ask = "import os, signal; signal.signal(15, lambda number, frame: tell('asked\\n')); tell('ready\\n')"
    play(f"tell = open({str(said)!r}, 'a', 1).write; {ask}\nwhile not os.path.exists('../enough'): pass")
    until(lambda: said.exists() and said.read_text() == "ready\n")
    trainer.stop("book")
    until(lambda: "asked" in said.read_text())
    trainer.stop("book")
    (tmp_path / "enough").touch()
    trainer.close()
    assert said.read_text() == "ready\nasked\n"


def test_the_key_is_not_told_and_what_lies_in_the_folder_is_no_program(
    trainer: Trainer, play: Play, said: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "-P" in module._command(["plan"])
    monkeypatch.setenv("AFTERWORD_API_KEY", "a secret")
    play(f"import json, os, sys; json.dump([sys.argv, dict(os.environ)], open({str(said)!r}, 'w'))")
    ended(trainer)
    arguments, environment = json.loads(said.read_text())
    assert arguments[1:] == ["train", "book.txt", "--minutes", "1.0", "--out", "book"]
    assert "a secret" not in environment.values()


def test_a_text_whose_run_was_moved_away_is_not_deleted(trainer: Trainer, play: Play, tmp_path: Path) -> None:
    play(f"{BEGUN}\n{WAITING}")
    until(lambda: trainer.training == "book" and not trainer.is_preparing("book"))
    os.rename(trainer.place / "book", tmp_path / "moved")
    trainer.stop("book")
    assert ended(trainer) == ["book.txt"]
    assert (trainer.place / "book.txt").read_bytes() == WISH[1]


SAME_TIME = "at = os.stat('book.txt').st_mtime_ns; {}; os.utime('book.txt', ns=(0, at))"
CHANGES = {
    "os.unlink('book.txt'); open('book.txt', 'w').write('mine')": "mine",
    "open('book.txt', 'a').write(' and more')": "text and more",
    "open('book.txt', 'r+').write('TEXT')": "TEXT",
    SAME_TIME.format("open('book.txt', 'r+').write('TEXT')"): "TEXT",
    "os.utime('book.txt')": "text",
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_text_that_someone_has_changed_is_not_deleted(trainer: Trainer, play: Play, change: str) -> None:
    play(f"import os, sys\n{change}\nsys.exit(1)")
    assert ended(trainer) == ["book.txt"]
    assert (trainer.place / "book.txt").read_text() == CHANGES[change]


@pytest.mark.parametrize("another", [False, True])
def test_a_text_that_changes_while_it_is_removed_is_not_deleted(
    trainer: Trainer, play: Play, monkeypatch: pytest.MonkeyPatch, another: bool
) -> None:
    rename, place = Path.rename, trainer.place / "book.txt"

    def late(path: Path, to: Path) -> Path:
        path.write_text("mine")
        moved = rename(path, to)
        if another:
            place.write_text("another")
        return moved

    monkeypatch.setattr(Path, "rename", late)
    play("raise SystemExit(1)")
    texts = [(trainer.place / name).read_text() for name in ended(trainer)]
    assert sorted(texts) == ["another"] * another + ["mine"]
    assert place.read_text() == ("another" if another else "mine")


def test_a_text_that_another_process_created_first_is_left_alone(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trainer.place / "book.txt").write_text("mine")
    monkeypatch.setattr(Trainer, "is_taken", lambda self, name: False)  # as if it came a moment later
    with pytest.raises(ApiError, match="book already exists"):
        trainer.begin(*WISH)
    assert (trainer.place / "book.txt").read_text() == "mine"


def test_a_text_for_which_the_disk_has_no_room_is_a_507_and_leaves_nothing(
    trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", Mock(side_effect=OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))))
    with pytest.raises(ApiError, match="the text cannot be saved: No space left on device") as failure:
        trainer.begin(*WISH)
    assert failure.value.status == 507
    assert ended(trainer) == []


def test_a_folder_has_one_server_at_a_time(trainer: Trainer) -> None:
    with pytest.raises(OptionError, match="in use by another server"):
        Trainer(trainer.place)
    trainer.close()
    Trainer(trainer.place).close()
