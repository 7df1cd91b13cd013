"""What the plan expects, against what came: how often it is right.

    python -m benchmarks.expectation TEXT [option of afterword train ...]
                                          train on TEXT for 0.1, 0.5 and 2 minutes, and write down what came
    python -m benchmarks.expectation      how often, by benchmarks/results/expectation.jsonl and the plan's own runs in
                                          benchmarks/results/plan.jsonl

A model's figure is what it costs at most 100,000 characters of the held-out text. Time is no part of the table, so a
busy machine does no harm.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import click
import numpy as np

import afterword
from afterword.learning.batches import line_ends, steps_per_pass
from afterword.planning.expectation import GAIN, expectation
from afterword.text.encoded import EncodedCorpus
from benchmarks.commands import as_written, results, write_result
from benchmarks.plan import HELD_OUT, PLAN, held_out_bits, train


def trial(text: Path, options: list[str]) -> dict[str, Any]:
    """Train on `text` for some minutes: how much of it was read, and what the held-out text costs."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place, "run")
        train(text, out, *options)
        encoded, record = EncodedCorpus.open(out / "corpus"), json.loads((out / "run.json").read_text())
        plan, steps = record["plan"], record["ended"]["step"]
        of_pass = steps_per_pass(encoded, plan["batch_size"], plan["seq_length"])
        return {
            "text": text.name,
            "options": options,
            "characters": encoded.training_characters,
            "tokens_read": round(steps / of_pass * len(encoded.training)),
            "hidden_size": plan["hidden_size"],
            "bits": lines_bits(out, encoded) if encoded.lines else held_out_bits(out)[0],
        }


def lines_bits(run: Path, encoded: EncodedCorpus) -> dict[str, float]:
    """Bits per character of held-out lines, evenly spread, by each way to use the model in the folder `run`."""
    ids, model = np.asarray(encoded.validation), afterword.load(run)
    assert encoded.tokenizer.end is not None
    ends = line_ends(ids, encoded.tokenizer.end)
    lines = [encoded.tokenizer.decode(ids[start:end]) for start, end in zip([0, *ends[:-1] + 1], ends, strict=True)]
    scores = model.score_lines(lines[:: -(-len(ids) // HELD_OUT)])
    characters = sum(score.characters for score in scores) * math.log(2)
    return {
        using: sum(score.apart[using] * score.characters for score in scores) / characters
        for using in ("both", "lstm", "ngram")
    }


def runs() -> list[dict[str, Any]]:
    """Every run of a plan that was written down."""
    found = list(results("expectation"))
    for result in results("plan", setting=PLAN):
        plan = result["plan"]
        read = result["ended"]["step"] * plan["batch_size"] * plan["seq_length"]
        found.append(result | {"tokens_read": read, "hidden_size": plan["hidden_size"]})
    return found


def is_right(result: dict[str, Any]) -> bool:
    """Whether the model's cost was between what was expected at the least and at the most."""
    bits = result["bits"]
    expected = expectation(bits["ngram"], result["characters"], result["tokens_read"])
    return expected is not None and expected.low <= bits["both"] <= expected.high


@click.command(help=as_written(__doc__), context_settings={"ignore_unknown_options": True})
@click.argument("text", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def main(text: Path | None, options: tuple[str, ...]) -> None:
    for minutes in (0.1, 0.5, 2) if text else ():
        assert text is not None
        write_result("expectation", **trial(text, ["--minutes", str(minutes), *options]))
    gains: dict[str, list[float]] = {}
    right: dict[str, list[bool]] = {}
    for result in runs():
        gain = 1 - result["bits"]["both"] / result["bits"]["ngram"]
        gains.setdefault(result["text"], []).append(gain / math.sqrt(result["tokens_read"] / 1e6))
        right.setdefault(result["text"], []).append(is_right(result))
    middle = statistics.median(map(statistics.mean, gains.values()))
    share = statistics.mean(map(statistics.mean, right.values()))
    click.echo(
        f"{len(gains)} texts: the gain at a million tokens is {middle:.3f} in the middle (the plan takes {GAIN});"
    )
    click.echo(f"{share:.0%} of the runs were as expected, each text counted once")


if __name__ == "__main__":
    main()
