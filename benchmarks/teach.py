"""What the lesson says of trained networks: medians and quartiles over 20 seeds.

    python -m benchmarks.teach tasks         the four tasks with known answers: is the cell found, and is it the one?
    python -m benchmarks.teach random        false findings of 200 random questions
    python -m benchmarks.teach planted       networks whose weights are set by hand: are their cells found?
    python -m benchmarks.teach subjects      Divya and Reena: what an LSTM and plain networks expect, and the gates
    python -m benchmarks.teach gaps          LSTM against plain networks, by the length of the gap
    python -m benchmarks.teach difficult     what goes wrong in training, one run each
    python -m benchmarks.teach pictures      draws docs/gaps.svg and docs/difficult.svg from what is stored

Each appends what it measured to benchmarks/results/teach.jsonl, from which docs/lstm.md and docs/gates.md take their
figures; a test compares them. `make bench-teach` runs all.
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

SEEDS = 20
HELD_OUT = 1000  # a seed of texts that no network has learned from
QUESTIONS = 200
RATES = (0.004, 0.014, 0.03)
SHOWN_RATE = 0.014  # of the shipped networks
OF_SUBJECTS = {"LSTM": ("lstm", 128), "plain": ("rnn", 128), "plain, as many weights": ("rnn", 276)}
OF_GAPS = {"LSTM": ("lstm", 64), "plain": ("rnn", 64), "plain, as many weights": ("rnn", 151)}
GAPS = (5, 10, 20, 30, 50, 75, 100, 150, 200, 300)
LINES = 100  # per length of a gap
LONG = 5000  # steps
WINDOW = 10  # characters, of those that forget
FIXED: dict[str, Any] = {"batch_size": 16, "dropout": 0.0, "ngram": 0, "threads": 1}
SMALL = FIXED | {"hidden_size": 64, "learning_rate": 0.014}
ASKED = {name: task.due for name, task in TASKS.items()} | {"subjects": r"So (\w)", "told": r"that she (\w)"}
DOCS = Path(__file__).parents[1] / "docs"
CLAIMS = Path(__file__).with_name("claims.tsv")
PANELS = ("rate", "windows", "heart")
GATES = ("forget", "input", "output")
SHOWN_ROWS = (0, 1, 2, 4, 6)  # Divya, likes to eat, the full stop, R, is not fat


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
    """Whether what was found is so on another `text`: held by `model.hold`, and set, against as many random cells.

    If nothing was found, nothing may be found on the other text, whose cells are ranked anew.
    """
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
        return not afterword.decides(model, text, pattern).cells
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
@click.option("--seeds", default=SEEDS, show_default=True)
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


def each_run(
    way: str, networks: dict[str, tuple[str, int]], seeds: int, run: Callable[[str, str, int, float, int], None]
) -> None:
    """Train an LSTM at SHOWN_RATE; a plain one at each of RATES with seed 0, then at the rate that cost least."""
    for name, (cell, units) in networks.items():
        for rate in RATES if cell == "rnn" else (SHOWN_RATE,):
            run(name, cell, units, rate, 0)
        for seed in range(1, seeds):
            run(name, cell, units, best_rate(way, name), seed)


def best_rate(way: str, name: str) -> float:
    """Return the rate whose network of seed 0 costs least on held-out text, of what is stored."""
    return float(min(latest(way, "rate", network=name, seed=0), key=lambda one: one["bits"])["rate"])


def cost(model: LanguageModel) -> float:
    return round(float(model.about["validation"]["bits_per_character"]), 4)


@main.command("subjects")
@click.option("--seeds", default=SEEDS, show_default=True)
def subjects_(seeds: int) -> None:
    """Divya and Reena: what an LSTM and plain networks expect, and the gates of the LSTM."""
    text = subjects.TEXT.read_text(encoding="utf-8")
    settings = FIXED | {"steps": 3500}

    def run(name: str, cell: str, units: int, rate: float, seed: int) -> None:
        model = trained(text, cell=cell, hidden_size=units, learning_rate=rate, seed=seed, **settings)
        before, after = (
            afterword.keeps(model, asked, "Divya", instead=subjects.INSTEAD, after=".") for asked in subjects.ASKED
        )
        found = after.to_dict()
        store(
            "subjects",
            network=name,
            weights=model.parameters,
            rate=rate,
            seed=seed,
            bits=cost(model),
            divya=round(before.expected["Divya"], 3),
            reena=round(after.expected.get("Reena", 0), 3),
            divya_after=round(after.expected["Divya"], 3),
            rows=[rounded(row) for row in (found["at_word"], *found["stretches"])] if cell == "lstm" else [],
        )

    each_run("subjects", OF_SUBJECTS, seeds, run)


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 3) if isinstance(value, float) else value for name, value in row.items()}


@main.command()
@click.option("--seeds", default=SEEDS, show_default=True)
def gaps(seeds: int) -> None:
    """The success of networks by the length of the gap: X or Y, letters that mean nothing, and the same again.

    The gaps are learned up to 300 letters. A plain network also learns gaps up to 20 alone, and in more steps.
    """
    ways = {"gaps": TASKS["recall"]}
    ways["long training"] = dataclasses.replace(TASKS["recall"], steps=LONG)
    ways["short gaps"] = dataclasses.replace(ways["long training"], piece=short_recall)

    def run(name: str, cell: str, units: int, rate: float, seed: int, way: str = "gaps") -> None:
        model = learned(ways[way], seed, cell=cell, hidden_size=units, learning_rate=rate)
        right = {gap: recalled(model, gap, seed) for gap in GAPS}
        figures = {"weights": model.parameters, "bits": cost(model), "right": right}
        store(way, network=name, rate=rate, seed=seed, steps=ways[way].steps, **figures)

    each_run("gaps", OF_GAPS, seeds, run)
    for seed in range(seeds):
        for way in ("long training", "short gaps"):
            run("plain", "rnn", 64, 0.004, seed, way)


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
@click.option("--panel", type=click.Choice(PANELS), help="only the curves of this panel")
def difficult(panel: str | None) -> None:
    """What goes wrong: the rate, the length of backpropagation, and a text that is read by heart."""
    text, asked = TASKS["brackets"].text(0), (panel,) if panel else PANELS
    for rate in (0.0005, 0.014, 0.5) if "rate" in asked else ():
        curve("rate", f"rate {rate:g}", text, learning_rate=rate)
    if "windows" in asked:
        windows(text)
    if "heart" in asked:
        play = read_text([Path(PLAY)])[0][20_000:]
        curve("heart", "5,000 characters of a play", play[:5_000], validation="0.2", hidden_size=128)


def windows(text: str) -> None:
    for length in (2, 64):  # as many characters in each step
        curve("windows", f"{length} characters", text, seq_length=length, batch_size=1024 // length)
    each = "\n".join(text[first : first + WINDOW] for first in range(0, len(text), WINDOW))
    curve("windows", f"{WINDOW} characters, each from an empty state", each, lines=True)


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
    ways = [(name, "gaps", name) for name in measured("gaps", OF_GAPS)] + [
        ("plain, after short gaps alone", "short gaps", "plain")
    ]
    for (label, way, name), colour, style in zip(ways, COLOURS, ("o-", "s-", "^-", "--"), strict=False):
        low, middle, high = np.quantile(by_gap(runs(way, name)), [0.25, 0.5, 0.75], axis=0)
        axis.plot(GAPS, middle, style, color=colour, label=label, ms=4)
        axis.fill_between(GAPS, low, high, color=colour, alpha=0.2, lw=0)
    axis.set(xscale="log", ylim=(0.2, 1.03), xlabel="length of the gap, in characters", ylabel="keys recalled")
    axis.axhline(0.5, color="grey", ls=":", lw=1)
    axis.set_xticks(GAPS, [str(gap) for gap in GAPS])
    axis.minorticks_off()
    axis.legend(frameon=False, fontsize=7)
    write_figure(figure, svg=DOCS / "gaps.svg")
    figure, axes = stacked_axes(width=5.5, heights=[1.8] * 3)
    for axis, panel in zip(axes, PANELS, strict=True):
        for one, colour in zip(latest("difficult", "curve", panel=panel), COLOURS, strict=False):
            steps, training, held_out = np.array(one["points"]).T
            axis.plot(steps, held_out, color=colour, label=one["curve"])
            if panel == "heart":
                axis.plot(steps, training, ":", color=colour)
        axis.set(ylabel="bits per character")
        axis.legend(frameon=False, fontsize=7)
    axes[-1].set_xlabel("steps")
    write_figure(figure, svg=DOCS / "difficult.svg")


def measured(way: str, networks: Iterable[str]) -> list[str]:
    """Return those of some networks of which results are stored."""
    return [name for name in networks if latest(way, "seed", network=name)]


def runs(way: str, name: str) -> list[dict[str, Any]]:
    """Return what is stored of a network, of each seed, at its best rate."""
    return latest(way, "seed", network=name, rate=best_rate(way, name))


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


def middle(values: Iterable[float]) -> str:
    """Return the median of many `values` and the quartiles, as in "0.58 (0.55–0.60)"; of a few, the range."""
    each = [*values]
    at = [0.25, 0.5, 0.75] if len(each) >= SEEDS else [0, 0.5, 1]
    low, median, high = (f"{one:.2f}" for one in np.quantile(each, at))
    if low == high:
        return median
    return f"{median} ({low}–{high})" if len(each) >= SEEDS else f"{low} to {high}"


def claims() -> dict[str, str]:
    """Return the sentences of docs/lstm.md and docs/gates.md whose figures are stored.

    benchmarks/claims.tsv has the sentences.
    """
    figures = {**of_subjects(), **of_gaps(), **of_difficult()}
    sentences = (line.split("\t") for line in CLAIMS.read_text(encoding="utf-8").splitlines())
    return {name: text.format_map(figures) for name, text in sentences} | of_tasks() | of_gates()


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
    every = {name: runs("subjects", name) for name in measured("subjects", OF_SUBJECTS)}
    found = {f"{name}_divya": middle(one["divya"] for one in each) for name, each in every.items()}
    return found | {f"{name}_rate": f"{best_rate('subjects', name):g}" for name in every}


def of_gates() -> dict[str, str]:
    """Return the row of some stretches of Divya's story: what is held, and the gates that hold it."""
    every, found = [one["rows"] for one in runs("subjects", "LSTM")], {}
    for k in SHOWN_ROWS:
        row = every[0][k]
        of_seeds = ([rows[k][name] for rows in every] for name in ("held", *(f"{gate}_where_held" for gate in GATES)))
        found[f"gates {k}"] = f"| {row['text'].strip() or 'space'} | {' | '.join(map(middle, of_seeds))} |"
    return found


def of_gaps() -> dict[str, str]:
    ways = [("gaps", name) for name in measured("gaps", OF_GAPS)] + [
        (way, "plain") for way in ("short gaps", "long training")
    ]
    return {
        f"{name if way == 'gaps' else way}_{gap}": middle(one["right"][str(gap)] for one in runs(way, name))
        for way, name in ways
        for gap in GAPS
    }


def of_difficult() -> dict[str, str]:
    curves = {one["curve"]: one["points"] for one in latest("difficult", "curve")}
    found = {f"end of {name.replace('.', '_')}": f"{points[-1][2]:.2f}" for name, points in curves.items()}
    heart = curves["5,000 characters of a play"]
    lowest = min(held_out for _, _, held_out in heart)
    return found | {"lowest": f"{lowest:.2f}", "read": f"{heart[-1][1]:.2f}"}


if __name__ == "__main__":
    main()
