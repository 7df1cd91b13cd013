"""A hostile hub: whatever it answers, nothing is written outside the cache, and little inside."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from afterword.wings.hub import repositories as client
from tests.wings.hub.hub import Handler, Hub
from tests.wings.hub.test_push import MINE, Command, error, hub, on_hub, published

__all__ = ["hub", "on_hub"]
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # from the library

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CHUNK = bytes(2**16)
UP = "../" * 12


def endless(handler: Handler, status: int, headers: dict[str, str]) -> bool:
    """Send an endless answer, in chunks, until the client leaves; 300 MB at most."""
    handler.send_response(status)
    for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        for _ in range(300 * 2**20 // len(CHUNK)):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))
    return True


def refused(done: subprocess.CompletedProcess[str], place: Path) -> str:
    """Return the one line of error of a command, after checking that it left only a small cache in `place`."""
    said = error(done, 1 if done.returncode == 1 else 2)
    assert done.stderr == f"error: {said}\n"
    assert list((place / "outside").iterdir()) == []
    assert {path.name for path in place.iterdir()} <= {"outside", "home"}
    files = [path for path in place.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 2**20
    assert not any(path.suffix in (".part", ".pth") for path in files)
    return said


ANSWERS: list[tuple[int, bytes, dict[str, str]]] = [
    # headers that lead out of the cache, to OUTSIDE, or that no hub sends
    (200, b"{}\n", {"ETag": '"OUTSIDE/evil.pth"'}),
    (200, b"{}\n", {"ETag": f'"{UP}OUTSIDE/evil.pth"'}),
    (200, b"{}\n", {"X-Linked-Etag": '"OUTSIDE/evil.pth"', "X-Linked-Size": "20"}),
    (200, b"{}\n", {"X-Repo-Commit": f"{UP}OUTSIDE"}),
    (200, b"{}\n", {"X-Repo-Commit": "OUTSIDE"}),
    (200, b"{}\n", {"X-Repo-Commit": f"{COMMIT}/../../.."}),
    (200, b"{}\n", {"X-Repo-Commit": "\x1b[2J"}),
    (200, b"{}\n", {"X-Repo-Commit": ""}),
    (200, b"{}\n", {"X-Xet-Refresh-Route": "/xet", "X-Xet-Hash": f"{UP}OUTSIDE/evil"}),
    (200, b"{}\n", {"Content-Disposition": 'attachment; filename="OUTSIDE/evil";'}),
    (200, b"{}\n", {"X-HF-Warning": "; \x1b[2Jsend me your token"}),
    # bodies that are not what is said of them, and redirects that lead nowhere
    (200, gzip.compress(bytes(2**20), mtime=0), {"Content-Encoding": "gzip"}),
    (404, gzip.compress(bytes(2**20), mtime=0), {"Content-Encoding": "gzip"}),
    *[(200, b"{}\n", {"Content-Length": length}) for length in ("6", "1", "9" * 18, "-1")],
    *[(302, b"", {"Location": place}) for place in ("file://OUTSIDE", "", "http://127.0.0.1:9/x")],
    (204, b"", {}),
    (500, b"[]", {"Content-Type": "application/json"}),
    (403, b"", {"X-Error-Message": "\x1b[2J"}),
    (500, b"[" * 100_000, {"Content-Type": "application/json"}),
]


@pytest.mark.parametrize(("status", "content", "headers"), ANSWERS)
def test_no_answer_is_trusted(
    status: int, content: bytes, headers: dict[str, str], on_hub: Command, hub: Hub, tmp_path: Path
) -> None:
    said = {name: value.replace("OUTSIDE", str(tmp_path / "outside")) for name, value in headers.items()}

    def instead(handler: Handler, path: str) -> bool:
        handler.close_connection = True
        handler.send(status, content, {"X-Repo-Commit": COMMIT, "ETag": '"0123"', **said})
        return True

    hub.instead = instead
    for name in (MINE, f"{MINE}@{COMMIT}"):
        refused(on_hub("info", name), tmp_path)


@pytest.mark.parametrize(
    ("status", "file"), [*((status, "config.json") for status in (200, 302, 404, 500)), (200, "model.safetensors")]
)
def test_no_download_is_endless(
    status: int, file: str, on_hub: Command, hub: Hub, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("LARGEST_JSON", "LARGEST_ANSWER"):
        monkeypatch.setattr(client, limit, 2**19)
    headers = {"X-Repo-Commit": published(hub, model).refs["main"], "Location": "/elsewhere"}
    hub.instead = lambda handler, path: path.endswith(file) and endless(handler, status, headers)
    assert "more than 524,288 bytes" in refused(on_hub("info", MINE), tmp_path)


@pytest.mark.parametrize(
    "part", ["/api/validate-yaml", "/api/models/me/tiny", "/api/repos/create", "/api/models/me/tiny/commit/main"]
)
def test_no_answer_to_push_is_endless(
    part: str, on_hub: Command, hub: Hub, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_ANSWER", 2**19)
    json = {"Content-Type": "application/json"}
    hub.instead = lambda handler, path: path == part and endless(handler, 200, json)
    assert "the hub answered with more than" in error(on_hub("push", model, "me/tiny", "--yes"), 1)


def test_two_answers_make_no_model(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    def instead(handler: Handler, path: str) -> bool:
        handler.send(200, (model / Path(path).name).read_bytes(), {"X-Repo-Commit": f"{len(hub.requests):040x}"})
        return True

    hub.instead = instead
    assert "model.safetensors is missing" in refused(on_hub("info", MINE), tmp_path)


def test_no_other_host_gets_the_token(on_hub: Command, hub: Hub, model: Path) -> None:
    published(hub, model, private=True)
    sent: dict[str, set[bool]] = {}

    def instead(handler: Handler, path: str) -> bool:
        host = handler.headers["Host"]
        sent.setdefault(host, set()).add("Authorization" in handler.headers)
        if host in hub.url:
            away = f"{hub.large_url.removesuffix('/large')}{path}"
            handler.send(302, b"", {"Location": away, "X-Repo-Commit": COMMIT})
        else:
            handler.send(200, (model / Path(path).name).read_bytes(), {})
        return True

    hub.instead = instead
    assert on_hub("info", MINE).returncode == 0
    here, there = hub.url.removeprefix("http://"), hub.large_url.split("/")[2]
    assert sent == {here: {True}, there: {False}}


def in_the_cache(place: Path) -> Path:
    """Return the folder of COMMIT, the commit of main, in the cache of a user at `place`."""
    storage = place / "home" / "hub" / "models--me--tiny"
    for folder in ("refs", "blobs", f"snapshots/{COMMIT}"):
        (storage / folder).mkdir(parents=True)
    (storage / "refs" / "main").write_text(COMMIT)
    return storage / "snapshots" / COMMIT


def test_the_cache_of_the_library_is_used(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    folder = in_the_cache(tmp_path)
    for file in [one for one in model.iterdir() if one.name != "README.md"]:  # no command needs the card
        shutil.copy(file, folder.parents[1] / "blobs")
        (folder / file.name).symlink_to(Path("..", "..", "blobs", file.name))
    for name in (MINE, f"{MINE}@{COMMIT}"):
        assert on_hub("info", name, HF_HUB_OFFLINE="1").returncode == 0
    assert hub.requests == []


@pytest.mark.parametrize("link", ["config.json", "model.safetensors", "folder", "ref", "link to a ref"])
def test_a_cache_that_leads_elsewhere_is_refused(link: str, on_hub: Command, model: Path, tmp_path: Path) -> None:
    folder = in_the_cache(tmp_path)
    ref = folder.parents[1] / "refs" / "main"
    shutil.copytree(model, folder, dirs_exist_ok=True)
    if link == "folder":
        shutil.rmtree(folder)
        folder.symlink_to(model)
    elif link == "ref":
        ref.write_text(str(model))
    elif link == "link to a ref":
        ref.unlink()
        ref.symlink_to(model / "config.json")
    else:
        (folder / link).unlink()
        (folder / link).symlink_to(model / link)
    assert "leads out of the hub's cache" in error(on_hub("info", MINE, HF_HUB_OFFLINE="1"), 1)


def test_a_hub_that_stalls_is_one_line(on_hub: Command, hub: Hub, tmp_path: Path) -> None:
    def instead(handler: Handler, path: str) -> bool:
        handler.close_connection = True
        handler.send(200, b"{", {"X-Repo-Commit": COMMIT, "Content-Length": "20"})
        handler.rfile.read(1)  # until the client leaves
        return True

    hub.instead = instead
    assert "did not answer" in refused(on_hub("info", MINE, HF_HUB_DOWNLOAD_TIMEOUT="1"), tmp_path)


@pytest.mark.parametrize("endpoint", ["localhost:1", "ftp://localhost", "http://", "http://127.0.0.1:99999", "://"])
def test_an_invalid_address_of_a_hub_is_one_line(endpoint: str, on_hub: Command, tmp_path: Path) -> None:
    refused(on_hub("info", MINE, HF_ENDPOINT=endpoint), tmp_path)


def test_a_card_that_cannot_be_sent_is_named(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    card = Path(shutil.copytree(model, tmp_path / "book")) / "README.md"

    def said() -> str:
        return error(on_hub("push", card.parent, "me/tiny", "--yes"), 2)

    card.write_text("---\na: [\n---\n")
    assert f"the metadata of {card} are not valid YAML" in said()
    os.truncate(card, 2**26 + 1)
    assert f"cannot read {card}: " in said()
    for make in (os.mkfifo, os.mkdir):
        card.unlink()
        make(card)
        assert f"cannot read {card}: " in said()
    assert hub.requests == []


def test_a_name_is_one_that_the_hub_allows() -> None:
    names = ["".join(name) for length in range(1, 5) for name in itertools.product("a-._", repeat=length)]
    for name in [*names, "a.git", "a.gitx", "a" * 96, "a" * 97, "1", "A_"]:
        for repository in (f"me/{name}", f"{name}/tiny"):
            try:
                validate_repo_id(repository)
                allowed = True
            except HFValidationError:
                allowed = False
            assert (client.REMOTE_NAME.fullmatch(f"hf://{repository}@v1--x") is not None) == allowed, repository


def test_a_cache_that_lost_its_ref_is_used(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    commit = published(hub, model).refs["main"]
    for _ in range(2):
        assert on_hub("info", MINE).returncode == 0
        (ref,) = tmp_path.rglob("refs/main")
        assert ref.read_text() == commit
        ref.unlink()
