"""No line, and no file, ends the reading of a log: what cannot be decoded is judged like all else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from afterword.text import lines as text_lines
from tests.cli.conftest import Run
from tests.logs import lines

ATTACK = b"2026-03-02 10:00:00.000 ATTACK by root"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from afterword import odd

    place = tmp_path_factory.mktemp("shop")
    (place / "good.log").write_text("\n".join(lines(600, 0)) + "\n")
    (place / "none.log").touch()
    assert list(odd(place / "good.log", place / "none.log", out=str(place / "shop"))) == []
    return place


@pytest.mark.parametrize(
    "strange",
    [b"caf\xe9", b"a \0 in it", b"\xff" * 5000, b"x" * 30_000, b"\r", b"", b"half a line\r\n" * 2, b"\x1b[2J"],
)
@pytest.mark.parametrize("as_read", [True, False])
def test_what_comes_after_a_strange_line_is_judged(
    shop: Path, run: Run, monkeypatch: pytest.MonkeyPatch, strange: bytes, as_read: bool
) -> None:
    monkeypatch.setattr(text_lines, "LONGEST", 20_000)
    content = "\n".join(lines(50, 1)).encode() + b"\n" + strange + b"\n" + ATTACK  # without a newline at the end
    found = run("odd", shop / "shop", "-", "--json", *["--as-read"] * as_read, input=content)
    assert found.returncode == 0
    rows = [json.loads(row) for row in found.stdout.splitlines()]
    texts = [row["text"] for row in rows] if as_read else [one["text"] for row in rows for one in row["lines"]]
    assert ATTACK.decode() in texts
    assert (b"U+FFFD" in found.stderr) == (b"\xe9" in strange or b"\0" in strange or b"\xff" in strange)


def test_an_empty_file_is_said_and_is_no_finding(shop: Path, run: Run) -> None:
    found = run("odd", shop / "shop", shop / "none.log", "--fail")
    assert (found.returncode, found.stdout) == (0, b"")
    assert b"none.log is empty" in found.stderr


def test_a_finding_names_each_file_that_has_it(shop: Path, run: Run) -> None:
    for name in ("one", "two"):
        (shop / f"{name}.log").write_bytes("\n".join(lines(50, 2)).encode() + b"\n" + ATTACK + b"\n")
    found = run("odd", shop / "shop", shop / "one.log", shop / "two.log").stdout.decode()
    [line] = [line for line in found.splitlines() if "ATTACK" in line]
    assert "one.log:51: " in line
    assert line.endswith(f"  (2 lines, 51 to 51; also in {shop / 'two.log'})")
