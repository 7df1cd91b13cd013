"""What the tests of the core take from forecasts."""

from __future__ import annotations

from tests.wings.series.seasons import hourly, hourly_csv, save_tiny_series

DATED = "ds,y\n" + "".join(f"2020-{month:02}-01,{month}\n" for month in range(1, 13))
FILES = {
    "table.csv": hourly_csv(hourly(1, days=3)),
    "longer.csv": hourly_csv(hourly(0)),
    "dated.csv": DATED.encode(),
    "undated.csv": DATED.replace("2020-05-01", "2020-13-01").encode(),
    "infinite.csv": DATED.replace(",5", ",inf").encode(),
    "constant.csv": ("ds,y\n" + "".join(f"{k},7\n" for k in range(1, 900))).encode(),
    "numbered.csv": ("ds,y\n" + "".join(f"{k},{k % 7}\n" for k in range(1, 900))).encode(),
}
MODELS = {"series": save_tiny_series}
NEEDS = {"forecast --png": "utilsforecast"}
OUTPUTS = {"forecast": ["{folder}/table.csv", "--horizon", "3", "--method", "naive"]}
QUIET = {"forecast": ["table.csv --horizon 6 --out f.csv"]}
RECORDED = {"forecast naive": ["forecast", "longer.csv", "--horizon", "24", "--method", "naive", "--json"]}
KILLED = [("-m afterword forecast numbered.csv --horizon 9 --method lstm", "training.bin")]
REFUSED = [
    ("forecast table.csv", "missing horizon: give `horizon` with the number of values to forecast"),
    ("forecast", "missing FILE"),
    ("forecast series table.csv table.csv", "give one table, with a model before it or without, not 3 names"),
    ("forecast series", "is a folder: name a table too"),
    ("forecast none table.csv", "none"),
    ("forecast series table.csv --season 7", "season 7 is not this model's, which is 24"),
    ("forecast tiny table.csv", "this model of text cannot forecast: train one with afterword forecast"),
    ("forecast series table.csv --keep new", "`keep` keeps a new network, and that of series exists already"),
    ("forecast table.csv --horizon 3 --keep new --method naive", "`keep` keeps an LSTM, and `method` naive has none"),
    ("forecast table.csv --horizon 3 --keep series", "series exists already: name a new folder"),
    ("forecast undated.csv --horizon 2", "line 6: ds: 2020-13-01 does not exist: correct the date"),
    ("forecast infinite.csv --horizon 2", "line 6: y is inf, beyond ±1e+100: correct it"),
    ("forecast empty --horizon 2", "empty is empty"),
    ("forecast dated.csv --horizon 12", "a horizon of 12 is too long: the longest series has 12 values"),
    *[
        (f"forecast dated.csv --horizon 2 {options}", says)
        for options, says in (
            ("--season 12", "a season of 12 is too long: the longest series has 12 values"),
            ("--out ./dated.csv --overwrite", "dated.csv is the table itself: name another file to write"),
            ("--out found.txt", "found.txt: this file will be CSV, so its name must end in .csv or .parquet"),
            ("--levels 80,101", 'levels must be numbers above 0 and below 100, as in "80 95", not 80,101'),
            ("--bounds 0,9", "'y' has the value 12, outside the bounds 0,9: give wider ones"),
            ("--bounds 9", "`bounds` must be LOW,HIGH, such as 0,100 or 0,inf, or none; not '9'"),
            ("--levels most", 'levels must be numbers above 0 and below 100, as in "80 95", not most'),
            ("--method median", "`method` median is for values of which more than 30% are 0: give another"),
            ("--method naive --season 1", "needs a season above 1 (set `season`): give another"),
            ("--method lstm --season 1", "an LSTM needs 500 values to learn from"),
        )
    ],
    ("forecast constant.csv --horizon 2 --method lstm", "every series is constant"),
]
SCRIPTS = [("make_sales.py", "sales.csv", "forecast", ())]
