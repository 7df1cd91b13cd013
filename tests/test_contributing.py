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
from typing import Any

import pytest

import afterword
from tests.cli.test_main import error_line
from tests.processes import finished
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("**Where to add things**")[2]
ROWS = {cells[0]: cells[1:] for line in TABLE.splitlines() if len(cells := line.strip("| ").split(" | ")) == 3}
TEXT = "the quick brown fox jumps over the lazy dog.\n" * 60

VOCABULARY = '''
"""Characters of the text in upper case, in the opposite order."""

import numpy as np

from afterword.text.characters import CharTokenizer, single_characters
from afterword.text.tokenizer import BYTES, END


class ShoutTokenizer(CharTokenizer):
    kind = "shout"

    @classmethod
    def of(cls, characters, lowercase=False):
        return super().of("".join(characters).upper(), lowercase)

    @classmethod
    def recognise(cls, tokens, found, lowercase):
        known = single_characters(tokens)
        return cls.of(known, lowercase) if tokens[known[0]] > tokens[known[-1]] else None

    def normalise(self, text):
        return text.upper()

    def tokens(self):
        return [*reversed(self.characters), END, *BYTES]

    def _encode(self, text, at):
        ids, last = super()._encode(text, at), len(self.characters) - 1
        return np.where(ids <= last, last - ids, ids).astype(np.int32)
'''
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
OPTION = '    loudness: int | None = setting("how loud", default=None, minimum=1, needs="lines", served=True)\n'
LOUD = """    if request.loudness is not None:
        from afterword.errors import OptionError

        raise OptionError(f"loudness is {request.loudness}")
"""
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
from afterword.serving.http.openapi import api_document
sys.path.insert(0, {docs!r})
import inspect
import generated
name, model, *arguments = sys.argv[1:3] + [json.loads(one) for one in sys.argv[3:]]
asked = getattr(afterword, name)
said = []
for options in arguments:
    try:
        said.append([one.to_dict() for one in asked(model, model + "/README.md", **options)])
    except AfterwordError as error:
        said.append(str(error))
schemas = api_document(ROUTES, "0")["components"]["schemas"]
print(json.dumps({{
    "signature": str(inspect.signature(asked)),
    "said": said,
    "body": schemas[name.title() + "Request"]["properties"],
    "reference": generated.commands(),
}}))
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
        text, count = re.subn(
            rf"^ *{re.escape(below)}.*\n", lambda found: found[0] + line + "\n", text, count=1, flags=re.M
        )
        assert count, f"{file.name} has no line that begins with {below}"
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
    score = house.source / "afterword" / "operations" / "score.py"
    lines = score.read_text("utf-8").splitlines(keepends=True)
    for begins, new in (("    adapt: ", OPTION), ("    work.check(", LOUD)):
        at = next(k for k, line in enumerate(lines) if line.startswith(begins))
        lines.insert(at, new)
    score.write_text("".join(lines), "utf-8")
    (score.parent / "count.py").write_text(OPERATION, "utf-8")
    row = '    "count": Command("Judge", "Count the letters of a text."),'
    house.add_line(house.file("operation", 1), '"info": ', row)
    return house


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """It knows, in this order: a newline, a, b, c, d and é."""
    return save_tiny(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def run(house: House, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the new vocabulary by the new optimizer."""
    place = tmp_path_factory.mktemp("run")
    (place / "fox.txt").write_text(TEXT)
    small = ("--steps", "2", "--hidden-size", "8", "--embedding-size", "4", "--num-layers", "1", "--batch-size", "4")
    asked = ("--base", "none", "--vocabulary", "shout", "--seq-length", "8", *small)
    house.run("train", place / "fox.txt", "--out", place / "run", *asked)
    return place / "run"


def test_a_new_vocabulary_is_a_file_and_a_line(house: House, run: Path) -> None:
    assert json.loads(house.run("info", run, "--json"))["vocabulary"] == "shout"
    written = json.loads(house.run("generate", run, "--prompt", "the", "--max-tokens", "8", "--json"))
    assert written["text"] == written["text"].upper()


def test_a_new_optimizer_is_a_function_and_a_line(house: House, run: Path) -> None:
    house.run("train", "--resume", run, "--more-minutes", "1e-9")
    assert '"optimizer": "plain"' in (run / "run.json").read_text(encoding="utf-8")


def test_a_new_filter_is_a_function_and_a_field(house: House, model: Path) -> None:
    """The first 2 tokens of the model are a newline and a."""
    call = f"import afterword; print(repr(afterword.load({str(model)!r}).generate('ab', max_tokens=20, first=2).text))"
    found = [eval(house.python("-c", call).stdout)]
    asked = ("generate", model, "--prompt", "ab", "--max-tokens", "20", "--first", "2", "--json")
    found += [json.loads(house.run(*asked))["text"]]
    assert all(len(text) == 20 and set(text) <= set("\na") for text in found)
    code = "import json; from afterword.serving.app import ROUTES; "
    code += "from afterword.serving.http.openapi import api_document; "
    served = json.loads(house.python("-c", code + "print(json.dumps(api_document(ROUTES, '0')))").stdout)
    for request in ("CompletionRequest", "NextRequest"):  # the page makes a control of each number with a default
        assert served["components"]["schemas"][request]["properties"]["first"]["default"] == 0


def asked(house: House, model: Path, name: str, *options: dict[str, object]) -> dict[str, Any]:
    found = house.python("-c", ASK.format(docs=str(ROOT / "docs")), name, str(model), *map(json.dumps, options))
    assert found.returncode == 0, found.stderr.decode()
    answer: dict[str, Any] = json.loads(found.stdout)
    return answer


def test_an_option_is_one_line_for_every_way_of_asking(house: House, model: Path) -> None:
    found = asked(
        house, model, "score", {"loudness": 3, "lines": True}, {"loudness": 3}, {"loudness": 0, "lines": True}
    )
    assert "loudness: 'int | None' = None" in found["signature"]
    needs = "loudness= needs lines=: give lines= too"
    assert found["said"] == ["loudness is 3", needs, "loudness= must be 1 or more, not 0"]
    assert found["body"]["loudness"]["anyOf"][0] == {"description": "how loud", "type": "integer", "minimum": 1}
    assert "--loudness" in found["reference"]
    assert b"--loudness INTEGER" in house.run("score", "--help-all")
    for options, says in (
        (["--loudness", "3", "--lines"], "loudness is 3"),
        (["--loudness", "3"], "--loudness needs --lines: give --lines too"),
    ):
        assert error_line(house.python("-m", "afterword", "score", model, model / "README.md", *options)).endswith(says)


def test_an_operation_is_one_file_for_every_way_of_asking(house: House, model: Path) -> None:
    found = asked(house, model, "count", {"letter": "T"}, {"letter": 3})
    assert found["said"] == [[{"number": 1}], "letter= must be text, not 3"]  # "# Tiny"
    assert "## count" in found["reference"]
    assert list(found["body"]) == ["text", "model", "letter"]
    assert b"count" in house.run("--help")
    assert house.run("count", model, model / "README.md", "--letter", "T", "--json") == b'{"number": 1}\n'
