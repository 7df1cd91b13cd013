"""The usual content of a log: its kinds of line, the values at their places, and how often something new comes.

A new value is odd only if places like this one hardly ever get one. So the lines are read in the order of time. All but
the first fifth of them show how often a place that had n values, d of them different, got another one, and how far
numbers left the range of those before. Such a rate is the probability of a new value. It separates a place with three
values in a thousand lines from one with nine hundred. How often a new kind of line comes is shown by the last third.
"""

from __future__ import annotations

import bisect
import hashlib
import math
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import count, islice
from typing import Annotated, NamedTuple

from msgspec import Meta

from afterword.text.lines import MARK, Masks, Span, origins, replaced
from afterword.wings.odd.fields import (
    ADDRESS,
    AT_ONCE,
    ID,
    LONGEST,
    MARKERS,
    NUMBER,
    PID,
    RECORD,
    TIME,
    WORD,
    Field,
    Line,
    are_events,
    cells,
    form_in_words,
    split,
)
from afterword.wings.odd.rates import Count, Counted, Rates

LATE = 3  # the last third of the lines shows how often a new kind of line comes, and calibrates the texts
FIRST_PLACE = "0 "  # how the places in the first word of a line begin; a name has no others
FIRST = 5  # the first fifth of the lines is read before new values count: at first, all are new
MOST_KINDS = 10_000
MOST_VALUES = 1000  # different ones at a place; one with more gets new ones all the time
MOST_LEVEL = 200  # of a number that is far outside
TAIL = 10  # of the highest and the lowest numbers at a place
FEW = 10  # values: if there are more, and they rarely repeat or drift, they are masked
FEWEST_RISES = 6  # different numbers at least: fewer may rise by chance
LARGEST_PID = 4_194_304  # of Linux; where they change, the next day's are anywhere below it
LARGEST_COUNT = 2**53  # larger ones, of which a float has not all digits, are ids
FARTHER = 100  # times the earlier range: a counter may grow so far, for about as many nights
REPEATED = 20  # uses of each value, on average, from which the values are not masked
PREFIX = re.compile(r"(?<=\w)[^\w_].*")  # what follows the first word of a name
HIDDEN = "\t"  # begins a hash: no word or value of a line begins with it
MOST_ACCEPTED = 100_000  # lines
BEGIN = re.compile(rf".{{,8}}(?:{TIME}|{re.escape(MARK)})")  # of a kind of line that begins with a time
NEARLY = 0.9
ANY_FIGURE = 1e9  # of a kind of line of which any text is accepted
NAMED = {TIME: "time", ID: "id", f"\t{ADDRESS}": "address"}


Number = Annotated[float, Meta(ge=-1e300, le=1e300)]
Checksum = Annotated[int, Meta(ge=0, lt=2**32)]


