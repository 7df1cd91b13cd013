"""One log whose findings are recorded: any change of how fields, values, rates and kinds are judged shows here."""

from __future__ import annotations

from dataclasses import replace

from afterword.wings.odd.detectors import Placed, judge
from afterword.wings.odd.findings import Findings
from afterword.wings.odd.good_lines import GoodLines, Harmless
from afterword.wings.odd.normal import OddLine

RATE = 0.05
TENTHS = [k / 10 for k in (*range(11), *range(990, 1001))]  # the outermost ones are so close that the range counts


def line(k: int, **other: object) -> str:
    """Return a good line by its number, or one with another value."""
    j = k // 6  # its number among those of its kind
    value = {
        "user": "abc"[j % 3] * 3,
        "pid": 4000 + j % 10,
        "port": 22,
        "ms": 12,
        "degrees": TENTHS[j * 5 % 22] if j != 140 else 50.0,
        "fan": 1 + j % 6,
        "parts": 2 * (j // 5 % 3),
        "queue": 30 * j if j % 9 == 5 else j * 7 % 20,  # it leaves the range before hardly often enough to drift
        "end": ")]"[j // 2 % 2],
    }
    texts = [
        "link is up" if j % 5 else "raid: rebuilt {parts} parts",
        "sshd[{pid}]: port {port} of user={user}",
        'say "{user}" {{"user": "{user}", "ms": {ms}}}',
        "disk: {degrees} degrees, fan({fan})",
        "queue has {queue} entries",
        "a," * (298 + j % 2) + "{end}",  # of as many fields as are looked at, or one more
    ]
    return f"web-{k % 2} 2026-03-02 10:{k // 60 % 60:02}:{k % 60:02} {texts[k % 6].format(**value | other)}"


CHANGED: list[tuple[int, str, object]] = [
    *((1, "port", 2200), (7, "pid", 4999), (13, "user", "dd"), (2, "user", "ee"), (8, "ms", 13), (3, "degrees", 116.0)),
    *((9, "fan", 9), (30, "parts", 5), (4, "queue", 20_000), (4, "queue", 10**6), (4, "queue", -5)),
    *((5, "end", "}"), (11, "end", "}")),
]
LISTED = """\
rate silence: * <time> * * {*: *, *: #} came every 6 lines, then not for 183 at 105, 1: 220.48 bits, 4.26e-67
rate burst: 72 equal lines; at most 8 within 60 good ones at 73, 72: 73.62 bits, 6.91e-23
value disk 116.0: seen 0 to 100 at 106, 1: 9.52 bits, 3.63e-05
value port 2200: seen 22 at 101, 1: 9.28 bits, 4.31e-05
value ms 13: seen 12 at 105, 1: 9.28 bits, 4.31e-05
value has -5: seen 0 to 4,470 at 111, 1: 9.25 bits, 4.4e-05
value pid 4999: seen 4,000 to 4,009 at 102, 1: 8.98 bits, 5.28e-05
value "ee": seen "aaa", "bbb", "ccc" at 104, 1: 7.77 bits, 0.000122
value dd: seen aaa, bbb, ccc at 103, 1: 7.07 bits, 0.000199
text odd text at 117, 1: 1.20 bits, 0.0002
value fan 9: seen 1 to 6 at 107, 1: 5.77 bits, 0.000489
value has 1000000: seen 0 to 4,470 at 110, 6: 5.25 bits, 0.000702
value rebuilt 5: seen 0, 2, 4 at 108, 1: 4.91 bits, 0.000891
template new kind of line: “a”, “bb”, “cc” at 115, 1: 31.50 bits, 0.00332
"""


def test_what_is_found_is_what_was_found_when_it_was_recorded() -> None:
    usual = GoodLines.of([line(k) for k in range(900)])
    usual = replace(usual, accepted=["cron ran"], accepted_as={"cron ran": [Harmless("template", "", 0.5)]})
    new = [line(k) for k in range(900, 1000)] + [line(k, **{name: value}) for k, name, value in CHANGED]
    new += [line(904), "web-1 says a bb cc dd ee", line(905), "cron ran"]
    pieces = [(0, 1), (2, 4), (5, 7), (8, 10)]
    costs = {
        new[-3]: OddLine(text="a bb cc dd ee", figure=31.5, p_value=0.01, odd_pieces=pieces),
        new[-1]: OddLine(figure=1.2, p_value=1e-4),
    }
    new += [f"web-0 2026-03-02 11:00:{k:02} link is up" for k in range(60)]
    new += [line(k) for k in range(900, 1100) if k % 6 != 2]
    findings = Findings(usual, RATE, 25)
    for number, text in enumerate(new, 1):
        findings.add(
            Placed("new", number, text), text, judge(usual, text, costs.get(text, OddLine()), RATE, findings.told)
        )
    listed = [
        f"{one.detector} {one.why} at {one.lines[0].line}, {one.count}: {one.figure:.2f} bits, {one.p_value:.3g}"
        for part in findings.listed()
        for one in part
    ]
    assert listed == LISTED.splitlines()
