"""The pictures show the numbers that they were given, in colours that everyone can tell apart."""

from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb

from attnbook._checks import array, between
from attnbook.plots import (
    COLORS,
    INK,
    attention_map,
    luminance,
    readable_on,
    spread,
    weight_bars,
    weighted_sum,
)


@pytest.fixture(autouse=True)
def _close_figures():
    plt.switch_backend("agg")
    yield
    plt.close("all")


def contrast(a, b):
    dark, light = sorted([luminance(a), luminance(b)])
    return (light + 0.05) / (dark + 0.05)


def test_luminance_by_hand():
    assert luminance("white") == pytest.approx(1)
    assert luminance("black") == 0
    assert luminance((0.5, 0, 0)) == pytest.approx(0.2126 * ((0.5 + 0.055) / 1.055) ** 2.4)


def test_colors_stand_out_from_white_and_differ_in_grey():
    lightness = sorted(116 * luminance(color) ** (1 / 3) - 16 for color in COLORS.values())
    assert all(contrast(color, "white") >= 3 for color in COLORS.values())
    assert all(b - a >= 8 for a, b in pairwise(lightness)), lightness


def test_attention_map_shows_weights_labels_and_numbers():
    weights = torch.tensor([[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]], requires_grad=True)
    ax = attention_map(weights, ["drei", "und", "zwanzig"], ["twenty", "three"], title="Crossing")
    image = ax.images[0]
    np.testing.assert_allclose(image.get_array(), weights.detach())
    assert image.get_clim() == (0, 1)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["drei", "und", "zwanzig"]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["twenty", "three"]
    assert [text.get_text() for text in ax.texts] == ["0.25", "0.75", "1.00", "0.00", "0.50", "0.50"]
    assert [text.get_position() for text in ax.texts[:2]] == [(0, 0), (1, 0)]  # the first row is the first query
    assert ax.get_title() == "Crossing"
    assert ax.get_xlabel()
    assert ax.get_ylabel()
    assert ax.figure.get_facecolor()[:3] == (1, 1, 1)
    assert ax.figure.axes[1].get_ylabel() == "weight"  # the colour bar


def test_attention_map_numbers_are_readable_on_every_cell():
    steps = np.linspace(0, 1, 101)[None]
    ax = attention_map(steps, ["q"], [str(i) for i in range(101)])
    backgrounds = ax.images[0].to_rgba(steps)[0, :, :3]
    for text, background in zip(ax.texts, backgrounds, strict=True):
        assert contrast(text.get_color(), background) >= 4.5


def test_attention_map_leaves_numbers_out_of_many_cells():
    ax = attention_map(np.full((13, 13), 1 / 13), list("abcdefghijklm"), list("nopqrstuvwxyz"))
    assert len(ax.texts) == 0


def test_attention_map_darker_is_more():
    shades = [luminance(attention_map([[w]], ["q"], ["k"]).images[0].to_rgba(w)[:3]) for w in (0.0, 0.3, 0.7, 1.0)]
    assert shades == sorted(shades, reverse=True)


