"""The pages of the repository name only what exists: links, files, make targets, commands and options."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import click
import pytest

import afterword
from afterword.cli.main import names, program
from afterword.serving.app import ROUTES
from tests.processes import finished

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "afterword"
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")]
PAGES += sorted((ROOT / "docs").glob("*.md"))
HISTORY = [ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "LOG.md"]  # which may name what is gone: links are kept
OTHERS = {"--max-restarts", "--nproc-per-node", "--fresh", "--normal", "--sizes"}  # of torchrun, benchmarks
OTHERS |= {"--torch-backend", "--pip-args", "--extra-index-url"}  # of uv, pipx and pip
CODE = ("src", "tests", "benchmarks", "bases")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", MAKEFILE, re.MULTILINE))


def code(page: Path) -> Iterator[str]:
    """Yield each code span of a page, and each line of its fenced blocks, except those of text: what models write."""
    text = re.sub(r"^```text$.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for number, part in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        if number % 2:
            yield from part.replace("\\\n", " ").splitlines()
        else:
            yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", part))


def words(line: str) -> list[str]:
    """Return the words of a command line without its comment; of one that is cut in the middle, as they come."""
    try:
        return shlex.split(line, comments=True)
    except ValueError:
        return line.split()


@cache
def options(command: str) -> set[str]:
    found = program.get_command(click.Context(program), command)
    assert found is not None
    options = [parameter for parameter in found.params if isinstance(parameter, click.Option)]
    names = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    return names | {"--help", "-h"}


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, *HISTORY], ids=lambda page: page.name)
def test_every_relative_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if link.startswith("http"):
            continue
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert page.parent != ROOT / "docs" or target.resolve().is_relative_to(ROOT / "docs"), f"Sphinx finds no {link}"
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [*PAGES, HISTORY[0]], ids=lambda page: page.name)
def test_no_line_begins_with_a_percent_sign_since_sphinx_would_leave_it_out(page: Path) -> None:
    assert not re.findall(r"^ *%.*", page.read_text(encoding="utf-8"), re.MULTILINE)


QUOTED = re.compile(r"^<!-- quoted from (\S+) -->\n```\w*\n(.+?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("path", "quote"), [found.groups() for page in PAGES for found in QUOTED.finditer(page.read_text(encoding="utf-8"))]
)
def test_what_a_page_quotes_is_between_two_blank_lines_of_the_source(path: str, quote: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert any(f"\n\n{one}\n" in source for one in (quote, textwrap.indent(quote, "    ")))


def test_every_page_is_once_in_a_table_of_contents() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    contents = re.findall(r"^\*\*.+:\*\* ((?:.+\n)+)", index, re.MULTILINE)
    listed = sorted(name for links in contents for name in re.findall(r"\]\((.+?)\.\w+\)", links))
    pages = [path for kind in ("*.md", "notebooks/*.ipynb") for path in (ROOT / "docs").glob(kind)]
    names = {str(path.relative_to(ROOT / "docs").with_suffix("")) for path in pages}
    assert listed == sorted(names - {"index"})


@cache
def generated() -> ModuleType:
    """Return docs/generated.py."""
    at = importlib.util.spec_from_file_location("generated", ROOT / "docs" / "generated.py")
    assert at is not None
    assert at.loader is not None
    module = importlib.util.module_from_spec(at)
    at.loader.exec_module(module)
    return module


def test_every_file_is_listed_with_a_sentence() -> None:
    rows = dict(re.findall(r"^\| `(.+)` \| (.+) \|$", generated().files(), re.MULTILINE))
    names = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.stem != "__init__"}
    assert rows.keys() == names


def test_the_drawing_of_the_house_is_that_of_the_contracts_and_the_table() -> None:
    assert f"```\n{generated().house()}\n```" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")


def test_the_reference_has_every_command_option_route_and_name() -> None:
    reference, routes = generated().commands().replace("\\", ""), generated().routes()
    for command in names():
        assert f"## {command}\n" in reference
        named = options(command) - {"--help", "-h", "--help-all"}
        assert all(re.search(rf"[` ]{name}\b", reference) for name in named), command
    for route in ROUTES:
        assert f"## `{route.method} {route.path.replace(':path', '')}`\n" in routes
    listed = re.findall(r"^   ([\w.]+)$", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(afterword.__all__) - {"__version__"} <= set(listed)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_path_of_the_repository_exists(page: Path) -> None:
    rooms = {path.name for place in (ROOT, SOURCE) for path in place.iterdir() if path.is_dir()}
    for span in code(page):
        if (
            re.fullmatch(r"[\w./-]+/([\w-]+\.(py|md|svg|tsv|txt|jsonl))?", span)
            and span.split("/")[0] in rooms
            and "NAME" not in span
        ):
            assert (ROOT / span).exists() or (SOURCE / span).exists(), span
        if re.fullmatch(r"\w+\.py", span) and span.islower():  # NAME.py is any
            assert any(next((ROOT / place).rglob(span), None) for place in ("src", "tests", "benchmarks", "bases")), (
                span
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_and_benchmark_exists(page: Path) -> None:
    for line in code(page):
        given = words(line)
        if given[:1] == ["make"]:
            assert given[1] in TARGETS, line
        for place, benchmark, command in re.findall(
            r"\b(benchmarks|bases[./]making)[./]([a-z]\w*)(?:\.py)?(?: ([a-z]+)\b)?", line
        ):
            path = ROOT / place.replace(".", "/") / f"{benchmark}.py"
            assert path.is_file() or path.with_suffix("").is_dir(), line
            if command and "click.group" in (source := path.read_text(encoding="utf-8")):
                assert re.search(rf"def {command}(_way)?\(|\"{command}\"", source), line


def named(line: str) -> Iterator[tuple[str, set[str]]]:
    """Yield each option of a line with those that exist: of the command named before it, else of any command."""
    given = words(line)
    if "afterword" in given:
        given = given[given.index("afterword") + 1 :]
    if given and (given[0] in names() or given[0].startswith("--")):
        known = options(given[0]) if given[0] in names() else set[str]().union(*map(options, names()))
        for word in given[: given.index("|") if "|" in given else None]:
            if re.fullmatch(r"--[a-z-]*[a-z](=.*)?", word):
                yield word.split("=")[0], known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_exists(page: Path) -> None:
    for line in code(page):
        if match := re.match(r"(?:[A-Z_]+=\S+ )?afterword ([a-z]+)\b", line):
            assert match[1] in names(), line
        for option, known in named(line):
            assert option in known | OTHERS, line


REMOVING = {"unlink", "rmdir", "rmtree", "removedirs", "rename", "renames", "move", "truncate", "ftruncate"}
REMOVING |= {"write_text", "write_bytes", "copyfile", "copy2", "copytree", "TemporaryDirectory", "TemporaryFile"}
REMOVING |= {"NamedTemporaryFile", "mkdtemp", "mkstemp"}
OURS = {"replacing", "replacing_folder", "folder_aside", "recover_folder", "recover_model", "remove_leftovers"}
OURS |= {"output", "write_bytes", "write_json", "write_tensors", "save_model"}


def removals(source: str) -> Iterator[str]:
    """Yield the name of each call that can remove, replace or empty a file."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(ast.Name("open" | "FileIO" as name)):
                modes = [*node.args[1:2], *(word.value for word in node.keywords if word.arg == "mode")]
                if any(not re.fullmatch(r"'r?b?t?'|'.*x.*'", ast.unparse(mode)) for mode in modes):
                    yield name
            case ast.Call(ast.Attribute(ast.Name("os"), "replace" | "remove" as name)):
                yield f"os.{name}"
            case ast.Call(ast.Attribute(ast.Name("os"), "open")) if "O_RDONLY" not in ast.unparse(node):
                yield "os.open"
            case ast.Call(ast.Attribute(_, name)) if name in REMOVING:
                yield name
            case ast.Call(ast.Name(name)) if name in OURS | REMOVING:
                yield name


