"""How fast and how well a GPU learns: python -m benchmarks.gpu

    speed      characters a second of a training step, of random characters in lanes of 64 steps, 2 × 512 and 3 × 1024
               units, in the precision that a plan takes first; in turn with a plain script in the same precision and
               with the same batches (embedding, nn.LSTM, linear, AdamW; no scaled loss, dropout, clipping or averaging)
    learning   tinyshakespeare in 3 minutes, through the real command, as benchmarks/quality.py measures it

Where there is no GPU it says so, and that is all.
"""

from __future__ import annotations

import argparse
import os
import statistics

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # as training itself does: see docs/decisions.md

import torch

from afterword.learning.device import described, precisions_to_try, why_no_gpu
from benchmarks.quality import DATA, Row, run
from benchmarks.training_speed import ROUNDS, T, in_turn, our_step, plain_step, recipe

SHAPES = ((2, 512), (3, 1024))
LANES = (16, 64, 128)
MINUTES = 3


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    why = why_no_gpu()
    if why:
        print(f"no GPU: {why}")
        return
    print(f"{described('cuda')}, PyTorch {torch.__version__}; medians of {ROUNDS} rounds in turn")
    print("| layers × units | lanes | precision | characters/s | plain script | ours ÷ plain |")
    print("| --- | --- | --- | --- | --- | --- |")
    for num_layers, hidden_size in SHAPES:
        for lanes in LANES:
            precision = precisions_to_try("cuda", hidden_size)[0]
            chosen = recipe(num_layers, hidden_size, precision, "cuda", lanes)
            ours, plain = in_turn([our_step(chosen), plain_step(chosen)], ROUNDS)
            speeds = [lanes * T / statistics.median(times) for times in (ours, plain)]
            ratio = statistics.median(b / a for a, b in zip(ours, plain, strict=True))
            print(
                f"| {num_layers} × {hidden_size} | {lanes} | {precision} | {speeds[0]:,.0f} | {speeds[1]:,.0f} | "
                f"{ratio:.2f} |",
                flush=True,
            )
    row = Row("tinyshakespeare.txt", MINUTES)
    run(f"tinyshakespeare-{MINUTES} on a GPU", DATA / row.text, row, [0], ["--device", "cuda"])


if __name__ == "__main__":
    main()
