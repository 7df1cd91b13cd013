"""`train --config FILE.toml`: read strictly, in the command line's shadow, and refused in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from afterword.cli.command import OperationCommand
from afterword.cli.config_file import MOST_BYTES, read_config
from afterword.errors import OptionError
from afterword.operations.operation import operation
from afterword.operations.train import Train
from afterword.operations.work import Work
from tests.cli.answers import fine
from tests.cli.conftest import Run
from tests.cli.test_main import error_line

LENGTHS = ("minutes", "steps", "epochs")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "book.toml"


def asked(*arguments: str | Path) -> dict[str, Any]:
    """The values of a request of `train`."""
    found: dict[str, Any] = {}

    @operation(Train)
    def ask(request: Train, work: Work) -> None:
        found.update(vars(request))

    OperationCommand("train", ask).main([str(argument) for argument in arguments], standalone_mode=False)
    return found


def test_the_command_line_comes_before_the_file_and_the_file_before_the_default(config: Path) -> None:
    config.write_bytes(b"\xef\xbb\xbflines = true\r\nlowercase = true\r\nhidden-size = 64\r\nseed = 3\r\n")
    found = asked("--hidden-size", "32", "--config", config, "--no-lines")
    assert (found["lines"], found["lowercase"], found["hidden_size"], found["seed"]) == (False, True, 32, 3)
    assert (found["encoding"], found["steps"]) == ("utf-8", None)
    for in_file in LENGTHS:  # how long is one choice
        config.write_text(f"{in_file} = 2")
        for by_hand in LENGTHS:
            found = asked("--config", config, f"--{by_hand}", "7")
            assert {name: found[name] for name in LENGTHS} == {**dict.fromkeys(LENGTHS), by_hand: 7}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"hiden-size = 5", "'hiden-size' is not a setting; did you mean hidden-size?"),
        (b"hidden-size = 5\nhidden_size = 5", "hidden-size occurs twice"),
        (b"zzz = 5", "'zzz' is not a setting; keys have the names of options"),
        (b"texts = 'book.txt'", "'texts' is not a setting; name it on the command line"),
        (b"[training]\nsteps = 5", "'training' is a table"),
        (b"[[steps]]\nvalue = 5", "'steps' is a table"),
        (b"steps = '5'", "steps must be a whole number, not '5'"),
        (b"out = ['a']", "out must be a path, not ['a']"),
        (b"validation = 2", "validation must be a fraction above 0 and below 1, or a file, not 2"),
        (b"steps = 0x" + b"f" * 10_000, "steps is too large: "),
        (b"steps = " + b"9" * 10_000, "contains a number with thousands of digits"),
        (b"minutes = 1\nsteps = 1", "minutes cannot be used with steps"),
        (b"steps = 5\nsteps = 6\n", "is not TOML: cannot overwrite a value (at line 2, column 10)"),
        (b"a = " + b"[" * 20_000, "is nested too deeply"),
        (b"seed = 1\n# caf\xe9\n", "is not UTF-8 (at line 2): save it as UTF-8"),
        (b"\0", "is not TOML: "),
    ],
)
def test_a_file_that_will_not_do_is_told_by_name_in_one_line(config: Path, content: bytes, says: str) -> None:
    config.write_bytes(content)
    with pytest.raises(OptionError) as caught:
        asked("--config", config)
    told = str(caught.value)
    assert told.startswith(str(config))
    assert says in told
    assert "\n" not in told
    assert len(told) < len(str(config)) + 200


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"#" * (MOST_BYTES + 1))
    os.mkfifo(tmp_path / "pipe")  # it would never open
    for name, says in (
        ("none", "No such file or directory"),
        ("large", "it has 65,537 bytes, and at most 65,536 are allowed"),
        ("pipe", "it is not a regular file"),
    ):
        with pytest.raises(OptionError) as caught:
            read_config(str(tmp_path / name), Train)
        assert str(caught.value).startswith(f"cannot read {tmp_path / name}: {says}; give --config a TOML file")


def test_a_run_takes_its_settings_from_a_file_and_goes_on_with_them_alone(run: Run, config: Path, book: Path) -> None:
    out = book.with_name("run")
    settings = f'out = "{out}"\nhidden-size = 12\nthreads = 1\nlowercase = true\nvalidation = 0.2\n'
    config.write_text(settings + "minutes = 5\n")
    fine(run("train", book, "--config", config, "--steps", "4"))
    record = json.loads((out / "run.json").read_text())
    assert (record["plan"]["hidden_size"], record["plan"]["steps"], record["plan"]["minutes"]) == (12, 4, None)
    assert (record["text"]["lowercase"], record["text"]["validation"]) == (True, "0.2")

    again = ("train", "--resume", out, "--config", config)
    assert "minutes is not set in the run" in error_line(run(*again))
    fine(run(*again, "--steps", "4"))
    config.write_text(settings.replace("= 12", "= 13"))
    assert "hidden-size is 12 in the run" in error_line(run(*again))
    fine(run(*again, "--hidden-size", "12"))
    config.write_text('out = "elsewhere"\n')
    assert "leave out --out and --overwrite, also in a file of settings" in error_line(run(*again))
