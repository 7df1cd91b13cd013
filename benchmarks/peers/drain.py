"""Drain3's log templates, run by benchmarks/odd.py in an environment that has it.

python drain.py TRAINING TEST: a JSON list with a score for each line of TEST. A line that matches no template of
TRAINING is the oddest; any other is the odder, the rarer its template was.
"""

import json
import math
import sys
from pathlib import Path

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig

training, test = (Path(name).read_text(encoding="utf-8").split("\n")[:-1] for name in sys.argv[1:])
miner = TemplateMiner(config=TemplateMinerConfig())
for line in training:
    miner.add_log_message(line)
scores = []
for line in test:
    cluster = miner.match(line, full_search_strategy="fallback")
    scores.append(math.log(len(training) / (0.5 if cluster is None else cluster.size)))
print(json.dumps(scores))
