"""How well odd lines are told from normal ones, how many false alarms there are, and how fast lines are scored.

    python -m benchmarks.odd dga          names of malware's domain generators among much visited ones
    python -m benchmarks.odd unseen       families of such names that neither of two models has learned
    python -m benchmarks.odd peers        twelve kinds of odd lines in eight logs, beside other detectors
    python -m benchmarks.odd fields       faults in single fields of records, JSON and CSV
    python -m benchmarks.odd labelled     AUC on labelled lines, of `odd` and the same detectors
    python -m benchmarks.odd nights       one model on ten nights of a log that changes, with attacks
    python -m benchmarks.odd calibrating  ordinary lines listed before and after `calibrate` with later good lines
    python -m benchmarks.odd speed        seconds and memory of finding odd lines
    python -m benchmarks.odd alarms       false alarms found, beside the rate that was asked for
    python -m benchmarks.odd memory       the peak memory of scoring long files
    python -m benchmarks.odd throughput   characters per second, beside what matrix products allow

Alone on the machine. Models are trained from scratch by the real command and kept in .cache/lines, where they are found
again: delete that to measure anew. The score of a line is its figure, as `odd_lines` tells it after calibration; its
bits per character stand beside it, and simple detectors that learned from the same lines: n-grams of
benchmarks/detection.py, and others in environments of their own. Results go to
benchmarks/results/odd.jsonl. With TRIAL=1, a twentieth of the lines is read, and nothing is written down.
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
from collections import Counter
from collections.abc import Callable, Container, Hashable, Iterable, Sequence
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
    TRIAL,
    as_written,
    echo_table,
    lines_of,
    machine,
    measured_here,
    parts,
    peer_python,
    run_afterword,
    run_peer,
    save_lines,
    shuffled,
    some,
    trained_on_lines,
    watched,
    write_result,
)
from benchmarks.detection import Floats, Grams, auc
from benchmarks.molecules import molecules
from benchmarks.plants import (
    CHANGES,
    EACH,
    KINDS,
    LABELLED,
    SHIPPED,
    Cluster,
    Planted,
    application,
    labelled_logs,
    planted,
    sshd,
    web,
)
from benchmarks.plants import logs as planted_logs
from benchmarks.random_models import random_model
from tests import logs
from tests.wings.odd.records import LOGS, with_faults

SEED = 0
FIGURE, BITS = "Afterword", "bits per character"
HALF = 0.5  # as the rate of false alarms, where only figures and p-values are asked for
FAMILIES = ("zeus", "cryptolocker", "tinba", "ramdo", "conficker", "pushdo", "rovnix", "matsnu")
UNSEEN = ("pushdo", "rovnix", "matsnu")
Lines = Sequence[str]
Scores = dict[str, Floats]  # by detector


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


def generated_names(most: int) -> dict[str, list[str]]:
    """Return up to `most` domain names of each family."""
    return {name: shuffled(lines_of(DATA / "dga" / f"{name}.txt"))[: some(most)] for name in FAMILIES}


@main.command(help="AUC of each family of generated domain names, and of a model of those against one of normal names.")
def dga() -> None:
    train, calibrate, test = parts(shuffled(lines_of(DATA / "dga" / "benign.txt")), 80_000, 5_000, 15_000)
    families = generated_names(5_000)
    model, grams = load(trained_on_lines("dga", train, 2)), Grams(train, 5)
    both, alone = (calibrated(model.using(using), calibrate) for using in ("both", "ngram"))

    def scores(lines: Lines) -> Scores:
        return judged(both, lines) | {"n-gram alone": judged(alone, lines)[FIGURE], "5-gram": costs(grams, lines)}

    normal, odd = scores(test), {name: scores(lines) for name, lines in families.items()}
    odd["all"] = {way: np.concatenate([found[way] for found in odd.values()]) for way in normal}
    aucs = {name: {way: auc(found[way], normal[way]) for way in normal} for name, found in odd.items()}

    generated = shuffled(sorted(set(chain(*families.values())) - set(train) - set(test)))
    learned, held_out = generated[: len(generated) * 4 // 5], generated[len(generated) * 4 // 5 :]
    against = load(trained_on_lines("dga-against", learned, 2))
    usual = log_likelihood_ratios(model, against, test)
    for name, found in aucs.items():
        lines = held_out if name == "all" else sorted(set(held_out) & set(families[name]))
        found["against"] = auc(log_likelihood_ratios(model, against, lines), usual)
    echo_aucs(aucs)
    write("dga", auc=aucs, tested=len(test), against_tested=len(held_out))


@main.command(help=f"AUC of {', '.join(UNSEEN)} for a model of ordinary names, and against one of other families.")
def unseen() -> None:
    train, calibrate, test = parts(shuffled(lines_of(DATA / "dga" / "benign.txt")), 20_000, 2_000, 2_000)
    families = generated_names(2_000)
    known = [line for name, lines in families.items() if name not in UNSEEN for line in lines[: len(lines) * 4 // 5]]
    model = load(trained_on_lines("unseen", train, 0.5))
    against = load(trained_on_lines("unseen-against", shuffled(known), 0.5))
    judging, usual = calibrated(model, calibrate), log_likelihood_ratios(model, against, test)
    normal, aucs = judged(judging, test), dict[str, dict[str, float]]()
    for name, lines in families.items():
        lines = lines if name in UNSEEN else lines[len(lines) * 4 // 5 :]
        aucs[name] = {way: auc(scores, normal[way]) for way, scores in judged(judging, lines).items()}
        aucs[name]["against"] = auc(log_likelihood_ratios(model, against, lines), usual)
    echo_aucs(aucs)
    write("unseen", auc=aucs, tested=len(test))


def echo_aucs(aucs: dict[str, dict[str, float]]) -> None:
    columns = list(dict.fromkeys(chain(*aucs.values())))
    rows = [[name, *(f"{found[way]:.4f}" for way in columns)] for name, found in aucs.items()]
    echo_table(["lines", *columns], rows)


CLOCK = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}"
READ = 25  # findings: what somebody reads of a list
NEXT = "next"  # findings that are printed below the rule: not within the rate
ANY_NUMBER = re.compile(r"\b(?:0x)?[0-9a-fA-F]*\d[0-9a-fA-F]*\b|\d+")
Rows = list[dict[str, Any]]  # what a command printed with --json
Findings = list[tuple[str, list[int]]]  # what found it and the places of its lines, that which is shown first in front
Judged = Sequence[
    tuple[Any, Hashable]
]  # how odd each line is, and what it has in common with those of the same finding


@main.command(help=f"Kinds of planted lines in the first {READ} findings of `afterword odd` and of other detectors.")
@click.option("--only", multiple=True, type=click.Choice([*SHIPPED, "web", "JSON"]), help="these logs (repeatable)")
@click.option("--detector", "ways", multiple=True, help="these detectors, such as LogDelta (repeatable)")
@click.option("--seeds", default=3, show_default=True)
def peers(only: tuple[str, ...], ways: tuple[str, ...], seeds: int) -> None:
    click.echo(machine())
    ways = ways or (FIGURE, *PEERS)
    found: dict[str, dict[str, list[list[float]]]] = {}
    for seed in range(1 if TRIAL else seeds):
        for log in planted_logs(seed, only):
            for way in ways:
                began = time.monotonic()
                findings = odd_findings(log) if way == FIGURE else oddest(PEERS[way][0](log), PEERS[way][1])
                took = time.monotonic() - began
                kinds = kinds_found(findings[:READ], log.kinds)
                above = kinds_found([one for one in findings if one[0] != NEXT], log.kinds)
                ordinary = ordinary_listed(findings, log)
                found.setdefault(log.name, {}).setdefault(way, []).append([len(kinds), len(above), ordinary, took])
                found_there = {"kinds": kinds, "above": above, "listed": ordinary, "seconds": took}
                write("peers", log=log.name, seed=seed, detector=way, **found_there)
    means = {log: {way: np.mean(each, axis=0) for way, each in judged.items()} for log, judged in found.items()}
    for at, title, form in (
        (0, f"kinds of {len(KINDS)} ({EACH} plants each)", "{:.1f}"),
        (1, f"kinds of {len(KINDS)} in all that is listed, for odd above its rule", "{:.1f}"),
        (2, "ordinary lines listed", "{:.1%}"),
        (3, "seconds", "{:.0f}"),
    ):
        rows = [[log, *(form.format(judged[way][at]) for way in ways)] for log, judged in means.items()]
        mean = [form.format(np.mean([judged[way][at] for judged in means.values()])) for way in ways]
        echo_table([title, *ways], [*rows, ["mean", *mean]])


def ordinary_listed(findings: Findings, log: Planted) -> float:
    """Return the fraction of the ordinary lines that are listed, without those in episodes."""
    listed = {at for how, lines in findings for at in lines if how not in ("episode", NEXT)}
    return len(listed - log.kinds.keys()) / (len(log.new) - len(log.kinds))


def kinds_found(findings: Findings, kinds: dict[int, str]) -> list[str]:
    """The kinds that findings count for: those of the lines shown first, and those of half of the lines or more."""
    found = set()
    for _, lines in findings:
        counts = Counter(kinds.get(at) for at in lines)
        found |= {kinds.get(lines[0]), *(kind for kind, count in counts.items() if 2 * count >= len(lines))}
    return [kind for kind in KINDS if kind in found]


@main.command(help="Faults in single fields of records that `afterword odd` lists, and ordinary lines that it lists.")
@click.option("--seeds", default=3, show_default=True)
def fields(seeds: int) -> None:
    rows = []
    for name in LOGS:
        counts = []
        for seed in range(1 if TRIAL else seeds):
            log = Planted(name, *with_faults(name, seed))
            findings = [one for one in odd_findings(log) if one[0] != NEXT]
            listed = {at for _, lines in findings for at in lines}
            missed = Counter(fault for at, fault in log.kinds.items() if at not in listed)
            ordinary = ordinary_listed(findings, log)
            counts.append((len(log.kinds) - missed.total(), ordinary, len(findings)))
            write("fields", log=name, seed=seed, missed=missed, listed=ordinary, findings=len(findings))
        found, ordinary, read = np.mean(counts, axis=0)
        rows.append([name, f"{found:.1f} of {len(log.kinds)}", f"{ordinary:.1%}", f"{read:.1f}"])
    echo_table(["records", "faults listed", "ordinary lines listed", "findings"], rows)


def odd_findings(log: Planted) -> Findings:
    """What `afterword odd` prints at its defaults."""
    with tempfile.TemporaryDirectory() as place:
        return findings_of(printed("odd", *saved(log, Path(place)), "--json"))


def findings_of(rows: Rows) -> Findings:
    return [(row["detector"] if row["odd"] else NEXT, [line["line"] - 1 for line in row["lines"]]) for row in rows]


def printed(*arguments: object) -> Rows:
    return [*map(json.loads, run_afterword(*arguments).splitlines())]


def saved(log: Planted, place: Path) -> list[Path]:
    return [save_lines(place / "good.log", log.good), save_lines(place / "new.log", log.new)]


def units(line: str) -> Sequence[str]:
    """Return what simple detectors read: characters with numbers masked, or the events of a sequence."""
    return tuple(line.split()) if line.replace(" ", "").isdigit() else ANY_NUMBER.sub("#", line)


def odd_as_read(log: Planted) -> Judged:
    """Rank lines by p-value, and those with the same p-value by bits per character."""
    with tempfile.TemporaryDirectory() as place:
        rows = printed("odd", *saved(log, Path(place)), "--as-read", "--all", "--json")
    return [((-row["p_value"], row["bits_per_character"]), row["line"]) for row in rows]


def unseen_templates(log: Planted) -> Judged:
    """Return 1 for lines whose template no good line has, else 0; a template is a line without its numbers."""
    known = {*map(units, log.good)}
    return [(float(one not in known), one) for one in map(units, log.new)]


def sixgrams(log: Planted) -> Judged:
    """Return the cost per character of each line in a 6-gram of good lines."""
    grams = Grams(map(units, log.good), 6)
    return [(grams.cost(one), one) for one in map(units, log.new)]


def unseen_trigrams(log: Planted) -> Judged:
    """Return the number of trigrams in each line that no good line has (arXiv 2312.01934)."""

    def trigrams(one: Sequence[str]) -> list[Sequence[str]]:
        return [one[k : k + 3] for k in range(len(one) - 2)]

    known = {*chain(*(trigrams(units(line)) for line in log.good))}
    return [(sum(each not in known for each in trigrams(one)), one) for one in map(units, log.new)]


def peer(way: str, environment: str, *packages: str) -> Callable[[Planted], Judged]:
    def judge(log: Planted) -> Judged:
        with tempfile.TemporaryDirectory() as place:
            python = peer_python(environment, *packages)
            return json.loads(run_peer(python, "odd_peers.py", way, *saved(log, Path(place))))  # type: ignore[no-any-return]

    return judge


def oddest(judged: Judged, least: float | None) -> Findings:
    """Return the lines that are at least as odd as `least`, the oddest first; without it, the first findings.

    Lines that have the same in common are one finding. Equally odd ones are in the order in which they appear.
    """
    alike: dict[Hashable, list[int]] = {}
    for at in sorted(range(len(judged)), key=lambda at: judged[at][0], reverse=True):
        if least is None or judged[at][0] >= least:
            alike.setdefault(judged[at][1], []).append(at)
    return [("text", lines) for lines in islice(alike.values(), READ if least is None else None)]


OF_PEERS = "odd-peers", "drain3==0.9.11", "logreduce==0.6.1"
PEERS: dict[
    str, tuple[Callable[[Planted], Judged], float | None]
] = {  # each, and the least oddness of the lines that it lists
    "unseen template": (unseen_templates, 1),
    "drain3": (peer("drain3", *OF_PEERS), 1),
    "logreduce": (peer("logreduce", *OF_PEERS), 0.2),  # its default threshold
    "LogDelta": (peer("logdelta", "logdelta", "LogDelta==1.0.1"), None),
    "6-gram": (sixgrams, None),
    "unseen trigrams": (unseen_trigrams, None),
}


@main.command(help="AUC on labelled lines, of detectors that have learned normal ones.")
@click.option("--only", multiple=True, type=click.Choice(LABELLED), help="these texts (repeatable)")
def labelled(only: tuple[str, ...]) -> None:
    ways = {FIGURE: odd_as_read} | {way: judge for way, (judge, _) in PEERS.items()}
    aucs: dict[str, dict[str, float]] = {}
    for log in labelled_logs():
        if log.name in (only or log.name):
            aucs[log.name] = {way: auc_of(judge(log), log.kinds) for way, judge in ways.items()}
            counts = {"learned": len(log.good), "odd": len(log.kinds), "normal": len(log.new) - len(log.kinds)}
            write("labelled", set=log.name, auc=aucs[log.name], **counts)
    echo_aucs(aucs)


def auc_of(judged: Judged, kinds: Container[int]) -> float:
    order = {one: place for place, one in enumerate(sorted({one for one, _ in judged}))}
    is_odd = np.array([at in kinds for at in range(len(judged))])
    ranks = np.array([float(order[one]) for one, _ in judged])
    return auc(ranks[is_odd], ranks[~is_odd])


RECALIBRATED = (3, 7)  # the nights after which their good lines calibrate the model
OF_A_NIGHT = 1_500  # lines
ATTACKS = 3  # kinds of a night


@main.command(help="Findings to read in ten nights of a log that changes, and the attacks among those above the rule.")
@click.option("--seeds", default=3, show_default=True)
@click.option("--show", is_flag=True, help="print each harmless finding and each attack that is not found")
def nights(seeds: int, show: bool) -> None:
    click.echo(machine())
    found: dict[str, list[list[float]]] = {}
    for seed in range(1 if TRIAL else seeds):
        cluster, kinds = Cluster(seed), [*KINDS]
        random.Random(seed).shuffle(kinds)
        with tempfile.TemporaryDirectory() as place:
            good = save_lines(Path(place, "good.log"), [*cluster.night(OF_A_NIGHT), *cluster.night(OF_A_NIGHT)])
            model, file, source = (Path(place, name) for name in ("model", "night.log", "harmless.json"))
            for night, (change, happens) in enumerate(CHANGES.items(), 1):
                happens(cluster)
                three = [kinds[(ATTACKS * night + k) % len(kinds)] for k in range(ATTACKS)]
                log = planted(f"night {night}", [], cluster.night(OF_A_NIGHT), seed, three)
                if change == "a new route, accepted":
                    ordinary = (line for at, line in enumerate(log.new) if at not in log.kinds)
                    run_afterword("accept", model, next(line for line in ordinary if cluster.announced in line))
                save_lines(file, log.new)
                known = [model] if model.exists() else [good]
                rows = printed("odd", *known, file, "--json", *([] if model.exists() else ["--out", model]))
                rows = [row for row in rows if row["odd"]]
                findings = findings_of(rows)
                attacks = kinds_found(findings, log.kinds)
                harmless = [not log.kinds.keys() & {*lines} for _, lines in findings]
                accepted = [json.dumps(row) for row, is_harmless in zip(rows, harmless, strict=True) if is_harmless]
                if accepted:
                    run_afterword("accept", model, "--from", save_lines(source, accepted))
                if night in RECALIBRATED:
                    ordinary = (line for at, line in enumerate(log.new) if at not in log.kinds)
                    run_afterword("calibrate", model, save_lines(file, ordinary))
                counts = [len(rows), len(accepted), len(attacks), ordinary_listed(findings, log)]
                found.setdefault(f"{night}: {change}", []).append(counts)
                missed = [kind for kind in three if kind not in attacks]
                named = {"read": len(rows), "harmless": len(accepted), "missed": missed, "ordinary": counts[3]}
                write("nights", seed=seed, night=night, change=change, **named)
                for row in map(json.loads, accepted if show else ()):
                    about = f"{row['detector']}, p {row['p_value']:.2g}, {row['count']} lines: {row['why']}"
                    click.echo(f"{seed}/{night} harmless {about} | {row['lines'][0]['text']}")
                for at, kind in log.kinds.items():
                    if show and kind in missed:
                        click.echo(f"{seed}/{night} missed {kind}: {log.new[at]}")
    table = [[night, *night_in_words(counts)] for night, counts in found.items()]
    table.append(["all", *night_in_words([*chain(*found.values())])])
    echo_table(["night", "findings", "of them harmless", "most", "attacks found", "ordinary lines"], table)


def night_in_words(counts: Sequence[Sequence[float]]) -> list[str]:
    read, harmless, attacks, ordinary = np.array(counts).T
    found = f"{attacks.sum():.0f} of {ATTACKS * len(counts)}"
    return [f"{read.mean():.1f}", f"{harmless.mean():.1f}", f"{read.max():.0f}", found, f"{ordinary.mean():.1%}"]


@main.command(help="Ordinary lines listed, before and after `calibrate` with 600 later good lines.")
def calibrating() -> None:
    texts = {f"sshd, {seed}": [*islice(sshd(seed), 2_000)] for seed in range(1 if TRIAL else 3)}
    rows = []
    for name, lines in (texts | {name: lines_of(path) for name, path in SHIPPED.items()}).items():
        log = Planted(name, lines[:1_000], lines[1_600:], {})
        with tempfile.TemporaryDirectory() as place:
            good, new = saved(log, Path(place))
            model = Path(place, "model")
            before = printed("odd", good, new, "--json", "--out", model)
            run_afterword("calibrate", model, save_lines(Path(place, "later.log"), lines[1_000:1_600]))
            found = [findings_of(each) for each in (before, printed("odd", model, new, "--json"))]
        shares = [ordinary_listed(each, log) for each in found]
        counts = [sum(how != NEXT for how, _ in each) for each in found]
        rows.append([name, *(f"{share:.1%}" for share in shares), *map(str, counts)])
        write("calibrating", log=name, listed=shares, findings=counts, tested=len(log.new))
    echo_table(["lines", "ordinary lines listed", "after `calibrate`", "findings", "after `calibrate`"], rows)


RATES = (0.01, 0.001)


@main.command(help="False alarms among normal lines, beside the rate that was asked for.")
def alarms() -> None:
    log = list(logs.lines(some(50_000) + 2 * some(20_000), SEED))
    book = [line for line in lines_of(DATA / "tinyshakespeare.txt") if line.strip()]
    strings = shuffled(lines_of(molecules(CACHE / "molsets")[0]))
    sets: dict[str, tuple[Sequence[list[str]], tuple[str, ...]]] = {
        "molecules": (parts(strings, 60_000, 20_000, 20_000), ()),
        "a log": (parts(log, 50_000, 20_000, 20_000), ()),
        "the same, its clock masked": (parts(log, 50_000, 20_000, 20_000), (CLOCK,)),
        "the lines of plays, in order": (parts(book, 12_000, 16_000, 4_777), ()),
    }
    rows = []
    for name, ((learned, calibrate, test), masks) in sets.items():
        run = trained_on_lines("alarms", [*map(Masks(masks), learned)], 1)
        model = calibrated(load(run), calibrate, masks=masks)
        p_values = np.array([line.p_value for line in odd_lines(model, test, HALF)])
        flagged = [int((p_values <= rate).sum()) for rate in RATES]
        rows.append([name, *(f"{count / len(test):.2%}" for count in flagged)])
        write("alarms", set=name, masks=masks, rates=RATES, flagged=flagged, tested=len(test))
    echo_table(["lines", *(f"requested: {rate:.1%}" for rate in RATES)], rows)


@main.command(help="Peak memory of `afterword score --lines --json` over a short and a long file.")
def memory() -> None:
    run = trained_on_lines("memory", list(logs.lines(20_000, SEED)), 0.1, "--hidden-size", 64)
    rows = []
    with tempfile.TemporaryDirectory() as place:
        for size in (9, 27):
            file = save_lines(Path(place, f"{size}.log"), logs.lines(some(size * 13_000), SEED + 1))
            took, peak = watched("afterword", "score", run, file, "--lines", "--json")
            length = file.stat().st_size / 1e6
            rows.append([f"{length:.1f} MB", f"{peak:.0f} MB", f"{took:.0f} s"])
            write("memory", megabytes=length, peak=peak, seconds=took)
    echo_table(["file", "peak memory", "time"], rows)


SIZES = ((web, 1_000, 1_000), (application, 20_000, 5_000), (web, 5_000, 48_000), (application, 200_000, 5_000))


@main.command(help="Seconds and peak memory of `afterword odd` on generated logs of several sizes.")
def speed() -> None:
    rows = []
    for lines, good, new in SIZES:
        with tempfile.TemporaryDirectory() as place:
            written = [*islice(lines(SEED), some(good) + some(new))]
            log = Planted(lines.__name__, written[: some(good)], written[some(good) :], {})
            took, peak = watched("afterword", "odd", *saved(log, Path(place)))
        length = statistics.mean(map(len, written))
        rows.append([log.name, f"{good:,}", f"{new:,}", f"{length:.0f}", f"{took:.1f}", f"{peak:.0f}"])
        write("speed", log=log.name, good=good, new=new, length=length, seconds=took, peak=peak)
    echo_table(["log", "good lines", "new lines", "characters a line", "seconds", "MB at most"], rows)


UNITS, LANES, ROUNDS, BEST_OF = 512, 64, 7, 20
ALONE = "one text alone"


@main.command(help="Characters per second of an LSTM of 512 units, beside what matrix products allow.")
def throughput() -> None:
    click.echo(machine())
    rows = []
    for threads in (1, 2):  # which a process begins with
        environment = os.environ | {name: str(threads) for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")}
        command = [sys.executable, "-m", "benchmarks.odd", "throughput-here"]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
        found: dict[str, Any] = json.loads(done.stdout)
        for name, speed in found["speeds"].items():
            rows.append([name, str(threads), f"{speed:,.0f}", f"{speed / found['allowed']:.0%}"])
        write("throughput", threads=threads, **found)
    echo_table(["texts", "threads", "characters per second", "of what products allow"], rows)


@main.command(hidden=True, help="Its figures, as JSON, with the threads of this process.")
def throughput_here() -> None:
    names, shakespeare = (lines_of(DATA / f"{name}.txt") for name in ("names", "tinyshakespeare"))
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
    for _ in range(1 if TRIAL else ROUNDS):
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
    click.echo(json.dumps({"allowed": max(operations) / (2 * (4 * H * H + H * R)), "speeds": medians}))


def judged(model: LanguageModel, lines: Lines) -> Scores:
    """Return the figures of a calibrated model, and the bits per character that go into them."""
    found = odd_lines(model, lines, HALF)
    return {
        FIGURE: np.array([line.figure for line in found]),
        BITS: np.array([line.bits_per_character for line in found]),
    }


def costs(grams: Grams, lines: Iterable[Sequence[str]]) -> Floats:
    return np.array([*map(grams.cost, lines)])


def log_likelihood_ratios(model: LanguageModel, against: LanguageModel, lines: Lines) -> Floats:
    """Return the bits of each line by `model` less those by `against`."""
    pairs = zip(model.score_lines(lines), against.score_lines(lines), strict=True)
    return np.array([line.bits - other.bits for line, other in pairs])


def write(what: str, **result: Any) -> None:
    """Write a result down, with where it was measured."""
    write_result("odd", what=what, **measured_here(), **result)


if __name__ == "__main__":
    main()
