"""The build's pictures for dark pages: the palette's partners, heat maps that keep their order, twins in the HTML."""

import doctest
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from attnbook.palette import DARK, LIGHT, MEANINGS, SURFACES
from attnbook.plots import WEIGHT_MAP, luminance

sys.path.insert(0, str(Path(__file__).parent.parent / "book/_ext"))

import book_dark


def in_the_dark(color):
    """A colour of a picture as its twin has it, each part from 0 to 1."""
    pixel = tuple(round(255 * part) for part in to_rgb(color))
    turned = book_dark.darkened(Image.new("RGB", (3, 5), pixel)).convert("RGB")
    return tuple(part / 255 for part in turned.getpixel((1, 2)))


def test_the_examples_are_right():
    failed, tried = doctest.testmod(book_dark)
    assert tried
    assert not failed


@pytest.mark.parametrize("pair", book_dark.PAIRS, ids="-".join)
def test_what_the_palette_names_becomes_its_partner(pair):
    assert in_the_dark(pair[LIGHT]) == pytest.approx(to_rgb(pair[DARK]), abs=5 / 255)


def test_a_heat_map_keeps_its_order():
    ramp = [in_the_dark(WEIGHT_MAP(weight)[:3]) for weight in np.linspace(0, 1, 21)]
    lights = [luminance(color) for color in ramp]
    assert lights == sorted(lights)
    assert min(np.diff(lights[1:])) > 0  # the first step of all may be lost among 256 colours
    assert ramp[0] == pytest.approx(to_rgb(SURFACES["card"][DARK]), abs=5 / 255)
    assert ramp[-1] == pytest.approx(to_rgb(MEANINGS["weight"][DARK]), abs=5 / 255)


@pytest.mark.parametrize("color", ["black", "#b2182b", "#2166ac", "#7f3b08", "#2d004b", "#1f77b4", "#d62728"])
def test_what_stood_out_from_white_stands_out_from_the_card(color):
    card, ink = sorted([luminance(in_the_dark("white")), luminance(in_the_dark(color))])
    assert (ink + 0.05) / (card + 0.05) >= 3


def test_a_see_through_picture_lies_on_the_card():
    clear = book_dark.darkened(Image.new("RGBA", (2, 3))).convert("RGB").getpixel((0, 0))
    assert [part / 255 for part in clear] == pytest.approx(to_rgb(SURFACES["card"][DARK]), abs=5 / 255)


def test_a_page_gets_both_and_a_browser_chooses(tmp_path):
    (tmp_path / "source").mkdir()
    Image.new("RGB", (7, 11), "white").save(tmp_path / "source/plot.png")
    builder = SimpleNamespace(images={"source/plot.png": "abc.png"})
    app = SimpleNamespace(srcdir=tmp_path, outdir=tmp_path / "site", builder=builder)
    (tmp_path / "site").mkdir()
    own = '<img class="dark-light" alt="a photo" src="../_images/photo.png">'
    context = {"body": f'<p><img width="7" alt="a plot" src="../_images/abc.png">{own}</p>'}
    book_dark.add_dark_twins(app, "page", "page.html", context, None)
    assert context["body"] == (
        '<p><img class="only-light" width="7" alt="a plot" src="../_images/abc.png">'
        f'<img class="only-dark" width="7" alt="a plot" src="../_images/abc-dark.png">{own}</p>'
    )
    assert Image.open(tmp_path / "site/_images/abc-dark.png").size == (7, 11)
