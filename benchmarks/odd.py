"""How well odd lines are told from normal ones, how many false alarms there are, and how fast lines are scored.

    python -m benchmarks.odd dga          names of malware's domain generators among much visited ones
    python -m benchmarks.odd unseen       families of such names that neither of two models has learned
    python -m benchmarks.odd adfa         attacks among traces of system calls
    python -m benchmarks.odd bgl          alerts in BlueGene/L's log, without and with masks
    python -m benchmarks.odd planted      ten kinds of changed lines in a generated log, by `afterword odd`
    python -m benchmarks.odd real LOG     ten kinds of odd lines planted in the second half of a log, by `afterword odd`
                                          (ten others with --fresh)
    python -m benchmarks.odd peers        twelve kinds of odd lines in eight logs, beside other detectors
    python -m benchmarks.odd splits LOG   false alarms of `afterword odd` in ten random halves of a log
    python -m benchmarks.odd alarms       false alarms found, beside the rate that was asked for
    python -m benchmarks.odd memory       the peak memory of scoring long files
    python -m benchmarks.odd throughput   characters per second, beside what matrix products allow

Alone on the machine. Models are trained from scratch by the real command and kept in .cache/odd, where they are found
again: delete that to measure anew. The score of a line is its figure, as `odd_lines` tells it after calibration; its
bits per character stand beside it, and simple detectors that learned from the same lines: n-grams of
benchmarks/detection.py, and Drain3's templates, which run in an environment of their own, .venv-drain, made where it is
missing. Results go to benchmarks/results/odd.jsonl. With --trial, in front of the command, everything is done with a
twentieth of the lines and 0.1 minutes, to see that it runs, and nothing is written down.
"""

from __future__ import annotations

import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import click
import numpy as np

from afterword.language_model import LanguageModel, load
from afterword.scoring.costs import score, score_lines
from afterword.text.lines import Masks
from afterword.wings.odd.normal import calibrated, odd_lines
from benchmarks.commands import (
    CACHE,
    DATA,
    as_written,
    echo_table,
    machine,
    measured_here,
    peer_python,
    run_afterword,
    run_peer,
    write_result,
)
from benchmarks.detection import Floats, Grams, auc, pr_auc, precision_at
from benchmarks.molecules import molecules
from benchmarks.plants import EACH, KINDS, SHIPPED, Planted
from benchmarks.plants import logs as planted_logs
from benchmarks.random_models import random_model
from tests import logs

SEED, LISTED = 0, 50
FIGURE, BITS = "Afterword", "bits per character"
HALF = 0.5  # as the rate of false alarms, where only figures and p-values are asked for
Lines = Sequence[str]
Scores = dict[str, Floats]  # by detector


@dataclass(frozen=True)
class Extent:
    """How much is done: all of it, or a trial."""

    trial: bool = False

    def lines(self, number: int) -> int:
        return number // 20 if self.trial else number

    def minutes(self, minutes: float) -> float:
        return 0.1 if self.trial else minutes


@click.group(help=as_written(__doc__))
@click.option("--trial", is_flag=True, help="a twentieth of the lines, 0.1 minutes, and no results")
@click.pass_context
def main(context: click.Context, trial: bool) -> None:
    context.obj = Extent(trial)


DGA_ASKED = {
    "zeus": 0.998,
    "cryptolocker": 0.984,
    "tinba": 0.984,
    "ramdo": 0.981,
    "conficker": 0.971,
    "pushdo": 0.916,
    "rovnix": 0.584,
    "matsnu": 0.493,
    "pooled": 0.864,
}
AGAINST_ASKED = 0.99


def generated_names(most: int) -> dict[str, list[str]]:
    """Return up to `most` domain names of each family."""
    return {name: shuffled(read(DATA / "dga" / f"{name}.txt"))[:most] for name in DGA_ASKED if name != "pooled"}


