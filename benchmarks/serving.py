"""The server under load: over real sockets, on this machine.

    python -m benchmarks.serving streams TEXT     200 streams of 1×512 units beside the same texts without a server
    python -m benchmarks.serving join MODEL       200 seeded streams that join at random beside each of them alone
    python -m benchmarks.serving gone MODEL       1,000 clients that leave while they wait, are read or written for
    python -m benchmarks.serving slow MODEL       200 sockets that send a byte now and then, beside healthy clients
    python -m benchmarks.serving fuzz MODEL       5,000 requests by schemathesis, in an environment of its own
    python -m benchmarks.serving page MODEL       the page in headless Chromium: first paint, bytes, branches, axe-core
    python -m benchmarks.serving clients MODEL TEXT   lm-eval, llm, litellm and LangChain, in another one

Alone on the machine. In `streams` the weights are random, since speed does not depend on what a network has learned,
and the ways take turns; a figure is the median.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import click

from afterword.generation.sampling import Sampling
from afterword.generation.writer import Writer
from afterword.language_model import load
from afterword.model.folder.saved import save_model
from benchmarks.commands import CACHE, as_written, peer_python, run_peer
from benchmarks.random_models import random_model
from benchmarks.serving_client import request
from tests.browser.chromium import browser
from tests.serving.server import serving

STREAMS, TOKENS, TURNS = 200, 500, 3
PROMPT = 20  # characters
OPENINGS = ["It was ", "The old man said: ", "CHAPTER I.\n\n", "No one ", "When the first ship", "She had not slept,"]


@click.group(help=as_written(__doc__))
def main() -> None:
    pass


def client(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.serving_client", *map(str, arguments)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def quantile(values: list[float], share: float) -> float:
    """Of sorted values."""
    return values[min(len(values) - 1, int(share * len(values)))]


@main.command(help="200 streams at once, beside the batch alone and beside one stream.")
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--units", type=int, default=512, show_default=True)
@click.option("--streams", type=int, default=STREAMS, show_default=True)
@click.option("--turns", type=int, default=TURNS, show_default=True)
def streams(text: Path, units: int, streams: int, turns: int) -> None:
    batch, many, one = loads(text, units, streams, turns)
    speeds = [found["tokens"] / found["seconds"] for found in many]
    alone = [found["tokens"] / found["seconds"] for found in one]
    first = sorted(seconds for found in many for seconds in found["first"])
    share = statistics.median(found["processor"] / found["seconds"] for found in many)
    used = statistics.median(found["server"] / found["seconds"] for found in many)
    click.echo(f"the batch alone: {statistics.median(batch):,.0f} characters per second")
    click.echo(
        f"{streams} streams: {statistics.median(speeds):,.0f} characters per second, "
        f"{share_of_batch(batch, many):.2f} of the batch; {many[-1]['tokens'] / many[-1]['parts']:.1f} characters a "
        f"chunk; the client took {share:.2f} of a core, the server {used:.2f}"
    )
    click.echo(f"first character: median {quantile(first, 0.5):.3f} s, p99 {quantile(first, 0.99):.3f} s")
    click.echo(
        f"one stream: {statistics.median(alone):,.0f} characters per second; "
        f"{streams} together write {statistics.median(speeds) / statistics.median(alone):.1f} times as fast"
    )


def share_of_batch(batch: list[float], many: list[dict[str, Any]]) -> float:
    each = zip(many, batch, strict=True)
    return statistics.median(float(found["tokens"] / found["seconds"]) / without for found, without in each)


def loads(
    text: Path, units: int, streams: int, turns: int
) -> tuple[list[float], list[dict[str, Any]], list[dict[str, Any]]]:
    """Return, for each turn, the batch's characters per second, and what a client saw of many streams, and of one."""
    read = text.read_text(encoding="utf-8")
    model = random_model(read, layers=1, units=units, ngram_of=read)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "model")
        save_model(folder, model, "")
        network, sampling = (
            model.predictor(),
            Sampling(max_tokens=TOKENS, temperature=1.0, min_p=0.0, new_word_p=0.0, repetition_penalty=1.0),
        )
        batch: list[float] = []
        many: list[dict[str, Any]] = []
        one: list[dict[str, Any]] = []
        with serving(folder) as served:
            for turn in range(turns):
                began = time.perf_counter()
                samples = Writer(model, network, sampling).samples(["a" * PROMPT], streams, turn * streams)
                written = sum(sample.tokens for sample in samples)
                batch.append(written / (time.perf_counter() - began))
                before = processor(served.process.pid)
                found = client(served.port, streams, TOKENS, PROMPT, 0, turn * streams)
                found["server"] = processor(served.process.pid) - before
                many.append(found)
                one.append(client(served.port, 1, TOKENS, PROMPT, 0, turn))
        assert all(found["complete"] == streams for found in many)
        return batch, many, one


