"""The settings of a server: how clients reach it, and limits on their requests."""

from __future__ import annotations

import re
from typing import ClassVar

from afterword.errors import OptionError
from afterword.settings import Settings, setting, settings_class

HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d+)?")
ROOT_PATH = re.compile(r"(/(?!\.\.?(/|$))[A-Za-z0-9._~-]+)*")


@settings_class(kw_only=True)
class Access(Settings):
    """The settings by which clients reach a server. Raises OptionError for an invalid value."""

    host: str = setting("the address to listen on; another machine can only reach it with a key", default="127.0.0.1")
    port: int = setting("0 chooses a free one", default=8000, minimum=0, maximum=65535)
    allow_host: tuple[str, ...] = setting("a host name that clients may use (repeatable)", default=(), metavar="NAME")
    root_path: str = setting("the path of this server behind a proxy, such as /aw", default="", metavar="PATH")
    access_log: bool = setting("print a line per request on standard error", default=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not ROOT_PATH.fullmatch(self.root_path):
            allowed = "with letters, digits and - . _ ~ between slashes, no slash at the end, and no part . or .."
            raise OptionError(f"`root_path` must be a path like /aw, {allowed}; not {self.root_path[:60]!r}")
        for name in self.allow_host:
            if not HOST.fullmatch(name):
                raise OptionError(f"`allow_host` must be a name as in text.example.org, not {name[:60]!r}")


@settings_class(kw_only=True)
class Limits(Settings):
    """The limits of a server. Raises OptionError for an invalid value."""

    max_requests: int = setting("write at most this many texts at once; the others wait", default=256, minimum=1)
    max_queue: int = setting("let at most this many texts wait; refuse more (429)", default=256, minimum=0)
    request_timeout: float = setting("maximum seconds for a request in all", default=300.0, above=0)

    # The rest are fixed, because they fit together. Stricter ones can be set at a proxy.
    max_prompt: ClassVar = 200_000  # tokens
    max_output: ClassVar = 16_384  # tokens written for one request
    max_body: ClassVar = 4 * 2**20  # bytes
    max_text: ClassVar = 64 * 2**20  # bytes of a body with a text to train on
    max_bodies: ClassVar = 128 * 2**20  # bytes of all large bodies together
    max_header: ClassVar = 16 * 2**10  # bytes
    max_connections: ClassVar = 800  # beyond it, the longest idle one is closed
    receive_timeout: ClassVar = 8.0  # seconds within which a request must arrive
    send_timeout: ClassVar = 30.0  # seconds within which a client must accept what is sent to it
    remember: ClassVar = 256 * 2**20  # bytes of network states, so that the page can continue a text anywhere