@main.command(help="AUC of each family of generated domain names, and of a model of those against one of normal names.")
@click.pass_obj
def dga(extent: Extent) -> None:
    train, calibrate, test = parts(shuffled(read(DATA / "dga" / "benign.txt")), extent, 80_000, 5_000, 15_000)
    families = generated_names(extent.lines(5_000))
    model = load(trained("dga", train, extent.minutes(2)))
    judging, grams = calibrated(model, calibrate), Grams(train, 5)
    normal = judged(judging, test) | {"5-gram": costs(grams, test)}
    odd = {name: judged(judging, lines) | {"5-gram": costs(grams, lines)} for name, lines in families.items()}
    odd["pooled"] = {way: np.concatenate([scores[way] for scores in odd.values()]) for way in normal}
    aucs = {name: {way: auc(scores[way], normal[way]) for way in normal} for name, scores in odd.items()}

    generated = shuffled(sorted(set(chain(*families.values())) - set(train) - set(test)))
    learned, held_out = generated[: len(generated) * 4 // 5], generated[len(generated) * 4 // 5 :]
    against = load(trained("dga-against", learned, extent.minutes(2)))
    ratios = {
        name: log_likelihood_ratios(model, against, lines)
        for name, lines in {
            "normal": test,
            "pooled": held_out,
            **{name: sorted(set(held_out) & set(lines)) for name, lines in families.items()},
        }.items()
    }
    for name, found in aucs.items():
        found["against"] = auc(ratios[name], ratios["normal"])
    echo_table(
        ["family", FIGURE, BITS, "5-gram", "asked", "against a model of generated names", "asked"],
        [
            [
                name,
                *(f"{found[way]:.3f}" for way in normal),
                f"{DGA_ASKED[name]:.3f}",
                f"{found['against']:.4f}",
                f"{AGAINST_ASKED}" if name == "pooled" else "",
            ]
            for name, found in aucs.items()
        ],
    )
    write(extent, "dga", auc=aucs, tested=len(test), against_tested=len(held_out))


UNSEEN = ("pushdo", "rovnix", "matsnu")


@main.command(
    help=f"AUC of {', '.join(UNSEEN)} for a model of ordinary names, alone and against one of other families."
)
@click.pass_obj
def unseen(extent: Extent) -> None:
    train, calibrate, test = parts(shuffled(read(DATA / "dga" / "benign.txt")), extent, 20_000, 2_000, 2_000)
    families = generated_names(extent.lines(2_000))
    known = {name: split(lines, len(lines) * 4 // 5) for name, lines in families.items() if name not in UNSEEN}
    model = load(trained("unseen", train, extent.minutes(0.5)))
    against = load(
        trained("unseen-against", shuffled([*chain(*(some for some, _ in known.values()))]), extent.minutes(0.5))
    )
    judging = calibrated(model, calibrate)
    normal = judged(judging, test) | {"against": log_likelihood_ratios(model, against, test)}
    tested = {name: held_out for name, (_, held_out) in known.items()} | {name: families[name] for name in UNSEEN}
    aucs: dict[str, dict[str, float]] = {}
    for name, lines in tested.items():
        scores = judged(judging, lines) | {"against": log_likelihood_ratios(model, against, lines)}
        aucs[name] = {way: auc(scores[way], normal[way]) for way in normal}
    echo_table(
        ["family", "learned", *normal],
        [
            [name, "no" if name in UNSEEN else "yes", *(f"{found[way]:.3f}" for way in normal)]
            for name, found in aucs.items()
        ],
    )
    write(extent, "unseen", auc=aucs, tested=len(test))


@main.command(help="AUC of attacks among traces of system calls.")
@click.option(
    "--normal", type=int, default=1_000, show_default=True, help="so many normal traces are tested, at random"
)
@click.pass_obj
def adfa(extent: Extent, normal: int) -> None:
    train, usual, attacks = (read(DATA / "adfa-ld" / f"{name}.txt") for name in ("training", "normal", "attack"))
    usual = shuffled(usual)
    kept = len(usual) // 5
    calibrate, test = usual[: extent.lines(kept)], usual[kept:][: extent.lines(normal)]
    attacks = shuffled(attacks)[: extent.lines(len(attacks))]
    aucs: dict[str, float] = {}
    model = calibrated(load(trained("adfa", train, extent.minutes(2))), calibrate)
    figures, attacked = judged(model, test), judged(model, attacks)
    aucs |= {f"{way}, of characters": auc(attacked[way], figures[way]) for way in figures}
    grams = Grams(map(words, train), 5)
    for name, way in (("mean cost", grams.cost), ("share of unseen ones", grams.unseen)):
        found, attacked_by = ([way(words(trace)) for trace in traces] for traces in (test, attacks))
        aucs[f"5-grams of calls: {name}"] = auc(np.array(attacked_by), np.array(found))
    click.echo(
        f"{len(calibrate):,} normal traces to calibrate with; {len(test):,} of the {len(usual) - kept:,} others, drawn "
        f"at random, against {len(attacks):,} attacks"
    )
    echo_table(["detector", "AUC"], [[way, f"{found:.3f}"] for way, found in aucs.items()])
    write(extent, "adfa", auc=aucs, calibrated=len(calibrate), normal=len(test), attacks=len(attacks))


BGL_MASKS = (
    r"\d{4}-\d\d-\d\d-\d\d\.\d\d\.\d\d\.\d+",
    r"\d{4}\.\d\d\.\d\d",
    r"^\d{10}\b",
    r"\bR\d\d(?:-[\w:-]+)?",
    r"\b0x[0-9a-fA-F]+\b",
    r"\b(?=[a-f]*\d)[0-9a-f]{8,}\b",
    r"\d+",
)


@main.command(help="Alerts in 2,000 lines of BlueGene/L's log.")
@click.pass_obj
def bgl(extent: Extent) -> None:
    pairs = [line.split(" ", 1) for line in read(DATA / "BGL_2k.log")]
    good, more = split([line for label, line in pairs if label == "-"], 1000)
    alerts = [line for label, line in pairs if label != "-"]
    tested, is_odd = [*more, *alerts], np.repeat([False, True], [len(more), len(alerts)])
    learned, calibrate = split(good, 800)
    rows, results = [], []
    for masks in ((), BGL_MASKS):
        hide = Masks(masks)
        run = trained("bgl", [*map(hide, learned)], extent.minutes(1))
        scores = judged(calibrated(load(run), calibrate, masks=masks), tested)
        scores |= simple([*map(hide, good)], [*map(hide, tested)])
        for way, found in scores.items():
            figures = [measure(found[is_odd], found[~is_odd]) for measure in (precision_at_listed, pr_auc, auc)]
            rows.append([way, "yes" if masks else "no", *(f"{figure:.3f}" for figure in figures)])
            names = ("precision", "pr_auc", "auc")
            results.append({"detector": way, "masks": bool(masks), **dict(zip(names, figures, strict=True))})
    click.echo(
        f"{len(alerts)} alerts among {len(more)} normal lines: a list in any order has that precision and PR-AUC:"
    )
    click.echo(f"{len(alerts) / len(tested):.3f}")
    echo_table(["detector", "masks", f"precision at {LISTED}", "PR-AUC", "AUC"], rows)
    write(extent, "bgl", detectors=results)


CLOCK = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
SAMPLE = 20_000  # normal lines for the AUC of Afterword; the others score all


@main.command(help="Ten kinds of changed lines in 100,000 of a generated log, by the real `afterword odd`.")
@click.pass_obj
def planted(extent: Extent) -> None:
    good = list(logs.lines(extent.lines(50_000), SEED))
    bad, kinds = logs.planted(extent.lines(100_000), SEED + 1, 5, seconds(good[-1]))
    places = np.array(list(kinds))
    is_odd = np.isin(np.arange(len(bad)), places)
    some = np.sort(np.random.default_rng(SEED).choice(np.flatnonzero(~is_odd), extent.lines(SAMPLE), replace=False))
    names = [function.__name__ for function in logs.KINDS]
    for masks in ((), (CLOCK,)):
        run, listed = odd_command(good, bad, masks, "--network", str(extent.minutes(1)))
        shown = [kinds.get(row["line"] - 1) for row in listed[:LISTED]]
        scores = judged(load(run), [*(bad[place] for place in places), *(bad[place] for place in some)])
        by_way = {way: (found[: len(places)], found[len(places) :]) for way, found in scores.items()}
        hide = Masks(masks)
        by_way |= {
            way: (found[is_odd], found[~is_odd]) for way, found in simple([*map(hide, good)], [*map(hide, bad)]).items()
        }
        precision = {way: precision_at_listed(*found) for way, found in by_way.items()}
        precision[FIGURE] = sum(kind is not None for kind in shown) / LISTED
        del precision[BITS]  # of a part of the lines, it would be another figure
        kind_of = np.array(list(kinds.values()))
        aucs = {
            kind: {way: auc(odd[(kind_of == kind) | (kind == "all")], normal) for way, (odd, normal) in by_way.items()}
            for kind in [*names, "all"]
        }
        click.echo(f"\n{'With the clock masked' if masks else 'Without masks'}, AUC by kind:\n")
        echo_table(
            ["kind", *by_way, f"listed by odd among the first {LISTED}"],
            [
                [
                    kind,
                    *(f"{found:.3f}" for found in row.values()),
                    f"{sum(one is not None and kind in (one, 'all') for one in shown)}",
                ]
                for kind, row in aucs.items()
            ]
            + [
                [
                    f"precision at {LISTED}",
                    *(f"{precision[way]:.2f}" if way in precision else "–" for way in by_way),
                    f"of {min(len(listed), LISTED)}",
                ]
            ],
        )
        write(extent, "planted", masks=masks, precision=precision, auc=aucs, listed=len(listed), shown=shown)


def odd_command(good: Lines, bad: Lines, masks: Sequence[str], *more: str) -> tuple[Path, list[dict[str, Any]]]:
    """The run of `afterword odd --json`, and what it printed: the oddest first."""
    options = [*chain.from_iterable(("--mask", mask) for mask in masks), *more]
    folder = cached("planted", [*good, *bad], None, *options)
    printed = folder / "printed.jsonl"
    if not printed.exists():
        for name, lines in (("good.log", good), ("bad.log", bad)):
            save(folder / name, lines)
        command = ["odd", folder / "good.log", folder / "bad.log", "--json", "--overwrite"]
        text = run_afterword(*command, "--out", folder / "run", *options)
        printed.write_text(text, encoding="utf-8")
    rows = [*map(json.loads, printed.read_text(encoding="utf-8").splitlines())]
    return folder / "run", [row | row["lines"][0] for row in rows if row["odd"]]


log_argument = click.argument("log", type=click.Path(path_type=Path, exists=True, dir_okay=False))
mask_option = click.option("--mask", "masks", multiple=True, default=("[0-9]+",), show_default=True)


@main.command(help="Ten kinds of odd lines, two of each, planted behind the first 1,000 lines of LOG.")
@log_argument
@mask_option
@click.option("--fresh", is_flag=True, help="ten other kinds")
@click.pass_obj
def real(extent: Extent, log: Path, masks: tuple[str, ...], fresh: bool) -> None:
    good, bad = split(read(log), 1000)
    plants = FRESH if fresh else PLANTS
    draw = random.Random(SEED)
    kinds = dict(zip(draw.sample(range(len(bad)), 20), [*plants] * 2, strict=True))
    for number, kind in kinds.items():
        bad[number] = plants[kind](bad[number], draw)
    began = time.monotonic()
    _, listed = odd_command(good, bad, masks)
    found = {kinds[row["line"] - 1] for row in listed if row["line"] - 1 in kinds}
    ordinary = sum(row["count"] for row in listed if row["line"] - 1 not in kinds)
    missing = ", ".join(sorted(set(plants) - found)) or "none"
    click.echo(f"{log.name}: {len(found)} of {len(plants)} kinds are listed (missing: {missing}), and {ordinary} of")
    click.echo(f"{len(bad) - len(kinds):,} ordinary lines; {time.monotonic() - began:.0f} s")
    write(extent, "real", log=log.name, fresh=fresh, masks=masks, kinds=[*found], ordinary=ordinary)


READ = 25  # findings: what somebody reads of a list
NEXT = "next"  # findings that are printed below the rule: not within the rate
ANY_NUMBER = re.compile(r"\b(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*\b|\d+")
Findings = list[tuple[str, list[int]]]  # what found it and the places of its lines, that which is shown first in front


@main.command(help=f"Kinds of planted lines in the first {READ} findings of `afterword odd` and of other detectors.")
@click.option("--only", multiple=True, type=click.Choice([*SHIPPED, "web", "JSON"]), help="these logs (repeatable)")
@click.option("--seeds", default=3, show_default=True)
@click.option("--missing", is_flag=True, help="also print which kinds `odd` does not find")
@click.pass_obj
def peers(extent: Extent, only: tuple[str, ...], seeds: int, missing: bool) -> None:
    click.echo(machine())
    found: dict[str, dict[str, list[list[float]]]] = {}
    for seed in range(1 if extent.trial else seeds):
        for log in planted_logs(seed, only):
            for way, detect in DETECTORS.items():
                began = time.monotonic()
                findings = detect(log)
                took = time.monotonic() - began
                kinds = kinds_found(findings[:READ], log.kinds)
                if missing and way == FIGURE:
                    click.echo(f"{log.name} {seed}: {', '.join(kind for kind in KINDS if kind not in kinds)}")
                listed = {at for how, lines in findings for at in lines if how not in ("episode", NEXT)}
                ordinary = len(listed - log.kinds.keys()) / (len(log.new) - len(log.kinds))
                found.setdefault(log.name, {}).setdefault(way, []).append([len(kinds), ordinary, took])
                write(
                    extent, "peers", log=log.name, seed=seed, detector=way, kinds=kinds, listed=ordinary, seconds=took
                )
    means = {log: {way: np.mean(each, axis=0) for way, each in ways.items()} for log, ways in found.items()}
    for at, title, form in (
        (0, f"kinds of {len(KINDS)} ({EACH} plants each)", "{:.1f}"),
        (1, "ordinary lines listed", "{:.1%}"),
        (2, "seconds", "{:.0f}"),
    ):
        rows = [[log, *(form.format(ways[way][at]) for way in DETECTORS)] for log, ways in means.items()]
        mean = [form.format(np.mean([ways[way][at] for ways in means.values()])) for way in DETECTORS]
        echo_table([title, *DETECTORS], [*rows, ["mean", *mean]])


def kinds_found(findings: Findings, kinds: dict[int, str]) -> list[str]:
    """The kinds that findings count for: those of the lines shown first, and those of half of the lines or more."""
    found = set()
    for _, lines in findings:
        counts = Counter(kinds.get(at) for at in lines)
        found |= {kinds.get(lines[0]), *(kind for kind, count in counts.items() if 2 * count >= len(lines))}
    return [kind for kind in KINDS if kind in found]


def odd_findings(log: Planted) -> Findings:
    """What `afterword odd` prints at its defaults."""
    with tempfile.TemporaryDirectory() as place:
        files = [save(Path(place, name), lines) for name, lines in (("good.log", log.good), ("new.log", log.new))]
        printed = run_afterword("odd", *files, "--json")
    rows = map(json.loads, printed.splitlines())
    return [(row["detector"] if row["odd"] else NEXT, [line["line"] - 1 for line in row["lines"]]) for row in rows]


def unseen_templates(log: Planted) -> Findings:
    """Templates that no good line has, in order of appearance; a template is a line without its numbers."""
    known = {ANY_NUMBER.sub("#", line) for line in log.good}
    found: dict[str, list[int]] = {}
    for at, line in enumerate(log.new):
        if (template := ANY_NUMBER.sub("#", line)) not in known:
            found.setdefault(template, []).append(at)
    return [("template", lines) for lines in found.values()]


def sixgrams(log: Planted) -> Findings:
    """The lines that cost a 6-gram of masked characters most, equal ones together: as many as it takes for a list."""
    masked = [ANY_NUMBER.sub("#", line) for line in log.new]
    found = costs(Grams((ANY_NUMBER.sub("#", line) for line in log.good), 6), masked)
    alike: dict[str, list[int]] = {}
    for at in np.argsort(-found, kind="stable").tolist():
        alike.setdefault(masked[at], []).append(at)
    return [("text", lines) for lines in islice(alike.values(), READ)]


def peer_findings(way: str) -> Callable[[Planted], Findings]:
    def findings(log: Planted) -> Findings:
        with tempfile.TemporaryDirectory() as place:
            files = [save(Path(place, name), lines) for name, lines in (("good.log", log.good), ("new.log", log.new))]
            python = peer_python("odd-peers", "drain3==0.9.11", "logreduce==0.6.1")
            return [(way, lines) for lines in json.loads(run_peer(python, "odd_peers.py", way, *files))]

    return findings


DETECTORS: dict[str, Callable[[Planted], Findings]] = {
    FIGURE: odd_findings,
    "unseen template": unseen_templates,
    "drain3": peer_findings("drain3"),
    "logreduce": peer_findings("logreduce"),
    "6-gram": sixgrams,
}


@main.command(help="False alarms among the second halves of LOG, split at random ten times.")
@log_argument
@mask_option
@click.option("--splits", default=10, show_default=True)
@click.option("--rate", default=0.01, show_default=True)
@click.pass_obj
def splits(extent: Extent, log: Path, masks: tuple[str, ...], splits: int, rate: float) -> None:
    flagged = tested = 0
    for seed in range(splits):
        good, rest = split(random.Random(seed).sample(lines := read(log), len(lines)), 1000)
        _, listed = odd_command(good, rest, masks, "--false-alarms", str(rate))
        flagged += sum(row["count"] for row in listed)
        tested += len(rest)
        click.echo(f"split {seed}: {flagged} of {tested:,} so far, {flagged / tested:.2%}")
    write(extent, "splits", log=log.name, masks=masks, rate=rate, flagged=flagged, tested=tested)


def transposed(line: str, draw: random.Random) -> str:
    at = draw.choice([k for k in range(20, len(line) - 1) if line[k : k + 2].isalpha() and line[k] != line[k + 1]])
    return line[:at] + line[at + 1] + line[at] + line[at + 2 :]


PLANTS: dict[str, Callable[[str, random.Random], str]] = {
    "a message never seen": lambda line, _: f"{line[:20]} kernel: I/O error on sda1, sector 7712",
    "an exception": lambda *_: "java.lang.OutOfMemoryError: Java heap space",
    "a state never seen": lambda line, _: f"{line[:20]} Safe mode ON.",
    "an intruder": lambda line, _: f"{line[:20]} login as superuser granted to mallory",
    "two letters changed places": transposed,
    "cut off": lambda line, _: line[: len(line) * 2 // 3],
    "two lines run together": lambda line, draw: line[: draw.randrange(len(line) // 2, len(line))] + line,
    "foreign characters": logs.garbage,
    "another format": lambda *_: '{"level":"info","msg":"started","pid":3}',
    "capitals": lambda line, _: line.upper(),
}


def edited(line: str, draw: random.Random, edit: Callable[[list[str], int], list[str]]) -> str:
    """Change the words of a line at one of those behind its third."""
    parts = line.split(" ")
    return " ".join(edit(parts, draw.randrange(3, len(parts) - 1)))


FRESH: dict[str, Callable[[str, random.Random], str]] = {
    "a frame of a stack": lambda *_: "    at com.example.pool.Pool.take(Pool.java:212)",
    "a request": lambda line, _: f'{line[:20]} "GET /../../etc/passwd HTTP/1.1" 404',
    "a full disk": lambda line, _: f"{line[:20]} write failed: No space left on device",
    "an injection": lambda line, _: f"{line}' OR 1=1; --",
    "a payload": lambda line, draw: line + " " + "".join(draw.choices("ABCDEFGHabcdefgh+/", k=40)),
    "a wrong letter": lambda line, draw: line[: (at := draw.randrange(25, len(line)))] + "q" + line[at + 1 :],
    "a word twice": lambda line, draw: edited(line, draw, lambda words, at: words[:at] + words[at - 1 :]),
    "a word missing": lambda line, draw: edited(line, draw, lambda words, at: words[:at] + words[at + 1 :]),
    "words swapped": lambda line, draw: edited(
        line, draw, lambda words, at: [*words[: at - 1], words[at], words[at - 1], *words[at + 1 :]]
    ),
    "without its beginning": lambda line, _: line[len(line) // 3 :],
}


RATES, WITHIN = (0.01, 0.001), 1.5


@main.command(help="False alarms among normal lines, beside the rate that was asked for.")
@click.option("--only", help="one of the sets")
@click.pass_obj
def alarms(extent: Extent, only: str | None) -> None:
    log = list(logs.lines(extent.lines(50_000) + 2 * extent.lines(20_000), SEED))
    book = [line for line in read(DATA / "tinyshakespeare.txt") if line.strip()]
    strings = shuffled(read(molecules(CACHE / "molsets")[0]))
    sets: dict[str, tuple[Sequence[list[str]], tuple[str, ...]]] = {
        "molecules": (parts(strings, extent, 60_000, 20_000, 20_000), ()),
        "log": (parts(log, extent, 50_000, 20_000, 20_000), ()),
        "log, clock masked": (parts(log, extent, 50_000, 20_000, 20_000), (CLOCK,)),
        "a play's lines, in order": (parts(book, extent, 12_000, 16_000, 4_777), ()),
        "a play's lines, shuffled": (parts(shuffled(book), extent, 12_000, 16_000, 4_777), ()),
    }
    rows = []
    for name, ((learned, calibrate, test), masks) in sets.items():
        if only not in (None, name):
            continue
        run = trained("alarms", [*map(Masks(masks), learned)], extent.minutes(1))
        model = calibrated(load(run), calibrate, masks=masks)
        p_values = np.array([line.p_value for line in odd_lines(model, test, HALF)])
        for rate in RATES:
            flagged = int((p_values <= rate).sum())
            found = flagged / len(test)
            held = rate / WITHIN <= found <= rate * WITHIN
            sizes = {"learned": len(learned), "calibrated": len(calibrate), "tested": len(test)}
            counts = [f"{flagged}", f"{rate * len(test):.0f}", f"{found / rate:.2f}"]
            rows.append(
                [name, *(f"{size:,}" for size in sizes.values()), f"{rate:.1%}", f"{found:.2%}", *counts, yes(held)]
            )
            write(extent, "alarms", set=name, masks=masks, rate=rate, flagged=flagged, **sizes)
    columns = ["lines", "learned", "calibrated", "tested", "asked", "found", "flagged", "expected", "ratio"]
    echo_table([*columns, f"within {WITHIN}"], rows)
    click.echo("Where few are expected, the ratio is mostly chance: of 20, two standard errors are 45 %.")


MEGABYTE, MOST = 10**6, 500  # MB of memory asked for
CLOSE = 0.05
# Run by a small process: the peak that Linux tells of a process is at least that of the one that started it.
WATCH = """
import os, sys
nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
child = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ, file_actions=nowhere)
_, status, usage = os.wait4(child, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""


@main.command(help="Peak memory of `afterword score --lines --json` over a short and a long file.")
@click.option("--sizes", type=int, nargs=2, default=(10, 30), show_default=True, help="of the files, in MB")
@click.pass_obj
def memory(extent: Extent, sizes: tuple[int, int]) -> None:
    run = trained("memory", list(logs.lines(20_000, SEED)), None, "--hidden-size", 64, "--steps", 50)
    rows, peaks = [], []
    with tempfile.TemporaryDirectory() as place:
        for size in sizes:
            file = Path(place, f"{size}.log")
            characters = generated_log(file, size * MEGABYTE // (20 if extent.trial else 1))
            began = time.monotonic()
            peak = peak_memory("score", run, file, "--lines", "--json")
            took = time.monotonic() - began
            peaks.append(peak)
            length = file.stat().st_size / MEGABYTE
            rows.append([f"{length:.0f} MB", f"{peak:.0f} MB", f"{took:.0f} s", f"{characters / took:,.0f}"])
            write(extent, "memory", megabytes=length, peak=peak, seconds=took, characters=characters)
    echo_table(["file", "peak memory", "time", "characters per second"], rows)
    ratio = peaks[1] / peaks[0]
    click.echo(
        f"the peaks' ratio is {ratio:.3f} (asked: within {CLOSE:.0%}: {yes(abs(ratio - 1) <= CLOSE)}); under "
        f"{MOST} MB: {yes(max(peaks) < MOST)}"
    )


def generated_log(file: Path, size: int) -> int:
    """Write lines of a log until there are so many bytes; their characters, with the ends."""
    written = 0
    with open(file, "w", encoding="utf-8") as out:
        for line in logs.lines(size, SEED + 1):  # more than it takes
            written += out.write(f"{line}\n")
            if written >= size:
                break
    return written


def peak_memory(*arguments: object) -> float:
    """The peak resident memory of the real command, in MB."""
    command = [sys.executable, "-S", "-c", WATCH, "-m", "afterword", *map(str, arguments)]
    return int(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout) * 1024 / MEGABYTE


UNITS, LANES, ROUNDS, FRACTION = 512, 64, 7, 0.75
BEST_OF = 20


@main.command(help="Characters per second of an LSTM of 512 units, beside what matrix products allow.")
@click.pass_obj
def throughput(extent: Extent) -> None:
    click.echo(machine())
    rows = []
    for threads in (1, 2):
        found = throughput_with(threads, extent)
        allowed = found["operations"] / (2 * found["weights"])
        for name, speed in found["speeds"].items():
            asked = "" if name == ALONE else f"{FRACTION:.0%}"
            share = speed / allowed
            rows.append([name, str(threads), f"{speed:,.0f}", f"{allowed:,.0f}", f"{share:.0%}", asked])
        write(extent, "throughput", threads=threads, **found)
    columns = ["texts", "threads", "characters per second", "products allow", "reached", "asked"]
    echo_table(columns, rows)


def throughput_with(threads: int, extent: Extent) -> dict[str, Any]:
    # threads of NumPy's products are those that a process begins with
    environment = os.environ | {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
    command = [sys.executable, "-m", "benchmarks.odd", *["--trial"] * extent.trial, "throughput-here"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def shares(threads: int) -> dict[str, float]:
    """Return the share of what matrix products allow that each kind of text reaches."""
    found = throughput_with(threads, Extent(trial=False))
    allowed = found["operations"] / (2 * found["weights"])
    return {name: speed / allowed for name, speed in found["speeds"].items()}


ALONE = "one text alone"


@main.command(hidden=True, help="Its figures, as JSON, with the threads of this process.")
@click.pass_obj
def throughput_here(extent: Extent) -> None:
    names, shakespeare = (read(DATA / f"{name}.txt") for name in ("names", "tinyshakespeare"))
    log = list(logs.lines(400, SEED))
    kinds = {
        "names": shuffled(names)[:2000],
        "log lines": log,
        "lines of plays": shuffled(list(filter(None, shakespeare)))[:800],
    }
    text = "\n".join(shakespeare)
    texts = {f"{LANES} texts of 500 characters": [text[k * 5000 : k * 5000 + 500] for k in range(LANES)], **kinds}
    texts["lines of all three"] = shuffled(list(chain(*kinds.values())))
    model = random_model(chain(text, *chain(*kinds.values())), layers=1, units=UNITS)
    network, tokenizer = model.predictor("lstm"), model.tokenizer
    R, H = model.config.vocabulary_size, model.config.hidden_size
    random_numbers = np.random.default_rng(SEED)
    left, right = (random_numbers.random(shape, np.float32) for shape in ((LANES, H), (H, 4 * H)))
    operations: list[float] = []
    speeds: dict[str, list[float]] = {name: [] for name in (*texts, ALONE)}
    for _ in range(1 if extent.trial else ROUNDS):
        for _ in range(BEST_OF):
            began = time.perf_counter()
            for _ in range(10):
                left @ right
            operations.append(10 * 2 * LANES * H * 4 * H / (time.perf_counter() - began))
        for name, lines in texts.items():
            began = time.perf_counter()
            characters = sum(line.characters for line in score_lines(network, tokenizer, lines))
            speeds[name].append(characters / (time.perf_counter() - began))
        began = time.perf_counter()
        characters = score(network, tokenizer, text[:2000]).characters
        speeds[ALONE].append(characters / (time.perf_counter() - began))
    medians = {name: statistics.median(found) for name, found in speeds.items()}
    click.echo(json.dumps({"operations": max(operations), "weights": 4 * H * H + H * R, "speeds": medians}))


def read(path: Path) -> list[str]:
    """The lines of a text that are not empty."""
    return list(filter(None, path.read_text(encoding="utf-8").split("\n")))


def shuffled(lines: Iterable[str]) -> list[str]:
    """In an order that is always the same."""
    return random.Random(SEED).sample(found := list(lines), len(found))


def split(lines: list[str], at: int) -> tuple[list[str], list[str]]:
    return lines[:at], lines[at:]


def parts(lines: list[str], extent: Extent, *sizes: int) -> list[list[str]]:
    """So many lines, then so many more, and so on."""
    rest = iter(lines)
    found = [list(islice(rest, extent.lines(size))) for size in sizes]
    assert [*map(len, found)] == [*map(extent.lines, sizes)], "there are too few lines"
    return found


def words(line: str) -> tuple[str, ...]:
    return tuple(line.split())


def seconds(line: str) -> float:
    """When a line of a generated log was written, as `logs.lines` counts."""
    day, hour, minute, second = line[8:10], line[11:13], line[14:16], line[17:23]
    return (int(day) - 1) * 86400 + int(hour) * 3600 + int(minute) * 60 + float(second)


def judged(model: LanguageModel, lines: Lines) -> Scores:
    """The figures of a calibrated model, and the bits per character that go into them."""
    found = odd_lines(model, lines, HALF)
    return {
        FIGURE: np.array([line.figure for line in found]),
        BITS: np.array([line.bits_per_character for line in found]),
    }


def simple(good: Lines, lines: Lines) -> Scores:
    """What simple detectors that learned from `good` give `lines`; both are masked already."""
    characters, pairs = Grams(good, 5), Grams(map(words, good), 2)
    return {
        "5-gram of characters": costs(characters, lines),
        "2-gram of words": costs(pairs, map(words, lines)),
        "unseen 2-grams of words": np.array([pairs.unseen(words(line)) for line in lines]),
        "Drain3": drain(good, lines),
    }


def costs(grams: Grams, lines: Iterable[Sequence[str]]) -> Floats:
    return np.array([*map(grams.cost, lines)])


def drain(good: Lines, lines: Lines) -> Floats:
    """How rare Drain3's template of each line was among good ones; see peers/drain.py."""
    with tempfile.TemporaryDirectory() as place:
        files = [save(Path(place, name), part) for name, part in (("good.log", good), ("lines.log", lines))]
        found = run_peer(peer_python("drain", "drain3==0.9.11"), "drain.py", *files)
    return np.array(json.loads(found))


def log_likelihood_ratios(model: LanguageModel, against: LanguageModel, lines: Lines) -> Floats:
    """Of each line, its bits by `model` less those by `against`."""
    pairs = zip(model.score_lines(lines), against.score_lines(lines), strict=True)
    return np.array([line.bits - other.bits for line, other in pairs])


def precision_at_listed(odd: Floats, normal: Floats) -> float:
    return precision_at(LISTED, odd, normal)


def trained(name: str, lines: Lines, minutes: float | None, *options: object) -> Path:
    """The run of `afterword train --lines --base none`, from the cache if it is there."""
    folder = cached(name, lines, minutes, *options)
    run, done = folder / "run", folder / "done"
    if not done.exists():
        text = save(folder / "lines.txt", lines)
        timed = [] if minutes is None else ["--minutes", minutes]
        run_afterword("train", text, "--lines", "--base", "none", "--overwrite", "--out", run, *timed, *options)
        done.touch()
    return run


def cached(name: str, lines: Lines, minutes: float | None, *options: object) -> Path:
    """A folder for what is made of these lines so."""
    key = zlib.crc32("\n".join([*map(str, (minutes, *options)), *lines]).encode())
    folder = CACHE / "odd" / f"{name}-{key:08x}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def save(file: Path, lines: Lines) -> Path:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def yes(is_so: bool) -> str:
    return "yes" if is_so else "**no**"


def write(extent: Extent, what: str, **result: Any) -> None:
    """Write a result down, with where it was measured."""
    if not extent.trial:
        write_result("odd", what=what, **measured_here(), **result)


if __name__ == "__main__":
    main()
