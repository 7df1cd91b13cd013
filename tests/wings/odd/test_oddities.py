"""Each detector on its own: fields, what is usual, rates, and how verdicts become findings."""

from __future__ import annotations

import functools
import gzip
import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import afterword
from afterword.records import read_json
from afterword.text.lines import Masks
from afterword.wings.odd.detectors import Oddity, Placed, Told, Verdict, judge, new_kind, new_values, odd_text
from afterword.wings.odd.fields import are_events, form_in_words, split
from afterword.wings.odd.findings import Findings
from afterword.wings.odd.good_lines import GoodLines, Harmless
from afterword.wings.odd.normal import OddLine
from afterword.wings.odd.odd import OddFinding
from afterword.wings.odd.rates import Counted
from tests import logs
from tests.wings.odd.records import LOGS, with_faults
from tests.wings.odd.test_detectors import written

USUAL = OddLine()
RATE = 0.01


def server(count: int, seed: int = 0) -> list[str]:
    draw = random.Random(seed)
    return [
        f"2026-03-02 10:{k // 60 % 60:02}:{k % 60:02} sshd[{draw.randrange(1000, 30000)}]: "
        f"{draw.choice(('accepted', 'closed'))} user{draw.randrange(400)} from 10.0.0.{draw.randrange(1, 250)} "
        f"port {draw.randrange(32768, 61000)} status {draw.choice((0, 1))} order {k}"
        for k in range(count)
    ]


@functools.cache
def good_lines(count: int) -> GoodLines:
    return GoodLines.of(server(count))


def costly(word: str, figure: float) -> OddLine:
    """Return the cost of a text in which this `word` is odd."""
    return OddLine(text=word, figure=figure, p_value=1e-4, odd_pieces=[(0, len(word))])


def verdict(usual: GoodLines, line: str, cost: OddLine = USUAL) -> Verdict:
    return judge(usual, line, cost, RATE, Told())[0]


def test_a_kind_of_line_is_what_is_left_without_words_and_values() -> None:
    for line, kind in (
        ("[Sun Dec 04 04:47:44 2005] [notice] child 12 ok", "[<time>] [*] * # *"),
        ('1.2.3.4 - - [02/Mar/2026:00:00:01 +0000] "GET /a b" 200', "<address> - - [<time>] * #"),
        ("1117838570 2005.06.03 R02-M1 2005-06-03-15.42.50.675872", "<time> <time> * <time>"),
        ("2026-03-02T08:00:00.229Z 0x1f c6dde2a6d030b568 deadbeef", "<time> <id> <id> *"),
        ("1.2.3.455 25:61:00", "#.#.#.# #:#:#"),
        ("081109 203518 20260302T081530 143 INFO", "<time> <time> # *"),
        ("-8 3.5 x=1, \ue000", "# # *=#, ?"),
    ):
        assert form_in_words(split(line).kind) == kind


@given(st.text(max_size=80))
def test_any_text_is_split_and_its_values_are_in_it(text: str) -> None:
    for one in split(text).fields:
        if one.kind != "\ue004":
            assert text[one.start : one.start + len(one.text)] == one.text
            assert one.number is None or one.number == one.number
    usual = GoodLines.of([text] * 9)
    assert new_values(usual, text, USUAL) == []


def test_what_always_changes_is_masked_and_named() -> None:
    usual = good_lines(600)
    assert usual.masked_names[0] == "time"
    assert {"pid", "port", "order"} <= {*usual.masked_names}
    assert "status" not in usual.masked_names
    hidden = usual.hide(server(1)[0])
    assert hidden.startswith("<*> sshd[<*>]: ")
    assert "order <*>" in hidden
    assert GoodLines.of(server(600), {}).hide(server(1)[0]) == server(1)[0]
    assert NODES.hide("node R99-M4-NA is up") == "node <*> is up"


