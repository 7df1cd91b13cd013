"""A trace as one HTML file: the text, the heat map of its gates, and a search in them. It needs no network.

`web/` contains the page, its style and its scripts; this file puts the data into them. Numbers have as few bytes as the
eye needs: gates in 255ths, the candidate in 127ths, a cell state in 32,767ths of its unit's largest, each [U, T] in
base64. The hidden state and the added part follow from these, and the kept part is the cell minus the added part.
`Trace` has the exact numbers.
"""

from __future__ import annotations

import base64
import html
from typing import Any

import numpy as np
from numpy.typing import NDArray

from afterword.errors import TextError
from afterword.inspection.trace import SIGMOIDS, Trace, openness
from afterword.model.network.config import Config
from afterword.model.network.holding import GATES_AND_STATES
from afterword.text.unicode import visible
from afterword.web.pages import bundle, document, filled, in_script, policy, read, style

# in the order of loading
SCRIPTS = ("parts", "state", "values", "colours", "text", "reading", "map", "finding", "summary", "choosing", "input")
GUESSES = 3
LISTED_UNITS = 12  # units in each list of the summary
SHORT_TITLE = 60  # characters
BYTES = 6  # per unit and token
MOST_BYTES = 30e6  # in total; a browser opens a page of this size, a third larger as base64, in about a second


def about(name: str, config: Config, hold: tuple[str, ...], using: str = "both") -> str:
    """Describe the model `name` in one line."""
    held = f"; held: {', '.join(hold)}" if hold else ""
    alone = f"; with {using} alone" if using != "both" else ""
    return f"{visible(name)}: {config.network}, {config.parameters:,} parameters{held}{alone}"


def gates_html(trace: Trace, about: str = "", named: list[NDArray[np.intp]] | None = None) -> str:
    """Return the page of `trace`, as HTML. `about` describes the model in a line; `named` are the units to show.

    Of a plain recurrent network it shows the hidden state. Raises TextError for a page that would be too large to be
    useful.
    """
    T, shown, has_gates = len(trace.tokens), trace.shown_units(named), trace.has_gates
    each = BYTES * sum(len(units) for units in shown)
    if T * each > MOST_BYTES:
        raise TextError(
            f"the page of {T:,} tokens and {each // BYTES:,} units would be too large to be useful: "
            f"take a part, such as `stretch` 0:{max(1, int(MOST_BYTES / each)):d}, or fewer `units`"
        )
    blobs: dict[str, NDArray[Any]] = {"bits": np.round(np.minimum(trace.bits, 255) * 256).astype("<u2")}
    rows, probabilities = trace.likeliest(min(GUESSES, len(trace.rows)))
    blobs |= {"rows": rows.astype("<u4"), "probabilities": np.round(probabilities * 255).astype(np.uint8)}
    mean_scale, parts = {}, GATES_AND_STATES if has_gates else ("hidden",)
    for part in parts:
        means = trace.means(part).T
        mean_scale[part] = 1.0 if part in SIGMOIDS else max(float(means.max()), 1e-6)
        blobs[f"mean-{part}"] = np.round(means / mean_scale[part] * 65535).astype("<u2")
    layers: list[dict[str, Any]] = []
    if not has_gates:
        for layer, units in enumerate(shown):
            blobs[f"l{layer}-hidden"] = np.round(trace.hidden[:, layer, units].T * 127).astype(np.int8)
            layers.append({"units": units.tolist()})
    for layer, (units, summary) in enumerate(zip(shown, openness(trace), strict=True) if has_gates else ()):
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
            "longest": [[int(unit), _short(summary.memory[unit])] for unit in summary.longest[:LISTED_UNITS]],
            "summary": {
                gate: {"mean": one.mean, "shut": _listed(one.shut), "open": _listed(one.open)}
                for gate, one in summary.gates.items()
            },
        }
        layers.append(record)
    title = "What the gates do" if has_gates else "What the hidden state does"
    start = " ".join(trace.text[: 2 * SHORT_TITLE].split())
    data = {
        "title": f"{title}: {start[:SHORT_TITLE]}",
        "isGated": has_gates,
        "about": about,
        "tokens": trace.tokens,
        "rows": trace.rows,
        "guesses": rows.shape[1],
        "hidden": trace.hidden.shape[2],
        "everyUnit": all(len(layer["units"]) == trace.hidden.shape[2] for layer in layers),
        "meanScale": mean_scale,
        "layers": layers,
    }
    encoded = "\n".join(
        f'<script type="text/plain" id="{name}">{base64.b64encode(values.tobytes()).decode()}</script>'
        for name, values in blobs.items()
    )
    body = web_file("page.html").replace("What the gates do", title)
    return document(
        filled(body, DATA=in_script(data), BLOBS=encoded, SCRIPT=script()),
        title=title,
        style=style() + web_file("page.css"),
        policy=policy(style_src="'unsafe-inline'", script_src="'unsafe-inline'"),
    )


def script() -> str:
    """Return the script of every page, exactly: a content security policy names it by its hash."""
    parts = ['\n"use strict";', bundle(("words", "shades")), *(web_file(f"{name}.js") for name in SCRIPTS), ""]
    return "\n".join(parts)


def web_file(name: str) -> str:
    """Return the text of a file of `web/`."""
    return read("afterword.inspection", "web", name).rstrip("\n")


def framed(page: str, height: int = 760, at: str = "") -> str:
    """Return `page` as an element for another page, such as a notebook. It opens `at` a place, such as cell:3."""
    begins = f'<script>location.hash = "{at}"</script>' if at else ""
    return (
        f'<iframe style="width:100%;height:{height}px;border:0" sandbox="allow-scripts" loading="lazy" '
        f'title="What the gates do" srcdoc="{html.escape(begins + page)}"></iframe>'
    )


def _in_int16(values: NDArray[Any]) -> tuple[NDArray[Any], list[float]]:
    """Return `values` [U, T] in 32,767ths of each unit's largest, and the size of one such part, [U]."""
    scale = np.maximum(np.abs(values).max(axis=1, initial=0), 1e-9) / 32767
    return np.round(values / scale[:, None]).astype("<i2"), [float(f"{one:.6g}") for one in scale]


def _listed(units: list[int]) -> dict[str, Any]:
    return {"count": len(units), "units": units[:LISTED_UNITS]}


def _short(values: Any) -> Any:
    """Return numbers with four digits, which is what the page shows."""
    return [float(f"{one:.4g}") for one in values] if np.ndim(values) else float(f"{values:.4g}")
