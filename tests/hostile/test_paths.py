"""The law of a server's messages: they give names of models and runs, never the paths to them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import run_here
from tests.hostile.test_found import BOOK
from tests.hostile.test_texts import SMALL
from tests.serving.server import Reply, Serving, serving
from tests.tiny import save_tiny


def torn(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])


def turned_to_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def turned_to_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def huge(file: Path) -> None:
    os.truncate(file, 2**34)  # sparse: takes no room on the disk


DAMAGES: list[Callable[[Path], object]] = [Path.unlink, torn, turned_to_pipe, turned_to_folder, huge]
MODEL = ["config.json", "tokenizer.json", "model.safetensors", "ngram.safetensors"]
RUN = ["run.json", "metrics.jsonl", "corpus/corpus.json", "model/config.json", "model/model.safetensors"]
FILES = [("model", file) for file in MODEL] + [(run, file) for run in ("watched", "own/trained") for file in RUN]
CASES = [(folder, file, DAMAGES[k % len(DAMAGES)]) for k, (folder, file) in enumerate(FILES)]  # each in turn
CASES += [(folder, "", shutil.rmtree) for folder in ("model", "watched", "own/trained")]
KNOWN = {"prompt": "ab", "text": "ab", "word": "ab", "tokens": [1]}


def everything(server: Serving, name: str) -> list[Reply]:
    """Ask everything that the API can say of the model or the run `name`."""
    api = server.get("/openapi.json").json
    replies = []
    for path, ways in api["paths"].items():
        place = path.replace("{id}", name)
        if "get" in ways and path.startswith("/v1/"):
            replies.append(server.get(place))
        if "requestBody" in ways.get("post", {}):
            schema = ways["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            fields = api["components"]["schemas"][schema.rpartition("/")[2]]["properties"]
            if "model" in fields or place != path:
                body = {field: value for field, value in (KNOWN | {"model": name}).items() if field in fields}
                replies.append(server.post(place, body))
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


@pytest.mark.parametrize(("folder", "file", "damage"), CASES, ids=range(len(CASES)))
def test_no_answer_shows_an_absolute_path(
    server: Serving, place: Path, tmp_path: Path, folder: str, file: str, damage: Callable[[Path], object]
) -> None:
    shutil.copytree(place / folder, tmp_path / "whole")
    damage(place / folder / file)
    for config in (place / folder).rglob("config.json"):
        os.utime(config)  # so that the model is read again
    name, refused = Path(folder).name, 0
    for answer in everything(server, name):
        assert str(place) not in answer.body.decode()
        refused += answer.status >= 400 and name in answer.error
    shutil.rmtree(place / folder, ignore_errors=True)
    shutil.move(tmp_path / "whole", place / folder)
    assert refused


def test_a_place_for_runs_that_is_gone_shows_no_absolute_path(server: Serving, place: Path) -> None:
    shutil.move(place / "own", place / "gone")
    found = server.post("/v1/runs", {"name": "new", "text": "ab"})
    shutil.move(place / "gone", place / "own")
    assert (found.status, str(place) in found.error) == (507, False)
