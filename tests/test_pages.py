"""What the pages of docs/ and README show: their commands and programs run and print that, and figures are measured."""

from __future__ import annotations

import itertools
import json
import math
import re
import runpy
import shlex
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import afterword
from afterword.commands import functions
from afterword.language_model import LanguageModel, load
from afterword.operations.train import train
from benchmarks.subjects import ASKED, TEXT, TRAIN, make_text, trained
from benchmarks.tasks import TASKS
from benchmarks.teach import claims, latest
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
CLAIMS = claims()
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
    for name in ("book", "other"):
        text = "".join(f'Brutus: "the {k}th line, friends, countrymen."\n' for k in range(80))
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
            small = line.split("  #")[0].replace("--minutes 5", "--steps 8 --hidden-size 8 --threads 1")
            printed = ran(*shlex.split(small)[1:])
        if line.startswith("afterword odd"):  # of which three are shown
            assert re.findall(r"log:\d+", output) == re.findall(r"log:\d+", printed)[:3]
        elif output.strip():
            assert rounded(output) == rounded(printed), line
    found = re.findall(r"`afterword (\w+ [^`]+ --html [^`]+)`", README)
    assert len(found) == 2
    for line in (one for one in found if one.split()[0] in functions()):
        ran(*shlex.split(line), "--overwrite")


def test_the_server_answers_as_readme_shows() -> None:
    (request,) = re.findall(r"^curl .* --json '(.*)'$", README, re.MULTILINE)
    with serving("english") as server:
        (answer,) = server.complete(**json.loads(request))["choices"]
    assert f'"text": {json.dumps(answer["text"])}, …' in README


def test_the_commands_of_scoring_print_what_it_shows(place: Path) -> None:
    shown, summary, table = page("scoring").split("```")[3:8:2]
    (sentence,) = re.findall(r'in it, "(.*?)":', page("scoring"))
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


@pytest.mark.slow
def test_the_commands_at_the_head_of_the_page_of_gates_work(place: Path) -> None:
    train("book.txt", out="book", steps=8, hidden_size=48, threads=1)
    lines = [line.split("  #")[0] for line in page("gates").split("```\n")[1].splitlines()]
    assert len(lines) == 9
    for line in lines:
        ran(*shlex.split(line)[1:])
    assert {"gates.html", "stretch.html"} <= {path.name for path in place.iterdir()}


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


def test_the_programs_of_the_reference_and_of_the_lesson_print_what_they_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    exec(page("python").split("```")[1].removeprefix("python"), {})
    assert "NextCharacter(" in capsys.readouterr().out
    code = page("lstm").split("```python\n")[1].split("```")[0]
    exec(code, {})
    assert capsys.readouterr().out.strip() == code.rsplit("# ", 1)[1].strip()
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


# The lesson: its claims are what was measured.


def gradients(name: str, columns: slice) -> dict[str, list[str]]:
    """The gradients of a page's table by k, without their errors."""
    rows = re.findall(r"^\| ([\d,]+) \| (.*) \|$", page(name), re.MULTILINE)
    return {k: [cell.split(" ±")[0] for cell in cells.split(" | ")][columns] for k, cells in rows}


def test_the_gradients_are_those_that_the_page_of_the_horizon_measured() -> None:
    here, there = gradients("lstm", slice(2)), gradients("gates", slice(2, 4))
    assert len(here) >= 5
    assert here.items() <= there.items()
    falls = [(int(k.replace(",", "")), float(cells[3])) for k, cells in gradients("gates", slice(4)).items()]
    falls = [(k, size) for k, size in falls if k >= 10 and size > 0]
    per_decade = [(b - a) / math.log10(x / y) for (a, x), (b, y) in itertools.pairwise(falls)]
    said = re.findall(r"power of ten every (\d+) to (\d+) characters", page("gates").replace("\n", " "))[0]
    assert [round(min(per_decade)), round(max(per_decade))] == [*map(int, said)]


def test_the_worksheet_answers_what_it_asks() -> None:
    for part in (r"^\d+\. ", r"^\| (Divya[^|]*) \| "):
        asked, answered = (re.findall(part, half, re.MULTILINE) for half in page("lstm-sheet").split("<details>"))
        assert asked == answered != []


@pytest.mark.parametrize("name", CLAIMS)
def test_the_pages_claim_what_was_measured(name: str) -> None:
    """`python -m benchmarks.teach claims` prints the sentences; `make bench-teach` measures anew."""
    assert CLAIMS[name] in " ".join(" ".join(map(page, ("lstm", "lstm-memory", "gates"))).split())


def test_what_is_measured_meets_what_was_asked() -> None:
    for name in TASKS:
        done = latest("tasks", "seed", task=name, matters=True)
        assert len(done) == 3
        for one in done:
            assert one["area"] > one["chance"]
            assert 1 / 2 <= one["memory"] / one["true_memory"] <= 2
            if name != "recall":  # which can be spread over many cells
                assert one["area"] >= 0.99
                assert one["held_bits"] > one["bits"] + 0.5  # of the bit that a coin costs
                assert 25 <= one["reach"] <= 100
    assert all(one["area"] <= one["chance"] for one in latest("tasks", "seed", task="brackets", matters=False))
    [asked] = latest("units")
    assert asked["false"] <= 0.05 * asked["questions"]
    assert asked["found"] >= 0.9 * asked["questions"]


def test_the_kernels_of_an_older_processor_find_the_same() -> None:
    brackets = latest("tasks", "seed", task="brackets", matters=True, kernels="Haswell")
    divya = latest("subjects", "seed", cell="lstm", kernels="Haswell")
    assert min(len(brackets), len(divya)) >= 1
    assert all(one["area"] >= 0.99 and 25 <= one["reach"] <= 100 for one in brackets)
    assert all(1 / 2 <= one["memory"] / one["true_memory"] <= 2 for one in brackets)
    assert all(one["divya"] > 0.5 and one["reena"] > 0.95 for one in divya)


