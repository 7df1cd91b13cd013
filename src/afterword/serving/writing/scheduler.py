"""Continuous batching: requests join and leave one running batch at every step.

    request ──► waiting ──► reading its prompt ──► a lane of its network's batch ──► pieces of text
                  │                │                            │
                  └────────────────┴──── gone ──────────────────┘   the client leaves: its place is free at once

One thread works in rounds: it admits requests while it has room, reads a stretch of their prompts, and writes one token
of every text. A request's text does not depend on the other requests: see `generation.parallel`.

Python lets one thread compute at a time, and a thread that never waits blocks the others: the event loop would wait at
each of its system calls. So every few milliseconds this thread rests until the loop has had its turn.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from afterword.generation.parallel import ParallelTexts
from afterword.generation.prefill import read_on
from afterword.serving.http.failures import ApiError, busy, report
from afterword.serving.writing.memory import Memory
from afterword.serving.writing.replies import Reply, RequestedPrompt

READERS = 32  # prompts that are read together
READ_AT_ONCE = 64  # tokens of all of them, between two checks for clients that left
READ_A_ROUND = 512  # tokens of all prompts, between two steps of writing
# Seconds between two chunks: of all texts together, and of one text at least and at most. Sending a chunk takes as long
# as writing two or three characters, so under load a chunk has many. Nobody can read more than 200 chunks per second,
# and 3 still look fluent.
BETWEEN_CHUNKS, LEAST_BETWEEN, MOST_BETWEEN = 0.002, 0.005, 0.3
BETWEEN_RESTS, LONGEST_REST = 0.005, 0.05  # seconds
TURNS = 16  # of the loop, in a rest: to wake readers, let them send, and accept new requests
SERVER_ERROR = ApiError(500, "an error occurred in the server, and writing stopped: try again")


class _Running(ParallelTexts[Reply]):
    """The batch of one network."""

    woken = 0.0
    """The time when its texts' readers were woken last."""


