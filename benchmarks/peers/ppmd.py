"""PPMd (variant I of 7-Zip's family), run by benchmarks/base.py and adapting.py in an environment that has pyppmd.

python ppmd.py TRAINING HELD-OUT [ORDER]: bits that the second file adds to the first, learning on as it is read.
"""

import sys
from pathlib import Path

import pyppmd

MEMORY = 256 << 20
ORDER = int(sys.argv[3]) if len(sys.argv) > 3 else 6


def bits(data):
    return 8 * len(pyppmd.compress(data, max_order=ORDER, mem_size=MEMORY))


training, held_out = (Path(name).read_bytes() for name in sys.argv[1:3])
print(bits(training + held_out) - bits(training))
