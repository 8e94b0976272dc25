"""Figures as files: PNG with the caption for a screen; PDF and SVG, and LaTeX for a paper."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from textwrap import wrap
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axis import Tick
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from benchmark import text
from benchmark.report.picture import LINE, PAGE, POINTS, Picture


def png(picture: Picture) -> bytes:
    """Return a figure as PNG, with its caption below it."""
    figure = _laid_out(picture.figure)
    width, height = figure.get_size_inches()
    lines = wrap(text.visible(picture.caption), int(width / CAPTION_LETTER))
    # the caption stands below the figure's edge, so that it leaves the layout as it is
    below = LINE * len(lines) + 0.1 if lines else 0.0
    figure.text(
        0.1 / width, -0.04 / height, "\n".join(lines), va="top", fontsize=POINTS, parse_math=False
    )
    made = _saved(figure, "png", bbox_inches=Bbox([[0, -below], [width, height]]))
    figure.texts[-1].remove()
    return made


def vector(picture: Picture, ending: str) -> bytes:
    """Return a figure as "pdf" or "svg", without its caption."""
    return _saved(_laid_out(picture.figure), ending)


def _laid_out(figure: Figure) -> Figure:
    """Return the figure with its layout made, once, and its texts drawn as they are written."""
    for drawn_text in _drawn_texts(figure):
        drawn_text.set_parse_math(False)
        drawn_text.set_text(text.visible(drawn_text.get_text(), keep="\n"))
    width, height = (min(size, LARGEST) for size in figure.get_size_inches())
    figure.set_size_inches(width, height)
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.draw_without_rendering()
        # else another drawing would start from the layout of this one and arrive at another one
        figure.set_layout_engine("none")
        for legend in figure.legends:  # which would follow a caption to the lower edge
            place = legend.get_window_extent().transformed(figure.transFigure.inverted())
            legend.set_bbox_to_anchor(place, figure.transFigure)
            legend.set_loc("center")
    return figure


@rc_context({"pdf.fonttype": 42, "svg.hashsalt": ""})
def _saved(figure: Figure, ending: str, **how: Any) -> bytes:
    """Return a figure as a file has it, with the same bytes for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format=ending, metadata=dict.fromkeys(UNSAID[ending]), **how)
    return buffer.getvalue()


LARGEST = 200
"""The most inches of a picture in either direction; a hostile name may ask for miles."""
CAPTION_LETTER = 0.058
"""The usual width of a letter in running text, in inches."""
UNSAID = {
    "png": ["Software"],
    "pdf": ["Creator", "Producer", "CreationDate"],
    "svg": ["Creator", "Date", "Format", "Type"],
}
"""What a file would say of when and by what it was made."""


def figures_latex(pictures: Mapping[str, Picture]) -> str:
    """Return a LaTeX float for each figure, by the name of its PDF without the end."""
    floats = [
        FIGURE.format(
            kind="figure*" if picture.figure.get_figwidth() >= PAGE else "figure",
            name=name,
            caption=text.latex(picture.caption),
        )
        for name, picture in pictures.items()
    ]
    return "\n".join(["% needs \\usepackage{graphicx} \\usepackage[export]{adjustbox}", *floats])


FIGURE = r"""\begin{{{kind}}}
\centering
\includegraphics[max width=\linewidth]{{{name}.pdf}}
\caption{{{caption}}}
\label{{fig:{name}}}
\end{{{kind}}}
"""
"""A figure; what is in braces is filled in."""


def _drawn_texts(of: Artist) -> Iterator[Text]:
    """Yield every text of a figure but for the numbers at ticks, which may be powers of ten."""
    if isinstance(of, Text):
        yield of
    for child in [] if isinstance(of, Tick) else of.get_children():
        yield from _drawn_texts(child)
