"""The tutorials and worked examples of docs/: what they promise comes out."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

from tests.cli.answers import fine
from tests.cli.conftest import run_here

DOCS = Path(__file__).parents[1] / "docs"


def page(name: str) -> str:
    return (DOCS / f"tutorial-{name}.md").read_text(encoding="utf-8")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The odd lines of the log that the tutorial makes in the working folder, each with its number."""
    monkeypatch.chdir(tmp_path)
    today = runpy.run_path(str(DOCS / "make_log.py"))["today"]
    return sorted((str(k + 1), today[k]) for k in (40, 90, 150, 200, 260))


def odd_lines(printed: str) -> list[tuple[str, str]]:
    """Those of the first five findings."""
    return sorted(re.findall(r"^today.log:(\d+): .*?  (\w.*)$", printed, re.MULTILINE)[:5])


def made(script: str, folder: Path, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run a script of docs/ in `folder`, stay there, and return what it defines."""
    patch.chdir(folder)
    return runpy.run_path(str(DOCS / script), run_name="__main__")


def ran(*arguments: str) -> str:
    """Return what the command prints on standard output."""
    return fine(run_here([*arguments])).stdout.decode()


def test_the_log_has_the_lines_that_the_page_shows(log: list[tuple[str, str]]) -> None:
    first = "\n".join(Path("good.log").read_text(encoding="utf-8").splitlines()[:3])
    assert f"```\n{first}\n```" in page("odd")
    assert odd_lines(page("odd")) == log


@pytest.mark.slow
def test_the_odd_lines_come_first(log: list[tuple[str, str]]) -> None:
    assert odd_lines(ran("odd", "good.log", "today.log")) == log


def test_the_sessions_are_those_that_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    today = made("make_sessions.py", tmp_path, monkeypatch)["today"]
    shown = (DOCS / "lines.md").read_text(encoding="utf-8")
    first = "\n".join(Path("sessions.txt").read_text(encoding="utf-8").splitlines()[:3])
    assert f"```\n{first}\n```" in shown
    printed = re.findall(r"^today.txt:(\d+): .*  (.*)$", shown, re.MULTILINE)
    assert {(int(line) - 1, text) for line, text in printed} >= {(k, today[k]) for k in (40, 110, 180, 250)}


@pytest.mark.slow
def test_odd_sessions_come_first_and_the_next_event_is_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = made("make_sessions.py", tmp_path, monkeypatch)
    printed = ran("odd", "sessions.txt", "today.txt", "--out", "shop")
    listed = re.findall(r"^today.txt:(\d+): ", printed, re.MULTILINE)
    assert {"41", "111", "181", "251"} <= {*listed[:10]}
    prompt = ["--prompt", "home search product", "--max-tokens", "1", "--json", "--log-probabilities", "5"]
    (piece,) = json.loads(ran("generate", "shop", *prompt))["pieces"]
    assert {one["text"] for one in piece["alternatives"]} <= {"", *(f" {event}" for event in script["NEXT"])}
    written = ran("generate", "shop", "--num", "100", "--temperature", "1").split()
    unknown = [event for event in written if event not in script["NEXT"]]  # about one in 700 is two events in one
    assert len(unknown) < len(written) / 50


def test_the_rule_of_tunes_accepts_whole_bars_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = made("make_tunes.py", tmp_path, monkeypatch)
    tunes = Path("tunes.txt").read_text(encoding="utf-8").splitlines()
    assert all(map(script["is_whole"], tunes))
    for name, meter in (("reel.txt", "[M:C|]"), ("jig.txt", "[M:6/8]")):
        rule = Path(name).read_text(encoding="utf-8")
        some = [tune.partition("]")[2].partition("]")[2] for tune in tunes if tune.startswith(meter)]
        assert all(re.fullmatch(rule, body) for body in some)
        for body in some[:20]:  # a bar that is longer or shorter than the others
            first, second, rest = body.split("|", 2)
            for wrong in (f"{first}|{second}a|{rest}", f"{first}|{second.split(' ')[0]}|{rest}"):
                assert not script["is_whole"](f"{meter}[K:G]{wrong}")
                assert not re.fullmatch(rule, wrong)


@pytest.mark.slow
def test_a_tune_by_the_rule_has_whole_bars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = made("make_tunes.py", tmp_path, monkeypatch)
    ran("train", "tunes.txt", "--lines", "--base", "none", "--minutes", "0.1", "--out", "tunes")
    for name, begins in (("reel.txt", "[M:C|][K:G]"), ("jig.txt", "[M:6/8][K:G]")):
        rule = ["--pattern", Path(name).read_text(encoding="utf-8"), "--max-tokens", "400"]
        written = ran("generate", "tunes", "--prompt", begins, *rule, "--num", "10").splitlines()
        assert len(written) == 10
        assert all(map(script["is_whole"], written))


def test_the_sales_are_those_that_the_page_shows_and_its_commands_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made("make_sales.py", tmp_path, monkeypatch)
    shown = (DOCS / "forecast.md").read_text(encoding="utf-8")
    first = "\n".join(Path("sales.csv").read_text(encoding="utf-8").splitlines()[:3])
    assert f"```\n{first}\n```" in shown
    ran("forecast", "sales.csv", "--horizon", "28", "--minutes", "0.02", "--method", "lstm", "--keep", "sales")
    printed = ran("forecast", "sales", "sales.csv", "--method", "lstm")
    figures = re.compile(r"-?\d+(\.\d+)?(?![\d-])%?")
    for line in ("backtest  ", "unique_id  ds "):
        (as_shown,), (now,) = (
            [one.split() for one in text.splitlines() if one.startswith(line) and "99" not in one]
            for text in (shown, printed)
        )
        assert as_shown == now
    for begins in ("bakery     2025-01-01 ", "bakery     2025-01-02 "):
        (as_shown,), (now,) = (
            [figures.sub("0", one).split()[:8] for one in text.splitlines() if one.startswith(begins)]
            for text in (shown, printed)
        )
        assert as_shown == now


@pytest.mark.slow
def test_the_python_of_the_page_of_forecasts_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made("make_sales.py", tmp_path, monkeypatch)
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / "forecast.md").read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    exec("".join(blocks).replace("minutes=1", "minutes=0.05"), names)
    assert len(names["found"]) == 2 * 28
