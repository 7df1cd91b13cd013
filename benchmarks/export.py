"""Exported models: how long each format takes to write, how large pages are, how fast and how exact they write.

    python -m benchmarks.export formats [TEXT]
    python -m benchmarks.export pages
    python -m benchmarks.export kernels
    python -m benchmarks.export differences [TEXT]
    python -m benchmarks.export onnx [TEXT]

The models are `english`, and a 1 × 384 and a 1 × 512 LSTM with random weights; the latter is mixed with the n-gram of
TEXT. Pages are opened from the disk in Chromium. Kernels are measured in node, by processor time, which a busy machine
hardly changes; differences too, over 5,000 characters of TEXT.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import click
import numpy as np

from afterword.language_model import LanguageModel, load
from afterword.model.folder.saved import SavedModel, save_model
from afterword.model.network.engines import runtime
from afterword.model.network.network import log_probabilities
from afterword.wings.export.browser import PageSettings, pack, write_html
from afterword.wings.export.exports import EXPORTS
from afterword.wings.export.lstm_files import write_onnx
from benchmarks.commands import DATA, as_written, machine
from benchmarks.random_models import random_model
from tests.browser.chromium import browser

TEXT = DATA / "tinyshakespeare.txt"
CHARACTERS = "\n" + "".join(map(chr, range(32, 127)))
SEEDS, WRITTEN, READ = 50, 200, 5000
PLAIN = (
    "<!doctype html><script type=module>{}\nglobalThis.load = load; document.documentElement.dataset.ready = 1</script>"
)
SPEED = """(async () => {{ const model = {0}; const one = {{ temperature: 1, minP: 0, seed: 1 }};
    await model.generate({{ ...one, maxTokens: 300 }}); const since = performance.now();
    const {{ tokens }} = await model.generate({{ ...one, maxTokens: {1} }});
    return [model.kernel, 1000 * tokens / (performance.now() - since)]; }})()"""


@click.group(help=as_written(__doc__))
def main() -> None:
    click.echo(machine())


@main.command()
@click.argument("text", default=TEXT, type=click.Path(path_type=Path))
def formats(text: Path) -> None:
    """Write a 1 × 512 model with an n-gram in each format, with the command."""
    model = random_model(CHARACTERS, 1, 512, ngram_of=text.read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder, "model"), model, "# Random weights\n")
        for name in (one.name for one in EXPORTS):
            option, took = f"--{name}", []
            for k in range(3):
                where = Path(folder, f"{k}-{name}")
                command = [sys.executable, "-m", "afterword", "export", f"{folder}/model", option, str(where)]
                began = time.perf_counter()
                done = subprocess.run(command, capture_output=True, encoding="utf-8")
                took.append(time.perf_counter() - began)
            if done.returncode:
                click.echo(f"{option:18} {done.stderr.strip()}")
                continue
            files = [where] if where.is_file() else [*where.iterdir()]
            size = sum(file.stat().st_size for file in files)
            click.echo(f"{option:18} {statistics.median(took):5.2f} s  {size / 1e6:6.2f} MB")


@main.command()
def pages() -> None:
    """Open pages from the disk, and write on them with each kernel."""
    models = {"english": load("english").saved, "1 × 384": random_model(CHARACTERS, 1, 384)}
    for name, model in models.items():
        with tempfile.TemporaryDirectory() as folder, browser() as tab:
            path = Path(folder, "page.html")
            write_html(model, path, PageSettings())
            ready = []
            for _ in range(5):
                tab.open(f"file://{path}")
                ready.append(tab.run("Number(document.documentElement.dataset.ready)"))
            size = sum(weight.size for weight in model.weights.values())
            figures = f"{path.stat().st_size / 1e6:.2f} MB, {path.stat().st_size / size:.2f} bytes per weight"
            click.echo(f"{name}: {figures}; usable after {statistics.median(ready):,.0f} ms")
            kernels = [("afterword", 3000)]
            for wasm, tokens in (("true", 3000), ("false", 1500)):
                kernels.append((f"await load({{ wasm: {wasm} }})", tokens))
            for loaded, tokens in kernels:
                if loaded == kernels[1][0]:
                    path.write_text(PLAIN.format(pack(model, PageSettings())[0].script()), encoding="utf-8")
                    tab.open(f"file://{path}")
                kernel, speed = tab.run(SPEED.format(loaded, tokens))
                where = "worker" if loaded == "afterword" else "page"
                gmacs = speed * _products(model) / 1e9
                click.echo(f"  {kernel:4} in the {where:6} {speed:7,.0f} characters/s  {gmacs:5.2f} GMAC/s")


@main.command()
def kernels() -> None:
    """Write with each kernel in node, and divide by the processor time."""
    script = """const found = [];
        for (const wasm of [true, false]) {
            const model = await load({ wasm }), one = { temperature: 1, minP: 0, seed: 1 };
            await model.generate({ ...one, maxTokens: 1000 }); const since = process.cpuUsage();
            await model.generate({ ...one, maxTokens: 2000 }); const { user, system } = process.cpuUsage(since);
            found.push([model.kernel, 2000 / (user + system) * 1e6]); }
        console.log(JSON.stringify(found));"""
    for name, model in (("english", load("english").saved), ("1 × 384", random_model(CHARACTERS, 1, 384))):
        for kernel, speed in json.loads(node(pack(model, PageSettings())[0].script(), script)[0]):
            gmacs = speed * _products(model) / 1e9
            click.echo(f"{name}: {kernel:4} {speed:7,.0f} characters per second of one core  {gmacs:5.2f} GMAC/s")


def _products(model: SavedModel) -> int:
    """Return the multiplications of one step; the first layer's input is a table."""
    return sum(
        weight.size
        for name, weight in model.weights.items()
        if weight.ndim == 2 and name not in ("embedding.weight", "lstm.weight_ih_l0")
    )


