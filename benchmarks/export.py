"""Exported models: how large pages are, how soon and how fast they write, and how exact exported models are.

    python -m benchmarks.export pages
    python -m benchmarks.export kernels
    python -m benchmarks.export differences [TEXT]

The models are `english` and a 1 × 384 LSTM with random weights. Pages are opened from the disk in Chromium. Kernels are
measured in node, by processor time, which a busy machine hardly changes; differences over 5,000 characters of TEXT.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

from afterword.language_model import load
from afterword.model.folder.saved import SavedModel
from afterword.model.network.network import log_probabilities
from afterword.wings.export.browser import PageSettings, pack, write_html
from benchmarks.commands import DATA, as_written, machine
from benchmarks.random_models import random_model
from tests.browser.chromium import browser

TEXT = DATA / "tinyshakespeare.txt"
SEEDS, WRITTEN, READ = 50, 200, 5000


SPEED = """(async () => { const one = { temperature: 1, minP: 0, seed: 1 };
    await afterword.generate({ ...one, maxTokens: 300 }); const since = performance.now();
    const { tokens } = await afterword.generate({ ...one, maxTokens: 3000 });
    return 1000 * tokens / (performance.now() - since); })()"""


def models() -> dict[str, SavedModel]:
    characters = "\n" + "".join(map(chr, range(32, 127)))
    return {"english": load("english").saved, "1 × 384": random_model(characters, 1, 384)}


@click.group(help=as_written(__doc__))
def main() -> None:
    click.echo(machine())


@main.command()
def pages() -> None:
    """Open pages from the disk, and write on them."""
    for name, model in models().items():
        with tempfile.TemporaryDirectory() as folder, browser() as tab:
            path, ready = Path(folder, "page.html"), []
            write_html(model, path, PageSettings())
            for _ in range(5):
                tab.open(f"file://{path}")
                ready.append(tab.run("Number(document.documentElement.dataset.ready)"))
            size, speed = path.stat().st_size / 1e6, tab.run(SPEED)
            click.echo(
                f"{name}: {size:.2f} MB, usable after {statistics.median(ready):,.0f} ms, {speed:,.0f} characters/s"
            )


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
    for name, model in models().items():
        for kernel, speed in json.loads(node(pack(model, PageSettings())[0].script(), script)[0]):
            click.echo(f"{name}: {kernel:4} {speed:7,.0f} characters per second of one core")


@main.command()
@click.argument("text", default=TEXT, type=click.Path(path_type=Path))
def differences(text: Path) -> None:
    """Compare the probabilities and the texts of exported `english` with the product's."""
    loaded = load("english")
    saved, network = loaded.saved, loaded.saved.predictor()
    rows = loaded.tokenizer.encode(text.read_text(encoding="utf-8"))[:READ]
    rows = np.minimum(np.concatenate([[saved.tokenizer.end], rows]), saved.config.vocabulary_size - 1)
    own = log_probabilities(network.read(rows[None, :-1], network.start())[0][0])
    sampling: dict[str, Any] = {"temperature": 0.8, "min_p": 0.05, "repetition_penalty": 1, "new_word_p": 0}
    texts = [loaded.generate("The ", seed=seed, max_tokens=WRITTEN, **sampling).text for seed in range(SEEDS)]
    for parts in (1, 2):
        found, written = _in_node(saved, parts, rows.tolist())
        divergence = (np.exp(own) * (own - found)).sum(axis=1).mean()
        same = sum(one == other for one, other in zip(texts, written, strict=True))
        click.echo(
            f"--weight-bytes {parts}: {divergence:.1e} nats per token; {same} of {SEEDS} texts of {WRITTEN} tokens are "
            "the same"
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
