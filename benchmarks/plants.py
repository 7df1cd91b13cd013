"""Logs with planted lines, for `python -m benchmarks.odd peers`: which lines are good, which are new, which are odd.

Good lines come first, new ones after them, as a log is written. Twelve kinds of odd lines are planted among the new
ones, two of each, at places and with values that are drawn by a seed. Eight of the kinds change only a value, the order
or the count of something in a line whose template is known. Nothing here knows a detector.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from benchmarks.commands import DATA, PLACE, lines_of, parts, shuffled

EACH = 2  # plants of a kind
BURST = 60  # equal lines
NUMBER = re.compile(r"(?<![\w.:-])\d+(?![\w.:-])")  # that stands alone, such as no time and no address
TEXTS = json.loads((PLACE / "plants.json").read_text(encoding="utf-8"))
WORD = re.compile(r"(?<![^\W\d_])[^\W\d_]{4,}(?![^\W\d_])")

Change = Callable[[str, random.Random], str | None]
"""Returns the changed line, or None if the line has nothing of that kind to change."""


@dataclass(frozen=True)
class Planted:
    """A log with odd lines among its new ones."""

    name: str
    good: list[str]
    new: list[str]
    kinds: dict[int, str]
    """The kind of each odd line, by its place in `new`."""


def number_changed(change: Callable[[str], str]) -> Change:
    """Change the last number that stands alone."""

    def changed(line: str, _: random.Random) -> str | None:
        if not (found := [*NUMBER.finditer(line)]):
            return None
        start, end = found[-1].span()
        return line[:start] + change(line[start:end]) + line[end:]

    return changed


def words_changed(change: Callable[[list[str], int], list[str]], least: int = 4) -> Change:
    """Change the words of a line, which spaces separate, at a place that is drawn, behind the third word."""

    def changed(line: str, draw: random.Random) -> str | None:
        words = line.split(" ")
        if len(words) < least + 2:
            return None
        after = " ".join(change(words, draw.randrange(least, len(words) - 1)))
        return None if after == line else after

    return changed


def of_a_word(change: Callable[[str, random.Random], str]) -> Change:
    """Change a word of four letters or more."""

    def changed(line: str, draw: random.Random) -> str | None:
        if not (found := [*WORD.finditer(line, len(line) // 4)]):
            return None
        start, end = draw.choice(found).span()
        after = line[:start] + change(line[start:end], draw) + line[end:]
        return None if after == line else after

    return changed


def letters_swapped(word: str, draw: random.Random) -> str:
    at = draw.randrange(len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def head(line: str) -> str:
    """The beginning of a line, up to the space behind its third."""
    return line[: line.find(" ", len(line) // 3) + 1]


KINDS: dict[str, Change] = {
    # a value, an order or a count within a known template
    "a number out of range": number_changed(lambda number: "9" * (len(number) + 1)),
    "a negative number": number_changed(lambda number: f"-{number}"),
    "a word for a number": number_changed(lambda _: "NaN"),
    "an unknown name": of_a_word(lambda _, draw: draw.choice(TEXTS["names"])),
    "fields swapped": words_changed(lambda words, at: [*words[: at - 1], words[at], words[at - 1], *words[at + 1 :]]),
    "a field missing": words_changed(lambda words, at: [*words[:at], *words[at + 1 :]]),
    "a field twice": words_changed(lambda words, at: [*words[:at], *words[at - 1 :]]),
    "a burst": lambda line, _: line,
    # something else
    "a message never seen": lambda line, draw: head(line) + draw.choice(TEXTS["messages"]),
    "another format": lambda _, draw: draw.choice(TEXTS["foreign"]),
    "cut off": lambda line, draw: line[: draw.randrange(len(line) // 2, len(line) * 9 // 10)],
    "two letters changed places": of_a_word(letters_swapped),
}


def planted(name: str, good: list[str], new: list[str], seed: int, some: Sequence[str] = tuple(KINDS)) -> Planted:
    """Plant odd lines of these kinds among `new`, each in place of a line that has what its kind changes."""
    draw = random.Random(f"{name} {seed}")
    changed: dict[int, tuple[str, str]] = {}
    for kind in [kind for kind in some for _ in range(EACH)]:
        for at in draw.sample(range(len(new)), len(new)):
            after = None if at in changed else KINDS[kind](new[at], draw)
            if after is not None:
                changed[at] = kind, after
                break
    lines: list[str] = []
    kinds: dict[int, str] = {}
    for at, line in enumerate(new):
        kind, after = changed.get(at, ("", line))
        times = BURST if kind == "a burst" else 1
        if kind:
            kinds |= dict.fromkeys(range(len(lines), len(lines) + times), kind)
        lines += [after] * times
    return Planted(name, good, lines, kinds)


SHIPPED = {
    "BGL": DATA / "BGL_2k.log",
    **{name: DATA / "logs" / f"{name}_2k.log" for name in ("Apache", "Hadoop", "Linux", "OpenStack", "Zookeeper")},
}
LINES = {"web": (5_000, 3_000)}  # good and new; of the others, 1,000 each


def logs(seed: int, only: Sequence[str] = ()) -> Iterator[Planted]:
    """Yield the logs with their plants: the shipped ones and the two that are written here."""
    written = {"web": web, "JSON": application}
    for name in only or (*SHIPPED, *written):
        good, new = LINES.get(name, (1_000, 1_000))
        lines = [*islice(written[name](seed), good + new)] if name in written else lines_of(SHIPPED[name])
        yield planted(name, lines[:good], lines[good : good + new], seed)


def web(seed: int) -> Iterator[str]:
    """Yield lines of a web server's access log."""
    draw = random.Random(f"web {seed}")
    clock = datetime(2026, 3, 2, tzinfo=UTC)
    visitors = [".".join(str(draw.randrange(1, 255)) for _ in range(4)) for _ in range(300)]
    while True:
        clock += timedelta(seconds=draw.expovariate(1 / 9))
        if draw.random() < 0.1:
            visitors[draw.randrange(len(visitors))] = ".".join(str(draw.randrange(1, 255)) for _ in range(4))
        [(route, _, size)] = draw.choices(TEXTS["routes"], [often for _, often, _ in TEXTS["routes"]])
        request = route.format(
            n=draw.randrange(1, 5_000), page=draw.randrange(1, 40), word=draw.choice(TEXTS["searched"])
        )
        status = draw.choices((200, 304, 301, 404, 500), (85, 8, 2, 4.5, 0.5))[0]
        length = 0 if status == 304 else round(size * math.exp(draw.gauss(0, 0.4))) if status == 200 else 162
        source = draw.choices(("-", "https://shop.example/", "https://www.google.com/"), (5, 4, 1))[0]
        agent = draw.choices(TEXTS["agents"], (30, 40, 20, 5, 1, 2))[0]
        visitor = visitors[int(len(visitors) * draw.random() ** 2)]
        request = f'{visitor} - - [{clock:%d/%b/%Y:%H:%M:%S +0000}] "{request} HTTP/1.1"'
        yield f'{request} {status} {length} "{source}" "{agent}"'


