"""Saved models on the Hugging Face hub. hf://USER/NAME@REVISION names one; `Upload` sends one.

`huggingface_hub` provides the settings, the layout of the cache, the access tokens and the uploads. Downloads are our
own, because that library takes file names from a hub's answers. A name without hf:// causes no request. Only the files
of a model are downloaded, and none is executed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from afterword.commands import attached_files
from afterword.errors import AfterwordError, HubError, ModelError, OptionError, StorageError
from afterword.model.folder.card import card_text, disclosing, metadata
from afterword.model.folder.saved import (
    CARD,
    CONFIG,
    FILES,
    OLD,
    WEIGHTS,
    SavedModel,
    content,
)
from afterword.records import read_json
from afterword.storage import LARGEST_JSON, NO_ROOM, read_whole, replacing, write_bytes

if TYPE_CHECKING:
    from httpx2 import Client, Response
    from huggingface_hub import RepoCard

HUB = "hf://"  # begins the name of a model on the hub
REPOSITORY = r"(?![^@]*(?:--|\.\.))\w(?:[\w.-]{0,94}\w)?/\w(?:[\w.-]{0,94}\w)?(?<!\.git)"  # the hub's own rule
RULE = "with letters and digits, and single . _ - inside a name"
REMOTE_NAME = re.compile(rf"{HUB}({REPOSITORY})(?:@((?!.*\.\.)[\w-][\w./-]*))?", re.ASCII)
COMMIT = re.compile(r"[0-9a-f]{40}")
LARGEST_TENSORS = 4 * 2**30  # bytes: a billion weights
LARGEST_ANSWER = 8 * 2**20  # bytes, except for a file: a list of 50,000 files
LEAST_CLIENT = 2  # the major version of huggingface_hub; other packages may bring an older one
LIBRARY = "afterword"  # for the hub's count of downloads
_ALONE = threading.Lock()  # two threads would write the same file


def download(name: str) -> Path:
    """Return the folder, in the hub's cache, of the model hf://USER/NAME@REVISION; without a revision, of the newest.

    Only what the cache lacks is downloaded. If the hub cannot be reached, the newest in the cache is used. Raises
    ModelError if the model does not exist, OptionError without `huggingface_hub`, HubError, StorageError.
    """
    if not (found := REMOTE_NAME.fullmatch(name)):
        forms = f"{HUB}USER/NAME or {HUB}USER/NAME@REVISION"
        raise ModelError(f"{name[:120]!r} does not name a model on the hub: write {forms}, {RULE}")
    with _reported(name), _ALONE:
        # its configuration first: another program's model can be very large
        folder = _fetch(found[1], found[2] or "main", CONFIG).parent
        for file in _files(folder, name):
            _fetch(found[1], folder.name, file)
        return folder


def _fetch(repository: str, revision: str, file: str) -> Path:
    """Return the path of `file` in the cache, downloading it if needed. The path does not exist if the hub lacks it.

    Raises HubError for an invalid answer, StorageError, and the errors of httpx2 and `huggingface_hub`.
    """
    from httpx2 import HTTPError
    from huggingface_hub import constants, errors, hf_hub_url
    from huggingface_hub.utils import build_hf_headers, hf_raise_for_status  # type: ignore[attr-defined] # are public

    place = Path(constants.HF_HUB_CACHE).expanduser().resolve() / f"models--{repository.replace('/', '--')}"
    ref = _kept(place, "refs", revision)
    known = revision if COMMIT.fullmatch(revision) or not ref.is_file() else ref.read_text("ascii", "replace")
    path = _kept(place, "snapshots", known, file)
    if COMMIT.fullmatch(revision) and path.exists():
        return path
    url, headers = hf_hub_url(repository, file, revision=revision), build_hf_headers(library_name=LIBRARY)
    try:
        with _client(file) as client, client.stream("GET", url, headers=headers) as answer:
            hf_raise_for_status(answer)
            named = [one.headers.get("X-Repo-Commit", "") for one in (*answer.history, answer)]
            if not COMMIT.fullmatch(commit := next(filter(None, named), "")):
                raise HubError(f"the hub gave {repository} the commit {commit[:60]!r}, not 40 hexadecimal digits")
            if not (path := _kept(place, "snapshots", commit, file)).exists():
                _save(answer, path)
        if commit not in (revision, known):
            ref.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(ref, commit.encode())
    except (HTTPError, errors.OfflineModeIsEnabled) as error:
        if isinstance(error, errors.RemoteEntryNotFoundError):
            return place / file
        if isinstance(error, errors.RevisionNotFoundError) or not (path.exists() or file == CARD):
            raise
    return path


def _kept(place: Path, *names: str) -> Path:
    """Return a path in a repository's `place` in the cache. Raises StorageError if it leads out of the cache."""
    path = place.joinpath(*names)
    if not any(path.resolve().is_relative_to(root.resolve()) for root in (place, place.parent)):
        raise StorageError(f"{path} leads out of the hub's cache, to {path.resolve()}: remove it")
    return path


