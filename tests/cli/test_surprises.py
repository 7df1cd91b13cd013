"""`afterword surprises` on a terminal and without one; its figures are tested in tests/cli/test_json.py."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

from afterword.language_model import load
from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.terminals import on_a_terminal

TEXT = 'ab é\n\nd,"cb\x1b☃\n'


def test_without_colours_there_is_a_row_for_each_character_and_the_sum_on_standard_error(
    model: Path, run: Run, text: Path
) -> None:
    finished = run("surprises", model, text)
    _, *rows = finished.stdout.decode().splitlines()
    assert len(rows) == len(TEXT)
    assert (rows[2].split()[3], rows[-3].split()[3]) == ("␣", "<1B>")
    bits = load(model).score(TEXT).bits_per_character
    assert f"{bits:.3f} bits per character, {len(TEXT)} characters\n" in finished.stderr.decode()


def test_characters_that_were_never_learned_are_named_once_in_every_form_and_not_listed(
    model: Path, run: Run, text: Path, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    for form in ([], ["--json"], ["--csv"], ["--top", "60"], ["--html", page]):
        said = fine(run("surprises", model, text, *form)).stderr.decode()
        [note] = re.findall("note: (never learned, so not among the most surprising: .*☃.*)\n", said)
    assert html.escape(f"N{note[1:]}.") in page.read_text(encoding="utf-8")
    top = records(run("surprises", model, text, "--top", "60", "--json"))
    learned = [one for one in load(model).surprises(TEXT) if not one.unlearned]
    assert [one["start"] for one in top] == [one.start for one in sorted(learned, key=lambda one: -one.bits)]


def test_a_terminal_shows_the_text_on_its_shades_and_obeys_none_of_it(model: Path, text: Path) -> None:
    command = [sys.executable, "-m", "afterword", "surprises", model, text]
    environment = {"TERM": "xterm-256color", "COLUMNS": "80"}
    status, printed = on_a_terminal(*command, env=environment)
    assert status == 0
    assert "\x1b[" in printed
    plain = re.sub(r"\x1b\[[\d;]*m", "", printed).replace("\r\n", "\n")
    assert plain.startswith('ab é↵\n↵\nd,"cb<1B>☃↵\n\n0.5 bits ')
    assert "most surprising:" in plain
    assert not re.search("[\x00-\x09\x0b-\x1f]", plain)
    _, without = on_a_terminal(*command, env={**environment, "NO_COLOR": "1"})
    assert "\x1b" not in without
    assert without.split()[:5] == ["line", "column", "bits", "text", "expected"]