def application(seed: int) -> Iterator[str]:
    """Yield lines of an application's log, an object of JSON each."""
    draw = random.Random(f"JSON {seed}")
    clock, order = datetime(2026, 3, 2, 8, tzinfo=UTC), 48_211
    while True:
        clock += timedelta(seconds=draw.expovariate(1 / 2))
        order += (kind := draw.choices(range(7), (30, 20, 20, 12, 8, 6, 4))[0]) == 1
        user, took = f"u{draw.randrange(1, 900)}", round(math.exp(draw.gauss(3.2, 0.6)))
        kinds: list[tuple[str, dict[str, object]]] = [
            ("info gateway request handled", {"path": draw.choice(("/cart", "/pay", "/home")), "ms": took}),
            ("info orders order placed", {"order": order, "user": user, "items": draw.randrange(1, 9)}),
            ("debug cache cache hit", {"key": f"product:{draw.randrange(1, 2_000)}", "ms": draw.randrange(1, 4)}),
            ("info payments payment accepted", {"order": order, "card": draw.choice(("visa", "amex")), "ms": took}),
            ("info auth user logged in", {"user": user, "port": draw.randrange(32_768, 61_000)}),
            ("warn payments payment retried", {"order": order, "attempt": draw.randrange(2, 4)}),
            ("error mail mail not delivered", {"user": user, "code": draw.choice((421, 450, 550))}),
        ]
        said, more = kinds[kind]
        level, service, message = said.split(" ", 2)
        time = f"{clock:%Y-%m-%dT%H:%M:%S}.{clock.microsecond // 1000:03d}Z"
        about = {"time": time, "level": level, "service": service}
        yield json.dumps({**about, "trace": f"{draw.getrandbits(64):016x}", "msg": message, **more})


