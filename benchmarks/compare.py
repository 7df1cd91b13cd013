"""Other programs and Afterword on one text, for the same time on the same cores:

    python -m benchmarks.compare [TEXT] [--minutes 3]

Each peer learns from the first 90 % of the text. Its packages are installed into an environment of its own. Each row is
saved to results/comparison.jsonl as soon as it is measured, so Ctrl-C loses only the one in progress. Finally, the rows
are drawn into docs/figures.md and docs/comparison.svg. It takes 20 minutes, at most 40, and needs the machine to
itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import click

from afterword.runs.environment import system
from benchmarks.commands import (
    PLACE,
    as_written,
    measured_here,
    peer_python,
    results,
    split,
    write_parts,
    write_result,
)
from tests.reading import read_text

PLAY = PLACE.parent / "src" / "afterword" / "operations" / "demo-julius-caesar.txt.gz"
PAGE = PLACE.parent / "docs" / "figures.md"
PICTURE = "comparison.svg"  # beside the page
BEGIN, END = "<!-- drawn by make compare -->\n", "<!-- end -->\n"
LEAST, MOST_HELD_OUT = 10_000, 50_000  # characters: of a text; of its held-out part, so that the slowest finishes
ENOUGH = 240  # seconds for everything but training
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Peer:
    """A row of the table, of benchmarks/compare.json."""

    name: str
    title: str
    script: str
    """Of benchmarks/peers."""
    packages: tuple[str, ...]
    """The packages of its own environment; without them, it runs in ours."""
    lines: int
    """Commands, or lines of the script above "Measured from here on", without blank lines, comments and docstrings."""
    settings: str
    """Where its settings are published, and how ours differ."""


PEERS = [Peer(**row) for row in json.loads((PLACE / "compare.json").read_text(encoding="utf-8"))]
OURS = ("none", "english")


def measured(peer: Peer, files: Sequence[Path], minutes: float) -> dict[str, Any]:
    """Return the figures of a peer, or its `failure`: the reason, on one line."""
    try:
        python = peer_python(peer.name, *peer.packages) if peer.packages else Path(sys.executable)
        given = [*files, 60 * minutes, time.time(), *([peer.name] if peer.script == "compare_afterword.py" else [])]
        command = [*map(str, [python, PLACE / "peers" / peer.script, *given])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60 * minutes + ENOUGH)
    except click.ClickException as error:
        return {"failure": error.message}
    except subprocess.TimeoutExpired as error:
        return {"failure": f"it was stopped after {error.timeout:.0f} seconds"}
    if done.returncode < 0:
        return {"failure": f"it was killed by signal {-done.returncode}, perhaps for lack of memory"}
    if done.returncode:
        return {"failure": done.stderr.strip().split("\n")[-1] or f"it exited with status {done.returncode}"}
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(text: Path, minutes: float) -> None:
    """Measure each peer, and save its row. A peer that fails has a row too."""
    whole = read_text([text])[0]
    if len(whole) < LEAST:
        raise click.UsageError(f"{text} has {len(whole):,} characters; a comparison needs {LEAST:,}")
    training, held_out = split(whole)
    same = {"text": text.name.removesuffix(".gz"), "characters": len(whole), "minutes": minutes}
    with tempfile.TemporaryDirectory() as place:
        files = write_parts(Path(place), training, held_out[:MOST_HELD_OUT])
        for peer in PEERS:
            click.echo(f"{peer.title} …", err=True)
            here = measured_here()  # before the peer starts
            figures = measured(peer, files, minutes)
            write_result("comparison", **same, peer=peer.name, **figures, **here, system=system())
            click.echo(" | ".join(_cells(peer, figures)))


def newest() -> list[tuple[Peer, Figures]]:
    """Return the newest row of each peer, for the text and the minutes of the last comparison."""
    found = [*results("comparison")]
    same = ("text", "characters", "minutes", "cores")
    rows = {row["peer"]: row for row in found if all(row[key] == found[-1][key] for key in same)}
    return [(peer, rows[peer.name]) for peer in PEERS if peer.name in rows]


def _cells(peer: Peer, row: Figures) -> list[str]:
    if "failure" in row:
        return [peer.title, f"not measured: {row['failure']}", "–", "–", "–", str(peer.lines)]
    minutes, seconds = divmod(round(row["seconds"]), 60)
    speed = "–" if row["speed"] is None else f"{float(format(row['speed'], '.2g')):,.0f}"
    took = f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
    return [peer.title, f"{row['bits']:.3f}", took, speed, f"{row['memory'] / 2**20:,.0f} MB", str(peer.lines)]


COLUMNS = ("", "bits per character", "ready after", "characters per second", "peak memory", "lines to write")
# the title, the figure, and whether less of it is better
BETTER = (
    ("Fewer bits per character", "bits", True),
    ("Ready sooner", "seconds", True),
    ("Writes faster", "speed", False),
    ("Needs less memory", "memory", True),
    ("Needs fewer lines", "lines", True),
)


def table(rows: Sequence[tuple[Peer, Figures]]) -> Iterator[str]:
    yield f"| {' | '.join(COLUMNS)} |\n| --- {'| ---: ' * (len(COLUMNS) - 1)}|"
    for peer, row in rows:
        yield f"| {' | '.join(cell.replace('|', '¦') for cell in _cells(peer, row))} |"


def where_a_peer_wins(rows: Sequence[tuple[Peer, Figures]]) -> Iterator[str]:
    """Yield a line for each of Afterword's rows and figures: the peers that beat it in that."""
    known = {peer.name: (peer, {**row, "lines": peer.lines}) for peer, row in rows if "failure" not in row}
    for title, key, less in BETTER:
        for name in OURS if key == "bits" else OURS[:1]:
            if name in known:
                ours, mine = known[name][0].title.strip("*"), known[name][1][key]
                found = [(one.title, row[key]) for other, (one, row) in known.items() if other not in OURS]
                won = [
                    title for title, value in found if value is not None and (value < mine if less else value > mine)
                ]
                yield f"- {title} than {ours}: {', '.join(won) or 'no peer'}."


