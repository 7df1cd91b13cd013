"""Writes for everybody at once: requests join and leave one running batch at every step.

    request ──► waiting ──► reading its prompt ──► a lane of its network's batch ──► pieces, as they come
                  │                │                            │
                  └────────────────┴──── gone ──────────────────┘   whose client leaves: its place is free at once

One thread does it all, a round at a time: it takes in whom it has room for, reads a stretch of their prompts, and
writes a token of every text. What a request's text is does not depend on the others: see `generation.batch`.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence

import numpy as np

from afterword.generation.batch import Batch, Text
from afterword.generation.reading import Reading
from afterword.generation.sampling import Likeliest
from afterword.generation.writer import Writing
from afterword.model.arrays import Ids
from afterword.model.network import Network
from afterword.serving.errors import busy, report
from afterword.serving.memory import Memory, Path

READERS = 32  # prompts that are read side by side
READ_AT_ONCE = 256  # tokens of all of them, between two looks at who has left
READ_A_ROUND = 512  # tokens of all prompts, between two steps of those who write
# Seconds between two chunks of all texts together, and between those of one. To send a chunk costs about as much as to
# write a character, so under load it holds several; and nobody reads faster than 200 chunks a second.
BETWEEN_CHUNKS, LEAST_BETWEEN = 0.00025, 0.005

Drawn = tuple[str, int, float, Likeliest]
"""The text that became certain with a token, the token, its log-probability, and the likeliest tokens."""


class Reply(Text):
    """A text that is written for a request. The scheduler's thread fills it, the event loop's empties it."""

    def __init__(self, writing: Writing, prompt: str, seed: int, news: asyncio.Event, streams: bool) -> None:
        super().__init__(writing, prompt, seed)
        self.seed = seed
        self.drawn: deque[Drawn] = deque()
        self.done = self.writer.finish_reason is not None
        self.begun = self.failed = False
        self.gone = False
        self.news, self.streams = news, streams
        self.path: Path | None = None  # of what it has read and written, where that is to be remembered

    @property
    def is_over(self) -> bool:
        return self.gone or self.writer.finish_reason is not None

    def push(self, token: int, log_probability: float, likeliest: Likeliest) -> None:
        self.drawn.append((self.writer.push(token), token, log_probability, likeliest))
        if self.path is not None:
            self.path.push(token)


class Prompt:
    """A prompt, and the texts that go on from it."""

    def __init__(self, network: Network, ids: Ids, replies: Sequence[Reply], remember: bool = False) -> None:
        self.network, self.ids, self.replies, self.remember = network, ids, replies, remember
        self.read = 0
        self.reading: Reading | None = None
        """After what was `read`."""
        self.path: Path | None = None

    @property
    def is_read(self) -> bool:
        return self.read == len(self.ids)

    @property
    def is_gone(self) -> bool:
        return all(reply.gone for reply in self.replies)


class Scheduler:
    """Made on the event loop that is to be told; `start` begins its thread."""

    def __init__(self, places: int, queue: int, memory: int) -> None:
        """`places` texts are written at once, `queue` more wait; `memory` is in bytes."""
        self._places, self._queue = places, queue
        self._memory = Memory(memory)
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._waiting: deque[Prompt] = deque()
        self._reading: list[Prompt] = []
        self._to_keep: list[tuple[Path, Reading]] = []
        self._batches: dict[int, Batch[Reply]] = {}
        self._stopping = False
        self._told = 0.0
        self.written = self.read = 0  # tokens
        self._thread = threading.Thread(target=self._run, name="afterword-writing", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        with self._changed:
            self._stopping = True
            self._changed.notify()

    @property
    def in_use(self) -> int:
        """Places that are taken."""
        return sum(len(batch.texts) for batch in [*self._batches.values()]) + _count([*self._reading])

    @property
    def queued(self) -> int:
        return _count([*self._waiting])

    @property
    def remembered(self) -> int:
        """Bytes of states."""
        return self._memory.size

    def submit(self, prompts: Sequence[Prompt]) -> None:
        """Begin to write after `prompts`. Raises ApiError where there is no room for all of them."""
        with self._changed:
            free = self._places - self.in_use + self._queue - self.queued
            if _count(prompts) > free:
                raise busy()
            self._waiting.extend(prompts)
            self._changed.notify()

    def remember(self, readings: Iterable[tuple[Path, Reading]]) -> None:
        """What was read elsewhere."""
        with self._changed:
            self._to_keep += readings
            self._changed.notify()

    def leave(self, replies: Iterable[Reply]) -> None:
        """Nobody reads `replies` any more."""
        for reply in replies:
            reply.gone = True
        with self._changed:
            self._waiting = deque(prompt for prompt in self._waiting if not prompt.is_gone)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._waiting or self._reading or self._batches or self._to_keep or self._stopping):
                    self._changed.wait()
                if self._stopping:
                    return
                self._admit()
                to_keep, self._to_keep = self._to_keep, []
            for path, reading in to_keep:
                self._memory.keep(path, reading)
            self._read()
            for key, batch in [*self._batches.items()]:
                self._step(batch)
                if not batch.texts:
                    del self._batches[key]

    def _admit(self) -> None:
        free = self._places - self.in_use
        while self._waiting and len(self._waiting[0].replies) <= free:
            prompt = self._waiting.popleft()
            free -= len(prompt.replies)
            self._reading.append(prompt)

    def _read(self) -> None:
        """Read on in the prompts, several side by side; those that are through begin to be written after."""
        left = READ_A_ROUND
        while self._reading and left > 0:
            self._reading = [prompt for prompt in self._reading if not prompt.is_gone]
            some = self._reading[:READERS]
            unfinished: list[Prompt] = []
            try:
                for prompt in some:
                    if prompt.reading is None and prompt.remember:
                        self._recall(prompt)
                unread = [prompt for prompt in some if not prompt.is_read]
                for together in _alike(unread):
                    left -= self._read_on(together)
                for prompt in some:
                    if prompt.is_read:
                        self._begin(prompt)
                    else:
                        unfinished.append(prompt)
            except Exception as error:
                self._fail([reply for prompt in some for reply in prompt.replies], error)
            self._reading = self._reading[len(some) :] + unfinished

    def _recall(self, prompt: Prompt) -> None:
        """Begin to read where an earlier text with the same beginning was read or written to."""
        prompt.path, prompt.reading = self._memory.longest(prompt.network, prompt.ids)
        prompt.read = prompt.path.length

    def _read_on(self, prompts: Sequence[Prompt]) -> int:
        """Read a stretch of prompts of one network; how many tokens that was."""
        network = prompts[0].network
        length = min(READ_AT_ONCE // len(prompts), *(len(prompt.ids) - prompt.read for prompt in prompts))
        states = [network.start() if prompt.reading is None else prompt.reading.state for prompt in prompts]
        ids = np.stack([prompt.ids[prompt.read : prompt.read + length] for prompt in prompts])
        logits, state = network.advance(ids, states[0] if len(states) == 1 else network.side_by_side(*states))
        for lane, prompt in enumerate(prompts):
            one = state if len(prompts) == 1 else network.chosen(state, [lane])
            prompt.reading = Reading("", logits[lane : lane + 1], one, network)
            prompt.read += length
            if prompt.path is not None:
                prompt.path.extend(ids[lane])
                self._memory.keep(prompt.path, prompt.reading)
        self.read += length * len(prompts)
        return length * len(prompts)

    def _begin(self, prompt: Prompt) -> None:
        assert prompt.reading is not None
        entering = [reply for reply in prompt.replies if not reply.is_over]
        if len(entering) < len(prompt.replies):  # those of no token wait for the reading alone
            over = {reply.news for reply in prompt.replies if reply.is_over}
            self._loop.call_soon_threadsafe(_wake, over)
        if not entering:
            return
        batch = self._batches.get(id(prompt.network))
        if batch is None:
            batch = self._batches[id(prompt.network)] = Batch(prompt.network)
        if prompt.path is not None:
            for reply in entering:
                reply.path = prompt.path.copy()
        batch.enter([(reply, prompt.reading) for reply in entering])

    def _step(self, batch: Batch[Reply]) -> None:
        texts = batch.texts
        try:
            batch.step()
        except Exception as error:
            self._fail(texts, error)
            batch.texts = []
            return
        self.written += len(texts)
        for lane, reply in enumerate(batch.texts):
            if reply.path is not None:
                self._memory.keep(reply.path, batch.reading(lane))
        self._tell(texts)

    def _tell(self, texts: Sequence[Reply]) -> None:
        """Wake those who read `texts`: once they are done, and on the way now and then."""
        now = time.monotonic()
        chunks = now - self._told >= max(LEAST_BETWEEN, BETWEEN_CHUNKS * len(texts))
        if chunks:
            self._told = now
        woken = set()
        for reply in texts:
            if reply.writer.finish_reason is not None:
                reply.done = True
                woken.add(reply.news)
            elif reply.streams and (chunks or not reply.begun):
                reply.begun = True
                woken.add(reply.news)
        if woken:
            self._loop.call_soon_threadsafe(_wake, woken)

    def _fail(self, replies: Sequence[Reply], error: Exception) -> None:
        """Something is wrong in this program: tell those who wait, and whoever runs the server."""
        report(error)
        for reply in replies:
            reply.failed = reply.done = reply.gone = True
        self._loop.call_soon_threadsafe(_wake, {reply.news for reply in replies})


def _count(prompts: Iterable[Prompt]) -> int:
    return sum(len(prompt.replies) for prompt in prompts)


def _alike(prompts: Iterable[Prompt]) -> Iterable[list[Prompt]]:
    """Those that can be read side by side: of one network, and all at their start or all past it."""
    found: dict[tuple[int, bool], list[Prompt]] = {}
    for prompt in prompts:
        found.setdefault((id(prompt.network), prompt.reading is None), []).append(prompt)
    return found.values()


def _wake(news: Iterable[asyncio.Event]) -> None:
    for one in news:
        one.set()
