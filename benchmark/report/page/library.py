"""The JavaScript that draws the plots: Vega-Lite, in one piece that needs no network.

Vega-Lite was chosen over Plotly (4.8 MB in every page, text without descriptions) and Bokeh (1.3 MB,
and 1.5 s of imports at each run's end): it takes 0.9 MB, draws SVG with text that scales, runs under
a Content-Security-Policy without eval, and a plot is plain JSON, so that Python imports nothing.
"""

from __future__ import annotations

from contextlib import suppress

from datasets import atomic


def javascript() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, which defines ``vegaEmbed``.

    To bundle it takes seconds, so it is kept in the person's folder for caches, by its version.
    """
    import vl_convert
    from platformdirs import user_cache_path

    path = user_cache_path("vae-cf-benchmark") / f"vega-{vl_convert.__version__}.js"
    with suppress(OSError):
        return path.read_text()
    made = vl_convert.javascript_bundle()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write(path, made.encode())
    return made
