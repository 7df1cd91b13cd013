"""Laws of /v1/runs: a run is watched while another process trains it, and is not disturbed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from afterword.planning.training_plan import TrainingSettings
from afterword.runs.begin import begin
from afterword.runs.loop import train_run
from afterword.runs.resume import resume
from afterword.text.corpus import TextSettings
from tests.serving.server import Serving, serving

BOOK = "".join(f"The {k}th line of this book, and no more.\n" for k in range(120))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs") / "watched"


@pytest.fixture(scope="module")
def watching(place: Path, models: Path) -> Iterator[tuple[Serving, Any]]:
    """A server that watches a run, and the run, which this process holds."""
    text = place.parent / "book.txt"
    text.write_text(BOOK)
    settings = TrainingSettings(steps=24, hidden_size=12, num_layers=2, threads=1)
    run = begin([text], place, TextSettings(), settings)
    with serving(models / "tiny", "--run", place) as found:
        yield found, run


def test_a_run_is_seen_from_its_beginning_to_its_end(watching: tuple[Serving, Any], place: Path) -> None:
    server, run = watching
    path = "/v1/runs/watched"
    data = [{"id": "watched", "state": "training", "model": None}]
    assert server.get("/v1/runs").json == {"object": "list", "trains": False, "data": data}
    before = server.get(path).json
    assert (before["step"], before["steps"], before["reports"], before["next"]) == (0, 24, [], 0)

    progress = train_run(run)
    for _ in range(3):
        step = next(progress).step
    seen = server.get(path).json
    assert (seen["state"], seen["step"], seen["next"]) == ("training", step, 3)
    assert [report["step"] for report in seen["reports"]] == [1, 2, 3]
    assert seen["seconds_left"] >= 0

    while next(progress).validation is None:
        pass
    assert server.get(path).json["model"] == "watched"
    assert "watched" in [model["id"] for model in server.get("/v1/models").json["data"]]
    assert server.complete(model="watched", prompt="The ", max_tokens=3)["usage"]["completion_tokens"] == 3

    progress.close()
    assert server.get(path).json["state"] == "stopped"
    list(train_run(resume(place)))
    ended = server.get(f"{path}?after=22").json
    assert (ended["state"], ended["seconds_left"], ended["next"]) == ("ended", 0, 24)
    assert [report["step"] for report in ended["reports"]] == [23, 24]
    assert server.get(f"{path}?after=999").json["reports"] == []


def test_what_is_not_there_is_said_and_nothing_is_trained(watching: tuple[Serving, Any]) -> None:
    server, _ = watching
    for path, says in (("none", "unknown run 'none'"), ("..%2Fwatched", "unknown r")):
        found = server.get(f"/v1/runs/{path}")
        assert (found.status, says in found.error) == (404, True)
    for after in ("-1", "x", "9" * 5000):
        found = server.get(f"/v1/runs/watched?after={after}")
        assert (found.status, "after must be the number of a report" in found.error) == (400, True)
    for path in ("", "/watched/stop", "/watched/resume"):
        found = server.post(f"/v1/runs{path}", {} if "watched" in path else {"text": BOOK, "name": "more"})
        assert (found.status, "start it with --train DIR" in found.error) == (404, True)


def damaged(place: Path) -> Path:
    """A run of which next to nothing is left."""
    place.mkdir()
    record = {"format": 3, "plan": {}, "fingerprint": "", "versions": {"afterword": "1"}}
    (place / "run.json").write_text(json.dumps(record))
    return place


def test_a_run_that_is_watched_is_not_trained_and_a_damaged_one_is_said_to_be_so(tmp_path: Path) -> None:
    with serving("--run", damaged(tmp_path / "watched"), "--train", tmp_path / "own") as server:
        for what in ("stop", "resume"):
            found = server.post(f"/v1/runs/watched/{what}", {})
            assert (found.status, found.error.partition(":")[0]) == (409, "watched is only watched")
        found = server.get("/v1/runs/watched")
        assert found.status == 500
        assert found.error.startswith("the run in watched is damaged: ")
        assert server.get("/v1/runs").json == {"object": "list", "trains": True, "data": []}
        taken = server.post("/v1/runs", {"text": BOOK, "name": "watched"})
        assert (taken.status, os.listdir(tmp_path / "own")) == (409, [".lock"])
