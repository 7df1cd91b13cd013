"""A client that does next to nothing: it sends requests over plain sockets and counts what comes back.

    python -m benchmarks.serving_client PORT STREAMS TOKENS PROMPT_LENGTH SEED

Prints one JSON object: tokens, streams that are complete, seconds, and seconds to each stream's first part.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from typing import Any

COMPLETION_TOKENS = re.compile(rb'"completion_tokens":(\d+)')


class Stream(asyncio.Protocol):
    """One streaming request."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self.began = self.first = self.ended = 0.0
        self.tail = b""
        self.done = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.began = time.perf_counter()
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if not self.first and b"data: " in data:
            self.first = time.perf_counter()
        self.tail = (self.tail + data)[-2000:]
        if b"[DONE]" in self.tail:
            self.ended = time.perf_counter()
            self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)

    @property
    def tokens(self) -> int:
        found = COMPLETION_TOKENS.findall(self.tail)
        return int(found[-1]) if self.ended and found else 0


def request(port: int, body: dict[str, Any]) -> bytes:
    """A completions request, as it goes over the wire."""
    text = json.dumps(body).encode()
    head = f"POST /v1/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {len(text)}\r\n\r\n".encode() + text


async def streams(port: int, number: int, tokens: int, prompt: int, seed: int) -> dict[str, Any]:
    loop = asyncio.get_running_loop()

    async def one(k: int) -> Stream:
        body = {"model": "model", "prompt": "a" * prompt, "max_tokens": tokens, "stream": True, "seed": seed + k}
        _, stream = await loop.create_connection(lambda: Stream(request(port, body)), "127.0.0.1", port)
        await stream.done
        return stream

    began = time.perf_counter()
    found = await asyncio.gather(*[one(k) for k in range(number)])
    seconds = time.perf_counter() - began
    return {
        "tokens": sum(stream.tokens for stream in found),
        "complete": sum(stream.tokens > 0 for stream in found),
        "seconds": seconds,
        "first": sorted(stream.first - stream.began for stream in found),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(streams(*map(int, sys.argv[1:])))))
