"""The notebooks in docs/notebooks run from top to bottom, and show what they compute."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import inspect
import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import afterword
from afterword.language_model import LanguageModel
from tests.cases import cases
from tests.processes import finished

DOCS = Path(__file__).parents[1] / "docs"
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
SETTINGS = {
    "MINUTES = 5": "MINUTES = 0.01",
    "STEPS = 3500": "STEPS = 10",
    "minutes=MINUTES": "minutes=MINUTES, base='none'",
}
SOURCE = str(Path(afterword.__file__).parents[1])
ENVIRONMENT = {**os.environ, "PYTHONPATH": SOURCE, "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}
MOST = 400_000  # bytes of a notebook with its pictures

JAVASCRIPT = cases("JAVASCRIPT")  # pages where a model is JavaScript's
PAGES = [page for page in sorted(DOCS.glob("*.md")) if page.stem not in JAVASCRIPT]

each = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def cells(notebook: Path, kind: str = "code") -> Iterator[dict[str, Any]]:
    """Yield the cells of code, or of another kind."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == kind:
            yield cell


def wrong_calls(text: str) -> tuple[int, list[str]]:
    """Return how many code spans of a page call the package or `model`, and those calls that suit no signature."""
    number, wrong = 0, list[str]()
    for span in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        with contextlib.suppress(SyntaxError):
            for node in ast.walk(ast.parse(span)):
                match node:
                    case ast.Call(ast.Attribute(ast.Name("model" | "afterword" as owner), name)):
                        number += 1
                        found = inspect.getattr_static(LanguageModel if owner == "model" else afterword, name, None)
                        bound = [None] * (owner == "model" and not isinstance(found, staticmethod | classmethod))
                        found = getattr(LanguageModel if owner == "model" else afterword, name, None)
                        try:
                            assert callable(found), "there is no such function"
                            given = {str(one.arg): 0 for one in node.keywords}
                            inspect.signature(found).bind(*bound, *node.args, **given)
                        except (AssertionError, TypeError) as error:
                            wrong.append(f"{span}: {error}")
    return number, wrong


def shortened(code: str) -> str:
    for long, short in SETTINGS.items():
        code = code.replace(long, short)
    return code


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder like docs/notebooks, in which a notebook may write."""
    (tmp_path / "notebooks").mkdir()
    for text in DOCS.glob("*.txt"):
        shutil.copy(text, tmp_path)
    return tmp_path / "notebooks"


def test_each_call_within_a_sentence_suits_its_signature() -> None:
    texts = [page.read_text(encoding="utf-8") for page in PAGES]
    texts += ["".join(cell["source"]) for notebook in NOTEBOOKS for cell in cells(notebook, "markdown")]
    found = [wrong_calls(text) for text in texts]
    assert [one for _, wrong in found for one in wrong] == []
    assert sum(number for number, _ in found) >= 20
    assert len(wrong_calls("`model.gate(text)` `afterword.train(text, minuts=3)` `model.gates()`")[1]) == 3


@each
def test_its_code_runs_from_top_to_bottom(notebook: Path, place: Path) -> None:
    code = "\n".join(shortened("".join(cell["source"])) for cell in cells(notebook))
    assert code.count("MINUTES = 0.01") + code.count("STEPS = 10") == 1
    for library in ("pandas", "matplotlib"):
        if f"import {library}" in code and importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    done = finished([sys.executable, "-c", code], cwd=place, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr.decode()


@each
def test_it_is_stored_as_it_ran(notebook: Path) -> None:
    assert notebook.stat().st_size < MOST
    assert [cell["execution_count"] for cell in cells(notebook)] == [*range(1, len([*cells(notebook)]) + 1)]
    outputs = [output for cell in cells(notebook) for output in cell["outputs"]]
    assert not any(output["output_type"] == "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2
