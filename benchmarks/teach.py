"""What the lesson says of trained networks, measured on three seeds and on two kinds of kernels.

    python -m benchmarks.teach tasks         the four tasks with known answers: is the cell found, and is it the one?
    python -m benchmarks.teach random        false findings of 200 random questions
    python -m benchmarks.teach planted       networks whose weights are set by hand: are their cells found?
    python -m benchmarks.teach subjects      Divya and Reena: what an LSTM and a plain network expect, and the gates
    python -m benchmarks.teach told          She told me via a call: what is kept, and what is passed over
    python -m benchmarks.teach gaps          LSTM against plain network, by the length of the gap
    python -m benchmarks.teach difficult     what goes wrong in training, one run each
    python -m benchmarks.teach pictures      draws docs/gaps.svg and docs/difficult.svg from what is stored

Each appends what it measured to benchmarks/results/teach.jsonl, from which docs/lstm.md and docs/lstm-memory.md take
their figures; a test compares them. `make bench-teach` runs all, and brackets and the LSTM of subjects once more with
the kernels of an older processor (Haswell).
"""

from __future__ import annotations

import dataclasses
import math
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

import click
import numpy as np

import afterword
from afterword.inspection.figures import COLOURS, stacked_axes, write_figure
from afterword.language_model import LanguageModel
from afterword.model.network.holding import held_values, parse_hold
from afterword.operations.demo import PLAY
from afterword.operations.train import train
from afterword.runs.record import Progress, bits
from afterword.wings.lesson.deciding import Decided, _Half
from afterword.wings.lesson.matches import Mask, matching
from benchmarks import subjects
from benchmarks.commands import as_written, measured_here, results, write_result
from benchmarks.tasks import MEASURED, TASKS, Task, planted
from tests.reading import read_text

SEEDS = (0, 1, 2)
HELD_OUT = 1000  # a seed of texts that no network has learned from
QUESTIONS = 200
RATES = (0.004, 0.014, 0.03)
SHOWN_RATE = 0.014  # of the network in docs/lstm.md
GAPS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300)
LINES = 100  # per length of a gap
LONG = 5000  # steps
WINDOW = 10  # characters, of those that forget
FIXED: dict[str, Any] = {"batch_size": 16, "dropout": 0.0, "ngram": 0, "threads": 1}
SMALL = FIXED | {"hidden_size": 64, "learning_rate": 0.014}
ASKED = {name: task.due for name, task in TASKS.items()} | {"subjects": r"So (\w)", "told": r"that she (\w)"}
DOCS = Path(__file__).parents[1] / "docs"
CLAIMS = Path(__file__).with_name("claims.tsv")


def trained(text: str, **settings: Any) -> LanguageModel:
    """Return a network of `text`, the best on its held-out tenth."""
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder, "text.txt")).write_text(text, encoding="utf-8")
        return train(path, base="none", on_progress=lambda _: None, **settings)


def store(way: str, **row: Any) -> None:
    kernels = os.environ.get("OPENBLAS_CORETYPE", "own")
    write_result("teach", **measured_here(), kernels=kernels, way=way, **row)
    click.echo(f"{way}: " + ", ".join(f"{name} {value}" for name, value in row.items()))


def learned(task: Task, seed: int, matters: bool = True, **other: Any) -> LanguageModel:
    settings = SMALL | {"steps": task.steps, "seq_length": task.seq_length, "seed": seed} | other
    return trained(task.text(seed, matters=matters), **settings)


