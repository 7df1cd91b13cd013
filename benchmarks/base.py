"""What a base model brings: the figures of docs/figures.md on bases.

    python -m benchmarks.base rows          each row of the table, from the base and from scratch
    python -m benchmarks.base untouched     the base as it is, on the held-out part of each text
    python -m benchmarks.base ppmd          PPMd on the same, which goes on learning as it reads
    python -m benchmarks.base choice        whether the default takes the better way, on texts of many kinds
    python -m benchmarks.base kinds FOLDER  the base as it is, on held-out books: FOLDER/KIND.txt, FOLDER/GROUP/KIND.txt
    python -m benchmarks.base start         what loading and matching the base adds to a start
    python -m benchmarks.base table         the tables, of benchmarks/results/base.jsonl

Each takes --only NAME, again and again, for some rows or texts, and --base MODEL for another base than the one that
ships. Alone on the machine. The texts are those of benchmarks/base_subjects.py. Runs go through the real command, with
the held-out part as --validation, and are scored as in benchmarks/quality.py: the whole held-out part, read once with
the state carried, or 1,000 lines, each from an empty state; of tinyshakespeare also nanoGPT's windows. A figure is that
of the LSTM and the n-gram together, and in brackets of the LSTM alone.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from afterword.bases.base import load_base
from afterword.planning.expectation import GAIN_FROM_BASE, SOON, expectation_from_base
from afterword.scoring.costs import score_lines
from benchmarks.base_subjects import SOURCES, Subject, subjects
from benchmarks.commands import (
    CACHE,
    as_written,
    bits,
    echo_row,
    echo_table,
    measured_here,
    run_afterword,
    write_parts,
    write_result,
)
from benchmarks.commands import ppmd as ppmd_nats
from benchmarks.commands import results as all_results
from benchmarks.quality import USED, costs, learned, spread

ENGLISH, NONE = "english", "none"
KINDS = ("carried", "windows", "lines")  # of figures, where a text has them
MOST_OF_A_KIND = 100_000  # characters of held-out books that are read
WITHIN = 0.01  # of the better way's figure, where the default is right


@dataclass(frozen=True)
class Row:
    """One row of the table: what is trained on, for how long, and how often."""

    text: str
    minutes: float
    seeds: int = 1
    base: str = "english"


ROWS = {
    "julius-caesar-2": Row("julius-caesar", 2, seeds=3),
    "julius-caesar-0.5": Row("julius-caesar", 0.5),
    "julius-caesar-30k-1": Row("julius-caesar-30k", 1),
    "julius-caesar-8k-0.5": Row("julius-caesar-8k", 0.5),
    "tinyshakespeare-2": Row("tinyshakespeare", 2, seeds=3),
    "tinyshakespeare-5": Row("tinyshakespeare", 5),
    "tinyshakespeare-20": Row("tinyshakespeare", 20),
    "english-docs-2": Row("english-docs", 2, seeds=3),
    "english-news-2": Row("english-news", 2, seeds=3),
    "paralyse-2": Row("paralyse", 2, seeds=3, base="german"),
    "esclave-amoureuse-2": Row("esclave-amoureuse", 2, seeds=3, base="french"),
    "a-todo-honor-2": Row("a-todo-honor", 2, seeds=3, base="spanish"),
}
ROW_COLUMNS = ["text", "time", "read", "from the base", "from scratch", "the base as it is", "PPMd"]
CHOICE_COLUMNS = ["text", "seen", "from the base, bits per character", "from scratch", "the default takes"]
CHOICE_COLUMNS += ["above the better", "within 1 %", "because", "the plan took"]
EXPECTATION_COLUMNS = ["text", "characters read", "base and n-gram before", "expected, bits per character", "what came"]
EXPECTATION_COLUMNS += ["as expected"]
KIND_COLUMNS = ["held-out texts", "characters", "bits per character"]
CHOICE = [name for name in SOURCES if name != "tinyshakespeare"]

base_option = click.option("--base", default=ENGLISH, show_default=True, metavar="MODEL", help="a model to begin from")
cache_option = click.option("--cache", type=click.Path(path_type=Path), default=CACHE, show_default=True)


def only(names: Sequence[str]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option("--only", multiple=True, type=click.Choice(list(names)), help="again and again; else all")


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="Train for the rows of the table, from the base and from scratch.")
@only(list(ROWS))
@click.option("--seeds", type=int, help="how many; else what the row says")
@click.option("--steps", type=int, help="of each run, in place of its minutes; the table leaves such runs out")
@click.option("--no-from-nothing", is_flag=True, help="from the base only; --base none: from scratch only")
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path), help="keep the runs in this folder")
@base_option
@cache_option
def rows(
    only: Sequence[str],
    seeds: int | None,
    steps: int | None,
    no_from_nothing: bool,
    keep: Path | None,
    base: str,
    cache: Path,
) -> None:
    for name in only or [name for name, row in ROWS.items() if row.base == base]:
        row = ROWS[name]
        for text in subjects([row.text], cache):
            for seed in range(seeds or row.seeds):
                for way in dict.fromkeys([base] if no_from_nothing else [base, NONE]):
                    train(name, text, row.minutes, seed, way, keep and keep / f"{name}-{way}-{seed}", steps)


@main.command(help="Train on texts of many kinds from the base and from scratch, beside what the default decides.")
@only(CHOICE)
@click.option("--minutes", type=float, default=1, show_default=True)
@click.option("--again", is_flag=True, help="ask the plan anew, beside what was learned before")
@base_option
@cache_option
def choice(only: Sequence[str], minutes: float, again: bool, base: str, cache: Path) -> None:
    for text in subjects(only or CHOICE, cache):
        decided = plan(text, minutes)
        figures = {}
        for way in (base, NONE):
            known = list(results("run", row="choice", text=text.name, minutes=minutes, way=way)) if again else []
            figures[way] = (known[-1] if known else train("choice", text, minutes, 0, way))["figures"]
        english, none = used(figures[base]), used(figures[NONE])
        result = {"seen": text.seen, "minutes": minutes, "english": english, "none": none, **decided}
        write("choice", text=text.name, base=base, **result)
        echo_row(choice_row({"text": text.name, **result}))


@main.command(help="Score the held-out part of each text with the base as it is.")
@only(list(SOURCES))
@base_option
@cache_option
def untouched(only: Sequence[str], base: str, cache: Path) -> None:
    model = load_base(base).model
    for text in subjects(only, cache):
        figures = costs(model, text.held_out)
        write("untouched", text=text.name, base=base, figures=figures)
        click.echo(f"{text.name}, {base} as it is: {in_words(figures)}")


@main.command(help="Compress the held-out part of each text by PPMd, after what models learn from.")
@only(list(SOURCES))
@cache_option
def ppmd(only: Sequence[str], cache: Path) -> None:
    for text in subjects(only, cache):
        nats = ppmd_nats(text.training, text.held_out)
        write("ppmd", text=text.name, nats=nats)
        click.echo(f"{text.name}, PPMd: {unit(nats)}")


@main.command(help="Score at most 100,000 characters of each text in FOLDER and its folders with the base as it is.")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@base_option
def kinds(folder: Path, base: str) -> None:
    model = load_base(base).model
    texts = {
        path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8")[:MOST_OF_A_KIND]
        for path in sorted(folder.rglob("*.txt"))
    }
    figures = {}
    read = score_lines(model.predictor(), model.tokenizer, texts.values())  # side by side takes half the time
    for (name, text), cost in zip(texts.items(), read, strict=True):
        nats = float(cost.token_nats[:-1].sum()) / len(text)  # without the end
        figures[name] = {"nats": nats, "characters": len(text)}
    write("kinds", base=base, figures=figures)
    echo_table(KIND_COLUMNS, kind_rows(figures))


START = """
import json, sys, time
moments = [time.perf_counter()]
from afterword.bases.base import load_base
moments.append(time.perf_counter())
base = load_base(sys.argv[1])
moments.append(time.perf_counter())
base.fingerprint
moments.append(time.perf_counter())
tokenizer = base.model.tokenizer.for_text("".join(set(open(sys.argv[2], encoding="utf-8").read())), lowercase=False)
moments.append(time.perf_counter())
base.weights_for(tokenizer, lines=False, seed=0)
moments.append(time.perf_counter())
print(json.dumps([after - before for before, after in zip(moments, moments[1:])]))
"""


@main.command(help="Time loading and matching the base, in processes started anew.")
@click.option("--runs", type=int, default=9, show_default=True)
@base_option
@cache_option
def start(runs: int, base: str, cache: Path) -> None:
    times = []
    with tempfile.TemporaryDirectory() as place:
        [text] = subjects(["julius-caesar"], cache)
        command: list[str | Path] = [
            sys.executable,
            "-c",
            START,
            base,
            write_parts(Path(place), text.training, text.held_out)[0],
        ]
        for _ in range(runs + 1):  # the first fills the caches
            times.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    names = ("import", "load", "fingerprint", "tokenizer", "match")
    seconds = dict(zip(names, map(statistics.median, zip(*times[1:], strict=True)), strict=True))
    seconds["added"] = seconds["load"] + seconds["fingerprint"] + seconds["match"]
    write("start", base=base, runs=runs, seconds=seconds)
    click.echo(seconds_in_words(seconds))


def seconds_in_words(seconds: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {took:.3f} s" for name, took in seconds.items())


@main.command(help="Print the tables of what was measured.")
@click.option("--base", default=ENGLISH, show_default=True, metavar="MODEL", help="the base that it was measured with")
def table(base: str) -> None:
    echo_table(ROW_COLUMNS, row_table(base))
    newest = {(result["text"], result["minutes"]): result for result in results("choice", base=base)}
    echo_table(CHOICE_COLUMNS, map(choice_row, newest.values()))
    figures = {name: figure for result in results("kinds", base=base) for name, figure in result["figures"].items()}
    echo_table(KIND_COLUMNS, kind_rows(figures))  # the newest of each kind
    for result in list(results("start", base=base))[-1:]:
        click.echo(f"Starting: {seconds_in_words(result['seconds'])}.")
    echo_table(EXPECTATION_COLUMNS, expectation_table(base))


def train(
    row: str,
    text: Subject,
    minutes: float,
    seed: int,
    way: str,
    keep: Path | None = None,
    steps: int | None = None,
) -> dict[str, Any]:
    """Train on `text` and record and print the result."""
    if steps is not None:
        row = f"{row}, {steps} steps"
    length = ["--minutes", str(minutes)] if steps is None else ["--steps", str(steps)]
    # the text as it is: the held-out part is scored with its line breaks
    options = ["--base", way, *length, "--seed", str(seed), "--unwrap", "no"]
    result = learned(text.training, text.held_out, options, lines=text.lines, keep=keep)
    write("run", row=row, text=text.name, minutes=minutes, seed=seed, way=way, gain=[GAIN_FROM_BASE, SOON], **result)
    click.echo(
        f"{row}, {text.name}, {minutes:g} min, seed {seed}, --base {way}: {in_words(result['figures'])}; "
        f"{result['steps']} steps in {result['training_seconds']:.1f} s, the best at {result['best_step']}"
    )
    return result


def plan(text: Subject, minutes: float) -> dict[str, Any]:
    """What the default decides, by what reason, and how long the command takes."""
    with tempfile.TemporaryDirectory() as place:
        first, last = write_parts(Path(place), text.training, text.held_out)
        began = time.monotonic()
        asked = ["--validation", last, "--minutes", minutes, *["--lines"] * text.lines]
        planned = json.loads(run_afterword("plan", first, *asked, "--json"))
        took = time.monotonic() - began
    chosen = planned["base"]["name"] if planned["base"] else NONE
    return {"auto": chosen, "reason": planned["reasons"].get("base"), "plan_seconds": round(took, 2)}


def write(what: str, **result: Any) -> None:
    write_result("base", **({"what": what} | measured_here() | result))


def results(what: str, **same: Any) -> Iterator[dict[str, Any]]:
    """Yield the results of one kind, oldest first."""
    return all_results("base", what=what, **same)


def used(figures: Mapping[str, float]) -> float:
    """The figure that a text is judged by, in nats per character: of the mixture."""
    return figures["lines both"] if "lines both" in figures else figures["carried both"]


def unit(nats: float) -> str:
    return f"{bits(nats):.3f} bits per character"


def in_words(figures: Mapping[str, float]) -> str:
    """All figures, in bits per character."""
    return "; ".join(
        f"{kind} {bits(figures[f'{kind} both']):.3f} ({bits(figures[f'{kind} lstm']):.3f}) bits per character"
        for kind in KINDS
        if f"{kind} both" in figures
    )


def row_table(base: str) -> Iterator[list[str]]:
    """Yield the figures of the rows, in bits per character, of the newest run for each seed."""
    plain = {result["text"]: result["figures"] for result in results("untouched", base=base)}
    packed = {result["text"]: result["nats"] for result in results("ppmd")}
    for name, row in ROWS.items():
        newest = {(result["way"], result["seed"]): result["figures"] for result in results("run", row=name)}
        runs = [[newest[key] for key in sorted(newest) if key[0] == way] for way in (base, NONE)]
        if not any(runs):
            continue
        for kind in KINDS[:2] if row.text == "tinyshakespeare" else KINDS[:1]:
            cells = [spread_of(figures, kind) for figures in runs]
            alone = plain.get(row.text, {}).get(f"{kind} both")
            ppmd = packed.get(row.text) if kind == "carried" else None
            cells += ["–" if nats is None else f"{bits(nats):.3f}" for nats in (alone, ppmd)]
            yield [row.text, f"{row.minutes:g} min", kind, *cells]


def spread_of(figures: Sequence[Mapping[str, float]], kind: str) -> str:
    """The mean of some runs and from where to where they go, and in brackets the mean of their LSTMs alone."""
    if not figures:
        return "–"
    both, lstm = ([bits(figure[f"{kind} {using}"]) for figure in figures] for using in USED)
    return f"**{spread(both)}** ({statistics.mean(lstm):.3f})"


def choice_row(result: Mapping[str, Any]) -> list[str]:
    """Return what the default decides for a text, compared with the better way."""
    chosen = result["none"] if result["auto"] == NONE else result["english"]
    over = chosen / min(result["english"], result["none"]) - 1
    both = [f"{bits(result[way]):.3f}" for way in ("english", "none")]
    judged = "yes" if over <= WITHIN else "**no**"
    decided = [result["auto"], f"{over:.1%}", judged, result["reason"] or "", f"{result['plan_seconds']:.1f} s"]
    return [result["text"], "yes" if result["seen"] else "no", *both, *decided]


def kind_rows(figures: Mapping[str, Mapping[str, float]]) -> Iterator[list[str]]:
    """Yield the figure of each kind, and the mean of each group: the kinds of one folder."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in figures:
        groups[name[: name.rfind("/") + 1]].append(name)
    for group, names in sorted(groups.items()):
        characters = sum(figures[name]["characters"] for name in names)
        mean = sum(figures[name]["characters"] * figures[name]["nats"] for name in names) / characters
        rows = [(name, figures[name]["characters"], figures[name]["nats"]) for name in names]
        for name, number, nats in [*rows, (f"{group}all", characters, mean)]:
            yield [name, f"{number:,}", f"{bits(nats):.3f}"]


def expectation_table(base: str) -> Iterator[list[str]]:
    """Yield what today's rule expects of runs from the base, and what came; running text only."""
    for result in results("run", way=base):
        figures, recipe, then = result["figures"], result["plan"], result["expected"]
        if "carried both" not in figures or then is None:
            continue
        size = result.get("corpus", {"characters": 1, "tokens": 1})  # at first, a token was a character
        step = recipe["batch_size"] * recipe["seq_length"] * size["characters"] / size["tokens"]
        gain, soon = result["gain"]  # of the rule by which it was expected
        before = then["likely"] / (1 + gain * math.expm1(-recipe["steps"] * step / soon))
        now = expectation_from_base(before, result["steps"] * step)
        assert now is not None
        came = figures["carried both"]
        low_to_high = [*map(bits, (before, now.low, now.high, came))]
        cells = [f"{low_to_high[0]:.3f}", f"{low_to_high[1]:.2f}–{low_to_high[2]:.2f}", f"{low_to_high[3]:.3f}"]
        right = "yes" if now.low <= came <= now.high else "**no**"
        yield [f"{result['text']}, {result['minutes']:g} min", f"{result['steps'] * step:,.0f}", *cells, right]


if __name__ == "__main__":
    main()
