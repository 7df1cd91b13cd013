"""The table "Where to add things" in CONTRIBUTING.md is true: each row is followed in a copy of the source."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

import afterword
from tests.cli.test_main import error_line
from tests.processes import finished
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("**Where to add things**")[2]
ROWS = {cells[0]: cells[1:] for line in TABLE.splitlines() if len(cells := line.strip("| ").split(" | ")) == 3}
TEXT = "the quick brown fox jumps over the lazy dog.\n" * 60

VOCABULARY = """
from afterword.text.characters import CharTokenizer, single_characters


class ShoutTokenizer(CharTokenizer):
    kind = "shout"

    @classmethod
    def of(cls, characters, lowercase=False):
        return super().of("".join(characters).upper(), lowercase)

    @classmethod
    def recognise(cls, tokens, found, lowercase):
        known = single_characters(tokens)
        return cls.of(known, lowercase) if "".join(known).isupper() else None

    def normalise(self, text):
        return text.upper()
"""
OPTIMIZER = '''
def plain(network, recipe):
    """Plain gradient descent."""
    return [torch.optim.SGD(network.parameters(), lr=recipe.learning_rate, momentum=0.5)]
'''
FILTER = '''
def keep_first(logits: Logits, count: int) -> Logits:
    """Return logits [..., R] with all but the first `count` tokens at -inf."""
    return np.where(np.arange(logits.shape[-1]) < count, logits, -np.inf)
'''
OPERATION = '''"""Count the letters of a text."""

from collections.abc import Iterator
from dataclasses import KW_ONLY
from typing import Annotated

from afterword.operations.operation import ModelName, Record, Request, Sources, argument, operation
from afterword.operations.work import Work
from afterword.settings import setting, settings_class


@settings_class()
class Count(Request):
    """Count a letter in the texts."""

    example = "count book other.txt"

    model: Annotated[ModelName, argument("unused")]
    files: Annotated[Sources, argument("texts", metavar="FILE", least=1, served="text")]
    _: KW_ONLY
    letter: str = setting("the letter", default="a", served=True)
    most: int | None = setting("how many", default=None, minimum=1, needs="letter", served=True)


class Counted(Record, kw_only=True):
    """How often a letter occurs."""

    number: int


@operation(Count, path="/v1/count")
def count(request: Count, work: Work) -> Iterator[Counted]:
    yield Counted(number=work.text(request.files[0]).count(request.letter))
'''
ASK = """
import inspect, json, sys
sys.path.insert(0, {docs!r})
import afterword, generated
from afterword.errors import AfterwordError
from afterword.serving.app import ROUTES
from afterword.serving.http.openapi import api_document
said = []
for options in ({{"letter": "T"}}, {{"letter": 3}}, {{"letter": "T", "most": 0}}, {{"most": 1}}):
    try:
        said.append([one.to_dict() for one in afterword.count({model!r}, {model!r} + "/README.md", **options)])
    except AfterwordError as error:
        said.append(str(error))