def _begins(sample: str) -> str:
    """Return the first line of a text, as code of Markdown."""
    if not sample.strip():
        return f"*({len(sample)} blank characters)*"
    first = sample.strip().splitlines()[0][:50].replace("`", "'")
    return f"`{first.rstrip()}`"


def drawn(rows: Sequence[tuple[Peer, Figures]]) -> str:
    """Return the part of the page that is generated from the rows, as Markdown."""
    first, load = rows[0][1], max(row["load"] for _, row in rows)
    programs = ", ".join(f"{name} {first['system'][name]}" for name in ("python", "numpy", "torch"))
    about = (
        f"`{first['text']}`, {first['characters']:,} characters; {first['minutes']:g} minutes of learning each. "
        f"{first['cores']} cores of {first['system']['processor']}, load at most {load:.1f}; {programs}."
    )
    notes = [
        f"- {peer.title}: {peer.settings}" + (f" It begins: {_begins(row['sample'])}" if row.get("sample") else "")
        for peer, row in rows
    ]
    parts = [
        about,
        "\n".join(table(rows)),
        f"![Bits per character of each; a shorter bar is better]({PICTURE})",
        "\n".join(notes),
        "Where a peer is better:",
        "\n".join(where_a_peer_wins(rows)),
    ]
    return "\n" + "\n\n".join(parts) + "\n\n"


def picture(rows: Sequence[tuple[Peer, Figures]]) -> str:
    """Return the bits per character as bars, in SVG."""
    shown = [(peer, row["bits"]) for peer, row in rows if "failure" not in row]
    most, height = max(bits for _, bits in shown), 34 * len(shown) + 40
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" font-family="sans-serif" font-size="15">',
        f'<rect width="720" height="{height}" fill="white"/>',
        '<text x="12" y="24" fill="#555">bits per character of held-out text; shorter is better</text>',
    ]
    for k, (peer, bits) in enumerate(shown):
        y, width = 40 + 34 * k, 380 * bits / most
        colour = "#0b6e99" if peer.name in OURS else "#9aa5ad"
        lines += [
            f'<text x="12" y="{y + 17}">{escape(peer.title.replace("*", "").replace("`", ""))}</text>',
            f'<rect x="262" y="{y}" width="{width:.1f}" height="24" fill="{colour}"/>',
            f'<text x="{width + 270:.1f}" y="{y + 17}">{bits:.2f}</text>',
        ]
    return "\n".join([*lines, "</svg>\n"])


def draw(rows: Sequence[tuple[Peer, Figures]]) -> None:
    """Draw the rows into the page and its picture."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + drawn(rows) + END + rest.partition(END)[2], encoding="utf-8")
    PAGE.with_name(PICTURE).write_text(picture(rows), encoding="utf-8")


@click.command(help=as_written(__doc__))
@click.argument("text", type=click.Path(exists=True, dir_okay=False, path_type=Path), default=PLAY, metavar="[TEXT]")
@click.option("--minutes", type=click.FloatRange(0, 60, min_open=True), default=3.0, show_default=True)
def main(text: Path, minutes: float) -> None:
    try:
        compare(text, minutes)
    except KeyboardInterrupt:
        click.echo("stopped; the finished rows are saved", err=True)
        sys.exit(130)
    finally:
        draw(newest())


if __name__ == "__main__":
    main()
