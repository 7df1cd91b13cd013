from __future__ import annotations

import contextlib
import re
import threading
import time

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from afterword.errors import OptionError
from afterword.text import lines
from afterword.text.lines import MARK, Masks

PATTERNS = ["[0-9]+", r"\b[a-f]{2}\b", "x", "(?=b)|c"]
USUAL = {  # in logs, each with a text that it hides completely
    r"\d{4}-\d\d-\d\d [\d:.]+": "2026-01-05 12:33:01.123",
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{3,9})?(?:Z|[+-]\d{2}:?\d{2})?": "2026-01-05T12:33:01.123456Z",
    r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d": "Jan  5 12:33:01",
    r"\b(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?(?:/\d{1,2})?\b": "192.168.10.255:65535",
    "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}": "01234567-89ab-cdef-0123-456789abcdef",
    "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}": "01234567-89AB-CDEF-0123-456789ABCDEF",
    r"\b[0-9a-f]{64}\b": "0123456789abcdef" * 4,
    "(?:[0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}": "00:1A:2b:3c:4d:5e",
    "(?:[0-9a-f]{1,4}:){1,7}:|(?:[0-9a-f]{1,4}:){1,6}:[0-9a-f]{1,4}|(?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}": "fe80::",
    r"(?i)(?:mon|tue|wed|thu|fri|sat|sun),? \d{1,2} \w+ \d{4} [\d:]{8} [+-]\d{4}": "Mon 5 May 2026 12:33:01 +0000",
    r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?: ?(?:ms|s|us|ns|min|h|KB|MB|GB|kB|B))?\b": "12.5e+3 ms",
    r"(?:[A-Za-z0-9+/]{4}){10,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?": "QUJD" * 12 + "QQ==",
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+": "me+x@mail.example.org",
    r"https?://[^\s\"'<>]+": "https://example.org/a?b=c",
    r"(?:/[\w.-]+)+": "/var/log/my-app.1.log",
    r'"(?:[^"\\]|\\.)*"': r'"a \"quoted\" word"',
    r"(?<![\w.])0x[0-9a-fA-F]+": "0xDEADbeef",
    r"\b(?=[a-f]*\d)[0-9a-f]{8,}\b": "deadbeef01",
}
PLAIN = "(?:[a-f]|[0-9]) *x.y" * 15
"""A mask of the longest allowed length, without repeated parts."""
HOSTILE = [  # one of each kind whose search takes long or whose tables grow large
    *("ab" * 150, "(?fi)" + "ß" * 295, r"(?:\w|[a-f]){400}", "(?:a?){60}a{60}", "(" * 14 + "a" + ")+" * 14, "[" * 299),
    *("(?>" * 70 + "a" + ")" * 70 + "+", f"(?i)[{''.join(map(chr, range(0x4E00, 0x4E00 + 280)))}]+", "(?i:" * 74),
    *(r"(?V1)[\w" + r"--\p{L}" * 40 + "]+", r"\p{script=Han}*\X" * 17, "(?b)x(?:" + "ab " * 90 + "){e<=30}"),
    *("(?be)a" + "(?:abc){e<=1}" * 22, r"\((?:[^()]|(?R))*\)", r"(\w+)\W+" + r"\1*" * 90, "(?<=.*x)" * 36 + "a"),
    *(".*" * 149 + "!", "|".join("a" * k for k in range(1, 24)), "(a)?(?(1)b|c)" * 22, "a{4294967294}", "(a*){10000}"),
]


def test_what_matches_is_hidden() -> None:
    cases: list[tuple[list[str], str, str]] = [
        (["[0-9]+"], "took 12 ms, 3 rows", "took <*> ms, <*> rows"),
        ([], "took 12 ms", "took 12 ms"),
        (["[0-9]+", re.escape(MARK) + "ms"], "12ms", MARK),  # a mask is used on what the ones before it left
        (["(?=b)|c"], "abc", f"ab{MARK}"),  # where nothing stands, nothing is hidden
        *(([pattern], text, MARK) for pattern, text in USUAL.items()),
    ]
    for patterns, line, hidden in cases:
        assert Masks(patterns)(line) == hidden
    assert len(Masks([*USUAL] * 5).patterns) == 5 * len(USUAL)  # which fits into the limits


@given(st.text("abc01 x<*>", max_size=30), st.lists(st.sampled_from(PATTERNS), max_size=3))
def test_each_character_that_is_left_knows_where_it_stood(line: str, patterns: list[str]) -> None:
    masks = Masks(patterns)
    hidden, origins = masks(line), masks.origins(line)
    for character, (start, stop) in zip(hidden, origins, strict=True):
        assert 0 <= start < stop <= len(line)
        assert line[start:stop] == character or character in MARK
    if not patterns:
        assert origins == [(k, k + 1) for k in range(len(line))]


def test_no_mask_takes_a_hundred_times_as_long_as_a_plain_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def took(pattern: str) -> float:
        regex.purge()
        began = time.thread_time()
        with contextlib.suppress(OptionError):
            Masks([pattern])("a" * 1000)
        return time.thread_time() - began

    monkeypatch.setattr(lines, "MASK_SECONDS", 0.01)  # matching has its own limit: see below
    plain = min(took(PLAIN) for _ in range(3))
    for pattern in HOSTILE:
        assert min(took(pattern) for _ in range(3)) < 100 * plain, pattern


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("[", "is not a regular expression"),
        ("a*", "matches an empty text"),
        ("(?ix: a )", "the flag x"),
        ("a" * 301, "is too large: it may have at most 300 characters"),
        *((large, "is too large") for large in ("a{10000}", "(?:a{99}b){99}", "(?:a{e}{99}){99}", "(?:(){9}){9999}")),
    ],
)
def test_what_is_no_mask_is_refused(pattern: str, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        Masks([pattern])


def test_a_mask_that_never_ends_is_abandoned_while_other_threads_run(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks, done = 0, threading.Event()
    monkeypatch.setattr(lines, "MASK_SECONDS", 0.2)

    def slow() -> None:
        with pytest.raises(OptionError, match=r"takes more than 0.2 s on a line"):
            Masks(["(a|aa)+$"])("a" * 60 + "!")
        done.set()

    thread = threading.Thread(target=slow)
    thread.start()
    while not done.wait(0.01):
        ticks += 1
    thread.join()
    assert ticks > 2  # of about twenty: this thread was not blocked
