"""`afterword forecast`, through the real command: what it prints and writes, its page, and a line for each mistake."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from tests.cli.answers import printed
from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.cli.test_train import INTERRUPTED
from tests.processes import finished
from tests.test_docs import DOCS, page, place, program, ran
from tests.wings.series.seasons import HORIZON, long_csv, seasonal

__all__ = ["place"]
NAIVE = ["--method", "naive", "--horizon", "6"]
MEASURES = {"cut_offs", "mase", "bias", "weighted_quantile_loss", "coverage"}
COLUMNS = ["unique_id", "ds", "mean", "median", "lo-80", "hi-80", "lo-95", "hi-95", "method"]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_text(long_csv(seasonal(series=3, length=60)))
    return path


def numbered(folder: Path, *values: int) -> Path:
    path = folder / "numbered.csv"
    path.write_text("ds,y\n" + "".join(f"{k},{value}\n" for k, value in enumerate(values, 1)))
    return path


def test_what_is_printed_is_in_json_too(run: Run, table: Path) -> None:
    values = seasonal(series=3, length=60)
    values[1, -3] = 400
    table.write_text(long_csv(values))
    shown = printed(run("forecast", table, *NAIVE))
    first, empty, *rest = shown.splitlines()
    assert (first.rpartition("; ")[2], empty) == ("naive 12 is used", "")
    assert rest[0].split()[:3] == ["backtest", "cut-offs", "MASE"]
    assert [line.split()[:2] for line in rest[1:3]] == [["used", "6"], ["naive", "12"]]
    assert re.search(r"\n\nunusual: \d of the last 18 values are outside their 99 % band\n\n", shown)
    rows = [line.split() for line in rest[-1 - 3 * HORIZON :]]
    assert (rows[0], rows[1][:2], len(rows)) == (COLUMNS, ["s0", "2015-01-01"], 1 + 3 * HORIZON)
    long = printed(run("forecast", table, *NAIVE[:3], "20")).splitlines()
    assert long[-1] == "… 36 more rows: --out FILE.csv writes all"

    found = json.loads(printed(run("forecast", table, *NAIVE, "--json")))
    assert (found["horizon"], found["season"], found["frequency"]) == (6, 12, "monthly")
    figures = found["backtest"]["methods"]["used"]
    assert (set(figures), set(figures["coverage"])) == (MEASURES, {"80", "95"})
    assert figures["mase"] == found["backtest"]["methods"]["naive 12"]["mase"]
    [odd] = [one for one in found["unusual"] if one["unique_id"] == "s1" and one["y"] == 400]
    assert (odd["ds"], [*odd][3:]) == ("2014-10-01", ["lo-99", "hi-99"])
    assert odd["lo-99"] < odd["hi-99"] < 400
    given = found["forecasts"]
    assert (list(given[0]), len(given), given[0]["ds"]) == (COLUMNS, 3 * HORIZON, "2015-01-01")


def test_figures_that_are_no_numbers_are_null_in_json(run: Run, tmp_path: Path) -> None:
    rare = numbered(tmp_path, 0, 1, *[0] * 37)
    found = json.loads(printed(run("forecast", rare, "--method", "last", *NAIVE[2:], "--json")))
    assert found["backtest"]["methods"]["used"]["weighted_quantile_loss"] is None


def test_all_rows_are_written_and_a_file_is_replaced_only_when_asked(run: Run, table: Path, tmp_path: Path) -> None:
    csv, parquet = tmp_path / "found.csv", tmp_path / "found.parquet"
    written = run("forecast", table, *NAIVE, "--out", csv)
    assert b"wrote 18 rows to" in written.stderr
    assert "2015" not in printed(written)
    rows = pandas.read_csv(csv)
    assert (list(rows.columns), len(rows)) == (COLUMNS, 3 * HORIZON)
    printed(run("forecast", table, *NAIVE, "--out", parquet))
    pandas.testing.assert_frame_equal(pandas.read_parquet(parquet), rows)
    kept = csv.read_bytes()
    assert "exists" in error_line(run("forecast", table, *NAIVE, "--out", csv))
    assert csv.read_bytes() == kept
    printed(run("forecast", table, *NAIVE, "--levels", "50", "--out", csv, "--overwrite"))
    assert list(pandas.read_csv(csv).columns) == [*COLUMNS[:4], "lo-50", "hi-50", "method"]


def test_pictures_are_drawn_of_series_of_any_length(run: Run, tmp_path: Path) -> None:
    for package in ("matplotlib", "utilsforecast"):
        pytest.importorskip(package)
    table, png = tmp_path / "t.csv", tmp_path / "a.png"
    long = np.datetime64("2024-01-01") + np.arange(90)
    dated = {f"s{length}": long[-length:] for length in (2, 7, 41, 90)}
    rows = [f"{name},{date},{date.item().day}" for name, dates in dated.items() for date in dates]
    table.write_text("\n".join(["unique_id,ds,y", *rows]))
    printed(run("forecast", table, "--horizon", "40", "--method", "naive", "--png", png))
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_table_is_read_from_standard_input_and_missing_values_are_noted(run: Run, table: Path) -> None:
    lines = table.read_text().splitlines()
    del lines[30]
    answer = run("forecast", "-", *NAIVE, input="\n".join(lines).encode())
    assert len([line for line in printed(answer).splitlines() if line.endswith(" naive 12")]) == 3 * HORIZON
    assert answer.stderr == b"note: filled 1 of 180 values, which were missing in 1 of 3 series\n"


def test_a_network_is_kept_and_what_is_said_is_of_values_and_series(run: Run, table: Path, tmp_path: Path) -> None:
    many, kept = tmp_path / "many.csv", tmp_path / "kept"
    many.write_text(long_csv(seasonal()))
    trained = run("forecast", many, "--horizon", "6", "--method", "lstm", "--minutes", "0.02", "--keep", kept)
    said = trained.stderr.decode()
    assert trained.returncode == 0, said
    assert "table: 776 values to train on in 8 series (monthly, season 12), 104 held out" in said
    assert f"forecast {kept} FILE uses it\n" in said
    assert not re.search("character|text", said)
    again = run("forecast", kept, many, "--method", "lstm")
    assert (printed(again), again.stderr) == (trained.stdout.decode(), b"")
    other = printed(run("forecast", kept, table, "--method", "lstm"))  # which it has not seen
    rows = [row.split() for row in other.splitlines()[-3 * HORIZON :]]
    assert {(row[0], row[-1]) for row in rows} == {(name, "lstm") for name in ("s0", "s1", "s2")}
    facts = json.loads(printed(run("info", kept, "--json")))["series"]
    assert facts == {"season": 12, "horizon": HORIZON, "frequency": "monthly"}
    assert "series frequency" in printed(run("info", kept))


def test_ctrl_c_while_training_ends_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    table, temporary = tmp_path / "many.csv", tmp_path / "temporary"
    table.write_text(long_csv(seasonal()))
    temporary.mkdir()
    code = INTERRUPTED.replace("== 30", "== 3")
    command = [sys.executable, "-c", code, "forecast", str(table), "--horizon", "6", "--method", "lstm"]
    ended = finished(command, env={**os.environ, "TMPDIR": str(temporary)})
    assert ended.returncode == 128 + signal.SIGINT, ended.stderr.decode()
    assert ended.stdout == b""
    assert ended.stderr.decode().splitlines()[-1] == "interrupted"
    assert "Traceback" not in ended.stderr.decode()
    assert list(temporary.iterdir()) == []


def test_numbered_rows_that_repeat_are_noted(run: Run, tmp_path: Path) -> None:
    def forecast(*options: str) -> subprocess.CompletedProcess[bytes]:
        return run("forecast", path, "--horizon", "3", *options)

    path = numbered(tmp_path, *(k % 5 for k in range(39)))
    found, given = forecast(), forecast("--season", "5")
    assert found.stderr == b"note: the values seem to repeat after 5: if not, give --season 1\n"
    assert found.stdout.startswith(b"the backtest has no errors: naive 5 is used")
    assert (given.stderr, given.stdout.splitlines()[-1]) == (b"", found.stdout.splitlines()[-1])
    numbered(tmp_path, *(k * k for k in range(39)))
    note = b"note: numbered rows do not show a season: if a pattern repeats after N values, give --season N\n"
    assert forecast("--method", "last").stderr == note


def test_the_commands_of_forecast_print_what_it_shows(place: Path) -> None:
    runpy.run_path(str(DOCS / "make_sales.py"), run_name="__main__")
    ran("forecast", "sales.csv", "--horizon", "28", "--minutes", "0.02", "--method", "lstm", "--keep", "sales")
    now = ran("forecast", "sales", "sales.csv", "--method", "lstm")
    figures = re.compile(r"-?\d+(\.\d+)?(?![\d-])%?")

    def words(text: str, begins: str) -> list[list[str]]:
        """The lines of `text` that begin so, except those of unusual values, without their figures."""
        lines = [line for line in text.splitlines() if line.startswith(begins) and "lo-99" not in line]
        return [figures.sub("0", line).split()[:8] for line in lines]

    for begins in ("backtest  ", "unique_id  ds ", "bakery     2025-01-01 ", "bakery     2025-01-02 "):
        assert len(words(now, begins)) == 1
        assert words(page("forecast"), begins) == words(now, begins)


@pytest.mark.slow
def test_the_python_of_the_page_of_forecasts_runs(place: Path) -> None:
    runpy.run_path(str(DOCS / "make_sales.py"), run_name="__main__")
    names: dict[str, Any] = {}
    exec(program("forecast").replace("minutes=1", "minutes=0.05"), names)
    assert len(names["found"]) == 2 * 28
