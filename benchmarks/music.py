"""Predict tunes in ABC notation, and count the written ones whose bars are whole, with and without a rule.

    python -m benchmarks.music [--minutes 3] [--num 100] [--corpus FOLDER]

The tunes are reels and jigs of three old collections: Aird's Airs (1782 to 1803), Ryan's Mammoth Collection (1883) and
O'Neill's Music of Ireland (1903). They are in the public domain. Volunteers encoded them, and PyPI's `music21` ships
them with their permission. It is installed into an environment of its own, .venv-music, unless --corpus names its
folder `corpus`. Each tune becomes a line: meter, key and notes, without names, ornaments, chords and slurs. Tunes whose
bars are not whole are left out. The model is kept in .cache/odd. Needs the machine to itself; docs/figures.md has the
figures.
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
from afterword.model.ngram.mixture import USES
from benchmarks.commands import as_written, echo_table, machine, peer_python, ppmd_lines

BOOKS = ("airdsAirs", "ryansMammoth", "oneills1850")
METERS = {"C|": "C|", "C": "C|", "4/4": "C|", "6/8": "6/8"}
PAGE = runpy.run_path("docs/make_tunes.py")
is_whole: Callable[[str], bool] = PAGE["is_whole"]
rule: Callable[[str], str] = PAGE["rule"]
units: Callable[[str], object] = PAGE["units"]
LEFT_OUT = re.compile(r'%.*|"[^"]*"|\{[^}]*\}|![^!]*!|\+[^+]*\+|\[[A-Zr]:[^\]]*\]|\\$', re.MULTILINE)
BAR = re.compile(r"[|:\[\]]*[|:][|:\]]*\d*|\[\d")


@click.command(help=as_written(__doc__))
@click.option("--minutes", type=float, default=3, show_default=True)
@click.option("--num", type=int, default=100, show_default=True, help="tunes written per meter and way")
@click.option("--corpus", type=click.Path(path_type=Path, exists=True))
def main(minutes: float, num: int, corpus: Path | None) -> None:
    from benchmarks.odd import shuffled, trained

    tunes = shuffled(dict.fromkeys(collected(corpus or installed())))
    train, held_out = tunes[len(tunes) // 10 :], tunes[: len(tunes) // 10]
    click.echo(f"{machine()}\n\n{len(train):,} tunes, {sum(map(len, train)):,} characters; {len(held_out)} held out:\n")
    run = trained("music", train, minutes)
    characters = sum(len(tune) + 1 for tune in held_out)
    costs = {f"--with {use}": sum(one.bits for one in load(run, use).score_lines(held_out)) for use in USES}
    costs["PPMd"] = sum(ppmd_lines(train, held_out))
    echo_table(["model", "bits per character"], [[name, f"{bits / characters:.3f}"] for name, bits in costs.items()])
    click.echo()
    model, rows, shown = load(run), [], []
    for meter in dict.fromkeys(METERS.values()):
        prompt = f"[M:{meter}]"
        keys = [tune.partition("[K:")[2].partition("]")[0] for tune in train if tune.startswith(prompt)]
        key = max(sorted(set(keys)), key=keys.count)
        bodies = [tune.partition("[K:")[2].partition("]")[2] for tune in tunes if tune.startswith(prompt)]
        accepted = np.mean([re.fullmatch(rule(prompt), body) is not None for body in bodies])
        click.echo(f"the rule of {prompt} accepts {accepted:.0%} of the {len(bodies):,} tunes that begin so")
        for pattern in (None, rule(prompt)):
            prompts = f"{prompt}[K:{key}]"
            written = [
                prompts + sample.text
                for sample in model.samples(prompts, num=num, seed=0, pattern=pattern, max_tokens=2000, temperature=0.8)
            ]
            whole = np.mean([is_whole(tune) for tune in written])
            rows.append([prompts, "no" if pattern is None else "yes", f"{whole:.0%}"])
            shown.append(written[0])
    click.echo()
    echo_table(["begins with", "rule", "all bars whole"], rows)
    click.echo("\n" + "\n".join(shown))


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
