"""Settings for every test: checked shapes, one thread per worker, no deadline per example, no process that survives."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sys
from collections.abc import Iterator

import hypothesis
import pytest

from tests.hurried import measure_briefly
from tests.shapes import CheckingFinder

# The tests start some hundred programs, each of which would compile the whole package, as the workers would the tests.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

sys.meta_path.insert(0, CheckingFinder())  # before the tests import the package
gc.disable()  # while tests are collected, which makes millions of objects and hardly any garbage

# Two workers share the machine, so a thread that spins while it waits takes the other worker's time. NumPy and PyTorch
# read these when they are imported.
for name, value in (("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"), ("OMP_WAIT_POLICY", "passive")):
    os.environ.setdefault(name, value)
os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # in the programs of the docs, which import ONNX Runtime themselves

# The same examples each time, so that only a change can fail a test; --hypothesis-profile=default draws others.
SLOW = [hypothesis.HealthCheck.too_slow]  # as any test may be
hypothesis.settings.register_profile("any machine", deadline=None, derandomize=True, suppress_health_check=SLOW)
hypothesis.settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
    measure_briefly()


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test() -> Iterator[None]:
    before = multiprocessing.active_children()  # such as a server for many tests
    yield
    for process in set(multiprocessing.active_children()) - set(before):
        process.kill()
        process.join()
