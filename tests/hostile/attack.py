"""Attack the commands and the server with random cases: `make attack`, or

    python -m tests.hostile.attack [--seed N] [--class NAME] [--cases N] [--case N]

Every case runs the real command or asks a real server, in its own folder, with other files in and around it. Print a
line per finding, then a table. Exit with 1 if a finding is critical or major, or if more than 2 in 1,000 cases have a
minor finding. Another seed draws other cases; `--case` repeats one case and shows its output.

critical  a file outside the case's folder written, changed or removed; the server dead, or /health slower than 1 s
major     another file in the folder changed or removed; more than 2 GB of memory, 80 MB of disk or 60 s; a signal;
          a result instead of a certain refusal; a client without an answer
minor     a traceback, a path in the source, an error of several lines or without the name of what is wrong, an
          unintended exit or HTTP status, something left behind, slower than 5 s
python    a traceback of Ctrl-C before any of our code runs, which no program can prevent; not counted
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import click

from afterword.model.folder.saved import load_model, save_model
from benchmarks.commands import as_written
from tests.cases import cases
from tests.hostile.grammars import GRAMMARS, JSON, Case, calibration, http_request, masked
from tests.hostile.test_found import BOOK
from tests.hostile.test_texts import SMALL
from tests.processes import free_port, from_terminal
from tests.serving.server import ENVIRONMENT, Serving, serving
from tests.tiny import save_tiny

CASES = {"hub": 120, "tables": 180, "folders": 400, "http": 230, "options": 1200, "interrupts": 750}
SEVERITIES = CRITICAL, MAJOR, MINOR, PYTHON = ("critical", "major", "minor", "python")
SECONDS, DISK, FREEZE = 60.0, 200 * 10**6, 1.0
ADDRESSES = 16 * 2**30  # bytes of address space: more would only harm the machine
LARGEST_READ = 2**26
AT_ONCE = 10  # cases of one worker, which share a server
SERVER = "tiny lines --train own --request-timeout 30"
LIMITS = {"receive_timeout": 2, "max_output": 2000}
NEIGHBOURS = [f".{name}.{ending}/README.md" for name in ("td", "new", "run", "lines") for ending in ("new", "old")]
NEIGHBOURS += ["notes.txt", ".hidden/mine.txt", ".new/mine.txt", ".mine.part", "notes/.new", "../outside/precious.txt"]
WATCHED = [Path(sysconfig.get_paths()["purelib"]), Path.home(), Path(__file__).parents[2], Path(tempfile.gettempdir())]


@dataclasses.dataclass(frozen=True)
class Finding:
    severity: str
    kind: str
    number: int
    what: str
    command: str
    timed: bool = False


Verdicts = Iterator[tuple[str, str]]

# ---- the folder of a case


def make_fixtures(place: Path) -> None:
    """Make what every case starts with: models, a run, a text and a table."""
    save_tiny(place / "tiny", mixed=True)
    for name, save in cases("MODELS").items():
        save(place / name)
    for name, content in cases("FILES").items():
        (place / name).write_bytes(content)
    lines = load_model(save_tiny(place / "lines", lines=True, mixed=True))
    save_model(
        place / "lines", dataclasses.replace(lines, attachments={"calibration.safetensors": calibration()}), "# Lines\n"
    )
    (place / "book.txt").write_bytes(BOOK)
    command = [sys.executable, "-m", "afterword", "train", "book.txt", "--out", "run", "--base", "none", *SMALL]
    subprocess.run(command, cwd=place, env=ENVIRONMENT, check=True, capture_output=True)


def lay_out(place: Path, fixtures: Path) -> Path:
    """Return a new working folder in `place`, with the fixtures and with other files that no command may touch."""
    at = place / "case"
    shutil.copytree(fixtures, at)
    for name in NEIGHBOURS:
        (at / name).parent.mkdir(parents=True, exist_ok=True)
        (at / name).write_text("mine\n")
    (at / "elsewhere").symlink_to("../outside")
    for name in ("home", "tmp"):
        (place / name).mkdir()
    return at


def contents(place: Path) -> dict[str, Any]:
    """Return the type and content of each path in `place`, except in the folders of caches."""
    found: dict[str, Any] = {}
    for path in place.rglob("*"):
        key = str(path.relative_to(place))
        if not key.startswith(("home", "tmp")):
            status = path.lstat()
            is_file = stat.S_ISREG(status.st_mode)
            whole = path.read_bytes() if is_file and status.st_size <= LARGEST_READ else b""
            found[key] = (status.st_mode, is_file and status.st_size, whole, path.is_symlink() and os.readlink(path))
    return found


def watched() -> set[str]:
    """Return suspicious files in folders where nothing may appear: a module there would be executed."""
    names = {os.path.join(folder, name) for folder in WATCHED for name in os.listdir(folder)}
    return {name for name in names if re.search(r"\.(pth|pyc?)$|evil|canary|outside", name)}


def size(folder: Path) -> int:
    return sum(os.lstat(os.path.join(at, name)).st_blocks * 512 for at, _, files in os.walk(folder) for name in files)


def compared(case: Case, before: dict[str, Any], after: dict[str, Any]) -> Verdicts:
    """Judge the changes of files."""
    for path in sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path)):
        change = "removed" if path not in after else "changed" if path in before else "written"
        _, inside, rest = path.partition("case/")
        if not inside and path != "case":
            yield CRITICAL, f"{path} {change}"
        elif inside and rest.partition("/")[0] not in case.outputs:
            yield (MINOR, f"{rest} left behind") if change == "written" else (MAJOR, f"{rest} {change}")
        elif rest.endswith(".html") and path in after and b"</html>" not in after[path][2]:
            yield MAJOR, f"{rest} is half-written"


# ---- commands


class Done(NamedTuple):
    """A command that has ended."""

    status: int
    out: str
    err: str
    late: bool
    seconds: float
    processor: float
    memory: int


def execute(case: Case, place: Path) -> Done:
    """Run a command to its end, for at most `SECONDS`."""
    program = [f"{os.path.dirname(sys.executable)}/afterword"] if case.script else [sys.executable, "-m", "afterword"]
    environment = {**os.environ, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"], "OMP_NUM_THREADS": "1"}
    environment |= {"HF_HOME": f"{place}/home", "TMPDIR": f"{place}/tmp", "COLUMNS": "200", **case.environment}
    environment.pop("AFTERWORD_DEBUG", None)
    streams = [place / "tmp" / name for name in ("in", "out", "err")]
    streams[0].write_bytes(b"abc\n" * 50)
    command = [*map(os.fsencode, program), *(word.encode("utf-8", "surrogateescape") for word in case.command)]
    with contextlib.suppress(OSError):  # a new program inherits the peak memory of the process that starts it
        Path("/proc/self/clear_refs").write_text("5")
    with open(streams[0], "rb") as given, open(streams[1], "wb") as out, open(streams[2], "wb") as err, from_terminal():
        began = time.monotonic()
        process = subprocess.Popen(
            command, stdin=given, stdout=out, stderr=err, cwd=place / "case", env=environment, start_new_session=True
        )
    if hasattr(resource, "prlimit"):
        resource.prlimit(process.pid, resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    moment, ended, used, late, result = case.interrupt, 0, None, False, 0
    if moment is not None and moment >= 3:  # ends a command that works: a busy machine may need longer to refuse
        moment = min(moment * load(), SECONDS / 2)
    while not ended:
        ended, result, used = os.wait4(process.pid, os.WNOHANG)
        passed = time.monotonic() - began
        if not ended and moment is not None and passed >= moment:
            (os.killpg if case.number == signal.SIGINT else os.kill)(process.pid, case.number)  # a terminal signals all
            moment = None
        if not ended and passed > SECONDS:
            late = True
            os.killpg(process.pid, signal.SIGKILL)
        time.sleep(0 if ended else 0.002)
    assert used is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # the processes that it started
    process.returncode = os.waitstatus_to_exitcode(result)
    said, err_said = (stream.read_bytes().decode("utf-8", "replace") for stream in streams[1:])
    processor = used.ru_utime + used.ru_stime
    return Done(process.returncode, said, err_said, late, time.monotonic() - began, processor, used.ru_maxrss * 1024)


def load() -> float:
    """Return the number of processes per processor, at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def judged(case: Case, done: Done) -> Verdicts:
    """Judge the result and the output of a command."""
    lines = done.err.splitlines()
    statuses = frozenset({2}) if case.refused else frozenset(case.statuses)
    if done.late:
        yield MAJOR, f"more than {SECONDS:g} s"
        return
    raised = "Traceback" in done.err or "Exception ignored" in done.err
    ours = case.interrupt is None or re.search(r'File "[^"]*/afterword/', done.err)
    if done.memory > case.memory:
        yield MAJOR, f"{done.memory / 1e9:.1f} GB of memory"
    if done.status < 0 and done.status not in statuses:
        yield MAJOR, f"signal {-done.status}"
    elif case.refused and done.status == 0:
        yield MAJOR, f"done, but a refusal was certain: {done.out.strip()[-80:]!r}"
    elif done.status not in statuses and (ours or not raised):
        yield MINOR, f"exit status {done.status}: {done.err.strip()[-150:]!r}"
    if raised:
        yield MINOR if ours else PYTHON, f"traceback: {' '.join(lines[-3:])[:200]}"
    elif found := re.search(r"\S+\.py:\d+.*|^\w*Warning:.*", done.err, re.M):
        yield MINOR, f"warning: {found[0][:150]}"
    elif done.status in (1, 2):
        errors = [line for line in lines if line.startswith("error: ")]
        begins = case.interrupt is not None or "--resume" in case.command  # and may find the fault after a few notes
        if len(errors) != 1 or lines[-1:] != errors or (done.status == 2 and not begins and len(lines) > 1):
            yield MINOR, f"not one line: {done.err[:200]!r}"
        elif "AFTERWORD_DEBUG" in errors[0]:
            yield MINOR, f"an unexpected error: {errors[0][:200]}"
        elif not re.search(case.names, errors[0], re.IGNORECASE):
            yield MINOR, f"does not name what is wrong: {errors[0][:200]}"
    elif done.status == 130 and "interrupted" not in done.err and "--resume" not in done.err:
        yield MINOR, f"does not report the interrupt: {done.err[-100:]!r}"
    if done.processor > case.patience or done.seconds > case.patience * load():
        yield MINOR, f"slow: {done.seconds:.1f} s, {done.processor:.1f} s of the processor"


