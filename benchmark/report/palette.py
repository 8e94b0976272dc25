"""What each model looks like, the same in every figure.

There are more models than colours that everybody can tell apart. So the models of a family share a
colour, and differ in the style of their lines, their markers and the hatching of their bars. The
colours are those of Okabe and Ito 2008, "Color Universal Design", with grey in the place of yellow,
which is too pale on white.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

FAMILIES = {
    "#0072b2": ("mult-dae", "mult-vae"),
    "#e69f00": ("gaussian-dae", "gaussian-vae"),
    "#009e73": ("logistic-dae", "logistic-vae"),
    "#cc79a7": ("poisson-dae", "poisson-vae"),
    "#d55e00": ("ease", "edlae", "rlae", "rdlae", "lae", "dlae"),
    "#56b4e9": ("als", "ials", "bpr"),
    "#000000": ("recvae", "cdae", "neumf", "neumf-pretrained"),
    "#7f7f7f": ("popularity", "item-knn", "slim", "oracle", "bayes"),
}
"""The models of each colour; the place of a model is the number of its style."""
COLORS = tuple(FAMILIES)
"""The colours, for what is drawn of one model only."""
Line = str | tuple[int, tuple[float, ...]]
"""A line style as matplotlib takes it."""
LINES: tuple[Line, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)), (0, (2, 1)))
MARKERS = "os^DvP"
HATCHES = ("", "////", "....", "xxxx", "----", "||||")
"""The line, marker and hatching of each style."""


@dataclass(frozen=True)
class Look:
    """What a row of a table looks like in a figure."""

    color: str
    """As "#rrggbb"."""
    style: int
    """The number of its style, from 0."""

    @property
    def line(self) -> Line:
        """The style of its lines."""
        return LINES[self.style]

    @property
    def marker(self) -> str:
        """The marker of its points."""
        return MARKERS[self.style]

    @property
    def hatch(self) -> str:
        """The hatching of its bars."""
        return HATCHES[self.style]


def look_of(model: str) -> Look:
    """Return the look of a model, given by its name or its label.

    One that is not known here has a look of its own, which depends on its name only.
    """
    name = model.partition("[")[0].partition(" ")[0]
    for color, names in FAMILIES.items():
        if name in names:
            return Look(color, names.index(name))
    number = crc32(name.encode(errors="replace"))
    return Look(COLORS[number % len(COLORS)], number // len(COLORS) % len(LINES))


def color_of(model: str) -> str:
    """Return the colour of a model, given by its name or its label, as "#rrggbb"."""
    return look_of(model).color


def looks(labels: Sequence[str]) -> list[Look]:
    """Return the look of each row of one figure, given by its label.

    Of rows that would look alike, as those of one model with two sets of options, the later ones
    have the next style that is free in their colour, or else one that is free in another.
    """
    found: list[Look] = []
    for label in labels:
        look = look_of(label)
        free = (each for each in _like(look) if each not in found)
        found.append(next(free, look))
    return found


def _like(look: Look) -> Iterator[Look]:
    """Yield every look, beginning with those that are most like the given one."""
    first = COLORS.index(look.color)
    for color in (*COLORS[first:], *COLORS[:first]):
        for n in range(len(LINES)):
            yield Look(color, (look.style + n) % len(LINES))
