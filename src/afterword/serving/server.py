"""The server: it listens, serves, and stops without dropping an answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import re
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from afterword.errors import OptionError
from afterword.model.malloc import keep_freed
from afterword.serving.app import ROUTES, application
from afterword.serving.http.limits import Access, Limits
from afterword.serving.http.protocol import protocol
from afterword.serving.runs.trainer import Trainer
from afterword.serving.runs.watched import Runs
from afterword.serving.service import Service
from afterword.serving.writing.models import Models

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
EVERYWHERE = ("0.0.0.0", "[::]")  # hosts that are all addresses of this machine
NOBODY = ("192.0.2.1", 9)  # an address for documentation (RFC 5737)
BACKLOG = 512
BETWEEN_TRIMS = 3.0  # seconds
LARGE = 2**22  # bytes of a freed block that returns to the system at once
SPARE = 1.0  # seconds to stop, after the longest answer
OTHER_FILES = 100  # open at once: models, runs, pages


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket. Raises OptionError if the address cannot be bound."""
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # asyncio turns off Nagle's algorithm only if the socket names its protocol. Without that, the first part of a
        # stream waits 40 ms until the client acknowledges the header.
        made = socket.socket(info[0], info[1], info[2])
        try:
            if sys.platform != "win32":  # where it would let two servers share a port
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(info[4])
            made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise OptionError(f"cannot listen on {host}:{port}: {error.strerror or error}; give `port` or `host`") from None
    return made


def address(host: str) -> str:
    """Return the address that people type to reach `host`, in the form of a URL."""
    if host not in EVERYWHERE:
        return host
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(NOBODY)  # sends nothing, but chooses the way out
            return str(probe.getsockname()[0])
    except OSError:  # a network without a way out
        return f"{socket.gethostname()}.local"


def hosts(host: str, port: int, more: Sequence[str] = ()) -> set[str]:
    """Return the names that the Host header may have, besides the address that a client has reached.

    `host` is as in a URL. A server on all addresses also has the name of its machine.
    """
    own = [socket.gethostname(), f"{socket.gethostname()}.local"] if host in EVERYWHERE else [host]
    names = {*LOOPBACK, *more, *own}
    with_port = {name if re.search(r":\d+$", name) else f"{name}:{port}" for name in names}
    return {name.lower() for name in with_port | {name for name in names if port == 80 or name in more}}


def room(connections: int) -> int:
    """Raise this process's limit on open files for these connections; return the number that fits."""
    if sys.platform == "win32":
        return connections
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + min(BACKLOG, connections) + OTHER_FILES  # asyncio accepts a whole backlog at once
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        if soft < wanted:
            connections = min(connections, max(1, (soft - OTHER_FILES) // 2))
    return connections


class _Draining(uvicorn.Server):
    """A server that accepts connections while it stops, until its last answer is complete.

    So a load balancer receives 503. After a refused connection, it may abandon the answers in progress too.
    """

    service: Service

    def __init__(self, config: uvicorn.Config, patience: float, trainer: Trainer | None) -> None:
        """`patience` is the time in seconds after which it ends with all that it has started, whatever they do."""
        super().__init__(config)
        self._patience, self._trainer = patience, trainer

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            late = threading.Timer(self._patience, self._give_up, [128 + sig])
            late.daemon = True
            late.start()
        super().handle_exit(sig, frame)

    def _give_up(self, status: int) -> None:
        if self._trainer is not None:
            self._trainer.kill()
        os._exit(status)

    async def on_tick(self, counter: int) -> bool:
        was_stopping, self.service.is_stopping = self.service.is_stopping, await super().on_tick(counter)
        if self.service.is_stopping and not was_stopping and self._trainer is not None:
            threading.Thread(target=self._trainer.interrupt).start()
        return self.service.is_stopping and (self.force_exit or not self.service.answering)


class Server:
    """A server of `models` and `runs` on the socket `listening`."""

    def __init__(
        self,
        models: Models,
        runs: Runs,
        limits: Limits,
        access: Access,
        listening: socket.socket,
        names: set[str],
        key: str | None = None,
    ) -> None:
        first = access.root_path.split("/")[1:2]
        if first in (route.path.split("/")[1:2] for route in ROUTES):
            raise OptionError(f"root-path must not begin with the server's own path /{first[0]}: choose another path")
        connections = room(limits.max_connections)
        self._models, self._runs, self._limits, self._access, self._socket = models, runs, limits, access, listening
        self._error: BaseException | None = None
        config = uvicorn.Config(
            application(names, key, self._life),
            http=protocol(limits, connections),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=limits.max_header,
            backlog=min(BACKLOG, connections),
            timeout_graceful_shutdown=math.ceil(limits.send_timeout),  # for sending complete answers
        )
        self._server = _Draining(config, limits.request_timeout + SPARE, runs.trainer)

    def run(self, on_ready: Callable[[], object]) -> None:
        """Serve until a signal arrives, then stop gracefully; call `on_ready` once the models are loaded.

        Raises AfterwordError if a model cannot be loaded.
        """
        self._on_ready = on_ready
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # clients receive the errors
        # until uvicorn itself captures signals, an exception could come before anybody awaits its task; at the end, it
        # raises the signal again that stopped it
        with contextlib.suppress(KeyboardInterrupt, SystemExit), self._server.capture_signals():
            self._server.run(sockets=[self._socket])
        if self._error is not None:
            raise self._error

    @contextlib.asynccontextmanager
    async def _life(self, app: Starlette) -> AsyncIterator[None]:
        try:
            service = Service.begin(self._models, self._runs, self._limits, self._access)
            app.state.service = self._server.service = service
        except BaseException as error:  # uvicorn would end without a word
            self._error = error
            raise
        tasks = asyncio.ensure_future(self._load(service)), asyncio.ensure_future(_trim())
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            service.end()

    async def _load(self, service: Service) -> None:
        try:
            await asyncio.to_thread(self._models.load)
        except Exception as error:
            self._error, self._server.should_exit = error, True
            return
        service.loaded = True
        self._on_ready()


async def _trim() -> None:
    """Return freed memory to the system, now and then: a call takes less than a millisecond if nothing was freed."""
    # By default, glibc raises the limit of `LARGE` up to 32 MiB, and then keeps what each thread frees. A step of 256
    # texts frees arrays of 1 MiB. If they returned at once, each step would wait for the same pages again. So up to
    # `2 * LARGE` free bytes stay at the end of a heap until the next call.
    if trim := keep_freed(LARGE, 2 * LARGE):
        while True:
            await asyncio.sleep(BETWEEN_TRIMS)
            await asyncio.to_thread(trim)