@pytest.mark.parametrize(
    ("old", "new", "detector", "why"),
    [
        ("status 0", "status 7", "value", "status 7: seen "),
        ("status 0", "status 999", "value", "status 999: seen "),
        ("closed", "clsoed", "value", "clsoed: seen "),
        ("order 5", "order -5", "value", "order -5: seen 0 to 1,799"),
        ("order 5", "order 9999999", "value", "order 9999999: seen 0 to 1,799"),
        ("order 5", "order 100000", None, ""),  # a counter goes on, night after night
        ("order 5", "order 0", None, ""),
        (r"port \d+", "port 61000", None, ""),
        (r"port \d+", "port 61150", None, ""),  # hardly outside of a wide range
        (r"port \d+", "port 70000", "value", "port 70000: seen "),
        (r"port \d+", "port -5", "value", "port -5: seen "),
        ("10.0.0", "203.0.113", "value", "from 203.0.113."),
        ("status", "status status", "template", "new kind of line"),
        (" from", "", "template", "new kind of line"),
    ],
)
def test_a_changed_value_or_order_is_found_but_no_number_near_a_wide_range(
    old: str, new: str, detector: str | None, why: str
) -> None:
    line = server(6)[5].replace("accepted", "closed").replace("status 1", "status 0")
    found = verdict(good_lines(1800), re.sub(old, new, line))
    assert (found.p_value <= RATE) == (detector is not None)
    assert detector in (None, found.detector)
    assert found.why.startswith(why)


def test_a_value_that_is_new_in_so_many_bits_comes_as_seldom() -> None:
    late_bits = sorted(float(k) for k in range(1, 11) for _ in range(2 ** (10 - k) - 2 ** (9 - k) if k < 10 else 1))
    usual = GoodLines(late=1024, late_bits=late_bits)  # of 1,024 lines, 2^(10 - b) have b bits or more
    for bits in range(1, 30):
        assert 0.4 * 2**-bits <= usual.p_value(bits) <= 2.1 * 2**-bits
    assert GoodLines.of(["a b", "a c"] * 300).late_bits == []  # nothing is new


def test_new_values_are_not_odd_where_they_are_common() -> None:
    usual = good_lines(600)
    flagged = sum(verdict(usual, line).p_value <= RATE for line in server(1200, 2)[600:])
    assert flagged <= 12  # the user names, pids and counters of later lines
    brand_new = server(1)[0].replace("user", "client")
    assert verdict(usual, brand_new).detector == "value"  # of a place that has users only


