"""List the texts of a base in the docs and on its card, and the authors whose licences ask for attribution.

    python -m bases.making.sources BOOKS.tsv --lists DOCS --page ATTRIBUTION.md --card README.md

BOOKS.tsv is what bases/making/texts.py writes. DOCS/base-COLLECTION.tsv lists what was taken: books in the public
domain one by one, and documents with a licence by source, author and licence, with their titles in one cell. The page
lists only the sources and authors of training texts. The card ends with every source, its licences,
and how much was read from there.
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import click

from benchmarks.commands import as_written

Row = dict[str, str]
FREE = re.compile("public domain|CC0|US government", re.IGNORECASE)  # licences that ask for no attribution
LINKS = {
    "CC BY": "https://creativecommons.org/licenses/by/",
    "CC BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC BY 4.0": "https://creativecommons.org/licenses/by/4.0/",
    "OGL 3.0": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
    "MIT": "https://opensource.org/license/mit",
    "Apache 2.0": "https://www.apache.org/licenses/LICENSE-2.0",
}
PAGE = """\
# Texts under licences that ask for attribution

The weights in this folder were trained on these texts, among others that are in the public domain. For training, parts
were left out, and quotes, dashes and line breaks were changed. The authors have nothing to do with Afterword and do not
endorse it. docs/base-{collections}.tsv in Afterword's repository lists every title.

Contains public sector information licensed under the Open Government Licence v3.0.

| source | licence | authors |
| --- | --- | --- |
"""
SOURCES = """
## Sources

The training texts, by the repositories on GitHub from which they were taken. docs/base-books.tsv and
docs/base-modern.tsv in Afterword's repository list every title.

| source | licence | characters |
| --- | --- | ---: |
"""


def listed(rows: Iterable[Row]) -> Iterator[Sequence[str]]:
    """Yield the rows of a list: documents with the same source, author and licence as one."""
    same: defaultdict[tuple[str, ...], list[Row]] = defaultdict(list)
    for row in rows:
        same[row["part"], row["kind"], place_of(row), row["author"].strip("- "), row["licence"]].append(row)
    yield ["part", "kind", "source", "author", "licence", "years", "characters", "titles"]
    for key, found in sorted(same.items()):
        years = sorted({row["year"] for row in found if row["year"]})
        titles = [row["title"] for row in found]
        book = titles[0].partition(": ")[0] + ": "  # of which the documents may be chapters
        book = book if all(title.startswith(book) for title in titles) else ""
        chapters = "; ".join(title.removeprefix(book) for title in titles)
        characters = str(sum(int(row["characters"]) for row in found))
        span = "–".join(dict.fromkeys([years[0], years[-1]])) if years else ""
        yield [*key, span, characters, book + chapters]


def on_card(lists: Iterable[Path]) -> str:
    """Return the card's section of sources, from the lists in the docs."""
    read: defaultdict[str, list[Row]] = defaultdict(list)
    for path in lists:
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                if row["part"] == "training":
                    read[re.split("[ @]", row["source"])[0].removeprefix("github:")].append(row)
    section = SOURCES
    for source, rows in sorted(read.items(), key=lambda one: -sum(int(row["characters"]) for row in one[1])):
        licences = sorted({row["licence"] or "public domain" for row in rows})
        characters = sum(int(row["characters"]) for row in rows)
        section += f"| {source} | {'; '.join(licences)} | {characters:,} |\n"
    return section


def place_of(row: Row) -> str:
    """Return a document's repository and commit."""
    repository, _, path = row["source"].partition(" ")
    commit = re.search(r"@[0-9a-f]{7,}", path)
    return repository + (commit.group() if commit else "")


def attributed(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the page's line for each source whose licence asks for attribution."""
    authors: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        if row["part"] == "training" and row["licence"] and not FREE.search(row["licence"]):
            repository = row["source"].partition(" ")[0].replace("github:", "https://github.com/")
            authors[repository, row["licence"]].add(row["author"].strip("- ").replace("|", "\\|"))
    for (repository, licence), names in sorted(authors.items()):
        link = f"[{licence}]({LINKS[licence]})" if licence in LINKS else licence
        yield f"| {repository} | {link} | {'; '.join(sorted(names - {''})) or 'its contributors'} |\n"


@click.command(help=as_written(__doc__))
@click.argument("books", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--lists", type=click.Path(exists=True, file_okay=False, path_type=Path), required=True)
@click.option("--page", type=click.Path(dir_okay=False, path_type=Path), required=True)
@click.option("--card", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(books: Path, lists: Path, page: Path, card: Path | None) -> None:
    with books.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    collections: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        collections[row["collection"]].append(row)
    for name, taken in collections.items():
        table = listed(taken) if any(row["licence"] for row in taken) else [list(taken[0]), *map(Row.values, taken)]
        with (lists / f"base-{name}.tsv").open("w", encoding="utf-8", newline="") as out:
            csv.writer(out, delimiter="\t", lineterminator="\n").writerows(table)
    if card is not None:
        before = card.read_text(encoding="utf-8").partition(SOURCES)[0]
        card.write_text(before + on_card(lists / f"base-{name}.tsv" for name in collections), encoding="utf-8")
    licensed = [name for name, taken in collections.items() if any(row["licence"] for row in taken)]
    page.write_text(PAGE.format(collections=" and ".join(licensed)) + "".join(attributed(rows)), encoding="utf-8")


if __name__ == "__main__":
    main()
