"""Nothing that other programs use is gone or takes less than in the last release, and no answer became another kind."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.test_docs import ROOT, generated

RELEASED = Path(__file__).with_name("interface.txt").read_text(encoding="utf-8")
GIVEN, ANSWERED = "Commands, and functions of the package", "Fields of JSON on standard output"
OVER_HTTP = "HTTP"


def sections(text: str) -> dict[str, set[str]]:
    """Return the lines below each heading."""
    return {
        head: set(body.strip("`\n").split("\n"))
        for head, _, body in (part.partition("\n") for part in text.split("## ")[1:])
    }


class Named(NamedTuple):
    """What a line says of its name."""

    kinds: frozenset[str]  # the alternatives of its type; a choice is one for each value
    default: str | None  # as it is written; None if it must be given


def split(text: str, by: str) -> list[str]:
    """Return the parts of `text` between those `by` that stand outside brackets and quotes."""
    parts, depth, quoted = [""], 0, False
    for character in text:
        quoted ^= character == "'"
        depth += 0 if quoted else (character in "[(") - (character in "])")
        if character == by and not depth and not quoted:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def kinds(text: str) -> frozenset[str]:
    """Return the alternatives of a type."""
    found = set[str]()
    for one in split(text, "|"):
        several = re.fullmatch(r"(Literal|array)\[(.*)\]", one)
        if several and several[1] == "Literal":
            found |= set(split(several[2], ","))
        elif several:
            found |= {f"array[{each}]" for each in kinds(several[2])}
        else:
            found.add(one)
    return frozenset(found)


def names(lines: set[str]) -> dict[str, Named]:
    """Return what `lines` say of each name. A field of several records has the types of all."""
    found: dict[str, Named] = {}
    for line in sorted(lines):
        name, _, hint = line.partition(": ")
        kind, *default = split(hint, "=")
        before = found[name].kinds if name in found else frozenset()
        found[name] = Named(kinds(kind) | before if hint else frozenset(), default[0] if default else None)
    return found


def takes(new: Named, old: Named) -> bool:
    """Return whether the `new` one takes what the `old` one took, and means the same if it is left out."""
    wider = new.kinds | ({"int", "integer"} if new.kinds & {"float", "number"} else set())
    return old.kinds <= wider and old.default in (None, new.default)


def gives(new: Named, old: Named) -> bool:
    """Return whether the `new` one answers nothing but what the `old` one could."""
    return takes(Named(old.kinds, None), Named(new.kinds, None))


def directions(lines: set[str]) -> tuple[set[str], set[str]]:
    """Return the names of the objects in bodies of requests, and of those in replies, with all that they contain."""
    inside = defaultdict[str, set[str]](set)
    for line in lines:
        if found := re.match(r"(\w+)\.[^:]+: (.*)", line):
            inside[found[1]] |= set(re.findall(r"\b[A-Z]\w+", re.sub("'.*?'", "", found[2])))
    asked, answered = set[str](), set[str]()
    for line in lines:
        if found := re.match(r"(?:GET|POST) \S+ (\w* ?)→ (\w*)", line):
            for reached, start in ((asked, found[1].strip()), (answered, found[2])):
                waiting = {start} - {""}
                while waiting:
                    reached |= waiting
                    waiting = set().union(*(inside[one] for one in waiting)) - reached
    return asked, answered


def broken(heading: str, released: set[str], now: set[str]) -> set[str]:
    """Return the names in `released` on which a program can no longer rely `now`, and new ones that it must give.

    What is given may take more: another choice, another type, None. What is answered may not: a program that reads a
    number would meet a text. What is neither, such as a file that one version writes and another reads, stays the same.
    """
    if heading not in (GIVEN, ANSWERED, OVER_HTTP):
        return released - now
    old, new = names(released), names(now)
    asked, answered = directions(released | now) if heading == OVER_HTTP else (set[str](), set[str]())

    def stays(name: str) -> bool:
        owner = name.partition(".")[0]
        is_given = heading == GIVEN or owner in asked
        is_answered = heading == ANSWERED or owner in answered
        kept = old[name], new[name]
        return (takes if is_given else gives)(*reversed(kept)) and (
            not is_given or not is_answered or kept[0] == kept[1]
        )

    gone = {name for name in old if name not in new or not stays(name)}
    commands = {name.split()[0] for name in old}
    must = {name for name in new if name not in old and new[name].default is None and name.split()[0] in commands}
    return gone | (must if heading == GIVEN else set())


@pytest.mark.parametrize("heading", sections(RELEASED))
def test_programs_can_rely_on_what_the_last_release_had(heading: str) -> None:
    released = sections(RELEASED)[heading]
    assert len(released) > 10
    now = sections(generated().stability())[heading]
    assert broken(heading, released, now) == set(), "keep these for a release, with a warning: docs/files.md"


HTTP = ("POST /v1/score Asked → Reply", "Asked.part: Part", "Reply.rows: array[Row]", "Reply.part: Part")
CHANGES = [  # heading, a line, what became of it, and whether a program still runs
    (GIVEN, "score top: int", "score most: int = 1", False),
    (GIVEN, "score top: int = 5", "score top: float | None = 5", True),
    (GIVEN, "score top: float = 5", "score top: int = 5", False),
    (GIVEN, "score top: int = 5", "score top: int = 6", False),
    (GIVEN, "score top: int", "score top: int = 6\nscore new: int = 1\nadd new: int", True),
    (GIVEN, "train by: Literal['a', 'b'] = 'a'", "train by: Literal['a', 'c', 'b'] | None = 'a'", True),
    (GIVEN, "train by: Literal['a', 'b'] = 'a'", "train by: Literal['a', 'c'] = 'a'", False),
    (GIVEN, "score top: int", "score top: int\nscore new: int", False),
    (ANSWERED, "score bits: float | None", "score bits: float\nscore more: int", True),
    (ANSWERED, "score bits: float", "score bits: float | None", False),
    (ANSWERED, "odd by: Literal['a', 'b']", "odd by: Literal['a', 'b', 'c']", False),
    (ANSWERED, "odd line: int", "odd line: int\nodd line: str", False),
    (OVER_HTTP, "Asked.by: 'a' | 'b' | null", "Asked.by: 'a' | 'b' | 'c' | null", True),
    (OVER_HTTP, "Asked.ids: array[integer]", "Asked.ids: array[string | integer]", True),
    (OVER_HTTP, "Row.ids: array[integer]", "Row.ids: array[string | integer]", False),
    (OVER_HTTP, "Part.by: 'a'", "Part.by: 'a' | 'b'", False),  # which is asked for and answered
    (OVER_HTTP, "Part.by: 'a' | 'b'", "Part.by: 'a'", False),
    (OVER_HTTP, "GET /health → Health", "GET /health → Healthy", False),
    ("Methods of a model", "score text", "score line", False),
]


@pytest.mark.parametrize(("heading", "before", "after", "fits"), CHANGES)
def test_inputs_may_take_more_and_answers_may_not(heading: str, before: str, after: str, fits: bool) -> None:
    more = HTTP if heading == OVER_HTTP else ()
    assert (broken(heading, {*before.split("\n"), *more}, {*after.split("\n"), *more}) == set()) == fits


def test_there_are_no_more_public_names_than_the_budget_allows() -> None:
    promised = sum(map(len, sections(generated().stability()).values()))
    budget = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["afterword"]["interface"]
    assert promised <= budget["names"], "take others away first: each one is tested, documented and kept"