def test_weight_bars_stand_in_order_with_their_numbers():
    ax = weight_bars(torch.tensor([0.125, 0.25, 0.5]), ["six", "hundred", "six"], number="{:.1%}".format)
    assert [bar.get_width() for bar in ax.patches] == [0.125, 0.25, 0.5]
    assert [text.get_text() for text in ax.texts] == ["12.5%", "25.0%", "50.0%"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["six", "hundred", "six"]  # no two fall together
    assert ax.yaxis_inverted()  # the first is on top
    assert ax.get_title()
    assert ax.get_xlabel()


def test_between():
    assert between("keep", 1, 1, 2) == 1.0
    assert isinstance(between("keep", 1, 1, 2), float)


def test_weighted_sum_reaches_the_context():
    # 0.1 · (3, −1) + 0.3 · (3, 2) + 0.5 · (0, 3) + 0.1 · (−2, 1) = (1, 2.1)
    values = [[3.0, -1], [3, 2], [0, 3], [-2, 1]]
    ax = weighted_sum([0.1, 0.3, 0.5, 0.1], values, ["a", "b", "c", "d"])
    *scaled, context = [patch._posA_posB for patch in ax.patches]
    np.testing.assert_allclose(scaled[0], [(0, 0), (0.3, -0.1)])
    np.testing.assert_allclose(scaled[3], [(1.2, 2.0), (1, 2.1)])
    np.testing.assert_allclose(context, [(0, 0), (1, 2.1)], atol=1e-12)
    assert "(1.00, 2.10)" in ax.get_title()
    assert [text.get_text() for text in ax.texts] == ["a", "b", "c", "d", "context"]
    assert to_rgb(ax.patches[0].get_facecolor()[:3]) == to_rgb(COLORS["value"])
    assert to_rgb(ax.patches[-1].get_facecolor()[:3]) == to_rgb(INK)
    left, right = ax.get_xlim()
    bottom, top = ax.get_ylim()
    assert left < -2
    assert right > 3
    assert bottom < -1
    assert top > 3


def test_weighted_sum_draws_no_arrow_of_zero_length():
    ax = weighted_sum([1.0, 0.0], [[0.0, 2.0], [5.0, 0.0]], ["a", "b"])
    assert len(ax.patches) == 2  # the first value's arrow and the context's


def test_spread_is_the_mean_and_the_extremes():
    ax = spread([1, 2], [[0.0, 4.0], [1.0, 5.0], [5.0, 6.0]], "GRU")
    line, band = ax.lines[0], ax.collections[0]
    np.testing.assert_allclose(line.get_ydata(), [2, 5])
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert {(1, 0), (1, 5), (2, 4), (2, 6)} <= corners
    assert line.get_label() == "GRU"


def test_spread_lines_differ_in_more_than_color():
    ax = spread([1, 2], [[0.0, 1.0]], "first")
    assert spread([1, 2], [[1.0, 2.0]], "second", ax=ax) is ax
    first, second = ax.lines
    assert first.get_color() != second.get_color()
    assert first.get_linestyle() != second.get_linestyle()
    assert first.get_marker() != second.get_marker()


def test_readable_on():
    assert readable_on((1, 1, 1)) == "black"
    assert readable_on((0, 0, 0)) == "white"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: attention_map([[1.0]], ["a"], ["b", "c"]), ValueError, r"got \(1, 1\) for 1 queries and 2 keys"),
        (lambda: attention_map([1.0], ["a"], ["b"]), ValueError, r"shape \(n_q, n_k\), got \(1,\)"),
        (lambda: attention_map([[1.5]], ["a"], ["b"]), ValueError, r"between 0 and 1, got 1.5 to 1.5"),
        (lambda: attention_map([[float("nan")]], ["a"], ["b"]), ValueError, r"between 0 and 1, got nan"),
        (lambda: attention_map("much", ["a"], ["b"]), TypeError, r"numbers of shape \(n_q, n_k\), got 'much'"),
        (lambda: weighted_sum([1.0], [[1.0, 2, 3]], ["a"]), ValueError, r"shape \(1, 2\), got \(1, 3\)"),
        (lambda: weighted_sum([1.0], [[1.0, 2]], []), ValueError, r"each of the 1 values, got 0"),
        (lambda: weight_bars([0.5, 0.5], ["a"]), ValueError, r"each of the 2 weights, got 1: \['a'\]"),
        (lambda: between("keep", 2.5, 0.05, 2), ValueError, "keep should lie between 0.05 and 2, got 2.5"),
        (lambda: between("keep", float("nan"), 0, 2), ValueError, "between 0 and 2, got nan"),
        (lambda: between("keep", True, 0, 2), TypeError, "keep should be a number, got True"),
        (lambda: spread([1, 2], [[1.0, 2, 3]], "x"), ValueError, r"runs .* shape \(n_runs, 2\), got \(1, 3\)"),
        (lambda: spread([], [[]], "x"), ValueError, r"x should have shape \(n_x,\), got \(0,\)"),
        (lambda: array("x", [[1, 2], [3]], ("n", 2)), TypeError, r"x should be numbers of shape \(n, 2\)"),
    ],
)
def test_bad_arguments(call, error, message):
    with pytest.raises(error, match=message):
        call()