@dataclass
class ValuePlace:
    """The values at a place of one kind of line."""

    count: Count = 0
    values: Annotated[dict[str, Count], Meta(max_length=MOST_VALUES)] = field(default_factory=dict)
    """Each different value and how often it came, up to `MOST_VALUES` of them; the hash of one that is masked."""
    ordered: list[Number] = field(default_factory=list)
    """The lowest and the highest different numbers, in order."""
    records: Count = 0
    """How often a number was outside of those before, once there were some."""
    rises: Count = 0
    """How often a number was at least as high as all before it."""

    def __post_init__(self) -> None:
        if self.ordered != sorted({*self.ordered}) or (self.records and len(self.ordered) <= 2 * FEW):
            raise ValueError("its numbers must rise, and be enough for its records")

    def add(self, text: str, number: float | None) -> None:
        self.count += 1
        if text in self.values or len(self.values) < MOST_VALUES:
            self.values[text] = self.values.get(text, 0) + 1
        if number is not None:
            self.records += len(self.ordered) > 2 * FEW and not self.ordered[0] <= number <= self.ordered[-1]
            self.rises += not self.ordered or number >= self.ordered[-1]
            at = bisect.bisect_left(self.ordered, number)
            if self.ordered[at : at + 1] != [number]:
                self.ordered.insert(at, number)
                del self.ordered[TAIL + 1 : -TAIL - 1]

    def with_values(self, other: ValuePlace) -> ValuePlace:
        """Return the same place, to which the values of another are known too."""
        values = dict(islice((self.values | other.values).items(), MOST_VALUES))
        ordered = sorted({*self.ordered, *other.ordered})
        del ordered[TAIL + 1 : -TAIL - 1]
        most = [max(pair) for pair in ((self.count, other.count), (self.records, other.records))]
        return ValuePlace(most[0], values, ordered, most[1], self.rises)

    @cached_property
    def usual(self) -> list[str]:
        """Its values when all lines were read, the most frequent ones first."""
        return sorted(self.values, key=self.values.__getitem__, reverse=True)

    @property
    def drifts(self) -> bool:
        """True if numbers leave the earlier range more often than in random order, as a counter does."""
        rises = len(self.ordered) >= FEWEST_RISES and self.rises > NEARLY * self.count
        return rises or self.records > 5 + 4 * math.log(max(1.0, self.count / (2 * FEW)))

    @property
    def changes(self) -> bool:
        """True if the values rarely repeat, or drift, so that a new one means nothing."""
        different = len(self.values)
        return different > FEW and (self.drifts or different == MOST_VALUES or different * REPEATED > self.count)

    @property
    def bucket(self) -> str:
        """The name of the group of similar places: as many values and as many different ones, in powers of two."""
        return f"{self.drifts:d} {self.count.bit_length()} {len(self.values).bit_length()}"

    def level(self, one: Field, text: str, number: float | None) -> int:
        """Return 0 for a usual value, 1 for a new one, and more for a number that is far outside.

        `text` and `number` are what is kept of the field `one`."""
        known = text in self.values or one.text in self.values  # versions up to 0.3 also kept what is masked,
        # and names with ids in other ways
        known = known or (text.endswith(ID) and any(ID in value[:-1] or value == ID for value in self.values))
        is_new = not known and len(self.values) < MOST_VALUES
        few = 2 * FEW if one.kind == ADDRESS else 0
        if number is None or not self.ordered or len(self.values) <= few:
            return int(is_new)
        return min(MOST_LEVEL, is_new + math.ceil(4 * math.log2(1 + self._outside(number, one.name == PID))))

    def _outside(self, number: float, is_pid: bool) -> float:
        """Return how far `number` is outside of the numbers so far, in units by which the outermost ones differ.

        A number less than a unit outside counts as inside. Ids have no range, and numbers that drift may continue.
        """
        low, high = self.ordered[0], self.ordered[-1]
        if low <= number <= high:
            return 0.0
        beyond = max(number - high, low - number, 0.0)
        if number < 0 <= low:
            beyond += high - low
        elif len(self.values) > FEW and (high > LARGEST_COUNT or (is_pid and number <= LARGEST_PID)):
            return 0.0
        elif self.drifts:
            return max(0.0, beyond / (FARTHER * (high - low)) - 1)
        m = min(TAIL, len(self.ordered) - 1)
        apart = high - self.ordered[-1 - m] if number > high else self.ordered[m] - low
        return max(0.0, beyond / max(apart / math.log(m + 2), max(1.0, high - low) / 100) - 1)


class NewValue(NamedTuple):
    """Something that a place never had."""

    field: Field
    place: ValuePlace
    bucket: str
    level: int


class Harmless(NamedTuple):
    """Something in a line that was accepted."""

    detector: str
    where: str = ""
    """The place of a value, the key of an odd text, or the kind of line that is silent; empty if the line shows it."""
    figure: float = 0.0
    """If a kind of line was accepted, the figure of its text."""


