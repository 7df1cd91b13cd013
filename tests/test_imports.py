"""Imports are light and inert: what a process has loaded after a command is looked up in sys.modules."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest

import afterword
from afterword.cli.main import COMMANDS
from afterword.model.config import Config, weight_shapes
from afterword.model.saved import SavedModel, save_model
from afterword.text.vocabularies.char import CharTokenizer
from tests.processes import finished

RUN = """
import sys
from afterword.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(*sys.modules, file=sys.stderr)
"""


def loaded(code: str, *arguments: str) -> set[str]:
    """The modules that a fresh process holds after `code`."""
    path = str(Path(afterword.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    process = finished([sys.executable, "-c", code, *arguments], env=environment)
    assert process.returncode == 0, process.stderr.decode()
    return set(process.stderr.decode().split())


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    tokenizer = CharTokenizer.of("\nab")
    config = Config(tokenizer.rows, tokenizer.shared_row_tokens, embedding_size=2, hidden_size=3, num_layers=1)
    weights = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(config).items()}
    save_model(folder, SavedModel(config, weights, tokenizer, [3, 4], {"lines": False}), "")
    return folder


def test_importing_the_package_loads_neither_numpy_nor_any_room() -> None:
    modules = loaded("import sys, afterword; print(*sys.modules, file=sys.stderr)")
    assert "numpy" not in modules
    assert {name for name in modules if name.startswith("afterword")} == {"afterword"}


def test_no_private_module_of_pytorch_is_imported() -> None:
    private = re.compile(r"""import_module\(["']torch(\.\w+)*\._|^\s*(from|import) torch(\.\w+)*\._""", re.MULTILINE)
    for path in Path(afterword.__file__).parent.rglob("*.py"):
        assert not private.search(path.read_text(encoding="utf-8")), path


def test_help_loads_no_command_and_no_numpy() -> None:
    modules = loaded(RUN, "--help")
    assert not modules & {"torch", "numpy", "rich"}
    assert not modules & {place.partition(":")[0] for place, _ in COMMANDS.values()}


def test_a_server_that_trains_loads_no_torch() -> None:
    modules = loaded("import sys, afterword.serving.server; print(*sys.modules, file=sys.stderr)")
    assert "afterword.serving.trainer" in modules
    assert not modules & {"torch", "filelock", "rich", "onnx", "onnxruntime"}


@pytest.mark.parametrize("command", ["generate", "score", "info", "inspect"])
def test_using_a_model_loads_no_torch(command: str, model: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("abab\n")
    modules = loaded(RUN, command, str(model), *{"score": [str(text)], "inspect": ["ab", "--json"]}.get(command, []))
    assert "afterword.language_model" in modules
    assert not modules & {"torch", "rich", "onnx", "onnxruntime"}
