"""Print how many attacks of each class the tests hold, as a table: python -m tests.hostile

A property-based test counts as many cases as it draws examples, any other test as one.
"""

from __future__ import annotations

import contextlib
import io
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
CLASSES = {
    "malformed HTTP, extreme values": ["hostile/test_http.py"],
    "extreme numbers of options": ["hostile/test_parameters.py"],
    "floods, and clients that leave": ["hostile/test_floods.py", "serving/test_load.py"],
    "hostile folders": [
        "hostile/test_folders.py",
        "hostile/test_paths.py",
        "model/test_saved.py",
        "model/test_tensors.py",
    ],
    "hostile hubs": ["hostile/test_hub.py"],
    "hostile texts": ["hostile/test_texts.py"],
    "kills, power cuts, full disks": ["torture"],
    "interrupts": ["hostile/test_interrupts.py"],
    "exhausted memory": ["hostile/test_memory.py"],
}


class _Collected:
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = session.items


def counts() -> dict[str, int]:
    """Return the number of cases of each class, the slow ones included."""
    collected = _Collected()
    places = [str(TESTS / place) for places in CLASSES.values() for place in places]
    with contextlib.redirect_stdout(io.StringIO()):
        options = ["--collect-only", "-q", "-m", "slow or not slow", "-p", "no:cacheprovider", "-n0"]
        pytest.main([*options, *places], plugins=[collected])
    found = dict.fromkeys(CLASSES, 0)
    for item in collected.items:
        settings = getattr(getattr(item, "function", None), "_hypothesis_internal_use_settings", None)
        for name, places in CLASSES.items():
            if any(item.path.is_relative_to(TESTS / place) for place in places):
                found[name] += 1 if settings is None else settings.max_examples
    return found


def main() -> None:
    print("| class | cases | where |\n| --- | --- | --- |")
    for name, number in (found := counts()).items():
        print(f"| {name} | {number:,} | {', '.join(f'`tests/{place}`' for place in CLASSES[name])} |")
    print(f"| all | {sum(found.values()):,} | |")


if __name__ == "__main__":
    main()