def _save(answer: Response, path: Path) -> None:
    """Write the content of `answer` to `path`, with a progress bar after a second."""
    from huggingface_hub.utils.tqdm import tqdm

    size = int(answer.headers.get("Content-Length", 0))  # exact, if it is given; large files must declare it
    most = LARGEST_TENSORS if size and path.suffix == ".safetensors" else LARGEST_JSON
    path.parent.mkdir(parents=True, exist_ok=True)
    bar = tqdm(desc=path.name, total=size or None, unit="B", unit_scale=True, delay=1)  # type: ignore[no-untyped-call]
    with replacing(path, size or None) as file, bar:
        for chunk in answer.iter_raw():  # not decoded, which could make many bytes of a few
            if max(size, file.tell() + len(chunk)) > most:
                raise HubError(f"{path.name} on the hub has more than {most:,} bytes, which no model needs")
            bar.update(file.write(chunk))


def _client(file: str | None = None) -> Client:
    """Return an HTTP client that limits answers, which the library collects in memory. `_save` limits a `file`."""
    from httpx2 import ByteStream, Client
    from huggingface_hub import constants, errors

    if constants.is_offline_mode():
        raise errors.OfflineModeIsEnabled

    def bound(answer: Response) -> None:
        if (coding := answer.headers.get("Content-Encoding", "identity")) != "identity":
            raise HubError(f"the hub encoded its answer as {coding[:60]!r}, which was not requested")
        answer.headers.pop("X-HF-Warning", None)  # the library would print it
        if file and answer.status_code == 200:
            return
        body = bytearray()
        for chunk in answer.stream:  # type: ignore[union-attr] # nothing here is async
            body += chunk
            if len(body) > LARGEST_ANSWER:
                raise HubError(f"the hub answered with more than {LARGEST_ANSWER:,} bytes, which no request needs")
        answer.stream.close()  # type: ignore[union-attr]
        answer.stream = ByteStream(bytes(body))

    plain, hooks = {"Accept-Encoding": "identity"}, {"response": [bound]}
    wait = constants.HF_HUB_DOWNLOAD_TIMEOUT if file else 600  # seconds without a byte; a commit can take the hub long
    return Client(headers=plain, event_hooks=hooks, follow_redirects=True, timeout=wait)


def _files(folder: Path, name: str | Path) -> list[str]:
    """Return the names of the files that the config.json in `folder` belongs to. Raises ModelError."""
    try:
        config = read_json(dict[str, Any], read_whole(folder / CONFIG))
        parts = {CARD, WEIGHTS, *config["checksums"], *config.get("attachments", ())}
        if config["format"] == OLD and parts & attached_files().keys():
            parts |= attached_files().keys()  # of which those without a checksum are named nowhere
    except (OSError, ValueError, LookupError, TypeError):
        raise ModelError(f"{name} is not a model of Afterword: its {CONFIG} is missing or invalid") from None
    return [file for file in FILES if file in parts]