def attack_command(kind: str, number: int, seed: int, place: Path, fixtures: Path) -> tuple[Case, Done, list[Finding]]:
    """Draw a case for a command, run it and judge it."""
    at = lay_out(place, fixtures)
    with contextlib.ExitStack() as stack:
        case = GRAMMARS[kind](random.Random(f"{seed} {kind} {number}"), at, stack)
        before, room, known = contents(place), size(place), watched()
        done = execute(case, place)
    found = [*compared(case, before, contents(place)), *judged(case, done)]
    found += [(CRITICAL, f"{name} written") for name in watched() - known]
    if (more := max(size(place) - room, sum(case.received))) > DISK:
        found.append((MAJOR, f"took {more / 1e6:.0f} MB"))
    return case, done, findings(found, kind, number, case.what, shlex.join(["afterword", *case.command])[:300])


def findings(found: Iterable[tuple[str, str]], kind: str, number: int, case: str, command: str) -> list[Finding]:
    """Return one finding per severity, and another one for what was slow."""
    texts: dict[tuple[str, bool], list[str]] = {}
    for severity, what in found:
        texts.setdefault((severity, what.startswith("slow")), []).append(what)
    return [
        Finding(severity, kind, number, f"{case[:120]}: {'; '.join(texts[severity, timed])[:400]}", command, timed)
        for severity, timed in texts
    ]


