"""Tables of numbers: read them as regular series, learn from them as from lines of text, and forecast them.

dates, calendars                   parse dates, and infer their frequency and season
sheets, table, frames              read files and frames as columns, columns as regular series, and return forecasts
tokens, table_corpus               turn values into characters and back, and a table into a corpus
measures, naive, classical         measure forecasts, and make simple ones to compare with
futures, forecasts, drawing        forecast by a model and by the others, choose the better one, and draw it
readings                           read a table with a model: the cost of each value, and what was expected
"""
