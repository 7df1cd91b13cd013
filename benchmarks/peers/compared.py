"""What the scripts of `benchmarks.compare` share: what they are given, the clock, and the figures that they print.

Each is run as python SCRIPT TRAINING HELD-OUT SECONDS STARTED [OPTION], where STARTED is when its process was started.
It prints one JSON object. It needs the standard library alone, since each peer has an environment of its own.
"""

import json
import resource
import sys
import time
from pathlib import Path

SAMPLE = 300  # characters
LONG_ENOUGH = 2.0  # seconds of writing, from which the speed is measured


class Task:
    def __init__(self):
        self.paths = sys.argv[1:3]
        self.training, self.held_out = (Path(path).read_text(encoding="utf-8") for path in self.paths)
        self.seconds, self._started = float(sys.argv[3]), float(sys.argv[4])
        self.option = sys.argv[5] if len(sys.argv) > 5 else None
        self.characters = sorted({*self.training, *self.held_out})  # as every peer's own script does
        self._ready = self._begun = None

    def share(self):
        """Return which share of the time for learning has passed since this was first asked."""
        self._begun = self._begun or time.time()
        return (time.time() - self._begun) / self.seconds

    def ready(self):
        """Note that the model is ready: from here on, it is only measured."""
        self._ready = time.time() - self._started

    def report(self, bits, write=None, **more):
        """Print the bits per character, and what `write` of a number of characters returns, with its speed."""
        figures = {"bits": float(bits), "seconds": self._ready, "sample": None, "speed": None, **more}
        if write is not None:
            began, written = time.time(), 0
            while time.time() - began < LONG_ENOUGH:
                text = write(SAMPLE)
                written += len(text)
                figures["sample"] = figures["sample"] or text
            figures["speed"] = written / (time.time() - began)
        unit = 1 if sys.platform == "darwin" else 1024
        figures["memory"] = unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(figures))
