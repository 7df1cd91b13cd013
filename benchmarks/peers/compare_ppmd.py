"""PPMd of order 6, which learns on from the held-out text while it reads it. It is a compressor, and does not write."""

from pathlib import Path

from compared import Task
from ppmd import added_bits

task = Task()
bits = added_bits(*(Path(path).read_bytes() for path in task.paths))
task.ready()
task.report(bits / len(task.held_out))
