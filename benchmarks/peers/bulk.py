"""Runs code of docs/lines.md, as it stands there, on a local engine: python bulk.py ray|spark CODE_FILE WORKERS.

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

TIMES = Path("times").resolve()


def note(**times):
    """Called in the workers; a line in a file of their own is all that reaches this process."""
    with open(TIMES / f"{os.getpid()}.jsonl", "a") as file:
        print(json.dumps(times), file=file)


def timed_class(scorer):
    class Timed(scorer):
        def __call__(self, batch):
            began = time.monotonic()
            scored = super().__call__(batch)
            note(began=began, ended=time.monotonic())
            return scored

    return Timed


def timed_function(score):
    def timed(batches):
        def given():  # is asked for its first batch when the model is loaded
            began = time.monotonic()
            yield from batches
            note(began=began, ended=time.monotonic())

        yield from score(given())

    return timed


def run(code, timed):
    """Run `code`, in which the one class or function is `timed`."""
    names = {"__name__": "__main__"}
    for statement in ast.parse(code).body:
        exec(compile(ast.Module([statement], []), "docs/lines.md", "exec"), names)
        if isinstance(statement, ast.ClassDef | ast.FunctionDef):
            names[statement.name] = timed(names[statement.name])


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
        run(code, timed_class)
    finally:
        ray.shutdown()


def run_spark(code, workers):
    settings = f"--master local[{workers}] --conf spark.ui.enabled=false --conf spark.driver.bindAddress=127.0.0.1"
    os.environ["PYSPARK_SUBMIT_ARGS"] = f"{settings} pyspark-shell"
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    from pyspark.sql import SparkSession

    try:
        run(code, timed_function)
    finally:
        if session := SparkSession.getActiveSession():
            session.stop()


def main():
    engine, code, workers = sys.argv[1:]
    TIMES.mkdir()
    {"ray": run_ray, "spark": run_spark}[engine](Path(code).read_text(), int(workers))
    table = pyarrow.parquet.read_table("scored").to_pydict()
    times = [json.loads(line) for file in TIMES.glob("*.jsonl") for line in file.read_text().splitlines()]
    Path("result.json").write_text(json.dumps({**table, "times": times}))


if __name__ == "__main__":
    main()