@main.command(help="200 streams that begin at random times, each beside what its seed writes alone.")
@click.argument("model")
@click.option("--streams", type=int, default=STREAMS, show_default=True)
def join(model: str, streams: int) -> None:
    chance = random.Random(0)
    asked: list[dict[str, Any]] = [
        {"prompt": chance.choice(OPENINGS), "max_tokens": chance.randrange(50, 400), "temperature": 0.8, "seed": seed}
        for seed in range(streams)
    ]

    def one(body: dict[str, Any]) -> str:
        time.sleep(2 * chance.random())
        answer = served.post("/v1/completions", {"model": name, "stream": True, **body}).body
        lines = [line[6:] for line in answer.split(b"\n\n") if line.startswith(b"data: {")]
        return "".join(json.loads(line)["choices"][0]["text"] for line in lines)

    name = Path(model).name
    with serving(model) as served, ThreadPoolExecutor(streams) as threads:
        texts = list(threads.map(one, asked))
    loaded = load(model)
    alone = [loaded.generate(**body, min_p=0, new_word_p=0, repetition_penalty=1).text for body in asked]
    equal = sum(text == other for text, other in zip(texts, alone, strict=True))
    click.echo(f"{equal} of {streams} streams that joined at random are what their seeds write alone")


@main.command(help="1,000 clients that leave: how soon their places are free, and what stays.")
@click.argument("model")
@click.option("--number", type=int, default=1000, show_default=True)
def gone(model: str, number: int) -> None:
    name, at_once = Path(model).name, 5
    long = "It was a dark and stormy night. " * 3000
    with serving(model, "--max-requests", str(at_once), "--max-queue", str(at_once)) as served:
        before: tuple[float, int] = (0.0, 0)
        took: dict[str, list[float]] = {}
        left = 0
        while left < number:
            for stream in (False, True):
                for place in ("prompt", "queue", "stream"):
                    body = {"model": name, "max_tokens": 16_000, "stream": stream, "prompt": "It was"}
                    if place == "prompt":
                        body |= {"prompt": long, "max_tokens": 5}
                    filled = [begun(served.port, body) for _ in range(at_once if place == "queue" else 0)]
                    if filled:
                        served.wait_for("places_in_use", at_once)
                    clients = [begun(served.port, body) for _ in range(at_once)]
                    served.wait_for("queue" if place == "queue" else "places_in_use", at_once)
                    began = time.perf_counter()
                    for connection in clients:
                        connection.close()
                    served.wait_for("queue" if place == "queue" else "places_in_use", 0)
                    took.setdefault(f"{place}, {'streaming' if stream else 'plain'}", []).append(
                        time.perf_counter() - began
                    )
                    for connection in filled:
                        connection.close()
                    served.wait_for("places_in_use", 0)
                    left += at_once
            if not before[0]:
                before = held(served.process.pid)
        after = held(served.process.pid)
    for place, seconds in took.items():
        worst = max(seconds) * 1000
        click.echo(f"{place}: free again after {statistics.median(seconds) * 1000:.0f} ms, {worst:.0f} ms at worst")
    click.echo(
        f"{left:,} clients left; memory {before[0]:.1f} MiB after the first few, {after[0]:.1f} MiB at the end; "
        f"open files {before[1]}, {after[1]}"
    )


@main.command(help="200 sockets that send a byte a second: do others notice, and when are they closed?")
@click.argument("model")
@click.option("--sockets", type=int, default=200, show_default=True)
@click.option("--turns", type=int, default=3, show_default=True)
def slow(model: str, sockets: int, turns: int) -> None:
    name, rounds = Path(model).name, 200
    without: list[float] = []
    beside: list[float] = []
    closed: list[float] = []
    with serving(model) as served:

        def healthy() -> list[float]:
            found = []
            for seed in range(rounds):
                began = time.perf_counter()
                served.complete(model=name, prompt="It was", seed=seed)
                found.append(time.perf_counter() - began)
            return sorted(found)

        healthy()
        for _ in range(turns):
            without += healthy()
            held_open = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(sockets)]
            began = time.perf_counter()
            lasted: dict[int, float] = {}
            stop = threading.Event()

            def drip(
                held_open: list[socket.socket], lasted: dict[int, float], began: float, stop: threading.Event
            ) -> None:
                while not stop.is_set() and len(lasted) < len(held_open):
                    for k, connection in enumerate(held_open):
                        if k not in lasted:
                            try:
                                connection.setblocking(False)
                                connection.send(b"G")
                                with contextlib.suppress(BlockingIOError):
                                    if not connection.recv(1000):
                                        raise ConnectionError
                            except OSError:
                                lasted[k] = time.perf_counter() - began
                    stop.wait(1)

            thread = threading.Thread(target=drip, args=(held_open, lasted, began, stop))
            thread.start()
            beside += healthy()
            thread.join(15)
            stop.set()
            thread.join()
            closed.append(max(lasted.values()) if len(lasted) == sockets else float("inf"))
            for connection in held_open:
                connection.close()
    without.sort()
    beside.sort()
    for name, values in (("without them", without), (f"beside {sockets} slow sockets", beside)):
        click.echo(f"{name}: median {quantile(values, 0.5) * 1000:.1f} ms, p99 {quantile(values, 0.99) * 1000:.1f} ms")
    click.echo(f"p99 rises by {quantile(beside, 0.99) / quantile(without, 0.99) - 1:+.1%}")
    click.echo(f"the slow ones are closed after {max(closed):.1f} s at most (looked at once a second)")


