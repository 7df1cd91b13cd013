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

from tests.cli.conftest import Run
from tests.cli.test_main import error_line
from tests.cli.test_train import INTERRUPTED
from tests.processes import finished
from tests.test_docs import DOCS, page, place, program, ran
from tests.wings.series.seasons import HORIZON, long_csv, seasonal, train_small

__all__ = ["place"]
NAIVE = ["--method", "naive", "--horizon", "6"]
MEASURES = {"cut_offs", "mase", "smape", "weighted_quantile_loss", "coverage"}
COLUMNS = ["unique_id", "ds", "mean", "median", "lo-80", "hi-80", "lo-95", "hi-95", "method"]


@pytest.fixture(scope="module")
def series_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_small(tmp_path_factory.mktemp("series"), steps=6)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "sales.csv"
    path.write_text(long_csv(seasonal(series=3, length=60)))
    return path


def out(finished: subprocess.CompletedProcess[bytes]) -> str:
    assert finished.returncode == 0, finished.stderr.decode()
    return finished.stdout.decode()


def test_the_reason_the_backtest_and_the_forecasts_are_printed(run: Run, table: Path) -> None:
    first, empty, *rest = out(run("forecast", table, *NAIVE)).splitlines()
    assert (first.rpartition("; ")[2], empty) == ("naive 12 is used", "")
    assert rest[0].split()[:3] == ["backtest", "cut-offs", "MASE"]
    assert [line.split()[:2] for line in rest[1:3]] == [["used", "6"], ["naive", "12"]]
    rows = [line.split() for line in rest[-1 - 3 * HORIZON :]]
    assert (rows[0], rows[1][:2], len(rows)) == (COLUMNS, ["s0", "2015-01-01"], 1 + 3 * HORIZON)
    long = out(run("forecast", table, *NAIVE[:3], "20")).splitlines()
    assert long[-1] == "… 36 more rows: --out FILE.csv writes all"


def test_a_kept_model_forecasts_a_table_that_it_has_not_seen(run: Run, table: Path, series_model: Path) -> None:
    answer = run("forecast", series_model, table, "--method", "lstm")
    rows = [row.split() for row in out(answer).splitlines()[-3 * HORIZON :]]
    assert {(row[0], row[-1]) for row in rows} == {(name, "lstm") for name in ("s0", "s1", "s2")}
    assert answer.stderr == b""
    facts = json.loads(out(run("info", series_model, "--json")))["series"]
    assert facts == {"season": 12, "horizon": HORIZON, "frequency": "monthly"}
    assert "series frequency" in out(run("info", series_model))


def test_all_rows_are_written_and_a_file_is_replaced_only_when_asked(run: Run, table: Path, tmp_path: Path) -> None:
    to = tmp_path / "found.csv"
    written = run("forecast", table, *NAIVE, "--out", to)
    assert b"wrote 18 rows to" in written.stderr
    assert "2015" not in out(written)
    rows = pandas.read_csv(to)
    assert (list(rows.columns), len(rows)) == (COLUMNS, 3 * HORIZON)
    kept = to.read_bytes()
    assert "exists" in error_line(run("forecast", table, *NAIVE, "--out", to))
    assert to.read_bytes() == kept
    out(run("forecast", table, *NAIVE, "--levels", "50", "--out", to, "--overwrite"))
    assert list(pandas.read_csv(to).columns) == [*COLUMNS[:4], "lo-50", "hi-50", "method"]


def test_a_name_that_ends_in_parquet_is_written_as_parquet(run: Run, table: Path, tmp_path: Path) -> None:
    for name in ("found.csv", "found.parquet"):
        out(run("forecast", table, *NAIVE, "--out", tmp_path / name))
    found = pandas.read_parquet(tmp_path / "found.parquet")
    pandas.testing.assert_frame_equal(found, pandas.read_csv(tmp_path / "found.csv"))


