"""Judge lines by Drain3, logreduce or LogDelta; benchmarks/odd.py runs this in an environment that has them.

python odd_peers.py drain3|logreduce|logdelta GOOD NEW prints a JSON list with a pair for each line of NEW: how odd it
is, and what it has in common with the other lines of the same finding. Drain3 only says whether a line has a template
that no good line has; logreduce returns the distance from the nearest good line. LogDelta returns the scores of four
detectors for each line (`anomaly_line_content`); their ranks are added up here, as LogDelta does for files and runs.
"""

import contextlib
import json
import sys
from pathlib import Path


def drain3(good, new):
    from drain3 import TemplateMiner
    from drain3.template_miner_config import TemplateMinerConfig

    miner = TemplateMiner(config=TemplateMinerConfig())
    for line in good:
        miner.add_log_message(line)
    known = {cluster.cluster_id for cluster in miner.drain.clusters}
    clusters = [miner.add_log_message(line)["cluster_id"] for line in new]
    return [(float(cluster not in known), cluster) for cluster in clusters]


def logreduce(good, new):
    from logreduce.models import HashingNeighbors
    from logreduce.tokenizer import Tokenizer

    good_tokens, tokens = ([Tokenizer.process(line) for line in lines] for lines in (good, new))
    if not any(good_tokens):  # it removes numbers, and events are numbers only
        return [(0.0, line) for line in new]
    model = HashingNeighbors()
    model.train([tokens for tokens in good_tokens if tokens])
    return [(float(far[0]), line) for line, far in zip(tokens, model.test(tokens), strict=True)]


def logdelta(good, new):
    import numpy as np
    import polars as pl
    from logdelta import log_analysis_functions as functions
    from logdelta.regex_masking import myllari_extended
    from loglead.enhancers import EventLogEnhancer

    np.random.seed(0)
    is_masked = not all(line.replace(" ", "").isdigit() for line in good)  # events are numbers only
    frames = []
    for lines in (good, new):
        frame = pl.DataFrame({"m_message": lines})
        frame = EventLogEnhancer(frame).mask(regexs=myllari_extended) if is_masked else frame
        frame, field = functions._prepare_content(frame, is_masked, "Words")
        frames.append(frame)
    found = functions._run_anomaly_detection(frames[1], frames[0], field, detectors=None)
    found = functions._calculate_zscore_sum_anos(found)
    keys = found["e_message_normalized" if is_masked else "m_message"]
    return [*zip(found["rank_sum"], keys, strict=True)]


way, *files = sys.argv[1:]
good, new = (Path(name).read_text(encoding="utf-8").split("\n")[:-1] for name in files)
with contextlib.redirect_stdout(sys.stderr):
    judged = {"drain3": drain3, "logreduce": logreduce, "logdelta": logdelta}[way](good, new)
print(json.dumps(judged))
