"""The pages name only what exists, their commands and programs run and print that, and their figures are results."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import json
import os
import re
import runpy
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from click.testing import CliRunner

import afterword
from afterword.cli.main import names
from afterword.cli.main import program as command_line
from afterword.language_model import LanguageModel, load
from afterword.serving.app import ROUTES
from benchmarks import compare
from tests.cases import cases
from tests.cli.answers import fine
from tests.cli.conftest import run_here
from tests.examples import BLOCK, commands, derived
from tests.processes import finished
from tests.serving.server import USUAL, serving
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[1]
DOCS, SOURCE = ROOT / "docs", ROOT / "src" / "afterword"
PAGES = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")] + sorted(DOCS.glob("*.md"))
NOTEBOOKS = sorted((DOCS / "notebooks").glob("*.ipynb"))
HISTORY = [ROOT / "CHANGELOG.md", ROOT / "benchmarks" / "LOG.md"]  # which may name what is gone: links are kept
README = PAGES[0].read_text(encoding="utf-8")
MOST_LINES = 120  # of README
MOST_BYTES = 400_000  # of a notebook with its pictures
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
CODE = ("src", "tests", "benchmarks", "bases")
OTHERS = {"--max-restarts", "--nproc-per-node", "--fresh", "--normal", "--sizes"}  # of torchrun, benchmarks
OTHERS |= {"--torch-backend", "--pip-args", "--extra-index-url"}  # of uv, pipx and pip
JAVASCRIPT = cases("JAVASCRIPT")  # pages where a model is JavaScript's
each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
each_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


def cells(notebook: Path, kind: str = "code") -> Iterator[dict[str, Any]]:
    """Yield the cells of code, or of another kind."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == kind:
            yield cell


# What the pages name


