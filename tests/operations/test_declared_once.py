"""An option, and a whole operation, is written in one place and found by every way of asking."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import afterword
from tests.cli.test_main import error_line
from tests.processes import finished
from tests.tiny import save_tiny

HOUSE = Path(afterword.__file__).parent
DOCS = Path(__file__).parents[2] / "docs"
OPTION = '    loudness: int | None = setting(None, "how loud", minimum=1, needs="lines", served=True)\n'
LOUD = '    if request.loudness is not None:\n        raise OptionError(f"loudness is {request.loudness}")\n'
OPERATION = '''"""Count the letters of a text."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Annotated

from afterword.operations.operation import ModelName, Record, Request, Sources, argument, operation
from afterword.operations.work import Work
from afterword.settings import setting


@dataclass(frozen=True)
class Count(Request):
    """Count a letter in the texts."""

    example = "count book other.txt"

    model: Annotated[ModelName, argument("unused")]
    files: Annotated[Sources, argument("texts", metavar="FILE", least=1)]
    _: KW_ONLY
    letter: str = setting("a", "the letter", served=True)


class Counted(Record, kw_only=True):
    """How often a letter occurs."""

    number: int


@operation(Count, path="/v1/count")
def count(request: Count, work: Work) -> Iterator[Counted]:
    yield Counted(number=work.text(request.files[0]).count(request.letter))
'''
ASK = """
import json, sys
import afterword
from afterword.errors import AfterwordError
from afterword.serving.app import ROUTES
from afterword.serving.http.openapi import document
sys.path.insert(0, {docs!r})
import inspect
import generated
name, arguments = sys.argv[1], [json.loads(one) for one in sys.argv[2:]]
asked = getattr(afterword, name)
said = []
for options in arguments:
    try:
        said.append([one.to_dict() for one in asked("model", "text.txt", **options)])
    except AfterwordError as error:
        said.append(str(error))
schemas = document(ROUTES, "0")["components"]["schemas"]
print(json.dumps({{
    "signature": str(inspect.signature(asked)),
    "said": said,
    "body": schemas[name.title() + "Request"]["properties"],
    "reference": generated.commands(),
}}))
"""


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A copy of the house, a model and a text."""
    source = tmp_path / "src"
    shutil.copytree(HOUSE, source / "afterword", ignore=shutil.ignore_patterns("__pycache__"))
    save_tiny(tmp_path / "model")
    (tmp_path / "text.txt").write_text("abba\ncab\n", "utf-8")
    return tmp_path


def run(house: Path, *command: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PYTHONPATH": str(house / "src"), "COLUMNS": "200"}
    return finished([sys.executable, *command], fresh=True, cwd=house, env=environment)


def asked(house: Path, name: str, *options: dict[str, object]) -> dict[str, Any]:
    found = run(house, "-c", ASK.format(docs=str(DOCS)), name, *map(json.dumps, options))
    assert found.returncode == 0, found.stderr.decode()
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


def test_an_option_is_one_line(house: Path) -> None:
    file = house / "src" / "afterword" / "operations" / "score.py"
    source = file.read_text("utf-8")
    adapt = next(line for line in source.splitlines(keepends=True) if line.startswith("    adapt: "))
    check = next(line for line in source.splitlines(keepends=True) if "work.check(" in line)
    file.write_text(source.replace(adapt, OPTION + adapt).replace(check, LOUD + check), "utf-8")

    found = asked(house, "score", {"loudness": 3, "lines": True}, {"loudness": 3}, {"loudness": 0, "lines": True})
    assert "loudness: 'int | None' = None" in found["signature"]
    assert found["said"] == [
        "loudness is 3",
        "loudness= needs lines=: give lines= too",
        "loudness= must be 1 or more, not 0",
    ]
    assert found["body"]["loudness"]["anyOf"][0] == {"description": "how loud", "type": "integer", "minimum": 1}
    assert "--loudness" in found["reference"]

    command = ["-m", "afterword", "score", "model", "text.txt"]
    assert b"--loudness INTEGER" in run(house, *command[:3], "--help-all").stdout
    for options, says in (
        (["--loudness", "3", "--lines"], "loudness is 3"),
        (["--loudness", "3"], "--loudness needs --lines: give --lines too"),
    ):
        assert error_line(run(house, *command, *options)).endswith(says)


def test_an_operation_is_one_file(house: Path) -> None:
    (house / "src" / "afterword" / "operations" / "count.py").write_text(OPERATION, "utf-8")
    found = asked(house, "count", {"letter": "b"}, {"letter": 3})
    assert found["said"] == [[{"number": 3}], "letter= must be text, not 3"]
    assert "## count" in found["reference"]
    assert list(found["body"]) == ["text", "model", "letter"]
    assert b"count" in run(house, "-m", "afterword", "--help").stdout
    assert run(house, "-m", "afterword", "count", "model", "text.txt", "--json").stdout == b'{"number": 3}\n'