def test_each_removal_and_replacement_is_justified() -> None:
    found = {
        (path.relative_to(SOURCE).as_posix(), name)
        for path in SOURCE.rglob("*.py")
        for name in removals(path.read_text(encoding="utf-8"))
    }
    if re.search(r"^\trm ", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE):
        found.add(("Makefile", "rm"))
    page = (ROOT / "tests" / "removals.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.*?) \| (`.*?) \| .*\|$", page, re.MULTILINE)
    assert found == {
        (where, call)
        for row in rows
        for where in row[0].split("`")[1::2]
        for call in row[1].split("`")[1::2]
        if (SOURCE / where).exists() or not where.startswith("wings/")  # a wing may be off
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pages_build_without_a_warning_and_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    for name in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[docs]'")
    options: list[str | Path] = ["-W", "--keep-going", "-q", "-d", tmp_path / "trees"]
    done = finished([sys.executable, "-m", "sphinx", *options, ROOT / "docs", tmp_path / "html"], fresh=True)
    assert done.returncode == 0, done.stderr.decode()
    pages = list((tmp_path / "html").rglob("*.html"))
    assert len(pages) > len(PAGES) - 3
    for page in pages:
        text = page.read_text(encoding="utf-8")
        tags = re.findall(r"<(?:script|img|iframe|link[^>]* rel=.(?:stylesheet|preload).)\b[^>]*>", text)
        assert not [tag for tag in tags if re.search(r"(src|href)=.(https?:)?//", tag)], page


@pytest.mark.parametrize(
    "failing", [set(), {"ruff"}, {"mypy", "python"}, {"lint-imports"}], ids=lambda one: " ".join(sorted(one))
)
def test_make_check_runs_every_check_and_fails_if_one_fails(tmp_path: Path, failing: set[str]) -> None:
    for name in ("ruff", "mypy", "lint-imports", "python"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "{name} $*" >&2\nexit {int(name in failing)}\n', "utf-8")
        (tmp_path / name).chmod(0o755)
    # As if the environment were there: nothing is installed. Below `make test`, make would say which folder it enters.
    command = ["make", "--no-print-directory", "-o", ".venv/ready-dev", f"BIN={tmp_path}", "check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True)
    ran = done.stderr.decode().splitlines()
    assert [line for line in ran if "***" not in line] == [
        *(
            "ruff format --check .",
            "ruff check .",
            "mypy ",
            "lint-imports ",
            "python -m tests.size",
            "python -m tests.without",
        )
    ]
    assert bool(done.returncode) == bool(failing)
    failed = done.stdout.decode().splitlines()[-1].removeprefix("make check: failed: ").split(", ") if failing else []
    assert {line.split()[0] for line in failed} == failing


def test_no_target_of_make_changes_a_variable_of_others() -> None:
    names = re.findall(r"^([A-Z_]+) *[?:]?=", MAKEFILE, re.MULTILINE)
    assert len(names) == len({*names})
