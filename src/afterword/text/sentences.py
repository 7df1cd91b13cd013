"""The ends of sentences, in any language, also in a text that is still being written.

A stop ends a sentence unless its context says otherwise: no space follows it, a lower-case letter is next, it follows
an abbreviation, an initial or a day of a month, or its line is in capitals, as a heading or a speaker's name is. The
end of a line is not a stop: verse without stops is one sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import regex

STOPS = r"[\p{STerm}…]"
MANY = 20  # stops, quotes or spaces in a row that are examined
# one or several stops, the quotes and brackets that they close, and what follows
STOP = regex.compile(
    rf"(?P<stop>{STOPS}(?:\ {{0,2}}{STOPS}){{0,{MANY}}}+)[\p{{Pe}}\p{{Pf}}\p{{Pi}}\"'*_]{{0,{MANY}}}+"
    rf"(?=(?P<gap>\s{{0,{MANY}}}+(?:(?:--|[—–])\s{{0,{MANY}}}+)?)"
    rf"[\p{{Ps}}\p{{Pi}}\p{{Pf}}\p{{Pd}}\"'*_¿¡]{{0,{MANY}}}+(?P<next>.?))",
    regex.DOTALL,
)
# scripts without spaces between words have none after a stop; Japanese continues after a quotation with a particle
UNSPACED = regex.compile(r"[。！？｡．‼⁇⁈⁉]++(?:[\p{Pe}\p{Pf}]++(?!\p{Hiragana})|(?![\p{Pe}\p{Pf}]))")
BLANK_LINE = regex.compile(r"\n[^\S\n]*\n")
CONTEXT = 80  # characters before a stop that are examined
SECTION = regex.compile(r"(?:\d+\.)*\d+")
BEGIN = r"(?:^|[^\p{L}\p{M}\p{N}.'’])['’]*"  # of a word
# known ones; others without a vowel, such as Mrs or bzw; e.g. or U.S; an initial; a Roman numeral; a day
ABBREVIATION = regex.compile(
    rf"{BEGIN}(?:(?i:adm|brev|capt|col|esq|feb|gen|gov|hon|jan|lieut|maj|messrs|mme|mlle|oct|prof|rep|rev|sen|sept|supt"
    r"|univ|viz|bspw|dipl|evtl|exz|geb|gest|ggf|ing|sog|sra|srta|ste)"
    r"|[B-DF-HJ-NP-TV-XZb-df-hj-np-tv-xz][b-df-hj-np-tv-xz]{1,4}"
    r"|(?:\p{L}{1,2}\.)+\p{L}{1,2}|[\p{Lu}\p{Ll}]|[IVXL]+|\d{1,2})$"
)
BEFORE_NUMBER = regex.compile(rf"{BEGIN}(?i:abb|abs|al|art|aufl|ca|cap|chap|figs?|kap|nos?|sec|tel|vols?)$")
PRONOUN = regex.compile(r"\p{Ll} I$")  # not an initial


class FullStop(NamedTuple):
    """A place where a sentence may end: text[begin:end] is the stop, with the quotes that it closes."""

    begin: int
    end: int
    is_end: bool | None
    """None if that depends on what follows."""


def sentence_ends(text: str) -> list[int]:
    """Return the places where the sentences of `text` end."""
    return [stop.end for stop in stops(text) if stop.is_end]


def stops(text: str, start: int = 0, cased: bool = True, is_whole: bool = True) -> Iterator[FullStop]:
    """Yield the stops of `text` from `start` on.

    If the text is not `is_whole`, its last stop may be undecided. If it is not `cased`, all its letters are lower case.
    """
    for found in STOP.finditer(text, start):
        is_far = len(found["gap"]) >= MANY or BLANK_LINE.search(found["gap"]) is not None
        is_open = not (is_whole or found["next"] or is_far)
        yield FullStop(*found.span(), None if is_open else _is_end(text, found, "" if is_far else found["next"], cased))


def _is_end(text: str, found: regex.Match[str], following: str, cased: bool) -> bool:
    """Return whether the stop that was `found` ends a sentence.

    `following` is the next character that is not a space or an opening mark, or empty if it is far away.
    """
    begin = found.start()
    if following and not found["gap"] and not UNSPACED.match(text, begin):
        return False
    line = text[max(0, begin - CONTEXT) : begin].rpartition("\n")[2].strip()
    is_plain = found["stop"] == "."
    if is_plain and (line.isupper() or SECTION.fullmatch(line)):
        return False
    if not following:
        return True
    if following in ",;:" or (cased and following.islower()):
        return False
    if not is_plain or PRONOUN.search(line):
        return True
    if BEFORE_NUMBER.search(line):
        return not following.isnumeric()
    return not ABBREVIATION.search(line)
