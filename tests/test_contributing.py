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
from tests.processes import finished
from tests.serving.server import serving
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
INSPECTION = '''
"""The token that surprises the model most."""

from dataclasses import dataclass

from afterword.inspection.finding import Finding, Inspected
from afterword.inspection.gates import look_at_gates
from afterword.settings import OnProgress, ignore_progress


@dataclass(frozen=True, repr=False)
class Surprise(Finding):
    token: str
    caption, head = "most surprising", ("token",)

    def rows(self) -> list[list[str]]:
        return [[self.token]]

    def to_dict(self) -> dict[str, object]:
        return {"token": self.token}


def most_surprising(model: Inspected, text: str, *, on_progress: OnProgress = ignore_progress) -> Surprise:
    """Find the token that surprises the model most."""
    trace = look_at_gates(model, text)
    return Surprise(trace.tokens[int(trace.nats.argmax())])
'''
FILTER = '''
def keep_first(logits: Logits, count: int) -> Logits:
    """Return logits [..., R] with all but the first `count` tokens at -inf."""
    return np.where(np.arange(logits.shape[-1]) < count, logits, -np.inf)
'''


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


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> House:
    house = House(tmp_path_factory.mktemp("house") / "src")
    shutil.copytree(
        Path(afterword.__file__).parent, house.source / "afterword", ignore=shutil.ignore_patterns("__pycache__")
    )
    house.file("vocabulary", 0, "shout").write_text(VOCABULARY)
    imported = "from afterword.text.shout import ShoutTokenizer"
    house.add_line(house.file("vocabulary", 1), "VOCABULARIES", "    ShoutTokenizer,", imported)
    house.add_line(house.file("optimizer", 0), "import torch", OPTIMIZER)
    house.add_line(house.file("optimizer", 1), "OPTIMIZERS", '    "plain": plain,')
    planned = house.source / "afterword" / "planning" / "auto.py"  # the recipe that chooses it
    before = planned.read_text(encoding="utf-8")
    assert before.count('"muon"') == 1
    planned.write_text(before.replace('"muon"', '"plain"'), encoding="utf-8")
    house.file("inspection", 0, "surprising").write_text(INSPECTION)
    imported = "from afterword.inspection.surprising import most_surprising"
    house.add_line(house.file("inspection", 1), "# Inspections", "    surprising = most_surprising", imported)
    inspect = house.source / "afterword" / "operations" / "inspect_.py"
    house.add_line(inspect, "png: Output", '    surprising: bool = setting(False, "find the most surprising token")')
    found = "    if request.surprising:\n        return Found(finding=model.surprising(read))"
    house.add_line(inspect, "_note_unseen(", found)
    filters = house.file("sampling filter", 0)
    house.add_line(filters, "Filter = ", FILTER)
    field = '    first: int = setting(0, "draw from the first tokens", minimum=0, filter=keep_first, off=0)'
    house.add_line(filters, '"""Settings of writing;', field)
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


def test_a_new_inspection_is_a_file_a_line_and_an_option(house: House, model: Path) -> None:
    assert json.loads(house.run("inspect", model, "abca", "--surprising", "--json"))["token"] in "abc"
    assert b"find the most surprising token" in b" ".join(house.run("inspect", "--help-all").split())
    call = f"import afterword; print(afterword.load({str(model)!r}).surprising('abca'))"
    assert house.python("-c", call).stdout.startswith(b"most surprising\n")


def test_a_new_filter_is_a_function_and_a_field(house: House, model: Path) -> None:
    """The first 2 tokens of the model are a newline and a."""
    call = f"import afterword; print(repr(afterword.load({str(model)!r}).generate('ab', max_tokens=20, first=2).text))"
    found = [eval(house.python("-c", call).stdout)]
    asked = ("generate", model, "--prompt", "ab", "--max-tokens", "20", "--first", "2", "--json")
    found += [json.loads(house.run(*asked))["text"]]
    with serving(model, PYTHONPATH=str(house.source)) as server:
        found += [server.complete(model="tiny", prompt="ab", max_tokens=20, first=2)["choices"][0]["text"]]
        schemas = server.get("/openapi.json").json["components"]["schemas"]
    assert all(len(text) == 20 and set(text) <= set("\na") for text in found)
    for request in ("CompletionRequest", "NextRequest"):  # the page makes a control of each number with a default
        assert schemas[request]["properties"]["first"]["default"] == 0
