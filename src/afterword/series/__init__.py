"""Tables of numbers: regular series, their calendar, and simple forecasts to compare with.

dates, calendars                   texts become dates; dates have a frequency and a season
sheets, table                      files and frames become columns, columns become regular series
frames                             forecasts return as the kind of table that the series came from
measures, naive                    how good a forecast is, and what it has to beat
"""
