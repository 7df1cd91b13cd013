"""Poems: written line by line, each the likeliest of several that the model ends by itself.

    what the model writes freely ──► the usual lines ──► candidates ──► those that fit and rhyme ──► the likeliest

A saved model does not know how long the lines of its text were. So it writes freely first, and its lines are measured.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import regex

from afterword.errors import OptionError, WorkError
from afterword.generation.continuation import checked_seed
from afterword.generation.prefill import PromptLike, Reading
from afterword.generation.sampling import RULES, Sampling
from afterword.generation.texts import Sample
from afterword.generation.writer import Writer
from afterword.settings import Settings, setting

MEASURED, FREE = 24, 300  # texts that are written to measure lines, and their length in characters
SHORTEST, LONGEST = 12, 60  # characters of a line of verse; prose has longer ones
CANDIDATES, ROUNDS, ENOUGH = 48, 8, 6  # lines written side by side, how many times at most, and lines to choose from
WORDS, FEWEST = 3, 8  # words of a line of verse, and such lines among the measured ones, at least
SPEAKER = regex.compile(r".*:|\p{Lu}{3}")  # a name before what it says
RECENT = 8  # lines, whose last words another line does not end with
FREQUENT = 0.25  # nats per character that a line is better whose rime is e times as frequent
VOWELS = "aeiouyäöüàâéèêëîïôûùáíóú"
WEAK = "ers?|e[dns]|ings?|ions?|ly"  # syllables without stress, which rhyme with the one before them
RIME = regex.compile(rf"[{VOWELS}]+[^\W{VOWELS}]+(?:{WEAK})$|[{VOWELS}]+[^\W{VOWELS}]+e?$|[{VOWELS}]{{2,}}$")
LAST_WORD = regex.compile(r"\p{L}+(?:['’]\p{L}+)*(?=\P{L}*$)")
Rhyme = Literal["none", "couplets", "alternate"]
LENGTHS = ("max_tokens", "sentences", "finish_sentence", "stop")
EXCLUDED = (*LENGTHS, "reject", *RULES, "log_probabilities")  # in the order in which they are complained of


@dataclass(frozen=True, kw_only=True)
class Verse(Settings):
    """The form of a poem."""

    poem: bool = setting(
        False, "write a poem: lines as long, and begun as, those that the model writes", excludes=EXCLUDED
    )
    stanzas: int = setting(3, "the number of stanzas of the poem", minimum=1, maximum=100, needs="poem")
    stanza_lines: int = setting(4, "the number of lines of each stanza", minimum=1, maximum=100, needs="poem")
    rhyme: Rhyme = setting(
        "none", "the lines that rhyme, by their last letters: two in a row, or every other one", needs="poem"
    )


class _Lines:
    """Lengths, capitals and rimes of the lines of a model's verse, measured in `texts` that it wrote."""

    def __init__(self, texts: Sequence[str]) -> None:
        each = [text.split("\n")[:-1] for text in texts]  # without the last line, which was cut off
        verse = sorted(each, key=lambda lines: -sum(map(_is_verse, lines)) / max(4, len(lines)))
        self.context = verse[0]
        """The lines of the text that is most like verse."""
        self.is_verse = sum(_is_verse(line) for some in verse for line in some) >= FEWEST
        lines = [line for some in verse[: len(verse) // 4] for line in some if SHORTEST <= len(line) <= LONGEST]
        lengths = [len(line) for line in lines] or [SHORTEST, LONGEST]
        self.shortest, self.longest = np.quantile(lengths, (0.1, 0.9)).astype(int).tolist()
        self.capitals = 2 * sum(line.lstrip()[:1].isupper() for line in lines) >= len(lines)
        self.rimes = Counter(map(_rime, lines))

    def has(self, line: str) -> bool:
        """Return whether `line` is like them."""
        bare = line.lstrip()
        fits = self.shortest <= len(line) <= self.longest and bare[:1].isalpha() and _last_word(line) != ""
        return fits and (bare[:1].isupper() or not self.capitals) and not SPEAKER.match(bare)


def _is_verse(line: str) -> bool:
    """Return whether `line` looks like one of verse, which often ends within a sentence, unlike a speech or an item."""
    bare = line.strip()
    usual = SHORTEST <= len(line) <= LONGEST and bare.count(" ") >= WORDS - 1 and bare[:1].isupper()
    return usual and (bare[-1].isalpha() or bare[-1] in ",;") and not SPEAKER.match(bare)


def write_poem(
    writing: Callable[[Sampling], Writer],
    sampling: Sampling,
    verse: Verse,
    prompt: PromptLike,
    seed: int,
    on_try: Callable[[], object] = lambda: None,
) -> Sample:
    """Write a poem that begins with `prompt`; without one, after lines of verse that the model wrote.

    `writing` returns a writer with other lengths and stop strings. `on_try` is called before some candidates are
    written, several times for each line.

    Raises OptionError for a model of lines or a classic one, WorkError if it writes no verse.
    """
    model = writing(sampling).model
    if model.writing.opening != "newline":
        raise OptionError("`poem` is for models of running text: this one writes single lines, or from a window")
    random = np.random.Generator(np.random.PCG64(checked_seed(seed)))
    seeds = iter(lambda: int(random.integers(2**63)), None)  # poems of consecutive seeds have nothing in common
    free = writing(replace(sampling, max_tokens=model.writing.tokens(FREE)))
    usual = _Lines([sample.text for sample in free.samples([prompt], MEASURED, next(seeds))])
    if prompt is None and not usual.is_verse:
        raise WorkError("this model hardly writes verse by itself: give the first lines as `prompt`")
    writer = writing(replace(sampling, max_tokens=usual.longest + 1, stop=("\n",)))
    context = "".join(line + "\n" for line in usual.context) if prompt is None else prompt
    reading, text, tokens, nats, written = writer.read(context), "", 0, 0.0, list[str]()
    shown = "" if prompt is None else reading.prompt
    reading = replace(reading, prompt=shown)
    for number in range(verse.stanzas * verse.stanza_lines):
        place, before = number % verse.stanza_lines, reading.prompt.rpartition("\n")[2]
        partner = _partner(written, place, verse.rhyme)
        best = _best_line(writer, reading, before, seeds, usual, partner, written, verse.rhyme != "none", on_try)
        written.append(before + best.text)
        line = best.text + ("\n" if place + 1 < verse.stanza_lines else "\n\n")
        ids = model.tokenizer.encode(line)
        text, tokens, nats = text + line, tokens + len(ids), nats + best.log_probability
        reading = Reading(shown + text, *writer.network.advance(ids[None], reading.state), writer.network)
    return Sample(shown, text.rstrip("\n"), tokens, nats, "stop", seed)


def _best_line(
    writer: Writer,
    reading: Reading,
    before: str,
    seeds: Iterator[int],
    usual: _Lines,
    partner: str,
    written: Sequence[str],
    seeks_rime: bool,
    on_try: Callable[[], object],
) -> Sample:
    """Return the likeliest line, per character, that is usual and rhymes with its `partner`, if it has one.

    If none rhymes, it is one that does not. A line that another one will rhyme with gets a frequent rime. Raises
    WorkError if no line is usual.
    """
    fitting, rhyming, used = list[Sample](), list[Sample](), {_last_word(line) for line in written[-RECENT:]}
    for _ in range(ROUNDS):
        on_try()
        for one in writer.samples([reading], CANDIDATES, next(seeds)):
            line = before + one.text
            if one.finish_reason == "stop" and one.text and usual.has(line) and _last_word(line) not in used:
                usual.rimes[_rime(line)] += 1
                fitting.append(one)
                rhyming += [one] * (not partner or rhymes(line, partner))
        if len(rhyming) >= (1 if partner else ENOUGH):
            break
    if not fitting:
        lengths = f"{usual.shortest} to {usual.longest} characters"
        raise WorkError(
            f"no line of {lengths} was written after {written[-1:] or [before]}: try another prompt or seed"
        )

    def worth(one: Sample) -> float:
        rime = _rime(before + one.text)
        frequent = (math.log(usual.rimes[rime]) if rime else -1.0) if seeks_rime and not partner else 0.0
        return one.log_probability / len(one.text) + FREQUENT * frequent

    return max(rhyming or fitting, key=worth)


def _partner(written: Sequence[str], place: int, rhyme: Rhyme) -> str:
    """Return the line with which the line at that `place` of its stanza rhymes; "" if it rhymes with no line."""
    distance = {"none": 0, "couplets": 1, "alternate": 2}[rhyme]
    return written[-distance] if distance and place % (2 * distance) >= distance else ""


def unrhymed(poem: Sample, verse: Verse) -> list[int]:
    """Return the numbers, from 1, of the lines of a poem that should rhyme with an earlier line but do not."""
    lines = [line for line in (poem.prompt.rpartition("\n")[2] + poem.text).split("\n") if line]
    partners = (_partner(lines[:k], k % verse.stanza_lines, verse.rhyme) for k in range(len(lines)))
    return [k for k, partner in enumerate(partners, 1) if partner and not rhymes(lines[k - 1], partner)]


def _last_word(line: str) -> str:
    found = LAST_WORD.search(line.lower())
    return found[0] if found else ""


def _rime(line: str) -> str:
    """Return the end of the last word from its last vowels on, with a silent e; "" if that is one letter."""
    found = RIME.search(_last_word(line))
    return found[0] if found else ""


def rhymes(line: str, other: str) -> bool:
    """Return whether the last words of two lines differ and end alike, as they are spelled."""
    return _last_word(line) != _last_word(other) and _rime(line) == _rime(other) != ""
