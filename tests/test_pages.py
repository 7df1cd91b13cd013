"""What the pages of docs/ and README show: their commands and programs run and print that, and figures are measured."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterword.language_model import load
from tests.cases import cases
from tests.cli.answers import fine
from tests.cli.conftest import run_here
from tests.examples import BLOCK, PAGES, commands, derived
from tests.processes import finished
from tests.serving.server import USUAL, Serving, serving
from tests.tiny import save_tiny

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
README = (ROOT / "README.md").read_text(encoding="utf-8")
MOST = 120  # lines of README
SCORED = r"^ +\d+ +[\d.]+ +[\d.]+  (.*\n)"  # a line of `score --lines`, with its text
NUMBER = re.compile(r"\d+\.\d+|\d+(?=%)")


def page(name: str) -> str:
    return (DOCS / f"{name}.md").read_text(encoding="utf-8")


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


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
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
    assert len(README.splitlines()) <= MOST
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


@pytest.mark.slow
def test_a_tune_by_the_rule_has_whole_bars(place: Path) -> None:
    script = runpy.run_path(str(DOCS / "make_tunes.py"), run_name="__main__")
    ran("train", "tunes.txt", "--lines", "--base", "none", "--minutes", "0.1", "--out", "tunes")
    for name, meter in METERS.items():
        rule = ["--pattern", Path(name).read_text(encoding="utf-8"), "--max-tokens", "400"]
        written = ran("generate", "tunes", "--prompt", f"{meter}[K:G]", *rule, "--num", "10").splitlines()
        assert len(written) == 10
        assert all(map(script["is_whole"], written))
