"""Laws of the text that a base is made of: what is in it, in which proportion, and how it is printed."""

from __future__ import annotations

import csv
import lzma
import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from bases.making.printing import LANGUAGES, Manner, Paragraph, printed
from bases.making.sources import main as sources
from bases.making.sources import on_card
from bases.making.texts import main

ROOT = Path(__file__).parents[3]
SAID = {
    "english": '"I was--" he said. "They call it \'well-known\' now -- don\'t they?"',
    "german": "»Sie nennen es ›ein Märchen‹ – oder?« sagte er – und ging's ihm gut?",
    "french": "— Est-ce « un conte » ? demanda-t-il -- l'air surpris ; oui !",
    "spanish": "-¿Es «un cuento hispano-francés»? -dijo él-. ¡Sí!",
}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_manner_changes_no_letter(language: str) -> None:
    words, draw = re.findall(r"\w+", SAID[language]), random.Random(1)
    for _ in range(60):
        manner = Manner.drawn(LANGUAGES[language], draw)
        text = printed(Paragraph([SAID[language]], prose=True), LANGUAGES[language], manner)
        assert re.findall(r"\w+", text) == words


WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in ("lt", "rn", "st")]


def sentences(seed: object, count: int = 40) -> str:
    draw = random.Random(str(seed))
    return "\n\n".join(" ".join(draw.choices(WORDS, k=20)) + "." for _ in range(count))


Row = tuple[str, str, str, str]  # part, kind, title, text


