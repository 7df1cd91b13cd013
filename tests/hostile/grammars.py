"""The grammars of `tests.hostile.attack`. Each draws a case of one class and prepares it in the folder `at`."""

from __future__ import annotations

import contextlib
import copy
import gzip
import io
import json
import os
import random
import re
import signal
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
import pyarrow
import pyarrow.parquet

from afterword.cli.main import program
from afterword.commands import commands, find_operation
from afterword.model.folder.saved import CONFIG, TOKENIZER, WEIGHTS
from afterword.model.folder.tensors import read_tensors
from afterword.operations.operation import arguments_of
from afterword.settings import Kind, kinds_of
from tests.sealing import reseal, seal

JSON = "Content-Type: application/json\r\n"


@dataclass
class Case:
    """A command, and what is known about it before it runs."""

    command: list[str]
    what: str = ""
    names: str = ""
    """A pattern that a refusal must match, to name what is wrong."""
    refused: bool = False
    """True if the command must refuse."""
    outputs: tuple[str, ...] = ()
    """The names that the command may write."""
    statuses: tuple[int, ...] = (0, 1, 2)
    environment: dict[str, str] = field(default_factory=dict)
    interrupt: float | None = None
    """Seconds until the signal."""
    patience: float = 5.0
    memory: float = 2e9
    """Bytes of memory that it may use."""
    received: list[int] = field(default_factory=list)
    """Bytes that were sent to it beyond the declared size."""
    script: bool = False
    number: int = signal.SIGINT
    """The signal."""


Grammar = Callable[[random.Random, Path, contextlib.ExitStack], Case]
Spoilt = tuple[Any, str, bool]

# ---- damage, for every grammar

words = str.split

TEXTS = ["", " ", "a\nb", "\udcff", "x" * 5000, *words("abc - -- é\u202e %s{0} $(id) ../.. [ (a+)+b")]
NUMBERS = ["9" * 30, *words("0 -1 1 3 0.5 1e300 -1e300 1e-300 nan inf -inf 1_0 1,5 0x1")]
PATHS = ["", "a\nb", "x" * 300, *words("- . .. / gone gone/x notes.txt tiny /dev/full /proc/self/mem")]
DEEP = ["[" * 10**5, '{"a":' * 10**5, "9" * 5000, '"\\ud800"', "1e999", ""]  # JSON
VALUES: list[Any] = [None, True, -1, 0, 2**31, 2**63, 10**400, 1e308, float("nan"), float("inf"), "", "\ud800", "a\nb"]
VALUES += [False, 1, -(2**63), 5e-324, 0.5, -0.0, "\0", "\U0010ffff", "(a+)+$", "[", "null", [None], [0], [-1], [2**63]]
VALUES += [["a"] * 999, ["\ud800"], {"0": 1e308}, {"1": -100}]
VALUES += ["a" * 10**5, "../../outside/evil", [], {}, [[]] * 999, {"a": {}}, json.loads("[" * 900 + "]" * 900)]


def edited(draw: random.Random, value: Any) -> Any:
    """Return a copy of a JSON value, with one part replaced, removed or repeated."""
    whole: Any = [copy.deepcopy(value)]
    place, key = whole, 0
    while isinstance(place[key], dict | list) and place[key] and draw.random() < 0.85:
        place = place[key]
        key = draw.choice(list(place) if isinstance(place, dict) else range(len(place)))
    action = draw.random()
    if action < 0.2 and place is not whole:
        del place[key]
    elif action < 0.3 and isinstance(place, list) and place is not whole:
        place *= 50
    else:
        place[key] = draw.choice(VALUES)
    return whole[0]


def edited_text(draw: random.Random, text: str | bytes) -> bytes:
    """Return edited JSON, or in some cases text that is not JSON."""
    new = json.dumps(edited(draw, json.loads(text)))
    return draw.choice([*[new] * 8, new[:-1], new * 2, *DEEP]).encode("utf-8", "surrogatepass")


def damaged(draw: random.Random, content: bytes) -> bytes:
    """Return other bytes than `content`."""
    at, end = sorted(draw.choices(range(len(content) + 1), k=2))
    some = draw.randbytes(draw.choice([1, 8, 200]))
    found = bytearray(draw.choice([content[:at], content[at:], content[:at] + some + content[end:], content, content]))
    for _ in range(draw.choice([1, 3, 30]) if found == content and content else 0):
        found[draw.randrange(min(len(content), draw.choice([64, 10**9])))] ^= 1 << draw.randrange(8)
    return bytes(found) if found != content else content + some


