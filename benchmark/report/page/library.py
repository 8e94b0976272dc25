"""The JavaScript that draws the plots: Vega-Lite, in one piece that needs no network.

It was chosen over Plotly, which adds 4.8 MB to each page, and Bokeh, which adds 1.3 MB and 1.5 s of
imports to each run's end. Vega-Lite adds 0.9 MB; its text is SVG that scales and is read aloud; it
runs under a policy that forbids eval; and a plot is plain JSON, for which Python imports nothing.
"""

from __future__ import annotations

from contextlib import suppress
from importlib.metadata import version

from benchmark.paths import ROOT
from datasets import atomic
from datasets.errors import DataError


def javascript() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which defines ``vegaEmbed``.

    To bundle it takes seconds, so it is kept in the project's folder for caches, by its version.
    """
    import vl_convert

    path = ROOT / ".cache" / f"vega-{version('vl-convert-python')}.js"
    with suppress(OSError):
        return path.read_text()
    made = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    with suppress(OSError, DataError):  # it can be made again
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, made.encode())
    return made
