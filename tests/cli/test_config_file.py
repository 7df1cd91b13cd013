"""`train --config FILE.toml`: read strictly, in the command line's shadow, and refused in one line."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.cli.command import OperationCommand, command
from afterword.cli.config_file import MOST_BYTES, read_config
from afterword.commands import commands
from afterword.errors import OptionError
from afterword.operations.operation import operation
from afterword.operations.train import Train
from afterword.operations.work import Work
from tests.cli.answers import fine
from tests.cli.conftest import Run
from tests.cli.test_main import error_line

LENGTHS = ("minutes", "steps", "epochs")


@pytest.fixture
def config(tmp_path: Path) -> Callable[[str | bytes], Path]:
    def write(content: str | bytes) -> Path:
        path = tmp_path / "book.toml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def asked(*arguments: str | Path) -> dict[str, Any]:
    """The values of a request of `train`."""
    found: dict[str, Any] = {}

    @operation(Train)
    def ask(request: Train, work: Work) -> None:
        found.update(vars(request))

    OperationCommand("train", ask).main([str(argument) for argument in arguments], standalone_mode=False)
    return found


def test_the_command_line_comes_before_the_file_and_the_file_before_the_default(config: Callable[[str], Path]) -> None:
    path = config("lines = true\nlowercase = true\nhidden-size = 64\nseed = 3\n")
    found = asked("--hidden-size", "32", "--config", path, "--no-lines")
    assert (found["lines"], found["lowercase"], found["hidden_size"], found["seed"]) == (False, True, 32, 3)
    assert (found["encoding"], found["steps"]) == ("utf-8", None)


@pytest.mark.parametrize("in_file", LENGTHS)
@pytest.mark.parametrize("by_hand", LENGTHS)
def test_how_long_is_one_choice_and_the_command_lines_replaces_the_files(
    config: Callable[[str], Path], in_file: str, by_hand: str
) -> None:
    found = asked("--config", config(f"{in_file} = 2"), f"--{by_hand}", "7")
    assert {name: found[name] for name in LENGTHS} == {**dict.fromkeys(LENGTHS), by_hand: 7}


def test_a_byte_order_mark_and_windows_line_ends_are_read(config: Callable[[bytes], Path]) -> None:
    assert read_config(str(config(b"\xef\xbb\xbfseed = 4\r\nsteps = 2\r\n")), Train) == {"seed": 4, "steps": 2}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("hiden-size = 5", "'hiden-size' is not a setting; did you mean hidden-size?"),
        ("hidden-size = 5\nhidden_size = 5", "hidden-size occurs twice"),
        ("zzz = 5", "'zzz' is not a setting; keys have the names of options"),
        ("texts = 'book.txt'", "'texts' is not a setting; name it on the command line"),
        ("[training]\nsteps = 5", "'training' is a table"),
        ("[[steps]]\nvalue = 5", "'steps' is a table"),
        ("steps = '5'", "steps must be a whole number, not '5'"),
        ("steps = 2026-01-01", "steps must be a whole number"),
        ("lines = 1", "lines must be true or false, not 1"),
        ("out = ['a']", "out must be a path, not ['a']"),
        ("base = 5", "base must be a path, not 5"),
        ("validation = true", "validation must be a path, not True"),
        ("validation = 2", "validation must be a fraction above 0 and below 1, or a file, not 2"),
        (f"steps = 0x{'f' * 10_000}", "steps is too large: "),
        (f"steps = {'9' * 10_000}", "contains a number with thousands of digits"),
        ("minutes = 1\nsteps = 1", "minutes cannot be used with steps"),
        ("steps = 5\nsteps = 6\n", "is not TOML: cannot overwrite a value (at line 2, column 10)"),
        ("seed = 1\nsteps 5\n", "(at line 2, column 7)"),
        ("steps = ", "is not TOML: invalid value (at end of document)"),
        ("a = " + "[" * 20_000, "is nested too deeply"),
        (b"seed = 1\n# caf\xe9\n", "is not UTF-8 (at line 2): save it as UTF-8"),
        (b"\0", "is not TOML: "),
    ],
)
def test_a_file_that_will_not_do_is_told_by_name_in_one_line(
    config: Callable[[str | bytes], Path], content: str | bytes, says: str
) -> None:
    path = config(content)
    with pytest.raises(OptionError) as caught:
        asked("--config", path)
    told = str(caught.value)
    assert told.startswith(str(path))
    assert says in told
    assert "\n" not in told
    assert len(told) < len(str(path)) + 200


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"cannot read .*book\.toml: No such file or directory; give --config a TOML file"
    ):
        read_config(str(tmp_path / "book.toml"), Train)
    with pytest.raises(OptionError, match="Is a directory; give --config a TOML file"):
        read_config(str(tmp_path), Train)
    (tmp_path / "large").write_bytes(b"#" * (MOST_BYTES + 1))
    with pytest.raises(OptionError, match="it has 65,537 bytes, and at most 65,536 are allowed; give --config a TOML"):
        read_config(str(tmp_path / "large"), Train)
    os.mkfifo(tmp_path / "pipe")  # it would never open
    for device in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(OptionError, match="it is not a regular file; give --config a TOML file"):
            read_config(str(device), Train)
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"cannot read .*: Not a directory"):
        read_config(str(tmp_path / "file" / "book.toml"), Train)


def test_only_train_reads_a_file() -> None:
    reading = [name for name in commands() if any(option.name == "config" for option in command(name).params)]
    assert reading == ["train"]


def test_a_run_takes_its_settings_from_a_file_and_goes_on_with_them_alone(
    run: Run, config: Callable[[str], Path], book: Path
) -> None:
    out = book.with_name("run")
    settings = f'out = "{out}"\nhidden-size = 12\nthreads = 1\nlowercase = true\nvalidation = 0.2\n'
    path = config(settings + "minutes = 5\n")
    fine(run("train", book, "--config", path, "--steps", "4"))
    record = json.loads((out / "run.json").read_text())
    assert (record["plan"]["hidden_size"], record["plan"]["steps"], record["plan"]["minutes"]) == (12, 4, None)
    assert (record["text"]["lowercase"], record["text"]["validation"]) == (True, "0.2")

    again = ("train", "--resume", out, "--config", path)
    assert "minutes is not set in the run" in error_line(run(*again))
    fine(run(*again, "--steps", "4"))
    config(settings.replace("= 12", "= 13"))
    assert "hidden-size is 12 in the run" in error_line(run(*again))
    fine(run(*again, "--hidden-size", "12"))
    config('out = "elsewhere"\n')
    assert "leave out --out and --overwrite, also in a file of settings" in error_line(run(*again))
