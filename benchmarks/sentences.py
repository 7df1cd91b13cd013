"""The errors in finding the ends of sentences, compared with a reader's judgement, on five texts.

    python -m benchmarks.sentences      the errors of our rule and of sentencex, which is given the language

Stops were drawn at random from each text and judged by hand: may a text end here? It may not after an abbreviation, a
heading or a speaker's name, nor within a sentence. They were judged after the rule was written ("before" in
benchmarks/results/sentence_ends.json are those judged while it was). sentencex gets an environment of its own.
"""

from __future__ import annotations

import json
import lzma
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path

import click

from afterword.text.sentences import sentence_ends
from benchmarks.base_subjects import SOURCES, whole
from benchmarks.commands import DATA, PLACE, as_written, echo_row, echo_table, peer_python, run_peer

LABELS = PLACE / "results" / "sentence_ends.json"
LONGEST = 30  # characters of a stop with the quotes that it closes


def text_of(source: str) -> str:
    """Return the text of a file in the shared data, or of a source of base_subjects. Raises MissingTextError."""
    if source in SOURCES:
        return whole(source)
    file = (DATA / source).read_bytes()
    return (lzma.decompress(file) if source.endswith(".xz") else file).decode("utf-8")


def sentencex_ends(text: str, language: str) -> list[int]:
    python = peer_python("sentencex", "sentencex==1.0.32")
    with tempfile.TemporaryDirectory() as place:
        file = Path(place, "text.txt")
        file.write_bytes(text.encode("utf-8"))
        return [int(end) for end in run_peer(python, "segments.py", file, language).split()]


def wrong(text: str, judged: dict[str, bool], ends: Iterable[int]) -> list[int]:
    """Return the places of the stops that `ends` judge differently from the reader."""
    found = set()  # an end is behind its stop, and behind the quotes that this closes
    for end in ends:
        behind = range(end - 1, max(0, end - LONGEST), -1)
        found |= {at for at in behind if not any(map(str.isalnum, text[at:end]))}
    return [int(place) for place, is_end in judged.items() if (int(place) in found) != is_end]


@click.command(help=as_written(__doc__))
def main() -> None:
    echo_table(["stops drawn at random", "errors", "errors of sentencex"])
    for name, facts in json.loads(LABELS.read_text(encoding="utf-8")).items():
        text, judged = text_of(facts["source"]), facts["after"]
        if zlib.crc32(text.encode("utf-8")) != facts["crc32"]:
            raise click.ClickException(f"{name}: this is another text than the one that was judged")
        mine = wrong(text, judged, sentence_ends(text))
        theirs = wrong(text, judged, sentencex_ends(text, facts["language"]))
        echo_row([name, f"{len(mine)} of {len(judged)}", str(len(theirs))])


if __name__ == "__main__":
    main()
