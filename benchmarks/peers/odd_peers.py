"""Findings of Drain3 or logreduce, run by benchmarks/odd.py in an environment that has both.

python odd_peers.py drain3|logreduce GOOD NEW: a JSON list of findings, the first to be read first; each is a list of
places in NEW. Drain3 lists each template that no good line has, in the order of appearance; logreduce lists the lines
that are far from all good ones, the farthest first.
"""

import json
import sys
from pathlib import Path


def drain(good, new):
    from drain3 import TemplateMiner
    from drain3.template_miner_config import TemplateMinerConfig

    miner = TemplateMiner(config=TemplateMinerConfig())
    for line in good:
        miner.add_log_message(line)
    known, found = {cluster.cluster_id for cluster in miner.drain.clusters}, {}
    for at, line in enumerate(new):
        cluster = miner.add_log_message(line)["cluster_id"]
        if cluster not in known:
            found.setdefault(cluster, []).append(at)
    return list(found.values())


def logreduce(good, new):
    from logreduce.models import HashingNeighbors
    from logreduce.tokenizer import Tokenizer

    good_tokens, tokens = ([Tokenizer.process(line) for line in lines] for lines in (good, new))
    model = HashingNeighbors()
    model.train([tokens for tokens in good_tokens if tokens])
    found = {}
    for at, (line, distance) in enumerate(zip(tokens, model.test(tokens), strict=True)):
        if (far := float(distance[0])) >= 0.2:  # its default threshold
            found.setdefault(line, (far, []))[1].append(at)
    return [places for _, places in sorted(found.values(), key=lambda one: -one[0])]


way, *files = sys.argv[1:]
good, new = (Path(name).read_text(encoding="utf-8").split("\n")[:-1] for name in files)
print(json.dumps({"drain3": drain, "logreduce": logreduce}[way](good, new)))
