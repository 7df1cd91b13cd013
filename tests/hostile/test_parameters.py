"""Extreme numbers of every option of every command: one line, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterword.cli.main import main
from afterword.commands import commands, find_operation
from afterword.operations.operation import arguments_of
from afterword.settings import kinds_of

NUMBERS = ["nan", "inf", "-inf", "1e400", "-1", "0", "99999999999999999999", "0x9", "", " ", "1_0", "٣", "½", "\ud800"]
OPTIONS = [
    (name, f"--{field.name.replace('_', '-')}")
    for name in commands()
    if arguments_of(find_operation(name).request)  # of which none exists; without any, a command would begin its work
    for field, kind in kinds_of(find_operation(name).request)
    if {int, float} & {*kind.types}
]
WRITING = ["--top-k", "--temperature", "--top-p", "--no-copy"]


@pytest.mark.parametrize(
    ("name", "option", "works"), [(*one, False) for one in OPTIONS] + [("generate", one, True) for one in WRITING]
)
def test_an_extreme_number_on_the_command_line_is_one_line(
    capsys: pytest.CaptureFixture[str], model: Path, name: str, option: str, works: bool
) -> None:
    line = [str(model), "--max-tokens", "2"] if works else ["gone"] * len(arguments_of(find_operation(name).request))
    for number in NUMBERS:
        with pytest.raises(SystemExit) as left:
            main([name, *line, option, number])
        said = capsys.readouterr().err
        assert left.value.code in ((0, 2) if works else (1, 2)), said
        assert "Traceback" not in said
        assert left.value.code == 0 or said.splitlines()[-1].startswith("error: ")
