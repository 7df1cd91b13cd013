"""Runs code of docs/bulk.md, as it stands there: python bulk.py Ray|Spark|Dask|datasets CODE_FILE WORKERS.

In an environment that has the engine, and in a folder that has the files which the code names. Writes result.json: the
lines that came out and their bits, and when each worker scored.
"""

import ast
import json
import os
import secrets
import sys
import time
from pathlib import Path

import pyarrow.parquet

from afterword.bulk import Scorer

TIMES = Path("times").resolve()


class Timed(Scorer):
    """Notes when each batch began and ended; a line in a file of its own is all that reaches the first process."""

    def __call__(self, batch):
        _ = self.loaded  # before the first batch counts
        began = time.monotonic()
        scored = super().__call__(batch)
        with open(TIMES / f"{os.getpid()}.jsonl", "a") as file:
            print(json.dumps({"began": began, "ended": time.monotonic()}), file=file)
        return scored


def run(code):
    names = {"__name__": "__main__"}
    for statement in ast.parse(code).body:
        exec(compile(ast.Module([statement], []), "docs/bulk.md", "exec"), names)
        if "Scorer" in names:
            names["Scorer"] = Timed


def run_ray(code, workers):
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # despite its name, this is what makes Linux listen on 127.0.0.1
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # else Ray leaves one in the home folder
    import ray

    try:  # one processor more, for reading and writing
        ray.init(
            num_cpus=workers + 1, include_dashboard=False, log_to_driver=False, _temp_dir=str(Path("engine").resolve())
        )
        run(code)
    finally:
        ray.shutdown()


def run_spark(code, workers):
    settings = f"--master local[{workers}] --conf spark.ui.enabled=false --conf spark.driver.bindAddress=127.0.0.1"
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"{settings} pyspark-shell"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    from pyspark.sql import SparkSession

    try:
        run(code)
    finally:
        if session := SparkSession.getActiveSession():
            session.stop()


def run_datasets(code, workers):
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ["HF_HOME"] = str(Path("engine").resolve())  # its cache, in which it would find the result of another run
    Path("scored").mkdir()
    run(code)


def main():
    engine, code, workers = sys.argv[1:]
    TIMES.mkdir()
    start = {"Ray": run_ray, "Spark": run_spark, "datasets": run_datasets}.get(engine, lambda code, workers: run(code))
    start(Path(code).read_text(), int(workers))
    table = pyarrow.parquet.read_table("scored").select(["line", "text", "bits"]).to_pydict()
    times = [json.loads(line) for file in TIMES.glob("*.jsonl") for line in file.read_text().splitlines()]
    Path("result.json").write_text(json.dumps({**table, "times": times}))


if __name__ == "__main__":
    main()
