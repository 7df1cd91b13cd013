"""Models on the hub: `push`, and hf://USER/NAME wherever a model is named, with the real client and a stand-in hub."""

from __future__ import annotations

import dataclasses
import errno
import importlib
import itertools
import json
import os
import pty
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import are_progress_bars_disabled  # type: ignore[attr-defined]

from afterword.cli import main
from afterword.errors import OptionError
from afterword.language_model import load
from afterword.model.folder.card import card, card_text, metadata
from afterword.model.folder.saved import FILES, load_model, save_model
from afterword.serving.writing.models import short_name
from afterword.wings.hub.push import push
from tests.cli.answers import fine
from tests.terminals import on_a_terminal
from tests.tiny import save_tiny, save_tiny_whole
from tests.wings.hub.hub import TOKEN, Hub, Repository, problems, stand_in

pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's own

Command = Callable[..., "subprocess.CompletedProcess[str]"]
MINE = "hf://me/tiny"


@pytest.fixture
def hub() -> Iterator[Hub]:
    with stand_in() as hub:
        yield hub


@pytest.fixture
def on_hub(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """Run a command as a user of the hub, with a cache of its own. In this process, since the client loads slowly."""

    def command(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        for name, value in {**at_home(hub, tmp_path), **environment}.items():
            monkeypatch.setenv(name, value)
        importlib.reload(constants)  # what the client reads from the environment
        with pytest.raises(SystemExit) as left:
            main.main([str(argument) for argument in arguments])
        assert isinstance(left.value.code, int)
        return subprocess.CompletedProcess(arguments, left.value.code, *capfd.readouterr())

    (tmp_path / "outside").mkdir()  # where nothing may be written
    yield command
    monkeypatch.undo()
    importlib.reload(constants)


def at_home(hub: Hub, place: Path) -> dict[str, str]:
    """Return the environment of a user who has logged in."""
    home = place / "home"
    places = {"HF_HOME": str(home), "HF_HUB_CACHE": str(home / "hub"), "HF_TOKEN_PATH": str(home / "token")}
    hub_of_tests = {"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": ""}
    return {**places, **hub_of_tests, "NO_PROXY": "*"}


def published(hub: Hub, model: Path, private: bool = False) -> Repository:
    hub.repositories["me/tiny"] = repository = Repository(private)
    repository.commit(files_of(model))
    return repository


def files_of(model: Path) -> dict[str, bytes]:
    return {name: (model / name).read_bytes() for name in FILES if (model / name).exists()}


def error(done: subprocess.CompletedProcess[str], status: int) -> str:
    assert done.returncode == status, done.stderr
    *_, last = done.stderr.splitlines()
    assert last.startswith("error: ")
    return last.removeprefix("error: ")


WRITE = ("--max-tokens", "20", "--seed", "1", "--json")


def test_what_is_pushed_comes_back(on_hub: Command, hub: Hub, mixed_model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(mixed_model, tmp_path / "book"))
    (folder / "diary.txt").write_text("private")
    sent = fine(on_hub("push", folder, "me/tiny", "--license", "mit", "--language", "en", "--yes"))
    assert sent.stdout == f"{hub.url}/me/tiny\n"
    assert "a new repository, which everybody can read" in sent.stderr
    assert "`ngram.safetensors` contains nearly all of the training text" in sent.stderr
    repository = hub.repositories["me/tiny"]
    files = repository.newest
    weights = {"model.safetensors", "ngram.safetensors"}
    assert {*files} == {".gitattributes", "config.json", "tokenizer.json", "README.md", *weights}
    assert not repository.private
    assert not [path for _, path in hub.requests if "agent" in path]  # the client would report which one runs
    assert problems(files["README.md"].decode()) == []
    assert b"\nlicense: mit\n" in files["README.md"]
    here, there = on_hub("generate", mixed_model, *WRITE), fine(on_hub("generate", MINE, *WRITE))
    assert (there.stdout, there.stderr) == (here.stdout, here.stderr)  # no progress bars in a pipe


def test_a_second_push_removes_what_is_gone(on_hub: Command, hub: Hub, model: Path, mixed_model: Path) -> None:
    published(hub, mixed_model, private=True)
    sent = on_hub("push", model, "me/tiny", "--yes")
    assert "an existing repository, which only those with access can read" in sent.stderr
    assert "note: the card gives no licence" in sent.stderr
    assert "ngram.safetensors" not in hub.repositories["me/tiny"].newest
    assert on_hub("generate", MINE, *WRITE).stdout == on_hub("generate", model, *WRITE).stdout
    again = push(model, "me/tiny", yes=True)  # in Python
    assert again is not None
    assert again.to_dict() == {"url": f"{hub.url}/me/tiny"}


def test_a_refused_push_sends_nothing(on_hub: Command, hub: Hub, model: Path) -> None:
    hub.repositories["me/public"] = Repository(private=False)
    assert "needs an access token" in error(on_hub("push", model, "me/tiny", "--yes", HF_TOKEN=""), 2)
    assert hub.requests == []
    for says, status, arguments in (
        ("push asks first", 2, ["me/tiny"]),
        ("don't have the rights", 1, ["you/tiny", "--yes"]),
        ('"license" must be one of', 2, ["me/tiny", "--yes", "--license", "free"]),
        ("ISO 639", 2, ["me/tiny", "--yes", "--language", "English"]),
        ("me/public exists and is public", 2, ["me/public", "--yes", "--private"]),
    ):
        assert says in error(on_hub("push", model, *arguments), status)
    with pytest.raises(OptionError, match="there is no terminal; give yes="):
        push(model, "me/tiny")
    assert not any("commit" in path for _, path in hub.requests)
    assert set(hub.repositories) == {"me/public"}


@pytest.mark.parametrize(("answer", "sends"), [(b"n\n", False), (b"y\n", True), (b"\x04", False)])
def test_a_person_is_asked_first(answer: bytes, sends: bool, hub: Hub, model: Path, tmp_path: Path) -> None:
    keyboard, terminal = pty.openpty()
    os.write(keyboard, answer)
    command = [sys.executable, "-m", "afterword", "push", model, "me/tiny"]
    environment = {**os.environ, **at_home(hub, tmp_path), "TERM": "xterm"}
    status, shown = on_a_terminal(*command, stdin=terminal, env=environment)
    assert "send it? [y/N]" in shown
    assert ("me/tiny" in hub.repositories) == sends
    assert status == (130 if answer == b"\x04" else 0)


def test_a_model_in_the_cache_needs_no_hub(on_hub: Command, hub: Hub, model: Path) -> None:
    repository = published(hub, model)
    first = fine(on_hub("info", MINE))
    count = len(hub.requests)
    assert on_hub("info", MINE, HF_HUB_OFFLINE="1").stdout == first.stdout
    assert len(hub.requests) == count
    unreachable = on_hub("info", f"{MINE}@{repository.refs['main']}", HF_ENDPOINT="http://127.0.0.1:9")
    assert unreachable.stdout == first.stdout


def test_a_revision_names_an_earlier_state(on_hub: Command, hub: Hub, model: Path, lines_model: Path) -> None:
    earlier = published(hub, model).refs["main"]
    hub.repositories["me/tiny"].commit(files_of(lines_model))
    facts = {name: json.loads(on_hub("info", name, "--json").stdout) for name in (MINE, f"{MINE}@{earlier}")}
    assert [fact["lines"] for fact in facts.values()] == [True, False]


def test_only_the_files_of_a_model_are_downloaded(
    on_hub: Command, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = published(hub, save_tiny(tmp_path / "large", hidden_size=60))
    files = repository.newest
    more = {"modeling.py": b"raise SystemExit", "model.pt": b"pickle", "deep/config.json": b"{}"}
    repository.commit({**files, **more, "calibration.safetensors": b"of another model"})
    monkeypatch.setattr("afterword.wings.hub.repositories.LARGEST_JSON", len(files["model.safetensors"]) - 1)
    assert on_hub("info", MINE).returncode == 0  # only tensors may be larger than that
    assert {path.name for path in (tmp_path / "home").rglob("snapshots/*/*")} == {*files}
    assert not any(path.endswith(("modeling.py", "model.pt")) for _, path in hub.requests)


def test_what_cannot_be_had_is_one_line(on_hub: Command, hub: Hub, model: Path) -> None:
    files = published(hub, model, private=True).newest
    nowhere = "http://127.0.0.1:9"
    no_answer = f"the hub of HF_ENDPOINT, '{nowhere}', did not answer for hf://me/tiny: [Errno {errno.ECONNREFUSED}]"
    for says, status, name, environment in (
        ("no model at hf://me/other: the hub has no such repository", 2, "hf://me/other", {}),
        ("hf auth login, or set HF_TOKEN", 2, MINE, {"HF_TOKEN": ""}),
        ("has no such revision", 2, f"{MINE}@v9", {}),
        ("needs the hub, and HF_HUB_OFFLINE is set", 1, MINE, {"HF_HUB_OFFLINE": "1"}),
        (no_answer, 1, MINE, {"HF_ENDPOINT": nowhere}),
    ):
        assert says in error(on_hub("info", name, **environment), status)
    hub.repositories["me/tiny"].commit({**files, "config.json": b'{"model_type": "gpt2"}'})
    assert "is not a model of Afterword" in error(on_hub("info", MINE), 2)
    assert not any(path.endswith("model.safetensors") for _, path in hub.requests)  # it may be large


def test_progress_bars_are_off_where_nobody_sees_them(on_hub: Command, hub: Hub, model: Path) -> None:
    published(hub, model)
    off = list[bool]()
    hub.instead = lambda handler, path: off.append(are_progress_bars_disabled())
    for environment, expected in (({}, True), ({"HF_HUB_DISABLE_PROGRESS_BARS": "0"}, False)):
        off.clear()
        fine(on_hub("info", MINE, **environment))
        assert {*off} == {expected}


def test_a_run_can_begin_from_the_hub(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    published(hub, model)
    text = tmp_path / "text.txt"
    text.write_text("abcd dcba\n" * 60)
    fine(on_hub("train", text, "--base", MINE, "--steps", "2", "--threads", "1", "--out", tmp_path / "run"))
    begun = load_model(tmp_path / "run" / "model")
    assert begun.about["base"]["name"] == MINE
    assert metadata(begun)["base_model"] == "me/tiny"
    assert problems((tmp_path / "run" / "model" / "README.md").read_text()) == []


def test_a_full_disk_is_named(on_hub: Command, hub: Hub, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    published(hub, model)
    monkeypatch.setattr("afterword.storage._sync", full)
    said = error(on_hub("info", MINE), 1)
    assert said.startswith("cannot write ")
    assert said.endswith("config.json: No space left on device")


def test_a_server_names_a_model_as_its_repository() -> None:
    assert {short_name(name) for name in ("hf://me/tiny", "hf://me/tiny@refs/pr/1")} == {"tiny"}


def test_without_the_client_or_with_an_old_one_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = r"needs huggingface_hub 2: pip install 'afterword\[hub\]'"
    monkeypatch.setattr("huggingface_hub.__version__", "1.33.0")
    with pytest.raises(OptionError, match=needed):
        load(MINE)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(OptionError, match=needed):
        load(MINE)


def test_the_metadata_that_an_owner_wrote_stay(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    own = {"license": "cc0-1.0", "language": ["de", "en"], "tags": ["letters"]}
    save_model(tmp_path / "own", load_model(model), card_text(own, "# Mine\n\n```\nafterword generate .\n```\n"))
    sent = fine(on_hub("push", tmp_path / "own", "me/own", "--private", "--yes"))
    assert "note:" not in sent.stderr
    assert hub.repositories["me/own"].private
    said = hub.repositories["me/own"].newest["README.md"].decode()
    for kept in ("license: cc0-1.0", "- letters", "library_name: afterword"):
        assert kept in said
    assert "# Mine\n\n```\nafterword generate hf://me/own\n```\n" in said


def test_the_card_of_every_kind_of_model_is_valid(model: Path) -> None:
    saved = load_model(model)
    split = {"characters": 10, "tokens": 10}
    saved.about |= {"corpus": {"sources": ["a: b.txt"], "training": split, "validation": split}}
    saved.about |= {"training": {"steps": 1, "seed": 0}}
    bases = (None, {"name": MINE, "fingerprint": "0" * 64})
    for base, validation in itertools.product(bases, (None, {"bits_per_character": 2.5, "nats_per_character": 1.7})):
        kind = dataclasses.replace(saved, about={**saved.about, "base": base, "validation": validation})
        assert problems(card(kind, [(0.8, "---\na: [")])) == []
        assert ("metrics" in metadata(kind)) == (validation is not None)


def test_each_damaged_or_missing_file_is_one_line(on_hub: Command, hub: Hub, tmp_path: Path) -> None:
    repository = published(hub, save_tiny_whole(tmp_path / "whole", seed=0))
    files = repository.newest
    assert on_hub("info", MINE).returncode == 0
    for name in [name for name in FILES if name != "README.md"]:
        middle = len(files[name]) // 2
        flipped = files[name][:middle] + bytes([files[name][middle] ^ 4]) + files[name][middle + 1 :]
        left = {one: content for one, content in files.items() if one != name}
        for damaged in ({**left, name: flipped}, left):
            repository.commit(damaged)
            assert MINE in error(on_hub("info", MINE), 2)
