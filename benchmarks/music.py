"""Predict tunes in ABC notation, and count the written ones whose bars are whole, with and without a rule.

    python -m benchmarks.music

The tunes are reels and jigs of three old collections: Aird's Airs (1782 to 1803), Ryan's Mammoth Collection (1883) and
O'Neill's Music of Ireland (1903). They are in the public domain. Volunteers encoded them, and PyPI's `music21` ships
them with their permission. It is installed into an environment of its own, .venv-music. Each tune becomes a line:
meter, key and notes, without names, ornaments, chords and slurs. Tunes whose bars are not whole are left out. The model
learns for three minutes and is kept in .cache/lines. Needs the machine to itself.
"""

from __future__ import annotations

import re
import runpy
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import numpy as np

from afterword.language_model import load
from benchmarks.commands import (
    as_written,
    echo_row,
    echo_table,
    machine,
    peer_python,
    ppmd_lines,
    shuffled,
    some,
    trained_on_lines,
)

BOOKS = ("airdsAirs", "ryansMammoth", "oneills1850")
METERS = {"C|": "C|", "C": "C|", "4/4": "C|", "6/8": "6/8"}
PAGE = runpy.run_path("docs/make_tunes.py")
is_whole: Callable[[str], bool] = PAGE["is_whole"]
rule: Callable[[str], str] = PAGE["rule"]
units: Callable[[str], object] = PAGE["units"]
LEFT_OUT = re.compile(r'%.*|"[^"]*"|\{[^}]*\}|![^!]*!|\+[^+]*\+|\[[A-Zr]:[^\]]*\]|\\$', re.MULTILINE)
BAR = re.compile(r"[|:\[\]]*[|:][|:\]]*\d*|\[\d")


@click.command(help=as_written(__doc__))
def main() -> None:
    tunes = shuffled(dict.fromkeys(collected(installed())))
    train, held_out = tunes[len(tunes) // 10 :], tunes[: len(tunes) // 10]
    click.echo(f"{machine()}\n\n{len(train):,} tunes, {sum(map(len, train)):,} characters; {len(held_out)} held out:\n")
    model = load(trained_on_lines("music", train, 3))
    characters = sum(len(tune) + 1 for tune in held_out)
    for name, bits in (
        ("LSTM and n-gram", sum(one.bits for one in model.score_lines(held_out))),
        ("PPMd", sum(ppmd_lines(train, held_out))),
    ):
        click.echo(f"{name}: {bits / characters:.3f} bits per character")
    echo_table(["begins with", "whole bars without the rule", "with it", "tunes that the rule accepts"])
    for meter in dict.fromkeys(METERS.values()):
        prompt = f"[M:{meter}]"
        heads, bodies = zip(
            *(tune[len(prompt) + 3 :].split("]", 1) for tune in train if tune.startswith(prompt)), strict=True
        )
        begins = f"{prompt}[K:{max(sorted(set(heads)), key=heads.count)}]"
        whole = []
        for pattern in (None, rule(prompt)):
            written = model.samples(begins, num=some(100), seed=0, pattern=pattern, max_tokens=2000, temperature=0.8)
            whole.append(np.mean([is_whole(begins + sample.text) for sample in written]))
        accepted = np.mean([re.fullmatch(rule(prompt), body) is not None for body in bodies])
        echo_row([begins, *(f"{share:.2f}" for share in (*whole, accepted))])


def installed() -> Path:
    """Return the folder of music21's tunes."""
    python = peer_python("music", "music21==10.5.0")
    code = "import importlib.util; print(importlib.util.find_spec('music21').submodule_search_locations[0])"
    place = subprocess.run([python, "-c", code], check=True, stdout=subprocess.PIPE, text=True).stdout
    return Path(place.strip(), "corpus")


def collected(corpus: Path) -> Iterator[str]:
    """Yield the tunes of the books, a line each, whose bars are whole."""
    for file in (file for book in BOOKS for file in sorted((corpus / book).glob("*.abc"))):
        for tune in re.split(r"^X:", file.read_text(encoding="utf-8", errors="replace"), flags=re.MULTILINE)[1:]:
            line = as_line(tune)
            if line and is_whole(line):
                yield line


def as_line(tune: str) -> str | None:
    """Return a tune as one line; None for other meters, units, several voices or chords."""
    head, key, body = re.split(r"^K: *(.*)$", tune, maxsplit=1, flags=re.MULTILINE)[:3] if "\nK:" in tune else ("",) * 3
    fields = dict(re.findall(r"^([A-Z]): *(.*?) *$", head, re.MULTILINE))
    meter = METERS.get(fields.get("M", ""))
    if meter is None or fields.get("L") != "1/8" or re.search(r"^[A-Za-z]:", body, re.MULTILINE):
        return None
    notes = LEFT_OUT.sub("", body).replace("(3", "@")  # keep only the brackets of three notes in the time of two
    notes = re.sub(r"[\s.~HTuvJMOPRS()`-]|(?<=[|:])\d", "", notes).replace("@", "(3")
    notes = re.sub(r"(?<!/)/2", "/", notes)
    parts: list[str] = []
    ends = [*BAR.finditer(notes)]
    for start, end in zip([0, *(bar.end() for bar in ends)], ends, strict=False):
        if bar := notes[start : end.start()]:
            found = end[0]
            closes = ":|" if found.startswith(":") else "||" if len(found.rstrip("0123456789[")) > 1 else "|"
            parts.append(beamed(bar, 4 if meter == "C|" else 3) + closes)
        elif parts and parts[-1].endswith("|") and len(end[0]) > 1:
            parts[-1] = parts[-1].rstrip("|:") + (":|" if end[0].startswith(":") else "||")
    name = re.sub(r"\s.*", "", key)
    return f"[M:{meter}][K:{name}]{''.join(parts)}" if parts else None


def beamed(bar: str, half: int) -> str:
    """Return a bar with a space after its first half, if a note begins there."""
    for begins in re.finditer(r"(?<![<>_^=3])(?:\(3|[_^=]?[A-Ga-gz])", bar):
        if units(bar[: begins.start()]) == half:
            return f"{bar[: begins.start()]} {bar[begins.start() :]}"
    return bar


if __name__ == "__main__":
    main()
