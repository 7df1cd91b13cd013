"""Logs of records, JSON whose keys come and go and a table of payments in CSV, and faults in single fields of them.

The same seed gives the same log. `python -m benchmarks.odd fields` counts which of the faults are found.
"""

from __future__ import annotations

import csv
import io
import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import Any

Fields = dict[str, Any]
"""The fields of a record by name; in another record, nested."""
EACH = 3  # faults of a kind
FAULTS = ("a number out of range", "a new value", "a missing key", "a new key", "a wrong type")
NUMBERS, FEW_VALUES = ("ms", "bytes", "amount"), ("level", "method", "plan", "card", "currency", "status")
COLUMNS = ("time", "payment", "merchant", "card", "amount", "currency", "country", "status", "note")
SHOPS = ("Blue Bottle Coffee", "Meier & Sons, Ltd.", "Tram", "Book Nook", "Cafe 21", "Kiosk am Markt", "Zoo")


def events(draw: random.Random) -> Iterator[Fields]:
    """Yield what a shop's services log: each message has keys of its own; `region`, `retry` and `user` come and go."""
    clock = datetime(2026, 3, 2, 8, tzinfo=UTC)
    for order in count(48_211):
        clock += timedelta(seconds=draw.expovariate(1 / 2))
        took, user = round(math.exp(draw.gauss(3.2, 0.6))), draw.randrange(1, 400)
        request = {"path": draw.choice(("/cart", "/pay", "/home")), "method": draw.choice(("GET", "GET", "POST"))}
        messages: tuple[tuple[str, str, Fields], ...] = (
            ("info", "request handled", {"request": {**request, "bytes": draw.randrange(200, 9_000)}, "ms": took}),
            ("info", "order placed", {"order": order, "items": draw.randrange(1, 9), "amount": draw.randrange(1, 900)}),
            ("info", "payment accepted", {"order": order, "card": draw.choice(("visa", "amex")), "ms": took}),
            ("warn", "payment retried", {"order": order, "attempt": draw.randrange(2, 4)}),
            ("debug", "cache hit", {"key": f"product:{draw.randrange(1, 2_000)}", "tags": ["hot", "web"][: order % 3]}),
        )
        level, message, about = draw.choices(messages, (40, 20, 15, 5, 20))[0]
        record = {"time": clock.isoformat(timespec="milliseconds"), "level": level, "msg": message, **about}
        if draw.random() < 0.6:
            record["user"] = {"id": user, "plan": "free" if user % 3 else "paid"}
        if draw.random() < 0.3:
            record["region"] = draw.choice(("eu", "us"))
        if draw.random() < 0.1:
            record["retry"] = None if draw.random() < 0.5 else draw.randrange(1, 4)
        yield {key: record[key] for key in draw.sample([*record], len(record))}


def payments(draw: random.Random) -> Iterator[Fields]:
    """Yield the payments of a day; a note or a country is missing now and then."""
    clock = datetime(2026, 3, 2, 8, tzinfo=UTC)
    for number in count(90_017):
        clock += timedelta(seconds=draw.expovariate(1 / 20))
        note = draw.choice(("", "", "", "gift", "second try", "table 7"))
        country = draw.choice(("DE", "DE", "AT", "CH", ""))
        paid = (draw.choice(SHOPS), draw.choice(("visa", "amex", "sepa")), draw.randrange(1, 989))
        status = draw.choices(("paid", "declined"), (95, 5))[0]
        row = (f"{clock:%Y-%m-%d %H:%M:%S}", number, *paid, draw.choice(("EUR", "CHF")), country, status, note)
        yield dict(zip(COLUMNS, row, strict=True))


def changed(fault: str, record: Fields, draw: random.Random, is_table: bool) -> Fields | None:
    """Return a record with a fault, or None if it has no field that can have it."""
    within: Fields = draw.choice([record, *(each for each in record.values() if isinstance(each, dict))])
    names = [*NUMBERS] if "number" in fault else [*FEW_VALUES] if "value" in fault else [*NUMBERS, *FEW_VALUES, "msg"]
    present = [name for name in names if name in within]
    if fault == "a new key":
        return {**record, "x_forwarded": "proxy"}
    if not present:
        return None
    name = draw.choice(present)
    value = within[name]
    without = {key: each for key, each in within.items() if key != name}
    new = {
        "a number out of range": lambda: {**within, name: 70_000},
        "a new value": lambda: {**within, name: draw.choice(("telex", "zloty", "beta"))},
        "a missing key": lambda: {**within, name: ""} if is_table else without,
        "a wrong type": lambda: {**within, name: "n/a" if isinstance(value, int) else 17},
    }[fault]()
    return new if within is record else {key: new if each is within else each for key, each in record.items()}


def as_json(record: Fields) -> str:
    return json.dumps(record)


def as_csv(record: Fields) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(record.values())
    return written.getvalue()


LOGS: dict[str, tuple[Callable[[random.Random], Iterator[Fields]], Callable[[Fields], str]]] = {
    "JSON": (events, as_json),
    "CSV": (payments, as_csv),
}


def with_faults(
    name: str, seed: int, good: int = 1_000, new: int = 1_000
) -> tuple[list[str], list[str], dict[int, str]]:
    """Return good lines of a log, new ones with `EACH` faults of each kind, and the faults by place."""
    draw, (records, written) = random.Random(f"{name} {seed}"), LOGS[name]
    each = [*islice(records(draw), good + new)]
    head = [",".join(COLUMNS)] if name == "CSV" else []
    lines, kinds = [*map(written, each)], dict[int, str]()
    for fault in FAULTS * EACH:
        for at in draw.sample(range(len(head), new), new - len(head)):
            after = None if at in kinds else changed(fault, each[good + at], draw, name == "CSV")
            if after is not None:
                lines[good + at], kinds[at + len(head)] = written(after), fault
                break
    return [*head, *lines[:good]], [*head, *lines[good:]], kinds
