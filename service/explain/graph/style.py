"""Owns the colours of a drawing in light and dark, as one style sheet that is the same for every drawing.

Being the same, it can be named by its hash in a Content-Security-Policy. Letters have a contrast of 4.5 at least to
what they stand on; a kind is never told by its colour alone, its type is written on it.
"""

import hashlib
from base64 import b64encode

from service.explain.graph.boxes import LARGE, SMALL
from service.explain.graph.kinds import Kind

_COLOURS: dict[Kind, tuple[str, str, str, str]] = {
    "input": ("#e7f6ec", "#2c8a4f", "#12301d", "#4fb477"),
    "convolution": ("#e4efff", "#2f6fce", "#13294b", "#6ea3f2"),
    "pooling": ("#ffe9e3", "#c4552d", "#43200f", "#ee8e67"),
    "normalisation": ("#eef1f4", "#6b7a8a", "#222a32", "#8fa1b3"),
    "activation": ("#fdf1d3", "#a67c00", "#38290a", "#d9ac34"),
    "reshaping": ("#f3e8fb", "#8a4bb5", "#321743", "#bd83e4"),
    "dense": ("#ddf4f6", "#14808c", "#0a3239", "#45b8c5"),
    "merge": ("#fbe6f0", "#b93a77", "#421229", "#e979ad"),
    "other": ("#f4f4f2", "#7d7d78", "#2a2a28", "#a3a39d"),
    "model": ("#ffffff", "#3c4650", "#191d22", "#b9c4cf"),
    "output": ("#e7f6ec", "#2c8a4f", "#12301d", "#4fb477"),
}
"""Of each kind the ground and the edge in light, then in dark."""


def _kinds(place: int) -> str:
    """Return a rule for each kind, from its colours at `place` and behind it."""
    return "".join(
        f".layer-graph .{kind} rect{{fill:{colours[place]};stroke:{colours[place + 1]}}}"
        for kind, colours in _COLOURS.items()
    )


_LIGHT = (
    ".layer-graph .ground{fill:#fff}.layer-graph .frame .edge{fill:none;stroke:#8a96a3}"
    ".layer-graph text{fill:#14181c}.layer-graph .less,.layer-graph .shape text{fill:#4a5560}"
    ".layer-graph .veil{fill:#fff}.layer-graph .wire{stroke:#66727e}.layer-graph .tip{fill:#66727e}"
    ".layer-graph a text.open{fill:#0b57c4}"
)
_DARK = (
    ".layer-graph .ground{fill:#0e1116}.layer-graph .frame .edge{fill:none;stroke:#5a6672}"
    ".layer-graph text{fill:#f0f3f6}.layer-graph .less,.layer-graph .shape text{fill:#b4bfca}"
    ".layer-graph .veil{fill:#0e1116}.layer-graph .wire{stroke:#93a0ad}.layer-graph .tip{fill:#93a0ad}"
    ".layer-graph a text.open{fill:#8ab8ff}"
)
STYLE = (
    f".layer-graph text{{font:{SMALL:g}px system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;"
    "font-variant-numeric:tabular-nums}"
    f".layer-graph text.type{{font-size:{LARGE:g}px;font-weight:600}}"
    ".layer-graph .right{text-anchor:end}.layer-graph .shape text{text-anchor:middle}"
    ".layer-graph .wire{fill:none;stroke-width:1.5}.layer-graph .back{stroke-dasharray:5 4}"
    ".layer-graph .row rect,.layer-graph .frame .edge{stroke-width:1.2}"
    ".layer-graph .frame .edge{stroke-dasharray:6 3}.layer-graph .veil{stroke:none}"
    ".layer-graph .row:focus,.layer-graph a:focus{outline:none}"
    ".layer-graph .row:focus-visible rect,.layer-graph a:focus-visible rect,.layer-graph .row:hover rect,"
    ".layer-graph a:hover rect{stroke-width:3}.layer-graph a{cursor:pointer}"
    f"{_LIGHT}{_kinds(0)}@media (prefers-color-scheme:dark){{{_DARK}{_kinds(2)}}}"
)
STYLE_SOURCE = f"'sha256-{b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'"
"""What a Content-Security-Policy names the style sheet by."""
