"""A minute of what `make soak` does for twenty."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.serving.server import serving
from tests.serving.soak import CLIENTS, soak


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_memory_and_files_stay_as_they_are(models: Path) -> None:
    with serving(models / "tiny", models / "mixed", limits={"remember": 8 * 2**20}) as server:
        found = soak(server, 60)
    assert found.is_idle
    assert {status.split()[-1] for status in found.answers} == {"200", "400", "gone"}
    assert found.growth < 16
    assert max(found.files) < 60 + 2 * CLIENTS
