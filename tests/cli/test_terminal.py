"""What a real terminal and a real pipe get: lines as they come, and control characters only where they do no harm."""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

import afterword
from tests.cases import cases
from tests.cli.answers import printed
from tests.cli.conftest import Run
from tests.processes import Command, Process, running
from tests.terminals import on_a_terminal
from tests.tiny import save_tiny_whole

COMMAND = [sys.executable, "-m", "afterword"]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(afterword.__file__).parents[1]), "OMP_NUM_THREADS": "1"}
DIRECTIONS = "".join(map(chr, [0x61C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]))
HOSTILE = "a\x1b[31mb\x07\x9b2Jc\x7f\r\tשלום\u202ed\u2067"
NAME = "ab\u202ecd\u2067é"


def next_line(process: Process) -> dict[str, object]:
    """The next line that the process prints. It fails where none comes."""
    assert process.stdout is not None
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], 60)
        assert ready, "nothing was printed"
        one = os.read(process.stdout.fileno(), 1)
        assert one, "the process ended"
        line += one
    record: dict[str, object] = json.loads(line)
    return record


def test_each_line_of_a_growing_log_is_scored_as_it_comes(model: Path) -> None:
    command: Command = [*COMMAND, "score", model, "-", "--lines", "--json", "--encoding-errors", "replace"]
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with running(command, env=ENVIRONMENT, bufsize=0, **pipes) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        for number, (line, text) in enumerate([(b"ab", "ab"), (b"a\xffb\0", "a�b�"), (b"", ""), (b"d", "d")], 1):
            process.stdin.write(line[:1])
            process.stdin.write(line[1:] + b"\n")
            found = next_line(process)
            assert (found["line"], found["text"]) == (number, text)
        process.stdin.write(b"c")
        process.stdin.close()
        assert next_line(process)["text"] == "c"
        noted = process.stderr.read().decode()
        assert noted == "note: replaced 2 invalid places with U+FFFD (�) in standard input\n"
        assert process.wait() == 0


def test_a_pipe_and_a_file_get_a_text_unchanged(model: Path, run: Run, tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(HOSTILE.replace("\r", "").encode())
    assert "\x9b2Jc\x7f" in printed(run("score", model, tmp_path / "text", "--lines"))
    assert "\\u009b2Jc\\u007f" in printed(run("score", model, tmp_path / "text", "--lines", "--json"))
    out = tmp_path / "out"
    for more in ([], ["--out", out]):
        written = run("generate", model, "--prompt", HOSTILE, "--max-tokens", "5", "--seed", "1", *more)
        assert (out.read_bytes() if more else written.stdout).decode().startswith(HOSTILE)


@pytest.mark.parametrize(
    "command",
    [
        "score lines TEXT --lines",
        "score lines TEXT --lines --json",
        "surprises mixed TEXT",
        "compare mixed tiny --file TEXT --lines",
        "generate tiny --max-tokens 5 --prompt HOSTILE",
        "generate tiny --max-tokens 5 --out /dev/stdout --prompt HOSTILE",
        *cases("TERMINAL"),
        "inspect tiny SAID",
        "info SAID",
        "SAID",
    ],
)
def test_no_text_or_name_steers_a_terminal_or_reverses_its_lines(
    command: str, model: Path, mixed_model: Path, lines_model: Path, tmp_path: Path
) -> None:
    text = tmp_path / f"{NAME}.txt"
    lines = [*[NAME] * 3, *["ab cd"] * 500, f"אבג {DIRECTIONS}", HOSTILE.replace("\r", ""), ""]
    text.write_text("\n".join(lines), encoding="utf-8")
    known = {"TEXT": text, "SAID": NAME, "HOSTILE": HOSTILE, "tiny": model, "mixed": mixed_model, "lines": lines_model}
    known["whole"] = save_tiny_whole(tmp_path / "whole", seed=0)
    words = [known.get(word, word) for word in command.split()]
    has_styles = command.startswith(("surprises", "inspect"))
    environment = {**ENVIRONMENT, "TERM": "xterm", **({} if has_styles else {"NO_COLOR": "1"})}
    shown = on_a_terminal(*COMMAND, *words, env=environment, cwd=tmp_path)[1].replace("\r\n", "\n")
    assert not set(shown) & set("\x07\x9b\x7f" + DIRECTIONS), shown
    assert has_styles or not set(shown) & set("\x1b\r"), shown
    assert re.search(r"202e|202E", shown), shown
    if "TEXT --lines" in command or "whole" in command:
        assert "אבג" in shown
    if "HOSTILE" in command:
        assert "\\u009b2Jc\\u007f" in shown
