"""One text in the making: tokens to text as they come, cut at stop strings, and ended."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from afterword.generation.sampling import Sampling
from afterword.model.saved import SavedModel
from afterword.text.tokenizer import Tokenizer


class Writer:
    """Takes a text's tokens. `finish_reason` is "stop" (end token or stop string) or "length" once it has ended."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int, stops: Sequence[str]) -> None:
        """`stops` are normalised as the tokenizer does."""
        self.finish_reason: str | None = None if max_tokens else "length"
        self._left = max_tokens
        self._end = tokenizer.end
        self._decoder = tokenizer.decoder()
        self._stops = StopStrings(stops) if stops else None

    def push(self, token: int) -> str:
        """What became certain with `token`: nothing inside a character, and while a stop string may be under way."""
        text = self._decoder.push(token)
        self._left -= 1
        if token == self._end:
            self.finish_reason = "stop"
        elif not self._left:
            self.finish_reason = "length"
        if self._stops:
            text, found = self._stops.push(text)
            if found:
                self.finish_reason = "stop"
            elif self.finish_reason:
                text += self._stops.finish()
        return text


def writers(model: SavedModel, sampling: Sampling) -> Callable[[], Writer]:
    """What makes a new writer for each text of `model`."""
    max_tokens = sampling.settled(model.writing).max_tokens
    stops = [model.tokenizer.normalise(stop) for stop in sampling.stop]
    return lambda: Writer(model.tokenizer, max_tokens, stops)


class StopStrings:
    """Cuts a text that comes in parts before the first stop string that it completes."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""  # could be the start of a stop string

    def push(self, text: str) -> tuple[str, bool]:
        """The text that is certain now, and whether a stop string has ended it."""
        self._held += text
        found = [at for stop in self._stops if (at := self._held.find(stop)) >= 0]
        if found:
            return self._held[: min(found)], True
        keep = max(_begun(self._held, stop) for stop in self._stops)
        certain = self._held[: len(self._held) - keep]
        self._held = self._held[len(certain) :]
        return certain, False

    def finish(self) -> str:
        """What was held back, once nothing can follow it."""
        return self._held


def _begun(text: str, stop: str) -> int:
    """How many characters at the end of `text` are the beginning of `stop`."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)