def misplace(draw: random.Random, file: Path, others: Sequence[str] = ("pipe",)) -> str:
    """Replace `file` by something else; return a description."""
    kinds = ["missing", "empty", "folder", *others, "large", "/dev/zero", "/proc/self/mem", file.name, "gone"]
    kind = draw.choice([*kinds, "../outside/precious.txt"])
    file.unlink()
    if kind == "folder":
        (file / "inside").mkdir(parents=True)
    elif kind == "pipe":
        os.mkfifo(file)
    elif kind in ("empty", "large"):
        file.touch()
        os.truncate(file, 0 if kind == "empty" else draw.choice([2**27, 2**31 + 9, 2**40]))  # sparse
    elif kind != "missing":
        file.symlink_to(kind)
    return f"{file.name} is {kind}"


def spoilt(draw: random.Random, array: Any) -> Spoilt:
    """Return another array, a description, and whether no model can have it."""
    new = np.array(array, array.dtype if array.dtype.kind == "f" else np.float32)
    changes: dict[str, Callable[[], Any]] = {"zeros": lambda: new * 0, "int8": lambda: new.astype(np.int8)}
    changes |= {"cut": lambda: new[:-1], "text": lambda: np.full(new.shape, 7, np.uint8)}
    wrong = {"flat": lambda: new.reshape(-1, 1, 1), "empty": lambda: new[:0], "scalar": lambda: new.sum()}
    wrong |= {str(value): partial(np.full, new.shape, value, float) for value in (np.nan, np.inf, 1e300)}
    kind = draw.choice([*changes, *wrong])
    return np.asarray((changes | wrong)[kind]()), kind, kind in wrong