def folder(place: Path, rows: Sequence[Row]) -> Path:
    """Write documents with a manifest into a folder."""
    place.mkdir()
    columns = ["part", "offset", "characters", "kind", "title", "author", "year", "source", "path", "licence"]
    parts = {"train": "", "held-out": ""}
    with (place / "MANIFEST.tsv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(columns)
        for part, kind, title, text in rows:
            table.writerow([part, len(parts[part]), len(text), kind, title, "A", "2000", "github:a/b", "c", "CC BY"])
            parts[part] += text + "\n\n\n"
    for part, text in parts.items():
        (place / f"{part}.txt.xz").write_bytes(lzma.compress(text.encode()))
    return place


def documents(name: str, count: int, kinds: Sequence[str] = ("novel",)) -> list[Row]:
    train = [("train", kinds[k % len(kinds)], f"{name} {k}", sentences(f"{name} {k}")) for k in range(count)]
    return [*train, *(("held-out", kind, f"{name} {kind}", sentences(f"{name} {kind}")) for kind in kinds)]


def make(out: Path, *arguments: str | Path) -> Path:
    """Run the command with `arguments`; return the folder that it wrote."""
    found = CliRunner().invoke(main, [*map(str, arguments), "--out", str(out)], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return out


def plain(path: Path) -> str:
    return " ".join(path.read_text(encoding="utf-8").split())


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options that name two folders: old, with twenty texts, and new, with four."""
    place = tmp_path_factory.mktemp("books")
    old = folder(place / "old", documents("old", 20))
    new = folder(place / "new", documents("new", 4, kinds=("guide, blog", "speech")))
    return ["--books", str(old), "--books", str(new)]


def test_the_same_texts_and_seed_give_the_same_bytes(books: list[str], tmp_path: Path) -> None:
    asked = [*books, "--share", "new=0.4", "--seed"]
    first, again, other = (make(tmp_path / str(k), *asked, seed) for k, seed in enumerate(("1", "1", "2")))
    for path in (path for path in first.rglob("*") if path.is_file()):
        assert path.read_bytes() == (again / path.relative_to(first)).read_bytes()
    assert (first / "train.txt").read_bytes() != (other / "train.txt").read_bytes()


@pytest.mark.parametrize("share", [0.05, 0.4, 0.8])
def test_a_folder_has_its_share_of_the_text(books: list[str], tmp_path: Path, share: float) -> None:
    text = plain(make(tmp_path / "out", *books, "--share", f"new={share}") / "train.txt")
    old, new = (
        [text.count(sentences(f"{name} {k}").split(".\n\n")[5]) for k in range(count)]
        for name, count in (("old", 20), ("new", 4))
    )
    assert set(old) == {1}
    assert max(new) - min(new) <= 1
    assert sum(new) / (20 + sum(new)) == pytest.approx(share, abs=0.05)


def test_held_out_kinds_are_written_apart_and_a_little_is_left_for_validation(books: list[str], tmp_path: Path) -> None:
    out = make(tmp_path / "out", *books)
    files = sorted((out / "held-out").rglob("*.txt"))
    found = [path.relative_to(out / "held-out").as_posix() for path in files]
    assert found == ["new/guide-blog.txt", "new/speech.txt", "novel.txt"]
    trained, looked_at, measured = plain(out / "train.txt"), plain(out / "held-out.txt"), "".join(map(plain, files))
    for kind in ("new guide, blog", "new speech", "old novel"):
        first, *_, last = sentences(kind).split("\n\n")
        assert [first in text for text in (trained, measured)] == [False, True]
        assert [last in text for text in (trained, measured, looked_at)] == [False, False, True]


def test_texts_that_may_only_be_measured_are_not_learned_from(tmp_path: Path) -> None:
    rows = [*documents("free", 3), *documents("court", 3, kinds=("court argument",)), *documents("game", 1)]
    rows = [(*row[:2], "fate-core", row[3]) if row[2] == "game 0" else row for row in rows]
    out = make(tmp_path / "out", "--books", folder(tmp_path / "all", rows))
    with (out / "books.tsv").open(encoding="utf-8") as file:
        read = {row["title"] for row in csv.DictReader(file, delimiter="\t") if row["part"] == "training"}
    assert read == {"free 0", "free 1", "free 2"}
    assert (out / "held-out" / "court-argument.txt").exists()


def test_paragraphs_with_eight_words_of_a_judged_text_are_left_out(tmp_path: Path) -> None:
    judged = tmp_path / "judged"
    judged.mkdir()
    (judged / "play.txt").write_text(
        "Friends, Romans, countrymen, lend me your ears;\nI come to bury", encoding="utf-8"
    )
    eight = "He said: friends romans COUNTRYMEN lend me your ears; I beg!"
    seven = "He said: friends romans countrymen lend me your ears! You beg!"
    rows = [*documents("old", 2), ("train", "novel", "shares", f"{sentences(1)}\n\n{eight}\n\n{seven}")]
    out = make(tmp_path / "out", "--books", folder(tmp_path / "old", rows), "--without", judged)
    text = plain(out / "train.txt")
    assert seven in text
    assert "COUNTRYMEN" not in text


def test_sources_are_listed_and_the_authors_whose_licences_ask_for_it_are_named(tmp_path: Path) -> None:
    def row(collection: str, title: str, licence: str, author: str = "Ann|Ben", part: str = "training") -> list[str]:
        return [part, collection, "guide", author, "", title, "github:a/b c/d@0123456789", "2001", licence, "10"]

    rows = [
        row("books", "Emma", "", author="Jane Austen"),
        row("modern", "Guide: One", "CC BY 4.0"),
        row("modern", "Guide: Two", "CC BY 4.0"),
        row("modern", "Law", "US government work / CC0", author="Congress"),
        row("modern", "Measured", "CC BY 4.0", author="Kim", part="held out"),
    ]
    with (tmp_path / "books.tsv").open("w", encoding="utf-8", newline="") as file:
        head = ["part", "collection", "kind", "author", "died", "title", "source", "year", "licence", "characters"]
        csv.writer(file, delimiter="\t").writerows([head, *rows])
    page, card = tmp_path / "page.md", tmp_path / "README.md"
    card.write_text("# A base\n", encoding="utf-8")
    asked = [str(tmp_path / "books.tsv"), "--lists", str(tmp_path), "--page", str(page), "--card", str(card)]
    assert CliRunner().invoke(sources, asked, catch_exceptions=False).exit_code == 0
    before = card.read_text(encoding="utf-8")
    assert before.startswith("# A base\n\n## Sources\n")
    assert before.endswith("| a/b | CC BY 4.0; US government work / CC0; public domain | 40 |\n")
    assert CliRunner().invoke(sources, asked, catch_exceptions=False).exit_code == 0
    assert card.read_text(encoding="utf-8") == before
    assert "Emma" in (tmp_path / "base-books.tsv").read_text(encoding="utf-8")
    listed = (tmp_path / "base-modern.tsv").read_text(encoding="utf-8").splitlines()
    assert len(listed) == 4
    assert "training\tguide\tgithub:a/b@0123456789\tAnn|Ben\tCC BY 4.0\t2001\t20\tGuide: One; Two" in listed
    named = page.read_text(encoding="utf-8")
    link = "[CC BY 4.0](https://creativecommons.org/licenses/by/4.0/)"
    assert named.splitlines()[-1] == f"| https://github.com/a/b | {link} | Ann\\|Ben |"


def test_the_card_of_the_included_base_lists_the_sources_in_the_docs() -> None:
    card = (ROOT / "src" / "afterword" / "bases" / "english" / "README.md").read_text(encoding="utf-8")
    assert card.endswith(on_card(sorted((ROOT / "docs").glob("base-*.tsv"))))
