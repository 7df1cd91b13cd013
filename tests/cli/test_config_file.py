"""`--config FILE.toml`: read strictly, in the command line's shadow, and refused in one line."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from afterword.cli.command import OperationCommand
from afterword.cli.config_file import MOST_BYTES, read_config
from afterword.errors import OptionError
from afterword.operations.operation import operation
from afterword.operations.score import Score
from afterword.operations.train import Train
from afterword.operations.work import Work
from afterword.settings import kinds_of
from tests.cli.test_main import error_line

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]

LENGTHS = ("minutes", "steps", "epochs")
OF_A_RUN = ("overwrite", "resume", "repeat", "exact", "more_minutes", "more_steps", "more_epochs")
EVERYTHING = {
    "out": '"somewhere"',
    "encoding": '"latin-1"',
    "encoding-errors": '"replace"',
    "lowercase": "true",
    "lines": "true",
    "labels": "true",
    "validation": "0.05",
    "vocabulary": '"bpe:300"',
    "recipe": '"classic"',
    "base": '"none"',
    "minutes": "3",
    "cell": '"rnn"',
    "num-layers": "2",
    "hidden-size": "0x40",
    "embedding_size": "16",
    "batch-size": "8",
    "seq_length": "32",
    "dropout": "0",
    "ngram": "3",
    "learning-rate": "1e-2",
    "seed": str(2**64 - 1),
    "device": '"cpu"',
    "threads": "1",
    "checkpoint-every": "5",
}
OF_SERIES = {
    "series": "true",
    "horizon": "12",
    "season": "7",
    "id-column": '"shop"',
    "time_column": '"day"',
    "value-column": '"sold"',
}


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


def test_every_setting_is_among_these() -> None:
    named = {key.replace("-", "_") for key in (*EVERYTHING, *OF_SERIES)}
    assert named == {field.name for field, _ in kinds_of(Train)} - {"steps", "epochs", *OF_A_RUN}


@pytest.mark.parametrize("settings", [EVERYTHING, OF_SERIES])
def test_every_setting_can_stand_in_a_file(settings: dict[str, str], config: Callable[[str], Path]) -> None:
    path = config("".join(f"{key} = {value}\n" for key, value in settings.items()))
    by_name = {key.replace("_", "-"): value.strip('"') for key, value in settings.items()}
    if "hidden-size" in by_name:
        by_name["hidden-size"] = "64"
    on_the_command_line = [f"--{name}" if value == "true" else f"--{name}={value}" for name, value in by_name.items()]
    by_file, by_hand = asked("--config", path), asked(*on_the_command_line)
    assert by_file == by_hand
    assert all(type(by_file[name]) is type(by_hand[name]) for name in by_hand)
    plain = {field.name: field.default for field, _ in kinds_of(Train)}
    changed = {name for name in plain if by_file[name] != plain[name]}
    assert changed == {key.replace("-", "_") for key in settings}


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


@pytest.mark.parametrize("key", ["with", "using"])
def test_an_option_has_its_own_name_and_that_of_python(key: str, config: Callable[[str], Path]) -> None:
    assert read_config(str(config(f'{key} = "lstm"')), Score) == {"using": "lstm"}


def test_a_byte_order_mark_and_windows_line_ends_are_read(config: Callable[[bytes], Path]) -> None:
    assert read_config(str(config(b"\xef\xbb\xbfseed = 4\r\nsteps = 2\r\n")), Train) == {"seed": 4, "steps": 2}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("hiden-size = 5", "'hiden-size' is not a setting; did you mean hidden-size?"),
        ("hidden_sizes = 5", "'hidden_sizes' is not a setting; did you mean hidden-size?"),
        ("zzz = 5", "'zzz' is not a setting"),
        ("hidden-size = 5\nhidden_size = 5", "hidden-size occurs twice"),
        ("[training]\nsteps = 5", "'training' is a table"),
        ("steps.value = 5", "'steps' is a table"),
        ("[[steps]]\nvalue = 5", "'steps' is a table"),
        ("steps = '5'", "steps must be a whole number, not '5'"),
        ("steps = 5.0", "steps must be a whole number, not 5.0"),
        ("steps = true", "steps must be a whole number, not True"),
        ("steps = [5]", "steps must be a whole number, not [5]"),
        ("steps = 2026-01-01", "steps must be a whole number"),
        ("minutes = '5'", "minutes must be a number, not '5'"),
        ("lines = 1", "lines must be true or false, not 1"),
        ("lines = 'yes'", "lines must be true or false, not 'yes'"),
        ("encoding = 5", "encoding must be text, not 5"),
        ("out = 5", "out must be a path, not 5"),
        ("out = ['a']", "out must be a path, not ['a']"),
        ("validation = true", "validation must be a path, not True"),
        ("validation = 2", "validation must be a fraction above 0 and below 1, or a file, not 2"),
        ("encoding = 'klingon'", "unknown encoding 'klingon'"),
        ("vocabulary = 'word'", "vocabulary must be char, byte, bpe:N or words, not word"),
        ("recipe = 'cake'", "recipe must be one of auto, classic, not cake"),
        ("hidden-size = 0", "hidden-size must be 1 or more, not 0"),
        ("learning-rate = nan", "learning-rate must be a finite number"),
        ("dropout = 1", "dropout must be below 1"),
        (f"steps = 0x{'f' * 10_000}", "steps is too large: "),
        (f"steps = {'9' * 10_000}", "contains a number with thousands of digits"),
        ("minutes = 1\nsteps = 1", "minutes cannot be used with steps"),
        ("steps = 5\nsteps = 6\n", "is not TOML: cannot overwrite a value (at line 2, column 10)"),
        ("seed = 1\nsteps 5\n", "(at line 2, column 7)"),
        ("steps = ", "is not TOML: invalid value (at end of document)"),
        ("a = " + "[" * 20_000, "is nested too deeply"),
        (b"seed = 1\n# caf\xe9\n", "is not UTF-8 (at line 2): save it as UTF-8"),
        (b"#" * (MOST_BYTES + 1), "is larger than 64 KiB"),
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
    (tmp_path / "file").touch()
    with pytest.raises(OptionError, match=r"cannot read .*: Not a directory"):
        read_config(str(tmp_path / "file" / "book.toml"), Train)


def test_a_run_takes_its_settings_from_a_file_and_goes_on_with_them_alone(
    run: Run, config: Callable[[str], Path], tmp_path: Path
) -> None:
    book, out = tmp_path / "book.txt", tmp_path / "run"
    book.write_text("".join(f"The {k}th line of this book, and no more.\n" for k in range(120)))
    settings = f'out = "{out}"\nhidden-size = 12\nthreads = 1\nlowercase = true\nvalidation = 0.2\n'
    path = config(settings + "minutes = 5\n")
    trained = run("train", book, "--config", path, "--steps", "4")
    assert trained.returncode == 0, trained.stderr.decode()
    record = json.loads((out / "run.json").read_text())
    assert (record["plan"]["hidden_size"], record["plan"]["steps"], record["plan"]["minutes"]) == (12, 4, None)
    assert (record["text"]["lowercase"], record["text"]["validation"]) == (True, "0.2")

    assert "minutes is not set in the run" in error_line(run("train", "--resume", out, "--config", path))
    assert run("train", "--resume", out, "--config", path, "--steps", "4").returncode == 0
    path = config(settings.replace("= 12", "= 13"))
    assert "hidden-size is 12 in the run" in error_line(run("train", "--resume", out, "--config", path))
    assert run("train", "--resume", out, "--config", path, "--hidden-size", "12").returncode == 0
    path = config('out = "elsewhere"\n')
    told = error_line(run("train", "--resume", out, "--config", path))
    assert "leave out --out and --overwrite, also in a file of settings" in told
    path = config("hiden-size = 12\n")
    told = error_line(run("train", book, "--config", path))
    assert told == f"{path}: 'hiden-size' is not a setting; did you mean hidden-size?"