def test_json_has_everything_that_is_printed(run: Run, table: Path) -> None:
    found = json.loads(out(run("forecast", table, *NAIVE, "--json")))
    assert (found["horizon"], found["season"], found["frequency"]) == (6, 12, "monthly")
    assert found["backtest"]["series"] == 3
    figures = found["backtest"]["methods"]["used"]
    assert (set(figures), set(figures["coverage"])) == (MEASURES, {"80", "95"})
    assert figures["mase"] == found["backtest"]["methods"]["naive 12"]["mase"]
    rows = found["forecasts"]
    assert (list(rows[0]), len(rows), rows[0]["ds"]) == (COLUMNS, 3 * HORIZON, "2015-01-01")


def test_figures_that_are_no_numbers_are_null_in_json(run: Run, tmp_path: Path) -> None:
    (tmp_path / "zeros.csv").write_text("ds,y\n" + "".join(f"{k},{int(k == 2)}\n" for k in range(1, 40)))
    found = json.loads(out(run("forecast", tmp_path / "zeros.csv", "--method", "last", *NAIVE[2:], "--json")))
    assert found["backtest"]["methods"]["used"]["weighted_quantile_loss"] is None


def test_pictures_are_written(run: Run, table: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    png, page = tmp_path / "a.png", tmp_path / "a.html"
    out(run("forecast", table, *NAIVE, "--png", png, "--html", page))
    assert png.read_bytes().startswith(b"\x89PNG")
    text = page.read_text()
    assert (text.count("<figure>"), text.count("<script"), text.count("src=")) == (3, 0, 0)
    assert "naive 12 is used" in text


def test_pictures_are_drawn_of_series_of_any_length(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    table, png = tmp_path / "t.csv", tmp_path / "a.png"
    long = np.datetime64("2024-01-01") + np.arange(90)
    dated = {f"s{length}": long[-length:] for length in (2, 3, 7, 21, 41, 90)}
    rows = [f"{name},{date},{date.item().day}" for name, dates in dated.items() for date in dates]
    table.write_text("\n".join(["unique_id,ds,y", *rows]))
    out(run("forecast", table, "--horizon", "40", "--method", "naive", "--png", png))
    assert png.read_bytes().startswith(b"\x89PNG")


def test_a_table_is_read_from_standard_input_and_missing_values_are_noted(run: Run, table: Path) -> None:
    lines = table.read_text().splitlines()
    del lines[30]
    answer = run("forecast", "-", *NAIVE, input="\n".join(lines).encode())
    assert len([line for line in out(answer).splitlines() if line.endswith(" naive 12")]) == 3 * HORIZON
    assert answer.stderr == b"note: 1 of 180 values is missing in 1 of 3 series: filled\n"


def test_a_network_is_kept_and_what_is_said_is_of_values_and_series(run: Run, tmp_path: Path) -> None:
    (tmp_path / "many.csv").write_text(long_csv(seasonal()))
    kept = tmp_path / "kept"
    asked = ["--horizon", "6", "--method", "lstm", "--minutes", "0.02", "--keep", kept]
    trained = run("forecast", tmp_path / "many.csv", *asked)
    said = trained.stderr.decode()
    assert trained.returncode == 0, said
    assert "table: 776 values to train on in 8 series (monthly, season 12), 104 held out" in said
    assert f"forecast {kept} FILE uses it\n" in said
    assert not re.search("character|text", said)
    again = run("forecast", kept, tmp_path / "many.csv", "--method", "lstm")
    assert (out(again), again.stderr) == (trained.stdout.decode(), b"")


def test_unusual_values_of_the_last_horizon_are_listed(run: Run, tmp_path: Path) -> None:
    values = seasonal(series=3, length=60)
    values[1, -3] = 400
    (tmp_path / "sales.csv").write_text(long_csv(values))
    asked = ["forecast", tmp_path / "sales.csv", *NAIVE]
    assert re.search(r"\n\nunusual: \d of the last 18 values are outside their 99 % band\n\n", out(run(*asked)))
    unusual = json.loads(out(run(*asked, "--json")))["unusual"]
    [row] = [one for one in unusual if one["unique_id"] == "s1" and one["y"] == 400]
    assert (row["ds"], [*row][3:]) == ("2014-10-01", ["lo-99", "hi-99"])
    assert row["lo-99"] < row["hi-99"] < 400


def test_ctrl_c_while_training_ends_in_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "many.csv").write_text(long_csv(seasonal()))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    code = INTERRUPTED.replace("== 30", "== 3")
    command = [sys.executable, "-c", code, "forecast", str(tmp_path / "many.csv"), "--horizon", "6", "--method", "lstm"]
    ended = finished(command, env={**os.environ, "TMPDIR": str(temporary)})
    assert ended.returncode == 128 + signal.SIGINT, ended.stderr.decode()
    assert ended.stdout == b""
    assert ended.stderr.decode().splitlines()[-1] == "interrupted"
    assert "Traceback" not in ended.stderr.decode()
    assert list(temporary.iterdir()) == []


ADDED = """import sys
from afterword.wings.series.methods import METHODS
METHODS["first"] = METHODS["last"]._replace(forecast=lambda values, h, _: values[:1].repeat(h))
from afterword.cli.main import main
main(sys.argv[1:])"""


def test_a_method_that_is_added_to_the_table_is_a_choice_of_the_command(table: Path) -> None:
    command = [sys.executable, "-c", ADDED, "forecast", str(table), "--horizon", "6", "--method", "first"]
    ended = finished(command, fresh=True)
    assert out(ended).splitlines()[0].endswith("(MASE); first is used")


def test_numbered_rows_that_repeat_are_noted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("ds,y\n" + "".join(f"{k},{k % 5}\n" for k in range(1, 40)))
    found = run("forecast", tmp_path / "sales.csv", "--horizon", "3")
    assert found.stderr == b"note: the values seem to repeat after 5: if not, give --season 1\n"
    assert found.stdout.startswith(b"the values repeat exactly: naive 5 is used")
    given = run("forecast", tmp_path / "sales.csv", "--horizon", "3", "--season", "5")
    assert (given.stderr, given.stdout.splitlines()[-1]) == (b"", found.stdout.splitlines()[-1])
    (tmp_path / "sales.csv").write_text("ds,y\n" + "".join(f"{k},{k * k}\n" for k in range(1, 40)))
    note = b"note: numbered rows do not show a season: if a pattern repeats after N values, give --season N\n"
    assert run("forecast", tmp_path / "sales.csv", "--horizon", "3", "--method", "last").stderr == note


def test_constants_are_forecast_as_constants(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sales.csv").write_text("ds,y\n" + "".join(f"{k},7\n" for k in range(1, 40)))
    found = json.loads(out(run("forecast", tmp_path / "sales.csv", "--horizon", "3", "--json")))
    assert {row[name] for row in found["forecasts"] for name in COLUMNS[2:8]} == {7.0}
    assert found["reason"] == "the values repeat exactly: last is used"


def test_the_commands_of_forecast_print_what_it_shows(place: Path) -> None:
    runpy.run_path(str(DOCS / "make_sales.py"), run_name="__main__")
    ran("forecast", "sales.csv", "--horizon", "28", "--minutes", "0.02", "--method", "lstm", "--keep", "sales")
    printed = ran("forecast", "sales", "sales.csv", "--method", "lstm")
    figures = re.compile(r"-?\d+(\.\d+)?(?![\d-])%?")
    for begins in ("backtest  ", "unique_id  ds ", "bakery     2025-01-01 ", "bakery     2025-01-02 "):
        (as_shown,), (now,) = (
            [
                figures.sub("0", one).split()[:8]
                for one in text.splitlines()
                if one.startswith(begins) and "lo-99" not in one  # of unusual values
            ]
            for text in (page("forecast"), printed)
        )
        assert as_shown == now


@pytest.mark.slow
def test_the_python_of_the_page_of_forecasts_runs(place: Path) -> None:
    runpy.run_path(str(DOCS / "make_sales.py"), run_name="__main__")
    names: dict[str, Any] = {}
    exec(program("forecast").replace("minutes=1", "minutes=0.05"), names)
    assert len(names["found"]) == 2 * 28
