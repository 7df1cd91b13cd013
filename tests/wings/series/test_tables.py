"""Tables in every form become the same regular series, and forecasts return in the form that a table had."""

from __future__ import annotations

import gzip
import io
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

import afterword
from afterword.errors import OptionError
from afterword.wings.series import sheets
from afterword.wings.series.dates import Calendar, TableError
from afterword.wings.series.table import Columns, Table, as_frame, read_table, stacked, write_rows

DATES = np.datetime64("2024-01-30", "s") + np.arange(40).astype("timedelta64[D]")
VALUES: dict[str, Any] = {"north": np.arange(40) + 0.5, "south": np.round(np.sin(np.arange(40)), 3)}


def forecast_rows(names: Sequence[str], dates: Any, values: dict[str, Any], methods: Sequence[str]) -> Any:
    each = [np.full(len(some), method, object) for some, method in zip(dates, methods, strict=True)]
    return stacked(names, dates, {**values, "method": each})


def answer_of(form: Any, name: str, dates: Any) -> Any:
    """Return an answer in the `form` of a table: one series with the mean 1, 2 and so on."""
    rows = forecast_rows([name], [dates], {"mean": [np.arange(1.0, len(dates) + 1)]}, ["naive"])
    return as_frame(form, rows)


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "sales.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def long_text(pattern: str = "%Y-%m-%d", delimiter: str = ",", decimal: str = ".") -> str:
    lines = [delimiter.join(("unique_id", "ds", "y"))]
    for name, values in VALUES.items():
        for date, value in zip(DATES.tolist(), values.tolist(), strict=True):
            lines.append(delimiter.join((name, date.strftime(pattern), str(value).replace(".", decimal))))
    return "\n".join(lines) + "\n"


def same(table: Table) -> bool:
    """Whether a table holds the series of this file."""
    return [one.name for one in table.series] == list(VALUES) and all(
        np.array_equal(one.dates, DATES) and np.array_equal(one.values, VALUES[one.name]) for one in table.series
    )


