"""Imports are light and inert: what a process has loaded after a command is looked up in sys.modules."""

from __future__ import annotations

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

import afterword
from afterword.commands import commands
from tests.cases import cases
from tests.processes import finished
from tests.tiny import save_tiny

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
    process = finished([sys.executable, "-c", code, *arguments], env=environment, fresh=True)
    assert process.returncode == 0, process.stderr.decode()
    return set(process.stderr.decode().split())


def test_the_package_and_its_help_load_no_room_no_command_and_no_numpy() -> None:
    modules = loaded("import sys, afterword; print(*sys.modules, file=sys.stderr)")
    assert "numpy" not in modules
    assert {name for name in modules if name.startswith("afterword")} == {"afterword"}
    modules = loaded(RUN, "--help")
    assert not modules & {"torch", "numpy", "rich", "importlib.metadata"}  # the last looks through all packages
    assert not modules & {f"afterword.{one.place.partition(':')[0]}" for one in commands().values()}


def test_no_private_module_of_pytorch_is_imported() -> None:
    private = re.compile(r"""import_module\(["']torch(\.\w+)*\._|^\s*(from|import) torch(\.\w+)*\._""", re.MULTILINE)
    for path in Path(afterword.__file__).parent.rglob("*.py"):
        assert not private.search(path.read_text(encoding="utf-8")), path


def test_a_server_that_trains_loads_no_torch_and_training_none_of_its_compilers(tmp_path: Path) -> None:
    modules = loaded("import sys, afterword.serving.server; print(*sys.modules, file=sys.stderr)")
    assert "afterword.serving.runs.trainer" in modules
    assert not modules & {"torch", "filelock", "rich", "onnx", "onnxruntime"}
    text = tmp_path / "text.txt"
    text.write_text("abab abba\n" * 50)
    modules = loaded(RUN, "train", str(text), "--steps", "2", "--hidden-size", "4", "--out", str(tmp_path / "run"))
    assert "torch" in modules
    assert not modules & {"torch._dynamo", "torch._inductor", "pandas"}  # the first take a second


def test_using_a_model_loads_no_torch_and_no_server(tmp_path: Path) -> None:
    model, text = str(save_tiny(tmp_path / "tiny")), tmp_path / "text.txt"
    text.write_text("abab\n")
    modules = loaded(RUN, "generate", model)
    assert not modules & {"afterword.planning", "afterword.learning.recipe"}  # a delay
    lines = [["score", model, str(text)], ["info", model], ["inspect", model, "ab", "--json"]]
    several = f"    for line in {lines}:\n        with contextlib.suppress(SystemExit):\n            main(line)"
    modules |= loaded("import contextlib\n" + RUN.replace("    main(sys.argv[1:])", several))
    assert "afterword.language_model" in modules
    assert not modules & {"torch", "rich", "onnx", "onnxruntime", "huggingface_hub", "pandas", "starlette", "uvicorn"}


ON_WINDOWS = """import sys, os, signal, asyncio, subprocess, tempfile, safetensors.numpy, uvicorn, starlette
import starlette.applications
import click, numpy, regex, msgspec, gzip, logging, prometheus_client, multiprocessing
from uvicorn.protocols.http import h11_impl
sys.modules["fcntl"] = sys.modules["resource"] = sys.modules["termios"] = sys.modules["pwd"] = None
for module, name in [(signal, "SIGHUP"), (os, "fork"), (os, "O_NONBLOCK"), (os, "getuid"), (os, "sched_getaffinity")]:
    if hasattr(module, name):
        delattr(module, name)
sys.platform = "win32"
"""
"""Imitated: the libraries are those of this system, and only the package finds itself on Windows."""


def test_what_uses_models_needs_nothing_that_windows_lacks(tmp_path: Path) -> None:
    code = f"""{ON_WINDOWS}
from afterword.commands import commands, resolve
for one in commands().values():
    resolve(one.place)
import afterword.serving.server, afterword.serving.runs.trainer, afterword.serving.runs.watched
afterword.serving.server.listen("127.0.0.1", 0).close()
afterword.load(sys.argv[1]).save(sys.argv[2])
"""
    done = finished([sys.executable, "-c", code, save_tiny(tmp_path / "tiny"), tmp_path / "copy"], fresh=True)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "copy" / "config.json").exists()


COMMANDS = ["generate MODEL --prompt 'a↯b' --max-tokens 9 --out -", "score MODEL text.txt", "info MODEL"]
COMMANDS += ["surprises MODEL text.txt --html -", "inspect MODEL abab --html gates.html", "info --system"]


@pytest.mark.parametrize("line", [*COMMANDS, *cases("OF_MODEL")])
def test_commands_that_use_a_model_run_where_windows_prints_in_its_own_encoding(line: str, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_bytes("abab\r\nba\r\n".encode("utf-16"))
    arguments = shlex.split(line.replace("MODEL", str(save_tiny(tmp_path / "tiny"))))
    code = f"{ON_WINDOWS}\nfrom afterword.__main__ import main\nmain()"
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    done = finished([sys.executable, "-c", code, *arguments], cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr.decode()
