"""`train --config FILE.toml`: read strictly, replaced by what is typed, and refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from afterword.cli.command import OperationCommand
from afterword.errors import AfterwordError
from afterword.operations.operation import operation
from afterword.operations.train import Train
from afterword.operations.work import Work
from tests.cli.answers import fine
from tests.cli.conftest import Run

LENGTHS = ("minutes", "steps", "epochs")


def asked(*arguments: str | Path) -> dict[str, Any]:
    """The values of a request of `train`."""
    found: dict[str, Any] = {}

    @operation(Train)
    def ask(request: Train, work: Work) -> None:
        found.update(vars(request))

    OperationCommand("train", ask).main([str(argument) for argument in arguments], standalone_mode=False)
    return found


def test_what_is_typed_replaces_the_file_and_the_file_the_default(tmp_path: Path) -> None:
    config = tmp_path / "book.toml"
    config.write_bytes(b"\xef\xbb\xbflines = true\r\nlowercase = true\r\nhidden-size = 64\r\nseed = 3\r\n")
    found = asked("--hidden-size", "32", "--config", config, "--no-lines")
    assert (found["lines"], found["lowercase"], found["hidden_size"], found["seed"]) == (False, True, 32, 3)
    assert (found["encoding"], found["steps"]) == ("utf-8", None)
    for in_file in LENGTHS:  # how long is one choice
        config.write_text(f"{in_file} = 2")
        for typed in LENGTHS:
            found = asked("--config", config, f"--{typed}", "7")
            assert {name: found[name] for name in LENGTHS} == {**dict.fromkeys(LENGTHS), typed: 7}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hiden-size = 5", "'hiden-size', which is not an option of train; did you mean hidden-size?"),
        (b"texts = 'book.txt'", "'texts', which is not an option"),
        (b"[training]\nsteps = 5", "'training', which is not an option of train; leave out its heading"),
        (b"[[steps]]\nvalue = 5", "steps must be a whole number"),
        (b"steps = '5'", "steps must be a whole number, not '5'"),
        (b"out = ['a']", "out must be a path, not ['a']"),
        (b"hidden-size = 0x" + b"f" * 10_000, "Exceeds the limit"),
        (b"steps = " + b"9" * 10_000, "Exceeds the limit"),
        (b"minutes = 1\nsteps = 1", "minutes cannot be used with"),
        (b"steps = 5\nsteps = 6\n", "Cannot overwrite a value (at line 2, column 10)"),
        (b"a = " + b"[" * 20_000, "maximum recursion depth"),
        (b"seed = 1\n# caf\xe9\n", "can't decode byte 0xe9 in position 14"),
        (b"\0", "Invalid"),
        (b"#" * 65_537, "it has 65,537 bytes, and at most 65,536 are allowed"),
    ],
)
def test_a_file_that_will_not_do_is_refused_in_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    (tmp_path / "book.toml").write_bytes(content)
    with pytest.raises(AfterwordError) as caught:
        asked("--config", tmp_path / "book.toml")
    told = str(caught.value)
    assert says in told
    assert "\n" not in told
    assert len(told) < len(str(tmp_path)) + 200


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")  # it would never open
    for name, says in (("none", "No such file or directory"), ("pipe", "it is not a regular file")):
        with pytest.raises(AfterwordError, match=f"cannot read .*{name}: {says}"):
            asked("--config", tmp_path / name)


def test_a_run_has_the_settings_of_the_file(run: Run, tmp_path: Path, book: Path) -> None:
    config, out = tmp_path / "book.toml", tmp_path / "run"
    config.write_text(f'out = "{out}"\nhidden-size = 12\nthreads = 1\nvalidation = 0.2\nminutes = 5\n')
    fine(run("train", book, "--config", config, "--steps", "4"))
    record = json.loads((out / "run.json").read_text())
    assert (record["plan"]["hidden_size"], record["plan"]["steps"], record["plan"]["minutes"]) == (12, 4, None)
    assert record["text"]["validation"] == "0.2"
