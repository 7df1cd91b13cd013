"""Synthetic log lines, and ten kinds of lines that do not belong among them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

USERS = ("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy")
PATHS = ("/", "/login", "/logout", "/cart", "/search", "/api/v1/items", "/api/v1/orders", "/static/app.js", "/health")
TABLES = ("orders", "items", "users", "sessions", "invoices")
CLOCK = 23  # characters
HOSTS = ("web-1", "web-2", "db-1", "cache-1", "queue-1")


def lines(count: int, seed: int, start: float = 0.0) -> Iterator[str]:
    """Yield `count` lines of a small shop's services from the time `start`, in seconds; a seed gives the same lines."""
    draw = random.Random(seed)
    seconds = start
    for _ in range(count):
        seconds += draw.expovariate(5)
        (message,) = draw.choices(MESSAGES, WEIGHTS)
        yield f"{_clock(seconds)} {message(draw)}"


def _clock(seconds: float) -> str:
    whole = int(seconds)
    day, hour, minute, second = 1 + whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    return f"2026-03-{day:02d} {hour:02d}:{minute:02d}:{second:02d}.{int(seconds % 1 * 1000):03d}"


def _ip(draw: random.Random) -> str:
    return f"10.{draw.randrange(4)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"


def _hex(draw: random.Random, digits: int = 12) -> str:
    return "".join(draw.choices("0123456789abcdef", k=digits))


def _status(draw: random.Random) -> int:
    return draw.choices((200, 204, 301, 404), (90, 4, 3, 3))[0]


MESSAGES: tuple[Callable[[random.Random], str], ...] = (
    lambda d: (
        f'INFO {d.choice(HOSTS[:2])} http: {_ip(d)} "GET {d.choice(PATHS)}" {_status(d)} in {d.randrange(1, 400)} ms'
    ),
    lambda d: f'INFO {d.choice(HOSTS[:2])} http: {_ip(d)} "POST /api/v1/orders" 201 in {d.randrange(20, 900)} ms',
    lambda d: f"INFO {d.choice(HOSTS[:2])} auth: user {d.choice(USERS)} logged in from {_ip(d)}",
    lambda d: f"INFO {d.choice(HOSTS[:2])} auth: user {d.choice(USERS)} logged out",
    lambda d: f"WARN {d.choice(HOSTS[:2])} auth: wrong password for {d.choice(USERS)} from {_ip(d)}",
    lambda d: f"INFO db-1 sql: select from {d.choice(TABLES)} took {d.randrange(1, 80)} ms, {d.randrange(500)} rows",
    lambda d: f"INFO db-1 sql: update of {d.choice(TABLES)} took {d.randrange(1, 60)} ms, 1 row",
    lambda d: f"DEBUG cache-1 cache: {d.choice(('hit', 'hit', 'hit', 'miss'))} key={_hex(d)}",
    lambda d: f"DEBUG cache-1 cache: evicted {d.randrange(1, 200)} keys, {d.randrange(40, 95)} % full",
    lambda d: f"INFO queue-1 jobs: job {_hex(d, 8)} started (mail to {d.choice(USERS)}@example.com)",
    lambda d: f"INFO queue-1 jobs: job {_hex(d, 8)} done in {d.randrange(50, 5000)} ms",
    lambda d: f"WARN queue-1 jobs: job {_hex(d, 8)} retried, attempt {d.randrange(2, 4)} of 3",
    lambda d: f"INFO {d.choice(HOSTS)} kernel: load {d.randrange(300) / 100:.2f}, memory {d.randrange(30, 90)} %",
    lambda d: f"INFO {d.choice(HOSTS)} cron: backup of {d.choice(TABLES)} finished, {d.randrange(1, 900)} MB",
)
WEIGHTS = (30, 5, 4, 4, 2, 15, 6, 15, 3, 4, 4, 1, 5, 2)


Change = Callable[[str, random.Random], str]


def misspelt(line: str, draw: random.Random) -> str:
    """Swap two neighbouring letters of a word."""
    places = [k for k in range(CLOCK + 1, len(line) - 1) if line[k : k + 2].isalpha() and line[k] != line[k + 1]]
    at = draw.choice(places)
    return line[:at] + line[at + 1] + line[at] + line[at + 2 :]


def word_for_number(line: str, draw: random.Random) -> str:
    """Replace the last number by a word."""
    words = line.split(" ")
    at = max(k for k in range(2, len(words)) if any(c.isdigit() for c in words[k]))
    return " ".join([*words[:at], draw.choice(("null", "NaN", "undefined")), *words[at + 1 :]])


def huge_number(line: str, draw: random.Random) -> str:
    milliseconds = draw.randrange(10**7, 10**8)
    return f"{line[:CLOCK]} INFO db-1 sql: select from {draw.choice(TABLES)} took {milliseconds} ms, 3 rows"


def field_missing(line: str, draw: random.Random) -> str:
    words, at = line.split(" "), draw.randrange(2, 5)
    return " ".join(words[:at] + words[at + 1 :])


def fields_swapped(line: str, draw: random.Random) -> str:
    words, at = line.split(" "), draw.randrange(2, 4)
    return " ".join([*words[:at], words[at + 1], words[at], *words[at + 2 :]])


def garbage(line: str, draw: random.Random) -> str:
    at = draw.randrange(CLOCK + 1, len(line))
    return line[:at] + "".join(chr(draw.randrange(0xA1, 0x17F)) for _ in range(6)) + line[at:]


KINDS: dict[str, Change] = {
    "new_message": lambda line, d: (
        f"{line[:CLOCK]} ERROR db-1 disk: I/O error on sda{d.randrange(1, 5)}, sector {d.randrange(10**7)}"
    ),
    "misspelt": misspelt,
    "word_for_number": word_for_number,
    "huge_number": huge_number,
    "field_missing": field_missing,
    "fields_swapped": fields_swapped,
    "cut_off": lambda line, d: line[: d.randrange(30, max(31, len(line) - 8))],
    "run_together": lambda line, d: line[: d.randrange(40, max(41, len(line)))] + line[CLOCK + 1 :],
    "garbage": garbage,
    "parts_that_do_not_go_together": lambda line, d: (
        f"{line[:CLOCK]} WARN cache-1 auth: user {d.choice(USERS)} logged out"
    ),
}


def planted(count: int, seed: int, of_each: int, start: float = 0.0) -> tuple[list[str], dict[int, str]]:
    """Return `lines` with `of_each` of each kind among them, and the kinds by their indices, from 0."""
    made, draw = list(lines(count, seed, start)), random.Random(seed + 1)
    places = draw.sample(range(count), of_each * len(KINDS))
    kinds = {place: [*KINDS][k % len(KINDS)] for k, place in enumerate(places)}
    for place, kind in kinds.items():
        made[place] = KINDS[kind](made[place], draw)
    return made, dict(sorted(kinds.items()))
