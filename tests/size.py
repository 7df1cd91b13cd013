"""Print how many lines of code `src/` has, by room, and fail above the budget in `pyproject.toml`.

    python -m tests.size                what is there now
    python -m tests.size --since REV    and the change against a git revision

Counted are the lines of Python without imports, blank lines, comments and docstrings, and the lines of the other
languages that ship without blank lines and comments. Packages from elsewhere (`vendor/`) and the files of models
that ship are not counted.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tarfile
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
HOUSE = PurePosixPath("src/afterword")
_STARRED, _SLASHED = r"/\*.*?\*/", r"//[^\n]*"
COMMENTS = {  # of each other language that ships
    **dict.fromkeys((".js", ".ts"), f"{_STARRED}|{_SLASHED}"),
    ".css": _STARRED,
    **dict.fromkeys((".html", ".template"), "<!--.*?-->"),
    ".wat": r";;[^\n]*|\(;.*?;\)",
    ".json": "(?!)",
    ".toml": r"#[^\n]*",
}
UNCOUNTED = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}


def lines_of_python(source: str) -> int:
    """Return how many lines of `source` have code that is not an import."""
    lines = set[int]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in UNCOUNTED:
            lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        match node:  # a string by itself is a docstring: of a module, a class, a function or an attribute
            case ast.Import() | ast.ImportFrom() | ast.Expr(ast.Constant(str())):
                lines -= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(lines)


def size(path: PurePosixPath, content: bytes) -> int:
    """Return the lines of the file at `path` that count.

    A comment of other languages is recognised where it begins a line, so that a string or a pattern may contain the
    same characters.
    """
    data = path.suffix == ".json" and {"bases", "networks"} & {*path.parts}
    if data or "vendor" in path.parts:
        return 0
    if path.suffix == ".py":
        return lines_of_python(content.decode())
    if path.suffix not in COMMENTS:
        return 0
    comments = rf"^[^\S\n]*(?:(?:{COMMENTS[path.suffix]})[^\S\n]*)+"
    text = re.sub(comments, "", content.decode(), flags=re.MULTILINE | re.DOTALL)
    return sum(1 for line in text.splitlines() if line.strip())


def by_room(files: Iterable[tuple[PurePosixPath, bytes]]) -> dict[str, Counter[str]]:
    """Return the lines of each room, of Python and of the other languages; files that are in none are together."""
    sizes = {"python": Counter[str](), "other": Counter[str]()}
    for path, content in files:
        room, *inside = path.relative_to(HOUSE).parts
        language = "python" if path.suffix == ".py" else "other"
        sizes[language][f"{room}/" if inside else "files in no room"] += size(path, content)
    return {language: +rooms for language, rooms in sizes.items()}


def excess(sizes: dict[str, Counter[str]], budget: dict[str, int]) -> Iterator[str]:
    """Yield an error for each language that has more lines than its budget."""
    for language, most in budget.items():
        if (lines := sizes[language].total()) > most:
            yield f"error: {language} has {lines:,} lines, {lines - most:,} above its budget in pyproject.toml"


def now() -> Iterator[tuple[PurePosixPath, bytes]]:
    for path in (path for path in (ROOT / HOUSE).rglob("*") if path.is_file()):
        yield PurePosixPath(path.relative_to(ROOT)), path.read_bytes()


def at(revision: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    archive = subprocess.run(["git", "-C", ROOT, "archive", revision, HOUSE], check=True, stdout=subprocess.PIPE)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as opened:
        for member in opened:
            if (file := opened.extractfile(member)) is not None:
                yield PurePosixPath(member.name), file.read()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--since", metavar="REV", help="print the change against this git revision")
    since = options.parse_args().since
    sizes = by_room(now())
    before = by_room(at(since)) if since else sizes
    for language, rooms in sizes.items():
        print(f"{language}:")
        earlier = before[language]
        rows = [(room, rooms[room], earlier[room]) for room in sorted(rooms | earlier)]
        for room, lines, past in [*rows, ("total", rooms.total(), earlier.total())]:
            print(f"{room:17}{lines:8,}" + (f"{lines - past:+8,}" if since else ""))
    budget = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["afterword"]["size"]
    sys.exit("\n".join(excess(sizes, budget)) or None)


if __name__ == "__main__":
    main()
