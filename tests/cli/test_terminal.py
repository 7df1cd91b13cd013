"""What a real terminal and a real pipe get: lines as they come, and control characters only where they do no harm."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import afterword
from tests.cases import cases
from tests.processes import Command, Process, finished, running
from tests.terminals import on_a_terminal
from tests.tiny import save_tiny_whole

PATIENCE = 60.0  # seconds until a test has failed that waits for a process
COMMAND = [sys.executable, "-m", "afterword"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(afterword.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
DIRECTIONS = "".join(map(chr, [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
HOSTILE = "a\x1b[31mb\x07\x9b2Jc\x7f\r\tשלום\u202ed\u2067"


@pytest.fixture
def score_pipe(model: Path) -> Iterator[Process]:
    """`score --lines` that reads a pipe which stays open, as behind `tail -f`."""
    options = ["--lines", "--json", "--encoding-errors", "replace"]
    command: Command = [*COMMAND, "score", model, "-", *options]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with running(command, env=ENVIRONMENT, bufsize=0, **pipes) as process:
        yield process


def next_line(process: Process) -> dict[str, object]:
    """The next line that the process prints. It fails where none comes."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
        assert ready, "nothing was printed"
        one = os.read(process.stdout.fileno(), 1)
        assert one, "the process ended"
        line += one
    record: dict[str, object] = json.loads(line)
    return record


def test_each_line_of_a_growing_log_is_scored_as_it_comes(score_pipe: Process) -> None:
    assert score_pipe.stdin is not None
    assert score_pipe.stdout is not None
    assert score_pipe.stderr is not None
    for number, (line, text) in enumerate([(b"ab", "ab"), (b"a\xffb\0", "a�b�"), (b"", ""), ("é".encode(), "é")], 1):
        score_pipe.stdin.write(line[:1])
        score_pipe.stdin.write(line[1:] + b"\n")
        found = next_line(score_pipe)
        assert (found["line"], found["text"]) == (number, text)
    score_pipe.stdin.write(b"c")
    score_pipe.stdin.close()
    assert next_line(score_pipe)["text"] == "c"
    assert score_pipe.stderr.read().decode() == "note: replaced 2 invalid places with U+FFFD (�) in standard input\n"
    assert score_pipe.wait() == 0


def seen(*arguments: str | Path, input: bytes = b"") -> str:
    """What the command prints on a terminal."""
    with tempfile.TemporaryFile() as typed:
        typed.write(input)
        typed.seek(0)
        streams: dict[str, Any] = {"stdin": typed, "stderr": subprocess.DEVNULL}
        return on_a_terminal(*COMMAND, *arguments, env=ENVIRONMENT, **streams)[1].replace("\r\n", "\n")


def test_control_characters_do_not_reach_a_terminal_and_do_reach_a_pipe(model: Path, tmp_path: Path) -> None:
    writing: list[str | Path] = ["generate", model, "--prompt", HOSTILE, "--max-tokens", "5", "--seed", "1"]
    cases: list[tuple[list[str | Path], str]] = [
        (["score", model, "-", "--lines"], HOSTILE.replace("\r", "") + "\n"),
        (["score", model, "-", "--lines", "--json"], HOSTILE.replace("\r", "") + "\n"),
        (writing, ""),
        ([*writing, "--out", "/dev/stdout"], ""),
    ]
    for arguments, input in cases:
        printed = seen(*arguments, input=input.encode())
        assert not set(printed) & set("\x1b\x07\x9b\x7f\r" + DIRECTIONS), printed
        assert "שלום\\u202ed\\u2067" in printed
        assert "\\u009b2Jc\\u007f" in printed
        piped = finished([*COMMAND, *arguments], input.encode(), env=ENVIRONMENT)
        assert ("\\u009b2Jc\\u007f" if "--json" in arguments else "\x9b2Jc\x7f") in piped.stdout.decode()
    written = tmp_path / "written"
    seen("generate", model, "--prompt", HOSTILE, "--max-tokens", "5", "--out", written)
    assert written.read_bytes().decode().startswith(HOSTILE)


@pytest.mark.parametrize(
    "command",
    [
        "score lines TEXT --lines",
        "score lines TEXT --lines --json",
        "surprises mixed TEXT",
        "compare mixed tiny --file TEXT --lines",
        *cases("TERMINAL"),
        "inspect tiny SAID",
        "info SAID",
        "SAID",
    ],
)
def test_no_text_or_name_reverses_a_terminals_line(
    command: str, model: Path, mixed_model: Path, lines_model: Path, tmp_path: Path
) -> None:
    said = "ab\u202ecd\u2067é"
    text = tmp_path / f"{said}.txt"
    text.write_text(f"{said}\n" * 3 + "ab cd\n" * 500 + f"אבג {DIRECTIONS}\n", encoding="utf-8")
    known = {"TEXT": text, "SAID": said, "tiny": model, "mixed": mixed_model, "lines": lines_model}
    known["whole"] = save_tiny_whole(tmp_path / "whole", seed=0)
    words = [known.get(word, word) for word in command.split()]
    _, printed = on_a_terminal(*COMMAND, *words, env={**ENVIRONMENT, "TERM": "xterm"}, cwd=tmp_path)
    assert not set(printed) & set(DIRECTIONS), printed
    assert re.search(r"202e|202E", printed), printed
    if "TEXT --lines" in command or "whole" in command:
        assert "אבג" in printed
