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
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import pytest

import afterword
from afterword.language_model import LanguageModel
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

PAGES = [page for page in sorted(DOCS.glob("*.md")) if page.stem != "export"]  # where a model is JavaScript's

each = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def cells(notebook: Path, kind: str = "code") -> Iterator[dict[str, Any]]:
    """Yield the cells of code, or of another kind."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == kind:
            yield cell


class Value(NamedTuple):
    """An expression of which only the class is known."""

    kind: type


class Checked(ast.NodeVisitor):
    """Code whose calls of our functions were compared with their signatures, without running it."""

    def __init__(self) -> None:
        self.known: dict[str, Any] = {"afterword": afterword, "model": Value(LanguageModel)}
        """What a name means: a module, function or class of ours, or a value of such a class."""
        self.calls, self.wrong = 0, list[str]()

    def read(self, code: str) -> None:
        self.visit(ast.parse(code))

    def read_spans(self, text: str) -> None:
        """Read the code spans of a page, as far as they are Python."""
        for span in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
            with contextlib.suppress(SyntaxError):
                self.read(span)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        if node.module and node.module.startswith("afterword"):
            module = importlib.import_module(node.module)
            self.known.update({one.asname or one.name: getattr(module, one.name) for one in node.names})

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        meant = self.meant(node.value)
        for target in node.targets:
            for one in ast.walk(target):
                if isinstance(one, ast.Name):
                    self.known[one.id] = meant if one is target else None

    def visit_Call(self, node: ast.Call) -> None:
        self.generic_visit(node)
        found = self.meant(node.func)
        if found is None or isinstance(found, Value):
            return
        self.calls += 1
        try:
            assert callable(found), found
            bound = [None] * self._is_method(node.func)
            assert not any(isinstance(one, ast.Starred) for one in node.args)
            inspect.signature(found).bind(*bound, *node.args, **{str(one.arg): 0 for one in node.keywords})
        except (AssertionError, TypeError) as error:
            self.wrong.append(f"{ast.unparse(node)}: {error}")

    def _is_method(self, node: ast.expr) -> bool:
        """Return whether `node` is a method of a value, which is its first argument."""
        if not isinstance(node, ast.Attribute) or not isinstance(owner := self.meant(node.value), Value):
            return False
        return not isinstance(inspect.getattr_static(owner.kind, node.attr), staticmethod | classmethod)

    def meant(self, node: ast.expr) -> Any:
        """Return what an expression means, a complaint if it names nothing, or None if it is nothing of ours."""
        match node:
            case ast.Name(name):
                return self.known.get(name)
            case ast.Attribute(value, name):
                owner = self.meant(value)
                if owner is None or isinstance(owner, str):
                    return owner
                place = owner.kind if isinstance(owner, Value) else owner
                fields = {
                    field for one in getattr(place, "__mro__", ()) for field in vars(one).get("__annotations__", ())
                }
                found = getattr(place, name, None if name in fields else f"{place.__name__} has no {name}")
                return found if callable(found) or isinstance(found, ModuleType | str) else None
            case ast.Call(function):
                found = self.meant(function)
                if found is None or isinstance(found, Value | str):
                    return None
                with contextlib.suppress(NameError):  # of what is imported for types alone
                    kind: Any = found if isinstance(found, type) else typing.get_type_hints(found).get("return")
                    return Value(kind) if getattr(kind, "__module__", "").startswith("afterword") else None
        return None


def shortened(code: str) -> str:
    for long, short in SETTINGS.items():
        code = code.replace(long, short)
    return code


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder like docs/notebooks, in which a notebook may write."""
    (tmp_path / "notebooks").mkdir()
    shutil.copy(DOCS / "subjects.txt", tmp_path)
    return tmp_path / "notebooks"


@pytest.mark.parametrize(("wrong", "says"), [("return h, c", "at character 1"), ("return h, c + h", "at character 1")])
def test_an_exercise_says_where_a_wrong_step_goes_wrong(wrong: str, says: str, place: Path) -> None:
    book = DOCS / "notebooks" / "build-your-own.ipynb"
    code = [shortened("".join(cell["source"])) for cell in cells(book)]
    solved = "return solution_step(U, W, b, x, h, c)  # replace this with your own"
    assert solved in code[3]
    code[3] = code[3].replace(solved, wrong)
    done = finished([sys.executable, "-c", "\n".join(code[:5])], cwd=place, env=ENVIRONMENT)
    assert f"Not yet: {says}" in done.stdout.decode(), done.stderr.decode()


@each
def test_each_call_suits_the_signature_of_what_is_called(notebook: Path) -> None:
    checked = Checked()
    for cell in cells(notebook):
        checked.read("".join(cell["source"]))
    for cell in cells(notebook, "markdown"):
        checked.read_spans("".join(cell["source"]))
    assert checked.wrong == []
    assert checked.calls >= 5


def test_each_call_within_a_sentence_of_the_docs_suits_too() -> None:
    checked = Checked()
    for page in PAGES:
        checked.read_spans(page.read_text(encoding="utf-8"))
    assert checked.wrong == []
    assert checked.calls >= 20


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


@pytest.mark.slow
@each
def test_a_kernel_runs_it_and_shows_a_bar(notebook: Path, place: Path) -> None:
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    for library in ("ipykernel", "pandas", "matplotlib"):
        pytest.importorskip(library)
    book = nbformat.read(notebook, as_version=4)
    for cell in book.cells:
        cell.source = shortened(cell.source)
    nbclient.NotebookClient(book, timeout=250, resources={"metadata": {"path": str(place)}}).execute()
    outputs = [output for cell in book.cells for output in cell.get("outputs", [])]
    bars = [
        output.data["text/html"] for output in outputs if "<progress" in output.get("data", {}).get("text/html", "")
    ]
    assert any('value="1.0000"' in bar for bar in bars)
    tables = [cell for cell in book.cells if cell.source.startswith("kept = ")]
    assert all(len(cell.outputs) == 1 for cell in tables)  # and no empty ones before it
