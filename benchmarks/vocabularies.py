"""Characters, bytes and subwords on the same text: python benchmarks/vocabularies.py [TEXT] [--minutes 2]

The first 90 % of TEXT (tinyshakespeare) are trained on through the real command, with the last 10 % as --validation,
once with each --vocabulary. Printed: what all of that last part then costs, read once from its start with the state
carried. Bits per character and bits per byte can be compared between vocabularies; bits per token cannot. Nothing else
may run on the machine.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import afterword
from afterword.text.reading import read_text

VOCABULARIES = ["char", "byte", "bpe:1000"]
TINY_SHAKESPEARE = Path(__file__).parents[2] / "shared" / "data" / "tinyshakespeare.txt"


def measure(first: Path, last: Path, vocabulary: str, minutes: float, seed: int) -> str:
    """Train on `first` and score `last`: a row of the table."""
    with tempfile.TemporaryDirectory() as place:
        out = Path(place, "run")
        options = ["--vocabulary", vocabulary, "--minutes", str(minutes), "--seed", str(seed)]
        command: list[str | Path] = ["train", first, "--base", "none", "--validation", last, "--out", out, *options]
        subprocess.run([sys.executable, "-m", "afterword", *command], check=True, stderr=subprocess.DEVNULL)
        model = afterword.load(out)
    score = model.score(read_text([last])[0])
    return (
        f"{vocabulary:10} {model.tokenizer.rows:6,} {score.characters / score.tokens:16.2f} "
        f"{model.about['training']['steps']:7,} {score.bits_per_character:16.3f} {score.bits_per_byte:11.3f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("text", type=Path, nargs="?", default=TINY_SHAKESPEARE)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    if not chosen.text.exists():
        print(f"skipped: there is no {chosen.text}")
        return
    whole, _ = read_text([chosen.text])
    cut = int(0.9 * len(whole))
    with tempfile.TemporaryDirectory() as place:
        first, last = Path(place, "first.txt"), Path(place, "last.txt")
        first.write_text(whole[:cut], encoding="utf-8")
        last.write_text(whole[cut:], encoding="utf-8")
        print(f"{chosen.text.name}, {chosen.minutes:g} min each, seed {chosen.seed}")
        print("vocabulary   rows characters/token   steps   bits/character   bits/byte", flush=True)
        for vocabulary in VOCABULARIES:
            print(measure(first, last, vocabulary, chosen.minutes, chosen.seed), flush=True)


if __name__ == "__main__":
    main()