LABELLED = ("BGL", "adfa-ld", "names")


def labelled_logs() -> Iterator[Planted]:
    """Yield the labelled texts: normal lines to learn from, lines to judge, and the labels of odd ones."""
    lines = [line.partition(" ") for line in lines_of(DATA / "BGL_2k.log")]  # the first word is the label
    half = len(lines) // 2
    labels = {at: label for at, (label, _, _) in enumerate(lines[half:]) if label != "-"}
    good = [text for label, _, text in lines[:half] if label == "-"]
    yield Planted("BGL", good, [text for _, _, text in lines[half:]], labels)

    def mixed(name: str, good: list[str], normal: list[str], odd: list[str]) -> Planted:
        new = [*((line, "") for line in normal), *((line, "odd") for line in odd)]
        random.Random(0).shuffle(new)
        return Planted(name, good, [line for line, _ in new], {at: label for at, (_, label) in enumerate(new) if label})

    training, normal, attack = (lines_of(DATA / "adfa-ld" / f"{name}.txt") for name in ("training", "normal", "attack"))
    yield mixed("adfa-ld", training, normal[::4], attack)
    good, normal = parts(shuffled(lines_of(DATA / "dga" / "benign.txt")), 3_000, 1_000)
    families = (path for path in sorted((DATA / "dga").glob("*.txt")) if path.stem != "benign")
    yield mixed("names", good, normal, [line for path in families for line in shuffled(lines_of(path))[:125]])


class Cluster:
    """The services of a shop, whose log changes from night to night."""

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(f"nights {seed}")
        self.date = datetime(2026, 3, 2, 22, tzinfo=UTC)
        self.time, self.version, self.slowness, self.load = "%Y-%m-%d %H:%M:%S,%f", "2.7.1", 1.0, 1.0
        self.routes = [
            "GET /",
            "GET /products/{n}",
            "GET /search?q={word}",
            "POST /cart",
            "GET /orders/{n}",
            "POST /pay",
        ]
        self.announced = "/wishlist"
        self.users = self.draw.sample(TEXTS["users"], 40)
        self.nodes = [f"node-{number}" for number in range(1, 5)]
        self.order, self.restarts = 48_211, False
        self.roll_out()

    def roll_out(self) -> None:
        """Start all services anew, under new names."""

        def word(letters: str, length: int) -> str:
            return "".join(self.draw.choices(letters, k=length))

        self.pods: dict[str, list[str]] = {}
        for service in ("gateway", "auth", "orders", "payments", "cache", "mail"):
            begin = f"{service}-{word('0123456789abcdef', 10)}"
            self.pods[service] = [f"{begin}-{word('bcdfghjklmnpqrstvwxz2456789', 5)}" for _ in range(3)]

    def night(self, lines: int) -> list[str]:
        """Return the lines of the next night."""
        clock, found = self.date, list[str]()
        self.date += timedelta(days=1)
        for at in range(round(lines * self.load)):
            clock += timedelta(seconds=self.draw.expovariate(self.load / 4))
            said = [self.said()]
            if self.restarts and at == lines // 2:
                said = [line for pods in self.pods.values() for pod in pods for line in self.restarted(pod)]
            for line in said:
                clock += timedelta(microseconds=self.draw.randrange(1_000, 9_000))
                found.append(f"{clock.strftime(self.time)} {line}")
        self.restarts = False
        return found

    def restarted(self, pod: str) -> Iterator[str]:
        yield f"INFO {pod} main: received SIGTERM, draining {self.draw.randrange(2, 40)} connections"
        yield f"INFO {pod} main: starting version {self.version} on {self.draw.choice(self.nodes)}"
        yield f"INFO {pod} main: listening on 0.0.0.0:8080"

    def said(self) -> str:
        draw = self.draw
        user = self.users[int(len(self.users) * draw.random() ** 2)]
        number, took = draw.randrange(1, 5_000), round(self.slowness * math.exp(draw.gauss(3.2, 0.6)))
        route = draw.choice(self.routes).format(n=number, word=draw.choice(TEXTS["searched"]))
        address = f"10.{draw.randrange(4)}.{draw.randrange(256)}.{draw.randrange(1, 255)}"
        self.order += (kind := draw.choices(range(10), (40, 8, 3, 8, 8, 12, 5, 8, 6, 1))[0]) == 3
        service = ("gateway", "auth", "auth", "orders", "payments", "cache", "mail", "kubelet", "orders", "payments")[
            kind
        ]
        pod = draw.choice(self.pods.get(service) or self.nodes)
        some_pod = draw.choice(draw.choice([*self.pods.values()]))
        status = draw.choices((200, 304, 404), (90, 6, 4))[0]
        return (
            f"INFO {pod} http: {route} {status} in {took} ms, user {user}",
            f"INFO {pod} login: {user} from {address} accepted",
            f"WARN {pod} login: {user} from {address} refused, attempt {draw.randrange(1, 4)}",
            f"INFO {pod} orders: order {self.order} of {user}, {draw.randrange(1, 9)} items, {took * 3} EUR",
            f"INFO {pod} paid: order {self.order} by {draw.choice(('visa', 'amex', 'sepa'))} in {took} ms",
            f"DEBUG {pod} cache: {draw.choice(('hit', 'hit', 'miss'))} key={draw.getrandbits(48):012x}",
            f"INFO {pod} sent: confirmation to {user}@example.com, {draw.randrange(2_000, 9_000)} bytes",
            f"INFO {pod} kubelet: {some_pod} is ready, {draw.randrange(180, 420)} MiB",
            f"INFO {pod} health: version {self.version}, {number % 40} connections, up {number // 5} min",
            f"ERROR {pod} declined: order {self.order}, code {draw.choice((51, 54, 61))}",
        )[kind]


