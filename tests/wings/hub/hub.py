"""A stand-in for the Hugging Face hub: the part of its API that `huggingface_hub` uses to send and fetch a model."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

import yaml

TOKEN = "hf_of_the_tests"
LICENSES = ("mit", "apache-2.0", "cc-by-4.0", "cc0-1.0", "other", "unknown")  # some of the hub's
LISTS, TEXTS = ("tags", "metrics", "datasets"), ("library_name", "pipeline_tag", "license")
Files = dict[str, bytes]


@dataclass
class Repository:
    private: bool
    commits: dict[str, Files] = field(default_factory=dict)
    """The files of each commit, the newest last."""
    refs: dict[str, str] = field(default_factory=dict)

    def commit(self, files: Files) -> str:
        content = json.dumps([len(self.commits), *sorted((name, sha(file)) for name, file in files.items())])
        sha_1 = hashlib.sha1(content.encode()).hexdigest()
        self.commits[sha_1] = files
        self.refs["main"] = sha_1
        return sha_1

    @property
    def newest(self) -> Files:
        return self.commits[self.refs["main"]]


class Hub(ThreadingHTTPServer):
    """The hub; `requests` are those that it has answered, as (method, path)."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}  # what is downloaded from another host, by its SHA-256
        self.requests: list[tuple[str, str]] = []
        self.instead: Callable[[Handler, str], object] = lambda handler, path: False  # true if it has answered

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # a client may leave

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def large_url(self) -> str:
        """The place of large files, which is another host."""
        return f"http://localhost:{self.server_port}/large"


@contextmanager
def stand_in() -> Iterator[Hub]:
    """Run a hub in a thread of its own."""
    with Hub() as hub:
        threading.Thread(target=hub.serve_forever, args=[0.01], daemon=True).start()
        yield hub
        hub.shutdown()


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def problems(card: str) -> list[str]:
    """Return what the hub's validator of metadata would object to."""
    found = re.match(r"---\n(.*?)\n---\n", card, re.DOTALL)
    values = yaml.safe_load(found[1]) if found else None
    if not isinstance(values, dict):
        return ["the metadata are empty or missing"]
    wrong = [f'"{name}" must be an array' for name in LISTS if not _texts(values.get(name, []))]
    wrong += [f'"{name}" must be a string' for name in TEXTS if not isinstance(values.get(name, ""), str)]
    if values.get("license", "mit") not in LICENSES:
        wrong.append('"license" must be one of [apache-2.0, …]')
    languages = values.get("language", [])
    for language in [languages] if isinstance(languages, str) else languages:
        if not re.fullmatch(r"[a-z]{2,3}|code|multilingual", language):
            wrong.append(f'"language" with value "{language}" is not valid. It must be an ISO 639 code')
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", values.get("base_model", "a/b")):
        wrong.append('"base_model" must be a model of the hub')
    return wrong


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        self.status, self.code, self.message = status, code, message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, path))
        if self.server.instead(self, path):
            return
        try:
            for pattern, answer in ROUTES[self.command].items():
                if found := re.fullmatch(pattern, path):
                    answer(self, *found.groups(), body)
                    return
            raise Refused(404)
        except Refused as refused:
            headers = {"X-Error-Code": refused.code} if refused.code else {}
            self.send(refused.status, json.dumps({"error": refused.message}).encode(), headers)

    do_HEAD = do_POST = do_GET

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def json(self, value: Any) -> None:
        self.send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _is_known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _repository(self, name: str) -> Repository:
        """Return the repository, unless it must be hidden: the hub then says that there is none."""
        found = self.server.repositories.get(name)
        if found is None or (found.private and not self._is_known()):
            raise Refused(404 if self._is_known() else 401, "RepoNotFound", "Repository not found")
        return found

    def _commit(self, name: str, revision: str) -> tuple[str, Files]:
        found = self._repository(name)
        commit = found.refs.get(revision, revision)
        if commit not in found.commits and found.commits:
            raise Refused(404, "RevisionNotFound", "Invalid rev id")
        return commit, found.commits.get(commit, {})

    def info(self, name: str, revision: str | None, _: bytes) -> None:
        commit, files = self._commit(name, revision or "main")
        siblings = [{"rfilename": file} for file in files]
        private = self.server.repositories[name].private
        self.json({"id": name, "sha": commit, "private": private, "siblings": siblings})

    def file(self, name: str, revision: str, path: str, _: bytes) -> None:
        commit, files = self._commit(name, revision)
        headers = {"X-Repo-Commit": commit}
        if path not in files:
            raise Refused(404, "EntryNotFound", "Entry not found")
        content = files[path]
        if not path.endswith(".safetensors"):
            self.send(200, content, {**headers, "ETag": f'"{sha(content)[:40]}"'})
            return
        self.server.large[sha(content)] = content
        linked = {"X-Linked-Etag": f'"{sha(content)}"', "X-Linked-Size": str(len(content))}
        self.send(302, b"", {**headers, **linked, "Location": f"{self.server.large_url}/{sha(content)}"})

    def large(self, oid: str, _: bytes) -> None:
        assert self.headers.get("Authorization") is None  # it is another host
        self.send(200, self.server.large[oid], {"ETag": f'"{oid}"'})

    def create(self, body: bytes) -> None:
        if not self._is_known():
            raise Refused(401, "", "Invalid username or password.")
        wish = json.loads(body)
        name = f"{wish['organization']}/{wish['name']}"
        if wish["organization"] != "me":
            raise Refused(403, "", f"You don't have the rights to create a model under the namespace {name}")
        self.server.repositories[name] = Repository(wish.get("visibility") == "private")
        self.server.repositories[name].commit({".gitattributes": b"*.safetensors filter=lfs\n"})
        self.json({"url": f"{self.server.url}/{name}"})

    def validate(self, body: bytes) -> None:
        errors = problems(json.loads(body)["content"])
        text, answer = "\n".join(f"- Error: {one}" for one in errors), json.dumps({"errors": errors, "warnings": []})
        said = text if self.headers.get("Accept") == "text/plain" else answer
        self.send(400 if errors else 200, said.encode(), {})

    def preupload(self, name: str, _: str, body: bytes) -> None:
        self._repository(name)
        paths = [file["path"] for file in json.loads(body)["files"]]
        self.json({"files": [{"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths]})

    def commit(self, name: str, revision: str, body: bytes) -> None:
        files = dict(self._commit(name, revision)[1])
        for line in body.splitlines():
            kind, value = json.loads(line).values()
            if kind == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif kind == "deletedFile":
                del files[value["path"]]
        oid = self.server.repositories[name].commit(files)
        self.json({"commitUrl": f"{self.server.url}/{name}/commit/{oid}", "commitOid": oid})


MODEL = "/api/models/([^/]+/[^/]+)"
ROUTES: dict[str, dict[str, Any]] = {
    "GET": {
        f"{MODEL}(?:/revision/(.+))?": Handler.info,
        "/([^/]+/[^/]+)/resolve/([^/]+)/(.+)": Handler.file,
        "/large/(.+)": Handler.large,
    },
    "POST": {
        "/api/repos/create": Handler.create,
        "/api/validate-yaml": Handler.validate,
        f"{MODEL}/preupload/(.+)": Handler.preupload,
        f"{MODEL}/commit/(.+)": Handler.commit,
    },
}
ROUTES["HEAD"] = ROUTES["GET"]
