"""Attack the commands and the server with random cases: `make attack`, or

    python -m tests.hostile.attack [--seed N] [--kind NAME] [--cases N] [--case N]

Every case runs the real command or asks a real server, in its own folder, with other files in and around it. Print a
line per fault, then a table of what became of the cases of each kind. Exit with 1 if there is a fault. Another seed
draws other cases; `--case` repeats one case of a kind and shows it.

A fault is a file that was not asked for and was written, changed or removed; a result in place of a certain refusal;
a traceback, a signal, an error of several lines, an unintended exit or HTTP status; a path in an answer; no answer or
end within 60 s, or a server's /health later than 1 s; more than 2 GB of memory or 200 MB of disk.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from afterword.cli.main import program
from afterword.commands import commands, find_operation
from afterword.model.folder.tensors import read_tensors
from afterword.operations.operation import arguments_of
from afterword.text.formats import FORMATS
from benchmarks.commands import as_written
from tests.cases import cases
from tests.hostile.test_found import BOOK, SMALL, contents
from tests.model.test_whole import WRONG, changed
from tests.processes import running
from tests.sealing import reseal, seal
from tests.serving.server import ENVIRONMENT, Serving, serving
from tests.tiny import save_tiny

CASES = {"files": 700, "http": 400, "options": 1200, "interrupts": 750}
COLUMNS = ["cases", "done", "refused", "interrupted", "faults"]
SECONDS, FREEZE, DISK, MEMORY = 60.0, 1.0, 200e6, 2e9
AT_ONCE = 10  # cases of one worker, which share a server
REQUESTS = [*["body"] * 6, "JSON", "raw", "raw", "raw"]
JSON = "Content-Type: application/json\r\n"
NEIGHBOURS = [f".{name}.{ending}/README.md" for name in ("td", "new", "run", "lines") for ending in ("new", "old")]
NEIGHBOURS += ["notes.txt", ".hidden/mine.txt", ".new/mine.txt", ".mine.part", "../outside/precious.txt"]
NEIGHBOURS += ["../home/x", "../tmp/x"]

# ---- damage

words = str.split
Draw = random.Random
WORDS = words("abc - -- é\u202e %s{0} $(id) [ (a+)+b .. / gone/x 0 -1 1 3 0.5 1e300 1e-300 nan inf 1_0 1,5 0x1 tiny")
WORDS += ["", " ", "a\nb", "\udcff", "x" * 5000, "9" * 30, *words("/dev/full /proc/self/mem notes.txt 2024-13-45")]
NOT_JSON = ["[" * 10**5, '{"a":' * 10**5, "9" * 5000, '"\\ud800"', "1e999", "", "'a'"]
VALUES = [*WRONG, *WORDS, 2**63, 1e308, "\ud800", "\0", "a" * 10**5, "../../outside/evil", ["a"] * 999, [[]] * 999]


def damaged(draw: Draw, content: bytes) -> bytes:
    """Return other bytes than `content`."""
    at, end = sorted(draw.choices(range(len(content) + 1), k=2))
    flipped = bytearray(content)
    for _ in range(draw.choice([1, 3, 30]) if content else 0):
        flipped[draw.randrange(min(len(content), draw.choice([64, 10**9])))] ^= 1 << draw.randrange(8)
    found = draw.choice([content[:at], content[at:], content[:at] + draw.randbytes(8) + content[end:], bytes(flipped)])
    return found if found != content else content + b"\0"


def misplace(draw: Draw, file: Path, *others: str) -> str:
    """Replace `file` by something else; return a description."""
    sizes = {"empty": 0, "large": 2**31 + 9, "huge": 2**40}  # sparse
    links = ["/dev/zero", "/proc/self/mem", file.name, "gone", "../outside/precious.txt"]
    kind = draw.choice(["missing", *others, *sizes, *links])
    file.unlink()
    if kind in sizes:
        file.touch()
        os.truncate(file, sizes[kind])
    elif kind in links:
        file.symlink_to(kind)
    elif kind != "missing":
        (os.mkfifo if kind == "pipe" else os.mkdir)(file)
    return f"{file.name} is {kind}"


# ---- commands: each kind draws a case and prepares it in the folder `at`


@dataclass
class Case:
    """A command, what it may write, and whether it must refuse."""

    what: str
    command: list[str]
    outputs: list[str]
    certain: bool = False
    moment: float = SECONDS
    """When it gets the signal `number`, in seconds."""
    number: int = signal.SIGKILL


LINES = ["train book.txt --out new --steps 2", "plan book.txt --minutes 1", "score tiny book.txt --lines"]
LINES += ["odd book.txt book.txt --network 1", "calibrate lines book.txt", "forecast series table.csv --horizon 3"]
LINES += ["forecast table.csv --horizon 3 --method naive", "info lines", "push lines me/tiny --yes", "novelty run"]
LINES += ["export tiny --html page.html", "train --resume run --more-minutes 1e-9"]
LINES += ["generate tiny --max-tokens 9", "generate run --max-tokens 9"]
LONG = ["train book.txt --out new --hidden-size 8", "plan book.txt --minutes 1", "calibrate lines long.txt"]
LONG += ["generate tiny --max-tokens 200000 --out new", "surprises tiny long.txt --html page.html", "serve tiny"]


def one_of(draw: Draw, lines: Sequence[str]) -> list[str]:
    """Return a command that is there: a wing may be away."""
    return draw.choice([line for line in lines if line.split()[0] in commands()]).split()


def files(draw: Draw, at: Path) -> Case:
    command = one_of(draw, LINES)
    given = draw.choice([at / word for word in command if (at / word).exists()])
    within = sorted(one for one in given.rglob("*") if one.is_file() and "checkpoints" not in one.parts)
    file = draw.choice(within or [given])
    content = file.read_bytes()
    ways: dict[str, Callable[[], bytes]] = {
        "bytes": lambda: damaged(draw, content),
        "packed": lambda: damaged(draw, gzip.compress(content)),
        "bomb": lambda: gzip.compress(bytes(2**30), 1),
        "encoded": lambda: content.decode("latin-1").encode(draw.choice(words("utf-16 utf-16-le utf-32 utf-7"))),
        "document": lambda: draw.choice(FORMATS).signature + content,
    }
    way = draw.choice(["place", *["within"] * 5, *ways])
    if way == "place":
        way = misplace(draw, file, "folder", *["pipe"] * bool(within))  # for a text's pipe a command would wait
    elif way != "within":
        file.write_bytes(ways[way]())
    elif file.suffix == ".json":
        text = json.dumps(next(changed(json.loads(content), 1, draw.randrange(10**9))))
        file.write_text(draw.choice([*[text] * 8, text[:-1], text * 2, *NOT_JSON]))
    elif file.suffix == ".safetensors":
        tensors, about = read_tensors(file)
        name = draw.choice([*tensors])
        new = np.array(tensors[name], np.float32)
        wrong = [new.reshape(-1, 1, 1), new[:-1], new[:0], new.sum(), new * 0, new.astype(np.int8)]
        tensors[name] = draw.choice([*wrong, *(np.full(new.shape, one) for one in (np.nan, np.inf, -1, 1e300))])
        seal(file, tensors, about)
    else:
        cells = re.split(rb"([,\s]+)", content)
        cells[draw.randrange(len(cells))] = draw.choice(WORDS).encode("utf-8", "surrogateescape")
        file.write_bytes(b"".join(cells))
    if within:
        reseal(file.parent if given.name == "run" else given)
    certain = way == "bomb" and not within
    return Case(f"{file.relative_to(at)}: {way}", command, ["new", "lines", "page.html", "run"], certain)


GIVEN = {"text": "abcd", "repository": "me/tiny", "others": "lines", "source": "table.csv", "lines": "abcd"}
GIVEN |= dict.fromkeys(["model", "models"], "tiny") | dict.fromkeys(["texts", "file", "files", "good"], "book.txt")
ALSO = {"demo": "--out new --minutes 0.001", "forecast": "--minutes 0.001 --horizon 3", "train": "--out new"}


def options(draw: Draw, at: Path) -> Case:
    name = draw.choice([*commands()])
    command = program.get_command(click.Context(program), name)
    assert command is not None
    line = [GIVEN[one] for one in arguments_of(find_operation(name).request)] + words(ALSO.get(name, ""))
    known, certain = [one for one in command.params if isinstance(one, click.Option)], draw.random() < 0.08
    for option in draw.sample(known, min(len(known), draw.choice([0, 1, 1, 2, 3]))):
        listed = re.findall(r"[\w-]+", str(option.metavar or "|".join(getattr(option.type, "choices", ()))))
        flag, word = draw.choice(option.opts), draw.choice([*WORDS, *listed * 3])
        if (flag, word) != ("--train", ".."):  # where runs are then made, as was asked
            line.insert(draw.choice([0, len(line)]), flag if option.is_flag else f"{flag}={word}")
    outputs = ["new", "lines", "tiny", "afterword-demo", *(word.partition("=")[2] for word in line)]
    outputs = [f"{one}{types}" for one in outputs for types in ("", ".d.ts")]  # of the option --js
    return Case("", [name, *line, *["--gone"] * certain], outputs, certain, 10, signal.SIGINT)


def interrupts(draw: Draw, at: Path) -> Case:
    (at / "long.txt").write_text("abcd cab\n" * 40_000)
    moment, number = draw.choice([0.6, 0.6, 0.6, 3]) * draw.random(), draw.choice([signal.SIGINT, signal.SIGTERM])
    what = f"signal {number} after {moment:.3f} s"
    return Case(what, one_of(draw, LONG), ["new", "page.html", "lines"], False, moment, number)


KINDS = {"files": files, "options": options, "interrupts": interrupts}


class Done(NamedTuple):
    """A case that has ended, and what is wrong with it."""

    what: str
    result: str
    faults: list[str]


def make_fixtures(place: Path) -> None:
    """Make what every case starts with: models, a run, texts and tables."""
    save_tiny(place / "tiny", mixed=True)
    save_tiny(place / "lines", lines=True, mixed=True)
    for name, save in cases("MODELS").items():
        save(place / name)
    for name, content in {**cases("FILES"), "book.txt": BOOK}.items():
        (place / name).write_bytes(content)
    for line in (["train", "book.txt", "--out", "run", "--base", "none", *SMALL], ["calibrate", "lines", "book.txt"]):
        if line[0] in commands():
            command = [sys.executable, "-m", "afterword", *line]
            subprocess.run(command, cwd=place, env=ENVIRONMENT, check=True, capture_output=True)


def lay_out(place: Path, fixtures: Path) -> Path:
    """Return a new working folder in `place`, with the fixtures and with other files that no command may touch."""
    at = place / "case"
    shutil.copytree(fixtures, at)
    for name in NEIGHBOURS:
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text("mine\n")
    (at / "elsewhere").symlink_to("../outside")
    return at


def attack_command(kind: str, draw: Draw, place: Path, fixtures: Path) -> Done:
    """Draw a case for a command, run it and judge it."""
    at = lay_out(place, fixtures)
    case = KINDS[kind](draw, at)
    before, was_ended = contents(place), False
    environment = {**ENVIRONMENT, "HF_HOME": f"{place}/home", "TMPDIR": f"{place}/tmp", "COLUMNS": "200"}
    environment |= {"AFTERWORD_DEBUG": "", "HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "x"}
    command = [word.encode("utf-8", "surrogateescape") for word in (sys.executable, "-m", "afterword", *case.command)]
    streams = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with running(command, fresh=True, cwd=at, env=environment, **streams) as process:
        try:
            _, err = process.communicate(b"abc\n" * 50, case.moment)
        except subprocess.TimeoutExpired:
            was_ended = True
            (os.kill if case.number == signal.SIGTERM else os.killpg)(process.pid, case.number)  # a terminal: to all
            with suppress(subprocess.TimeoutExpired):
                process.wait(SECONDS)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            _, err = process.communicate()
        status, said, after = process.wait(), err.decode("utf-8", "replace"), contents(place)
    faults = [*judged(case, status, said)]
    for path in sorted(path for path in before | after if before.get(path) != after.get(path)):
        name, _, rest = path.partition("/")
        is_output = name in ("home", "tmp") or (name == "case" and rest.partition("/")[0] in case.outputs)
        if not is_output:
            faults.append(f"{path} {'removed' if path not in after else 'changed' if path in before else 'written'}")
        elif rest.endswith(".html") and path in after and b"</html>" not in after[path][1]:
            faults.append(f"{rest} is half-written")
    if (taken := sum(one.lstat().st_blocks * 512 for one in place.rglob("*"))) > DISK:
        faults.append(f"took {taken / 1e6:.0f} MB")
    if (peak := resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024) > MEMORY:
        faults.append(f"{peak / 1e9:.1f} GB of memory, it or one before it")
    result = "done" if status == 0 else "interrupted" if was_ended else "refused"
    return Done(f"{case.what} {shlex.join(case.command)[:300]}", result, faults)


def judged(case: Case, status: int, said: str) -> Iterator[str]:
    """Judge the exit status of a command, and what it said."""
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    is_interrupted = case.number != signal.SIGKILL
    if "Traceback" in said or "Exception ignored" in said:
        if not is_interrupted or re.search(r'File "[^"]*/afterword/', said):
            yield f"traceback: {said[-200:]!r}"  # before any of our code runs, no program can prevent it
    elif case.certain and status == 0:
        yield "done, but a refusal was certain"
    elif found := re.search(r"\S+\.py:\d+.*|^\w*Warning:.*", said, re.M):
        yield f"warning: {found[0][:150]}"
    elif status in (1, 2) and (said.splitlines()[-1:] != errors or "AFTERWORD_DEBUG" in said):
        yield f"not one line: {said[:200]!r}"
    elif status == 130 and "interrupted" not in said and "--resume" not in said:
        yield f"does not report the interrupt: {said[-100:]!r}"
    elif status not in (0, 1, 2, *((130, 143, -case.number) if is_interrupted else ())):
        yield f"exit status {status}: {said[-150:]!r}"


# ---- the server

PIECES = [b"\r", b"\n", b"\0", b" ", b"\xff\xfe", b"\r\n\r\n", b"a" * 20_000, b"{" * 5000, b"../" * 9, b"\r\n folded"]
PIECES += b"GET PRI CONNECT HTTP/9.9 HTTP/1.0 * http://evil/ -1 1e3 0x9 99999999999999999999 1,1 1e999 NaN %00".split()
PIECES += [b"\r\nTransfer-Encoding: chunked", b"\r\nExpect: 100-continue", b"\r\nUpgrade: websocket"]
STRINGS = ["", "abcd cab\n" * 60, "a" * 10_000, *words("tiny lines ab (a+)+b [a-z]{1,9000} é\0 forget=1 a{9}{9}")]
TYPES = [*[JSON] * 30, "", "Content-Type: text/plain\r\n", JSON + "Content-Encoding: gzip\r\n"]


def value(draw: Draw, schema: dict[str, Any], known: dict[str, Any]) -> Any:
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
        numbers = [low, high, *[1, 2, 5] * 3]
        return draw.choice(numbers + [0.5, 1e300, -0.0] * (kind == "number"))
    return draw.choice(schema.get("enum") or (STRINGS if kind == "string" else [None, True, False]))


def http_request(draw: Draw, api: Any, port: int, kinds: Sequence[str]) -> tuple[bytes, bool, bool]:
    """Return a request, whether it must be refused, and whether it is valid HTTP."""
    head, kind = f"Host: 127.0.0.1:{port}\r\nConnection: close\r\n", draw.choice(kinds)
    posts = {path: ways["post"] for path, ways in api["paths"].items() if "requestBody" in ways.get("post", {})}
    path, schemas = draw.choice([*posts]), api["components"]["schemas"]
    schema = schemas[posts[path]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]]
    found = value(draw, schema, schemas)
    if isinstance(found, dict) and "model" in schema["properties"]:
        found["model"] = draw.choice([*["tiny", "lines"] * 5, found.get("model")])
        names = draw.choices([name for name in schema["properties"] if name != "model"], k=draw.choice([0, 0, 1, 2]))
        found |= {name: draw.choice(VALUES) for name in names}
    body = json.dumps(found).encode()
    if kind == "JSON":
        body = draw.choice([body[:-1], body + b"x", b"\xff" + body, *(one.encode() for one in NOT_JSON)])
    path = path.replace("{id}", draw.choice(["x", "..", "a%2fb"]))
    parts = [b"POST", b" ", path.encode(), b" ", b"HTTP/1.1", b"\r\n"]
    parts += [*re.split(rb"(\r\n|:)", f"{head}{draw.choice(TYPES)}Content-Length: {len(body)}\r\n\r\n".encode()), body]
    for _ in range(draw.randrange(1, 4) if kind == "raw" else 0):
        place, piece = draw.randrange(len(parts)), draw.choice([*PIECES, draw.randbytes(9)])
        parts[place] = draw.choice([b"", parts[place]]) + piece
    return b"".join(parts), kind == "JSON", kind != "raw"


def exchange(port: int, raw: bytes, seconds: float = SECONDS, half: bool = False) -> bytes | None:
    """Return all that a server sends after `raw` until it closes, None if nothing comes; `half`: it is told the end."""
    found = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as made, suppress(ConnectionError):
            with suppress(ConnectionError):
                made.sendall(raw)
            if half:
                made.shutdown(socket.SHUT_WR)
            while part := made.recv(65536):
                found += part
    except TimeoutError:
        return None
    return found


def answered(answer: bytes | None, certain: bool, place: Path, whole: bool) -> Iterator[str]:
    """Judge the answer to a request; `whole` if the request is valid HTTP."""
    if not answer:
        if answer is None or whole:
            yield f"no answer within {SECONDS:g} s" if answer is None else "closed without an answer"
        return
    status = int((re.findall(rb"^HTTP/1\.1 ([2-5]\d\d) ", answer, re.M) or [b"0"])[0])
    body = answer.rpartition(b"\r\n\r\n")[2]
    if (certain and status < 300) or (status >= 500 and status not in (503, 507)):
        yield f"status {status}: {body[:150]!r}"
    if status >= 400 and body and not re.search(rb'^\{"error": ?\{.*"message": ?"(?!.*\\n)', body):
        yield f"status {status} without the API's JSON, or with several lines: {body[:80]!r}"
    if str(place).encode() in answer:
        yield f"the answer shows a path of the server: {answer[-200:]!r}"


def attack_server(draw: Draw, server: Serving, place: Path) -> Done:
    """Draw a request, send it, ask for /health meanwhile, and judge the answer and the server."""
    raw, certain, whole = http_request(draw, server.get("/openapi.json").json, server.port, REQUESTS)
    before, answers, slowest = contents(place / "outside"), list[bytes | None](), 0.0
    asking = threading.Thread(target=lambda: answers.append(exchange(server.port, raw)), daemon=True)
    asking.start()
    while asking.is_alive() or not slowest:
        began = time.monotonic()
        assert server.get("/health").status == 200
        slowest = max(slowest, time.monotonic() - began)
        asking.join(0.01)
    faults = [*answered(answers[0], certain, place, whole)]
    if slowest > FREEZE:
        faults.append(f"/health took {slowest:.1f} s")
    peak = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())
    if int(peak[0]) * 1024 > MEMORY:
        faults.append(f"{int(peak[0]) / 2**20:.1f} GB of memory")
    if before != contents(place / "outside"):
        faults.append("written outside")
    for run in server.get("/v1/runs").json["data"]:
        server.post(f"/v1/runs/{run['id']}/stop", {})
    return Done(f"{raw[:300]!r}", "done" if b" 200 OK" in (answers[0] or b"")[:20] else "refused", faults)


# ---- the attack


def work(kind: str, numbers: Sequence[int], seed: int, fixtures: Path) -> Counter[str]:
    """Run some cases; print the faults, and count what became of the cases."""
    warnings.simplefilter("ignore")  # of NumPy, about drawn values
    found = Counter[str]()
    with tempfile.TemporaryDirectory(prefix="attack-") as folder, ExitStack() as stack:
        if kind == "http":
            at, limits = lay_out(Path(folder), fixtures), {"receive_timeout": 2, "max_output": 2000}
            served = (at / "tiny", at / "lines", "--train", at / "new", "--request-timeout", "30")
            server = stack.enter_context(serving(*served, limits=limits))
        for number in numbers:
            draw = Draw(f"{seed} {kind} {number}")
            if kind == "http":
                done = attack_server(draw, server, Path(folder))
            else:
                done = attack_command(kind, draw, Path(folder) / f"{number}", fixtures)
            if done.faults or len(numbers) == 1:
                print(f"{kind} {number}, seed {seed}: {done.what}: {done.result}: {done.faults}"[:1000], flush=True)
            found.update(["cases", done.result] + ["faults"] * bool(done.faults))
    return found


@click.command(help=as_written(__doc__))
@click.option("--seed", default=0, help="another one draws other cases")
@click.option("--kind", "kinds", multiple=True, type=click.Choice([*CASES]), help="once for each kind (default: all)")
@click.option("--cases", "count", type=int, help="cases of each kind (default: 400 to 1,200)")
@click.option("--case", "only", type=int, help="run only this case of each kind")
@click.option("--workers", default=2)
def main(seed: int, kinds: tuple[str, ...], count: int | None, only: int | None, workers: int) -> None:
    rows, faults = [f"| kind | {' | '.join(COLUMNS)} | seconds |", f"| --- |{' ---: |' * 6}"], 0
    with tempfile.TemporaryDirectory(prefix="attack-") as place, ProcessPoolExecutor(workers) as pool:
        make_fixtures(Path(place))
        for kind in kinds or CASES:
            began, total = time.monotonic(), count or CASES[kind]
            chunks = [range(first, min(first + AT_ONCE, total)) for first in range(0, total, AT_ONCE)]
            chunks = chunks if only is None else [range(only, only + 1)]
            found = sum(pool.map(partial(work, kind, seed=seed, fixtures=Path(place)), chunks), Counter[str]())
            cells = [kind, *(found[column] for column in COLUMNS), round(time.monotonic() - began)]
            rows.append(f"| {' | '.join(map(str, cells))} |")
            faults += found["faults"]
    print("\n".join(["", *rows]))
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
