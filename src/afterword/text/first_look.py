"""A first look at a text, before minutes are spent on it: what kind of text it seems to be."""

from __future__ import annotations

import re

LOOKED_AT = 2_000_000  # characters
LONG = 100  # characters per line, on average, from which lines count as paragraphs
NUMBER = r"(?:\d+|[ivxlc]+|the \w+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b"
HEAD = re.compile(rf"^[ \t]*(?:chapter|part|book|act|scene|letter|kapitel|chapitre|cap[ií]tulo) {NUMBER}", re.I | re.M)
ORDINARY = re.compile(r"[\w\s.,;:!?'\"()“”‘’«»„…–—-]+")


def first_look(text: str) -> dict[str, str | int | float]:
    """Return what the first `LOOKED_AT` characters of a text show: its kind, the number of headings of chapters
    or scenes, and the fraction of characters other than letters, digits, spaces and ordinary punctuation."""
    text = text[:LOOKED_AT]
    return {
        "looks_like": "prose" if is_prose(text) else "short lines",
        "heads": len(HEAD.findall(text)),
        "other_characters": round(len(ORDINARY.sub("", text)) / max(1, len(text)), 4),
    }


def is_prose(text: str) -> bool:
    """Return whether the lines of `text` are, on average, as long as paragraphs."""
    lines = [line for line in text.split("\n") if line.strip()]
    return sum(map(len, lines)) >= LONG * len(lines)
