"""Tables of numbers: read them as regular series, learn from them as from lines of text, and forecast them.

dates, sheets, table           dates and their frequency; files as columns; regular series, and forecasts back
value_text, series_network     values as characters, a table as a corpus; the network that learns it
methods, trials, bands         the methods; a backtest of all; bands around the forecast, from their errors
outside                        columns known in advance, holidays, bounds, and methods of the user's own
forecasts, forecast            from a table to its futures; the command and its pictures
"""
