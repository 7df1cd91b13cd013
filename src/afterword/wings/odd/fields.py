"""The fields of a line, which are its words and values, and the kind of line that is left without them.

A line is read in two steps. First, markers replace its times, ids, addresses and numbers; the result is its form. Then
the form is split at spaces and punctuation, but not within quotation marks. Without its words, it is the kind of the
line: `[<time>] [*] * * # in * *`. A kind keeps the number of words and all punctuation.

A word with several numbers, such as R62-M0-N4, is an id, and one with an id in it, such as mail-416c865551-fbtxr, is an
id from there on (`mail-<id>`), because the parts of an id mean nothing alone.

A record is an object of JSON, or a line of CSV below a header. It is read by field: its keys, or columns, name its
values, whose order does not matter. Its kind is the set of its keys. A key with the value null counts as missing, and
so does a column with an empty cell.

At the end: lines that are sequences of events, which have no fields that one could name.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

TIME, ID, ADDRESS, NUMBER, WORD = MARKERS = "\ue000\ue001\ue002\ue003\ue004"  # private characters; see `readable`
SHOWN = str.maketrans({TIME: "<time>", ID: "<id>", ADDRESS: "<address>", NUMBER: "#", WORD: "*"})
MONTH = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
CLOCK = r"[0-2]?\d:[0-5]\d:[0-6]\d(?:[.,]\d+)?(?!\d)"
DOTTED = r"[0-2]\d\.[0-5]\d\.[0-6]\d(?:\.\d+)?(?!\d)"  # behind a date only: it could be an address
DATE = rf"(?:\d{{4}}[-/.][01]\d[-/.][0-3]\d|\d{{1,2}}[-/ ]{MONTH}[-/ ]\d{{4}}|{MONTH} [ \d]?\d(?: \d{{4}})?(?=[ ,]))"
WEEKDAY = "(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?"
OF_A_KIND = re.compile(
    r"(?=[-\dA-FJM-OSTWa-f])(?:"  # with which one begins: three times as fast
    rf"(?P<time>(?<![\w.]){WEEKDAY}{DATE}"
    rf"(?:[T :-]{{1,2}}(?:{CLOCK}|{DOTTED})(?: ?(?:Z|[+-]\d\d:?\d\d))?(?: \d{{4}}(?!\d))?)?(?!\d)"
    r"|(?<![\w.:-])\d\d(?:\d\d)?[01]\d[0-3]\d[ T]?[0-2]\d[0-5]\d[0-6]\d(?![\w.-])"
    rf"|(?<![\w.:]){CLOCK}(?![\w:])|(?<![\w.-])1\d{{9}}(?:\d{{3}})?(?:\.\d+)?(?![\w.-]))"  # seconds of this century
    r"|(?P<id>\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b|\b0[xX][0-9a-fA-F]+\b"
    r"|\b(?=[a-fA-F]*\d)(?=\d*[a-fA-F])[0-9a-fA-F]{8,}\b)"
    r"|(?P<address>(?<![\w.])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w.]*\d)"
    r"|(?<![\w:])(?:[0-9a-fA-F]{1,4}:){5,7}[0-9a-fA-F]{1,4}(?![\w:]))"
    r"|(?P<number>(?<![\w.-])-\d+(?:\.\d+)?(?![\w.])|(?<![\d.])\d+\.\d+(?![\d.])|\d+))"
)
MARKER_OF = {"time": TIME, "id": ID, "address": ADDRESS, "number": NUMBER}
CHUNK = re.compile(r'"[^"]{1,300}"|[^\s=,;:()\[\]{}"|]+')
OF_AN_OBJECT = re.compile(r'"((?:[^"\\]|\\.)*)"(?=\s*:)|"(?:[^"\\]|\\.)*"|[][{}]|[^\s,:"\[\]{}]+')
CELL = re.compile(r'(?:^|(?<=,))(?:"(?:[^"]|"")*"|[^,]*)(?![^,])')  # of a line of CSV
RECORD = "record"  # what all records have in common; no kind of any other line has letters
LETTERS = re.compile(r"[^\W_\ue000-\ue004]")
KEYED = re.compile(r'"?\s*[=:]\s*"?')
STEM = re.compile(r"(?:[a-zA-Z]+[-_.])*")  # what is before the id in a name
PID = "pid"  # the name of a number in brackets behind a word
LONGEST_NAME = 40  # characters
LONGEST_NUMBER = 300  # characters: more are too large for a float
LONGEST, MOST_CHUNKS = 4_000, 300  # characters and chunks of a line that are looked at
LONGEST_WORD = 200  # characters that distinguish words
AT_ONCE = 1000  # lines that are read at a time


class Field(NamedTuple):
    """A word or a value of a line."""

    kind: str
    """One of `MARKERS`."""
    text: str
    start: int
    place: str
    """Its place: the same in all lines of a kind."""
    name: str
    """The word before it, which names it for a person; empty without such a word."""
    chunk: str
    """The form of the text around it, up to spaces and punctuation."""
    shown: str
    """The value as people read it: with its name, or with the text around it."""

    @property
    def number(self) -> float | None:
        """Its value, if it is a number or an address that is one, such as 10.0.0.1."""
        if self.kind == NUMBER and len(self.text) <= LONGEST_NUMBER:
            return float(self.text)
        if self.kind == ADDRESS and "." in self.text:
            return float(int.from_bytes(map(int, self.text.split("."))))
        return None


class Line(NamedTuple):
    """A line taken apart."""

    kind: str
    """Its form without the words."""
    fields: list[Field]
    group: str
    """Equal for lines that share their places: all of a kind, and all records."""


def form_in_words(form: str) -> str:
    """Return a form with `<time>`, `#` and so on in place of its markers."""
    return form.translate(SHOWN)


def split(text: str, header: str | None = None) -> Line:
    """Take a line apart. If a `header` is given, even an empty one, records are read by field."""
    return _split(text[:LONGEST], header)  # so that no line of millions of characters is kept


@lru_cache(AT_ONCE + AT_ONCE // 10)  # the lines that are read at a time, and words of some
def _split(text: str, header: str | None) -> Line:
    if text == header != "":
        return Line(RECORD, [], RECORD)
    if not text.isascii():
        text = re.sub(f"[{MARKERS}]", "?", text)
    values: list[tuple[str, str, int]] = []
    pieces, last = [], 0
    for found in OF_A_KIND.finditer(text.replace(",", "\t") if header else text):  # a time ends at the next column
        marker, (start, stop) = MARKER_OF[str(found.lastgroup)], found.span()
        values.append((marker, text[start:stop], start))
        pieces += [text[last:start], marker]
        last = stop
    form = "".join([*pieces, text[last:]])
    named: Iterable[tuple[re.Match[str], str]] = ()
    with contextlib.suppress(ValueError, RecursionError):  # it is not an object
        if header is not None:
            named = _of_object(form) if text[:1] == "{" and json.loads(text) else cells(form, header)
    kind: list[str] = []
    fields: list[Field] = []
    each, end, grown, before, said = iter(values), 0, 0, "", ""
    chunks = named or ((found, "") for found in CHUNK.finditer(form))
    for number, (found, path) in enumerate(islice(chunks, MOST_CHUNKS)):
        chunk, between = found[0], form[end : found.start()]
        end, start = found.end(), found.start() + grown
        inside = [] if chunk.isascii() else [next(each) for one in chunk if one in MARKERS]
        grown += sum(len(value) - 1 for _, value, _ in inside)
        if named and (not path or chunk in ("", "null")):
            continue
        real = text[start : end + grown]
        quoted = chunk[0] == '"'
        has_letters = quoted or LETTERS.search(chunk) is not None
        key = path or (before if between != " " and KEYED.fullmatch(between) else "")
        place = f"{path} {WORD if has_letters else NUMBER}" if path else f"{number} {key}"
        kind += [place] if path else [between, WORD if has_letters else chunk]
        if has_letters and not quoted and (len(inside) > 1 or ID in chunk) and not {*" /"} & {*chunk}:
            stem = STEM.match(chunk)[0] if ID in chunk else ""  # type: ignore[index]  # it matches an empty text
            chunk, inside = stem + ID, [(ID, real[len(stem) :], start + len(stem))]
        if has_letters:
            fields.append(Field(WORD, chunk[:LONGEST_WORD], start, place, key, chunk, real[:LONGEST_WORD]))
        own, title = (path or before, path or said) if key or between in (" ", "(") else ("", "")
        if not path and between.endswith("[") and before and form[end : end + 1] == "]":
            own = title = PID if NUMBER in chunk else "address"
        elif has_letters and not quoted and not path:
            own = chunk
        for within, (marker, value, at) in enumerate(inside):
            read = real if own == chunk else f"{title or 'value'} {value}"
            where = f"{place} {chunk if has_letters else own} {within}"
            fields.append(Field(marker, value, at, where, own, chunk, read[:LONGEST_WORD]))
        is_name = has_letters and len(chunk) <= LONGEST_NAME and (not quoted or form[end : end + 1] == ":")
        before, said = (chunk.strip('"'), real.strip('"')) if is_name else ("", "")
    rest = form[end:] if len(kind) < 2 * MOST_CHUNKS else ""
    whole = ", ".join([RECORD, *sorted({*kind})]) if named else "".join([*kind, rest])
    return Line(whole, fields, RECORD if named else whole)


def _of_object(form: str) -> Iterator[tuple[re.Match[str], str]]:
    """Yield the parts of an object of JSON, each with the keys that name it, outermost first; none for a key."""
    path = [""]
    for one in OF_AN_OBJECT.finditer(form):
        path = [*path, ""] if one[0] in "{[" else path[:-1] if one[0] in "]}" else path
        if one[1] is not None:
            path[-1] = one[1]
        yield one, ".".join(filter(None, path)) if one[1] is None and one[0] not in "{[]}" else ""


def cells(form: str, header: str) -> list[tuple[re.Match[str], str]]:
    """Return the cells of a line, each with its column, if `header` has as many columns."""
    names, cells = header.split(","), [*CELL.finditer(form)]
    return [*zip(cells, names, strict=True)] if len(cells) == len(names) > 1 else []


MOST_SYMBOLS, USES = 2_000, 20  # symbols, at most, and uses of each on average, at least: unlike words of prose
PLACES = 4  # at which a word's symbol comes, on average, at least; in logs, these are 1 to 2.5
FARTHEST = 50  # place that is counted: each later one counts as this
FIRST = 10_000  # lines that are counted: the symbols of many more would take 50 MB


def are_events(lines: Sequence[str]) -> bool:
    """Return whether most symbols of `lines` (between spaces) are frequent, and occur at many places of a line.

    Lines of a log are not events, because each word has one or two places. Prose is not, because it has too many words.
    """
    pairs = Counter((symbol, min(at, FARTHEST)) for line in lines[:FIRST] for at, symbol in enumerate(line.split()))
    uses, places = Counter[str](), Counter[str](symbol for symbol, _ in pairs)
    for (symbol, _), count in pairs.items():
        uses[symbol] += count
    words, are_few = uses.total(), len(uses) <= min(MOST_SYMBOLS, uses.total() / USES)
    return are_few and sum(uses[symbol] * places[symbol] for symbol in uses) >= PLACES * words > 0