# ---- servers


class Besieged:
    """A server, and the longest time of its /health."""

    def __init__(self, place: Path, fixtures: Path) -> None:
        self.at, self.fixtures, self.slowest = place / "case", fixtures, 0.0
        self._stack = contextlib.ExitStack()
        self.server: Serving | None = None

    def __enter__(self) -> Besieged:
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def start(self) -> Serving:
        if self.server is None:
            shutil.rmtree(self.at.parent, ignore_errors=True)
            (lay_out(self.at.parent, self.fixtures) / "own").mkdir()
            folder = [str(self.at / word) if (self.at / word).is_dir() else word for word in SERVER.split()]
            self.server = self._stack.enter_context(
                serving(*folder, port=free_port(), limits=LIMITS, PYTHONPATH=ENVIRONMENT["PYTHONPATH"])
            )
            self.api = self.server.get("/openapi.json").json
        return self.server

    def ask(self, raw: bytes) -> tuple[bytes | None, Sequence[tuple[str, str]]]:
        """Send a request. Return the whole answer, or None if it did not end, and what is wrong with the server."""
        server, answers, slowest = self.start(), list[bytes | None](), 0.0
        health = f"GET /health HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode()
        asking = threading.Thread(target=lambda: answers.append(exchange(server.port, raw)), daemon=True)
        asking.start()
        while asking.is_alive() or not slowest:
            began = time.monotonic()
            healthy = exchange(server.port, health, 5)
            slowest = max(slowest, time.monotonic() - began)
            if server.process.poll() is not None or b" 200 " not in (healthy or b""):
                self._stack.close()
                self.server = None
                said = "the server is dead" if healthy is not None else f"slow: /health took {slowest:.1f} s"
                return None, [(CRITICAL, said)]
            asking.join(0.01)
        self.slowest = max(self.slowest, slowest)
        wrong = [(CRITICAL, f"slow: /health took {slowest:.1f} s")] if slowest > FREEZE else []
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{server.process.pid}/status").read_text()
            if (peak := 1024 * int(re.findall(r"VmHWM:\s+(\d+)", status)[0])) > Case.memory:
                wrong.append((MAJOR, f"{peak / 1e9:.1f} GB of memory"))
        return answers[0], wrong