@dataclass(frozen=True)
class Upload:
    """A saved model that can be sent to a repository of the hub."""

    repository: str
    """USER/NAME."""
    files: dict[str, Path | bytes]
    """The files of the model, and its card for that repository."""
    about: dict[str, Any]
    """The metadata of that card."""
    private: bool
    """Whether only those with access to the repository will be able to read it."""
    replaced: frozenset[str] | None
    """The files that the repository has; None if it does not exist yet."""

    @staticmethod
    def of(folder: Path, model: SavedModel, repository: str, private: bool, **about: str | None) -> Upload:
        """Prepare to send the `model` that was loaded from `folder`. The hub is asked, and not changed.

        `about` has the language and the license for the card, if they are known. Raises OptionError for an invalid
        repository, for metadata that the hub refuses, without an access token, and for a repository that is public and
        must be private; HubError.
        """
        if not re.fullmatch(REPOSITORY, repository, re.ASCII):
            raise OptionError(f"{repository[:120]!r} does not name a repository of the hub: write USER/NAME, {RULE}")
        with _reported(repository):
            from huggingface_hub import HfApi, constants, get_token, set_client_factory
            from huggingface_hub.errors import RepositoryNotFoundError

            set_client_factory(_client)  # for the whole process, which runs one command
            if get_token() is None:
                raise OptionError("push needs an access token of the hub: run hf auth login, or set HF_TOKEN")
            places = [folder / name for name in _files(folder, folder)]
            files: dict[str, Path | bytes] = {place.name: place for place in places if place.exists()}
            card = _card_for(repository, folder / CARD, model, about)
            files[CARD], values = str(card).encode(), dict(card.data.__dict__)
            try:
                found = HfApi(library_name=LIBRARY).model_info(repository, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
            except RepositoryNotFoundError:
                return Upload(repository, files, values, private, None)
        if private and not found.private:
            raise OptionError(f"{repository} exists and is public: make it private in its settings, or name a new one")
        replaced = frozenset(one.rfilename for one in found.siblings or ())
        return Upload(repository, files, values, bool(found.private), replaced)

    def send(self) -> str:
        """Send the files in one commit, which also removes what the model no longer has. Return the repository's URL.

        Raises HubError. The hub then has all of the commit or nothing; a new repository can remain empty.
        """
        with _reported(self.repository):
            from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi

            api = HfApi(library_name=LIBRARY)
            if self.replaced is None:
                api.create_repo(self.repository, private=self.private, exist_ok=False)
            removed = {*FILES} & (self.replaced or frozenset()) - {*self.files}
            operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = [
                *(CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in self.files.items()),
                *(CommitOperationDelete(path_in_repo=name) for name in sorted(removed)),
            ]
            api.create_commit(self.repository, operations, commit_message="Upload a model of Afterword")
            return f"{api.endpoint}/{self.repository}"


def _card_for(repository: str, path: Path, model: SavedModel, about: dict[str, str | None]) -> RepoCard:
    """Return the card in `path` for `repository`, with complete metadata that the hub has checked.

    What its owner wrote into the metadata stays, unless `about` has another value. Raises OptionError.
    """
    from huggingface_hub import RepoCard

    text = content(path).decode("utf-8", "replace") if path.exists() else ""
    text = disclosing(text, model).replace("\nafterword generate .\n", f"\nafterword generate {HUB}{repository}\n")
    try:
        card = RepoCard(text if text.startswith("---\n") else card_text(metadata(model), text))
    except Exception as error:  # of YAML, whose errors have a base of their own
        raise OptionError(f"the metadata of {path} are not valid YAML: {' '.join(str(error).split())[:200]}") from None
    for name, value in {**metadata(model), **card.data.__dict__, **about}.items():
        if value is not None:
            card.data[name] = value
    try:
        card.validate()
    except ValueError as error:
        raise OptionError(f"the hub refuses the metadata of {CARD}: {' '.join(str(error).split())[:300]}") from None
    return card


@contextlib.contextmanager
def _reported(name: str) -> Iterator[None]:
    """Report what `huggingface_hub` raises while it works on the model `name` as errors of our own, one line each."""
    try:
        from httpx2 import TransportError
        from huggingface_hub import __version__, constants, errors
        from huggingface_hub.utils.tqdm import disable_progress_bars

        constants.HF_HUB_DISABLE_TELEMETRY = True  # else it fetches a list of AI agents, to report which one runs
        if int(__version__.partition(".")[0]) < LEAST_CLIENT:
            raise ImportError
    except ValueError as error:  # from reading the environment
        raise OptionError(f"HF_ENDPOINT or another variable of the hub is invalid: {error}; correct it") from None
    except ImportError:
        wanted = f"huggingface_hub {LEAST_CLIENT}: pip install 'afterword[hub]'"
        raise OptionError(f"{name} is on the hub, which needs {wanted}") from None
    is_seen = sys.stderr.isatty() or "ipykernel" in sys.modules or "HF_HUB_DISABLE_PROGRESS_BARS" in os.environ
    access = "if it is private, run hf auth login, or set HF_TOKEN to a token that may read it"
    try:
        with contextlib.nullcontext() if is_seen else disable_progress_bars():  # a pipe would get each of their states
            yield
    except AfterwordError:
        raise
    except errors.RevisionNotFoundError:
        raise ModelError(f"{name}: the repository has no such revision; name a branch, a tag or a commit") from None
    except errors.RepositoryNotFoundError:
        raise ModelError(f"no model at {name}: the hub has no such repository, or does not show it; {access}") from None
    except errors.OfflineModeIsEnabled:
        raise HubError(f"{name} needs the hub, and HF_HUB_OFFLINE is set: unset it") from None
    except Exception as error:  # of the network, the hub, the disk and the cache, by several libraries
        if isinstance(error, OSError) and error.errno in (*NO_ROOM, errno.EACCES, errno.EROFS):
            raise StorageError(f"cannot write {error.filename or 'the cache of the hub'}: {error.strerror}") from None
        if reason := getattr(error, "server_message", None):
            raise HubError(f"the hub refused {name}: {' '.join(reason.split())[:300]}") from error
        why = " ".join(str(error).split())[:300] or type(error).__name__
        what = "did not answer" if isinstance(error, TransportError) else "gave no valid answer"
        named = os.environ.get("HF_ENDPOINT", "")
        hub = f"the hub of HF_ENDPOINT, {named[:100]!r}," if named else "the hub"
        raise HubError(f"{hub} {what} for {name}: {why}") from error
