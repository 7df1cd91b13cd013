"""Print how many lines of code `src/` has, by folder.

    python -m tests.size                what is there now
    python -m tests.size --since REV    and the change against a git revision

Counted are the lines of Python without imports, blank lines, comments and docstrings, and the lines of JSON, TOML and
HTML that are not blank. Packages from elsewhere (`vendor/`) and the bases' data are not counted.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import tarfile
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[1]
HOUSE = PurePosixPath("src/afterword")
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
    """Return the lines of the file at `path` that count."""
    if path.suffix == ".py":
        return lines_of_python(content.decode())
    data = path.suffix == ".json" and path.is_relative_to(HOUSE / "bases")
    if path.suffix in (".json", ".toml", ".html") and not data and "vendor" not in path.parts:
        return sum(1 for line in content.decode().splitlines() if line.strip())
    return 0


def by_folder(files: Iterator[tuple[PurePosixPath, bytes]]) -> Counter[str]:
    """Return the lines of each room; files that are in none are together."""
    sizes = Counter[str]()
    for path, content in files:
        room, *inside = path.relative_to(HOUSE).parts
        sizes[f"{room}/" if inside else "*.py"] += size(path, content)
    return +sizes


def now() -> Iterator[tuple[PurePosixPath, bytes]]:
    for path in sorted((ROOT / HOUSE).rglob("*")):
        if path.is_file():
            yield PurePosixPath(path.relative_to(ROOT)), path.read_bytes()


def at(revision: str) -> Iterator[tuple[PurePosixPath, bytes]]:
    archive = subprocess.run(["git", "-C", ROOT, "archive", revision, HOUSE], check=True, stdout=subprocess.PIPE)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as opened:
        for member in opened:
            file = opened.extractfile(member)
            if file is not None:
                yield PurePosixPath(member.name), file.read()


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--since", metavar="REV", help="print the change against this git revision")
    since = options.parse_args().since
    sizes = by_folder(now())
    before = by_folder(at(since)) if since else None
    rows = [(room, sizes[room], before[room] if before else 0) for room in sorted(sizes | (before or Counter()))]
    for room, lines, earlier in [*rows, ("total", sizes.total(), before.total() if before else 0)]:
        print(f"{room:15}{lines:8,}" + (f"{lines - earlier:+8,}" if before else ""))


if __name__ == "__main__":
    main()