schemas = api_document(ROUTES, "0")["components"]["schemas"]
controls = [schemas[name]["properties"]["first"] for name in ("CompletionRequest", "NextRequest")]
found = said, str(inspect.signature(afterword.count)), schemas["CountRequest"]["properties"], controls
print(json.dumps([*found, generated.commands()]))
"""


@dataclass(frozen=True)
class House:
    """A copy of the source that things are added to."""

    source: Path

    def file(self, row: str, column: int, name: str = "") -> Path:
        """The file that the first path in a cell of the table names; `name` takes the place of NAME in it."""
        path: str = re.findall(r"`([\w/]+\.py)`", ROWS[row][column])[0]
        return self.source / "afterword" / path.replace("NAME", name)

    def add_line(self, file: Path, below: str, line: str, imported: str = "") -> None:
        """Add `line` below the first one that begins with `below`, and an import."""
        text = file.read_text(encoding="utf-8")
        before = re.search(rf"^ *{re.escape(below)}.*\n", text, re.MULTILINE)
        assert before, f"{file.name} has no line that begins with {below}"
        text = text[: before.end()] + line + "\n" + text[before.end() :]
        future = "from __future__ import annotations\n"
        file.write_text(text.replace(future, f"{future}{imported}\n", 1), encoding="utf-8")

    def run(self, *arguments: str | Path) -> bytes:
        done = self.python("-m", "afterword", *arguments)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout

    def python(self, *arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(self.source), "OMP_NUM_THREADS": "1"}
        return finished([sys.executable, *arguments], env=environment, fresh=True)


def copied(place: Path) -> House:
    house = House(place / "src")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(afterword.__file__).parent, house.source / "afterword", ignore=ignored)
    return house


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = copied(tmp_path_factory.mktemp("house"))
    house.file("vocabulary", 0, "shout").write_text(VOCABULARY)
    imported = "from afterword.text.shout import ShoutTokenizer"
    house.add_line(house.file("vocabulary", 1), "VOCABULARIES", "    ShoutTokenizer,", imported)
    house.add_line(house.file("optimizer", 0), "import torch", OPTIMIZER)
    house.add_line(house.file("optimizer", 1), "OPTIMIZERS", '    "plain": plain,')
    planned = house.source / "afterword" / "planning" / "auto.py"  # the recipe that chooses it
    before = planned.read_text(encoding="utf-8")
    assert before.count('"muon"') == 1
    planned.write_text(before.replace('"muon"', '"plain"'), encoding="utf-8")
    filters = house.file("sampling filter", 0)
    house.add_line(filters, "Filter = ", FILTER)
    field = '    first: int = setting("draw from the first tokens", default=0, minimum=0, filter=keep_first, off=0)'
    house.add_line(filters, '"""The settings of the next token', field)
    house.file("operation", 0, "count").write_text(OPERATION, "utf-8")
    row = '    "count": Command("Judge", "Count the letters of a text."),'
    house.add_line(house.file("operation", 1), '"info": ', row)
    return house


def test_a_new_vocabulary_and_a_new_optimizer_are_a_file_or_a_function_and_a_line(house: House, tmp_path: Path) -> None:
    (tmp_path / "fox.txt").write_text(TEXT)
    small = "--steps 2 --hidden-size 8 --embedding-size 4 --num-layers 1 --batch-size 4 --seq-length 8 --base none"
    house.run("train", tmp_path / "fox.txt", "--out", tmp_path / "run", "--vocabulary", "shout", *small.split())
    house.run("train", "--resume", tmp_path / "run", "--more-minutes", "1e-9")
    assert '"optimizer": "plain"' in (tmp_path / "run" / "run.json").read_text(encoding="utf-8")
    assert json.loads(house.run("info", tmp_path / "run", "--json"))["vocabulary"] == "shout"
    written = json.loads(house.run("generate", tmp_path / "run", "--prompt", "the", "--max-tokens", "8", "--json"))
    assert written["text"] == written["text"].upper()


def test_a_filter_and_an_operation_are_one_function_for_every_way_of_asking(house: House, tmp_path: Path) -> None:
    model = save_tiny(tmp_path / "tiny")  # which knows, in this order: a newline, a, b, c, d and é
    answered = house.python("-c", ASK.format(docs=str(ROOT / "docs"), model=str(model)))
    assert answered.returncode == 0, answered.stderr.decode()
    said, signature, body, controls, reference = json.loads(answered.stdout)
    assert said[:2] == [[{"number": 1}], "letter= must be text, not 3"]  # "# Tiny"
    assert said[2:] == ["most= must be 1 or more, not 0", "most= needs letter=: give letter= too"]
    assert "most: int | None = None" in signature
    assert list(body) == ["text", "model", "letter", "most"]
    assert body["most"]["anyOf"][0] == {"description": "how many", "type": "integer", "minimum": 1}
    assert [one["default"] for one in controls] == [0, 0]  # the page makes a control of each number with a default
    assert "## count" in reference
    assert b"count" in house.run("--help")
    assert house.run("count", model, model / "README.md", "--letter", "T", "--json") == b'{"number": 1}\n'
    refused = house.python("-m", "afterword", "count", model, model / "README.md", "--most", "1")
    assert error_line(refused).endswith("--most needs --letter: give --letter too")
    written = house.run("generate", model, "--prompt", "ab", "--max-tokens", "20", "--first", "2", "--json")
    assert set(json.loads(written)["text"]) <= set("\na")
