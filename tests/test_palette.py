"""The palette can be told apart by all eyes, stands out from both pages, and is what everything is drawn in."""

import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from attnbook.palette import DARK, LIGHT, LINES, MEANINGS, PAIRS, PATTERNS, SITE, SURFACES
from attnbook.plots import luminance

ROOT = Path(__file__).parent.parent
EXPLORERS = ROOT / "src/attnbook/explorers"
HEX = re.compile(r"#(?:[0-9a-fA-F]{8}|[0-9a-fA-F]{6}|[0-9a-fA-F]{3,4})\b(?![-\w])")

# What an eye without one kind of cone makes of linear red, green and blue: Machado, Oliveira and Fernandes (2009), the
# severest case of each.
EYES = {
    "three cones": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Linear colour to cones, and their cube roots to lightness and two opponents: Ottosson's OKLab (2020).
CONES = [
    [0.41222147, 0.53633254, 0.05144599],
    [0.21190350, 0.68069955, 0.10739696],
    [0.08830246, 0.28171884, 0.62997870],
]
OPPONENTS = [
    [0.21045426, 0.79361779, -0.00407205],
    [1.97799850, -2.42859221, 0.45059371],
    [0.02590404, 0.78277177, -0.80867577],
]

each_scheme = pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])


def seen(color, eye):
    """A colour as that eye sees it, in OKLab, where equal steps look equally large; black to white is 1."""
    rgb = np.array(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return OPPONENTS @ np.cbrt(CONES @ np.clip(EYES[eye] @ linear, 0, 1))


def contrast(a, b):
    dark, light = sorted([luminance(a), luminance(b)])
    return (light + 0.05) / (dark + 0.05)


def test_the_eyes_by_hand():
    assert seen("white", "three cones") == pytest.approx([1, 0, 0], abs=1e-3)
    # Who lacks the red cones sees red dark, and takes it for a brown; who has all three does not.
    assert seen("#ff0000", "protanopia")[0] < 0.5 < seen("#ff0000", "three cones")[0]
    # All of them see a grey as it is.
    for eye in EYES:
        assert seen("#808080", eye) == pytest.approx(seen("#808080", "three cones"), abs=2e-3)


@each_scheme
@pytest.mark.parametrize("eye", EYES)
def test_every_eye_tells_the_four_meanings_apart(eye, scheme):
    told = {name: seen(colors[scheme], eye) for name, colors in MEANINGS.items()}
    for a, b in itertools.combinations(told, 2):
        assert np.linalg.norm(told[a] - told[b]) >= 0.1, f"{a} and {b}"


def test_the_measure_refuses_the_usual_red_and_green():
    red, green = seen("#d62728", "deuteranopia"), seen("#7f7f00", "deuteranopia")
    assert np.linalg.norm(red - green) < 0.1


@each_scheme
def test_meanings_and_lines_stand_out(scheme):
    for behind in SURFACES["card"], SITE["paper"]:
        for colors in [*MEANINGS.values(), *LINES.values(), *PATTERNS.values()]:
            if colors != PATTERNS["reached"]:  # a tint behind what stands out
                assert contrast(colors[scheme], behind[scheme]) >= 3, colors
        for name in "text", "muted", "accent", "pointed", "code":
            assert contrast(SITE[name][scheme], behind[scheme]) >= 4.5, name
            assert contrast(SITE[name][scheme], SITE["block"][scheme]) >= 4.5, name
    # In the dark the colours are light enough to write in, on wells too.
    for colors in MEANINGS.values():
        assert contrast(colors[DARK], SURFACES["well"][DARK]) >= 4.5


def test_the_style_sheets_have_the_palettes_colours_by_its_names():
    shared = _pairs(EXPLORERS / "explorer.css")
    assert shared.items() >= (MEANINGS | SURFACES).items()
    assert _pairs(EXPLORERS / "pattern_explorer.css").items() >= PATTERNS.items()
    strays = {
        (sheet.name, pair)
        for sheet in EXPLORERS.glob("*.css")
        for pair in re.findall(r"light-dark\((#\w+), (#\w+)\)", sheet.read_text())
        if pair not in PAIRS
    }
    assert not strays, "a colour's dark partner is not the palette's"


def _pairs(sheet):
    found = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", sheet.read_text())
    return {name: (light, dark) for name, light, dark in found}


def test_no_colour_but_the_palettes():
    allowed = {color for pair in PAIRS for color in pair} | {
        "#fff",
        "#ffffff",
    }  # what ink lies on: handwriting, pictures
    texts = {path: path.read_text() for kind in ("py", "js", "css") for path in EXPLORERS.glob(f"*.{kind}")}
    for path in ROOT / "src/attnbook/plots.py", ROOT / "book/_static/custom.css":
        texts[path] = path.read_text()
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        texts[path] = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    strays = {(path.name, color) for path, text in texts.items() for color in set(HEX.findall(text)) - allowed}
    assert not strays, "colours are chosen in attnbook/palette.py"
