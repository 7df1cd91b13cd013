"""What the tests of the core take from forecasts."""

from __future__ import annotations

from pathlib import Path

from tests.wings.series.seasons import HORIZON, hourly, hourly_csv, long_csv, save_tiny_series, seasonal

FILES = {
    "table.csv": hourly_csv(hourly(1, days=3)),
    "longer.csv": hourly_csv(hourly(0)),
    "numbered.csv": ("ds,y\n" + "".join(f"{k},{k % 7}\n" for k in range(1, 900))).encode(),
}
MODELS = {"series": save_tiny_series}
OUTPUTS = {"forecast": ["{folder}/table.csv", "--horizon", "3", "--method", "naive"]}
QUIET = {"forecast": ["table.csv --horizon 6 --png f.png --html f.html --out f.csv"]}
RECORDED = {"forecast naive": ["forecast", "longer.csv", "--horizon", "24", "--method", "naive", "--json"]}
KILLED = [("-m afterword forecast numbered.csv --horizon 9 --method lstm", "training.bin")]
MISTAKES = [
    ("forecast table.csv", "missing horizon: give --horizon with the number of values to forecast"),
    ("forecast", "missing FILE"),
    ("forecast series table.csv table.csv", "give one table, with a model before it or without, not 3 names"),
    ("forecast series", "is a folder: name a table too"),
    ("forecast none table.csv", "none"),
    ("forecast series table.csv --season 7", "season 7 is not this model's, which is 24"),
    ("forecast tiny table.csv", "this is a model of text, which cannot forecast: train one with afterword forecast"),
    ("forecast series table.csv --keep new", "--keep keeps a new network, and that of series exists already"),
    ("forecast table.csv --horizon 3 --keep new --method naive", "--keep keeps an LSTM, and --method naive has none"),
    ("forecast table.csv --horizon 3 --keep series", "series exists already: name a new folder"),
]
SCRIPTS = [("make_sales.py", "sales.csv", "forecast", ())]
SHADED = {"forecast": "'h1, p, td, th', null"}


def page(folder: Path) -> str:
    """Return the page of a forecast."""
    from afterword.wings.series.forecast import forecast

    (folder / "months.csv").write_text(long_csv(seasonal()))
    forecast(folder / "months.csv", horizon=HORIZON, method="naive", html=folder / "found.html")
    return (folder / "found.html").read_text(encoding="utf-8").replace("<html", "<html data-ready=1")


PAGES = {"forecast": page}