def exchange(port: int, raw: bytes, seconds: float = SECONDS, half: bool = False) -> bytes | None:
    """Return everything that a server sends after `raw` until it closes; None if nothing arrives for `seconds`.

    With `half`, nothing more will be sent, and the server is told so.
    """
    found = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as made:
            with contextlib.suppress(ConnectionError):
                made.sendall(raw)
                if half:
                    made.shutdown(socket.SHUT_WR)
            while part := made.recv(65536):
                found += part
    except TimeoutError:
        return None
    except ConnectionError:
        pass
    return found


def answered(answer: bytes | None, refused: bool, place: Path, whole: bool) -> Verdicts:
    """Judge the answer to a request; `whole` if the request is valid HTTP."""
    if answer is None:
        yield MAJOR, f"no answer within {SECONDS:g} s"
        return
    if not answer:
        if whole:
            yield MAJOR, "closed without an answer"
        return
    status = int((re.findall(rb"^HTTP/1\.1 ([2-5]\d\d) ", answer, re.M) or [b"0"])[0])
    body = answer.rpartition(b"\r\n\r\n")[2]
    if refused and status < 300:
        yield MAJOR, f"status {status}, but a refusal was certain"
    if status >= 500 and status not in (503, 507):
        yield MINOR, f"status {status}: {body[:150]!r}"
    if status >= 400 and body:
        with contextlib.suppress(ValueError, LookupError, TypeError):
            body_of_error = json.loads(body)["error"]["message"].splitlines()
            body = b"" if len(body_of_error) == 1 else body
        if body:
            yield MINOR, f"status {status} without the API's JSON, or with several lines: {body[:80]!r}"
    if str(place).encode() in answer:
        yield MINOR, f"the answer shows a path of the server: {answer[-200:]!r}"


def attack_server(kind: str, number: int, seed: int, besieged: Besieged, keep: bool) -> list[Finding]:
    """Draw a request, or a mask for a served model, send it, and judge the answer and the server."""
    draw, server = random.Random(f"{seed} {kind} {number}"), besieged.start()
    outside = besieged.at.parent / "outside"
    if kind == "http":
        raw, what, refused, whole = http_request(draw, besieged.api, server.port)
    else:
        what, refused, whole = f"mask {masked(draw, besieged.at / 'lines')[:60]}", False, True
        text = "\n".join("a" * draw.choice([10, 1000, 20_000]) + draw.choice(["", "b", "c"]) for _ in range(9))
        body = json.dumps({"model": "lines", "text": text, "all": True, "false_alarms": 0.05}).encode()
        head = f"POST /v1/odd HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n{JSON}"
        raw = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    before = contents(outside)
    answer, found = besieged.ask(raw)
    if keep:
        print(f"{raw!r}\n{answer!r}", flush=True)
    found = [*found, *((CRITICAL, f"outside: {name}") for name in before.items() ^ contents(outside).items())]
    if not any(severity == CRITICAL for severity, _ in found):
        found += answered(answer, refused, besieged.at, whole)
    if kind != "http":  # a damaged model is reported with 500, by design
        found = [one for one in found if not (one[1].startswith("status 500") and "cannot be read" in one[1])]
    if answer and b'"state":"training"' in answer and besieged.server:
        for run in server.get("/v1/runs").json["data"]:
            server.post(f"/v1/runs/{run['id']}/stop", {})
    return findings(found, kind, number, what, "afterword serve")


