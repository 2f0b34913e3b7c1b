"""Give each picture a twin for dark pages, drawn by the palette's rules from the one that the notebook stores.

A picture is not inverted: white becomes the dark card, ink becomes light, and each colour that the book draws in
becomes its dark partner, so that weights stay weights. A heat map and its colour bar turn together, so they still
agree. CSS shows one of the two, and a browser loads only the one that it shows. A picture of something that has
colours of its own, a photograph, keeps them on a white card if its cell says so:

    "mystnb": {"image": {"alt": "...", "class": "dark-light"}}
"""

import re
from functools import cache
from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageFilter
from sphinx.application import Sphinx

from attnbook.palette import DARK, LIGHT, LINES, MARKS, MEANINGS, PATTERNS, SURFACES

PICTURE = re.compile(r'<img (?P<rest>[^>]*src="(?P<folder>[^"]*_images/)(?P<stem>[^"]+)\.png"[^>]*>)')
OWN_CLASS = "dark-light"  # of a picture that is the same in the dark, as the theme calls it
GRID = 33  # steps of red, green and blue for which colours are worked out; between them they are interpolated
BLACK = ("#000000", "#f2f4f7")  # matplotlib's own text and axes, a little stronger than ink
PAIRS = sorted({BLACK, *(pair for group in (MEANINGS, SURFACES, MARKS, LINES, PATTERNS) for pair in group.values())})

# OKLab, in which lightness can be turned round without changing a hue. Source: Ottosson (2020).
TO_CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
TO_LAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Colours (n, 3), red, green and blue from 0 to 1, as lightness and two opponents.

    >>> oklab(np.ones((1, 3))).round(3).tolist()[0][0]
    1.0
    """
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ TO_CONES.T) @ TO_LAB.T


def rgb(lab: np.ndarray) -> np.ndarray:
    """The way back; what no screen can show is cut off.

    >>> rgb(oklab(np.array([[0.2, 0.5, 0.7]]))).round(3).tolist()
    [[0.2, 0.5, 0.7]]
    """
    linear = ((lab @ np.linalg.inv(TO_LAB).T) ** 3 @ np.linalg.inv(TO_CONES).T).clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


@cache
def dark_table() -> ImageFilter.Color3DLUT:
    """For each colour its partner in the dark: its lightness turned round, then moved as the nearby pairs say."""
    light, dark = (oklab(np.array([to_rgb(pair[scheme]) for pair in PAIRS])) for scheme in (LIGHT, DARK))
    ends = [oklab(np.array([to_rgb(color)]))[0, 0] for color in (BLACK[DARK], SURFACES["card"][DARK])]

    def turned(lab: np.ndarray) -> np.ndarray:
        return np.column_stack([ends[0] + (ends[1] - ends[0]) * lab[:, 0], lab[:, 1:]])

    def distances(lab: np.ndarray) -> np.ndarray:
        return np.linalg.norm(lab[:, None] - light, axis=2)

    # Radial functions that meet every pair: a linear system with a row and a column for each.
    moves = np.linalg.solve(distances(light), dark - turned(light))
    steps = np.linspace(0, 1, GRID)
    blue, green, red = (axis.ravel() for axis in np.meshgrid(steps, steps, steps, indexing="ij"))  # red runs fastest
    lab = oklab(np.column_stack([red, green, blue]))
    return ImageFilter.Color3DLUT(GRID, rgb(turned(lab) + distances(lab) @ moves).ravel().tolist())


def darkened(picture: Image.Image) -> Image.Image:
    """A picture drawn on white as it is on a dark card, in 256 colours."""
    card = Image.new("RGBA", picture.size, "white")
    card.alpha_composite(picture.convert("RGBA"))
    return card.convert("RGB").filter(dark_table()).quantize(256, dither=Image.Dither.NONE)


def add_dark_twins(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    sources = {name: Path(app.srcdir, path) for path, name in app.builder.images.items()}
    pictures = Path(app.outdir, "_images")

    def twins(match: re.Match) -> str:
        if "class=" in match["rest"] and OWN_CLASS in match["rest"]:
            return match[0]
        name, twin = f"{match['stem']}.png", pictures / f"{match['stem']}-dark.png"
        if not twin.exists():
            pictures.mkdir(exist_ok=True)
            source = sources.get(name, pictures / name)
            darkened(Image.open(source)).save(twin, optimize=True)
        light = f'<img class="only-light" {match["rest"]}'
        return light + light.replace("only-light", "only-dark", 1).replace(f"/{name}", f"/{twin.name}")

    context["body"] = PICTURE.sub(twins, context.get("body", ""))


def setup(app: Sphinx) -> dict[str, bool]:
    # After the pictures have their sizes, and explorers' pictures files of their own.
    app.connect("html-page-context", add_dark_twins, priority=950)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
