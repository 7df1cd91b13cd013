"""`score`, `surprises` and `inspect` with a model of series."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.cli.answers import fine, records
from tests.cli.conftest import Run
from tests.tiny import hourly, long_csv, save_tiny_series

ODD_AT = 300


@pytest.fixture(scope="module")
def series_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_series(tmp_path_factory.mktemp("series") / "model")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table with an odd value."""
    values = hourly(1)
    values["south"][ODD_AT] = 900
    path = tmp_path_factory.mktemp("tables") / "new.csv"
    path.write_bytes(long_csv(values))
    return path


def test_the_total_is_that_of_the_series_and_of_the_values(run: Run, series_model: Path, table: Path) -> None:
    [total] = records(run("score", series_model, table, "--json"))
    series = records(run("score", series_model, table, "--lines", "--json"))
    values = records(run("surprises", series_model, table, "--json"))
    assert total["series"] == 2
    assert [one["unique_id"] for one in series] == ["north", "south"]
    assert total["values"] == len(values) == 2 * (480 - 24)
    assert total["bits"] == pytest.approx(sum(one["bits"] for one in series))
    assert total["bits"] == pytest.approx(sum(one["bits"] for one in values))
    assert total["bits_per_value"] == pytest.approx(total["bits"] / total["values"])
    assert all(one["lo-80"] <= one["median"] <= one["hi-80"] for one in values)


def test_the_top_values_are_the_costliest_and_files_are_named(run: Run, series_model: Path, table: Path) -> None:
    values = records(run("surprises", series_model, table, "--json"))
    top = records(run("surprises", series_model, table, "--top", "5", "--json"))
    assert [one["bits"] for one in top] == sorted((one["bits"] for one in values), reverse=True)[:5]
    assert {one["ds"] for one in top[:2]} == {"2024-01-13 12:00:00", "2024-01-14 12:00:00"}
    lines = run("score", series_model, table, table, "--lines").stdout.decode().splitlines()
    assert len(lines) == 5
    assert lines[0].split() == ["unique", "id", "values", "bits", "bits", "per", "value", "file"]


def test_a_series_is_inspected_by_its_values_and_dates(
    run: Run, series_model: Path, table: Path, tmp_path: Path
) -> None:
    asked = ("inspect", series_model, "--file", table, "--series", "south", "--stretch", "24:72")
    [trace] = records(run(*asked, "--json"))
    assert np.allclose([float(token) for token in trace["tokens"]], hourly(1)["south"][48:96], rtol=1e-3)
    assert (trace["places"][0], trace["places"][-1]) == ("2024-01-03 00:00:00", "2024-01-04 23:00:00")
    shown = run(*asked).stdout.decode()
    assert "bits per value" in shown
    assert "character" not in shown
    assert not any("\u2800" <= one < "\u2900" for one in shown)
    assert "the stretch 9000:9100 is empty: the series ends before it" in run(*asked[:-1], "9000:9100").stderr.decode()
    page = tmp_path / "gates.html"
    fine(run(*asked, "--html", page))
    assert "2024-01-04 23:00:00" in page.read_text("utf-8")
