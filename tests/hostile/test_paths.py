"""The law of a server's messages: they give names of models and runs, never the paths to them."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.hostile.test_found import BOOK
from tests.hostile.test_texts import SMALL
from tests.processes import finished
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


DAMAGES: list[Callable[[Path], None]] = [Path.unlink, torn, turned_to_pipe, turned_to_folder, huge]
MODEL = ["config.json", "tokenizer.json", "model.safetensors", "ngram.safetensors"]
RUN = ["run.json", "metrics.jsonl", "corpus/corpus.json", "model/config.json", "model/model.safetensors"]
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


def test_no_answer_shows_an_absolute_path(tmp_path: Path) -> None:
    (tmp_path / "book.txt").write_bytes(BOOK)
    command = [sys.executable, "-m", "afterword", "train", "book.txt", "--out", "watched", *SMALL]
    assert finished(command, cwd=tmp_path).returncode == 0
    os.mkdir(tmp_path / "own")
    shutil.copytree(tmp_path / "watched", tmp_path / "own" / "trained")
    save_tiny(tmp_path / "model", mixed=True)
    folders = {tmp_path / "model": MODEL, tmp_path / "watched": RUN, tmp_path / "own" / "trained": RUN}
    relative = Path(os.path.relpath(tmp_path))  # which ends with the absolute path
    arguments = (relative / "model", "--run", relative / "watched", "--train", relative / "own")
    refused = 0
    with serving(*arguments) as server:
        for folder, files in folders.items():
            for k, file in enumerate((*files, "")):
                for damage in (DAMAGES[k:] + DAMAGES[:k])[::2][:2] if file else [shutil.rmtree]:  # each two, in turn
                    shutil.copytree(folder, tmp_path / "whole")
                    damage(folder / file)
                    for config in folder.rglob("config.json"):
                        os.utime(config)  # so that the model is read again
                    for answer in everything(server, folder.name):
                        assert str(tmp_path) not in answer.body.decode(), (file, damage, answer.body)
                        refused += answer.status >= 400 and folder.name in answer.error
                    shutil.rmtree(folder, ignore_errors=True)
                    os.rename(tmp_path / "whole", folder)
        shutil.rmtree(tmp_path / "own")
        found = server.post("/v1/runs", {"name": "new", "text": "ab"})
        assert (found.status, str(tmp_path) in found.error) == (507, False)
    assert refused > 120
