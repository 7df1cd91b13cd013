"""Write sales.csv, the invented daily sales of two shops over six years, for the page of forecasts."""

import csv
import math
import random
from datetime import date, timedelta

DAYS, FIRST = 2192, date(2019, 1, 1)
LEVEL = {"bakery": 220, "garden": 120}
WEEK = {"bakery": (0.9, 0.9, 1.0, 1.0, 1.2, 1.6, 0.4), "garden": (0.6, 0.6, 0.7, 0.8, 1.3, 2.1, 0.9)}
SUMMER = {"bakery": 0.1, "garden": 0.6}  # how much more than the mean in the middle of the year

random.seed(0)
with open("sales.csv", "w", newline="", encoding="utf-8") as file:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["unique_id", "ds", "y"])
    for shop, level in LEVEL.items():
        mood = 0.0  # of the customers, which lasts for weeks
        for day in range(DAYS):
            when = FIRST + timedelta(days=day)
            year = 1 - SUMMER[shop] * math.cos(2 * math.pi * day / 365.25)
            mood = 0.95 * mood + random.gauss(0, 0.08)
            sales = level * WEEK[shop][when.weekday()] * year * math.exp(mood + random.gauss(0, 0.05))
            table.writerow([shop, when, round(sales)])
