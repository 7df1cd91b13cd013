"""What writing costs and what its defaults do.

    python -m benchmarks.writing names NAMES.txt    train on lines for 2 minutes, then write 100,000 by the real command
    python -m benchmarks.writing memory MODEL       peak memory of the real command over one and ten million characters
    python -m benchmarks.writing rules MODEL        texts of 30 characters, free and by a pattern, in turns
    python -m benchmarks.writing loops RUN...       how often texts repeat themselves, without the penalty and with it
    python -m benchmarks.writing contains MODEL WORD...   where texts that must contain WORD have it, and what it costs
    python -m benchmarks.writing ends MODEL         how many texts under rules end with a sentence
    python -m benchmarks.writing next MODEL TEXT    the time to find the likeliest next words
    python -m benchmarks.writing keyboard RUN...    how often the next word is among the first, and among a keyboard's
    python -m benchmarks.writing words RUN... [--dictionary FILE]     unknown words, by the settings of sampling
    python -m benchmarks.writing leaks RUN...       lines that look like the base's texts and not like the run's
    python -m benchmarks.writing pairs RUN... --out FOLDER    pairs of samples at two temperatures, for two readers
    python -m benchmarks.writing choices FOLDER     how often each reader chose the second temperature

Alone on the machine. How fast a batch is, and how many texts differ from what their seeds write alone:
benchmarks/engine.py.

`rules` prints tokens per second and the median ratio, for one stream after another and for 1,024 texts side by side, by
a pattern of 30 characters and, if MODEL is a run's folder, with a guard against copies and with --new-word-p; and how
long making the rules takes. MODEL must know A to Z, a to z and the full stop.

`contains` writes texts freely and texts that contain all WORDs, with the same settings. It prints how many WORDs are
glued to other letters, what a character of the texts costs by the model alone, its end included, and how much of that
is due to the WORDs' own characters, with one character before and after them, beyond as many free ones; the processor
time; and the quartiles of the place of each WORD, from 0 to 1 of its text.

`next` cuts TEXT at random places. It finds the 8 likeliest words after the 200 characters before a
cut, by both engines.

`keyboard` asks for the 8 likeliest words at places of the held-out text where a word follows. It prints how often the
next word is the first, among the first 3 and among the 8, whatever its capitals. It does the same with what phone
keyboards have: trigrams of words, counted in the same training text, with stupid back-off (Brants 2007).

`leaks` writes 60 samples, of at most 500 characters each. It counts the lines that contain a word in capitals that the
training text does not have; the lines that begin with a name and a colon, if none of the text's lines begins with that
name and a colon; and headings such as "Chapter II", if fewer than one line in a thousand of the text is one.

`pairs` writes 10 pairs of samples of each RUN, one sample at temperature 0.8 and one at 0.6, of 400 characters each.
The first reader gets FOLDER/pairs-1.md, the second pairs-2.md. Pairs and sides are in a random order that differs
between the two files, and temperatures are not shown. Each reader writes the better side of each pair, as {"1": "L",
...}, into FOLDER/choices-1.json or choices-2.json. `choices` counts the choices and prints the first pair of each RUN.

RUN is a run's folder, which keeps its text. `loops` prints the share of samples of 500 characters that contain 20
characters twice, by temperature and penalty; the same of the held-out text; and what the penalty does to that text's
cost at temperature 0.5. A penalty of 0 is the one that suits the text. `words` prints the share of written words that
are neither in the dictionary nor in the text; how varied the writing is: the share of different words, of different
known ones, and of groups of three, among the first 4,000; the share of words that are the text's; the share of groups
of four that the text has; and what a character costs by the model itself, in bits.
"""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from afterword.errors import ModelError
from afterword.generation.repeats import WARM, Repeats, suited_penalty
from afterword.generation.sampling import Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Writer
from afterword.language_model import LanguageModel, load
from afterword.model.network.engines import ENGINES
from afterword.model.network.network import log_probabilities
from afterword.text.encoded import SPLITS
from afterword.text.sentences import sentence_ends
from benchmarks.commands import as_written, bits, echo_row, echo_table, run_afterword
from benchmarks.rules import Judge