@main.command(help="Requests that schemathesis makes up from the OpenAPI document.")
@click.argument("model")
@click.option("--cases", type=int, default=5000, show_default=True)
def fuzz(model: str, cases: int) -> None:
    program = peer_python("schemathesis", "schemathesis>=4").with_name("schemathesis")
    with serving(model, "--request-timeout", "20") as served, tempfile.TemporaryDirectory() as place:
        address = served.url
        with urllib.request.urlopen(f"{address}/openapi.json") as answer:
            api = json.load(answer)
        for schema in api["components"]["schemas"].values():  # names that exist, so that most requests come through
            if "model" in schema.get("properties", {}) and "object" not in schema["properties"]:
                schema["properties"]["model"] = {"enum": [Path(model).name]}
        for methods in api["paths"].values():
            for operation in methods.values():
                for parameter in operation["parameters"]:
                    if parameter["in"] == "path":
                        parameter["schema"] = {"enum": [Path(model).name, "page.css", "nothing"]}
        file = Path(place, "openapi.json")
        file.write_text(json.dumps(api))
        operations = sum(len(methods) for methods in api["paths"].values())
        each = -(-cases // operations) * 2  # of a route that takes little, fewer are made up
        checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
        command = [program, "run", file, "--url", address, "--checks", checks, "--max-examples", each, "--seed", 0]
        done = subprocess.run([*map(str, command), "--continue-on-failure", "--phases", "fuzzing"], cwd=place)
        with urllib.request.urlopen(f"{address}/metrics") as answer:
            counted = re.findall(r'^afterword_requests_total\{.*status="(\d+)"\} (\S+)', answer.read().decode(), re.M)
    by_status: dict[str, int] = {}
    for status, number in counted:
        by_status[status] = by_status.get(status, 0) + int(float(number))
    click.echo(
        f"{sum(by_status.values()):,} requests by status: {by_status}; schemathesis' exit status {done.returncode}"
    )


@main.command(help="The page: first paint, what it fetches, how soon a branch begins, and what axe-core finds.")
@click.argument("model")
@click.option("--loads", type=int, default=9, show_default=True)
@click.option("--branches", type=int, default=20, show_default=True)
def page(model: str, loads: int, branches: int) -> None:
    with tempfile.TemporaryDirectory() as runs, serving(model, "--train", runs) as served, browser() as tab:
        address = f"{served.url}/"
        tab.call("Network.setCacheDisabled", cacheDisabled=True)
        tab.open(address)
        painted, usable, fetched = [], [], []
        for _ in range(loads):
            tab.open(address)
            painted.append(tab.until("performance.getEntriesByName('first-contentful-paint')[0]?.startTime"))
            usable.append(float(tab.run("document.documentElement.dataset.ready")))
            fetched.append(tab.run(FETCHED))
        click.echo(
            f"first paint after {statistics.median(painted):.0f} ms ({max(painted):.0f} at worst), usable after "
            f"{statistics.median(usable):.0f} ms; {statistics.median(fetched) / 1000:.0f} KB are fetched"
        )
        took = []
        for _ in range(branches):
            tab.run("localStorage.clear()")
            tab.run("localStorage['afterword.settings'] = JSON.stringify({offersByThemselves: false, max_tokens: 40})")
            tab.call("Page.navigate", url="about:blank")  # where nothing is kept on being left
            tab.open(address)
            tab.run("document.getElementById('area').focus()")
            tab.type("It was a bright cold day in April, and the clocks were striking thirteen. " * 20)
            length = tab.run(LENGTH)
            tab.click("#write")  # 40 characters
            tab.until(f"{LENGTH} > {length} && !document.getElementById('stop')")
            tab.run("document.getElementById('area').focus()")
            tab.press(".", control=True)
            tab.until("document.querySelectorAll('.popup .row').length > 1")
            took.append(tab.run(BRANCH))
        took.sort()
        click.echo(
            f"a branch shows its first character after {statistics.median(took):.0f} ms, {took[-1]:.0f} ms at worst of "
            f"{branches}"
        )
        faults: dict[str, list[str]] = {}
        tab.run(axe())
        for name in ("write", "score", "inside", "watch"):
            tab.click(f"#tab-{name}")
            time.sleep(1)
            for fault in tab.run("axe.run().then(found => found.violations.map(one => [one.id, one.impact]))"):
                faults.setdefault(f"{fault[1]}: {fault[0]}", []).append(name)
        total = tab.run(FETCHED)
        click.echo(
            f"axe-core, every tab: {faults or 'no fault'}; {total / 1000:.0f} KB fetched by then, answers included"
        )


LENGTH = "document.getElementById('area').value.length"
FETCHED = """[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
    .reduce((sum, one) => sum + one.transferSize, 0)"""
BRANCH = """new Promise(done => {
    const area = document.getElementById('area'), before = area.value.length, began = performance.now();
    document.querySelectorAll('.popup .row')[1].click();
    const picked = area.value.length;
    const look = () => area.value.length > Math.max(picked, 1) && area.value.length !== before
        ? done(performance.now() - began) : requestAnimationFrame(look);
    look();
})"""


def axe() -> str:
    """The script of axe-core, taken from npm once."""
    place = CACHE / "axe"
    if not (place / "package" / "axe.min.js").exists():
        place.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(["npm", "pack", "axe-core@4"], cwd=place, check=True, capture_output=True, text=True)
        subprocess.run(["tar", "xzf", packed.stdout.split()[-1]], cwd=place, check=True)
    return (place / "package" / "axe.min.js").read_text(encoding="utf-8")


@main.command(help="Other people's clients: what they get, and lm-eval's log-likelihoods beside `score`'s.")
@click.argument("model")
@click.argument("text", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def clients(model: str, text: Path) -> None:
    packages = ["lm-eval[api]>=0.4.9", "llm>=0.26", "litellm>=1.70", "langchain-openai>=0.3"]
    python = peer_python("clients", *packages)
    loaded, name = load(model), Path(model).name
    lines = [line for line in text.read_text(encoding="utf-8").splitlines() if len(line) > 30][:200]
    documents = []
    for k, line in enumerate(lines):  # half of them without a context; a space at its end would move to the target
        cut = len(line[: 12 * (k % 2)].rstrip())
        documents.append({"context": line[:cut], "target": line[cut:]})
    with serving(model) as served, tempfile.TemporaryDirectory() as place:
        file = Path(place, "documents.jsonl")
        file.write_text("".join(json.dumps(document) + "\n" for document in documents))

        def by(client: str, *more: object) -> dict[str, Any]:
            printed = run_peer(python, "serving_clients.py", client, served.url, name, *more)
            found: dict[str, Any] = json.loads(printed.splitlines()[-1])
            return found

        expected = loaded.generate(
            "It was the best of", max_tokens=24, temperature=0, min_p=0, new_word_p=0, repetition_penalty=1
        )
        for client in ("llm", "litellm", "langchain"):
            found = by(client)
            click.echo(
                f"{client}: plain {found['plain'] == expected.text}, streaming {found['stream'] == expected.text}"
            )
        answers = by("lm_eval", file)["answers"]
    differences, greedy = [], 0
    for document, (nats, is_greedy) in zip(documents, answers, strict=True):
        whole = document["context"] + document["target"]
        differences.append(abs(loaded.score(document["context"]).nats - loaded.score(whole).nats - nats))
        written = loaded.generate(
            document["context"], max_tokens=len(document["target"]), temperature=0, min_p=0, repetition_penalty=1
        )
        greedy += is_greedy == (document["context"] != "" and written.text == document["target"])
    click.echo(
        f"lm-eval: {len(answers)} log-likelihoods, at most {max(differences):.1e} nats from those of score; "
        f"{greedy} of them rightly told greedy or not"
    )


def begun(port: int, body: dict[str, Any]) -> socket.socket:
    """A request that was sent."""
    made = socket.create_connection(("127.0.0.1", port))
    made.sendall(request(port, body))
    return made


def held(pid: int) -> tuple[float, int]:
    """MiB of memory, and open files, of a process."""
    place = Path(f"/proc/{pid}")
    return int((place / "statm").read_text().split()[1]) / 256, len([*(place / "fd").iterdir()])


def processor(pid: int) -> float:
    """Seconds of processor time that a process has taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
