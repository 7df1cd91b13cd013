"""The pages name only what exists, their commands and programs run and print that, and their figures are results."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
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
from tests.serving.server import USUAL, Serving, serving
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


# What the pages name


def code(path: Path) -> Iterator[str]:
    """Yield each code span of a page, and each line of its fenced blocks, except those of text: what models write."""
    text = re.sub(r"^```text$.*?^```$", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
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
    found = command_line.get_command(click.Context(command_line), command)
    assert found is not None
    options = [parameter for parameter in found.params if isinstance(parameter, click.Option)]
    names = {name for option in options for name in (*option.opts, *option.secondary_opts)}
    return names | {"--help", "-h"}


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each relative link of a page, and whether it leads to a file and a heading, which Sphinx finds too."""
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            place, _, anchor = link.partition("#")
            target = path.parent / place if place else path
            inside = path.parent != DOCS or target.resolve().is_relative_to(DOCS)
            yield link, inside and target.exists() and (not anchor or anchor in anchors(target))


def paths(line: str) -> Iterator[tuple[str, bool]]:
    """Yield the path that a code span is, and whether it exists in the repository."""
    rooms = {path.name for place in (ROOT, SOURCE) for path in place.iterdir() if path.is_dir()}
    is_path = re.fullmatch(r"[\w./-]+/([\w-]+\.(py|md|svg|tsv|txt|jsonl))?", line)
    if is_path and line.split("/")[0] in rooms and "NAME" not in line:
        yield line, (ROOT / line).exists() or (SOURCE / line).exists()
    if re.fullmatch(r"\w+\.py", line) and line.islower():  # NAME.py is any
        yield line, any(next((ROOT / place).rglob(line), None) for place in CODE)


def programs(line: str) -> Iterator[tuple[str, bool]]:
    """Yield what a line runs by make or as a benchmark, and whether it exists."""
    given = words(line)
    if given[:1] == ["make"]:
        yield line, given[1] in TARGETS
    for place, benchmark, command in re.findall(
        r"\b(benchmarks|bases[./]making)[./]([a-z]\w*)(?:\.py)?(?: ([a-z]+)\b)?", line
    ):
        path = ROOT / place.replace(".", "/") / f"{benchmark}.py"
        yield line, path.is_file() or path.with_suffix("").is_dir()
        if command and "click.group" in (source := path.read_text(encoding="utf-8")):
            yield line, bool(re.search(rf"def {command}(_way)?\(|\"{command}\"", source))


def asked(line: str) -> Iterator[tuple[str, bool]]:
    """Yield the command of a line, and its options, and whether they exist: of that command, or else of any."""
    given = words(line)
    if match := re.match(r"(?:[A-Z_]+=\S+ )?afterword ([a-z]+)\b", line):
        yield line, match[1] in names()
    if "afterword" in given:
        given = given[given.index("afterword") + 1 :]
    if given and (given[0] in names() or given[0].startswith("--")):
        known = options(given[0]) if given[0] in names() else set[str]().union(*map(options, names()))
        for word in given[: given.index("|") if "|" in given else None]:
            if re.fullmatch(r"--[a-z-]*[a-z](=.*)?", word):
                yield f"{word} of {line}", word.split("=")[0] in known | OTHERS


def calls(text: str) -> Iterator[tuple[str, bool]]:
    """Yield each code span that calls the package or `model`, and whether it suits the signature."""
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
                            yield span, False
                        else:
                            yield span, True


def missing(named: Iterator[tuple[str, bool]]) -> list[str]:
    return [what for what, exists in named if not exists]