PEAK = """
import resource, sys
from afterword.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""

RULED_LENGTH, ALONE, TOGETHER = 30, 60, 1024
PATTERN = "[A-Z][a-z ]{28}[.]"
FREE = Sampling(max_tokens=RULED_LENGTH, min_p=0, repetition_penalty=1, new_word_p=0)
RULED = Sampling(max_tokens=RULED_LENGTH, min_p=0, repetition_penalty=1, new_word_p=0, pattern=PATTERN)
GUARDED = Sampling(max_tokens=RULED_LENGTH, min_p=0, repetition_penalty=1, new_word_p=0, no_copy=20)
SPELLED = Sampling(max_tokens=RULED_LENGTH, min_p=0, repetition_penalty=1, new_word_p=0.4)

SAMPLES, LENGTH, AGAIN = 60, 500, 20
JUDGED_TEMPERATURES, READERS = (0.8, 0.6), (1, 2)
PAIRS = 10  # of each run
WORDS = 4000
BY_WORDS = [  # temperature, min-p, new-word-p
    *[(0.8, min_p, 0.0) for min_p in (0.0, 0.01, 0.05, 0.1)],
    *[(0.8, 0.01, p) for p in (0.2, 0.3, 0.4, 0.6)],
    *[(temperature, *rest) for temperature in (0.6, 1.0) for rest in ((0.05, 0.0), (0.01, 0.4))],
]
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
IN_CAPITALS = re.compile(r"\b[A-Z]{2,}\b")
SPEAKER = re.compile(r"^\W*([A-Z]\w+(?: [A-Z]\w+)?):", re.MULTILINE)
_HEADS = "chapter|act|scene|book|part|section|canto|letter|volume|preface|contents|the end|finis|[ivxlc]+"
HEADING = re.compile(rf"^\W*(?:{_HEADS})\b[ .]*(?:[ivxlc\d]+|the \w+)?\W*$", re.IGNORECASE | re.MULTILINE)
READ = 20_000  # characters of the held-out text
CONTEXT = 200  # characters before a cut
LIKELIEST, BACK_OFF = 8, 0.4  # words that are suggested; the factor of a shorter context, as in Brants 2007
RULES: list[dict[str, Any]] = [
    {"contains": "Thames"},
    {"contains": ("moon", "Richard")},
    {"pattern": "[^e]*", "finish_sentence": True},
    {"only": "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ,.\n"},
    {"starts_with": "The river"},
    {"starts_with": "The river", "sentences": 2},
    {"contains": "Thames", "sentences": 2},
]
WARM_UPS = 5  # prompts that are not timed


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
        for num in (2_000, 20_000):
            out = Path(place, f"{num}.txt")
            arguments = ["generate", model, "--num", str(num), "--max-tokens", "500", "--seed", "0", "--out", str(out)]
            done = subprocess.run([sys.executable, "-c", PEAK, *arguments], check=True, capture_output=True, text=True)
            click.echo(f"{out.stat().st_size:,} bytes written: {done.stderr.split()[-1]} MB at the peak")


@main.command("rules", help="Tokens per second by a pattern, and what making the rules takes.")
@click.argument("model")
@click.option("--turns", type=int, default=9, show_default=True)
def cost_of_rules(model: str, turns: int) -> None:
    began, loaded = time.perf_counter(), load(model)
    loaded.writer(RULED)
    click.echo(f"loading and making the rules took {time.perf_counter() - began:.3f} s")
    began = time.perf_counter()
    ways = {"a pattern": RULED}
    try:
        loaded.writer(GUARDED)
        click.echo(f"the passages of the training text took {time.perf_counter() - began:.3f} s")
        ways |= {"no-copy 20": GUARDED, "new-word-p 0.4": SPELLED}
    except ModelError:
        click.echo("no-copy and new-word-p are left out: MODEL is not a run's folder")
    for name, write in (("one stream", alone), (f"{TOGETHER} side by side", together)):
        compare(name, loaded, write, ways, turns)


def compare(
    name: str,
    model: LanguageModel,
    write: Callable[[Writer, int], int],
    ways: dict[str, Sampling],
    turns: int,
) -> None:
    each = {"free": FREE, **ways}
    speeds: dict[str, list[float]] = {way: [] for way in each}
    for turn in range(turns + 1):
        for way, sampling in each.items():
            writer = model.writer(sampling)
            began = time.perf_counter()
            tokens = write(writer, turn)
            if turn:  # the first one warms up
                speeds[way].append(tokens / (time.perf_counter() - began))
    for way, found in speeds.items():
        ratio = statistics.median(one / free for one, free in zip(found, speeds["free"], strict=True))
        click.echo(f"{name}, {way}: {statistics.median(found):,.0f} tokens per second, {ratio:.2f} of free")


def alone(writer: Writer, turn: int) -> int:
    seeds = range(turn * ALONE, (turn + 1) * ALONE)
    return sum(writer.stream(None, seed).sample().tokens for seed in seeds)


def together(writer: Writer, turn: int) -> int:
    return sum(sample.tokens for sample in writer.samples([None], TOGETHER, turn * TOGETHER))


@main.command(help="How often texts repeat themselves.")
@click.argument("runs", nargs=-1, required=True)
@click.option("--penalty", "penalties", multiple=True, type=float, default=(1.0, 0.0), show_default=True)
def loops(runs: Sequence[str], penalties: Sequence[float]) -> None:
    click.echo(f"{SAMPLES} samples of {LENGTH} characters; the share with {AGAIN} characters twice, at temperature")
    click.echo(f"{'':30} {'penalty':>8} {'0.2':>7} {'0.5':>7} {'0.8':>7} {'held out':>9}  bits per character")
    for run in runs:
        model = load(run)
        held_out = "".join(model.learned_from().texts("validation"))
        human = _share(held_out[at : at + LENGTH] for at in range(0, len(held_out) - LENGTH + 1, LENGTH))
        for penalty in [one or suited_penalty(model.learned_from().training) for one in penalties]:
            shares = [
                _share(one.text for one in _written(model, temperature, repetition_penalty=penalty))
                for temperature in (0.2, 0.5, 0.8)
            ]
            cells = " ".join(f"{share:7.1%}" for share in shares)
            cost = bits(penalised(model, held_out[:READ], penalty, 0.5))
            click.echo(f"{Path(run).name:30} {penalty:8} {cells} {human:9.1%}  {cost:.3f}")


@main.command("contains", help="Where the WORDs are in texts that must contain them, and what that costs.")
@click.argument("model")
@click.argument("words", nargs=-1, required=True)
@click.option("--num", type=int, default=200, show_default=True)
@click.option("--max-tokens", type=int, default=500, show_default=True)
def places(model: str, words: Sequence[str], num: int, max_tokens: int) -> None:
    loaded, seconds, nats = load(model), [], []
    for contains in ((), tuple(words)):
        began = time.process_time()
        texts = list(loaded.samples(num=num, seed=0, max_tokens=max_tokens, contains=contains, log_probabilities=0))
        seconds.append(time.process_time() - began)
        characters = sum(len(one.text) + loaded.lines for one in texts)
        nats.append(-sum(one.log_probability for one in texts) / characters)
    own, lines = 0.0, []
    for word in words:
        ends = [re.search(rf"(?<!\w){re.escape(word)}(?!\w)", one.text) for one in texts]
        at = [end.start() / max(1, len(one.text) - len(word)) for end, one in zip(ends, texts, strict=True) if end]
        for end, one in zip(ends, texts, strict=True):
            if end:
                own += _cost(one, end.start() - 1, end.end()) - nats[0] * (len(word) + 2)
        first, second, third = np.quantile(at, (0.25, 0.5, 0.75))
        lines.append(
            f"{word}: {num - len(at)} glued or missing; quartiles of its place {first:.2f} {second:.2f} {third:.2f}"
        )
    click.echo(
        f"{num} texts: {seconds[1] / seconds[0]:.1f} times the processor time of free ones; nats per character: "
        f"{nats[1]:.3f}, free {nats[0]:.3f}, {nats[1] - nats[0]:+.3f}; {own / characters:+.3f} by the own characters"
    )
    click.echo("\n".join(lines))


@main.command(help="Count the texts under rules that end with a sentence.")
@click.argument("model")
@click.option("--num", type=int, default=100, show_default=True)
def ends(model: str, num: int) -> None:
    loaded = load(model, engine="fast")
    for rule in RULES:
        texts = list(loaded.samples(num=num, seed=0, **rule))
        ended = sum(sentence_ends(text.text)[-1:] == [len(text.text)] for text in texts)
        obeying = sum(not Judge("").broken(rule, "", text.text, draws_label=False) for text in texts)
        lengths = np.quantile([len(text.text) for text in texts], (0, 0.5, 1)).astype(int).tolist()
        click.echo(
            f"{rule}: {ended} of {num} end with a sentence, {obeying} obey; least, median, most characters {lengths}"
        )


def _cost(sample: Sample, first: int, last: int) -> float:
    """The cost in nats of the pieces that begin at the characters `first` to `last` of a text."""
    at, nats = 0, 0.0
    for piece in sample.pieces or ():
        if first <= at <= last:
            nats -= piece.log_probability
        at += len(piece.text)
    return nats


@main.command("next", help="Measure the time to find the 8 likeliest next words after prompts that end anywhere.")
@click.argument("model")
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--num", type=int, default=50, show_default=True)
def following(model: str, text: Path, num: int) -> None:
    whole = text.read_text(encoding="utf-8")
    for engine in ENGINES:
        loaded, seconds, sums = load(model, engine=engine), [], []
        for at in np.random.default_rng(0).integers(CONTEXT, len(whole) - 1, num + WARM_UPS).tolist():
            reading = loaded.read(whole[at - CONTEXT : at])
            began = time.perf_counter()
            found = loaded.next_words(reading)
            seconds.append(time.perf_counter() - began)
            sums.append(sum(word.probability for word in found))
        middle, late = 1000 * np.quantile(seconds[WARM_UPS:], (0.5, 0.95))
        click.echo(
            f"{engine}: median {middle:.1f} ms, 95th percentile {late:.1f} ms of {num} prompts; "
            f"the words have {np.mean(sums):.0%} of the probability"
        )


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


@main.command(help="How many written words are unknown, and how varied they are.")
@click.argument("runs", nargs=-1, required=True)
@click.option("--dictionary", type=click.Path(path_type=Path, exists=True), default=Path("/usr/share/dict/words"))
def words(runs: Sequence[str], dictionary: Path) -> None:
    known = {word.lower() for word in dictionary.read_text(encoding="utf-8").split()}
    heads = "".join(f"{head:>9}" for head in ("unknown", "words", "known", "threes", "the text", "copied", "bits"))
    click.echo(f"{'':24} {'temperature':>11} {'min-p':>6} {'new-word-p':>10}{heads}")
    for run in runs:
        model = load(run)
        kept = model.learned_from()
        text = _words("".join(kept.texts("training")))
        own, fours = set(text), set(_groups(text, 4))
        name, held_out = Path(run).name, _words("".join(kept.texts("validation")))
        cost = model.about["validation"]["bits_per_character"]
        click.echo(f"{name:24} {'held out':>11} {'':17}{_cells([held_out], known, own, fours)}{cost:9.3f}")
        for temperature, min_p, new_word_p in BY_WORDS:
            written = list(_written(model, temperature, min_p=min_p, new_word_p=new_word_p))
            # the first and the last word may be halves
            cells = _cells([_words(one.text)[1:-1] for one in written], known, own, fours)
            cost = bits(-sum(one.log_probability for one in written) / sum(len(one.text) for one in written))
            click.echo(f"{name:24} {temperature:11} {min_p:6} {new_word_p:10}{cells}{cost:9.3f}")


@main.command(help="Count written lines that look like the base's texts and not like the run's.")
@click.argument("runs", nargs=-1, required=True)
def leaks(runs: Sequence[str]) -> None:
    echo_table(["run", "lines", "with new words in capitals", "of new speakers", "headings"])
    for run in runs:
        model = load(run)
        learned = "".join(model.learned_from().texts("training"))
        written = [line for one in _written(model, None) for line in one.text.splitlines() if line.strip()]
        capitals, speakers = set(IN_CAPITALS.findall(learned)), set(SPEAKER.findall(learned))
        heads = len(HEADING.findall(learned)) >= len(learned.splitlines()) / 1000
        counts = (
            sum(not capitals.issuperset(IN_CAPITALS.findall(line)) for line in written),
            sum(not speakers.issuperset(SPEAKER.findall(line)) for line in written),
            sum(not heads and bool(HEADING.match(line)) for line in written),
        )
        echo_row([Path(run).name, *map(str, (len(written), *counts))])


@main.command(help="Write pairs of samples at two temperatures, unmarked, for two readers.")
@click.argument("runs", nargs=-1, required=True)
@click.option("--out", required=True, type=click.Path(path_type=Path))
def pairs(runs: Sequence[str], out: Path) -> None:
    out.mkdir(parents=True)
    found = []
    for run in runs:
        model = load(run)
        for k in range(PAIRS):
            both = [model.generate(seed=100 + k, max_tokens=400, temperature=t).text[:400] for t in JUDGED_TEMPERATURES]
            found.append((Path(run).name, *both))
    (out / "pairs.json").write_text(json.dumps(found), encoding="utf-8")
    for reader in READERS:
        parts = [
            f"## Pair {number} ({found[k][0]})\n\n[L]\n{found[k][1 + flipped]}\n\n[R]\n{found[k][2 - flipped]}\n"
            for number, (k, flipped) in enumerate(_order(len(found), reader), 1)
        ]
        (out / f"pairs-{reader}.md").write_text("\n".join(parts), encoding="utf-8")


def _order(count: int, reader: int) -> list[tuple[int, bool]]:
    """Return the order of the pairs for a reader, and whether the second sample of each is on the left."""
    draw = random.Random(reader)
    order = draw.sample(range(count), count)
    return [(k, draw.random() < 0.5) for k in order]


@main.command(help="Count the choices of both readers, and print the first pair of each run with them.")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def choices(folder: Path) -> None:
    found = json.loads((folder / "pairs.json").read_text(encoding="utf-8"))
    chosen: defaultdict[int, list[float]] = defaultdict(list)
    for reader in READERS:
        sides = json.loads((folder / f"choices-{reader}.json").read_text(encoding="utf-8"))
        for number, (k, flipped) in enumerate(_order(len(found), reader), 1):
            chosen[k].append(JUDGED_TEMPERATURES[(sides[str(number)] == "L") == flipped])
    for reader in READERS:
        count = sum(each[reader - 1] == JUDGED_TEMPERATURES[1] for each in chosen.values())
        click.echo(f"reader {reader}: {count} of {len(found)} at temperature {JUDGED_TEMPERATURES[1]}")
    for k in range(0, len(found), PAIRS):
        name, *both = found[k]
        click.echo(f"\n{name}, chosen: {' and '.join(map(str, chosen[k]))}")
        for temperature, text in zip(JUDGED_TEMPERATURES, both, strict=True):
            click.echo(f"\nTemperature {temperature}:\n\n```text\n{text}\n```")


def _written(model: LanguageModel, temperature: float | None, **settings: Any):  # type: ignore[no-untyped-def]
    return model.samples(num=SAMPLES, seed=0, max_tokens=LENGTH, temperature=temperature, **settings)


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


def _cells(texts: Sequence[Sequence[str]], known: set[str], own: set[str], fours: set[tuple[str, ...]]) -> str:
    """The figures of the words of some texts; `own` and `fours` are the training text's."""
    words = [word for text in texts for word in text]
    some, threes = words[:WORDS], _groups(words[:WORDS], 3)
    groups = [group for text in texts for group in _groups(text, 4)]
    shares = (
        (sum(word not in known and word not in own for word in words), len(words)),
        (len(set(some)), len(some)),
        (len(set(some) & (known | own)), len(some)),
        (len(set(threes)), len(threes)),
        (sum(word in own for word in words), len(words)),
        (sum(group in fours for group in groups), len(groups)),
    )
    return "".join(f"{part / max(1, whole):9.1%}" for part, whole in shares)


if __name__ == "__main__":
    main()
