"""What the laws over all commands take from the hub."""

from __future__ import annotations

REFUSED = [("push tiny me", "write USER/NAME")]
OF_TEXT = ["push {0} me/mine"]
