"""Make the networks that ship with the lesson, and what its page says of them.

    python -m benchmarks.shipped               trains all of them: two minutes on two cores
    python -m benchmarks.shipped --kept        keeps the networks, and measures them again
    python -m benchmarks.shipped --only divya  trains this one

Each is the network that `python -m benchmarks.teach tasks` trains with the same seed, with its matrices rounded to int8.
The seeds were chosen among 20 whose findings are stored, so that few cells do it. What the page says of a network is
measured after rounding, on texts that it has not learned. Processors add in different orders, so training again can
give another network, and `lesson.json` then says what was found in that one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import click
import numpy as np

import afterword
from afterword.language_model import LanguageModel, load
from afterword.model.folder.card import card_text, metadata
from afterword.model.folder.saved import save_model
from afterword.model.network.holding import held_values, parse_hold
from afterword.model.network.network import log_probabilities
from afterword.wings.lesson.deciding import Decided
from afterword.wings.lesson.lesson import NETWORKS
from bases.making.ship import rounded
from benchmarks import subjects
from benchmarks.commands import as_written
from benchmarks.tasks import TASKS
from benchmarks.teach import ASKED, FIXED, HELD_OUT, latest, network, sample, trained

WORDS = ("ALPHABET", "TABLE", "HELP")  # no other word begins with A, so that what comes after A depends on its place
WEEK = (3, 4, 5, 4, 7, 9, 1)  # sales from Monday to Sunday: what comes after a 4 depends on the day
DAYS = 28  # in a line
CARD = """\
# {name}: a network of the lesson

