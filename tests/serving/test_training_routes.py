"""Laws of training over HTTP: one run at a time, in one folder, and nothing is lost.

To begin a run measures the machine, which takes some seconds.
"""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from afterword.runs.folder import RunFolder
from tests.processes import PATIENCE, until
from tests.serving.server import Serving, serving

BOOK = "".join(f"The {k}th line of this book, and no more.\n" for k in range(100))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("training") / "runs"
    place.mkdir()
    (place / "taken.txt").write_text("mine")
    (place / "file").write_text("mine")
    (place / "link").symlink_to(place.parent)
    return place


@pytest.fixture(scope="module")
def server(models: Path, place: Path) -> Iterator[Serving]:
    with serving(models / "tiny", "--train", place, limits={"max_text": 100_000}) as found:
        yield found


def test_a_run_is_begun_stopped_resumed_and_survives_a_kill_and_the_end_of_its_server(tmp_path: Path) -> None:
    place = tmp_path / "runs"
    with serving("--train", place) as server:
        assert [one["id"] for one in server.get("/v1/models").json["data"]] == ["english"]  # to write with meanwhile
        begun = server.post("/v1/runs", {"text": BOOK, "name": "book", "minutes": 100})
        assert (begun.status, begun.json["id"], begun.json["state"]) == (201, "book", "training")
        assert begun.json["model"] in (None, "book")  # the first one may be saved already
        assert (place / "book.txt").read_text() == BOOK
        for name in ("two", "book"):
            refused = server.post("/v1/runs", {"text": BOOK, "name": name})
            assert refused.status == 409, refused.body
        assert server.post("/v1/runs/book/resume", {}).status == 409

        wait_for(server, "book", steps=1)
        stopped = server.post("/v1/runs/book/stop", {})
        assert (stopped.status, stopped.json["state"]) == (200, "stopped")
        step = server.get("/v1/runs/book").json["step"]
        assert server.post("/v1/runs/book/stop", {}).status == 409
        assert server.post("/v1/runs", {"text": BOOK, "name": "book"}).status == 409
        assert server.complete(model="book", prompt="The ", max_tokens=2)["usage"]["completion_tokens"] == 2

        assert server.post("/v1/runs/book/resume", {"minutes": 0}).status == 400
        resumed = server.post("/v1/runs/book/resume", {"minutes": 50})
        assert (resumed.status, resumed.json["state"]) == (200, "training")
        until(lambda: RunFolder(place / "book").read_record().stages)  # that it is trained for longer
        wait_for(server, "book", steps=step + 1)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(PATIENCE)
    until(lambda: not RunFolder(place / "book").is_locked)  # training ends with its server
    with serving("--train", place) as server:
        seen = server.get("/v1/runs/book").json
        assert (seen["state"], seen["step"] >= step) == ("stopped", True)
        assert server.post("/v1/runs/book/resume", {}).json["state"] == "training"
        wait_for(server, "book", steps=seen["step"] + 1)
        server.process.send_signal(signal.SIGINT)
        assert server.process.wait(PATIENCE) == 0
    reports = [json.loads(line) for line in (place / "book" / "metrics.jsonl").read_text().splitlines()]
    every = json.loads((place / "book" / "run.json").read_text())["plan"]["report_every"]
    steps = [0, *(report["step"] for report in reports)]
    assert all(0 < later - earlier <= every for earlier, later in pairwise(steps))  # none is missing or comes twice
    last = max(int(saved.stem[5:]) for saved in (place / "book" / "checkpoints").iterdir())
    assert last >= reports[-1]["step"] > step  # the last step was saved when the server ended


def wait_for(server: Serving, name: str, steps: int) -> None:
    """Wait until the run has reported so many steps."""

    def trained() -> bool:
        seen = server.get(f"/v1/runs/{name}").json
        assert seen["state"] == "training"
        return bool(seen["step"] >= steps)

    until(trained)


NAME = "name must be 1 to 64 letters"


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("", {"text": " \n"}, 400, "text is empty"),
        ("", {"text": "\ud800"}, 400, "surrogate"),
        ("", {"text": "abc"}, 400, "book.txt has 3 characters"),
        ("", {"text": f"{BOOK}\0"}, 400, f"book.txt contains a NUL at byte {len(BOOK)}, which is invalid in a text"),
        ("", {}, 400, "text is missing"),
        *(("", {"text": BOOK, "name": name}, 400, NAME) for name in ("../book", "book\n", "b" * 65, "", "--out")),
        ("", {"text": BOOK, "name": "../book"}, 400, NAME),
        ("", {"text": BOOK, "name": "tiny"}, 409, "a model or a run named tiny"),
        *(("", {"text": BOOK, "name": name}, 409, f"{name} already exists") for name in ("taken", "link")),
        ("", {"text": "a" * 100_001}, 413, "at most 100,000 bytes"),
        *((f"/none/{what}", {}, 404, "unknown run 'none'") for what in ("stop", "resume")),
        ("/link/resume", {}, 404, "unknown run 'link'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_words_for_a_client_and_changes_nothing(
    server: Serving, place: Path, path: str, body: Any, status: int, says: str
) -> None:
    found = server.post(f"/v1/runs{path}", {"name": "book", **body} if path == "" else {})
    assert (found.status, says in found.error) == (status, True), found.error
    assert not re.search("--|`", found.error.replace("--out", ""))  # no advice that only the command can take
    assert {entry.name for entry in place.iterdir()} - {".lock"} == {"taken.txt", "file", "link"}
    assert (place / "taken.txt").read_text() == "mine"
    assert server.get("/v1/runs").json == {"object": "list", "trains": True, "data": []}
