"""What writing costs and what its defaults do.

    python -m benchmarks.writing names NAMES.txt    train on lines for 2 minutes, then write 100,000 by the real command
    python -m benchmarks.writing memory MODEL       peak memory of the real command over one and ten million characters
    python -m benchmarks.writing rules MODEL        texts of 30 characters, free and by a pattern, in turns
    python -m benchmarks.writing loops RUN...       how often texts repeat themselves, without the penalty and with it
    python -m benchmarks.writing keyboard RUN...    how often the next word is among the first, and among a keyboard's
    python -m benchmarks.writing ends RUN...        how many of 100 texts end with a sentence, and how long they are
    python -m benchmarks.writing ways RUN... [--pairs FILE]     other ways to say a clause, by both of its sides
    python -m benchmarks.writing words RUN... [--dictionary FILE]     unknown words, by the settings of sampling
    python -m benchmarks.writing titles LIST LABEL PAIRS              pairs of titles to judge: a model's and a chain's

Alone on the machine. RUN is a run's folder, which keeps its text; MODEL must know A to Z, a to z and the full stop.

`rules` prints tokens per second and the median ratio, for one stream after another and for 1,024 texts side by side.

`keyboard` asks for the 8 likeliest words at places of the held-out text where a word follows. It prints how often the
next word is the first, among the first 3 and among the 8, whatever its capitals. It does the same with what phone
keyboards have: trigrams of words, counted in the same training text, with stupid back-off (Brants 2007).

`loops` prints the share of samples of 500 characters that contain 20 characters twice, by temperature, without the
penalty and with the one that suits the text; the same of the held-out text; and what the penalty does to that text's
cost at temperature 0.5. `titles` trains on labelled lines, and writes titles of one label by the model and by a Markov
chain of words: two words decide the next, or one where that gives nothing new. Neither may repeat more than 70 % of its
words in a row from the list, as in markovify. PAIRS gets a number and two titles per line, and PAIRS.key which of them
is the model's. `ends` continues 100 places of the held-out text, each to the end of the sentence after a
length. `words` prints the share of written words that are neither in the dictionary nor in the text, and how varied the
writing is: the share of different known words among the first 4,000.
"""

from __future__ import annotations

import re
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from pathlib import Path
from random import Random
from typing import Any

import click
import numpy as np

from afterword.generation.repeats import WARM, Repeats, suited_penalty
from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.language_model import LanguageModel, load
from afterword.model.network.network import log_probabilities
from afterword.text.encoded import SPLITS
from afterword.text.sentences import sentence_ends
from benchmarks.commands import as_written, bits, echo_row, echo_table, run_afterword, some, watched, write_result

RULED_LENGTH, ALONE, TOGETHER = 30, 60, 1024
PATTERN = "[A-Z][a-z ]{28}[.]"
FREE = Sampling(max_tokens=RULED_LENGTH, min_p=0, repetition_penalty=1, new_word_p=0)
RULED = Sampling(max_tokens=RULED_LENGTH, min_p=0, repetition_penalty=1, new_word_p=0, pattern=PATTERN)

SAMPLES, LENGTH, AGAIN = 60, 500, 20
WORDS = 4000
BY_WORDS = ((0.05, 0.0), (0.01, 0.4))  # min-p and new-word-p
COLD = (0.2, 0.5)  # temperatures
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
READ = 20_000  # characters of the held-out text
CONTEXT = 200  # characters before a cut
ENDS, LENGTHS = 100, (120, 500, 2000)  # texts, and the lengths of the page: a sentence or two, a paragraph, a page
TRIED, AFTER = 24, 60  # as on the page: other ways to try, and the characters after by which they are judged
CLAUSE = re.compile(r"(?<= )([a-z]+(?: [a-z]+){2,7})(?=[,;.])")  # up to a stop
Sides = tuple[float, float]
LIKELIEST, BACK_OFF = 8, 0.4  # words that are suggested; the factor of a shorter context, as in Brants 2007


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