It ships with Afterword, and has learned: {about} Seed {seed}. `afterword lesson` writes the page about it.
"""
Exercises = list[tuple[str, str]]


@dataclass(frozen=True)
class Shipped:
    task: str
    """Of benchmarks.teach, or of SMALL."""
    seed: int
    title: str
    about: str
    text: str
    """What it reads on the page."""
    at: int
    """The character at which the page begins."""
    exercises: Callable[[LanguageModel, Decided], Exercises]


def expected(model: LanguageModel, text: str) -> tuple[str, float]:
    """Return the likeliest character after `text`, and its probability."""
    best = model.next_characters(text)[0]
    return best.text, best.probability


def after_moving(model: LanguageModel, text: str, part: str, at: int, holds: bool) -> tuple[str, float]:
    """Return the same with a gate moved at character `at`, as the page of one step does; `holds` is from there on."""
    network, tokenizer, ids = (
        model.network(),
        model.tokenizer,
        np.array([model.tokenizer.end, *model.tokenizer.encode(text)]),
    )
    held = network.holding(held_values([parse_hold(part)], model.config))
    _, state = network.advance(ids[None, : at + 1], network.start())
    stop = None if holds else at + 2
    logits, state = held.advance(ids[None, at + 1 : stop], state)
    if not holds and at + 2 < len(ids):
        logits, state = network.advance(ids[None, at + 2 :], state)
    probabilities = np.exp(log_probabilities(logits)[0])
    return tokenizer.names[int(probabilities.argmax())], float(probabilities.max())


def number(value: float) -> str:
    return f"{value:.2f}".replace("-", "−")


def gate(model: LanguageModel, text: str, name: str, unit: str, at: int) -> float:
    """Return the value of a gate, or of the cell state, of `unit` at character `at`."""
    return float(getattr(model.gates(text), name)[at, 0, int(unit.split(".u")[1])])


def probability(model: LanguageModel, text: str, character: str) -> float:
    return next((one.probability for one in model.next_characters(text) if one.text == character), 0.0)


def of_divya(model: LanguageModel, found: Decided) -> Exercises:
    text, R = subjects.ASKED[1], subjects.ASKED[1].index("R")
    # of the cells found, the one that lets most of Divya go at the R
    unit = min(found.cells, key=lambda one: gate(model, text, "forget", one, R))
    before, (held, p) = expected(model, text), after_moving(model, text, f"{unit}.forget=1", R, holds=True)
    once, p_once = after_moving(model, text, f"{unit}.forget=1", R, holds=False)
    forget = {at: gate(model, text, "forget", unit, at) for at in (10, R - 2, R)}
    done = latest("decides", "seed", task="subjects")
    others = sum(one["forgets"] != "R" for one in done)
    return [
        (
            f"Choose unit {unit}. What does its forget gate do in `likes to eat`, at the full stop, and at the R of Reena?",
            f"{forget[10]:.2f} in `eat`, {forget[R - 2]:.2f} at the full stop, and {forget[R]:.2f} at the R: the full stop does "
            "not say whether the next sentence is about somebody else; the R does.",
        ),
        (
            f"At the R, tick `hold a moved gate from here on`, and move the forget gate of {unit} to 1. Click the last "
            "character. Whose name begins?",
            f"Before: {before[0]}, with {before[1]:.2f}. With the gate held open: {held}, with {p:.2f}.",
        ),
        (
            "Release, and move the gate at the R alone. Whose name begins now?",
            f"{once}, with {p_once:.2f}: later characters close the gate again."
            if once == before[0]
            else f"{once}, with {p_once:.2f}.",
        ),
        (
            "Would a network with another seed name somebody else too?",
            f"Of {len(done)} networks, {others} did when the gate of one unit was held open; in the other "
            f"{len(done) - others}, other units hold her too. This network was chosen because it is one of the {others}.",
        ),
    ]


def of_told(model: LanguageModel, found: Decided) -> Exercises:
    text = subjects.TOLD
    own, other = expected(model, text), expected(model, text.replace("eat", "sing"))
    note = expected(model, text.replace("call", "note"))
    kept = {
        word: afterword.keeps(model, text, word, instead=instead)
        for word, instead in (("eat", ("run", "see")), ("call", ("note", "text")))
    }
    opened = {word: one.at_word.input_where_held or 0.0 for word, one in kept.items()}
    held = {word: {part.text: part.held for part in one.stretches}[" she"] for word, one in kept.items()}
    done = latest("decides", "seed", task="told")
    knows = sum(one["bits"] < 0.5 for one in done)
    return [
        (
            "Click the last character. What is expected? Then type `sing` for `eat`, and `note` for `call`.",
            f"{own[0]} (as in `ate`) with {own[1]:.2f}; with `sing`, {other[0]} with {other[1]:.2f}; with `note`, {note[0]} with "
            f"{note[1]:.2f}.",
        ),
        (
            "The story says that the network stores the eating and ignores the call. Does the input gate open more for `eat`?",
            f"In the cells that hold each word, it is at {opened['eat']:.2f} for `eat` and at {opened['call']:.2f} for `call`. "
            f"After `she`, the cells hold {held['eat']:.2f} of the most that they held of `eat`, and {held['call']:.2f} of "
            "`call`, which was nearer. (1 is what they held of it where they held most.)",
        ),
        (
            "Does every network learn this?",
            f"No. Of {len(done)} networks, {knows} knew what she did (less than half a bit); this one was chosen because it did.",
        ),
    ]


def of_brackets(model: LanguageModel, found: Decided) -> Exercises:
    text = "ab <ba b"
    other = text.replace("<", "[")
    pairs = [probability(model, one, bracket) for one in (text, other) for bracket in ">]"]
    effects = found.effects
    return [
        (
            "Click the last character. Which bracket may close here? Then type [ for <.",
            f"After <, > has {pairs[0]:.2f} and ] has {pairs[1]:.2f}. After [, > has {pairs[2]:.2f} and ] has {pairs[3]:.2f}. "
            "Letters are likelier, because nobody knows how long the text in brackets is.",
        ),
        (
            f"Choose each of {', '.join(found.cells)}. At which character does its cell state change its sign?",
            f"At <, {found.cells[0]} goes from {number(gate(model, text, 'cell', found.cells[0], 2))} to "
            f"{number(gate(model, text, 'cell', found.cells[0], 3))}, and {found.cells[-1]} from "
            f"{number(gate(model, text, 'cell', found.cells[-1], 2))} to {number(gate(model, text, 'cell', found.cells[-1], 3))}.",
        ),
        (
            "Can one of these cells turn the bracket by itself?",
            "Give a cell the value that it has where the other bracket is due: if the other bracket becomes likelier, it follows. With "
            f"one cell, it does at {max(one.follows for one in effects[:-2]):.0%} of the places at most; with all, at {effects[-2].follows:.0%}."
            if len(found.cells) > 1
            else f"Yes, at {effects[0].follows:.0%} of the places.",
        ),
    ]


def of_anbn(model: LanguageModel, found: Decided) -> Exercises:
    text, unit = "aaaaaabbbbbb", found.cells[0]
    states = [gate(model, text, "cell", unit, at) for at in (0, 5, 11)]
    before, short = expected(model, text), expected(model, text[:-1])
    moved = after_moving(model, text, f"{unit}.input=0", 3, holds=False)
    return [
        (
            f"Choose unit {unit}, and click from a to a, and from b to b. What does its cell do?",
            f"It counts: {number(states[0])} after the first a, {number(states[1])} after the last a, and {number(states[2])} after the last b.",
        ),
        (
            "What is expected after the last b, and after the one before?",
            f"After six, {shown(before[0])} with {before[1]:.2f}; after five, {shown(short[0])} with {short[1]:.2f}.",
        ),
        (
            f"At the fourth a, move the input gate of {unit} to 0, so that this a is not counted. What is expected after the last b?",
            f"{shown(moved[0])}, with {moved[1]:.2f}.",
        ),
    ]


def of_recall(model: LanguageModel, found: Decided) -> Exercises:
    text, unit = "Xab b a bab ?", found.cells[0]
    x, y = (gate(model, one, "cell", unit, len(text) - 1) for one in (text, "Y" + text[1:]))
    before, moved = expected(model, text), after_moving(model, text, f"{unit}.candidate=0.99", 0, holds=False)
    forgets = [gate(model, text, "forget", unit, at) for at in range(1, len(text))]
    return [
        (
            f"Choose unit {unit}. What is its cell state at the question mark after X? And if the text begins with Y?",
            f"{number(x)} after X, and {number(y)} after Y. Between them, its forget gate is never below {min(forgets):.2f}.",
        ),
        (
            f"At the X, move the candidate of {unit} to its other end. What is expected after the question mark?",
            f"Before: {before[0]}, with {before[1]:.2f}. Then: {moved[0]}, with {moved[1]:.2f}.",
        ),
    ]


def of_alphabet(model: LanguageModel, found: Decided) -> Exercises:
    word = WORDS[0]
    steps = [(word[:k], *expected(model, word[:k])) for k in range(1, len(word))]
    return [
        (
            "Feed A, L, P, H, A, B, E: click from character to character. What does the network expect after each?",
            ", ".join(f"{begin} → {one} {p:.2f}" for begin, one, p in steps) + ".",
        ),
        (
            "After the first A comes an L, and after the second a B, so the A alone does not say which. Which cells do?",
            f"{', '.join(found.cells) or 'None was found'}. {sentence(found.caption)}",
        ),
    ]


def of_season(model: LanguageModel, found: Decided) -> Exercises:
    text, names = SHIPPED["season"].text, ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
    steps = [(name, *expected(model, text + "".join(map(str, WEEK[:k])))) for k, name in enumerate(names)]
    unit = max(found.cells or ["l0.u0"], key=lambda one: float(np.ptp(states(model, text, one)[-7:])))
    return [
        (
            "Type one more week, 3 4 5 4 7 9 1. What does the network expect before each day?",
            ", ".join(f"{name} {sales} ({p:.2f})" for name, sales, p in steps) + ".",
        ),
        (
            "After a 4 comes a 5 on a Wednesday, and a 7 on a Friday, so the 4 alone does not say which. Which cells do?",
            f"{', '.join(found.cells) or 'None was found'}. {sentence(found.caption)}",
        ),
        (
            f"Choose unit {unit}, and click from day to day. What does its cell do in the last week?",
            "It goes with the week: "
            + ", ".join(f"{name} {number(c)}" for name, c in zip(names, states(model, text, unit)[-7:], strict=True))
            + ".",
        ),
    ]


def states(model: LanguageModel, text: str, unit: str) -> np.ndarray:
    """Return the cell state of `unit` at each character."""
    return model.gates(text).cell[:, 0, int(unit.split(".u")[1])]


def words(seed: int, lines: int) -> str:
    return "".join(f"{one}\n" for one in Random(seed).choices(WORDS, k=lines))


def weeks(seed: int, lines: int) -> str:
    """Return lines of daily sales, each from a random day on; one day in four sells one more, or one less."""
    random, text = Random(seed), ""
    for _ in range(lines):
        first = random.randrange(7)
        sales = (WEEK[(first + k) % 7] + random.choice((0, 0, 0, 0, 0, 0, -1, 1)) for k in range(DAYS))
        text += "".join(str(min(one, 9)) for one in sales) + "\n"
    return text


def sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def shown(character: str) -> str:
    return "the end of the line" if character == "\n" else character


SMALL = {"alphabet": (words, 700, r"(?<=^A)L|(?<=^ALPHA)B"), "season": (weeks, 700, r"(?<=\d{7}4)[57]")}
SHIPPED = {
    "divya": Shipped(
        "subjects", 5, "Divya and Reena", "1,500 lines in which only the subject matters: after `So`, its name comes again.",
        subjects.ASKED[1], 20, of_divya,
    ),
    "call": Shipped(
        "told", 3, "She told me via a call", "1,500 lines in which she does something and tells me of it; how she tells does not matter.",
        subjects.TOLD, 18, of_told,
    ),
    "brackets": Shipped("brackets", 12, "Brackets", TASKS["brackets"].about + ".", "ab <ba b", 3, of_brackets),
    "anbn": Shipped("anbn", 12, "Counting", TASKS["anbn"].about + ".", "aaaaaabbbbbb", 5, of_anbn),
    "recall": Shipped("recall", 4, "Recall", TASKS["recall"].about + ".", "Xab b a bab ?", 0, of_recall),
    "alphabet": Shipped(
        "alphabet", 0, "ALPHABET", "lines with one of the words ALPHABET, TABLE and HELP. It has 16 units.", WORDS[0], 4, of_alphabet
    ),
    "season": Shipped(
        "season", 0, "A week of sales", "lines of daily sales, a digit a day, from any day on; one day in four sells one more or one "
        "less than usual. It has 16 units.", "34547913454791", 10, of_season,
    ),
}  # fmt: skip


def make(name: str) -> None:
    """Train a network, round it, and save it in the package."""
    one = SHIPPED[name]
    if one.task in SMALL:
        small = FIXED | {"hidden_size": 16, "learning_rate": 0.014, "seq_length": 64, "steps": 1000}
        make_text, lines, _ = SMALL[one.task]
        model = trained(make_text(0, lines), seed=one.seed, **small)
    else:
        model = network(one.task, one.seed)
    weights = {key: rounded(weight, "int8") for key, weight in model.saved.weights.items()}
    saved = dataclasses.replace(model.saved, weights=weights)
    card = CARD.format(name=name, about=one.about, seed=one.seed)
    save_model(NETWORKS / name, saved, card_text({**metadata(saved), "license": "mit"}, card))


def found_in(name: str) -> Decided:
    """Find the cells that decide in a network that ships."""
    one = SHIPPED[name]
    text = SMALL[one.task][0](HELD_OUT, 600) if one.task in SMALL else sample(one.task, HELD_OUT + one.seed)
    return afterword.decides(load(NETWORKS / name), text, asked(one))


def said(name: str) -> dict[str, object]:
    """Return what the page says of a network."""
    one, model, found = SHIPPED[name], load(NETWORKS / name), found_in(name)
    done = latest("decides", "seed", task=one.task)
    has = [("cannot" in row["verdict"], row["found"] > 0) for row in done]
    counts = [has.count((False, True)), has.count((False, False))]
    others = (
        f"Of {len(done)} networks, with seeds from 0 to {len(done) - 1}: cells that do it in {counts[0]}; cells that are needed, "
        f"but cannot set the answer, in {len(done) - sum(counts)}; not found in {counts[1]}."
    )
    choose = found.cells[0] if found.cells else "l0.u0"
    if name == "divya":
        choose = min(found.cells, key=lambda unit: gate(model, one.text, "forget", unit, one.at))
    return {
        "title": one.title,
        "about": f"This network (seed {one.seed}) has learned {one.about}",
        "text": one.text,
        "at": f"{choose}:{one.at}",
        "asked": asked(one),
        "verdict": sentence(found.caption),
        "effects": [[each.cells, round(each.held_bits, 3), round(each.follows, 3)] for each in found.effects],
        "others": others if done else "Only this seed was trained.",
        "exercises": one.exercises(model, found),
    }


def asked(one: Shipped) -> str:
    return SMALL[one.task][2] if one.task in SMALL else ASKED[one.task]


@click.command(help=as_written(__doc__))
@click.option("--kept", is_flag=True)
@click.option("--only", "names", multiple=True, default=tuple(SHIPPED), help="train only these networks")
def main(kept: bool, names: tuple[str, ...]) -> None:
    for name in () if kept else names:
        make(name)
    told = json.dumps({name: said(name) for name in SHIPPED}, indent=1, ensure_ascii=False)
    (NETWORKS / "lesson.json").write_text(told + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