def archive(members: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(file := io.BytesIO(), "w") as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


# ---- hub

HEADERS = ("ETag", "X-Linked-Etag", "X-Repo-Commit")
PARTS = words(
    "-x/b me/a--b me/.x a.b/c.d me/tiny@ me/tiny@../x me/a..b me/tiny.git . me me/tiny/x é/b me/x- m_/t_ ME/t"
)
PARTS += ["", "a b/c", "me/a\nb", "me/" + "x" * 300, "me/tiny@" + "x" * 300, "me/tiny@refs/pr/1", "me/t@a--b", "-/-"]
ENDPOINTS = words("http://[::1 x file:///etc http:// http://127.0.0.1:99999 :// ftp://127.0.0.1")


def hub(draw: random.Random, at: Path, stack: contextlib.ExitStack) -> Case:
    from tests.wings.hub.hub import Handler, stand_in  # the wing may be away
    from tests.wings.hub.test_push import at_home, published

    bad = [f"{at.parent}/outside/evil.pth", "../" * draw.choice([6, 7, 7]) + "outside/evil.pth"]  # seven, from a blob
    name = draw.choice([*bad * 3, "..", "", "/", "a" * 5000, "a/b", "W/", "~", "%2e%2e%2f", "-x"])
    rare = words("JSON length X-Linked-Size stall redirect status content gzip name name endpoint")
    kind, chosen = draw.choice([*HEADERS * 2, *("sha", "siblings", "flood") * 2, *rare]), draw.random()
    file = draw.choice([CONFIG, CONFIG, WEIGHTS, TOKENIZER, "README.md", "/api/"])
    location = draw.choice([name, "file:///etc/passwd", "http://127.0.0.1:9/", "http://[::1", "/me/tiny/resolve/x/y"])
    number, said = draw.choice(["-1", "nan", "1", "9" * 14, "", "1e3"]), draw.choice(["", "no\tway " * 900, "\x1b[31m"])
    status = draw.choice([200, 204, 206, 301, 400, 401, 403, 404, 416, 429, 451, 500, 504])
    received: list[int] = []

    class Hostile(Handler):
        def handle(self) -> None:
            with contextlib.suppress(OSError):
                super().handle()

        def send(self, answer: int, content: bytes, headers: dict[str, str]) -> None:
            reached = file in self.path or (file == WEIGHTS and self.path.startswith("/large/"))
            again = random.Random(chosen)
            if kind in headers:
                headers[kind] = number if kind == "X-Linked-Size" else name if kind == "X-Repo-Commit" else f'"{name}"'
            elif kind in ("sha", "siblings", "JSON") and self.path.startswith("/api/"):
                siblings = [{"rfilename": one} for one in [*bad, CONFIG] * 50]
                parts = {"sha": {"sha": name}, "siblings": {"siblings": siblings}}
                found = json.loads(content)
                content = json.dumps(found | parts[kind]).encode() if kind in parts else edited_text(again, content)
            elif reached and kind == "length":
                headers["Content-Length"] = draw.choice([number, str(len(content) + 7), str(max(0, len(content) - 7))])
            elif reached and kind == "redirect":
                answer, headers["Location"] = draw.choice([301, 302, 307, 308]), location
            elif reached and kind == "status":
                answer, headers["X-Error-Message"] = status, said
            elif reached and kind == "content":
                content = damaged(again, content)
            elif reached and kind == "gzip" and answer == 200:
                content, headers["Content-Encoding"] = gzip.compress(bytes(2**29), 1), "gzip"
            elif reached and kind == "stall" and self.command == "GET":
                super().send(answer, content[:-9], {"Content-Length": str(len(content)), **headers})
                self.connection.settimeout(20)
                self.connection.recv(1)
                return
            elif reached and kind == "flood" and self.command == "GET" and answer == 200:
                self.send_response(200)
                for one, text in {**headers, "Transfer-Encoding": "chunked"}.items():
                    self.send_header(one, text)
                self.end_headers()
                while sum(received) < 300 * 2**20:
                    self.wfile.write(b"100000\r\n" + b" " * 2**20 + b"\r\n")
                    received.append(2**20)
                self.close_connection = True
                return
            super().send(answer, content, headers)

    server = stack.enter_context(stand_in())
    server.RequestHandlerClass = Hostile
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    published(server, at / "tiny")
    environment = at_home(server, at.parent / "home" / "a" / "b")
    environment |= {"HF_HUB_DOWNLOAD_TIMEOUT": "1", "HF_HUB_ETAG_TIMEOUT": "1"}
    model, names, what = "hf://me/tiny", rf"me(/|--)tiny|HF_ENDPOINT|{re.escape(file)}", f"{kind} {name[:60]} {file}"
    if kind == "name":
        part = draw.choice(PARTS)
        model, what = f"hf://{part}", f"name {part}"
        names = "^(?!.*did not answer).*" + re.escape(part[:9].partition("\n")[0])
    elif kind == "endpoint":
        endpoints = [*ENDPOINTS, server.url + "/x/y", "http://127.0.0.1:9", "http://a%20b/"]
        environment["HF_ENDPOINT"] = what = draw.choice(endpoints)
        what, names = f"HF_ENDPOINT={what}", "HF_ENDPOINT" if what in ENDPOINTS else names
    train = ["train", "book.txt", "--base", model, "--steps", "2", "--out", "new"]
    push = ["push", "tiny", model.removeprefix("hf://"), "--yes"]
    command = draw.choice([*[["info", model]] * 5, ["generate", model, "--max-tokens", "5"], train, push])
    case = Case(command, what, names, outputs=("new",), environment=environment, received=received)
    case.patience, case.memory = (12.0 if kind == "stall" else 6.0), 1e9
    return case


# ---- tables

WRONG = ["abc", "1_0", "inf", "-inf", "1e300", "12 kg", "--5", "x" * 10**5]
CELLS = ["nan", "", "1,5", '"', "=cmd|' /C calc'!A0", "\0", "9" * 400, "é"]
DATES = ["abc", "not a date", "2024-13-45", "0000-00-00", "2024-01-01T25:00", "1e99", "-1"]


def parquet(draw: random.Random) -> Spoilt:
    from tests.wings.series.seasons import hourly

    n, values = 96, hourly(0, 4, ["a"])["a"]
    dates: Any = np.arange("2024-01-01", "2024-01-05", dtype="M8[h]").astype("M8[us]")
    wrong: dict[str, Any] = {"text": ["abc"] * n, "list": [[1.0]] * n, "struct": [{"a": 1}] * n, "bytes": [b"\xff"] * n}
    wrong |= {"inf": np.full(n, np.inf), "nan": np.full(n, np.nan), "large": np.full(n, 1e300), "null": [None] * n}
    others: dict[str, Any] = {"missing text": [None, *["1"] * (n - 1)], "bool": [True] * n, "sound": values}
    others["decimal"] = pyarrow.array([None, *[1] * (n - 1)]).cast(pyarrow.decimal128(19, 0))
    kinds = wrong | others | {"dictionary": pyarrow.array(["1"] * n).dictionary_encode()}
    kind = draw.choice([*kinds, "equal rows", *["damaged"] * 4])
    table = {"unique_id": ["a"] * n, "ds": dates, "y": kinds.get(kind, values)}
    if wrong_dates := draw.random() < 0.2:
        table["ds"] = draw.choice([*kinds.values(), pyarrow.array(dates, pyarrow.timestamp("ns", "Asia/Tokyo"))])
    made = pyarrow.table(table)
    if kind == "equal rows":
        row = pyarrow.table({name: [made[name][0].as_py()] * 10**5 for name in table})
        made = pyarrow.concat_tables([row] * draw.choice([9, 300]))
    pyarrow.parquet.write_table(made, file := io.BytesIO())
    content = damaged(draw, file.getvalue()) if kind == "damaged" else file.getvalue()
    return content, f"parquet {kind}" + " and dates" * wrong_dates, kind in wrong or kind == "equal rows"


def tables(draw: random.Random, at: Path, stack: contextlib.ExitStack) -> Case:
    from tests.wings.series.seasons import hourly, hourly_csv

    series = hourly(draw.randrange(99), days=4)
    rows = [line.split(",") for line in hourly_csv(series).decode().splitlines()]
    name, place, certain = "t.csv", "", True
    kind = draw.choice(["cell", "cell", "date", "shape", "bytes", "bytes", "parquet", "parquet", "json", "place"])
    line, last = draw.randrange(1, len(rows)), len(rows)
    if kind in ("cell", "date"):
        wrong = WRONG if kind == "cell" else DATES
        rows[line][2 if kind == "cell" else 1] = cell = draw.choice(wrong * 2 + CELLS)
        certain, kind = cell in wrong, f"line {line + 1}, {kind} {cell[:30]}"
        place = r", (line|row) \d" if certain else ""
    elif kind == "shape":
        kind = draw.choice(["less", "more", "no names", "same name", "twice", "one row", "reversed", "shuffled", "gap"])
        changes: dict[str, Callable[[], object]] = {"less": rows[line].pop, "more": lambda: rows[line].append("7")}
        changes |= {"no names": lambda: rows.pop(0), "same name": lambda: rows[0].__setitem__(2, "ds")}
        changes |= {"twice": lambda: rows.extend(rows[1:]), "one row": lambda: rows.__delitem__(slice(2, last))}
        certain = kind in changes
        changes |= {"reversed": rows.reverse, "shuffled": lambda: draw.shuffle(rows)}
        changes["gap"] = lambda: rows.__delitem__(slice(5, draw.randrange(6, last)))
        changes[kind]()
    content = "\n".join(map(draw.choice(",,,;\t").join, rows)).encode()
    if kind == "bytes":
        wrongs = {"bomb": b"", "NUL": content + bytes(99), "zip": archive({name: content})}
        wrongs |= {"utf-16-le": content.decode().encode("utf-16-le"), "name": content}
        packed, text = gzip.compress(content), content.decode()
        sound = {"gzip": packed, "damaged gzip": damaged(draw, packed), "utf-16": text.encode("utf-16")}
        sound |= {"quote": content[:200] + b'"' + content[200:], "damaged": damaged(draw, content)}
        kind = draw.choice([*wrongs, *sound])
        content, certain = (wrongs | sound)[kind] or gzip.compress(bytes(2**30), 1), kind in wrongs
        name = "t.parquet" if kind == "name" else name
    elif kind == "parquet":
        (content, kind, certain), name = parquet(draw), "t.parquet"
    elif kind == "json":
        content = draw.choice([json.dumps({key: list(value) for key, value in series.items()}), "[" * 10**5]).encode()
    (at / name).write_bytes(content)
    if kind == "place":
        kind = misplace(draw, at / name, ())  # no pipe: a command would wait for its writer
    trained = ["forecast", "series", name, "--horizon", "3"]
    command = draw.choice([trained, ["forecast", name, "--horizon", "3", "--method", "naive"]])
    return Case(command, kind, re.escape(name) + place, certain, ("series",), patience=10 if "equal" in kind else 5)


# ---- folders of models and runs


def calibration() -> Any:
    from afterword.wings.odd.calibration import ByLength, Calibration

    usual = ByLength((0.0, 0.0), (0.0, 0.0, 1.0))
    return Calibration(np.arange(50, dtype=np.float32), (1.0, 9.0), usual, usual, usual, 9.0, ("[0-9]+",), "both")


REPEATED = words(r"(?:a+)+b (?:ab)+ \p{L} [a-z&&[^b]] (a*)\1 \X .* (?>a+)+ (?:a?)a \x{61} (?R)?a (?<=a)b? a|b")
NESTED = [words(pair) for pair in ("( )", "(?:a+ )+", "(?= )", "(?<= )", "(?> )*", "(?: ){1,9}", "(?: ){e<=2}")]


def mask(draw: random.Random) -> str:
    """Return a hostile mask: repeated literals, nested, counted or fuzzy, or any characters."""
    n, k = draw.choice([50, 500, 5000, 9980]), draw.choice([3, 30, 300, 3000, 10**9])
    word = "".join(draw.choices("abß", [9, 9, 1], k=draw.randrange(1, 6)))
    periodic, repeated, (begin, end) = (word * n)[:n], draw.choice(REPEATED), draw.choice(NESTED)
    nested = n // len(begin + end)
    counted = [f"(?:{word}){{{k}}}", f"((a{{1,{k}}}){{1,{k}}}){{1,{k}}}", f"(?:a?){{{k}}}a{{{k}}}", f"(?<=a{{1,{k}}})b"]
    fuzzy = [f"(?:{periodic[: n // 2]}){{e<={k}}}", f"(?b)(?:{periodic[:200]}){{e}}", f"(?:{word}){{i<=3,d<=3}}"]
    words = ["|".join(word * j for j in range(1, 99)), "|".join(f"a{j}" for j in range(n // 6)), f"[{periodic[:-2]}]"]
    plain = [periodic] * 3 + [f"(?{flag}){periodic[:-6]}" for flag in ("i", "r", "fi", "b")]
    soup = "".join(draw.choices(r"ab()[]{}|*+?.\1,^$-e<=:", k=min(n, 300)))
    others = [repeated * (n // len(repeated)) + "b", begin * nested + "a" + end * nested, soup]
    return draw.choice([*plain, *counted, *fuzzy, *words, *others * 2])[:9990]


def masked(draw: random.Random, folder: Path) -> str:
    """Write a calibration with a hostile mask, with correct checksums, for the model in `folder`; return the mask."""
    tensors, about = calibration().record()
    seal(folder / "calibration.safetensors", tensors, about | {"masks": [found := mask(draw)]})
    reseal(folder)
    return found


def folders(draw: random.Random, at: Path, stack: contextlib.ExitStack) -> Case:
    model = draw.choice(["tiny", "tiny", "lines", "lines", "series", "run"])
    kind = draw.choice(["bytes", "place", "JSON", "tensors"])
    files = sorted(file for file in (at / model).rglob("*") if file.is_file())
    suffix = {"JSON": ".json", "tensors": ".safetensors"}.get(kind, "")
    files = [one for one in files if kind != "tensors" or "checkpoints" not in one.parts]
    file = draw.choice([one for one in files if one.name.endswith(suffix)])
    certain = (file.suffix == ".safetensors" or file.name in (TOKENIZER, CONFIG)) and kind in ("bytes", "place")
    if kind == "bytes":
        file.write_bytes(damaged(draw, file.read_bytes()))
        certain &= file.suffix == ".safetensors"  # the checksums of others are corrected below
    elif kind == "place":
        kind = misplace(draw, file)
    elif kind == "JSON":
        file.write_bytes(text := edited_text(draw, file.read_bytes()))
        kind = f"JSON {text[:60]!r}"
    else:
        tensors, about = read_tensors(file)
        name = draw.choice([*tensors])
        tensors[name], kind, certain = spoilt(draw, tensors[name])
        seal(file, tensors, about if draw.random() < 0.7 else edited(draw, about))
        certain &= file.name == WEIGHTS
    reseal(file.parent if model == "run" else at / model)
    text_commands = [["generate", model, "--max-tokens", "9", "--seed", "1"], ["score", model, "book.txt", "--lines"]]
    text_commands += [["export", model, "--html", "page.html"], ["push", model, "me/tiny", "--yes"]]
    text_commands += [["calibrate", model, "book.txt"]] * (model == "lines")
    run_commands = [["train", "--resume", "run", "--more-minutes", "1e-9"], ["novelty", "run"]]
    commands = {"series": [["forecast", "series", "table.csv"]], "run": text_commands + run_commands}
    command = draw.choice([["info", model], *commands.get(model, text_commands)])
    certain &= model != "run" or ("model" in file.parts and command[0] != "train")
    names = rf"\b{model}\b|{re.escape(file.name)}" + "|hub" * (command[0] == "push")
    environment = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "x"}
    outputs = ("page.html", "run", "lines")
    return Case(command, f"{file.relative_to(at)}: {kind}", names, certain, outputs, environment=environment)


# ---- options

GIVEN = {"text": "abcd", "repository": "me/tiny", "others": "lines", "source": "table.csv", "novelty model": "run"}
GIVEN |= {"calibrate model": "lines", "accept model": "lines", "lines": "abcd"}
GIVEN |= dict.fromkeys(["model", "models"], "tiny") | dict.fromkeys(["texts", "file", "files", "good"], "book.txt")
ALSO = {"demo": "--out new --minutes 0.001", "forecast": "--minutes 0.001 --horizon 3"}
ALSO |= {"train": "--out new", "serve": "--port 0", "completion": "bash"}
DOCUMENTS = {
    "RTF": rb"{\rtf1\ansi{\fonttbl\f0 Arial;}\pard ",
    "PDF": b"%PDF-1.7\n%\xe2\xe3\n",
    "ZIP": b"PK\3\4",
    "Word": b"\xd0\xcf\x11\xe0",
}
SETTINGS = ["{} = {}", "[{}]", "\0", "=" * 9999, "a." * 9999 + "b=1", "x = " + "[" * 9999]  # in a file
SETTINGS += ["steps = 1\nsteps = 2", "\ufeff"]


def line_of(name: str) -> list[str]:
    """Return arguments with which a command does its work."""
    arguments = arguments_of(find_operation(name).request) if name in commands() else {}
    return [GIVEN.get(f"{name} {field}") or GIVEN[field] for field in arguments] + words(ALSO.get(name, ""))


def may_be(value: str, limits: Mapping[str, Any]) -> bool:
    """Return whether a number has a form that Python reads, and is within its declared limits."""
    if not re.fullmatch(r"[-+]?([\d_]+|[\d._]+(e[-+]?\d+)?|nan|inf)", value := value.strip(), re.IGNORECASE):
        return False
    number = float(value.replace("_", ""))
    least, above, most, below = (limits.get(name) for name in ("minimum", "above", "maximum", "below"))
    too_low = (least is not None and number < least) or (above is not None and number <= above)
    return not (too_low or (most is not None and number > most) or (below is not None and number >= below))


def options(draw: random.Random, at: Path, stack: contextlib.ExitStack) -> Case:
    name, given, certain, what = draw.choice([*commands()]), list[str](), False, ""
    command, line = program.get_command(click.Context(program), name), line_of(name)
    assert command is not None
    declared = kinds_of(find_operation(name).request) if name in commands() else []
    kinds = {field.name: (kind, field.metadata) for field, kind in declared}
    known = [one for one in command.params if isinstance(one, click.Option) and one.name != "config"]
    some = draw.choice([0, 1, 1, 1, 2, 2, 3])
    for option in draw.sample(known, min(len(known), some)):
        flag = draw.choice([*option.opts, *option.secondary_opts])
        kind, about = kinds.get(option.name or "", (Kind((str,)), {}))
        listed = re.findall(r"[\w-]+", str(option.metavar or "|".join(getattr(option.type, "choices", ()))))
        is_number = int in kind.types or float in kind.types
        pool = NUMBERS * 2 + TEXTS if is_number else PATHS if os.PathLike in kind.types else None
        others = [*TEXTS * 2, *NUMBERS[:3], *listed]
        value = draw.choice(pool or others)
        if (flag, value) == ("--train", ".."):  # where runs are then made, as was asked
            value = "."
        if draw.random() < 0.08:
            flag, certain = flag + draw.choice(["x", "é", "\n"]), True
        if is_number and flag not in line:  # the last of several counts
            certain |= not may_be(value, about)
        joined = [f"{flag}={value}"] if flag.startswith("--") else [flag, value]
        given += [flag] if option.is_flag and draw.random() < 0.9 else joined
    if name == "train" and draw.random() < 0.3:
        key = draw.choice(["steps", "hidden-size", "Steps", "minutes", "lines", "gone", "base", ""])
        setting = draw.choice([*NUMBERS, '"x"', "true", "[]", "{a=1}"])
        text = draw.choice([*SETTINGS[:1] * 9, *SETTINGS]).replace("{}", key, 1).replace("{}", setting)
        (at / "c.toml").write_bytes(damaged(draw, text.encode()) if draw.random() < 0.2 else text.encode())
        given += ["--config", "c.toml"]
    if draw.random() < 0.05:
        name, certain = draw.choice([name + "x", "é", "a\nb", "--gone"]), True
    elif draw.random() < 0.05 and line:
        line[draw.randrange(len(line))], certain = draw.choice(TEXTS), False
    elif draw.random() < 0.5 and "book.txt" in line and not given:
        what, certain = draw.choice([*DOCUMENTS]), True
        (at / "book.txt").write_bytes(DOCUMENTS[what] + (at / "book.txt").read_bytes())
    line = draw.choice([given + line, line + given])
    parts = {part for word in [*line, name] for part in (*word[:30].split("="), word.replace("-", "_")[2:12])}
    shown = {part.strip("- \n").partition("\n")[0] for part in parts} | {"missing", "token", "c.toml"}
    outputs = ("afterword-demo", *(word.partition("=")[2] for word in line), *line)
    outputs = tuple(f"{one}{types}" for one in outputs for types in ("", ".d.ts"))  # of the option --js
    outputs = tuple(one for one in outputs if "--overwrite" in line or not (at / one[:200]).exists())
    shown |= {repr(part)[1:-1] for part in shown}
    names = "|".join([r"\s-[\s:]", r"'\s+'|\sat\s\s", "surrogate", *map(re.escape, filter(None, shown))])
    seconds, environment = 3.0 if name == "serve" else 10.0, {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "x"}
    timing: dict[str, Any] = {"interrupt": seconds, "patience": seconds + (60 if name == "demo" else 5)}
    kept = ("new", "lines", *outputs)
    return Case([name, *line], what, names, certain, kept, (0, 1, 2, 130), environment, **timing)


# ---- interrupts

INTERRUPTED = {
    line.split()[0].strip("-"): line.split()
    for line in (
        "--help",
        "train book.txt --out run --overwrite --steps 2000 --hidden-size 8 --threads 1",
        "plan book.txt --minutes 1",
        "generate tiny --max-tokens 200000 --out written --overwrite",
        "score tiny long.txt --lines",
        "surprises tiny long.txt --html page.html --overwrite",
        "odd many.txt book.txt --network 1",
        "calibrate lines long.txt",
        "inspect tiny abcd --html gates.html --overwrite",
        "serve tiny --port 0",
        "info tiny",
    )
}


def interrupted(at: Path, command: str, moment: float, number: int = signal.SIGINT, script: bool = False) -> Case:
    """Return the case of a command that gets a signal so many seconds after its start."""
    (at / "many.txt").write_bytes((at / "book.txt").read_bytes() * 3)
    (at / "long.txt").write_text("abcd cab\n" * 40_000)
    what, statuses = f"signal {number} after {moment:.3f} s", (0, 128 + number, -number)
    outputs = ("run", "written", "page.html", "gates.html", "lines")
    timing: dict[str, Any] = {"interrupt": moment, "patience": moment + 5}
    return Case(INTERRUPTED[command], what, "", False, outputs, statuses, number=number, script=script, **timing)


def interrupts(draw: random.Random, at: Path, stack: contextlib.ExitStack) -> Case:
    moment = draw.uniform(0, 0.6) if draw.random() < 0.8 else draw.uniform(0.6, 3)
    number = draw.choice([signal.SIGINT, signal.SIGINT, signal.SIGTERM])
    return interrupted(at, draw.choice([*INTERRUPTED]), moment, number, script=draw.random() < 0.25)


# ---- HTTP

METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "gEt", "X" * 99]
TARGETS = ["/", "/v1/models/{}", "/v1/runs/{}", "/static/{}", "/tokenizer_info?model={}", "/v1/runs/{}?after={}", "/{}"]
IDS = ["a" * 9000, "9" * 30, *words("%00 ..%2f..%2fetc/passwd ../../outside %ff tiny -1 %0d%0aX:y é ? *")]
PIECES = b"\r|\n|\0|\t| |:|\xff|\xff\xfe|\r\n\r\n|%00|GET|PRI|CONNECT|HTTP/9.9|HTTP/1.0|HTTP/2|*|http://evil/".split(
    b"|"
)
PIECES += b" -1| 1e3| 0x9| 99999999999999999999| 1, 1|1e999|NaN".split(b"|")
PIECES += [b"\r\nTransfer-Encoding: chunked", b"\r\nTransfer-Encoding: gzip, chunked", b"\r\nExpect: 100-continue"]
PIECES += [b"\r\nUpgrade: websocket", b"\r\n folded", b"a" * 20_000, b"{" * 5000, b"[" * 5000, b'"\\ud800"', b"../" * 9]
STRINGS = words("tiny lines ab abcd (a+)+b [a-z]{1,9000} é\0 ../x forget=1 a{1,9}{1,9}{1,9}")
KINDS = [*[JSON] * 30, "", "Content-Type: text/plain\r\n", JSON + "Content-Encoding: gzip\r\n"]


def value(draw: random.Random, schema: dict[str, Any], known: dict[str, Any]) -> Any:
    """Return a value that `schema` allows, or sometimes any other."""
    schema = known[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    low, high, kind = schema.get("minimum", -1), schema.get("maximum", 10**6), schema.get("type")
    if draw.random() < 0.03:
        return draw.choice(VALUES)
    if "anyOf" in schema:
        return value(draw, draw.choice(schema["anyOf"]), known)
    if kind == "object":
        needed, fields = schema.get("required", ()), schema.get("properties", {}).items()
        return {name: value(draw, one, known) for name, one in fields if name in needed or draw.random() < 0.15}
    if kind == "array":
        return [value(draw, schema.get("items", {}), known) for _ in range(draw.choice([0, 1, 2, 9, 200]))]
    if kind in ("integer", "number"):
        return draw.choice(
            [low, high, low - 1, high + 1, *[1, 2, 5] * 3, *([0.5, 1e300, -0.0] if kind == "number" else [])]
        )
    texts = [*STRINGS, "", "abcd cab\n" * 60, "a" * draw.choice([300, 10_000])]
    return draw.choice(schema.get("enum") or (texts if kind == "string" else [None, True, False]))


REQUESTS = (*["body"] * 6, "JSON", "raw", "raw", "target")


def http_request(
    draw: random.Random, api: dict[str, Any], port: int, kinds: Sequence[str] = REQUESTS
) -> tuple[bytes, str, bool, bool]:
    """Return a request, a description, whether it must be refused, and whether it is valid HTTP."""
    head = f"Host: 127.0.0.1:{port}\r\nConnection: close\r\n"
    kind = draw.choice(kinds)
    if kind == "target":
        method, target = draw.choice(METHODS), draw.choice(TARGETS).replace("{}", draw.choice(IDS))
        return f"{method} {target} HTTP/1.1\r\n{head}\r\n".encode(), f"{method[:9]} {target[:80]}", False, False
    posts = {path: ways["post"] for path, ways in api["paths"].items() if "requestBody" in ways.get("post", {})}
    path = draw.choice([*posts])
    schemas = api["components"]["schemas"]
    schema = posts[path]["requestBody"]["content"]["application/json"]["schema"]
    found = value(draw, schema, schemas)
    if isinstance(found, dict) and '"model"' in json.dumps(schemas.get(schema["$ref"].rpartition("/")[2])):
        found["model"] = draw.choice([*["tiny", "lines"] * 5, found.get("model")])
        fields = [*schemas[schema["$ref"].rpartition("/")[2]]["properties"]]
        found |= {name: draw.choice(VALUES) for name in draw.choices(fields, k=draw.randrange(4)) if name != "model"}
    body = json.dumps(found).encode()
    if kind == "JSON":
        body = draw.choice([body[:-1], body + b"x", b"\xff" + body, b"'a'", *(one.encode() for one in DEEP)])
    path = path.replace("{id}", draw.choice(["x", "..", "a%2fb"]))
    parts = [b"POST", b" ", path.encode(), b" ", b"HTTP/1.1", b"\r\n"]
    parts += [*re.split(rb"(\r\n|:)", f"{head}{draw.choice(KINDS)}Content-Length: {len(body)}\r\n\r\n".encode()), body]
    for _ in range(draw.randrange(1, 4) if kind == "raw" else 0):
        place, piece = draw.randrange(len(parts)), draw.choice([*PIECES, draw.randbytes(9)])
        parts[place] = draw.choice([b"", parts[place]]) + piece
    return b"".join(parts), f"{kind} {path} {body[:80]!r}", kind == "JSON", kind != "raw"


GRAMMARS: dict[str, Grammar] = {"hub": hub, "tables": tables, "folders": folders}
GRAMMARS |= {"options": options, "interrupts": interrupts}
