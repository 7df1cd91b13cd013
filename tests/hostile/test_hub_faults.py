"""A cache and a card that are not as the hub's library leaves them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.test_push import MINE, Command, error, hub, on_hub, published
from tests.hub import Hub

__all__ = ["hub", "on_hub"]
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # from the library


def test_a_cache_that_lost_the_name_of_its_commit_is_used(
    on_hub: Command, hub: Hub, model: Path, tmp_path: Path
) -> None:
    published(hub, model)
    assert on_hub("info", MINE).returncode == 0
    (ref,) = tmp_path.rglob("refs/main")
    commit = ref.read_bytes()
    ref.unlink()
    assert on_hub("info", MINE).returncode == 0
    assert ref.read_bytes() == commit


def test_a_card_whose_metadata_are_not_yaml_is_not_sent(on_hub: Command, hub: Hub, model: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "book"))
    (folder / "README.md").write_text("---\na: [\n---\n")
    assert f"the metadata of {folder / 'README.md'} are not valid YAML" in error(on_hub("push", folder, "me/t"), 2)
    assert hub.requests == []
