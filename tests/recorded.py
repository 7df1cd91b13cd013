"""What the program writes, scores and stores on this machine, kept before a refactoring and compared after each step.

    python -m tests.recorded keep FILE      write down a hash of each answer and of each model
    python -m tests.recorded compare FILE   derive them again, and print those that differ; exit with 1 if any does

Trains small models for a fixed number of steps from three texts (running text, lines, labelled lines), with and
without a base, with two seeds. Then runs the commands and asks a server. Bits depend on the processor and on the
versions of the libraries, so a file holds on the machine that wrote it. Takes two minutes on two cores.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests import logs
from tests.cases import cases
from tests.serving.server import ENVIRONMENT, SOURCE, serving

PLAY = Path(SOURCE, "afterword/operations/demo-julius-caesar.txt.gz")
SIZES = {
    "": "--base none --hidden-size 48 --num-layers 1 --batch-size 8 --seq-length 32 --steps 40",
    "base-": "--base english --batch-size 4 --seq-length 32 --steps 3",
}
KINDS = {"play": "", "lines": "--lines", "labels": "--labels"}
RULES = {
    "plain": "",
    "cold": "--temperature 0",
    "filters": "--temperature 1 --top-k 20 --top-p 0.9 --min-p 0.02",
    "penalty": "--temperature 0.5 --repetition-penalty 2",
    "lstm": "--with lstm",
    "stop": "--stop th --temperature 1",
    "only": "--only 'abcdefghijklmnopqrstuvwxyz '",
    "contains": "--contains the",
    "starts-with": "--starts-with 'The '",
    "pattern": "--pattern '[A-Z][a-z ]{5,40}[.]'",
    "no-copy": "--no-copy 20",
    "best-of": "--best-of 3",
    "bias": "--logit-bias e=-3",
    "log-probabilities": "--log-probabilities 3",
}
OF_EACH = {
    "generate {} one": "generate {}-0 --prompt Bru --seed 7",
    "score {}": "score {}-0 other.txt --json",
    "score {} lines": "score {}-0 other.txt --lines --csv",
    "surprises {}": "surprises {}-0 other.txt --json",
    "novelty {}": "novelty {}-0 --num 20 --seed 1 --json",
    "inspect {}": "inspect {}-0 'Brutus is here.' --json",
    "info {}": "info {}-0",
}
OTHERS = {
    "generate labels label": "generate labels-0 --label short --num 12 --seed 5 --json",
    "generate lines unique": "generate lines-0 --unique --num 30 --seed 5 --json",
    "generate lines novel": "generate lines-0 --novel --num 30 --seed 5 --json",
    "generate base": "generate english --prompt 'The old' --num 2 --seed 3 --json",
    "generate play from base": "generate play-base-0 --num 2 --seed 3 --json",
    "score adapt": "score play-0 other.txt --adapt --json",
    "score base": "score english other.txt --json",
    "compare": "compare play-0 play-1 --file other.txt --json",
}
HTTP = [
    ("completion", "/v1/completions", {"prompt": "Bru", "max_tokens": 60, "seed": 3}),
    ("echo", "/v1/completions", {"prompt": "Brutus", "seed": 1, "max_tokens": 1, "echo": True, "logprobs": 1}),
    ("score", "/v1/score", {"text": "Friends, Romans, countrymen"}),
    ("next", "/v1/next", {"prompt": "Friends, "}),
]


def write_texts(place: Path) -> None:
    """Write the texts, two logs, and the files of wings."""
    play = gzip.decompress(PLAY.read_bytes()).decode()
    lines = [line for line in play.splitlines() if line.strip()]
    labelled = [f"{'long' if len(line) > 40 else 'short'}\t{line}" for line in lines]
    other = [*lines[200:230], "The gates stay open,  and nobody came."]
    logged = {"good.log": list(logs.lines(1500, 1)), "today.log": logs.planted(400, 2, 3)[0]}
    for name, some in {"lines.txt": lines, "labels.txt": labelled, "other.txt": other, **logged}.items():
        (place / name).write_text("\n".join([*some, ""]), "utf-8")
    for name, content in {"play.txt": play.encode(), **cases("FILES")}.items():
        (place / name).write_bytes(content)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each command whose answer is kept."""
    for kind in KINDS:
        for name, rule in RULES.items():
            if kind != "labels" or name not in ("pattern", "starts-with", "contains"):
                more = "--num 12 --seed 5 --max-tokens 80 --json"
                yield f"generate {kind} {name}", shlex.split(f"generate {kind}-0 {rule} {more}")
        for name, line in OF_EACH.items():
            yield name.format(kind), shlex.split(line.format(kind))
    for name, line in OTHERS.items():
        yield name, shlex.split(line)
    yield from cases("RECORDED").items()


def answers(place: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each name and what was written."""

    def run(*arguments: str) -> bytes:
        command = [sys.executable, "-m", "afterword", *arguments]
        done = subprocess.run(command, cwd=place, env=ENVIRONMENT, capture_output=True)
        return done.stdout if done.returncode == 0 else b"exit %d: %s" % (done.returncode, done.stderr)

    for kind, how in KINDS.items():
        for model, seed, sizes in ((f"{kind}-{base}{k}", k, size) for k in (0, 1) for base, size in SIZES.items()):
            options = f"--out {model} --seed {seed} {how} {sizes} --threads 1 --progress none"
            run("train", f"{kind}.txt", *options.split())
            for file in ("model.safetensors", "ngram.safetensors", "tokenizer.json"):
                path = place / model / "model" / file
                yield f"model {model} {file}", path.read_bytes() if path.exists() else b"missing"
    for name, arguments in commands():
        yield name, run(*arguments)
        for path in (Path(place, each) for each in arguments if each.startswith("play.")):
            written = path.read_bytes() if path.exists() else b"missing"
            yield f"{name} file", written if path.suffix != ".keras" else str(len(written)).encode()
    with serving(place / "play-0", place / "lines-0") as server:
        for name, route, body in [*HTTP, *cases("RECORDED_HTTP")]:
            reply = server.post(route, {"model": "play-0", **body})
            text = json.dumps({k: v for k, v in reply.json.items() if k not in ("id", "created")}, sort_keys=True)
            yield f"http {name}", f"{reply.status} {text}".encode()


def derived() -> dict[str, str]:
    """Return, by name, a hash of each answer, and how it begins."""
    with tempfile.TemporaryDirectory() as folder:
        write_texts(Path(folder))
        found = {}
        for name, content in answers(Path(folder)):
            content = content.replace(folder.encode(), b"")
            found[name] = f"{hashlib.sha256(content).hexdigest()[:16]} {content[:300]!r}"
            print(f"\r{len(found):4} {name:60}", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("what", choices=("keep", "compare"))
    parser.add_argument("file", type=Path)
    chosen = parser.parse_args()
    now = derived()
    if chosen.what == "keep":
        chosen.file.write_text(json.dumps(now, indent=1) + "\n", "utf-8")
        print(f"{len(now)} answers kept in {chosen.file}")
        return
    before = json.loads(chosen.file.read_text("utf-8"))
    different = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    for name in different:
        print(f"{name}\n  before {before.get(name)}\n  now    {now.get(name)}")
    print(f"{len(different)} of {len(now)} answers differ")
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
