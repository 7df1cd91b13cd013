"""`afterword demo`, on a short text and for a second."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterword.cli import demo
from afterword.cli import main as command


def test_the_demo_ends_with_a_page_of_a_sentence_that_it_wrote_and_can_be_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo, "topics", lambda: "The class statement makes a class, and no more.\n" * 90)
    out = tmp_path / "demo"
    for _ in range(2):
        with pytest.raises(SystemExit) as left:
            command.main(["demo", "--out", str(out), "--minutes", "0.01"])
        said = capfd.readouterr().out
        assert left.value.code == 0
        assert f"open {out / 'gates.html'} in a browser" in said
        page = (out / "gates.html").read_text(encoding="utf-8")
        assert page.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("\n The first one of them. The second.", "The first one of them."),
        ("Short. And so it goes on! And", "Short. And so it goes on!"),
        ("no end of it", "no end of it"),
        ("a" * 300, "a" * 200),
        ("", "\n"),
    ],
)
def test_the_first_sentence_is_looked_at(text: str, sentence: str) -> None:
    assert demo.first_sentence(text) == sentence
