"""Models on the hub that find odd lines."""

from __future__ import annotations

import shutil
from pathlib import Path

import afterword
from afterword.commands import attached_files
from afterword.model.folder.saved import FILES
from tests.tiny import save_tiny, save_tiny_whole
from tests.wings.hub.hub import Hub
from tests.wings.hub.test_push import MINE, Command, error, hub, on_hub, pytestmark

__all__ = ["hub", "on_hub", "pytestmark"]


def test_a_calibrated_model_finds_on_the_hub_what_it_finds_here(on_hub: Command, hub: Hub, tmp_path: Path) -> None:
    mine, log = save_tiny_whole(tmp_path / "mine", seed=0), tmp_path / "today.log"
    log.write_text("a b 3 é\nb b 9000 d\nd d d\na 10.0.0.7 b 700000 b\n")
    afterword.accept(mine, ("d d d",))
    here = on_hub("odd", mine, log, "--json", "--false-alarms", "0.05")
    assert here.stdout.count("\n") > 0
    sent = on_hub("push", mine, "me/tiny", "--yes")
    assert "`lines.json` contains the words of the normal lines" in sent.stderr
    assert on_hub("odd", MINE, log, "--json", "--false-alarms", "0.05").stdout == here.stdout
    assert "is elsewhere and cannot be changed" in error(on_hub("calibrate", MINE, __file__), 2)
    old = shutil.copytree(Path(__file__).parents[1] / "model" / "kept" / "0.3" / "lines", tmp_path / "old")
    here = on_hub("odd", old, log, "--json", "--false-alarms", "0.1")
    sent = on_hub("push", old, "me/tiny", "--yes")
    assert sent.stderr.count("note: ") == 3  # two about the card
    *_, files = hub.repositories["me/tiny"].commits.values()
    assert {*files} == {*FILES, ".gitattributes"}
    assert on_hub("odd", MINE, log, "--json", "--false-alarms", "0.1").stdout == here.stdout
    on_hub("push", save_tiny(tmp_path / "plain"), "me/tiny", "--yes")
    *_, files = hub.repositories["me/tiny"].commits.values()
    assert {*files} == {*FILES, ".gitattributes"} - {"ngram.safetensors", *attached_files()}