# ---- the attack


def is_served(kind: str, number: int) -> bool:
    """Return whether a case asks a server. Every fourth model folder has a hostile mask and is served."""
    return kind == "http" or (kind == "folders" and number % 4 == 3)


def work(kind: str, numbers: Sequence[int], seed: int, root: Path, keep: bool = False) -> tuple[list[Finding], float]:
    """Run some cases, again if they were slow; print and return the findings, and return the slowest /health."""
    warnings.simplefilter("ignore")  # of NumPy, about drawn values
    found, shown = list[Finding](), 0
    with Besieged(root / f"{kind}-{numbers[0]}-served", root / "fixtures") as besieged:
        for number in numbers:
            for turn in range(2):
                if is_served(kind, number):
                    new = attack_server(kind, number, seed, besieged, keep)
                else:
                    place = root / f"{kind}-{number}-{turn}"
                    case, done, new = attack_command(kind, number, seed, place, root / "fixtures")
                    if keep:
                        print(f"{place}\n{case}\n{done}", flush=True)
                    else:
                        shutil.rmtree(place)
                new = [one for one in new if turn == 0 or one.timed]
                slow = [one for one in new if one.timed]
                found += [one for one in new if turn == 1 or not one.timed]
                if not slow:
                    break
            for one in found[shown:]:
                line = f"{one.severity}: {kind} {number}, seed {seed}: {one.command}: {one.what}"
                print("\\n".join(line.splitlines()), flush=True)
            shown = len(found)
    if not keep:
        shutil.rmtree(besieged.at.parent, ignore_errors=True)
    return found, besieged.slowest


def attack(cases: dict[str, int], seed: int, workers: int = 2, only: int | None = None) -> list[Finding]:
    """Run that many cases of each class, print the findings and a table, and return the findings."""
    root = Path(tempfile.mkdtemp(prefix="attack-"))
    if only is None:
        atexit.register(shutil.rmtree, root, ignore_errors=True)
    make_fixtures(root / "fixtures")
    everything: list[Finding] = []
    rows = [f"| class | cases | {' | '.join(SEVERITIES)} | seconds | slowest /health, s |", f"| --- |{' ---: |' * 7}"]
    with ProcessPoolExecutor(workers) as pool:
        for kind, count in cases.items():
            began = time.monotonic()
            if only is not None:
                parts = [work(kind, [only], seed, root, keep=True)]
                count = 1
            else:
                chunks = [range(first, min(first + AT_ONCE, count)) for first in range(0, count, AT_ONCE)]
                parts = list(pool.map(work, *zip(*((kind, chunk, seed, root) for chunk in chunks), strict=True)))
            found = [one for part in parts for one in part[0]]
            counts = Counter(one.severity for one in found)
            cells = [kind, count, *(counts[severity] for severity in SEVERITIES), round(time.monotonic() - began)]
            rows.append("| " + " | ".join(map(str, [*cells, f"{max(part[1] for part in parts):.2f}"])) + " |")
            everything += found
    print("\n".join(["", *rows]))
    return everything


@click.command(help=as_written(__doc__))
@click.option("--seed", default=0, help="another one draws other cases")
@click.option("--class", "kinds", multiple=True, type=click.Choice([*CASES]), help="once for each class (default: all)")
@click.option("--cases", type=int, help="cases of each class (default: 120 to 1,200)")
@click.option("--case", "only", type=int, help="run only this case, and keep its folder")
@click.option("--workers", default=2)
def main(seed: int, kinds: tuple[str, ...], cases: int | None, only: int | None, workers: int) -> None:
    drawn = {kind: cases or CASES[kind] for kind in kinds or CASES}
    found = Counter(one.severity for one in attack(drawn, seed, workers, only))
    allowed = 2 * sum(drawn.values()) // 1000
    sys.exit(1 if found[CRITICAL] or found[MAJOR] or found[MINOR] > allowed else 0)


if __name__ == "__main__":
    main()
