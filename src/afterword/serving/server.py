"""The server on its socket: begun, told to stop, and stopped without dropping anybody's answer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import socket
from collections.abc import AsyncIterator, Callable, Sequence

import uvicorn

from afterword.errors import OptionError
from afterword.serving.app import application, is_open
from afterword.serving.limits import Limits
from afterword.serving.models import Models
from afterword.serving.protocol import protocol
from afterword.serving.runs import Runs
from afterword.serving.safety import Guard
from afterword.serving.service import Service

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
BACKLOG = 512


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OptionError where the address cannot be bound."""
    try:
        info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With its protocol named, asyncio sends at once on what is accepted; else a stream's first part, which follows
        # its header, would wait for the 40 ms after which a client confirms that one.
        made = socket.socket(info[0], info[1], info[2])
        try:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(info[4])
            made.listen(BACKLOG)
        except OSError:
            made.close()
            raise
    except OSError as error:
        raise OptionError(f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --port") from None
    return made


def hosts(host: str, port: int, more: Sequence[str] = ()) -> set[str]:
    """How the Host header may name this server."""
    names = {*LOOPBACK, *more, *([host] if host not in ("0.0.0.0", "::") else [])}
    with_port = {name if _has_port(name) else f"{name}:{port}" for name in names}
    return {name.lower() for name in with_port | {name for name in names if port == 80 or name in more}}


def _has_port(name: str) -> bool:
    return name.rpartition(":")[2].isdigit() and not name.endswith("]")


class Server:
    """Serves on `socket` until it is told to stop."""

    def __init__(
        self,
        models: Models,
        runs: Runs,
        limits: Limits,
        listening: socket.socket,
        names: set[str],
        key: str | None = None,
    ) -> None:
        self._models, self._runs, self._limits, self._socket = models, runs, limits, listening
        self._error: BaseException | None = None
        self._app = application()
        self._app.router.lifespan_context = self._life
        self._app.router.redirect_slashes = False
        config = uvicorn.Config(
            Guard(self._app, names, key, is_open, limits.max_header, self._refused),
            http=protocol(limits),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            h11_max_incomplete_event_size=limits.max_header,
            backlog=BACKLOG,
            timeout_graceful_shutdown=math.ceil(limits.request_timeout + limits.send_timeout),
        )
        self._server = uvicorn.Server(config)

    def run(self, on_ready: Callable[[], object]) -> None:
        """Serve; `on_ready` is called once the models are loaded. Returns after a graceful stop.

        Raises AfterwordError where a model cannot be loaded.
        """
        self._on_ready = on_ready
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # what is wrong with requests is told to clients
        with contextlib.suppress(KeyboardInterrupt, SystemExit):  # the signal that stopped it, which comes again
            self._server.run(sockets=[self._socket])
        if self._error is not None:
            raise self._error

    def _refused(self, status: int) -> None:
        self._app.state.service.metrics.refusal(status)

    @contextlib.asynccontextmanager
    async def _life(self, app: object) -> AsyncIterator[None]:
        service = self._app.state.service = Service.begin(self._models, self._runs, self._limits)
        loading = asyncio.ensure_future(self._load(service))
        try:
            yield
        finally:
            loading.cancel()
            service.end()

    async def _load(self, service: Service) -> None:
        try:
            await asyncio.to_thread(self._models.load)
        except Exception as error:
            self._error, self._server.should_exit = error, True
            return
        service.loaded = True
        self._on_ready()
