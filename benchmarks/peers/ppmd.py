"""PPMd (variant I of 7-Zip's family), run by benchmarks/base.py and adapting.py in an environment that has pyppmd.

python ppmd.py TRAINING HELD-OUT [ORDER]: bits that the second file adds to the first, learning on as it is read.
python ppmd.py --lines TRAINING HELD-OUT: a JSON list of the bits that each line of the second file adds on its own.
"""

import json
import sys
from pathlib import Path

import pyppmd

MEMORY = 256 << 20


def added_bits(training, held_out, order=6):
    return bits(training + held_out, order) - bits(training, order)


def bits(data, order):
    return 8 * len(pyppmd.compress(data, max_order=order, mem_size=MEMORY))


if __name__ == "__main__":
    if sys.argv[1] == "--lines":
        first, lines = (Path(name).read_bytes() for name in sys.argv[2:])
        before = bits(first, 6)
        print(json.dumps([bits(first + line + b"\n", 6) - before for line in lines.split(b"\n") if line]))
        sys.exit()
    print(added_bits(*(Path(name).read_bytes() for name in sys.argv[1:3]), *map(int, sys.argv[3:])))
