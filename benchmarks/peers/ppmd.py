"""PPMd (variant I of 7-Zip's family), run by benchmarks/base.py and adapting.py in an environment that has pyppmd.

python ppmd.py TRAINING HELD-OUT [ORDER]: bits that the second file adds to the first, learning on as it is read.
"""

import sys
from pathlib import Path

import pyppmd

MEMORY = 256 << 20


def added_bits(training, held_out, order=6):
    together, alone = (
        pyppmd.compress(data, max_order=order, mem_size=MEMORY) for data in (training + held_out, training)
    )
    return 8 * (len(together) - len(alone))


if __name__ == "__main__":
    print(added_bits(*(Path(name).read_bytes() for name in sys.argv[1:3]), *map(int, sys.argv[3:])))