@each_page
def test_all_that_a_page_names_exists(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert missing(links(path)) == []
    assert missing(one for line in code(path) for named in (paths, programs, asked) for one in named(line)) == []
    assert path.stem in JAVASCRIPT or missing(calls(text)) == []
    assert not re.findall(r"^ *%.*", text, re.MULTILINE), "Sphinx leaves such lines out"


def test_the_calls_that_notebooks_name_exist_and_a_wrong_one_is_found() -> None:
    texts = ("".join(cell["source"]) for notebook in NOTEBOOKS for cell in cells(notebook, "markdown"))
    assert [one for text in texts for one in missing(calls(text))] == []
    assert len(missing(calls("`model.gate(text)` `afterword.train(text, minuts=3)` `model.gates()`"))) == 3


@pytest.mark.parametrize("path", HISTORY, ids=lambda path: path.name)
def test_the_links_of_the_history_lead_somewhere(path: Path) -> None:
    assert missing(links(path)) == []


def cells(notebook: Path, kind: str = "code") -> Iterator[dict[str, Any]]:
    """Yield the cells of code, or of another kind."""
    for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == kind:
            yield cell


QUOTED = re.compile(r"^<!-- quoted from (\S+) -->\n```\w*\n(.+?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("path", "quote"), [found.groups() for page in PAGES for found in QUOTED.finditer(page.read_text(encoding="utf-8"))]
)
def test_what_a_page_quotes_is_between_two_blank_lines_of_the_source(path: str, quote: str) -> None:
    source = (ROOT / path).read_text(encoding="utf-8")
    assert any(f"\n\n{one}\n" in source for one in (quote, textwrap.indent(quote, "    ")))


def test_every_page_is_once_in_a_table_of_contents() -> None:
    index = page("index")
    contents = re.findall(r"^\*\*.+:\*\* ((?:.+\n)+)", index, re.MULTILINE)
    listed = sorted(name for links in contents for name in re.findall(r"\]\((.+?)\.\w+\)", links))
    pages = [path for kind in ("*.md", "notebooks/*.ipynb") for path in DOCS.glob(kind)]
    names = {str(path.relative_to(DOCS).with_suffix("")) for path in pages}
    assert listed == sorted(names - {"index"})


@cache
def generated() -> ModuleType:
    """Return docs/generated.py."""
    at = importlib.util.spec_from_file_location("generated", DOCS / "generated.py")
    assert at is not None
    assert at.loader is not None
    module = importlib.util.module_from_spec(at)
    at.loader.exec_module(module)
    return module


def test_every_file_is_listed_with_a_sentence_and_the_house_is_drawn_as_it_stands() -> None:
    assert f"```\n{generated().house()}\n```" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(.+)` \| (.+) \|$", generated().files(), re.MULTILINE))
    names = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.stem != "__init__"}
    assert rows.keys() == names


def test_the_reference_has_every_command_option_route_and_name() -> None:
    reference, routes = generated().commands().replace("\\", ""), generated().routes()
    for command in names():
        assert f"## {command}\n" in reference
        named = options(command) - {"--help", "-h", "--help-all"}
        assert all(re.search(rf"[` ]{name}\b", reference) for name in named), command
    for route in ROUTES:
        assert f"## `{route.method} {route.path.replace(':path', '')}`\n" in routes
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


# Examples, commands and programs


SCORED = r"^ +\d+ +[\d.]+ +[\d.]+  (.*\n)"  # a line of `score --lines`, with its text
NUMBER = re.compile(r"\d+\.\d+|\d+(?=%)")


def program(name: str) -> str:
    """Return the programs in Python of a page, one after the other."""
    return "".join(re.findall(r"```python\n(.*?)```", page(name), re.DOTALL))


def ran(*arguments: str) -> str:
    """Return what the command prints on standard output."""
    return fine(run_here([*arguments])).stdout.decode()


