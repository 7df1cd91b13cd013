"""What one client may ask of a server."""

from __future__ import annotations

from dataclasses import dataclass

from afterword.settings import check, setting


@dataclass(frozen=True)
class Limits:
    """Raises OptionError for an invalid value."""

    max_requests: int = setting(256, "write at most this many texts at once; more wait", minimum=1)
    max_queue: int = setting(256, "let at most this many wait; more are refused (429)", minimum=0)
    max_prompt: int = setting(200_000, "the longest prompt, in tokens", minimum=1)
    max_output: int = setting(16_384, "the longest text that one request may have written, in tokens", minimum=1)
    max_body: int = setting(4 * 2**20, "the largest body of a request, in bytes", minimum=1024)
    max_text: int = setting(64 * 2**20, "the same where a text is sent to learn from, under --train", minimum=1024)
    max_header: int = setting(16 * 2**10, "the largest headers of a request, in bytes", minimum=1024)
    max_connections: int = setting(800, "connections open at once; more are closed", minimum=1)
    receive_timeout: float = setting(8.0, "seconds in which a request must have come", above=0)
    send_timeout: float = setting(30.0, "seconds in which a client must take what is sent to it", above=0)
    request_timeout: float = setting(300.0, "seconds that one request may take in all", above=0)
    remember: int = setting(256, "MiB of states kept for the page, so that a text goes on anywhere at once", minimum=0)

    def __post_init__(self) -> None:
        check(self)