@main.command(help="100,000 lines of a model that learns NAMES for some minutes.")
@click.argument("names", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--minutes", type=float, default=2, show_default=True)
@click.option("--num", type=int, default=100_000, show_default=True)
def names(names: Path, minutes: float, num: int) -> None:
    with tempfile.TemporaryDirectory() as place:
        run, out = Path(place, "run"), Path(place, "out.txt")
        run_afterword("train", names, "--lines", "--base", "none", "--minutes", minutes, "--out", run)
        began = time.monotonic()
        run_afterword("generate", run, "--num", num, "--seed", 0, "--temperature", 1, "--out", out)
        took = time.monotonic() - began
        written = out.read_text(encoding="utf-8").splitlines()
        bits = load(run).about["validation"]["bits_per_character"]
    known, different = set(names.read_text(encoding="utf-8").splitlines()), set(written)
    click.echo(
        f"{len(written):,} lines in {took:.1f} s, the command's start included: {len(different):,} different, "
        f"{len(different - known):,} of them not in {names.name}; held out, {bits:.3f} bits per character"
    )


@main.command(help="The peak memory of writing one and ten million characters.")
@click.argument("model")
def memory(model: str) -> None:
    with tempfile.TemporaryDirectory() as place:
        for num in map(some, (2_000, 20_000)):
            out = Path(place, f"{num}.txt")
            given = ["--num", num, "--max-tokens", 500, "--seed", 0, "--out", out]
            _, peak = watched("afterword", "generate", model, *given)
            click.echo(f"{out.stat().st_size:,} bytes written: {peak:.0f} MB at the peak")


@main.command(help="Tokens per second by a pattern.")
@click.argument("model")
@click.option("--turns", type=int, default=9, show_default=True)
def rules(model: str, turns: int) -> None:
    loaded = load(model)
    for name, write in (("one stream", alone), (f"{TOGETHER} side by side", together)):
        speeds: list[list[float]] = []
        for turn in range(turns + 1):  # the first one warms up
            speeds.append([])
            for sampling in (FREE, RULED):
                writer, began = loaded.writer(sampling), time.perf_counter()
                speeds[-1].append(write(writer, turn) / (time.perf_counter() - began))
        free, ruled = np.median(speeds[1:], axis=0)
        ratio = statistics.median(ruled / free for free, ruled in speeds[1:])
        click.echo(f"{name}: {free:,.0f} tokens per second, by a pattern {ruled:,.0f}, {ratio:.2f} of free")


def alone(writer: Writer, turn: int) -> int:
    seeds = range(turn * ALONE, (turn + 1) * ALONE)
    return sum(writer.stream(None, seed).sample().tokens for seed in seeds)


def together(writer: Writer, turn: int) -> int:
    return sum(sample.tokens for sample in writer.samples([None], TOGETHER, turn * TOGETHER))


@main.command(help="How many written words are unknown, and how varied they are.")
@click.argument("runs", nargs=-1, required=True)
@click.option("--dictionary", type=click.Path(path_type=Path, exists=True), default=Path("/usr/share/dict/words"))
def words(runs: Sequence[str], dictionary: Path) -> None:
    known = {word.lower() for word in dictionary.read_text(encoding="utf-8").split()}
    echo_table(["run", "held out", *(f"min-p {min_p}, new-word-p {new}" for min_p, new in BY_WORDS)])
    for run in runs:
        model = load(run)
        own = set(_words("".join(model.learned_from().texts("training"))))
        texts = [_words("".join(model.learned_from().texts("validation")))]
        for min_p, new_word_p in BY_WORDS:
            written = _written(model, 0.8, min_p=min_p, new_word_p=new_word_p)
            # the first and the last word may be halves
            texts.append([word for one in written for word in _words(one.text)[1:-1]])
        unknown = [sum(word not in known | own for word in found) / max(1, len(found)) for found in texts]
        variety = [len(set(found[:WORDS]) & (known | own)) / max(1, len(found[:WORDS])) for found in texts]
        echo_row([Path(run).name, *(f"{one:.1%} · {other:.1%}" for one, other in zip(unknown, variety, strict=True))])


@main.command(help="How often the next word is among the likeliest, by a model and by trigrams of words.")
@click.argument("runs", nargs=-1, required=True)
@click.option("--num", type=int, default=1000, show_default=True)
def keyboard(runs: Sequence[str], num: int) -> None:
    echo_table(["the next word is", "first", "among the first 3", "among the first 8"])
    for run in runs:
        model = load(run)
        learned, held_out = ("".join(model.learned_from().texts(part)) for part in SPLITS)
        suggest, hits = trigrams(_words(learned)), np.zeros((2, LIKELIEST))
        places = [found for found in re.finditer(rf"(?<= ){WORD.pattern}", held_out) if found.start() > CONTEXT]
        for found in np.random.default_rng(0).choice(np.array(places, object), num):
            before, word = held_out[: found.start()], found[0].lower()
            words = [one.text.strip().lower() for one in model.next_words(before[-CONTEXT:], LIKELIEST)]
            for row, suggested in zip(hits, (words, suggest(_words(before[-CONTEXT:]))), strict=True):
                row += np.arange(LIKELIEST) >= (suggested.index(word) if word in suggested else LIKELIEST)
        for name, row in zip((Path(run).name, "trigrams of its text"), hits / num, strict=True):
            echo_row([name, *(f"{row[k - 1]:.1%}" for k in (1, 3, LIKELIEST))])


def trigrams(text: Sequence[str]) -> Callable[[Sequence[str]], list[str]]:
    """Return a function of the words before; it returns the likeliest next ones by trigrams with stupid back-off."""
    followers = defaultdict[tuple[str, ...], Counter[str]](Counter)
    for size in (1, 2, 3):
        for *before, word in _groups(text, size):
            followers[tuple(before)][word] += 1

    def suggested(before: Sequence[str]) -> list[str]:
        scores = dict[str, float]()
        for size in (2, 1, 0):
            counts = followers.get(tuple(before[len(before) - size :]), Counter[str]())
            for word, count in counts.most_common(LIKELIEST * 4):
                scores.setdefault(word, BACK_OFF ** (2 - size) * count / counts.total())
        return sorted(scores, key=scores.__getitem__, reverse=True)[:LIKELIEST]

    return suggested


def _written(model: LanguageModel, temperature: float, **settings: Any):  # type: ignore[no-untyped-def]
    return model.samples(num=SAMPLES, seed=0, max_tokens=LENGTH, temperature=temperature, **settings)


@main.command(help="How many texts end with a sentence.")
@click.argument("runs", nargs=-1, required=True)
def ends(runs: Sequence[str]) -> None:
    echo_table(["run", "length", "end with a sentence", "median length", "longest"])
    for run in runs:
        model = load(run)
        held_out = "".join(model.learned_from().texts("validation"))
        places = [found.end() for found in re.finditer(r"\w(?= )", held_out) if found.end() > CONTEXT]
        for length in LENGTHS:
            texts, ended = [], 0
            for seed, at in enumerate(np.random.default_rng(0).choice(places, some(ENDS)).tolist()):
                before = held_out[at - CONTEXT : at]
                sample = model.generate(before, seed=seed, max_tokens=length, finish_sentence=True)
                texts.append(len(sample.text))
                ended += sentence_ends(str(sample))[-1:] >= [len(str(sample).rstrip())]
            facts = {"texts": len(texts), "ended": ended, "median": statistics.median(texts), "longest": max(texts)}
            write_result("ends", run=Path(run).name, length=length, **facts)
            echo_row(
                [Path(run).name, f"{length}", f"{ended} of {len(texts)}", f"{facts['median']:.0f}", f"{max(texts)}"]
            )


@main.command(help="How well other ways to say a clause fit, by both sides and by what comes before alone.")
@click.argument("runs", nargs=-1, required=True)
@click.option("--num", type=int, default=100, show_default=True)
@click.option("--pairs", type=click.Path(path_type=Path), help="write pairs to judge: the first by each order, unnamed")
def ways(runs: Sequence[str], num: int, pairs: Path | None) -> None:
    echo_table(
        ["run", "the author's clause is first", "by what is before alone", "bits of what follows", "by before alone"]
    )
    shown = list[str]()
    for run in runs:
        model = load(run)
        held_out = "".join(model.learned_from().texts("validation"))
        random = np.random.default_rng(0)
        found = [
            one for one in CLAUSE.finditer(held_out) if one.start(1) > CONTEXT and one.end(1) + AFTER < len(held_out)
        ]
        first, follow = np.zeros(2), np.zeros(2)
        places = random.permutation(np.array(found, object))[: some(num)]
        for seed, clause in enumerate(places):
            old, before = clause[1], held_out[clause.start(1) - CONTEXT : clause.start(1)]
            after = held_out[clause.end(1) : clause.end(1) + AFTER]
            written = model.samples(before, num=TRIED, seed=seed * TRIED, max_tokens=2 * len(old), stop=["\n"])
            others = {piece(one.text, len(old)) for one in written} - {"", old}
            costs = _sides(model, before, [old, *sorted(others)], after, len(old))
            orders = [{one: sum(both) for one, both in costs.items()}, {one: own for one, (own, _) in costs.items()}]
            best = [min(others, key=order.__getitem__) for order in orders]
            first += [min(order, key=order.__getitem__) == old for order in orders]
            follow += [costs[one][1] for one in best]
            if best[0] != best[1]:
                swapped = [*reversed(best)] if random.random() < 0.5 else best
                shown += [f"{before[-100:]} [{a} | {b}]{after}\t{best.index(a)}" for a, b in [swapped]]
        share, cost = first / len(places), bits(1) * follow / len(places)
        write_result("ways", run=Path(run).name, clauses=len(places), first=[*share], follows=[*cost])
        echo_row([Path(run).name, *(f"{one:.0%}" for one in share), *(f"{one:.1f}" for one in cost)])
    if pairs is not None:
        pairs.write_text("\n".join(one.replace("\n", " ") for one in shown), encoding="utf-8")


def piece(text: str, length: int) -> str:
    """Return the beginning of `text` that the page would offer: to a word's end, at punctuation if it can."""
    ends = [found.end() for found in re.finditer(r"\w(?=\W)", text) if length / 2 < found.end() < 1.6 * length]
    near = {end: abs(end - length) - length * (not text[end].isspace()) for end in ends}
    found = text[: min(near, key=near.__getitem__)] if near else ""
    return "" if re.search(r'[.!?"“”]', found) else found


def _sides(model: LanguageModel, before: str, ones: Sequence[str], after: str, length: int) -> dict[str, Sides]:
    """The nats of each text as if it were of that length, and of what follows it, all read side by side."""
    tokenizer, network = model.tokenizer, model.predictor
    each = [[tokenizer.end, *tokenizer.encode(before + one + after).tolist()] for one in ones]
    ids = np.array([row + [tokenizer.end] * (max(map(len, each)) - len(row)) for row in each])
    logits, _ = network.read(ids[:, :-1], network.start(len(ids)))
    last = logits.shape[2] - 1
    found = dict[str, Sides]()
    for one, row, own in zip(ones, each, logits, strict=True):
        costs = -log_probabilities(own)[range(len(row) - 1), np.minimum(row[1:], last)]
        places = np.cumsum([0, *(len(tokenizer.decode([id])) for id in row[1:-1])])
        start, end = len(before), len(before + one)
        within = float(costs[(start <= places) & (places < end)].sum())
        found[one] = within * length / len(one), float(costs[places >= end].sum())
    return found


@main.command(help="Pairs of titles to judge, by a model of labelled lines and by a Markov chain of words.")
@click.argument("file", metavar="LIST", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("label")
@click.argument("pairs", type=click.Path(path_type=Path))
@click.option("--alone", is_flag=True, help="train on the titles of this label alone, without labels")
@click.option("--run", type=click.Path(path_type=Path), help="a run of this list, instead of training one")
@click.option("--with", "given", default="", metavar="OPTIONS", help="further options of generate")
@click.option("--num", type=int, default=60, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
def titles(file: Path, label: str, pairs: Path, alone: bool, run: Path | None, given: str, num: int, seed: int) -> None:
    listed = [line.split("\t", 1) for line in file.read_text(encoding="utf-8").splitlines()]
    own, known, random = [text for one, text in listed if one == label], {text for _, text in listed}, Random(seed)
    passages = {group for text in known for size in range(1, 17) for group in _groups(text.split(), size)}
    with tempfile.TemporaryDirectory() as place:
        if alone:
            file = Path(place, "own.txt")
            file.write_text("\n".join(own), encoding="utf-8")
        if run is None:
            run = Path(place, "run")
            run_afterword("train", file, "--lines" if alone else "--labels", "--minutes", 2, "--out", run)
        asked = ["--num", 2 * num, "--seed", 10_000 * seed, "--unique", *([] if alone else ["--label", label])]
        written = run_afterword("generate", run, *asked, *given.split()).splitlines()
        click.echo(f"held out, {load(run).about['validation']['bits_per_character']:.3f} bits per character")

    def kept(by: str, texts: Iterable[str]) -> list[str]:
        found, read = dict[str, str](), list[str]()
        for text in texts:
            words = text.split()
            read.append(text)
            if words and not any(part in passages for part in _groups(words, min(15, round(0.7 * len(words))) + 1)):
                found[text] = by
            if len(found) == num:
                break
        verbatim = len(known.intersection(read))
        click.echo(f"{by}: {len(found)} of {len(set(read))} different titles are new; {verbatim} are in the list")
        return list(found)

    ours, theirs = kept("model", written), kept("chain", chained(own, random))
    sides = [random.random() < 0.5 for _ in range(num)]
    rows = [(a, b) if first else (b, a) for a, b, first in zip(ours, theirs, sides, strict=True)]
    pairs.write_text("".join(f"{k}\t{a}\t{b}\n" for k, (a, b) in enumerate(rows, 1)), encoding="utf-8")
    key = "".join(f"{k}\t{'ba'[first]}\n" for k, first in enumerate(sides, 1))
    Path(f"{pairs}.key").write_text(key, encoding="utf-8")


def chained(texts: Sequence[str], random: Random) -> Iterator[str]:
    """Yield texts by Markov chains in which two words decide the next, or one: ten by the first, then one."""
    both = {order: defaultdict[tuple[str, ...], list[str]](list) for order in (1, 2)}
    for order, followers in both.items():
        for *before, word in (group for one in texts for group in _groups(["", "", *one.split(), ""], order + 1)):
            followers[tuple(before)].append(word)
    for order in cycle([2] * 10 + [1]):
        words = ["", "", random.choice(both[2]["", ""])]
        while words[-1]:
            words.append(random.choice(both[order][tuple(words[-order:])]))
        yield " ".join(words[2:-1])


@main.command(help="How often texts repeat themselves.")
@click.argument("runs", nargs=-1, required=True)
def loops(runs: Sequence[str]) -> None:
    echo_table(["run", "penalty", *map(str, COLD), "held out", "cost"])
    for run in runs:
        model = load(run)
        held_out = "".join(model.learned_from().texts("validation"))
        human = _share(held_out[at : at + LENGTH] for at in range(0, len(held_out) - LENGTH + 1, LENGTH))
        for penalty in (1.0, suited_penalty(model.learned_from().training)):
            samples = [_written(model, temperature, repetition_penalty=penalty) for temperature in COLD]
            shares = [_share(one.text for one in texts) for texts in samples]
            cost = bits(penalised(model, held_out[:READ], penalty, 0.5))
            echo_row([Path(run).name, f"{penalty}", *(f"{share:.1%}" for share in (*shares, human)), f"{cost:.3f}"])


def _share(texts: Iterable[str]) -> float:
    """The share of `texts` with `AGAIN` characters twice."""
    found = [len({text[k : k + AGAIN] for k in range(len(text) - AGAIN + 1)}) < len(text) - AGAIN + 1 for text in texts]
    return sum(found) / max(1, len(found))


def penalised(model: LanguageModel, text: str, penalty: float, temperature: float) -> float:
    """What `text` costs in nats per token at a temperature, where each token is predicted with the penalty."""
    network, tokenizer = model.predictor, model.tokenizer
    ids = np.array([[tokenizer.end, *tokenizer.encode(text).tolist()]])
    repeats, nats, state = Repeats(penalty), 0.0, network.start()
    for start in range(0, ids.shape[1] - 1, 1000):
        logits, state = network.read(ids[:, start : min(start + 1000, ids.shape[1] - 1)], state)
        own = log_probabilities(logits[0] / temperature)
        for k, id in enumerate(ids[0, start + 1 : start + 1 + len(own)].tolist()):
            row = own[k]
            if penalty > 1 and repeats.repeats:
                for token, less in repeats.penalties():
                    row[token] -= less * max(0.0, 1 - temperature / WARM) / temperature
                row -= np.log(np.exp(row).sum())
            nats -= row[min(id, len(row) - 1)]
            repeats.push([id])
    return float(nats / (ids.shape[1] - 1))


def _words(text: str) -> list[str]:
    return [word.lower() for word in WORD.findall(text)]


def _groups(words: Sequence[str], size: int) -> list[tuple[str, ...]]:
    return [tuple(words[k : k + size]) for k in range(len(words) - size + 1)]


if __name__ == "__main__":
    main()
