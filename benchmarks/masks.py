"""How long hostile masks in a model's calibration block other threads, and what clients of a server notice.

    python -m benchmarks.masks held            1,000 masks, each in its own process
    python -m benchmarks.masks served MODEL    a server whose model gets hostile masks, one family after another

A mask blocks other threads while it holds Python's lock. The figure is the processor time that its thread gets between
two turns of another thread. Above 10 ms, the smallest of three tries counts, because other processes interfere.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import statistics
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import click

import afterword
from afterword import load
from afterword.errors import OptionError
from afterword.model.folder.saved import load_model, save_model
from afterword.text.lines import Masks
from afterword.text.patterns import GROUP, LARGEST, LONGEST
from benchmarks.commands import as_written, echo_row, echo_table, machine
from tests.serving.server import SOURCE, Serving, serving

NUMBER, TRIES = 1000, 3
TICK, SHORT = 0.0005, 0.010  # seconds: between two turns of the other thread; the longest time that needs no second try
MEMORY = 2 << 30  # bytes of a process that measures a mask
LOG = "2026-01-05 12:33:01 INFO worker-3 took 12 ms, 3 rows; id=deadbeef a(b)c é ß ſ "
LINES = ["a" * 5000 + "!", "ab" * 2500, LOG * 60, "(" * 2000 + "a" + ")" * 2000, "ſﬃK" * 1000]
BETWEEN = 0.01  # seconds between two requests
EACH, SCORED = 6, 500  # masks per family; characters of each line that the server scores

Draw = random.Random


def literal(draw: Draw, length: int = LONGEST) -> str:
    """Return a text with few distinct characters, which makes search tables largest."""
    unit = draw.choice(["a", "ab", "aab", "a" * draw.randint(2, 40) + "b", "é", "ſ", "ﬃ", "ß", "İ", "K", "𝟘"])
    return (unit * length)[:length]


def repeated(draw: Draw, parts: list[str], length: int = LONGEST - 30) -> str:
    """Return as many parts as fit into `length`: one of `parts` repeated, or each drawn."""
    drawn = [draw.choice(parts)] if draw.random() < 0.5 else parts
    found = ""
    while len(found) < length - max(map(len, drawn)):
        found += draw.choice(drawn)
    return found


def around_literals(draw: Draw) -> str:
    forms = [r"\w*{}", r"{}\d+", "({})", "(?:{})+", "^{}$", r"\b{}\b", "(?>{})", "(?={})a", "(?<={})a", "(?<!{})a+"]
    return draw.choice(forms).format(literal(draw, LONGEST // 2 - 10))


def folded(draw: Draw) -> str:
    flags = ["(?i)", "(?fi)", "(?ri)", "(?rfi)", "(?r)", "(?fiw)", "(?a)", "(?V1)", "(?V1fi)", "(?p)"]
    return draw.choice(flags) + literal(draw, LONGEST - 8)


def counted(draw: Draw) -> str:
    counts = [f"{{{draw.choice([9, 99, 9_999, 10**9])}}}", "{0,9}", "{0,999999999}", "{1,}", "{2}"]
    return repeated(draw, [one + count for one in ["a", "[ab]", ".", r"\w", "(?:ab|c)"] for count in counts])


def counted_once(draw: Draw) -> str:
    many = ["()" * 100, r"\R" * 100, r"\X" * 100, "(|)" * 70, "(a)" * 80, "|".join(draw.choices("abcdefgh", k=40))]
    body = draw.choice([*many, literal(draw, draw.randint(1, 250)), r"\w|[a-f]"])
    most = max(1, LARGEST // (len(body) + GROUP * (1 + body.count("(")) + 12) - 2)
    return f"(?:{body}){{{draw.choice([most, most, 10**9])}}}"


def huge(draw: Draw) -> str:
    forms = [
        "a{%d}",
        "(?:){%d}",
        "a{%d,}",
        "(?:ab){%d}",
        "(a*){%d}",
        "(?:a{%d}){9}",
        r"\b{%d}",
        "(?=a){%d}",
        "(a?){%d}",
    ]
    return draw.choice(forms) % draw.choice([10**4, 10**5, 10**6, 10**9, 2**32 - 2])


def nested(draw: Draw) -> str:
    depth = draw.randint(2, 14)
    repeat = draw.choice(["+", "*", "?", "{0,9}", "{2}", "+?", "*+", "{1,}", "{0,1}+"])
    return draw.choice(["(", "(?:", "(?>"]) * depth + draw.choice(["a", "ab", r"\w", "a|aa"]) + (")" + repeat) * depth


def wrapped(draw: Draw) -> str:
    forms = ["(%s)+", "(?:%s)*", "(%s|b)+", "(?:%s){2}", "(?=%s)a", "(?<=%s)a+", "(?>%s)", "(?:%s)?b", "(?i:%s)"]
    found = "a"
    while len(found) < LONGEST - 12 and draw.random() > 0.05:
        found = draw.choice(forms) % found
    return found


def deep(draw: Draw) -> str:
    kinds = ["(", "(?:", "(?=", "(?<!", "(?>", "(?i:", "(?|"]
    opening = draw.choice(kinds)
    depth = LONGEST // (len(opening) + 1) - 1
    return draw.choice([opening * depth + "a" + ")" * depth, "(?V1)" + "[" * 140 + "a" + "]" * 140]) + "+"


def sets(draw: Draw) -> str:
    places = [(0x100, 0x2FFF), (0x4E00, 0x9FFF), (0x10000, 0x1F000)]
    members = "".join(chr(draw.randint(*draw.choice(places))) for _ in range(LONGEST - 12))
    return draw.choice(["[{}]+", "[^{}]+", "(?i)[{}]+", "(?V1)[{}]+"]).format(members)


def set_operations(draw: Draw) -> str:
    found = r"\w"
    while len(found) < LONGEST - 40:
        other = draw.choice([r"\p{L}", "[a-z]", r"\p{Greek}", r"[^\d]", r"\N{SPACE}"])
        found = f"[{found}]{draw.choice(['--', '&&', '||', '~~'])}{other}"
    return f"(?V1)[{found}]+"


def properties(draw: Draw) -> str:
    kinds = [r"\p{L}", r"\P{Lu}", r"\p{IsGreek}", r"\X", r"\R", r"\p{script=Han}", r"\N{SPACE}", r"\m", r"\M", r"\b"]
    return repeated(draw, [kind + repeat for kind in kinds for repeat in ["", "*", "?"]]) + r"\w+"


def fuzzy(draw: Draw) -> str:
    body = draw.choice([literal(draw, draw.randint(3, 200)), r"\w+x", "a|b|cd", "".join(draw.choices("abc ", k=60))])
    errors = ["{e}", "{e<=3}", "{e<=30}", "{i,d}", "{2i+2d+1s<=9}", "{e<=5:[a-f]}", "{s<=9}"]
    return draw.choice(["", "(?b)", "(?e)", "(?fi)", "(?be)"]) + f"x(?:{body}){draw.choice(errors)}"


def often_fuzzy(draw: Draw) -> str:
    return draw.choice(["", "(?b)"]) + "a" + repeated(draw, ["(?:abc){e<=1}", r"(?:\d+){i<=2}", "(?:a|b){e}"])


def recursive(draw: Draw) -> str:
    whole = [r"\((?:[^()]|(?R))*\)", "(?:(?R)|a)", "a(?R)?b?", "(?:a(?R)?){2}", "(?P<x>a(?&x)*b?)+", "((?1)?a)+"]
    return draw.choice([*whole, "(a|b(?1)*c)+(?1)*", "(a|b)" + repeated(draw, ["(?1)", "(?1)*", "(?1)?", "(?R)?"])])


def references(draw: Draw) -> str:
    return draw.choice([r"(\w+)\W+", "(a*)+", "(.*)(.*)(.*)", "(a|b)*"]) + repeated(draw, [r"\1", r"\1*", r"\1?"]) + "a"


def behind(draw: Draw) -> str:
    return repeated(draw, ["(?<=a*)", r"(?<!\w+b)", "(?<=(a|b)*)", "(?<=.*x)", "(?<=^.*a.*b.*)"]) + "a"


def backtracking(draw: Draw) -> str:
    long = ["(?:a?){60}a{60}", "(?=(.*a){20}).b", "(.*?,){30}P", "(?:(?:a+)+)+!", ".*.*.*.*.*=", "(?:.*.*)*!"]
    return draw.choice(["(a|aa)+$", "(a*)*b", r"(\w+\s?)+$", "(x+x+)+y", "(a|a|a)+$", r"(?:\w|\d|_)+$", *long])


def stars(draw: Draw) -> str:
    return repeated(draw, [".*", ".*?", r"\w*", ".+?a", "[^b]*", ".*a", ".*(?:b|ab)"]) + "!"


def alternatives(draw: Draw) -> str:
    longest = draw.randint(1, 24)
    rising = ["a" * k + draw.choice("ab") for k in range(1, longest)]
    equal = ["".join(draw.choices("ab", k=longest)) for _ in range(LONGEST // (longest + 1))]
    return "|".join(draw.choice([rising, equal])) or "a"


def spaced(draw: Draw) -> str:
    return draw.choice(["(?x)", "(?ix)", "(?x:"]) + "a ( b # c\n )  { 9 9 9 }" * draw.randint(1, 5)


def controls(draw: Draw) -> str:
    verbs = ["a+(*SKIP)b|a", "(*PRUNE)a+", r"a(*F)|\w+", r"\Ka+", r"\Ga+", r"\w+\Kx*", r"\L<a>", r"(?i)\L<words>+"]
    return draw.choice([*verbs, repeated(draw, ["(a)?(?(1)b|c)", "(?(?=a)a|b+)"]) + "a"])


def groups(draw: Draw) -> str:
    return repeated(draw, ["(a)", "(a)?", "(a|b)*", "(?P<n>a)"]) + "a"


def nonsense(draw: Draw) -> str:
    some = [*"ab.()()|+*?^$[]\\", r"\w", r"\d", "(?:", "{2}", "{0,9}", "{e<=1}", "[ab]", r"\b", r"\1", "(?=", "(?R)"]
    return "".join(draw.choices(some, k=draw.randint(5, 100)))


FAMILIES: dict[str, Callable[[Draw], str]] = {
    family.__name__.replace("_", " "): family
    for family in (
        *(literal, around_literals, folded, counted, counted_once, huge, nested, wrapped, deep, sets, set_operations),
        *(properties, fuzzy, often_fuzzy, recursive, references, behind, backtracking, stars, alternatives, spaced),
        *(controls, groups, nonsense),
    )
}


def hostile(number: int, seed: int) -> Iterator[tuple[str, str]]:
    """Yield the family and the pattern of `number` masks, taking the families in turn."""
    draw, names = Draw(seed), [*FAMILIES]
    for k in range(number):
        name = names[k % len(names)]
        yield name, FAMILIES[name](draw)


def outcome(pattern: str) -> str:
    """Compile a mask, use it on every line, and return the outcome."""
    try:
        masks = Masks([pattern])
    except OptionError:
        return "refused"
    try:
        for line in LINES:
            masks(line)
    except OptionError:
        return "abandoned"
    return "used"


def try_out(pattern: str) -> tuple[str, float]:
    """Return the outcome of a mask, and the most processor time (s) that it took while another thread had no turn."""
    import regex

    regex.purge()
    found: list[str] = []
    ready = threading.Event()

    def work() -> None:
        ready.wait()
        found.append(outcome(pattern))

    thread = threading.Thread(target=work)
    thread.start()
    assert thread.ident is not None
    clock, before, most = time.pthread_getcpuclockid(thread.ident), 0.0, 0.0
    ready.set()
    while thread.is_alive():
        with contextlib.suppress(OSError):  # it has ended
            now = time.clock_gettime(clock)
            before, most = now, max(most, now - before)
        time.sleep(TICK)
    return (found or ["raised"])[0], most


def apart(pattern: str) -> tuple[str, float]:
    """Do `try_out` up to three times in a process of limited memory. Return the shortest time; infinite if it died."""
    import resource

    reading, writing = os.pipe()
    if not (child := os.fork()):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (60, 60))
        what, held = try_out(pattern)
        for _ in range(TRIES - 1):
            held = min(held, try_out(pattern)[1]) if held > SHORT else held
        os.write(writing, json.dumps([what, held]).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return tuple(json.loads(answer)) if answer else ("died", float("inf"))


@click.group(help=as_written(__doc__))
def main() -> None:
    click.echo(f"{machine('regex')}\n")


@main.command()
@click.option("--number", default=NUMBER, show_default=True)
@click.option("--seed", default=0, show_default=True)
def held(number: int, seed: int) -> None:
    """Print the outcomes of masks, and how long they blocked other threads, by family."""
    found = defaultdict[str, list[tuple[float, str, str]]](list)
    for name, pattern in hostile(number, seed):
        what, seconds = apart(pattern)
        found[name].append((seconds, what, pattern))
    echo_table(["family", "masks", "refused", "abandoned", "used", "held, ms: median, worst", "the worst"])
    for name, rows in found.items():
        whats = Counter(what for _, what, _ in rows)
        median, (worst, _, pattern) = statistics.median(row[0] for row in rows), max(rows)
        numbers = (str(whats[what]) for what in ("refused", "abandoned", "used"))
        times = f"{1000 * median:.1f}, {1000 * worst:.1f}"
        echo_row([name, str(len(rows)), *numbers, times, f"`{pattern[:30]!r}`".replace("|", "\\|")])
    worst = max(row[0] for rows in found.values() for row in rows)
    tried = sum(map(len, found.values()))
    click.echo(f"\n{tried:,} of {number:,} masks were tried; the worst held the lock for {1000 * worst:.1f} ms")


def ask_health(served: Serving, goes_on: Callable[[], bool]) -> list[float]:
    """Request /health repeatedly, and return the seconds of the answers in rising order."""
    took = []
    while goes_on():
        began = time.monotonic()
        assert served.get("/health").status == 200
        took.append(time.monotonic() - began)
        time.sleep(BETWEEN)
    return sorted(took)


def replace_masks(folder: Path, sound: Path, masks: tuple[str, ...]) -> None:
    """Replace the model in `folder` by the model `sound`, with `masks` in its calibration."""
    model = load_model(sound)
    calibration = model.attachments["calibration.safetensors"]
    shutil.rmtree(folder)
    save_model(folder, replace(model, attachments={"calibration.safetensors": replace(calibration, masks=masks)}), "")


@main.command()
@click.argument("model")
@click.option("--seed", default=0, show_default=True)
def served(model: str, seed: int) -> None:
    """Print the delay of /health while a server reads MODEL with hostile masks, and scores lines with it."""
    draw = Draw(seed)
    echo_table(["family", "refused", "abandoned", "used", "/health, ms: median, worst"])
    with tempfile.TemporaryDirectory() as place:
        sound, folder = Path(place, "sound"), Path(place, "hostile")
        afterword.calibrated(load(model), [f"{LOG}{k}" for k in range(100)]).save(sound)
        shutil.copytree(sound, folder)
        with serving(folder, PYTHONPATH=SOURCE) as server:
            for name, family in {"plain": lambda _: "[0-9]+", **FAMILIES}.items():
                whats: list[str] = []
                flooding = threading.Thread(target=partial(score, server, folder, sound, family, draw, whats))
                flooding.start()
                took = ask_health(server, flooding.is_alive)
                counts = Counter(whats)
                numbers = (str(counts[what]) for what in ("refused", "abandoned", "used"))
                echo_row([name, *numbers, f"{1000 * statistics.median(took):.0f}, {1000 * took[-1]:.0f}"])


def score(
    server: Serving, folder: Path, sound: Path, family: Callable[[Draw], str], draw: Draw, whats: list[str]
) -> None:
    """Let a server score lines with masks of a family, one after another; append each outcome to `whats`."""
    for _ in range(EACH):
        replace_masks(folder, sound, (family(draw),))
        text = "\n".join(line[:SCORED] for line in LINES)
        found = server.post("/v1/odd", {"text": text, "all": True, "false_alarms": 0.05})
        whats.append({200: "used", 400: "abandoned"}.get(found.status, "refused"))


if __name__ == "__main__":
    main()
