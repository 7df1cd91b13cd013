"""Tables of numbers: read them as regular series, with a calendar, and forecast them by simple methods.

sheets, table                      read files and frames as columns, and columns as regular series
dates, calendars                   parse dates, and infer their frequency and season
frames                             return forecasts as the kind of table that the series came from
tokens                             turn values into characters, and back
measures, naive, classical         measure forecasts, and make simple ones to compare with
"""