class Scheduler:
    """The writing thread. Create it on the event loop that sends the texts, then start its `thread`."""

    def __init__(self, places: int, queue: int, memory: int) -> None:
        """`places` texts are written at once, and `queue` more may wait; `memory` is in bytes."""
        self._places, self._queue = places, queue
        self.memory = Memory(memory)
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._waiting: deque[RequestedPrompt] = deque()
        self._reading: list[RequestedPrompt] = []
        self._batches: dict[int, _Running] = {}
        self._stopping = False
        self.in_use = 0
        """The number of places that are taken."""
        self._news: set[asyncio.Event] = set()  # of the readers to wake
        self._rested, self._turn_is_over = 0.0, threading.Event()
        self.thread = threading.Thread(target=self._run, name="afterword-writing", daemon=True)

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._turn_is_over.set()
        self.thread.join(1)

    @property
    def queued(self) -> int:
        return _count([*self._waiting])

    def submit(self, prompts: Sequence[RequestedPrompt]) -> None:
        """Start to write after `prompts`. Raises ApiError if not all of them have room."""
        with self._changed:
            if _count(prompts) > self._places - self.in_use + self._queue - self.queued:
                raise busy()
            self._waiting.extend(prompts)
            self._changed.notify()

    def leave(self, replies: Iterable[Reply]) -> None:
        """Stop writing `replies`, which nobody reads any more."""
        for reply in replies:
            reply.gone = True
        with self._changed:
            self._waiting = deque(prompt for prompt in self._waiting if not prompt.is_gone)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._reading or self._batches or self._stopping):
                    self._changed.wait()
                if self._stopping:
                    return
                self._admit()
            try:
                self._read()
                for key, batch in [*self._batches.items()]:
                    self._step(batch)
                    if not batch.texts:
                        del self._batches[key]
            except Exception as error:  # later requests must still be served
                begun = [reply for batch in self._batches.values() for reply in batch.texts]
                self._fail(begun + [reply for prompt in self._reading for reply in prompt.replies], error)
                self._batches, self._reading = {}, []
            self._count_places()
            self._rest(at_once=bool(self._news) and not (self._reading or self._batches))

    def _rest(self, at_once: bool = False) -> None:
        """Give the event loop its turn if it is time."""
        if not at_once and time.monotonic() - self._rested < BETWEEN_RESTS:
            return
        news, self._news = self._news, set()
        self._turn_is_over.clear()
        if not self._stopping:
            self._loop.call_soon_threadsafe(self._turn, news)
            self._turn_is_over.wait(LONGEST_REST)
        self._rested = time.monotonic()

    def _turn(self, news: Iterable[asyncio.Event], left: int = TURNS) -> None:
        """Run on the event loop: let the woken readers proceed before the turn is over."""
        for one in news:
            one.set()
        if left:
            self._loop.call_soon(self._turn, (), left - 1)
        else:
            self._turn_is_over.set()

    def _admit(self) -> None:
        while self._waiting and self.in_use + len(self._waiting[0].replies) <= self._places:
            prompt = self._waiting.popleft()
            self.in_use += len(prompt.replies)
            self._reading.append(prompt)

    def _count_places(self) -> None:
        self.in_use = sum(len(batch.texts) for batch in self._batches.values()) + _count(self._reading)

    def _read(self) -> None:
        """Read the next stretch of the prompts, several together, and start writing after those that are read."""
        left = READ_A_ROUND
        while self._reading and left > 0:
            self._reading = [prompt for prompt in self._reading if not prompt.is_gone]
            self._count_places()
            some, rest = self._reading[:READERS], self._reading[READERS:]
            try:
                for prompt in some:
                    if prompt.reading is None and prompt.remember:
                        prompt.look_up(self.memory)
                for together in _alike(prompt for prompt in some if prompt.read < len(prompt.ids)):
                    left -= read_on(together, READ_AT_ONCE)
                for prompt in some:
                    if prompt.read == len(prompt.ids):
                        left -= prompt.heal()
                        self._begin(prompt)
                rest += [prompt for prompt in some if not prompt.is_read]
            except Exception as error:
                self._fail([reply for prompt in some for reply in prompt.replies], error)
            self._reading = rest
            self._rest()

    def _begin(self, prompt: RequestedPrompt) -> None:
        assert prompt.reading is not None
        entering = [reply for reply in prompt.replies if not reply.is_over]
        # replies without tokens need the reading alone
        self._news |= {reply.order.news for reply in prompt.replies if reply.is_over}
        if not entering:
            return
        batch = self._batches.setdefault(id(prompt.network), _Running(prompt.network))
        begun = [(reply, reply.continuation.begin(prompt.reading)) for reply in entering]
        if prompt.tokens_read is not None:
            for reply, spelling in begun:
                reply.tokens_read = prompt.tokens_read.copy()
                reply.tokens_read.extend(np.array(spelling.tokens, np.int32))
        batch.enter(begun)

    def _step(self, batch: _Running) -> None:
        texts = batch.texts
        try:
            batch.step()
        except Exception as error:
            self._fail(texts, error)
            batch.batches = []
            return
        for part in batch.batches:
            for lane, reply in enumerate(part.texts):
                if reply.tokens_read is not None:
                    self.memory.keep(reply.tokens_read, part.reading(lane))
        self._wake(batch, texts)

    def _wake(self, batch: _Running, texts: Sequence[Reply]) -> None:
        """Wake the readers of `texts` that are done, and at intervals the readers of streams."""
        now = time.monotonic()
        chunks = now - batch.woken >= min(max(LEAST_BETWEEN, BETWEEN_CHUNKS * self.in_use), MOST_BETWEEN)
        if chunks:
            batch.woken = now
        for reply in texts:
            if reply.is_over:
                reply.done = True
                self._news.add(reply.order.news)
            elif reply.order.streams and (chunks or not reply.begun):
                reply.begun = True
                self._news.add(reply.order.news)

    def _fail(self, replies: Sequence[Reply], error: Exception) -> None:
        """End `replies` for an error in this program, and report it."""
        report(error)
        for reply in replies:
            reply.failure = SERVER_ERROR
            reply.done = True
        self._news |= {reply.order.news for reply in replies}


def _count(prompts: Iterable[RequestedPrompt]) -> int:
    return sum(len(prompt.replies) for prompt in prompts)


def _alike(prompts: Iterable[RequestedPrompt]) -> Iterable[list[RequestedPrompt]]:
    """Group prompts that can be read together: of one network, and all at their start or all past it."""
    found: dict[tuple[int, bool], list[RequestedPrompt]] = {}
    for prompt in prompts:
        found.setdefault((id(prompt.network), prompt.reading is None), []).append(prompt)
    return found.values()
