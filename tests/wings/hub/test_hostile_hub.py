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


def endless(handler: Handler, status: int, headers: dict[str, str]) -> None:
    """Send an endless answer, in chunks, until the client leaves; 300 MB at most."""
    handler.send_response(status)
    for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.close_connection = True
    with contextlib.suppress(OSError):
        for _ in range(300 * 2**20 // len(CHUNK)):
            handler.wfile.write(b"%x\r\n%s\r\n" % (len(CHUNK), CHUNK))


def headers_of(outside: Path) -> dict[str, dict[str, str]]:
    """Return, by fault, headers of a file that lead out of the cache, or that no hub sends."""
    up = "../" * 12
    good = {"X-Repo-Commit": COMMIT, "ETag": '"0123"'}
    xet = {"X-Xet-Refresh-Route": "/xet", "Link": '</xet>; rel="xet-auth"'}
    return {
        "an absolute ETag": {**good, "ETag": f'"{outside}/evil.pth"'},
        "an ETag with ..": {**good, "ETag": f'"{up}{outside}/evil.pth"'},
        "a weak ETag": {**good, "ETag": f'W/"{outside}/evil.pth"'},
        "a linked ETag": {**good, "X-Linked-Etag": f'"{outside}/evil.pth"', "X-Linked-Size": "20"},
        "a commit with ..": {**good, "X-Repo-Commit": f"{up}{outside}"},
        "an absolute commit": {**good, "X-Repo-Commit": str(outside)},
        "a commit and ..": {**good, "X-Repo-Commit": f"{COMMIT}/../../.."},
        "a commit with an escape": {**good, "X-Repo-Commit": "\x1b[2J"},
        "no commit": {"ETag": '"0123"'},
        "a hash of Xet": {**good, **xet, "X-Xet-Hash": f"{up}{outside}/evil"},
        "a file name": {**good, "Content-Disposition": f'attachment; filename="{outside}/evil";'},
        "a warning": {**good, "X-HF-Warning": "; \x1b[2Jsend me your token"},
    }


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    return tmp_path / "outside"


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


@pytest.mark.parametrize("fault", headers_of(Path("/")))
def test_no_header_names_a_place(fault: str, on_hub: Command, hub: Hub, outside: Path, tmp_path: Path) -> None:
    headers = headers_of(outside)[fault]

    def instead(handler: Handler, path: str) -> bool:
        if path.startswith("/api/models/me/tiny/tree"):
            handler.json([{"type": "file", "path": "config.json", "size": 3, "oid": f"{outside}/evil"}])
        elif path.startswith("/api/"):
            handler.json({"id": "me/tiny", "sha": headers.get("X-Repo-Commit"), "siblings": []})
        else:
            handler.send(200, b"{}\n", headers)
        return True

    hub.instead = instead
    for name in (MINE, f"{MINE}@{COMMIT}"):
        refused(on_hub("info", name), tmp_path)


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_no_download_is_endless(
    status: int, on_hub: Command, hub: Hub, outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_JSON", 2**20, raising=False)
    headers = {"X-Repo-Commit": COMMIT, "ETag": '"0123"', "Location": "/elsewhere", "Content-Type": "application/json"}

    def instead(handler: Handler, path: str) -> bool:
        if handler.command == "HEAD":
            handler.send(200, b"declared: 20 bytes.\n", headers)
        elif path.startswith("/api/models/me/tiny/tree"):
            handler.json([{"type": "file", "path": "config.json", "size": 20, "oid": "0123"}])
        elif path.startswith("/api/"):
            handler.json({"id": "me/tiny", "sha": COMMIT, "siblings": []})
        else:
            endless(handler, status, headers)
        return True

    hub.instead = instead
    assert "more than" in refused(on_hub("info", MINE), tmp_path)


def test_tensors_of_undeclared_size_are_bounded_like_json(
    on_hub: Command, hub: Hub, model: Path, outside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_JSON", 2**20)
    published(hub, model)

    def instead(handler: Handler, path: str) -> bool:
        if is_tensors := path.endswith("model.safetensors"):
            endless(handler, 200, {"X-Repo-Commit": hub.repositories["me/tiny"].refs["main"]})
        return is_tensors

    hub.instead = instead
    assert "model.safetensors on the hub has more than" in refused(on_hub("info", MINE), tmp_path)


@pytest.mark.parametrize(
    "part", ["/api/validate-yaml", "/api/models/me/tiny", "/api/repos/create", "/api/models/me/tiny/commit/main"]
)
def test_no_answer_to_push_is_endless(part: str, on_hub: Command, hub: Hub, model: Path) -> None:
    def instead(handler: Handler, path: str) -> bool:
        if path == part:
            endless(handler, 200, {"Content-Type": "application/json"})
        return path == part

    hub.instead = instead
    assert "the hub answered with more than" in error(on_hub("push", model, "me/tiny", "--yes"), 1)


def bodies(content: bytes, outside: Path) -> dict[str, tuple[int, bytes, dict[str, str]]]:
    """Return, by fault, the status, content and headers of answers to a request for a file."""
    packed = {"Content-Encoding": "gzip"}
    return {
        "a compressed file": (200, gzip.compress(bytes(2**20)), packed),
        "a compressed error": (404, gzip.compress(bytes(2**20)), packed),
        "fewer bytes than declared": (200, content, {"Content-Length": str(2 * len(content))}),
        "more bytes than declared": (200, content, {"Content-Length": str(len(content) // 2)}),
        "a length without end": (200, content, {"Content-Length": "9" * 18}),
        "no length": (200, content, {"Content-Length": "-1"}),
        "a redirect to a file": (302, b"", {"Location": f"file://{outside}"}),
        "a redirect to itself": (302, b"", {"Location": ""}),
        "a redirect to nowhere": (302, b"", {"Location": "http://127.0.0.1:9/x"}),
        "a status without content": (204, b"", {}),
        "an error that is a list": (500, b"[]", {"Content-Type": "application/json"}),
        "an error with escapes": (403, b"", {"X-Error-Message": "\x1b[2J"}),
        "deep JSON": (500, b"[" * 100_000, {"Content-Type": "application/json"}),
    }


@pytest.mark.parametrize("fault", bodies(b"", Path()))
def test_no_body_is_trusted(fault: str, on_hub: Command, hub: Hub, model: Path, outside: Path, tmp_path: Path) -> None:
    status, content, headers = bodies((model / "config.json").read_bytes(), outside)[fault]

    def instead(handler: Handler, path: str) -> bool:
        handler.close_connection = True
        handler.send(status, content, {"X-Repo-Commit": COMMIT, "ETag": '"0123"', **headers})
        return True

    hub.instead = instead
    refused(on_hub("info", MINE), tmp_path)


def test_two_answers_make_no_model(on_hub: Command, hub: Hub, model: Path, outside: Path, tmp_path: Path) -> None:
    def instead(handler: Handler, path: str) -> bool:
        content = (model / path.rpartition("/")[2]).read_bytes()
        handler.send(200, content, {"X-Repo-Commit": f"{len(hub.requests):040x}", "ETag": '"0123"'})
        return True

    hub.instead = instead
    assert "model.safetensors is missing" in refused(on_hub("info", MINE), tmp_path)


def test_no_other_host_gets_the_token(on_hub: Command, hub: Hub, model: Path) -> None:
    published(hub, model, private=True)
    sent: dict[str, set[bool]] = {}

    def instead(handler: Handler, path: str) -> bool:
        host = handler.headers["Host"]
        sent.setdefault(host, set()).add("Authorization" in handler.headers)
        if host not in hub.url:
            handler.send(200, (model / path.rpartition("/")[2]).read_bytes(), {})
            return True
        away = {"Location": f"{hub.large_url.removesuffix('/large')}{path}", "X-Repo-Commit": COMMIT}
        handler.send(302, b"", away)
        return True

    hub.instead = instead
    assert on_hub("info", MINE).returncode == 0
    here, there = hub.url.removeprefix("http://"), hub.large_url.split("/")[2]
    assert sent == {here: {True}, there: {False}}


def test_a_mirror_may_lead_to_another_hub(on_hub: Command, hub: Hub, model: Path) -> None:
    published(hub, model)

    def instead(handler: Handler, path: str) -> bool:
        if away := path.startswith("/mirror"):
            handler.send(308, b"", {"Location": path.removeprefix("/mirror")})
        return away

    hub.instead = instead
    assert on_hub("info", MINE, HF_ENDPOINT=f"{hub.url}/mirror").returncode == 0


def in_the_cache(place: Path) -> Path:
    """Return the folder of COMMIT, the commit of main, in the cache of a user at `place`."""
    storage = place / "home" / "hub" / "models--me--tiny"
    (storage / "refs").mkdir(parents=True)
    (storage / "refs" / "main").write_text(COMMIT)
    (storage / "snapshots" / COMMIT).mkdir(parents=True)
    return storage / "snapshots" / COMMIT


def test_the_cache_of_the_library_is_used(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    folder = in_the_cache(tmp_path)
    blobs = folder.parents[1] / "blobs"
    blobs.mkdir()
    for file in model.iterdir():
        (blobs / file.name).write_bytes(file.read_bytes())
        (folder / file.name).symlink_to(Path("..", "..", "blobs", file.name))
    for name in (MINE, f"{MINE}@{COMMIT}"):
        assert on_hub("info", name, HF_HUB_OFFLINE="1").returncode == 0
    assert hub.requests == []


@pytest.mark.parametrize("link", ["config.json", "model.safetensors", "folder", "ref", "link to a ref"])
def test_a_cache_that_leads_elsewhere_is_refused(
    link: str, on_hub: Command, hub: Hub, model: Path, tmp_path: Path
) -> None:
    folder = in_the_cache(tmp_path)
    for file in model.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    if link == "folder":
        shutil.rmtree(folder)
        folder.symlink_to(model)
    elif link == "ref":
        (folder.parents[1] / "refs" / "main").write_text(str(model))
    elif link == "link to a ref":
        (folder.parents[1] / "refs" / "main").unlink()
        (folder.parents[1] / "refs" / "main").symlink_to(model / "config.json")
    else:
        (folder / link).unlink()
        (folder / link).symlink_to(model / link)
    assert "leads out of the hub's cache" in error(on_hub("info", MINE, HF_HUB_OFFLINE="1"), 1)


def test_a_hub_that_stalls_is_one_line(on_hub: Command, hub: Hub, outside: Path, tmp_path: Path) -> None:
    def instead(handler: Handler, path: str) -> bool:
        handler.close_connection = True
        handler.send(200, b"{", {"X-Repo-Commit": COMMIT, "ETag": '"0123"', "Content-Length": "20"})
        handler.rfile.read(1)  # until the client leaves
        return True

    hub.instead = instead
    said = refused(on_hub("info", MINE, HF_HUB_DOWNLOAD_TIMEOUT="1"), tmp_path)
    assert "did not answer" in said


@pytest.mark.parametrize("endpoint", ["localhost:1", "ftp://localhost", "http://", "http://127.0.0.1:99999", "://"])
def test_an_invalid_address_of_a_hub_is_one_line(endpoint: str, on_hub: Command, outside: Path, tmp_path: Path) -> None:
    refused(on_hub("info", MINE, HF_ENDPOINT=endpoint), tmp_path)


@pytest.mark.parametrize("kind", ["large", "pipe", "folder"])
def test_a_card_that_cannot_be_sent_is_named(kind: str, on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "book"))
    card = folder / "README.md"
    card.unlink(missing_ok=True)
    if kind == "large":
        with card.open("wb") as file:
            file.truncate(2**26 + 1)
    elif kind == "pipe":
        os.mkfifo(card)
    else:
        card.mkdir()
    assert f"cannot read {card}: " in error(on_hub("push", folder, "me/tiny", "--yes"), 2)
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


def test_a_cache_that_lost_the_name_of_its_commit_is_used(
    on_hub: Command, hub: Hub, model: Path, tmp_path: Path
) -> None:
    published(hub, model)
    assert on_hub("info", MINE).returncode == 0
    (ref,) = tmp_path.rglob("refs/main")
    commit = ref.read_bytes()
    ref.unlink()
    assert on_hub("info", MINE).returncode == 0
    assert ref.read_bytes() == commit


def test_a_card_whose_metadata_are_not_yaml_is_not_sent(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "book"))
    (folder / "README.md").write_text("---\na: [\n---\n")
    assert f"the metadata of {folder / 'README.md'} are not valid YAML" in error(on_hub("push", folder, "me/t"), 2)
    assert hub.requests == []