@dataclass
class GoodLines:
    """The kinds, values and rates that are usual in the good lines, and the lines that were accepted."""

    places: dict[str, dict[str, ValuePlace]] = field(default_factory=dict)
    """By kind of line, and by place in it."""
    levels: dict[str, Annotated[list[Count], Meta(max_length=MOST_LEVEL + 1)]] = field(default_factory=dict)
    """For each group of similar places, the count of each level of `NewValue` in these lines; level 0 is not new."""
    masked: dict[str, bool] = field(default_factory=dict)
    """Whether numbers and addresses are masked, by their surroundings (see `_around`); empty if nothing is."""
    late: Count = 0
    """Late lines."""
    judged: Count = 0
    """Lines that were looked through for new values."""
    late_kinds: list[str] = field(default_factory=list)
    """The lines that were the first of their kind among them, until their `late_figures` are known."""
    late_figures: list[Number] = field(default_factory=list)
    """The figures of their texts, in order; see `calibration`."""
    late_texts: set[Checksum] = field(default_factory=set)
    """Hashes of the texts of late lines, masked, which the model has not learned."""
    late_bits: list[Number] = field(default_factory=list)
    """The bits of those of them of which a value is new, in order."""
    accepted: Annotated[list[str], Meta(max_length=MOST_ACCEPTED)] = field(default_factory=list)
    """Lines in which something is harmless."""
    accepted_as: Annotated[dict[str, list[Harmless]], Meta(max_length=MOST_ACCEPTED)] = field(default_factory=dict)
    """What is harmless in each of them. If a line is missing here, all that is odd in it is harmless."""
    rates: Rates = field(default_factory=Rates)
    """How often the same comes."""
    header: str | None = None
    """The line that names the columns, if there is one; None if records are not read by field."""

    @staticmethod
    def of(lines: Sequence[str], masked: dict[str, bool] | None = None, header: str | None = "") -> GoodLines:
        """Return what is usual in `lines`. If `masked` is not given, it is found; events have none.

        If `header` is None, records are not read by field; if it is empty, it is looked for in `lines`."""
        header, begin = _header(lines) if header == "" else header, len(lines) - len(lines) // LATE
        good = GoodLines(masked=_masked(lines, header) if masked is None else masked, header=header)
        found, counted = list[list[NewValue]](), (Counted[None](), Counted[None]())
        events = are_events(lines)  # whose places mean nothing
        for number, text in enumerate(lines):
            line = split(text, good.header)._replace(fields=[]) if events else split(text, good.header)
            each, kind = good.repeated(text)
            for counting, equal in zip(counted, each, strict=True):
                counting.add(None, equal, kind)
            if number >= begin:
                good.late += 1
                if good.new_in(line.kind):
                    good.late_kinds.append(text)
                good.late_texts.add(checksum(good.hide(text)))
            if number >= len(lines) // FIRST:
                good.judged += 1
                if new := [*good.surprises(line, good.levels)]:
                    found.append(new)
            good.add(line)
        return replace(good, rates=Rates.of(*counted), late_bits=sorted(map(good.all_bits, found)))

    def knowing(self, known: GoodLines) -> GoodLines:
        """Return the same, with what was `known` to be usual before, and with what was accepted then."""
        places = dict(self.places)
        for kind, before in known.places.items():
            if kind in places or len(places) < MOST_KINDS:
                now = places.get(kind, {}).items()
                places[kind] = before | {at: one.with_values(before[at]) if at in before else one for at, one in now}
        return replace(self, places=places, accepted=known.accepted, accepted_as=known.accepted_as)

    def hide(self, text: str) -> str:
        """Return `text` with `MARK` in place of what always changes, and a usual value in place of each accepted one,
        so that neither adds to its cost."""
        return self._hide(text[:LONGEST]) + text[LONGEST:]

    @cached_property
    def _hide(self) -> Callable[[str], str]:
        return lru_cache(2 * AT_ONCE)(lambda text: replaced(text, self._hidden(text)))

    def origins(self, masks: Masks, line: str) -> list[tuple[int, int]]:
        """Return, for each character of a line that `masks` mask and `hide` hides, its span in the line."""
        return origins(masks.origins(line), self._hidden(masks(line)))

    def _hidden(self, text: str) -> Iterator[Span]:
        """Yield the spans of a line that are hidden, each with the text that replaces it."""
        line, end = split(text, self.header), 0
        for one in line.fields:
            is_masked = one.kind != WORD and bool(self.masked) and self._is_masked(one)
            if one.start < end or not (is_masked or (self.accepted and self.is_harmless(line.group, one))):
                continue  # such as a number in a word that is hidden
            end = one.start + len(one.shown if one.kind == WORD else one.text)
            yield one.start, end, MARK if is_masked else self._usual_value(line.group, one.place)

    def _usual_value(self, group: str, place: str) -> str:
        """Return the most frequent value at a place, with the most frequent numbers in it if it is a word."""
        value, numbers = self.places[group][place].usual[0], count()
        if value.startswith(HIDDEN):
            return MARK

        def filled(_: re.Match[str]) -> str:
            inner = f"{place} {value} {next(numbers)}"
            is_masked = inner not in self.places[group] or self.masked.get(f"{value}\t{value}")
            return MARK if is_masked else self._usual_value(group, inner)

        return re.sub(f"[{MARKERS}]", filled, value)

    def _is_masked(self, one: Field) -> bool:
        return one.kind in (TIME, ID) or (one.kind != WORD and self.masked.get(_around(one), one.chunk == one.kind))

    @property
    def masked_names(self) -> list[str]:
        """The names of the masked fields, in words that people use."""
        found = dict[str, None]()
        for around in (around for around, is_masked in self.masked.items() if is_masked):
            name, tab, chunk = around.partition("\t")
            found[NAMED.get(around) or (form_in_words(name or chunk) if tab else "number")] = None
        return [*found]

    @cached_property
    def is_plain(self) -> bool:
        """Whether lines have no fields, as names and events have none: then only their text can be odd."""
        return all(place.startswith(FIRST_PLACE) for places in self.places.values() for place in places)

    @cached_property
    def _begins_with_time(self) -> bool:
        """True if nearly all kinds of line that are not indented begin with a time."""
        whole = [kind for kind in self.places if not kind[:1].isspace()]
        return sum(BEGIN.match(kind) is not None for kind in whole) > NEARLY * len(whole)

    def continues(self, text: str) -> bool:
        """Return whether a line belongs to the record of the line before, as in a stack trace: it is indented, or lacks
        the time with which other lines begin."""
        kind = split(text, self.header).kind
        return kind[:1].isspace() or (self._begins_with_time and not BEGIN.match(kind))

    @cached_property
    def _keys(self) -> dict[str, set[str]]:
        """For each key of records, those that always came with it."""
        found = dict[str, set[str]]()
        for own in ({*kind.split(", ")} for kind in self.places if kind.startswith(f"{RECORD}, ")):
            found |= {key: found.get(key, own) & own for key in own}
        return found

    def new_in(self, kind: str) -> str:
        """Return what is new in a kind of line; empty if nothing is. In a record, it is a key that no good record
        had, or the lack of a key that always came with another one."""
        if kind in self.places or not (kind.startswith(RECORD) and self._keys):
            return "" if kind in self.places else kind
        own = {*kind.split(", ")}
        lacks = set[str]().union(*(self._keys.get(key, own) for key in own)) - own
        new = [("with", key) for key in own - self._keys.keys()] + [("without", key) for key in lacks]
        return ", ".join(map(" ".join, sorted(new)))

    def p_new(self, figure: float = -math.inf) -> float:
        """Return how often a late line was the first of its kind and had a text as odd as `figure`."""
        less = bisect.bisect_left(self.late_figures, figure)
        return min(1.0, (len(self.late_figures or self.late_kinds) - less + 0.5) / (self.late + 1))

    def p_value(self, bits: float) -> float:
        """Return the fraction of lines with a value that is as new. For a value that is newer than all of them, it
        halves with each further bit, because a value that is new in b bits comes at a rate of 2^-b."""
        as_new, lines = len(self.late_bits) - bisect.bisect_left(self.late_bits, bits), (self.judged or self.late) + 1
        beyond = bits - (self.late_bits[-1] if self.late_bits else math.log2(lines))
        return (as_new + 0.5) / lines * math.exp2(-max(0.0, beyond))

    def share(self, word: str) -> float:
        """Return the fraction of good lines that contain `word`; it counts twice in a line that contains it twice."""
        found = (place.values.get(word, 0) for places in self.places.values() for place in places.values())
        return sum(found) / max(1, self.rates.lines)

    def repeated(self, text: str) -> tuple[tuple[int, int], str]:
        """Return hashes of a line, without and with its time, and its kind."""
        line = split(text, self.header)
        times = ((one.start, one.start + len(one.text), "") for one in line.fields if one.kind == TIME)
        return (hash(replaced(text, times)), hash(text)), line.kind

    def add(self, line: Line) -> None:
        """Count a line."""
        if len(self.places) < MOST_KINDS or line.kind in self.places:
            self.places.setdefault(line.kind, {})
            places = self.places.setdefault(line.group, {})
            for one in line.fields:
                if one.kind not in (TIME, ID):
                    places.setdefault(one.place, ValuePlace()).add(*self._kept(one))

    def _kept(self, one: Field) -> tuple[str, float | None]:
        """Return the text and the number of a field, as they are stored.

        If the field is masked, the text is a hash, which many values share, and the number of an address is that of its
        network."""
        if not (self.masked and self._is_masked(one)):
            return one.text, one.number
        number = one.number
        if one.kind == ADDRESS and number is not None:
            number = number // 256 * 256
        return HIDDEN + hashlib.blake2b(one.text.encode()).hexdigest()[:5], number

    def surprises(self, line: Line, levels: dict[str, list[int]] | None = None) -> Iterator[NewValue]:
        """Yield what is new in a line of a known kind; if `levels` are given, count there what comes."""
        places = self.places.get(line.group, {})
        for one in line.fields:
            if (place := places.get(one.place)) is None or (levels is None and one.text in place.values):
                continue
            level = place.level(one, *self._kept(one))
            if not level and levels is None:
                continue
            bucket = f"{MARKERS.index(one.kind)} {place.bucket}"
            if levels is not None:
                counts = levels.setdefault(bucket, [])
                counts += [0] * (level + 1 - len(counts))
                counts[level] += 1
            if level:
                yield NewValue(one, place, bucket, level)

    def bits(self, one: NewValue) -> float:
        """Return how seldom a level as high comes at places like this, in bits."""
        counts = self.levels.get(one.bucket, [])
        beyond = max(0, one.level - max(len(counts) - 1, 1)) / 4  # the logarithm of how much farther it is
        beyond = min(beyond, math.log2(1 + len(one.place.values)))  # a few values show little of their range
        return math.log2((sum(counts) + 1) / (sum(counts[one.level :]) + 0.5)) + beyond

    def all_bits(self, found: Sequence[NewValue]) -> float:
        """Return the bits of what is new in a line: those of the oddest, and a little of the others."""
        each = [*map(self.bits, found)]
        return max(each) + (sum(each) - max(each)) / 10 if each else 0.0

    @cached_property
    def harmless(self) -> dict[tuple[str, str | int], float]:
        """The accepted kinds of line, texts and bursts (not values), each with the highest figure. The key is the
        detector and what it found: a kind of line, the key of a text or a masked text, or the hash of a line that may
        come in bursts."""
        known = dict[tuple[str, str | int], float]()
        for text in self.accepted:
            (equal, _), kind = self.repeated(text)
            for detector, where, figure in self.harmless_in(text):
                name = self.new_in(kind) if detector == "template" else where or equal
                known[detector, name] = max(figure, known.get((detector, name), 0.0))
                if detector == "text":
                    known |= {(detector, one): figure for one in (self.hide(text), *words_of(kind, where))}
        return known

    @cached_property
    def _harmless_values(self) -> dict[tuple[str, str], dict[str, float | None]]:
        """The accepted values, and the numbers that they are, by kind of line and place."""
        known = dict[tuple[str, str], dict[str, float | None]]()
        for text in self.accepted:
            places = {one.where for one in self.harmless_in(text) if one.detector == "value"}
            line = split(text, self.header)
            for one in line.fields:
                if one.place in places:
                    known.setdefault((line.group, one.place), {})[one.text] = one.number
        return known

    def harmless_in(self, text: str) -> list[Harmless]:
        """Return what is harmless in an accepted line: all that is odd in it if only the line is stored, as versions up
        to 0.3 did."""
        return [*self.accepted_as[text]] if text in self.accepted_as else self.odd_in(text, ANY_FIGURE)

    def odd_in(self, text: str, figure: float, key: str = "") -> list[Harmless]:
        """Return all that is odd in a line whose text has this figure and key."""
        line = split(text, self.header)
        new_kind = [Harmless("template", "", figure)] * bool(self.new_in(line.kind))
        return [Harmless("text", key), *new_kind, *(Harmless("value", one.field.place) for one in self.surprises(line))]

    def is_harmless(self, group: str, one: Field) -> bool:
        """Return whether this value, or a number at least as far out of range, was accepted at its place."""
        values, place = self._harmless_values.get((group, one.place), {}), self.places.get(group, {}).get(one.place)
        if not values or place is None or one.kind != NUMBER or len(place.values) <= FEW or one.number is None:
            return one.text in values
        numbers = [*place.ordered, *(each for each in values.values() if each is not None)]
        return min(numbers) <= one.number <= max(numbers)


