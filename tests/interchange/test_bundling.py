"""An exported module in other people's tools: a bundler, the TypeScript compiler, and the assembler of its kernel.

`make npm` installs them; without them, and in `make test`, these tests are skipped.
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path

import pytest

from afterword.interchange.browser import PageSettings, write_js
from afterword.language_model import LanguageModel
from afterword.model.folder.saved import load_model
from tests.tiny import save_tiny

TOOLS = Path(__file__).parents[1] / "npm" / "node_modules" / ".bin"
WEB = resources.files("afterword.interchange").joinpath("web")
pytestmark = pytest.mark.slow

PROGRAM = """import { load, type Sample } from "./book.js";

const model = await load();
const options = { prompt: "ab", maxTokens: 40, temperature: 1, minP: 0, seed: 3n, stop: ["zz"] };
const sample: Sample = await model.generate(options);
const nats: Float64Array = await model.score("abc", { signal: new AbortController().signal });
const [first]: { text: string; probability: number }[] = await model.next("ab");
console.log(JSON.stringify([sample.text, sample.tokens, nats.length, first.text, (await model.split("ab")).length]));
"""


def tool(name: str, *arguments: object, folder: Path) -> str:
    if not (TOOLS / name).exists():
        pytest.skip(f"{name} is missing: make npm")
    done = subprocess.run([TOOLS / name, *map(str, arguments)], cwd=folder, capture_output=True, encoding="utf-8")
    assert not done.returncode, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def program(tmp_path: Path) -> Path:
    write_js(load_model(save_tiny(tmp_path / "tiny", mixed=True)), tmp_path / "book.js", PageSettings())
    (tmp_path / "main.ts").write_text(PROGRAM, encoding="utf-8")
    return tmp_path / "main.ts"


def test_a_bundler_takes_it_and_the_bundle_writes_what_python_writes(program: Path) -> None:
    folder = program.parent
    tool("esbuild", "main.ts", "--bundle", "--minify", "--format=esm", "--outfile=out.mjs", folder=folder)
    node = shutil.which("node")
    assert node is not None
    found = json.loads(subprocess.check_output([node, "out.mjs"], cwd=folder))
    sample = LanguageModel(load_model(folder / "tiny")).generate("ab", max_tokens=40, temperature=1, min_p=0, seed=3)
    assert found[1:3] == [40, 3]
    assert found[0][:10] == sample.text[:10]


def test_its_types_suit_a_strict_program(program: Path) -> None:
    options = ("--strict", "--noEmit", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler")
    tool("tsc", *options, "main.ts", folder=program.parent)
    program.write_text(PROGRAM.replace("maxTokens: 40", 'maxTokens: "40"'), encoding="utf-8")
    with pytest.raises(AssertionError, match="not assignable to type 'number"):
        tool("tsc", *options, "main.ts", folder=program.parent)


def test_the_kernel_is_what_its_source_gives(tmp_path: Path) -> None:
    (tmp_path / "kernel.wat").write_bytes(WEB.joinpath("kernel.wat").read_bytes())
    tool("wat2wasm", "kernel.wat", "-o", "kernel.wasm", folder=tmp_path)
    assert base64.b64decode(WEB.joinpath("kernel.wasm.base64").read_text()) == (tmp_path / "kernel.wasm").read_bytes()