def holds(model: LanguageModel, found: Decided, text: str, pattern: str) -> bool:
    """Whether what was found is so on another `text`: held by `model.hold`, and set, against as many random cells."""
    random, due = np.random.default_rng(1), matching(pattern)(text)
    fresh, config = _Half(model, text, due, random), model.config
    every = [f"l{layer}.u{unit}" for layer, unit in np.ndindex(config.num_layers, config.hidden_size)]
    means = dict(zip(every, getattr(fresh.trace, fresh.state).mean(axis=0).ravel().tolist(), strict=True))

    def cost(cells: Sequence[str]) -> float:
        held = model.hold(*(f"{one}.{fresh.state}={means[one]:.6f}" for one in cells))
        bits = held.gates(text).log_probabilities / -math.log(2)
        own, other = (bits[fresh.here - 1, fresh.ids[each]] for each in (fresh.here, fresh.there))
        return float(np.logaddexp2(0, own - other).mean())

    def follows(cells: Sequence[str]) -> float:
        return fresh.follows(np.isin(every, cells).reshape(config.num_layers, config.hidden_size))

    known = cost([])
    if not found.cells:
        return found.verdict.startswith("not found")
    rest = [one for one in every if one not in found.cells]
    others = [random.permutation(rest)[: len(found.cells)].tolist() for _ in range(5)]
    is_needed = cost(found.cells) - known > max((1 - known) / 2, np.median([*map(cost, others)]) - known)
    alone = max(cost([one]) for one in found.cells[:8]) - known
    is_worded = ("no single cell" not in found.verdict or alone < 0.75 * (1 - known)) if len(found.cells) > 1 else True
    is_enough = "cannot" in found.verdict or follows(found.cells) > max(0.7, np.median([*map(follows, others)]))
    return bool(is_needed and is_worded and is_enough)


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command("tasks")
@click.option("--task", "names", multiple=True, default=tuple(ASKED))
@click.option("--seeds", default=20, show_default=True)
def tasks_(names: Sequence[str], seeds: int) -> None:
    """Which cells decide, in networks of many seeds; and is what was found so, on another text?"""
    for name in names:
        for seed in range(seeds):
            store("decides", task=name, seed=seed, **statement(name, seed))


def statement(name: str, seed: int) -> dict[str, Any]:
    """Train the network of a task, find its cells, and check them on another text."""
    model, pattern = network(name, seed), ASKED[name]
    text, fresh = (sample(name, HELD_OUT + each) for each in (seed, 2 * HELD_OUT + seed))
    found = afterword.decides(model, text, pattern)
    *_, together, random = found.effects
    figures = {"bits": found.bits, "held": together.held_bits, "random": random.held_bits}
    figures |= {"follows": together.follows, "random_follows": random.follows}
    row: dict[str, Any] = {key: round(value, 3) for key, value in figures.items()}
    row |= {"holds": holds(model, found, fresh, pattern), "found": len(found.cells), "first": found.effects[0].cells}
    row |= {"verdict": found.verdict}
    if name == "subjects":
        row["forgets"] = named_with_gate_open(model)
    return row


def network(name: str, seed: int) -> LanguageModel:
    """Return the network of a task, or of one of the founding examples."""
    if name in TASKS:
        return learned(TASKS[name], seed)
    text, steps = (subjects.make_text(), 3500) if name == "subjects" else (subjects.make_told(), 1500)
    return trained(text, seed=seed, steps=steps, hidden_size=128, learning_rate=SHOWN_RATE, **FIXED)


def sample(name: str, seed: int) -> str:
    """Return a text that no network has learned from."""
    if name in TASKS:
        return TASKS[name].text(seed, MEASURED)
    return (subjects.make_text if name == "subjects" else subjects.make_told)(seed)[:MEASURED]


def named_with_gate_open(model: LanguageModel) -> str:
    """Return who is expected after *So*, by a letter, with the forget gate of the lab's unit open from the R on."""
    text = subjects.ASKED[1]
    cells = model.gates(text).cell[:, 0]
    here, elsewhere = cells[4:20], np.delete(cells, slice(4, 20), axis=0)
    unit = int(
        (np.abs(here.mean(axis=0) - elsewhere.mean(axis=0)) / (here.std(axis=0) + elsewhere.std(axis=0))).argmax()
    )
    net, tokenizer, at = model.network(), model.tokenizer, text.index("R")
    ids = np.array([tokenizer.end, *tokenizer.encode(text)])
    _, state = net.advance(ids[None, : at + 1], net.start())
    held = held_values([parse_hold(f"l0.u{unit}.forget=1")], model.config)
    logits, _ = net.holding(held).advance(ids[None, at + 1 :], state)
    return tokenizer.names[int(logits[0].argmax())]