PANDAS_LONG = pandas.concat([pandas.DataFrame({"unique_id": k, "ds": DATES, "y": v}) for k, v in VALUES.items()])
POLARS_LONG = polars.DataFrame({name: PANDAS_LONG[name].to_list() for name in PANDAS_LONG})
FRAMES = {
    "pandas, long": PANDAS_LONG.reset_index(drop=True),
    "pandas, long, categories": PANDAS_LONG.astype({"unique_id": "category"}),
    "pandas, long, indexed": PANDAS_LONG.set_index(["unique_id", "ds"]),
    "pandas, shuffled": PANDAS_LONG.iloc[[*range(0, 80, 2), *range(1, 80, 2)]],
    "pandas, wide": pandas.DataFrame({"date": DATES, **VALUES}),
    "pandas, wide, indexed": pandas.DataFrame(VALUES, index=pandas.DatetimeIndex(DATES)),
    "pandas, periods": pandas.DataFrame(VALUES, index=pandas.PeriodIndex(DATES, freq="D")),
    "pandas, zone": pandas.DataFrame({"ds": pandas.DatetimeIndex(DATES).tz_localize("Europe/Berlin"), **VALUES}),
    "pandas, texts": pandas.DataFrame({"ds": DATES.astype("datetime64[D]").astype(str), **VALUES}),
    "polars, long": POLARS_LONG,
    "polars, lazy": POLARS_LONG.lazy(),
    "polars, dates": POLARS_LONG.with_columns(polars.col("ds").cast(polars.Date)),
    "polars, zone": POLARS_LONG.with_columns(polars.col("ds").dt.replace_time_zone("America/New_York")),
    "polars, wide": polars.DataFrame({"date": DATES.astype("datetime64[ms]"), **VALUES}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_of_any_kind_is_the_same_table_and_an_answer_has_its_kind_and_dates(name: str, tmp_path: Path) -> None:
    frame, path = FRAMES[name], tmp_path / "sales.parquet"
    table = read_table(frame)
    assert same(table)
    assert (table.calendar.name, table.calendar.season, table.notes) == ("daily", 7, ())
    frame = frame.collect() if isinstance(frame, polars.LazyFrame) else frame
    form = read_table(frame).form
    answer = as_frame(form, forecast_rows([*VALUES], [DATES] * 2, {"mean": [*VALUES.values()]}, ["naive", "lstm"]))
    assert type(answer) is type(frame)
    assert list(answer.columns) == ["unique_id", form.time, "mean", "method"]
    assert answer["method"].to_list() == ["naive"] * 40 + ["lstm"] * 40
    if form.time in frame.columns:
        found, given = answer[form.time], frame[form.time]
        assert (found.dtype, {*found.to_list()}) == (given.dtype, {*given.to_list()})

    if name == "pandas, periods":  # which Parquet does not hold as dates
        return
    frame.write_parquet(path) if isinstance(frame, polars.DataFrame) else frame.to_parquet(path)
    table = read_table(path)
    assert same(table)
    expected = f"unique_id,{table.form.time},mean,method\nnorth,2024-01-30,1.0,naive\nnorth,2024-01-31,2.0,naive\n"
    assert answer_of(table.form, "north", DATES[:2]) == expected


PATTERNS = "%Y/%m/%d,%d.%m.%Y,%m/%d/%Y,%d/%m/%Y,%d-%m-%Y,%Y-%m-%dT%H:%M:%SZ,%Y-%m-%d %H:%M+01:00"
PATTERNS += ",%m/%d/%Y %I:%M %p,%Y-%m-%d %H:%M:%S.000"
FILES: list[str | bytes] = [
    *(long_text(pattern) for pattern in PATTERNS.split(",")),
    *(long_text("%d.%m.%Y", delimiter, decimal) for delimiter in ";\t" for decimal in ".,"),
    FRAMES["pandas, texts"].to_csv(index=False),
    FRAMES["pandas, wide, indexed"].to_csv(),
    FRAMES["pandas, long"].to_csv(),  # with numbers before the rows
    FRAMES["pandas, wide"].to_csv(),
    long_text().replace("\n", "\r\n"),
    long_text() + ",,\n\n",
    long_text().replace(",y\n", ",sold\n"),
    re.sub("([^,\n]+)", r'"\1"', long_text()),
    b"\xef\xbb\xbf" + long_text().encode(),
    long_text().encode("utf-16"),
    gzip.compress(long_text().encode(), mtime=0),
]


@pytest.mark.parametrize("content", FILES)
def test_any_file_is_the_same_table(content: str | bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, content)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    assert same(read_table(path))
    assert same(read_table("-"))


def test_thousands_are_read_and_an_answer_has_the_marks_of_its_table(tmp_path: Path) -> None:
    rows = [f"{date:%d.%m.%Y};1.225.{k:03},71" for k, date in enumerate(DATES.tolist(), 100)]
    table = read_table(written(tmp_path, "\n".join(["ds;y", *rows, ""])))
    assert table.series[0].values[:2].tolist() == [1225100.71, 1225101.71]
    assert answer_of(table.form, "y", DATES[:1]) == "unique_id;ds;mean;method\ny;30.01.2024;1,0;naive\n"
    small = [row.replace("1.225.", "").replace(",71", "") for row in rows]  # points are decimal without commas
    assert read_table(written(tmp_path, "\n".join(["ds;y", *small, "01.04.2024;1.225"]))).series[0].values[-1] == 1.225


@pytest.mark.parametrize(("delimiter", "name"), [("\t", "y"), (";", "flow, m³, daily"), ("\t", "a;b;c")])
def test_the_separator_is_found_beside_a_name_in_quotes(delimiter: str, name: str, tmp_path: Path) -> None:
    rows = [f"{date:%Y-%m-%d}{delimiter}{k}" for k, date in enumerate(DATES.tolist())]
    [series] = read_table(written(tmp_path, "\n".join([f'{delimiter}"{name}"', *rows]))).series
    assert series.name == name


def test_columns_are_named_by_options(tmp_path: Path) -> None:
    text = long_text().replace("unique_id,ds,y", "shop,day,eur").replace("\n", ",7\n").replace("eur,7", "eur,rain")
    path = written(tmp_path, text)
    table = read_table(path, Columns(id_column="shop", time_column="day", value_column="eur"))
    assert same(table)
    assert (table.notes, [*table.columns]) == ((), ["rain"])
    assert answer_of(table.form, "north", DATES[:1]).startswith("shop,day,mean,method\nnorth,2024-01-30,")


WRITTEN = [
    (["2021", "2022", "2023"], "2024"),
    (["2021-11", "2021-12", "2022-01"], "2022-02"),
    (["2021Q3", "2021Q4", "2022Q1"], "2022Q2"),
    (["20240131", "20240201", "20240202"], "20240203"),
    (["31.01.2024", "01.02.2024", "02.02.2024"], "03.02.2024"),
    (["1/30/2024", "1/31/2024", "2/1/2024"], "02/02/2024"),
    (["2024-01-31 22:00", "2024-01-31 23:00", "2024-02-01 00:00"], "2024-02-01 01:00"),
    (["2024-01-31T00:00:00Z", "2024-02-01T00:00:00Z"], "2024-02-02"),
    (["2024-01-31T06:00:00+02:00", "2024-01-31T12:00:00+02:00"], "2024-01-31T18:00:00+02:00"),
    (["2024-03-31 01:00+01:00", "2024-03-31 03:00+02:00", "2024-03-31 04:00+02:00"], "2024-03-31 05:00+02:00"),
    (["2024-01-31 22:00:00.00", "2024-01-31 23:00:00.00"], "2024-02-01 00:00:00"),
    (["2024-1-31", "2024-01-31 12:00", "2024-02-01 00:00:00"], "2024-02-01 12:00:00"),
    (["1", "2", "3"], "4"),
]


@pytest.mark.parametrize(("dates", "following"), WRITTEN)
def test_dates_are_written_as_they_came(dates: list[str], following: str, tmp_path: Path) -> None:
    table = read_table(written(tmp_path, "ds,y\n" + "".join(f"{date},{k}\n" for k, date in enumerate(dates))))
    (one,) = table.series
    assert len(one.values) == len(dates)
    answer = answer_of(table.form, "y", table.calendar.following(one.dates[-1], 1))
    assert answer == f"unique_id,ds,mean,method\ny,{following},1.0,naive\n"


def test_hours_in_a_zone_return_in_that_zone() -> None:
    hours = pandas.date_range("2024-03-30", periods=60, freq="h", tz="Europe/Berlin")  # the clock changes inside
    frame = pandas.DataFrame({"ds": hours[:50], "y": np.arange(50.0)})
    for table in (read_table(frame), read_table(polars.from_pandas(frame))):
        following = table.calendar.following(table.series[0].dates[-1], 10)
        assert answer_of(table.form, "y", following)["ds"].to_list() == [one.to_pydatetime() for one in hours[50:]]
        assert table.form.dates.write(following) == [str(one) for one in hours[50:]]


@pytest.mark.parametrize("library", [pandas, polars])
def test_years_and_ids_that_came_as_whole_numbers_return_as_such(library: Any) -> None:
    frame = library.DataFrame({"unique_id": [7, 7, 7], "ds": [2021, 2022, 2023], "y": [1, 2, 3]})
    table = read_table(frame)
    (one,) = table.series
    assert (one.name, table.calendar.name) == ("7", "yearly")
    answer = answer_of(table.form, "7", table.calendar.following(one.dates[-1], 1))
    assert (answer["unique_id"].to_list(), answer["ds"].to_list()) == ([7], [2024])


values = st.lists(st.floats(-1e12, 1e12), min_size=3, max_size=9)


@settings(max_examples=20)
@given(st.lists(values, min_size=1, max_size=4), st.sampled_from("hDM"))
def test_reading_what_was_written_gives_the_same_values(series: list[list[float]], unit: str) -> None:
    start = np.datetime64("2024-02", "M").astype(f"datetime64[{unit}]")
    dates = [(start + np.arange(len(one))).astype("datetime64[s]") for one in series]
    names = [f'a "{k}", b' for k in range(len(series))]
    form = read_table(pandas.DataFrame({"ds": dates[0], "y": series[0]})).form
    rows = forecast_rows(names, dates, {"y": [np.array(one) for one in series]}, ["naive"] * len(names))
    for ending in ("csv", "parquet"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"sales.{ending}"
            write_rows(path, form, rows)
            again = read_table(path)
        assert [one.name for one in again.series] == names
        assert [one.values.tolist() for one in again.series] == series
        assert all(np.array_equal(one.dates, own) for one, own in zip(again.series, dates, strict=True))


# ---- gaps


def test_missing_values_come_from_the_season_before_or_from_their_neighbours(tmp_path: Path) -> None:
    missing = {3: "NA", 12: "", 19: " null "}  # in the first season, later, and a season after that
    lines = [f"{date},{missing.get(k, k)}" for k, date in enumerate(DATES.astype("datetime64[D]"))]
    del lines[30]
    table = read_table(written(tmp_path, "ds,y\n" + "\n".join(lines)))
    (one,) = table.series
    expected = np.arange(40.0)
    expected[[12, 19, 30]] = 5, 5, 23
    np.testing.assert_array_equal(one.values, expected)
    np.testing.assert_array_equal(one.dates, DATES)
    assert table.notes == ("filled 4 of 40 values, which were missing in 1 of 1 series",)


def test_missing_values_at_the_ends_are_left_out(tmp_path: Path) -> None:
    text = "ds,a,b\n2024-01-01,,1\n2024-01-02,2,2\n2024-01-03,3,3\n2024-01-04,,4\n"
    first, second = (table := read_table(written(tmp_path, text))).series
    assert (first.values.tolist(), first.filled, second.values.tolist()) == ([2, 3], 0, [1, 2, 3, 4])
    assert str(first.dates[0]) == "2024-01-02T00:00:00"
    ends = "1 of 2 series end before 2024-01-04: forecasts begin where series end"
    assert table.notes == (f"{ends}; if the others are known in advance, give `value_column`",)
    rows = "".join(
        f"{name},2024-01-0{day},{day}\n" for name, days in (("a", (2, 3)), ("b", (1, 2, 3, 4))) for day in days
    )
    assert read_table(written(tmp_path, "unique_id,ds,y\n" + rows)).notes == (ends,)  # a long table says which they are


def test_weekends_are_not_missing_from_business_days_but_holidays_are() -> None:
    dates = np.delete(np.busday_offset(np.datetime64("2024-01-02"), np.arange(60)), 30)
    table = read_table(pandas.DataFrame({"ds": dates.astype("datetime64[s]"), "y": np.arange(59.0)}))
    assert (table.calendar.name, table.series[0].filled, len(table.series[0].values)) == ("business daily", 1, 60)
    own = read_table(pandas.DataFrame({"ds": range(1, 9), "y": [1.0, 5, 2, 6, 1, None, 2, 6]}), season=4)
    assert (own.calendar.season, own.series[0].values[5]) == (4, 5)  # a season of one's own fills gaps


def test_days_that_never_have_a_value_are_closed() -> None:
    rows = pandas.DataFrame({"ds": pandas.date_range("2023-01-02", periods=70), "y": 5.0 + np.arange(70) % 7})
    table = read_table(rows[np.arange(70) % 7 < 6].drop(9))
    values = table.series[0].values
    np.testing.assert_array_equal(values[6::7], 0.0)
    assert values[9] == values[2]


def test_a_date_a_little_off_is_moved() -> None:
    dates = np.datetime64("2024-01-01", "s") + 7 * np.arange(40).astype("timedelta64[D]")
    expected = dates.copy()
    dates[20] += np.timedelta64(1, "D")  # a week that was written a day late
    table = read_table(pandas.DataFrame({"ds": dates, "y": np.arange(40.0)}))
    np.testing.assert_array_equal(table.series[0].dates, expected)
    np.testing.assert_array_equal(table.series[0].values, np.arange(40.0))
    assert table.notes == ("moved 1 date to fit the table, which is weekly",)


# ---- wrong input

CELLS = ["1", "2", "-1.5", "1,5", "1e308", "NA", "", "inf", "x", "٣", '"', "\0", "9" * 20, "2024", "2025", "9999-12-31"]
CELLS += ["2024-01-01", "2024-01-02", "2024-01-03", "31.01.2024", "01/02/2024", "2024-01", "2024Q1", "0000-01-01"]
CELLS += ["2024-01-01 25:00", "2024-01-01T00:00+25:99"]
LINE = "ds,y\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n"
LONG = "unique_id,ds,y\na,2024-01-01,1\na,2024-01-02,2\nb,2024-01-01,1\nb,2024-01-02,3\n"
DAYS = LONG + "".join(f"a,2024-01-{k:02},1\n" for k in range(3, 30))
IRREGULAR = ": the dates are irregular: their most common gaps are"
WRONG: list[tuple[str | bytes, str]] = [
    ("", " is empty: give a table with a line of column names, such as unique_id,ds,y"),
    ("ds,y\n", ": it has no rows: add one per date"),
    ("It was a dark night.\nIt rained.\n", ": it has only one column: separate a date and a value on each"),
    ("2024-01-01,1\n2024-01-02,2\n", ", line 1 looks like data: add a line of column names"),
    (b"\x7fELF\0\0\1", " is binary, not a table: give a CSV or Parquet file"),
    (b"PK\x03\x04\0\0", " is an Excel workbook or a ZIP archive: save its table as CSV"),
    (gzip.compress(LINE.encode(), mtime=0)[:20], ": Compressed file ended before"),
    (b"PAR1 nothing PAR1", " is a damaged Parquet file ("),
    ("ds,y\n2024-01-01T00:00:00.5,1\n", ", line 2: ds: 2024-01-01 00:00:00.500000 is finer than a second: "),
    (LINE.encode() + b"2024-01-04,\xfc\n", ", line 5: this is not UTF-8: save the file as UTF-8"),
    (LINE + '"' + "x" * 200_000, ", line 5: this is not CSV (field larger than field limit (131072))"),
    (LINE + "2024-01-04\n", ", line 5: this line has 1 cells, and the first has 2: correct it"),
    ('ds,y\n2024-01-01,"1\n"\n\n2024-01-02,x\n', ", line 5: y is 'x', not a number"),
    ("ds,y,y\n2024-01-01,1,2\n", ": two columns are named 'y': rename one"),
    (LINE + '2024-01-04,"1,234.5"\n', ", line 5: y is '1,234.5', not a number: correct it, or leave it"),
    (LINE + "2024-01-04,1_000\n", ", line 5: y is '1_000', not a number: correct it, or leave it"),
    (LINE + "2024-01-04,-1e308\n", ", line 5: y is -1e+308, beyond ±1e+100: correct it, or leave it empty"),
    (LINE + "soon,4\n", ", line 5: ds: 'soon' is not a date: write ISO dates, such as 2024-01-31 or"),
    (LINE + "2024-02-30,4\n", ", line 5: ds: 2024-02-30 does not exist: correct the date"),
    (LINE + "5.1.2024,4\n", ", line 5: ds: 5.1.2024 is written differently from 2024-01-01: write ISO"),
    (LINE + "2024-02,4\n", ", line 5: ds: 2024-02 is written differently from 2024-01-01: write ISO"),
    ("ds,y\n01/02/2024,1\n02/02/2024,2\n", ", line 2: ds: 01/02/2024 is ambiguous, day or month first:"),
    (
        "ds,y\n2024-01-01T00:00Z,1\n2024-01-01T01:00,2\n",
        ", line 3: ds: only one of 2024-01-01T00:00Z and 2024-01-01T01:00 has a zone",
    ),
    ("a,b\nx,1\ny,2\n", ": no column holds dates among a, b: name one with time_column=, or add one named"),
    ("a,b,y\n2024-01-01,2024-01-02,1\n", ": several columns hold dates, a, b: choose one with time_col"),
    ("ds,a,b\n2024-01-01,1,\n2024-01-02,2,\n", ", line 2: series 'b' has no values: at least two are"),
    ("ds,\n2024-01-01,\n", ": no column holds numbers: add one with the values to forecast"),
    ("ds,shop,y2\n2024-01-01,a,1\n", ": 'shop' holds no numbers: if it names series, give id_column=, else"),
    ("unique_id,ds,a,b\nx,2024-01-01,1,2\n", ": besides 'unique_id', several columns hold numbers, a, b: n"),
    ("unique_id,ds,y\n,2024-01-01,1\n", ", line 2: unique_id is empty: name the series of every row"),
    (LINE + "2024-01-01,4\n", ", line 5: the date 2024-01-01 of 'y' is already in line 2: keep one of"),
    (
        "ds,y\n2024-10-27 02:00,1\n2024-10-27 02:00,2\n",
        ", line 3: the date 2024-10-27 02:00:00 of 'y' is already in line 2: if summer time ended",
    ),
    (LONG + "a,2024-01-01,4\n", ", line 6: the date 2024-01-01 of 'a' is already in line 2: keep one of the"),
    ("ds,y\n2024-01-01,1\n", ", line 2: series 'y' has one value: at least two are needed; add some or"),
    (LINE + "2024-01-05 04:00,4\n2024-01-09 05:00,4\n", f"{IRREGULAR} 1 day (50%) and 52 hours (25%)"),
    (LINE + "2024-03-01,3\n", ": series 'y' has 4 of 61 daily values, and at least half are need"),
    (DAYS + "b,2024-01-04 06:00,1\n", ", line 33: 2024-01-02 and 2024-01-04 06:00:00 of 'b' do not"),
]


@pytest.mark.parametrize(("content", "says"), WRONG)
def test_wrong_input_is_one_line_with_its_place(content: str | bytes, says: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    with pytest.raises(TableError) as refused:
        read_table(path)
    assert f"{path}{says}" in str(refused.value)
    assert "\n" not in str(refused.value)


UNNAMED = polars.DataFrame({"unique_id": [1, None], "ds": [1, 2], "y": [1, 2]})


@pytest.mark.parametrize(
    ("source", "says"),
    [
        (Path(__file__).parent, f"cannot read {Path(__file__).parent}: Is a directory"),
        (Path("gone.csv"), "gone.csv does not exist: give a CSV or Parquet file"),
        ([1, 2], "give a path, or a frame of pandas or polars, not list"),
        (pandas.Timestamp("2024-01-01"), "give a DataFrame of pandas, not Timestamp"),
        (pandas.DataFrame({"ds": [], "y": []}), "the frame: it has no rows: add one per date"),
        (pandas.DataFrame({"ds": [DATES[0], None], "y": [1, 2]}), "the frame, row 2: ds is missing: give every row a"),
        (polars.DataFrame({"ds": [1, None], "y": [1, 2]}), "the frame, row 2: ds: 'nan' is not a date: write ISO"),
        (UNNAMED, "the frame, row 2: unique_id is empty: name the series of every row"),
        (pandas.DataFrame({"ds": [1, 2], "y": ["1", "x"]}), "the frame, row 2: y is 'x', not a number: correct it"),
        (pandas.DataFrame({"ds": DATES + np.timedelta64(1, "ms"), "y": 1}), "the frame, row 1: ds: 2024-01-30 00:00"),
        (pandas.DataFrame({"ds": [1, 2], "y": DATES[:2]}), "the frame: y holds dates, not numbers"),
    ],
)
def test_a_wrong_frame_or_what_is_no_table_is_one_line(source: Any, says: str) -> None:
    with pytest.raises(TableError) as refused:
        read_table(source)
    assert str(refused.value).startswith(says)


@settings(max_examples=60)
@given(
    st.sampled_from(["unique_id,ds,y", "ds,a,b", "V1,V2,V3", "a;b;c", "ds,y,date"]),
    st.lists(st.lists(st.sampled_from(CELLS), min_size=3, max_size=3), max_size=8),
    st.sampled_from([",", ";"]),
)
def test_any_cells_are_regular_series_or_one_line(names: str, rows: list[list[str]], delimiter: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), "\n".join([names, *map(delimiter.join, rows)]))
        tables, says = list[Table](), ""
        try:
            tables.append(read_table(path))
        except TableError as error:
            says = str(error)
    assert "\n" not in says
    for table in tables:
        assert np.isfinite([value for one in table.series for value in one.values]).all()
        assert all((table.calendar.steps(one.dates)[0] == 1).all() for one in table.series)


def test_a_column_that_does_not_exist_or_has_two_roles_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, LINE)
    for option in ("id_column", "time_column", "value_column"):
        with pytest.raises(TableError, match=r"no column is named 'x': choose one of ds, y$"):
            read_table(path, Columns(**{option: "x"}))
    with pytest.raises(TableError, match="column 'y' is given twice: names, dates and values need different columns"):
        read_table(path, Columns(time_column="y", value_column="y"))


def test_parquet_that_grows_when_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = {"unique_id": ["a"] * 3, "ds": [1, 2, 3], "y": [1.0, 2.0, 4.0]}
    large = {"list": [[1] * 1000] * 3, "record": [{"x": [1]}] * 3}
    large["bytes"] = pyarrow.array([b"x" * 1000] * 3, pyarrow.binary(1000))
    parquet.write_table(pyarrow.table({**plain, **large}), tmp_path / "sales.parquet")
    table = read_table(tmp_path / "sales.parquet")
    assert [(one.name, one.values.tolist()) for one in table.series] == [("a", [1.0, 2.0, 4.0])]
    assert table.notes == ()
    monkeypatch.setattr(sheets, "LARGEST", 3000)
    long = pyarrow.table({**plain, "unique_id": ["a" * 5000] * 3})
    parquet.write_table(long, tmp_path / "long.parquet")
    with pytest.raises(TableError, match=r"long.parquet has more than 3,000 bytes: give fewer series or shorter ones"):
        read_table(tmp_path / "long.parquet")
    monkeypatch.undo()
    written(tmp_path, LINE).rename(tmp_path / "text.parquet")
    assert read_table(tmp_path / "text.parquet").series[0].values.tolist() == [1.0, 2.0, 3.0]  # CSV, despite its name


def test_what_is_missing_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, csv = tmp_path / "sales.parquet", written(tmp_path, long_text())
    FRAMES["polars, wide"].write_parquet(path)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(OptionError, match=r"t is Parquet, which needs pyarrow: pip install 'afterword\[series"):
        read_table(path)
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(OptionError, match=r"^tables need pandas: pip install 'afterword\[series\]'$"):
        afterword.forecast(csv, horizon=2)


def every(first: str, count: int, step: int, unit: str) -> Any:
    return (np.datetime64(first).astype(f"datetime64[{unit}]") + step * np.arange(count)).astype("datetime64[s]")


def infer(dates: Any) -> Calendar:
    return Calendar.infer(dates, np.zeros(len(dates), np.int64))


MONTH_ENDS = (every("2020-02", 30, 1, "M").astype("datetime64[M]").astype("datetime64[D]") - 1).astype("datetime64[s]")
WORKDAYS = np.busday_offset(np.datetime64("2024-01-02"), np.arange(60)).astype("datetime64[s]")
CALENDARS = [
    (every("2024-01-01", 100, 1, "s"), "every second", 60),
    (every("2024-01-01", 3000, 60, "s"), "every minute", 1440),
    (every("2024-01-01", 200, 60, "s"), "every minute", 60),
    (every("2024-01-01", 400, 10, "m"), "every 10 minutes", 144),
    (every("2024-01-01T05", 400, 1, "h"), "hourly", 24),
    (every("2024-01-01", 400, 6, "h"), "every 6 hours", 4),
    (every("2024-01-01", 400, 1, "D"), "daily", 7),
    (WORKDAYS, "business daily", 5),
    (every("2024-01-03", 120, 7, "D"), "weekly", 52),
    (every("2024-01-03", 60, 7, "D"), "weekly", 1),
    (every("2024-01-03", 60, 28, "D"), "every 4 weeks", 13),
    (every("2020-01", 30, 1, "M"), "monthly", 12),
    (MONTH_ENDS, "monthly", 12),
    (every("2020-01", 30, 1, "M") + np.timedelta64(14, "D"), "monthly", 12),
    (every("2020-02", 30, 3, "M"), "quarterly", 4),
    (every("1990", 30, 1, "Y"), "yearly", 1),
    (np.arange(0, 90, 5), "every 5 numbers", 1),
]


@pytest.mark.parametrize(("dates", "name", "season"), CALENDARS)
def test_the_frequency_and_its_season_come_from_the_dates(dates: Any, name: str, season: int) -> None:
    calendar = infer(dates)
    assert (calendar.name, calendar.season_for(len(dates))) == (name, season)
    counts, fits = calendar.steps(dates)
    assert (counts == 1).all()
    assert fits.all()
    for known in (4, 9):
        np.testing.assert_array_equal(calendar.following(dates[known], 5), dates[known + 1 : known + 6])
    gone = np.random.default_rng(0).choice(np.arange(1, len(dates) - 1), len(dates) // 10, replace=False)
    assert infer(np.delete(dates, gone)).name == name  # a few missing dates do not change it


def test_a_step_between_two_series_does_not_count() -> None:
    dates = np.concatenate([every("2024-01", 12, 1, "M"), every("2020-01", 12, 1, "M")])
    assert Calendar.infer(dates, np.repeat([0, 1], 12)).name == "monthly"