# The network of the pages of gates and teaching, trained as they say.


@pytest.fixture(scope="module")
def subjects(tmp_path_factory: pytest.TempPathFactory) -> LanguageModel:
    return trained(tmp_path_factory.mktemp("subjects"))


def test_the_text_and_the_command_are_those_of_the_script() -> None:
    text = make_text()
    assert TEXT.read_text(encoding="utf-8") == text
    assert "\n".join(f"    {line}" for line in text.splitlines()[:4]) in page("gates")
    assert TRAIN in page("gates")
    assert TRAIN.replace("docs/subjects.txt", "subjects.txt") in page("teaching")


def read(printed: str) -> tuple[list[list[float]], list[str], dict[str, float]]:
    """What `inspect --keeps` prints: the figures of each row, the characters of each row, and what is expected."""
    *rows, foot = printed.strip().splitlines()[2:]
    expected = {name: float(figure) for name, figure in re.findall(r"(\w+) (\d\.\d\d)", foot)}
    return (
        [[*map(float, row.split()[:7])] for row in rows],
        [row.split(maxsplit=7)[7] for row in rows],
        expected,
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("asked", ASKED)
def test_the_figures_of_the_page_of_gates_are_what_its_command_gives(subjects: LanguageModel, asked: str) -> None:
    """Within 0.3: another processor rounds otherwise, and 3,500 steps of learning carry that far."""
    quoted = page("gates").split(f'afterword inspect subjects "{asked}" --keeps Divya --after .\n')[1].split("```")[0]
    figures, characters, expected = read(str(afterword.keeps(subjects, asked, "Divya", after=".")))
    page_figures, page_characters, page_expected = read(quoted)
    assert characters == page_characters
    np.testing.assert_allclose(figures, page_figures, atol=0.3)
    for name in {*expected, *page_expected}:
        assert expected.get(name, 0) == pytest.approx(page_expected.get(name, 0), abs=0.3)


def without_figures(printed: str) -> list[list[str]]:
    """The words of each line, without numbers and what is said of a unit."""
    return [
        re.sub(r"[+-]?\d+\.\d+|l0\.u\d+|cell|hidden|high|low", "…", line).split()
        for line in printed.strip().splitlines()
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_the_pages_say_of_the_network_is_so(subjects: LanguageModel) -> None:
    before, after = (afterword.keeps(subjects, text, "Divya", after=".") for text in ASKED)
    first, stop, _, R, eena, _, end, *_ = after.stretches
    assert [one.text for one in (first, stop, R, eena, end)] == [" likes to eat", ".", "R", "eena", "."]
    at_first, at_stop, at_R, at_eena = (one.forget_where_held or 0.0 for one in (first, stop, R, eena))
    assert at_R < at_stop - 0.05 < at_first  # they close most at the new name
    assert at_eena > 0.8
    assert 0.1 < end.held < first.held - 0.3  # most of her is let go on the way, and not all
    assert before.expected["Divya"] > 0.4
    assert after.expected["Reena"] > 0.9
    assert after.expected["Divya"] < 0.05
    text = make_text()
    blocks = [block for block in page("gates").split("```") if "held open  " in block or "held-out half" in block]
    found = [
        afterword.ablate(subjects, text[:2000]),
        afterword.units(subjects, text[:20_000]).matching("Divya likes to ([a-z]+)", 3),
    ]
    for block, printed in zip(blocks, found, strict=True):
        assert without_figures(block) == without_figures(str(printed))


LAB = "Divya likes to eat. Reena is not fat. So "


def best_unit(cells: np.ndarray) -> int:
    """The unit that the page finds for #4-19, of Divya after her name begins, by its cell states [T, H]."""
    inside = np.zeros(len(cells), bool)
    inside[4:20] = True
    here, elsewhere = cells[inside], cells[~inside]
    apart = np.abs(here.mean(axis=0) - elsewhere.mean(axis=0)) / (here.std(axis=0) + elsewhere.std(axis=0))
    return int(apart.argmax())


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_answers_of_the_lab_are_those_of_a_trained_network(subjects: LanguageModel) -> None:
    assert f'afterword inspect subjects "{LAB}" --html gates.html --step step.html' in page("teaching")
    model, trace = subjects, subjects.gates(LAB)
    unit = best_unit(trace.cell[:, 0])
    forget, input_gate, output = (getattr(trace, gate)[:, 0, unit] for gate in ("forget", "input", "output"))
    cell, space = trace.cell[:, 0, unit], LAB.index(" R")
    assert np.sign(cell[5:19]).tolist() == [np.sign(cell[10])] * 14  # Divya's
    assert abs(cell[25:].mean() - cell[5:19].mean()) > 3  # Reena's
    assert forget[6:18].mean() > 0.95
    assert forget[space] > 0.5  # the full stop and the space are not the moment
    assert forget[space + 1] < 0.1  # at the R
    assert input_gate[[4, 24]].min() > 0.8  # at the ends of the names
    assert output[4] < 0.5
    assert output[[space, len(LAB) - 1]].min() > 0.9  # where a name is due
    expected = {one.text: one.probability for one in model.next_characters(LAB)}
    assert expected["R"] > 0.9
    held = model.hold(f"l0.u{unit}.output=0")
    hidden, shown = (
        {one.text: one.probability for one in some.next_characters(LAB[: space + 1])} for some in (held, model)
    )
    assert hidden["D"] < shown["D"]