def code(path: Path) -> Iterator[str]:
    """Yield each code span of a page, and each line of its fenced blocks, except those of text: what models write."""
    text = re.sub(r"^```text$.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for number, part in enumerate(re.split(r"^```.*$", text, flags=re.MULTILINE)):
        if number % 2:
            yield from part.replace("\\\n", " ").splitlines()
        else:
            yield from (span.replace("\n", " ") for span in re.findall(r"`([^`]+)`", part))


@cache
def options(command: str) -> set[str]:
    found = command_line.get_command(click.Context(command_line), command)
    assert found is not None
    options = [parameter for parameter in found.params if isinstance(parameter, click.Option)]
    return {name for option in options for name in (*option.opts, *option.secondary_opts)} | {"--help", "-h"}


def links(path: Path) -> Iterator[str]:
    """Yield each relative link of a page that leads to no file, or to no heading, or to what Sphinx does not find."""
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            place, _, anchor = link.partition("#")
            target = path.parent / place if place else path
            inside = path.parent != DOCS or target.resolve().is_relative_to(DOCS)
            if not (inside and target.exists() and (not anchor or anchor in anchors(target))):
                yield link


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def named(line: str) -> Iterator[tuple[str, bool]]:
    """Yield each path, target of make, benchmark, command and option in a code span, and whether it exists."""
    rooms = {path.name for place in (ROOT, SOURCE) for path in place.iterdir() if path.is_dir()}
    is_path = re.fullmatch(r"[\w./-]+/([\w-]+\.(py|md|svg|tsv|txt|jsonl))?", line)
    if is_path and line.split("/")[0] in rooms and "NAME" not in line:
        yield line, (ROOT / line).exists() or (SOURCE / line).exists()
    if re.fullmatch(r"[a-z_]+\.py", line):
        yield line, (ROOT / line).exists() or any(next((ROOT / place).rglob(line), None) for place in CODE)
    benchmark = r"\b(benchmarks|bases[./]making)[./]([a-z]\w*)(?:\.py)?(?: ([a-z]+)\b)?"
    for place, name, command in re.findall(benchmark, line):
        path = ROOT / place.replace(".", "/") / f"{name}.py"
        yield line, path.is_file() or path.with_suffix("").is_dir()
        if command and "click.group" in (source := path.read_text(encoding="utf-8")):
            yield line, bool(re.search(rf"def {command}(_way)?\(|\"{command}\"", source))
    try:
        words = shlex.split(line, comments=True)
    except ValueError:  # it is cut in the middle
        words = line.split()
    if words[:1] == ["make"]:
        yield line, words[1] in TARGETS
    if match := re.match(r"(?:[A-Z_]+=\S+ )?afterword ([a-z]+)\b", line):
        yield line, match[1] in names()
    words = words[words.index("afterword") + 1 :] if "afterword" in words else words
    if words and (words[0] in names() or words[0].startswith("--")):
        known = options(words[0]) if words[0] in names() else set[str]().union(*map(options, names()))
        for word in words[: words.index("|") if "|" in words else None]:
            if re.fullmatch(r"--[a-z-]*[a-z](=.*)?", word):
                yield f"{word} of {line}", word.split("=")[0] in known | OTHERS


def calls(text: str) -> Iterator[str]:
    """Yield each code span that calls the package or `model`, if it does not suit the signature."""
    for span in re.findall(r"`([^`]+)`", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        with contextlib.suppress(SyntaxError):
            for node in ast.walk(ast.parse(span)):
                match node:
                    case ast.Call(ast.Attribute(ast.Name("model" | "afterword" as owner), name)):
                        of = LanguageModel if owner == "model" else afterword
                        is_plain = isinstance(inspect.getattr_static(of, name, None), staticmethod | classmethod)
                        bound = [None] * (owner == "model" and not is_plain)
                        given = {str(one.arg): 0 for one in node.keywords}
                        try:
                            inspect.signature(getattr(of, name)).bind(*bound, *node.args, **given)
                        except (AttributeError, TypeError):
                            yield span


@pytest.mark.parametrize("path", PAGES + HISTORY, ids=lambda path: path.name)
def test_the_links_of_a_page_lead_somewhere(path: Path) -> None:
    assert [*links(path)] == []


@each_page
def test_all_that_a_page_names_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [one for line in code(path) for one, exists in named(line) if not exists] == []
    assert path.stem in JAVASCRIPT or [*calls(text)] == []
    assert not re.findall(r"^ *%.*", text, re.MULTILINE), "Sphinx leaves such lines out"


@each_notebook
def test_the_calls_that_a_notebook_names_exist(notebook: Path) -> None:
    assert [*calls("".join("".join(cell["source"]) for cell in cells(notebook, "markdown")))] == []


QUOTED = re.compile(r"^<!-- quoted from (\S+) -->\n```\w*\n(.+?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("path", "quote"), [found.groups() for page in PAGES for found in QUOTED.finditer(page.read_text(encoding="utf-8"))]
)
def test_what_a_page_quotes_is_between_two_blank_lines_of_the_source(path: str, quote: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert any(f"\n\n{one}\n" in source for one in (quote, textwrap.indent(quote, "    ")))


def test_every_page_is_once_in_a_table_of_contents() -> None:
    contents = re.findall(r"^\*\*.+:\*\* ((?:.+\n)+)", page("index"), re.MULTILINE)
    listed = [name for links in contents for name in re.findall(r"\]\((.+?)\.\w+\)", links)]
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in (*DOCS.glob("*.md"), *NOTEBOOKS)}
    assert sorted(listed) == sorted(pages - {"index"})


@cache
def generated() -> ModuleType:
    """Return docs/generated.py."""
    at = spec_from_file_location("generated", DOCS / "generated.py")
    assert at is not None
    assert at.loader is not None
    module = module_from_spec(at)
    at.loader.exec_module(module)
    return module


def test_every_file_is_listed_with_a_sentence_and_the_house_is_drawn_as_it_stands() -> None:
    assert f"```\n{generated().house()}\n```" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(.+)` \| (.+) \|$", generated().files(), re.MULTILINE))
    assert rows.keys() == {one.relative_to(SOURCE).as_posix() for one in SOURCE.rglob("*.py") if one.stem != "__init__"}


def test_the_reference_has_every_command_option_route_and_name() -> None:
    reference, routes = generated().commands().replace("\\", ""), generated().routes()
    for command in names():
        assert f"## {command}\n" in reference
        named = options(command) - {"--help", "-h", "--help-all"}
        assert all(re.search(rf"[` ]{name}\b", reference) for name in named), command
    assert all(f"## `{route.method} {route.path.replace(':path', '')}`\n" in routes for route in ROUTES)
    listed = re.findall(r"^   ([\w.]+)$", page("python"), re.MULTILINE)
    assert set(afterword.__all__) - {"__version__"} <= set(listed)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pages_build_without_a_warning_and_load_nothing_from_elsewhere(tmp_path: Path) -> None:
    for name in ("sphinx", "myst_nb", "furo"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[docs]'")
    options: list[str | Path] = ["-W", "--keep-going", "-q", "-d", tmp_path / "trees"]
    done = finished([sys.executable, "-m", "sphinx", *options, DOCS, tmp_path / "html"], fresh=True)
    assert done.returncode == 0, done.stderr.decode()
    pages = list((tmp_path / "html").rglob("*.html"))
    assert len(pages) > len(PAGES) - 3
    for path in pages:
        text = path.read_text(encoding="utf-8")
        tags = re.findall(r"<(?:script|img|iframe|link[^>]* rel=.(?:stylesheet|preload).)\b[^>]*>", text)
        assert not [tag for tag in tags if re.search(r"(src|href)=.(https?:)?//", tag)], path


# Commands and programs


NUMBER = re.compile(r"\d+\.\d+|\d+(?=%)")


def program(name: str) -> str:
    """Return the programs in Python of a page, one after the other."""
    return "".join(map(textwrap.dedent, re.findall(r"^ *```python\n(.*?)^ *```", page(name), re.DOTALL | re.MULTILINE)))


def ran(*arguments: str) -> str:
    """Return what the command prints on standard output."""
    return fine(run_here([*arguments])).stdout.decode()


def alike(printed: str, quoted: str) -> bool:
    """The same but for rounding, which differs from processor to processor."""
    found, expected = (list(map(float, NUMBER.findall(text))) for text in (printed, quoted))
    same = NUMBER.sub("#", printed).split() == NUMBER.sub("#", quoted).split()
    return same and found == pytest.approx(expected, rel=0.01, abs=1)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the texts that pages name."""
    monkeypatch.chdir(tmp_path)
    text = "".join(f'Humpty Dumpty: "the {k}th line, friends, countrymen."\n' for k in range(80))
    for name in ("book", "your-book", "other"):
        Path(f"{name}.txt").write_text(text, encoding="utf-8")
    scored = re.findall(r"^ +\d+ +[\d.]+ +[\d.]+  (.*\n)", README, re.MULTILINE)  # by `score --lines`
    Path("lines.txt").write_text("".join(scored), encoding="utf-8")
    return tmp_path


@each_page
def test_every_example_with_its_output_is_marked_and_a_derived_one_is_as_it_is_printed_now(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert derived(text) == text, "make examples"
    for found in BLOCK.finditer(text if path.parent == DOCS else ""):
        begins = "" if found["language"] else commands(found["body"])
        assert found["kind"] or begins in ("", found["body"]), found[0]


@pytest.mark.timeout(600)
def test_the_commands_of_readme_work_one_after_the_other_and_print_what_it_shows(place: Path) -> None:
    assert len(README.splitlines()) <= MOST_LINES
    runpy.run_path(str(DOCS / "make_log.py"))
    for block in (block for block in README.split("```\n")[1::2] if block.startswith("afterword ")):
        *lines, output = re.split(r"^(afterword .*)\n", block, flags=re.MULTILINE)
        for line in filter(None, lines):
            small = re.sub(r"--minutes \d+", "--steps 8 --hidden-size 8 --threads 1", line.split("  #")[0])
            printed = ran(*shlex.split(small)[1:])
        if line.startswith("afterword odd"):  # of which three are shown
            assert re.findall(r"log:\d+", output) == re.findall(r"log:\d+", printed)[:3]
        elif output.strip():
            assert alike(printed, output), line
    for line in re.findall(r"`afterword (\w+ [^`]+ --html [^`]+)`", README):
        ran(*shlex.split(line), "--overwrite")
    (asked,) = re.findall(r"^curl .* --json '(.*)'$", README, re.MULTILINE)
    answer = load("english").generate(**USUAL | json.loads(asked))  # as the server does
    assert f'"text": {json.dumps(answer.text)}, …' in README


def test_the_commands_of_scoring_print_what_it_shows(place: Path) -> None:
    shown, summary, table = page("scoring").split("```")[3:8:2]
    (sentence,) = re.findall(r'in it, "(.*?)":', " ".join(page("scoring").split()))
    Path("letter.txt").write_text(sentence + "\n", encoding="utf-8")
    plain, _, _, of_csv = [fine(run_here(shlex.split(line.split("  #")[0])[1:])) for line in shown.strip().splitlines()]
    assert alike(plain.stderr.decode(), summary)
    head, *rows = plain.stdout.decode().splitlines()
    assert alike("\n".join([head, *rows[37:40]]), table)
    assert Path("letter.html").exists()
    assert of_csv.stdout.startswith(b"line,column,text,bits,start,text_1,probability_1,")


def test_the_clients_of_the_page_of_the_server_work(tmp_path: Path) -> None:
    model = load(save_tiny(tmp_path / "book"))
    with serving(tmp_path / "book") as server:
        here = f"127.0.0.1:{server.port}"
        done = finished([sys.executable, "-c", program("serving").replace("127.0.0.1:8000", here)])
        assert done.returncode == 0, done.stderr.decode()
        assert float(done.stdout.split()[-1]) == pytest.approx(model.score("Friends, Romans").nats, abs=1e-4)
        (line,) = re.findall(r"```\n(curl .*?)```", page("serving"), re.DOTALL)
        done = finished([*shlex.split(line.replace("127.0.0.1:8000", here)), "-s"])
    expected = model.generate("Brutus: ", max_tokens=100, seed=1, **USUAL)
    assert f'"text":"{expected.text}"'.replace("\n", "\\n") in done.stdout.decode()


WHATSAPP = """[05.11.26, 21:04:11] Anna: see you
at eight: here
\u200e[05.11.26, 21:04:12] Messages are end-to-end encrypted.
[05.11.26, 21:05:00] Ben B.: fine
"""
ANDROID = """11/5/26, 9:04\u202fPM - Anna: see you
at eight: here
11/5/26, 9:04\u202fPM - Ben added Anna
11/5/26, 9:05\u202fPM - Ben B.: fine
"""
PARTS = ["see you\nat ", {"type": "bold", "text": "eight"}, ": here"]
TELEGRAM = {
    "messages": [
        {"type": "message", "from": "Anna", "text": PARTS},
        {"type": "service", "action": "create_group", "text": ""},
        {"type": "message", "from": "Ben B.", "text": "fine"},
        {"type": "message", "from": "Ben B.", "photo": "a.jpg", "text": ""},
    ]
}


def test_chats_become_lines_and_a_bot_answers_in_one(place: Path) -> None:
    whatsapp, telegram, bot = re.findall(
        r"^```python\n(.*?)^```", page("training").split("## My text is a chat")[1], re.S | re.M
    )
    for name, exported, code in (
        ("chat.txt", WHATSAPP, whatsapp),
        ("chat.txt", ANDROID, whatsapp),
        ("result.json", json.dumps(TELEGRAM), telegram),
    ):
        Path(name).write_text(exported, encoding="utf-8")
        exec(compile(code, name, "exec"), {})
        lines = Path("friends.txt").read_text(encoding="utf-8")
        assert lines == "Anna: see you at eight: here\nBen B.: fine\n"
        Path("friends.txt").unlink()
    save_tiny(place / "friends")
    with serving(place / "friends") as server:
        code = bot.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        done = finished([sys.executable, "-c", code], input=b"hello\nand now?\n\n")
    assert done.returncode == 0, done.stderr.decode()
    asked = re.fullmatch("Ben: Anna:(.*)\nBen: Anna:(.*)\nBen: ", done.stdout.decode().replace("\r", ""))
    assert asked is not None, done.stdout.decode()


def test_the_programs_of_all_pages_are_python_and_the_reference_prints_what_it_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    compiled = {path.stem: compile(program(path.stem), path, "exec") for path in DOCS.glob("*.md")}
    exec(compiled["python"], {})
    assert "NextCharacter(" in capsys.readouterr().out


# Texts that scripts of docs/ make


@pytest.mark.parametrize(
    ("script", "file", "name", "odd"),
    [("make_sessions.py", "sessions.txt", "lines", (40, 110, 180, 250)), *cases("SCRIPTS")],
)
def test_a_text_is_the_one_that_the_page_shows(
    place: Path, script: str, file: str, name: str, odd: tuple[int, ...]
) -> None:
    made = runpy.run_path(str(DOCS / script), run_name="__main__")
    first = "\n".join(Path(file).read_text(encoding="utf-8").splitlines()[:3])
    assert f"```\n{first}\n```" in page(name)
    printed = re.findall(r"^today.\w+:(\d+): .*?  (\w.*)$", page(name), re.MULTILINE)
    assert {(int(line) - 1, text) for line, text in printed} >= {(k, made["today"][k]) for k in odd}


@pytest.mark.parametrize(("name", "meter"), [("reel.txt", "[M:C|]"), ("jig.txt", "[M:6/8]")])
def test_the_rule_of_tunes_accepts_whole_bars_alone(place: Path, name: str, meter: str) -> None:
    is_whole = runpy.run_path(str(DOCS / "make_tunes.py"), run_name="__main__")["is_whole"]
    rule = Path(name).read_text(encoding="utf-8")
    head = f"{meter}[K:G]"
    for tune in Path("tunes.txt").read_text(encoding="utf-8").splitlines():
        if tune.startswith(meter):
            body = tune.removeprefix(head)
            first, second, rest = body.split("|", 2)
            longer, shorter = f"{first}|{second}a|{rest}", f"{first}|{second.split(' ')[0]}|{rest}"
            for one in (body, longer, shorter):
                assert is_whole(head + one) == bool(re.fullmatch(rule, one)) == (one == body)


# Notebooks


SETTINGS = {
    "MINUTES = 5": "MINUTES = 0.01",
    "STEPS = 3500": "STEPS = 10",
    "STEPS = 350": "STEPS = 10",
    "minutes=MINUTES": "minutes=MINUTES, base='none'",
}
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "MPLBACKEND": "agg", "OMP_NUM_THREADS": "1"}


def shortened(code: str) -> str:
    for long, short in SETTINGS.items():
        code = code.replace(long, short)
    return code


@pytest.fixture
def notebooks(tmp_path: Path) -> Path:
    """A folder like docs/notebooks, in which a notebook may write."""
    (tmp_path / "notebooks").mkdir()
    for text in DOCS.glob("*.txt"):
        shutil.copy(text, tmp_path)
    return tmp_path / "notebooks"


@each_notebook
def test_the_code_of_a_notebook_runs_from_top_to_bottom(notebook: Path, notebooks: Path) -> None:
    code = "\n".join(shortened("".join(cell["source"])) for cell in cells(notebook))
    assert code.count("MINUTES = 0.01") + code.count("STEPS = 10") == 1
    for library in ("pandas", "matplotlib"):
        if f"import {library}" in code and find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    done = finished([sys.executable, "-c", code], cwd=notebooks, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr.decode()


@each_notebook
def test_a_notebook_is_stored_as_it_ran(notebook: Path) -> None:
    assert notebook.stat().st_size < MOST_BYTES
    assert [cell["execution_count"] for cell in cells(notebook)] == [*range(1, len([*cells(notebook)]) + 1)]
    outputs = [output for cell in cells(notebook) for output in cell["outputs"]]
    assert not any(output["output_type"] == "error" for output in outputs)
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 2


# Figures


COMMANDS = ["tests.everywhere", "tests.hostile.attack"]
COMMANDS += [
    f"{place}.{path.stem}"
    for place in ("benchmarks", "bases.making")
    for path in sorted((ROOT / place.replace(".", "/")).glob("*.py"))
    if "def main(" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_benchmark_is_a_command_that_explains_itself(name: str) -> None:
    assert name in printed_by(name, "--help")


def printed_by(name: str, *arguments: str) -> str:
    found = CliRunner().invoke(importlib.import_module(name).main, arguments, catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_tables_and_pictures_are_drawn_from_the_results_that_are_kept() -> None:
    figures = page("figures")
    assert printed_by("benchmarks.quality", "table").strip() in figures
    for row in printed_by("benchmarks.plan", "table").strip().splitlines():
        if row.startswith(("| the plan |", "| plan ÷ ")):  # the page leaves out the settings by hand
            assert all(f"| {cell.strip()} |" in figures for cell in row.split("|") if cell.strip()), row
    assert printed_by("benchmarks.base", "table").startswith("| ")  # its page has a choice of the columns
    rows, text = compare.newest(), compare.PAGE.read_text(encoding="utf-8")
    assert text.partition(compare.BEGIN)[2].partition(compare.END)[0] == compare.drawn(rows)
    assert compare.PAGE.with_name(compare.PICTURE).read_text(encoding="utf-8") == compare.picture(rows)
