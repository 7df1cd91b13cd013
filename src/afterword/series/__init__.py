"""Tables of numbers: read them as regular series, learn from them as from lines of text, and forecast them.

dates, calendars                   parse dates, and infer their frequency and season
sheets, table, frames              read files and frames as columns, columns as regular series, and return forecasts
tokens, table_corpus               turn values into characters and back, and a table into a corpus
measures, candidates, futures      measure forecasts, and make them by simple methods, by a library's and by a model
trials, bands, forecasts, drawing  test all in time order, take the best few with bands around, and draw them
kept, series_gates                 keep the network of a forecast, and look at its gates while it reads a series
"""
