"""A trace as one HTML file: the text, the heat map of its gates, and what can be found in them. It needs no network.

`web/` holds the page, its style and its scripts; here stands what is put into them. Numbers are kept in as few bytes as
the eye needs: gates in 255ths, the candidate in 127ths, a cell state in 32,767ths of its unit's largest, each [U, T] in
base64. The hidden state and what was added follow from these, and what was kept is the cell less what was added;
`inspect --npz` has the exact ones.
"""

from __future__ import annotations

import base64
import html
import json
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.inspection.openness import SIGMOIDS, openness
from afterword.inspection.trace import Trace
from afterword.model.holding import PARTS

SCRIPTS = (
    "state",
    "values",
    "colours",
    "text",
    "reading",
    "map",
    "means",
    "finding",
    "summary",
    "choosing",
    "input",
    "begin",
)
GUESSES = 3
LISTED = 12  # units in each list of the summary
SHORT_TITLE = 60  # characters
BYTES = 6  # that a unit takes at each token
MOST_BYTES = 30e6  # in all; a browser opens a third more than this, as base64, in about a second


def page(trace: Trace, about: str = "", named: list[NDArray[np.intp]] | None = None) -> str:
    """The page of `trace`, as HTML; `about` says in a line which model it is, `named` which units are shown.

    Raises TextError for a page too large to be useful.
    """
    T, shown = len(trace.tokens), trace.shown_units(named)
    each = BYTES * sum(len(units) for units in shown)
    if T * each > MOST_BYTES:
        raise TextError(
            f"the page of {T:,} tokens and {each // BYTES:,} units would be too large to be useful: "
            f"take a stretch, as in --stretch 0:{max(1, int(MOST_BYTES / each)):d}, or fewer --units"
        )
    blobs: dict[str, NDArray[Any]] = {"bits": np.round(np.minimum(trace.bits, 255) * 256).astype("<u2")}
    rows, probabilities = trace.likeliest(min(GUESSES, len(trace.rows)))
    blobs |= {"rows": rows.astype("<u4"), "probabilities": np.round(probabilities * 255).astype(np.uint8)}
    mean_scale = {}
    for part in PARTS:
        means = trace.means(part).T
        mean_scale[part] = 1.0 if part in SIGMOIDS else max(float(means.max()), 1e-6)
        blobs[f"mean-{part}"] = np.round(means / mean_scale[part] * 65535).astype("<u2")
    carried = np.array_equal(trace.before[1:], trace.cell[:-1])
    layers = []
    for layer, (units, summary) in enumerate(zip(shown, openness(trace), strict=True)):
        for gate in SIGMOIDS:
            blobs[f"l{layer}-{gate}"] = np.round(getattr(trace, gate)[:, layer, units].T * 255).astype(np.uint8)
        blobs[f"l{layer}-candidate"] = np.round(trace.candidate[:, layer, units].T * 127).astype(np.int8)
        blobs[f"l{layer}-cell"], scale = _in_int16(trace.cell[:, layer, units].T)
        record: dict[str, Any] = {
            "units": units.tolist(),
            "scale": scale,
            "range": max(float(np.quantile(np.abs(trace.cell[:, layer]), 0.99)), 1e-6),
            "start": _short(trace.before[0, layer, units]),
            "memory": _short(summary.memory[units]),
            "spread": summary.spread(),
            "longest": [[int(unit), _short(summary.memory[unit])] for unit in summary.longest[:LISTED]],
            "summary": {
                gate: {
                    "mean": one.mean,
                    "shut": {"count": len(one.shut), "units": one.shut[:LISTED].tolist()},
                    "open": {"count": len(one.open), "units": one.open[:LISTED].tolist()},
                }
                for gate, one in summary.gates.items()
            },
        }
        if not carried:  # a network of windows reads one anew for each character
            blobs[f"l{layer}-before"], record["beforeScale"] = _in_int16(trace.before[:, layer, units].T)
        layers.append(record)
    start = " ".join(trace.text[: 2 * SHORT_TITLE].split())
    data = {
        "title": f"What the gates do: {start[:SHORT_TITLE]}",
        "about": about,
        "tokens": trace.tokens,
        "rows": trace.rows,
        "guesses": rows.shape[1],
        "hidden": trace.hidden.shape[2],
        "everyUnit": all(len(layer["units"]) == trace.hidden.shape[2] for layer in layers),
        "meanScale": mean_scale,
        "windows": not carried,
        "layers": layers,
    }
    encoded = "\n".join(
        f'<script type="text/plain" id="{name}">{base64.b64encode(values.tobytes()).decode()}</script>'
        for name, values in blobs.items()
    )
    # in JSON a "<" stands only inside of strings, where its escape is as good; so no text can end the element
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return _joined(STYLE=_web("page.css"), DATA=written, BLOBS=encoded, SCRIPT=_scripts())


def script() -> str:
    """What the page runs, letter by letter as it stands in each: for a policy that names it by its hash."""
    empty = _joined(STYLE="", DATA="", BLOBS="", SCRIPT=_scripts())
    return empty.partition("<script>")[2].rpartition("</script>")[0]


def _scripts() -> str:
    return "\n".join(_web(f"{name}.js") for name in SCRIPTS)


def _joined(**parts: str) -> str:
    """`page.html` with each of `parts` in its place; what a part holds is never taken for a place."""
    pieces = re.split("@@([A-Z]+)@@", _web("page.html"))
    return "".join(parts[piece] if k % 2 else piece for k, piece in enumerate(pieces))


def _web(name: str) -> str:
    from importlib import resources  # here, because this file is loaded with every model

    return resources.files("afterword.inspection").joinpath("web", name).read_text(encoding="utf-8").rstrip("\n")


def framed(page: str, height: int = 760) -> str:
    """`page` as an element that stands inside of another page, as a notebook's."""
    return (
        f'<iframe style="width:100%;height:{height}px;border:0" sandbox="allow-scripts" '
        f'title="What the gates do" srcdoc="{html.escape(page)}"></iframe>'
    )


def _in_int16(values: NDArray[Any]) -> tuple[NDArray[Any], list[float]]:
    """Values [U, T] in 32,767ths of each unit's largest, and what one of them is worth, [U]."""
    scale = np.maximum(np.abs(values).max(axis=1, initial=0), 1e-9) / 32767
    return np.round(values / scale[:, None]).astype("<i2"), [float(f"{one:.6g}") for one in scale]


def _short(values: Any) -> Any:
    """Numbers with four digits, which is what is shown of them."""
    return [float(f"{one:.4g}") for one in values] if np.ndim(values) else float(f"{values:.4g}")