def test_a_log_that_brings_new_kinds_all_the_time_is_not_flagged_for_them() -> None:
    def line(k: int) -> str:
        return "step " + " ".join("abcdefgh"[: k % 7]) + " done" * (k // 5)

    calm, restless = GoodLines.of(["a b", "c d"] * 300), GoodLines.of([line(k) for k in range(600)])
    assert verdict(calm, "a new kind of line").p_value <= RATE
    assert verdict(restless, line(700)).p_value > RATE
    assert verdict(restless, line(700), OddLine(figure=30.0, p_value=0.001)).p_value <= RATE  # unless its text is odd


ODD_TEXT = costly("zzz", 30.0)


def test_accepted_lines_are_silent_and_so_is_what_is_new_in_them() -> None:
    usual, line = good_lines(600), server(1)[0]
    accepted = [line.replace("status", "state"), line + " again", line.replace("order 0", "order 3000")]
    usual = replace(usual, accepted=accepted)  # as versions up to 0.3 wrote them
    for harmless in (line.replace("status", "state").replace("order 0", "order 9"), line + " too"):
        assert verdict(usual, harmless, ODD_TEXT).p_value == 1.0
    assert verdict(usual, line.replace("order 0", "order 2900")).p_value > RATE
    assert verdict(usual, line.replace("order 0", "order 90000")).p_value <= RATE
    assert verdict(usual, line.replace("order 0", "order -3000")).p_value <= RATE
    assert verdict(usual, line.replace("status", "mode")).p_value <= RATE
    assert verdict(usual, line.replace("status", "state").replace("user", "client"), ODD_TEXT).p_value <= RATE


USER = "login user=ann from 10.0.0.3 by key over lan"
GOOD = [USER.replace("ann", ("ann", "carl", "dora")[k % 3]).replace("0.3", f"0.{k % 5}") for k in range(600)]
GOOD = [line if k % 2 else line.replace("key over lan", "token over wan") for k, line in enumerate(GOOD)]
CHANGES: dict[str, Callable[[str], str]] = {
    "template": lambda line: f"{line} (again)",
    "value": lambda line: line.replace("user=ann", "user=bob"),
    "another value": lambda line: line.replace("10.0.0.3", "10.0.0.9"),
    "text": lambda line: line.replace("lan", "wan"),
    "rate": lambda line: line,
}


def night(changes: set[str]) -> list[tuple[str, OddLine]]:
    """The lines of a night, with their costs: in one of them, all of this is odd."""
    line = USER
    for change in changes:
        line = CHANGES[change](line)
    figure = 30.0 + 30 * ("template" in changes and "text" in changes)
    cost = costly("zzz", figure) if changes & {"text", "template"} else USUAL
    return [*((one, USUAL) for one in GOOD[:90]), *[(line, cost)] * (60 if "rate" in changes else 1)]


def findings_of(usual: GoodLines, lines: list[tuple[str, OddLine]], masked: str | None = None) -> Findings:
    findings = Findings(usual, RATE, 25)
    for number, (line, cost) in enumerate(lines, 1):
        read = masked or line
        findings.add(Placed("new", number, line), read, judge(usual, read, cost, RATE, findings.told))
    return findings


def detectors(usual: GoodLines, lines: list[tuple[str, OddLine]]) -> set[tuple[str, str]]:
    """What is listed in the last of `lines`."""
    findings = findings_of(usual, lines)
    return {(one.detector, one.why) for one in findings.listed()[0] if lines[-1][0] in {at.text for at in one.lines}}


@pytest.mark.parametrize("accepted", [*CHANGES, "bare"])
@pytest.mark.parametrize("other", [*CHANGES])
def test_what_was_accepted_is_silent_and_all_else_in_its_line_is_not(accepted: str, other: str) -> None:
    usual = GoodLines.of(GOOD)
    changes = {"value", "text"} if accepted == "bare" else {accepted}
    lines, [(line, cost)] = night(changes), night(changes)[-1:]
    before, text, values = detectors(usual, lines), odd_text(usual, line, cost)[0], new_values(usual, line, cost)
    assert before
    harmless = {
        "template": [Harmless("template", "", cost.figure)],
        "text": [Harmless("text", text.key)],
        "rate": [Harmless("rate")],
        "bare": usual.odd_in(line, cost.figure, text.key),
    }.get(accepted, [Harmless("value", one.place) for one in values])
    usual = replace(usual, accepted=[line], accepted_as={line: harmless})
    assert detectors(usual, lines) == set()
    both = detectors(usual, night(changes | {other}))
    is_new = other not in changes and not ("template" in changes and "value" in other)  # a new kind has no usual values
    burst = {"rate"} if accepted == "rate" else set()  # that of another line
    assert {detector for detector, _ in both} == ({other.split()[-1], *burst} if is_new else set())
    assert not both & before
    again = read_json(GoodLines, msgspec.json.encode(usual))
    assert detectors(again, lines) == set()


def test_a_text_is_judged_without_the_accepted_values_in_it() -> None:
    good = [f"{'web' if k % 3 else 'db'}-{k % 2} sends {k % 9} to ann{k % 4}, 0x{k:x}: {k}" for k in range(900)]
    usual, line = GoodLines.of(good), "mail-7 sends 99 to bob12345, 0x9: 7"
    usual = replace(usual, accepted=[line], accepted_as={line: usual.odd_in(line, 0.0)})
    spans = usual.origins(Masks(), line)
    assert usual.hide(line) == usual.hide("web-1 sends 0 to ann0, 0x5: 3")
    assert len(spans) == len(usual.hide(line))
    assert {line[start:stop] for start, stop in spans[:5]} == {"mail-7"}
    assert usual.hide(other := good[5].replace(", ", " or ")) == GoodLines.of(good).hide(other)


def test_what_is_usual_is_the_same_after_it_was_written() -> None:
    usual = good_lines(600)
    again = read_json(GoodLines, content := msgspec.json.encode(usual))
    for line in [*server(40, 3), "a new kind", *(line.replace("status", "state") for line in server(5, 4))]:
        assert verdict(again, line) == verdict(usual, line)
    with pytest.raises(ValueError, match="rates"):
        read_json(GoodLines, content.replace(b'"most":', b'"most":1.'))


def found_in(usual: GoodLines, lines: list[str]) -> list[Oddity]:
    return findings_of(usual, [(line, USUAL) for line in lines]).listed()[0]


def test_a_burst_is_one_finding_with_its_lines() -> None:
    lines = server(900)
    usual, new = GoodLines.of(lines[:600]), lines[600:]
    [burst] = [one for one in found_in(usual, new[:100] + [new[100]] * 60 + new[100:]) if one.detector == "rate"]
    assert burst.count == len(burst.lines) == 61
    assert {line.text for line in burst.lines} == {new[100]}
    again = GoodLines.of([*lines[:300], *[new[100]] * 60, *lines[300:600]])
    assert not [one for one in found_in(again, [new[100]] * 60) if one.detector == "rate"]  # as often as before


def test_where_most_lines_are_equal_but_for_their_time_the_time_counts_in_a_burst() -> None:
    usual = GoodLines.of([f"{line[:19]} parity error" for line in server(600)])
    new = [f"{line[:19]} parity error" for line in server(900)[600:]]
    assert found_in(usual, new) == []
    [burst] = found_in(usual, new[:100] + [new[100]] * 60 + new[101:])
    assert burst.why == "burst: 60 equal lines; at most 1 within 60 good ones"


def test_what_is_counted_is_masked_as_the_good_lines_were() -> None:
    usual = GoodLines.of(["user <*> came", "user <*> left", "all is quiet"] * 200)
    [burst] = findings_of(usual, [(f"user {k:x} came", USUAL) for k in range(60)], "user <*> came").listed()[0]
    assert burst.why == "burst: 60 equal lines; at most 20 within 60 good ones"


def many(line: Callable[[int], str]) -> GoodLines:
    """Return what is usual in 900 lines, each made of its number."""
    return GoodLines.of([*map(line, range(900))])


NODES = many(lambda k: f"node R{k % 7}-M{k % 3} is {'up' if k % 2 else 'down'}")


def test_a_value_is_odd_for_what_was_seen_at_its_place() -> None:
    processes = many(lambda k: f"cron[{2000 + k}]: session {'opened' if k % 2 else 'closed'}")
    words = many(lambda k: f"eth{k % 2} took {k % 7} from user{k % 40}")
    even = many(lambda k: f"temp {k % 40 * 2} C")
    ids = many(lambda k: f"block blk_{10**17 + k * k * 10**12} size {k}")
    long_addresses = many(lambda k: f"from 2001:db8:0:0:0:0:0:{k:x} came")
    bracketed = many(lambda k: f"connect from mx[10.0.0.{k % 3}]")
    cases: list[tuple[GoodLines, str, str | None]] = [
        (processes, "cron[29000]: session opened", None),  # of the next day
        (processes, "cron[3000000]: session opened", None),
        (processes, "cron[99000000]: session opened", "pid 99000000: seen 2,000 to 2,899"),
        (processes, "cron[-1]: session opened", "pid -1: seen 2,000 to 2,899"),
        (words, "eth1 took 3 from user70000", "user70000: seen 0 to 39"),  # with the text of the line
        (words, "wlan1 took 3 from user7", "wlan1: seen eth#"),
        (even, "temp 31 C", "temp 31: seen 40 others from 0 to 78"),
        (NODES, "node R99-M4-NA is up", None),  # a word with several numbers is an id
        (NODES, "node front is up", "front: seen <id>"),
        (ids, f"block blk_{9 * 10**18} size 5", None),  # ids of many digits have no range
        (ids, f"block blk_{10**17} size {10**18}", f"size {10**18}: seen 0 to 899"),
        (long_addresses, "from 10.0.0.1 came", None),
        (bracketed, "connect from mx[10.0.0.9]", "address 10.0.0.9: seen "),  # and not a process
    ]
    for usual, line, why in cases:
        found = verdict(usual, line)
        assert (found.p_value <= RATE) == (why is not None), line
        assert why is None or found.why.startswith(why)


def record(amount: object = 5, name: str = "ann", ok: str = "ok", tag: str = "web") -> str:
    who = f'"user": {{"id": 7, "name": "{name}", "tags": ["new, {{", "{tag}"]}}'
    return f'{{"at": "10:00", {who}, "amount": {amount}, "{ok}": true}}'


@pytest.mark.parametrize(
    ("odd", "why"),
    [
        (record(amount=70_000), "amount 70000: seen 0 to 39"),
        (record(name="zed"), 'user.name "zed": seen "ann", "bob", "eve"'),
        (record(tag="bot"), 'user.tags "bot": seen "new, {", "web"'),
        (record(ok="okay"), "new kind of line: with okay *, without ok *"),
        (record(amount='"much"'), "new kind of line: with amount *, without amount #"),
        (record(amount="null"), "new kind of line: without amount #"),
    ],
)
def test_what_is_odd_in_a_record_of_json_is_named_by_its_keys(odd: str, why: str) -> None:
    usual = GoodLines.of([record(k % 40, ("ann", "bob", "eve")[k % 3]) for k in range(300)])
    assert [one.why for one in (*new_kind(usual, odd, USUAL), *new_values(usual, odd, USUAL))] == [why]
    assert not verdict(usual, json.dumps(dict(reversed(json.loads(record()).items())))).why.startswith("new kind")
    whole = GoodLines.of([record()] * 300, header=None)  # as models of earlier versions read records
    assert whole.header is None
    assert "record" not in whole.places


def test_cells_of_csv_are_named_by_their_columns_and_a_time_ends_at_its_cell() -> None:
    good = [
        f'2026-06-01 10:{k // 60 % 60:02}:{k % 60:02},{k % 900},"Bo, Ann",{("", "gift")[k % 2]}' for k in range(600)
    ]
    usual = GoodLines.of(["at,amount,name,note", *good])
    line = good[5]
    assert usual.header == "at,amount,name,note"
    for odd, why in (
        (line.replace(",5,", ",70000,"), "amount 70000: seen 0 to 599"),
        (line.replace("gift", "book"), "note book: seen gift"),
        (line.replace(",5,", ",five,"), "new kind of line: with amount *, without amount #"),
        (line.replace(",5,", ",,"), "new kind of line: without amount #"),
    ):
        assert [one.why for one in (*new_kind(usual, odd, USUAL), *new_values(usual, odd, USUAL))] == [why]
    assert verdict(usual, usual.header or "", ODD_TEXT).p_value == 1.0
    assert new_kind(usual, line + ",more", USUAL)
    assert GoodLines.of(good).header == GoodLines.of(["10,20", *good]).header == ""


@pytest.mark.parametrize("name", LOGS)
def test_faults_in_single_fields_of_records_are_listed_and_few_other_lines(name: str, tmp_path: Path) -> None:
    good, new, faults = with_faults(name, seed=7)
    files = [written(tmp_path / title, lines) for title, lines in (("good", good), ("new", new))]
    found = [one for one in afterword.odd(*files) if isinstance(one, OddFinding) and one.odd]
    listed = {line.line - 1 for one in found for line in one.lines}
    assert len(faults.keys() & listed) >= len(faults) - 1
    assert len(listed - faults.keys()) < len(new) / 50


def test_texts_of_a_kind_with_the_same_odd_word_are_one_finding_and_a_new_kind_names_its_words() -> None:
    usual = GoodLines.of([f"GET /{'abc'[k % 3]} {'xyz'[k % 3]} {k}" for k in range(600)])
    lines = [(f"GET /a z {k}", costly("/a,", 30.0 + k)) for k in (1, 2, 3)]
    lines += [("PUT it away and far", costly("away" * 99, 34.0))]
    found = {(one.why, one.count) for one in findings_of(usual, lines).listed()[0]}
    assert found == {("odd text: “/a”", 3), (f"new kind of line: “{'away' * 50}”", 1)}


def test_a_finding_has_its_oddest_line_first_and_the_others_in_order() -> None:
    lines = [("x", OddLine(figure=figure, p_value=1e-4)) for figure in (30, 33, 29, 31, 30)]
    [one] = findings_of(GoodLines(), lines).listed()[0]
    assert [line.line for line in one.lines] == [2, 1, 3]  # the fourth is usual by then, but counts
    assert (one.figure, one.count) == (33, 5)


def test_listing_twice_and_in_between_gives_the_same_findings() -> None:
    def listed(findings: Findings) -> list[tuple[str, float, list[int], object]]:
        return [
            (one.why, one.p_value, [at.line for at in one.lines], one.odd_pieces)
            for each in findings.listed(open_episodes=True)
            for one in each
        ]

    usual = GoodLines.of(GOOD)
    once, often = Findings(usual, RATE, 25), Findings(usual, RATE, 25)
    users = [USER.replace("ann", name) for name in ("bob", "eve", "mal", "bob")]
    for number, line in enumerate([*users, *(" ".join("x" * (n + 3)) for n in range(8))], 1):
        verdicts = judge(usual, line, USUAL, RATE, Told())
        once.add(Placed("new", number, line), line, verdicts)
        often.add(Placed("new", number, line), line, verdicts)
        often.listed()
    assert listed(often) == listed(often) == listed(once)
    assert {kind for kind, *_ in listed(once)} > {"bob: seen ann, carl, dora", "mal: seen ann, carl, dora"}


def test_a_finding_shows_what_is_odd_in_its_own_verdict_and_the_values_that_it_takes_in() -> None:
    lines = [USER.replace("lan", "lna")] * 3 + [USER.replace("lan", "lna").replace("ann", "bob")]
    lines += [USER.replace("ann", "eve").replace("10.0.0.3", "66.6.6.6")]
    shown = {
        one.why.split(":")[0]: {one.lines[0].text[start:stop] for start, stop in one.odd_pieces}
        for one in found_in(GoodLines.of(GOOD), lines)
    }
    assert shown == {"lna": {"lna"}, "bob": {"bob"}, "from 66.6.6.6": {"eve", "66.6.6.6"}}


def test_a_value_that_is_new_in_all_lines_hides_no_other_one() -> None:
    lines = [f"day 17 user {'abc'[k % 3]} did {'xyz'[k % 3]}" for k in range(900)]
    new = [line.replace("17", "18") for line in lines[:100]]
    new[50] = new[50].replace("user", "usre")
    user, day = found_in(GoodLines.of(lines), new)
    assert (day.count, user.count) == (100, 1)
    assert (day.why, user.why) == ("day 18: seen 17", "usre: seen user")


def heart(count: int, every: int, begin: int = 0, end: int = 10**9) -> list[str]:
    """Lines of work, with a beat in every few of them from one line to another."""
    work, beats = (f"work done: {'abcdefg'[k * k % 7]} of parts" for k in range(count)), range(begin, end)
    return ["heart beats" if k % every == 0 and k in beats else line for k, line in enumerate(work)]


@pytest.mark.parametrize(("every", "count", "late"), [(3, 900, 0), (23, 1100, 300), (39, 1301, 0)])
def test_each_long_silence_is_found_wherever_it_is_and_no_other(every: int, count: int, late: int) -> None:
    usual, least, first = GoodLines.of(heart(2000, every, late)), max(60, 3 * every), -(-late // every) * every
    after = max(least, 3 * first)  # a shorter wait for the first beat is usual

    def said(lines: list[str]) -> list[tuple[str, int]]:
        return [(one.why, one.lines[0].line) for one in found_in(usual, lines) if one.why.startswith("silence")]

    came = f"silence: * * came every {2000 // len(range(first, 2000, every))} lines, "
    assert said(heart(count, every)) == said(heart(count, every, late)) == []
    assert said(heart(after - 1, every, 10**9)) == []  # the log is too short to tell
    assert said(heart(after, every, 10**9)) == [(f"{came}not once in {after:,}", 1)]
    begin = -(-after // every) * every
    assert said(heart(count + begin, every, begin)) == [(f"{came}not in the first {begin:,}", 1)]
    assert said(heart(count + begin, every, begin - every)) == []
    end = count - least - every // 2
    stopped = said(heart(count, every, 0, end))
    last = (end - 1) // every * every
    assert stopped == [(f"{came}then not for {count - last:,}", last + 1)]
    assert said(heart(last + least - 1, every, 0, end)) == []  # the log ends


def test_a_kind_that_does_not_come_all_the_time_may_be_absent_and_what_is_masked_as_a_whole_may_have_any_text() -> None:
    for good in (heart(1500, 200), [*heart(500, 10), *heart(1500, 9, 10**9)]):
        assert found_in(GoodLines.of(good), heart(700, 10, 10**9)) == []
    usual = GoodLines.of([*map(Masks(["heart beats"]), heart(1500, 10))])
    assert found_in(usual, [line.replace("heart beats", "<*>") for line in heart(700, 10)]) == []


def test_models_that_do_not_know_when_a_kind_began_find_its_absence() -> None:
    usual = GoodLines.of(heart(1500, 10))
    usual.rates.begins = {}
    [silence] = found_in(usual, heart(700, 10, 10**9))
    assert silence.why == "silence: * * came every 10 lines, not once in 700"


def test_new_kinds_that_come_together_are_one_episode_and_open_on_request() -> None:
    usual, calm = GoodLines.of(["a b", "c d"] * 300), ["a b", "c d"] * 30
    boot = [" ".join("x" * (n + 3)) for n in range(8)]
    lines = [*calm, *boot, *calm, "one line, elsewhere"]
    listed, _ = findings_of(usual, [(line, USUAL) for line in lines]).listed(open_episodes=True)
    [episode] = [one for one in listed if one.detector == "episode"]
    assert episode.count == 8
    assert [line.text for line in episode.lines] == boot
    assert [*map(id, episode.parts)] == [*map(id, listed[listed.index(episode) + 1 :][:8])]
    assert [one.lines[0].text for one in listed if one not in [episode, *episode.parts]] == ["one line, elsewhere"]


def test_new_kinds_that_come_together_once_and_elsewhere_too_are_no_episode() -> None:
    usual, calm = GoodLines.of(["a b", "c d"] * 300), ["a b", "c d"] * 5
    kinds = [" ".join("x" * (n + 3)) for n in range(6)]
    new = [*calm, *kinds, *(line for kind in kinds for line in [*calm, kind])]
    assert [(one.detector, one.count) for one in found_in(usual, new)] == [("template", 2)] * 6


def test_an_episode_has_the_time_and_the_machine_of_its_lines() -> None:
    def line(k: int, host: str, text: str) -> str:
        return f"Mar  2 10:{k // 60:02}:{k % 60:02} {host} {text}"

    lines = [line(k, f"cn{k % 9}", f"ntpd: synchronised to {'abc'[k % 3]}") for k in range(900)]
    boot = [line(900 + k, "cn77", "kernel: " + " ".join("x" * (k + 4))) for k in range(8)]
    [episode] = [one for one in found_in(GoodLines.of(lines), [*lines[:99], *boot]) if one.detector == "episode"]
    when = "Mar  2 10:15:00 to Mar  2 10:15:07"
    assert episode.why == f"episode: 8 odd lines of 8 kinds within 8 lines, {when}, from cn77, kernel"


def test_far_more_than_the_rate_is_said() -> None:
    lines = [("x" * (k + 1), OddLine(figure=30, p_value=1e-4 if k % 2 else 0.5)) for k in range(100)]
    findings = findings_of(GoodLines(), lines)
    listed = findings.listed()[0]
    assert findings.share(listed) == 0.5
    assert findings.has_many(listed)
    assert not findings.has_many(listed[:20])


def test_what_comes_again_is_usual_and_hides_nothing_else_in_its_lines() -> None:
    usual, new = GoodLines.of(GOOD), [USER.replace("ann", "bob")] * 20
    other = new[0].replace("10.0.0.3", "66.6.6.6")
    found = found_in(usual, [*new, other])
    assert {(one.count, len(one.lines)) for one in found if one.why.startswith("bob")} == {(21, 3)}
    assert other in {line.text for one in found for line in one.lines}


def test_what_was_usual_stays_usual_when_newer_lines_are_learned() -> None:
    first, later = ([f"{word} went by" for word in words * 60] for words in (("ann", "bob"), ("carl", "dora")))
    both = GoodLines.of(later).knowing(GoodLines.of(first))
    assert all(not [*both.surprises(split(line))] for line in (*first, *later))
    assert [*GoodLines.of(later).surprises(split(first[0]))]


PLAY = Path(afterword.__file__).parent / "operations" / "demo-julius-caesar.txt.gz"


def drawn(symbols: Sequence[str], lines: int, longest: int) -> list[str]:
    draw = random.Random(1)
    return [" ".join(draw.choices(symbols, k=draw.randrange(3, longest))) for _ in range(lines)]


def test_few_symbols_at_any_place_are_events() -> None:
    assert are_events(drawn(["home", "search", "product", "cart", "pay"], 60, 30))
    assert are_events(drawn([f"{k}" for k in range(150)], 800, 100))
    for lines in (
        drawn([f"{k}" for k in range(5000)], 2200, 100),  # so many symbols are words
        list(logs.lines(2000, 0)),
        [f"GET /{'abc'[k % 3]} 200 user{k % 7}" for k in range(600)],
        [line for line in gzip.decompress(PLAY.read_bytes()).decode().split("\n") if line.strip()],
        drawn(["anna", "bert"], 500, 4),
        *(["abba"] * 500, [" "], []),
    ):
        assert not are_events(lines)


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=40))
def test_the_longest_gap_of_a_kind_is_the_most_lines_from_one_to_the_next_or_to_the_end(kinds: list[str]) -> None:
    counted = Counted[int]()
    for number, kind in enumerate(kinds):
        counted.add(number, number, kind)
    for kind, gaps in counted.ended().items():
        places = [number for number, each in enumerate(kinds) if each == kind]
        after = [*places[1:], len(kinds)]
        assert gaps.longest == max(later - earlier for earlier, later in zip(places, after, strict=True))
        assert (gaps.first, gaps.times, gaps.last) == (places[0], len(places), places[-1])


def test_only_a_text_of_the_late_good_lines_is_a_known_one() -> None:
    usual = GoodLines.of([f"user {'ab'[k % 2]} went {'in' if k < 60 else 'out'}" for k in range(90)])
    p_values = [verdict(usual, f"user a went {one}", OddLine(p_value=1e-4)).p_value for one in ("out", "in")]
    assert p_values[0] == 1 > 0.01 > p_values[1]


@pytest.mark.parametrize("is_timed", [False, True])
def test_a_record_is_one_finding_which_is_silent_once_accepted(is_timed: bool, tmp_path: Path) -> None:
    def stamped(lines: Sequence[str]) -> list[str]:
        return [f"2026-03-02 10:00:{k % 60:02} {line}" if is_timed else line for k, line in enumerate(lines)]

    usual = stamped([f"order {k % 40} of {('ann', 'bob', 'carl')[k % 3]} was sent" for k in range(900)])
    trace = [*stamped(["could not send: java.io.IOException"]), *(f"\tat shop.Mail.{one}" for one in ("a(M)", "b{N}"))]
    trace += ["Caused by: [closed]", "\t... 3 more"] if is_timed else ["\t... 3 more"]
    good, new = tmp_path / "good", tmp_path / "new"
    good.write_text("\n".join(usual), "utf-8")
    new.write_text("\n".join([*usual[:200], *trace, *usual[200:400], *stamped(["no mail today"])]), "utf-8")

    def listed(model: Path, **options: Any) -> list[OddFinding]:
        return [one for one in afterword.odd(model, new, **options) if isinstance(one, OddFinding) and one.odd]

    found = listed(good, out=str(tmp_path / "model"))
    assert [[line.text for line in one.lines] for one in found if len(one.lines) > 1] == [trace]
    assert [one.lines[0].line for one in found if len(one.lines) == 1] == [400 + len(trace) + 1]
    [whole] = [one for one in found if len(one.lines) > 1]
    source = tmp_path / "findings"
    source.write_text(msgspec.json.encode(whole.to_dict()).decode(), "utf-8")
    afterword.accept(tmp_path / "model", source=str(source))
    assert [len(one.lines) for one in listed(tmp_path / "model")] == [1]


def test_long_lines_are_hidden_like_short_ones_and_not_kept() -> None:
    good, line = good_lines(900), server(900)[7]
    for length in (4, 100_000):
        rest = " and so on" * length
        assert good.hide(line + rest) == good.hide(line) + rest


def test_texts_with_the_same_odd_words_are_one_finding_whatever_numbers_are_in_them() -> None:
    good = good_lines(900)
    texts = ["job1 ends", "job2 ends = 3", "job3: ends"]
    costs = [replace(costly(text, 9.0), odd_pieces=[(0, 4)]) for text in texts]
    plain = GoodLines.of(["one", "two"] * 40)
    for usual, findings in ((good, 1), (plain, 3)):
        assert len({odd_text(usual, text, cost)[0].alike for text, cost in zip(texts, costs, strict=True)}) == findings


def test_a_text_is_accepted_if_each_of_its_odd_words_was() -> None:
    good, kind = good_lines(900), split("job stops here").kind
    text = "job stops here"

    def p_value(*accepted: str) -> float:
        known = replace(good, accepted=[*accepted], accepted_as={one: [Harmless("text", key(one))] for one in accepted})
        both = replace(costly(text, 9.0), odd_pieces=[(0, 3), (4, 9)])
        return odd_text(known, text, both)[0].p_value

    def key(one: str) -> str:
        return f"{kind} : “{one.split()[0]}”"

    assert p_value("job waits there", "stops all work") == 1.0
    assert p_value("job waits there") < 1.0


def test_an_odd_word_that_is_hidden_as_an_id_is_not_accepted_by_itself() -> None:
    good = good_lines(900)
    text = "mail-416c865551-fbtxr stops here"
    cost = replace(costly(text, 9.0), odd_pieces=[(0, 21)])
    [found] = odd_text(good, text, cost)
    assert found.p_value < 1
    known = replace(good, accepted=[text], accepted_as={text: [Harmless("text", found.key)]})
    assert odd_text(known, "mail-5d7f9c1a2b-kqxwz stops here", cost)[0].p_value == 1.0