CHANGES: dict[str, Callable[[Cluster], object]] = {
    "ordinary": lambda one: None,
    "a rollout": Cluster.roll_out,
    "a new format of time": lambda one: setattr(one, "time", "%d/%b/%Y:%H:%M:%S.%f"),
    "a new route, accepted": lambda one: one.routes.append(f"GET {one.announced}"),
    "a new user": lambda one: one.users.insert(5, "zebedee"),
    "drift of numbers": lambda one: setattr(one, "slowness", 1.6),
    "a new version": lambda one: setattr(one, "version", "2.8.0"),
    "a restart": lambda one: setattr(one, "restarts", True),
    "more load": lambda one: setattr(one, "load", 2.0),
    "another machine": lambda one: one.nodes.append("node-7"),
}
"""What changes before each night, and stays so."""


def sshd(seed: int) -> Iterator[str]:
    """Yield lines of a server's sshd: strangers try names, each from one address for a while."""
    draw = random.Random(f"sshd {seed}")
    clock, names = datetime(2026, 3, 2, tzinfo=UTC), lines_of(DATA / "names.txt")
    staff, number = [name.lower() for name in draw.sample(names, 8)], 20_000
    while True:
        number += draw.randrange(1, 9)
        address = ".".join(str(draw.randrange(1, 255)) for _ in range(4))
        user = draw.choice([draw.choice(names).lower(), "admin", "test", "oracle", "root", "root", "root"])
        said = [f"Received disconnect from {address}: 11: Bye Bye [preauth]"]
        for _ in range(draw.choice((1, 1, 3, 8, 25))):
            about = f"{user} from {address} port {draw.randrange(1_024, 65_536)} ssh2"
            said += [f"Failed password for {'' if user == 'root' else 'invalid user '}{about}"]
        if draw.random() < 0.3:
            user, port = draw.choice(staff), draw.randrange(1_024, 65_536)
            said = [f"Accepted publickey for {user} from 10.0.3.{draw.randrange(2, 40)} port {port} ssh2"]
            said += [f"pam_unix(sshd:session): session {what} for user {user}" for what in ("opened", "closed")]
        elif user != "root":
            said += [f"input_userauth_request: invalid user {user} [preauth]", f"Invalid user {user} from {address}"]
        for line in said if "Accepted" in said[0] else said[::-1]:
            clock += timedelta(seconds=draw.expovariate(1 / 20))
            yield f"{clock:%b %d %H:%M:%S} gate sshd[{number}]: {line}"
