"""An evaluation harness beside the commands: EleutherAI's lm-eval asks the server, on tasks in local files.

    python -m benchmarks.harness

The model is `english`, which has not read the play that the tasks are made of, in characters. *play* is the cost of the
play's beginning, which `score` gives too; this fails unless both agree. *endings* gives the first half of a line of
verse and four second halves, of which one is its own; a guess is right for a quarter.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import click

from afterword.operations.demo import PLAY
from benchmarks.commands import (
    as_written,
    echo_row,
    echo_table,
    machine,
    peer_python,
    run_afterword,
    some,
    write_result,
)
from tests.serving.server import serving

PACKAGE = "lm-eval[api]==0.4.13"
MODEL, CHARACTERS, ENDINGS = "english", 5_000, 200
WITHIN = 1e-3  # bits per byte
TASK = """task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {name}.jsonl}}}}
test_split: test
output_type: {kind}
doc_to_text: "{text}"
doc_to_target: "{target}"
{more}metric_list: [{{metric: {metric}}}]
"""


@click.command(help=as_written(__doc__))
def main() -> None:
    python = peer_python("lmeval", PACKAGE)
    play = gzip.decompress(PLAY.read_bytes()).decode()
    with tempfile.TemporaryDirectory() as folder, serving(MODEL) as served:
        place = Path(folder)
        text = play[: some(CHARACTERS)]
        task(place, "play", [{"text": text}], "loglikelihood_rolling", "", "{{text}}", "bits_per_byte")
        rows, choices = endings(play, some(ENDINGS)), 'doc_to_choice: "{{choices}}"\n'
        task(place, "endings", rows, "multiple_choice", "{{begin}}", "{{right}}", "acc", choices)
        options = f"base_url={served.url}/v1/completions,model={MODEL},max_length={2 * CHARACTERS},num_concurrent=1"
        command: list[str | Path] = [
            python,
            "-m",
            "lm_eval",
            "--model",
            "local-completions",
            "--model_args",
            options,
            "--batch_size",
            "64",
        ]
        command += ["--include_path", ".", "--tasks", "play,endings", "--output_path", "out"]
        quiet = {"HF_HUB_OFFLINE": "1", "HF_HOME": folder, "PYTHONPATH": ""}
        done = subprocess.run(command, cwd=place, env={**os.environ, **quiet}, capture_output=True, text=True)
        if done.returncode:
            raise click.ClickException(f"lm_eval ended with {done.returncode}: {done.stderr[-2000:]}")
        [found] = [json.loads(file.read_bytes())["results"] for file in (place / "out").rglob("results*.json")]
        (place / "text.txt").write_text(text, encoding="utf-8")
        scored = json.loads(run_afterword("score", MODEL, place / "text.txt", "--json"))["bits_per_byte"]
    bits, right, error = (
        found["play"]["bits_per_byte,none"],
        found["endings"]["acc,none"],
        found["endings"]["acc_stderr,none"],
    )
    click.echo(machine())
    echo_table([f"`{MODEL}` over HTTP, {PACKAGE.replace('[api]==', ' ')}", "", "by `score`"])
    echo_row([f"play: bits per byte of {len(text):,} characters", f"{bits:.4f}", f"{scored:.4f}"])
    echo_row([f"endings: right of {len(rows)} (a guess: 25 %)", f"{right:.1%} ± {error:.1%}", ""])
    if abs(bits - scored) > WITHIN:
        raise click.ClickException(f"lm-eval and `score` differ by more than {WITHIN} bits per byte")
    write_result("harness", bits_per_byte=bits, scored=scored, right=right, error=error, endings=len(rows))


def task(
    place: Path, name: str, rows: list[Any], kind: str, text: str, target: str, metric: str, more: str = ""
) -> None:
    """Write a task of lm-eval and its rows."""
    (place / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    made = TASK.format(name=name, kind=kind, text=text, target=target, metric=metric, more=more)
    (place / f"{name}.yaml").write_text(made, encoding="utf-8")


def endings(play: str, number: int) -> list[dict[str, Any]]:
    """Return lines in halves: the first, four second ones, and the place of its own among them."""
    draw, lines = random.Random(0), [line for line in play.split("\n") if 30 < len(line) < 60 and line[0].isalpha()]
    halves = [
        (" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])) for words in map(str.split, lines)
    ]
    rows = []
    for begin, own in draw.sample(halves, number):
        choices = draw.sample([own, *(other for _, other in draw.sample(halves, 3))], 4)
        rows.append({"begin": begin, "choices": choices, "right": choices.index(own)})
    return rows


if __name__ == "__main__":
    main()
