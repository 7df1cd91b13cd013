"""The law of a server's messages: they give names of models and runs, never the paths to them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.cli.conftest import run_here
from tests.hostile.test_found import BOOK, SMALL, Make, grown, pipe
from tests.serving.server import Reply, Serving, serving
from tests.tiny import save_tiny


def torn(name: str) -> Make:
    return lambda place: (place / name).write_bytes((place / name).read_bytes()[:-9])


def turned_to_folder(name: str) -> Make:
    def make(place: Path) -> None:
        (place / name).unlink()
        (place / name).mkdir()

    return make


DAMAGES: list[Callable[[str], Make]] = [torn, pipe, turned_to_folder, partial(grown, size=2**34)]
MODEL = ["config.json", "tokenizer.json", "model.safetensors", "ngram.safetensors"]
RUN = ["run.json", "metrics.jsonl", "corpus/corpus.json", "model/config.json", "model/model.safetensors"]
FILES = [("model", file) for file in MODEL] + [(run, file) for run in ("watched", "own/trained") for file in RUN]
CASES = [(folder, DAMAGES[k % len(DAMAGES)](file)) for k, (folder, file) in enumerate(FILES)]  # each in turn
CASES += [(folder, shutil.rmtree) for folder in ("model", "watched", "own/trained", "own")]
KNOWN = {"prompt": "ab", "text": "ab", "word": "ab", "tokens": [1]}


def everything(server: Serving, name: str) -> list[Reply]:
    """Ask everything that the API can say of the model or the run `name`."""
    api, known = server.get("/openapi.json").json, KNOWN | {"model": name}
    schemas, replies = api["components"]["schemas"], []
    for path, ways in api["paths"].items():
        place = path.replace("{id}", name)
        if "get" in ways and path.startswith("/v1/"):
            replies.append(server.get(place))
        if "requestBody" in ways.get("post", {}):
            schema = ways["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            fields = schemas[schema.rpartition("/")[2]]["properties"]
            if "model" in fields or place != path:
                replies.append(server.post(place, {one: said for one, said in known.items() if one in fields}))
    return replies


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a run that is watched, and one among a server's own."""
    place = tmp_path_factory.mktemp("paths")
    (place / "book.txt").write_bytes(BOOK)
    assert run_here(["train", str(place / "book.txt"), "--out", str(place / "watched"), *SMALL]).returncode == 0
    shutil.copytree(place / "watched", place / "own" / "trained")
    save_tiny(place / "model", mixed=True)
    return place


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[Serving]:
    relative = Path(os.path.relpath(place))  # which ends with the absolute path
    with serving(relative / "model", "--run", relative / "watched", "--train", relative / "own") as server:
        yield server


@pytest.mark.parametrize(("folder", "damage"), CASES, ids=range(len(CASES)))
def test_no_answer_shows_an_absolute_path(
    server: Serving, place: Path, tmp_path: Path, folder: str, damage: Make
) -> None:
    shutil.copytree(place / folder, tmp_path / "whole")
    damage(place / folder)
    for config in (place / folder).rglob("config.json"):
        os.utime(config)  # so that the model is read again
    answers = [*everything(server, Path(folder).name), server.post("/v1/runs", {"name": "new", "text": "ab"})]
    shutil.rmtree(place / folder, ignore_errors=True)
    shutil.move(tmp_path / "whole", place / folder)
    assert any(answer.status >= 400 for answer in answers)
    assert [answer.body for answer in answers if str(place) in answer.body.decode()] == []
    assert (answers[-1].status == 507) == (folder == "own")