@main.command()
@click.argument("text", default=TEXT, type=click.Path(path_type=Path))
@click.option("--model", default="english", show_default=True)
def differences(text: Path, model: str) -> None:
    """Compare the probabilities and the texts of an exported model with the product's."""
    loaded = load(model)
    saved = loaded.saved
    rows = loaded.tokenizer.encode(text.read_text(encoding="utf-8"))[:READ]
    rows = np.minimum(np.concatenate([[saved.tokenizer.end], rows]), saved.config.vocabulary_size - 1)
    network = saved.predictor()
    own = log_probabilities(network.read(rows[None, :-1], network.start())[0][0])
    sampling: dict[str, Any] = {"temperature": 0.8, "min_p": 0.05, "max_tokens": WRITTEN}
    plain = LanguageModel(saved)
    texts = [
        plain.generate("The ", seed=seed, repetition_penalty=1, new_word_p=0, **sampling).text for seed in range(SEEDS)
    ]
    for parts in (1, 2):
        found, written = _in_node(saved, parts, rows.tolist())
        divergence = (np.exp(own) * (own - found)).sum(axis=1)
        costs = np.abs((own - found)[np.arange(len(own)), rows[1:]])
        pairs = list(zip(texts, written, strict=True))
        same = statistics.mean(one == other for one, other in pairs)
        alike = statistics.median(_alike(*pair) for pair in pairs)
        click.echo(
            f"{parts} byte{'s' * (parts > 1)} per weight: divergence {divergence.mean():.1e} nats per token; a token's "
            f"cost differs by {costs.mean():.1e} nats; {same:.0%} of {SEEDS} texts of {WRITTEN} tokens are the same, "
            f"and half of them for {alike:.0f} characters"
        )


@main.command()
@click.argument("text", default=TEXT, type=click.Path(path_type=Path))
def onnx(text: Path) -> None:
    """Compare the probabilities of `english` in ONNX Runtime with NumPy's."""
    loaded = load("english")
    model, network = loaded.saved, loaded.network()
    ids = network.rows(loaded.tokenizer.encode(text.read_text(encoding="utf-8"))[None, :READ]).astype(np.int64)
    with tempfile.TemporaryDirectory() as folder:
        write_onnx(model, Path(folder, "model.onnx"))
        session = runtime().InferenceSession(Path(folder, "model.onnx"), providers=["CPUExecutionProvider"])
    state = network.start()
    found = session.run(["log_probabilities"], {"ids": ids, "hidden": state.hidden, "cell": state.cell})[0]
    own = log_probabilities(network.read(ids, state)[0])
    apart, in_nats = np.abs(np.exp(own) - np.exp(found)).max(), np.abs(own - found).max()
    click.echo(
        f"ONNX Runtime, {ids.size:,} tokens: a probability differs by at most {apart:.1e}, "
        f"a log-probability by at most {in_nats:.1e} nats"
    )


def _alike(one: str, other: str) -> int:
    """Return the number of characters that two texts have in common at their beginning."""
    return next(
        (k for k, pair in enumerate(zip(one, other, strict=False)) if len({*pair}) > 1), min(len(one), len(other))
    )


def _in_node(model: SavedModel, parts: int, rows: list[int]) -> tuple[np.ndarray, list[str]]:
    """Return the log-probabilities after each of `rows` but the last, and a text per seed."""
    script = f"""const model = await load(), found = [], texts = []; let state = model.start(), p;
        for (const row of {json.dumps(rows[:-1])}) {{ [state, p] = model.step(state, row); found.push(p); }}
        for (let seed = 0; seed < {SEEDS}; seed += 1) texts.push((await model.generate(
            {{ prompt: "The ", seed, temperature: 0.8, minP: 0.05, maxTokens: {WRITTEN} }})).text);
        (await import("node:fs")).writeFileSync("p", Buffer.concat(found.map(one => Buffer.from(one.buffer))));
        console.log(JSON.stringify(texts));"""
    printed, file = node(pack(model, PageSettings(weight_bytes=parts, ngram_megabytes=1e4))[0].script(), script)
    return np.log(np.frombuffer(file).reshape(len(rows) - 1, -1)), json.loads(printed)


def node(module: str, script: str) -> tuple[str, bytes]:
    """Run `script` with the module of a model. Return what it prints, and the file p that it may write."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "model.mjs").write_text(module, encoding="utf-8")
        Path(folder, "main.mjs").write_text(f'import {{ load }} from "./model.mjs"; {script}', encoding="utf-8")
        printed = subprocess.check_output(["node", "main.mjs"], cwd=folder, encoding="utf-8")
        file = Path(folder, "p")
        return printed, file.read_bytes() if file.exists() else b""


if __name__ == "__main__":
    main()