def alike(printed: str, quoted: str) -> bool:
    """The same but for rounding, which differs from processor to processor."""
    found, expected = (list(map(float, NUMBER.findall(line))) for line in (printed, quoted))
    return NUMBER.sub("#", printed).split() == NUMBER.sub("#", quoted).split() and found == pytest.approx(
        expected, rel=0.01, abs=1
    )


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, with the texts that pages name."""
    monkeypatch.chdir(tmp_path)
    for name in ("book", "your-book", "other"):
        text = "".join(f'Humpty Dumpty: "the {k}th line, friends, countrymen."\n' for k in range(80))
        Path(f"{name}.txt").write_text(text, encoding="utf-8")
    Path("lines.txt").write_text("".join(re.findall(SCORED, README, re.MULTILINE)), encoding="utf-8")
    return tmp_path


# Examples with their output.


@pytest.mark.parametrize(
    "path",
    [path for path in PAGES if "<!-- derived -->" in path.read_text(encoding="utf-8")],
    ids=lambda path: path.name,
)
def test_every_derived_example_is_as_it_is_printed_now(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert derived(text) == text, "make examples"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_every_example_with_its_output_is_marked(path: Path) -> None:
    for found in BLOCK.finditer(path.read_text(encoding="utf-8")):
        begins = "" if found["language"] else commands(found["body"])
        assert found["kind"] or not begins or begins == found["body"], found[0]


# Commands.


def rounded(output: str) -> list[str | float]:
    """Return the words of an output; of its numbers, the digits that every processor computes alike."""
    return [round(float(word), 1) if re.fullmatch(r"\d+\.\d+", word) else word for word in output.split()]


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
            assert rounded(output) == rounded(printed), line
    for line in re.findall(r"`afterword (\w+ [^`]+ --html [^`]+)`", README):
        ran(*shlex.split(line), "--overwrite")


def test_the_server_answers_as_readme_shows() -> None:
    (request,) = re.findall(r"^curl .* --json '(.*)'$", README, re.MULTILINE)
    with serving("english") as server:
        (answer,) = server.complete(**json.loads(request))["choices"]
    assert f'"text": {json.dumps(answer["text"])}, …' in README


def test_the_commands_of_scoring_print_what_it_shows(place: Path) -> None:
    shown, summary, table = page("scoring").split("```")[3:8:2]
    (sentence,) = re.findall(r'in it, "(.*?)":', " ".join(page("scoring").split()))
    Path("letter.txt").write_text(sentence + "\n", encoding="utf-8")
    lines = [line.split("  #")[0] for line in shown.strip().splitlines()]
    assert len(lines) == 4
    done = [fine(run_here(shlex.split(line)[1:])) for line in lines]
    printed, quoted = done[0].stderr.decode().splitlines(), summary.strip().splitlines()
    assert len(printed) == len(quoted)
    assert all(map(alike, printed, quoted))
    head, *rows = done[0].stdout.decode().splitlines()
    assert all(map(alike, [head.strip(), *rows[37:40]], table.strip().splitlines()))
    assert Path("letter.html").exists()
    assert done[3].stdout.startswith(b"line,column,text,bits,start,text_1,probability_1,")


# Programs.


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, Path]]:
    folder = save_tiny(tmp_path_factory.mktemp("docs") / "book")
    with serving(folder) as server:
        yield server, folder


def test_the_clients_of_the_page_of_the_server_work(book: tuple[Serving, Path]) -> None:
    server, folder = book
    code, here = program("serving"), f"127.0.0.1:{server.port}"
    done = finished([sys.executable, "-c", code.replace("127.0.0.1:8000", here)])
    assert done.returncode == 0, done.stderr.decode()
    assert float(done.stdout.split()[-1]) == pytest.approx(load(folder).score("Friends, Romans").nats, abs=1e-4)
    (line,) = re.findall(r"```\n(curl .*?)```", page("serving"), re.DOTALL)
    done = finished([*shlex.split(line.replace("127.0.0.1:8000", here)), "-s"])
    expected = load(folder).generate("Brutus: ", max_tokens=100, seed=1, **USUAL)
    assert f'"text":"{expected.text}"'.replace("\n", "\\n") in done.stdout.decode()


def test_the_programs_of_the_reference_print_what_they_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(page("python").split("```")[1].removeprefix("python"), {})
    assert "NextCharacter(" in capsys.readouterr().out
    blocks = re.findall(r"^   ```python\n(.*?)^   ```", page("classic"), re.MULTILINE | re.DOTALL)
    founding = "".join(textwrap.dedent(block) for block in blocks)
    compile(founding, "classic", "exec")
    assert 30 <= len([line for line in founding.splitlines() if line]) <= 42


# Texts that scripts of docs/ make.


@pytest.mark.parametrize(
    ("script", "file", "name", "odd"),
    [
        ("make_sessions.py", "sessions.txt", "lines", (40, 110, 180, 250)),
        *cases("SCRIPTS"),
    ],
)
def test_a_text_is_the_one_that_the_page_shows(
    place: Path, script: str, file: str, name: str, odd: tuple[int, ...]
) -> None:
    made = runpy.run_path(str(DOCS / script), run_name="__main__")
    first = "\n".join(Path(file).read_text(encoding="utf-8").splitlines()[:3])
    assert f"```\n{first}\n```" in page(name)
    printed = re.findall(r"^today.\w+:(\d+): .*?  (\w.*)$", page(name), re.MULTILINE)
    assert {(int(line) - 1, text) for line, text in printed} >= {(k, made["today"][k]) for k in odd}


METERS = {"reel.txt": "[M:C|]", "jig.txt": "[M:6/8]"}


def test_the_rule_of_tunes_accepts_whole_bars_alone(place: Path) -> None:
    script = runpy.run_path(str(DOCS / "make_tunes.py"), run_name="__main__")
    tunes = Path("tunes.txt").read_text(encoding="utf-8").splitlines()
    assert all(map(script["is_whole"], tunes))
    for name, meter in METERS.items():
        rule = Path(name).read_text(encoding="utf-8")
        some = [tune.partition("]")[2].partition("]")[2] for tune in tunes if tune.startswith(meter)]
        assert all(re.fullmatch(rule, body) for body in some)
        for body in some[:20]:  # a bar that is longer or shorter than the others
            first, second, rest = body.split("|", 2)
            for wrong in (f"{first}|{second}a|{rest}", f"{first}|{second.split(' ')[0]}|{rest}"):
                assert not script["is_whole"](f"{meter}[K:G]{wrong}")
                assert not re.fullmatch(rule, wrong)


# Notebooks


SETTINGS = {
    "MINUTES = 5": "MINUTES = 0.01",
    "STEPS = 3500": "STEPS = 10",
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
        if f"import {library}" in code and importlib.util.find_spec(library) is None:
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


COMMANDS = [
    *("tests.everywhere", "tests.hostile.attack"),
    *(
        f"{place.replace('/', '.')}.{path.stem}"
        for place in ("benchmarks", "bases/making")
        for path in sorted((ROOT / place).glob("*.py"))
        if "def main(" in path.read_text(encoding="utf-8")
    ),
]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_benchmark_is_a_command_that_explains_itself(name: str) -> None:
    command = importlib.import_module(name).main
    assert isinstance(command, click.Command)
    found = CliRunner().invoke(command, ["--help"])
    assert found.exit_code == 0, found.output
    assert name in found.output


def drawn(name: str) -> str:
    found = CliRunner().invoke(importlib.import_module(f"benchmarks.{name}").main, ["table"], catch_exceptions=False)
    assert found.exit_code == 0
    return found.output


def test_tables_are_drawn_from_the_results_that_are_kept() -> None:
    figures = page("figures")
    assert drawn("quality").strip() in figures
    for row in drawn("plan").strip().splitlines():
        if row.startswith(("| the plan |", "| plan ÷ ")):  # the page leaves out the settings by hand
            assert all(f"| {cell.strip()} |" in figures for cell in row.split("|") if cell.strip()), row
    assert drawn("base").startswith("| ")  # its page has a choice of the columns


def test_the_page_and_picture_of_make_compare_are_drawn_from_the_rows_that_are_kept() -> None:
    rows, text = compare.newest(), compare.PAGE.read_text(encoding="utf-8")
    assert text.partition(compare.BEGIN)[2].partition(compare.END)[0] == compare.drawn(rows)
    assert compare.PAGE.with_name(compare.PICTURE).read_text(encoding="utf-8") == compare.picture(rows)