def words_of(kind: str, key: str) -> set[str]:
    """Return a key for each word in the key of a text of this kind, as `odd_text` writes it."""
    return {f"{kind} {word}" for word in re.findall("“[^”]*”", key)}


def checksum(text: str) -> int:
    return zlib.crc32(text.encode("utf-8", "replace"))


def _around(one: Field) -> str:
    """Return the surroundings of a value: its name and its chunk, or its place if it has neither."""
    return f"{one.name}\t{one.chunk}" if one.name or one.chunk != one.kind else one.place


def _header(lines: Sequence[str]) -> str:
    """Return the first of `lines` if it names the columns of nearly all others, which have a cell with a number."""
    first = lines[0] if lines else ""
    below = (any(one[0].strip('"')[:1].isdigit() for one, _ in cells(line[:LONGEST], first)) for line in lines)
    is_header = all(name.strip('"')[:1].isalpha() for name in first.split(",")) and sum(below) > NEARLY * len(lines)
    return first if is_header else ""


def _masked(lines: Sequence[str], header: str | None) -> dict[str, bool]:
    """Return, by surroundings, whether numbers and addresses rarely repeat, or drift; nothing in events and names."""
    found, of_a_kind, is_plain = dict[str, ValuePlace](), dict[str, bool](), True
    for text in () if are_events(lines) else lines:
        for one in split(text, header).fields:
            is_plain &= one.place.startswith(FIRST_PLACE)
            if one.kind in (TIME, ID):
                of_a_kind[one.kind] = True
            if one.kind in (NUMBER, ADDRESS):
                found.setdefault(_around(one), ValuePlace()).add(one.text, one.number)
    return {} if is_plain else of_a_kind | {around: place.changes for around, place in found.items()}
