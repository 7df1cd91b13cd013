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
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.cases import cases
from tests.serving.server import ENVIRONMENT, SOURCE, serving

PLAY = Path(SOURCE, "afterword/operations/demo-julius-caesar.txt.gz")
SMALL = ["--hidden-size", "48", "--num-layers", "1", "--batch-size", "8", "--seq-length", "32", "--steps", "40"]
SMALL += ["--threads", "1", "--progress", "none"]
FROM_BASE = ["--base", "english", "--batch-size", "4", "--seq-length", "32", "--steps", "3", "--threads", "1"]
FROM_BASE += ["--progress", "none"]
KINDS = {"play": (), "lines": ("--lines",), "labels": ("--labels",)}
RULES: dict[str, tuple[str, ...]] = {
    "plain": (),
    "cold": ("--temperature", "0"),
    "filters": ("--temperature", "1", "--top-k", "20", "--top-p", "0.9", "--min-p", "0.02"),
    "penalty": ("--temperature", "0.5", "--repetition-penalty", "2"),
    "lstm": ("--with", "lstm"),
    "stop": ("--stop", "th", "--temperature", "1"),
    "only": ("--only", "abcdefghijklmnopqrstuvwxyz "),
    "contains": ("--contains", "the"),
    "starts-with": ("--starts-with", "The "),
    "pattern": ("--pattern", "[A-Z][a-z ]{5,40}[.]"),
    "no-copy": ("--no-copy", "20"),
    "best-of": ("--best-of", "3"),
    "bias": ("--logit-bias", "e=-3"),
    "log-probabilities": ("--log-probabilities", "3"),
}


def write_texts(place: Path) -> None:
    """Write the texts, a log, and the files of wings."""
    play = gzip.decompress(PLAY.read_bytes()).decode()
    lines = [line for line in play.splitlines() if line.strip()]
    (place / "play.txt").write_text(play, "utf-8")
    (place / "lines.txt").write_text("\n".join([*lines, ""]), "utf-8")
    labelled = [f"{'long' if len(line) > 40 else 'short'}\t{line}" for line in lines]
    (place / "labels.txt").write_text("\n".join([*labelled, ""]), "utf-8")
    (place / "other.txt").write_text(
        "\n".join([*lines[200:230], "The gates stay open,  and nobody came.", ""]), "utf-8"
    )
    draw = random.Random(1)
    for name, count in (("good.log", 1500), ("today.log", 400)):
        log = [
            f"Jan {1 + k // 300:2} 10:{k // 60 % 60:02}:{k % 60:02} "
            + f"host-{draw.randrange(3)} app[{draw.randrange(400, 999)}]: "
            + draw.choice(
                [
                    f"login user={draw.choice(['ann', 'bob', 'cat', 'dan'])} from 10.0.0.{draw.randrange(1, 9)} ok",
                    f"job {draw.randrange(10_000)} done in {draw.randrange(5, 60)} ms",
                    f"cache size {draw.randrange(100, 200)} MB",
                ]
            )
            for k in range(count)
        ]
        if name == "today.log":
            log[50:50] = ["Jan  9 11:11:11 host-1 kernel: out of memory: killed process 77"]
            log[90:90] = ["Jan  9 11:12:11 host-1 app[500]: login user=eve from 10.0.0.77 ok"]
            log[200:200] = ["Jan  9 11:13:11 host-1 app[500]: cache size 900 MB"] * 30
        (place / name).write_text("\n".join([*log, ""]), "utf-8")
    for name, content in cases("FILES").items():
        (place / name).write_bytes(content)


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the name and the arguments of each command whose answer is kept."""
    for kind in KINDS:
        model = f"{kind}-0"
        for name, rule in RULES.items():
            if name in ("pattern", "starts-with", "contains") and kind == "labels":
                continue
            more = ["--num", "12", "--seed", "5", "--max-tokens", "80", "--json"]
            yield f"generate {kind} {name}", ["generate", model, *rule, *more]
        yield f"generate {kind} one", ["generate", model, "--prompt", "Bru", "--seed", "7"]
        yield f"score {kind}", ["score", model, "other.txt", "--json"]
        yield f"score {kind} lines", ["score", model, "other.txt", "--lines", "--csv"]
        yield f"surprises {kind}", ["surprises", model, "other.txt", "--json"]
        yield f"novelty {kind}", ["novelty", model, "--num", "20", "--seed", "1", "--json"]
        yield f"inspect {kind}", ["inspect", model, "Brutus is here.", "--json"]
        yield f"info {kind}", ["info", model]
    yield "generate labels label", ["generate", "labels-0", "--label", "short", "--num", "12", "--seed", "5", "--json"]
    yield "generate lines unique", ["generate", "lines-0", "--unique", "--num", "30", "--seed", "5", "--json"]
    yield "generate lines novel", ["generate", "lines-0", "--novel", "--num", "30", "--seed", "5", "--json"]
    yield "generate base", ["generate", "english", "--prompt", "The old", "--num", "2", "--seed", "3", "--json"]
    yield "generate play from base", ["generate", "play-base-0", "--num", "2", "--seed", "3", "--json"]
    yield "score adapt", ["score", "play-0", "other.txt", "--adapt", "--json"]
    yield "score base", ["score", "english", "other.txt", "--json"]
    yield "compare", ["compare", "play-0", "play-1", "--file", "other.txt", "--json"]
    yield from cases("RECORDED").items()


def answers(place: Path) -> Iterator[tuple[str, bytes]]:
    """Yield each name and what was written."""

    def run(*arguments: str) -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "afterword", *arguments], cwd=place, env=ENVIRONMENT, capture_output=True
        )
        return done.stdout if done.returncode == 0 else b"exit %d: %s" % (done.returncode, done.stderr)

    for kind, how in KINDS.items():
        for seed in ("0", "1"):
            model = f"{kind}-{seed}"
            for name, sizes in ((model, ["--base", "none", *SMALL]), (f"{kind}-base-{seed}", FROM_BASE)):
                run("train", f"{kind}.txt", "--out", name, "--seed", seed, *how, *sizes)
                for file in ("model.safetensors", "ngram.safetensors", "tokenizer.json"):
                    path = place / name / "model" / file
                    yield f"model {name} {file}", path.read_bytes() if path.exists() else b"missing"
    for name, arguments in commands():
        found = run(*arguments)
        yield name, found
        for path in (Path(place, each) for each in arguments if each.startswith("play.")):
            written = path.read_bytes() if path.exists() else b"missing"
            yield f"{name} file", written if path.suffix != ".keras" else str(len(written)).encode()
    with serving(place / "play-0", place / "lines-0") as server:
        for name, route, body in (
            ("completion", "/v1/completions", {"model": "play-0", "prompt": "Bru", "max_tokens": 60, "seed": 3}),
            (
                "echo",
                "/v1/completions",
                {"model": "play-0", "prompt": "Brutus", "seed": 1, "max_tokens": 1, "echo": True, "logprobs": 1},
            ),
            ("score", "/v1/score", {"model": "play-0", "text": "Friends, Romans, countrymen"}),
            ("next", "/v1/next", {"model": "play-0", "prompt": "Friends, "}),
            *cases("RECORDED_HTTP"),
        ):
            reply = server.post(route, body)
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