def random_answers(random: np.random.Generator, length: int) -> Mask:
    """Answers to a question that means nothing: runs of a random mean length, true in a random part of the text."""
    true, stay = 0.02 * 25 ** random.random(), 30 ** random.random()  # 2 to 50 % of the text; runs of 1 to 30
    stay_false = stay * (1 - true) / true
    while True:  # until both halves have some of each
        lengths = random.geometric(np.tile([1 / max(stay_false, 1), 1 / stay], length // 2 + 1))
        mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)[:length]
        if all(20 < half.sum() < len(half) - 20 for half in np.array_split(mask, 2)):
            return mask


@main.command("random")
def random_() -> None:
    """Ask random questions about a network of 64 units."""
    play = read_text([Path(PLAY)])[0]
    model, random = trained(play[20_000:], **SMALL, steps=300, seq_length=64), np.random.default_rng(0)
    decided = sum(bool(ask_at_random(model, play[:4000], random).cells) for _ in range(QUESTIONS))
    store("random", questions=QUESTIONS, decided=decided)


def ask_at_random(model: LanguageModel, text: str, random: np.random.Generator) -> Decided:
    """Ask which cells decide what comes at places that have nothing to do with each other."""
    mask = random_answers(random, len(text))
    with mock.patch("afterword.wings.lesson.deciding.matching", return_value=always(mask)):
        return afterword.decides(model, text, "")


@main.command("planted")
def planted_() -> None:
    """Find the cells of networks whose weights are set by hand: one that counts, one or three that hold a key."""
    kinds, found = (("anbn", 1), ("recall", 1), ("recall", 3)), 0
    for seed in range(100):
        for name, copies in kinds:
            model, cells = planted(name, np.random.default_rng(seed), copies)
            decided = {*afterword.decides(model, TASKS[name].text(seed, 4000), TASKS[name].due).cells}
            found += cells <= decided or (bool(decided) and decided < cells)  # two of three may be enough
    store("planted", networks=100 * len(kinds), found=found)


def always(mask: Mask) -> Callable[[str], Mask]:
    return lambda _: mask


def each_run(way: str, cells: Sequence[str], run: Callable[[str, float, int], None]) -> None:
    """Train every cell at each of RATES with seed 0, and with other seeds at the one that cost least, or is shown."""
    for cell in cells:
        for rate in RATES:
            run(cell, rate, 0)
        for seed in SEEDS[1:]:
            shown = {SHOWN_RATE} if (way, cell) == ("subjects", "lstm") else set()
            for rate in sorted({best_rate(way, cell)} | shown):
                run(cell, rate, seed)


def best_rate(way: str, cell: str) -> float:
    """Return the rate whose network of seed 0 costs least on held-out text, of what is stored."""
    return float(min(latest(way, "rate", cell=cell, seed=0), key=lambda one: one["bits"])["rate"])


def cost(model: LanguageModel) -> float:
    return round(float(model.about["validation"]["bits_per_character"]), 4)


@main.command("subjects")
@click.option("--cell", "cells", multiple=True, default=("lstm", "rnn"))
def subjects_(cells: Sequence[str]) -> None:
    """Divya and Reena, by LSTMs and by plain networks, at their best of several rates."""
    text = subjects.TEXT.read_text(encoding="utf-8")
    settings = FIXED | {"steps": 3500, "hidden_size": 128}

    def run(cell: str, rate: float, seed: int) -> None:
        model = trained(text, cell=cell, learning_rate=rate, seed=seed, **settings)
        before, after = (
            afterword.keeps(model, asked, "Divya", instead=subjects.INSTEAD, after=".") for asked in subjects.ASKED
        )
        found = after.to_dict()
        store(
            "subjects",
            cell=cell,
            rate=rate,
            seed=seed,
            bits=cost(model),
            divya=round(before.expected["Divya"], 3),
            reena=round(after.expected.get("Reena", 0), 3),
            divya_after=round(after.expected["Divya"], 3),
            rows=[rounded(row) for row in (found["at_word"], *found["stretches"])] if cell == "lstm" else [],
        )

    each_run("subjects", cells, run)


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


@main.command()
def told() -> None:
    """She told me via a call: does the network keep the eating, and pass over the call?"""
    text = subjects.make_told()
    settings = FIXED | {"steps": 1500, "hidden_size": 128, "learning_rate": 0.014}
    for seed in SEEDS:
        model = trained(text, seed=seed, **settings)
        row: dict[str, Any] = {}
        for word, others in (("eat", ("run", "see")), ("call", ("note", "text"))):
            kept = afterword.keeps(model, subjects.TOLD, word, instead=others)
            stretch = {one.text.strip(): one for one in kept.stretches}
            row[f"{word}_held_at_she"] = round(stretch["she"].held, 3)
            row[f"{word}_input"] = round(kept.at_word.input_where_held or 0.0, 3)
        expected = afterword.keeps(model, subjects.TOLD, "eat", instead=["run", "see"]).expected
        store("told", seed=seed, ate=round(expected.get("ate", 0), 3), **row)


@main.command()
def gaps() -> None:
    """The success of both cells by the length of the gap: X or Y, letters that mean nothing, and the same again.

    The gaps are learned up to 300 letters. A plain network also learns gaps up to 20 alone, and in more steps.
    """
    task = TASKS["recall"]

    def run(cell: str, rate: float, seed: int, way: str = "gaps", task: Task = task) -> None:
        model = learned(task, seed, cell=cell, learning_rate=rate)
        right = {gap: recalled(model, gap, seed) for gap in GAPS}
        store(way, cell=cell, rate=rate, seed=seed, steps=task.steps, bits=cost(model), right=right)

    each_run("gaps", ("lstm", "rnn"), run)
    for seed in SEEDS:
        run("rnn", 0.004, seed, "long training", dataclasses.replace(task, steps=LONG))
        run("rnn", 0.004, seed, "short gaps", dataclasses.replace(task, steps=LONG, piece=short_recall))


def short_recall(random: Random, matters: bool) -> str:
    key = random.choice("XY")
    return f"{key}{''.join(random.choices('ab ', k=random.randint(2, 20)))}?{key}\n"


def recalled(model: LanguageModel, gap: int, seed: int) -> float:
    """The fraction of 100 keys that the model expects after a gap of so many letters."""
    random = Random(HELD_OUT + seed)
    keys = random.choices("XY", k=LINES)
    text = "".join(f"{key}{''.join(random.choices('ab ', k=gap))}?{key}\n" for key in keys)
    due = matching(TASKS["recall"].due)(text)
    return float((model.score(text).token_nats[due] < math.log(2)).mean())


@main.command()
def difficult() -> None:
    """What goes wrong: the rate, the length of backpropagation, and a text that is read by heart."""
    task = TASKS["brackets"]
    for rate in (0.0005, 0.014, 0.5):
        curve("rate", f"rate {rate:g}", task.text(0), learning_rate=rate)
    for length in (2, 64):  # as many characters in each step
        curve("windows", f"{length} characters", task.text(0), seq_length=length, batch_size=1024 // length)
    text = task.text(0)
    windows = "\n".join(text[first : first + WINDOW] for first in range(0, len(text), WINDOW))
    curve("windows", f"{WINDOW} characters, each from an empty state", windows, lines=True)
    play = read_text([Path(PLAY)])[0][20_000:]
    curve("heart", "5,000 characters of a play", play[:5_000], validation="0.2", hidden_size=128)


def curve(panel: str, name: str, text: str, **settings: Any) -> None:
    """Store the cost of training and of held-out text, step by step."""
    reports: list[Progress] = []
    options = SMALL | {"steps": 1000, "seq_length": 64} | settings
    with tempfile.TemporaryDirectory() as folder:
        (path := Path(folder, "text.txt")).write_text(text, encoding="utf-8")
        train(path, base="none", on_progress=reports.append, **options)
    seen = [one for one in reports if one.validation is not None]
    each = 1 + 1 / WINDOW if settings.get("lines") else 1  # the end of a line, which is easy, counts as a character
    points = [[one.step, round(each * bits(one.loss), 4), round(each * bits(one.validation or 0), 4)] for one in seen]
    store("difficult", panel=panel, curve=name, points=points)


@main.command()
def pictures() -> None:
    """Draw docs/gaps.svg and docs/difficult.svg."""
    figure, [axis] = stacked_axes(width=5.5, heights=[2.6])
    for (cell, name), colour in zip((("lstm", "LSTM"), ("rnn", "plain network")), COLOURS, strict=False):
        each = by_gap(latest("gaps", "seed", cell=cell, rate=best_rate("gaps", cell)))
        axis.plot(GAPS, each.mean(axis=0), "o-", color=colour, label=name)
        axis.fill_between(GAPS, each.min(axis=0), each.max(axis=0), color=colour, alpha=0.2, lw=0)
    short = by_gap(latest("short gaps", "seed", cell="rnn"))
    axis.plot(
        GAPS, short.T, "--", color="grey", lw=1, label=["plain, after short gaps alone", *["_"] * (len(short) - 1)]
    )
    axis.set(xscale="log", ylim=(0.2, 1.03), xlabel="length of the gap, in characters", ylabel="keys recalled")
    axis.axhline(0.5, color="grey", ls=":", lw=1)
    axis.set_xticks(GAPS, [str(gap) for gap in GAPS])
    axis.minorticks_off()
    axis.legend(frameon=False)
    write_figure(figure, svg=DOCS / "gaps.svg")
    figure, axes = stacked_axes(width=5.5, heights=[1.8] * 3)
    for axis, panel in zip(axes, ("rate", "windows", "heart"), strict=True):
        for one, colour in zip(latest("difficult", "curve", panel=panel), COLOURS, strict=False):
            steps, training, held_out = np.array(one["points"]).T
            axis.plot(steps, held_out, color=colour, label=one["curve"])
            if panel == "heart":
                axis.plot(steps, training, ":", color=colour)
        axis.set(ylabel="bits per character")
        axis.legend(frameon=False, fontsize=7)
    axes[-1].set_xlabel("steps")
    write_figure(figure, svg=DOCS / "difficult.svg")


def by_gap(rows: list[dict[str, Any]]) -> np.ndarray:
    """Return the keys recalled, [seeds, gaps]."""
    return np.array([[one["right"][str(gap)] for gap in GAPS] for one in rows])


def latest(way: str, *by: str, **same: Any) -> list[dict[str, Any]]:
    """Return the newest result of each value of `by`."""
    same = {"kernels": "own"} | same
    found = {tuple(one[key] for key in by): one for one in results("teach", way=way, **same)}
    return list(found.values())


@main.command("claims")
def claims_() -> None:
    """Print the sentences of the pages whose figures are stored."""
    for name, text in claims().items():
        click.echo(f"{name}: {text}")


def span(values: Iterable[float], digits: int = 2) -> str:
    """Return the least and the most of `values`, as in "0.55 to 0.60"."""
    each = [*values]
    low, high = (f"{one:,.{digits}f}" for one in (min(each), max(each)))
    return low if low == high else f"{low} to {high}"


def claims() -> dict[str, str]:
    """Return the sentences of docs/lstm.md and docs/lstm-memory.md whose figures are stored.

    benchmarks/claims.tsv has the sentences.
    """
    figures = {**of_subjects(), **of_gaps(), **of_told(), **of_difficult()}
    sentences = (line.split("\t") for line in CLAIMS.read_text(encoding="utf-8").splitlines())
    return {name: text.format_map(figures) for name, text in sentences} | of_tasks()


def of_tasks() -> dict[str, str]:
    """Return the row of each task: the verdicts of its networks, and medians and quartiles of what holding costs."""
    found = {}
    for name in ASKED:
        done = latest("decides", "seed", task=name)
        kinds = [(one["found"] > 0, "cannot" in one["verdict"]) for one in done]
        counts = [kinds.count(kind) for kind in ((True, False), (True, True), (False, False))]
        cells = [f"`{name}`", f"{sum(one['holds'] for one in done)} of {len(done)}", *map(str, counts)]
        cells += [f"{np.median([one['found'] for one in done if one['found']]):g}"]
        quartiles = " to ".join(f"{one:.1f}" for one in np.quantile([one["held"] for one in done], [0.25, 0.75]))
        middle = {one: f"{np.median([row[one] for row in done]):.2f}" for one in ("bits", "random")}
        found[f"{name}, 20 networks"] = f"| {' | '.join([*cells, middle['bits'], quartiles, middle['random']])} |"
    return found


def of_subjects() -> dict[str, str]:
    as_shown = [  # as the command of the page trains, with both kinds of kernels
        one
        for kernels in ("own", "Haswell")
        for one in latest("subjects", "seed", cell="lstm", rate=SHOWN_RATE, kernels=kernels)
    ]
    stretches = {" likes to eat": "eat", ".": "stop", "R": "R", "Divya": "Divya"}
    gates: dict[str, list[float]] = {}
    for row in (row for one in as_shown for row in one["rows"][:5] if row["text"] in stretches):
        for gate in ("forget", "input", "output"):
            gates.setdefault(f"{gate}_{stretches[row['text']]}", []).append(row[f"{gate}_where_held"] or 0)
    found = {name: span(values) for name, values in gates.items()}
    for cell in ("lstm", "rnn"):
        found[f"{cell}_rate"] = f"{best_rate('subjects', cell):g}"
        best = latest("subjects", "seed", cell=cell, rate=best_rate("subjects", cell))
        found[f"{cell}_divya"] = span(one["divya"] for one in best)
    return found


def of_gaps() -> dict[str, str]:
    ways = {cell: latest("gaps", "seed", cell=cell, rate=best_rate("gaps", cell)) for cell in ("lstm", "rnn")}
    ways |= {way.partition(" ")[0]: latest(way, "seed", cell="rnn") for way in ("short gaps", "long training")}
    pairs = [(way, gap) for way in ways for gap in GAPS]
    return {f"{way}_{gap}": span(one["right"][str(gap)] for one in ways[way]) for way, gap in pairs}


def of_told() -> dict[str, str]:
    told = latest("told", "seed")
    kept_it = [one for one in told if one["ate"] > 0.5]
    names = ("ate", *(f"{word}_{what}" for word in ("eat", "call") for what in ("held_at_she", "input")))
    found = {name: span(one[name] for one in kept_it) for name in names}
    return {"told": f"{len(kept_it)} of {len(told)}", **found}


def of_difficult() -> dict[str, str]:
    curves = {one["curve"]: one["points"] for one in latest("difficult", "curve")}
    found = {f"end of {name.replace('.', '_')}": f"{points[-1][2]:.2f}" for name, points in curves.items()}
    heart = curves["5,000 characters of a play"]
    lowest = min(held_out for _, _, held_out in heart)
    return found | {"lowest": f"{lowest:.2f}", "read": f"{heart[-1][1]:.2f}"}


if __name__ == "__main__":
    main()
