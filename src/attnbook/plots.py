"""Pictures for the notebooks, and the still pictures of the explorers.

Colours come from `attnbook.palette`, where each has one meaning. The light ones differ in lightness too, so that the
pictures survive a grey printer. Cards are white; the website turns pictures dark for a dark page.
"""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgb
from matplotlib.patches import FancyArrowPatch
from numpy.typing import ArrayLike

from attnbook._checks import array
from attnbook.palette import LIGHT, LINES, MARKS, MEANINGS, SURFACES

COLORS = {meaning: colors[LIGHT] for meaning, colors in MEANINGS.items()}
CARD, INK, QUIET, FAINT = (SURFACES[name][LIGHT] for name in ("card", "ink", "quiet", "line"))

WEIGHT_MAP = LinearSegmentedColormap.from_list("attention weight", [CARD, MARKS["half"][LIGHT], COLORS["weight"]])
CELLS_WITH_NUMBERS = 150  # in larger maps the numbers would be too small to read

# Lines compare models, which are none of the four meanings: so they have colours of their own, and differ in
# lightness, dashes and markers too.
_LINES: list[dict[str, Any]] = [
    {"color": LINES["first"][LIGHT], "linestyle": "-", "marker": "o"},
    {"color": LINES["second"][LIGHT], "linestyle": "--", "marker": "s"},
    {"color": LINES["third"][LIGHT], "linestyle": "-.", "marker": "^"},
    {"color": LINES["fourth"][LIGHT], "linestyle": ":", "marker": "D"},
]


def _new_axes(width: float, height: float) -> Axes:
    return plt.subplots(figsize=(width, height), layout="constrained", facecolor="white")[1]


def attention_map(
    weights: ArrayLike,
    queries: list[str],
    keys: list[str],
    ax: Axes | None = None,
    title: str = "Attention weights",
) -> Axes:
    """Draw weights as a heat map: a row shows where one query looks, darker is more.

    Args:
        weights: (n_q, n_k), each from 0 to 1.
        queries: n_q labels, from top to bottom.
        keys: n_k labels, from left to right.
        ax: where to draw; by default a figure of its own.
        title: what the map shows.
    Returns:
        the axes.
    Raises:
        ValueError: the labels do not fit the weights, or a weight is outside 0 to 1.

    >>> ax = attention_map([[0.1, 0.9], [0.8, 0.2]], queries=["fünf", "vierzig"], keys=["forty", "five"])
    >>> [text.get_text() for text in ax.texts]
    ['0.10', '0.90', '0.80', '0.20']
    """
    weights = array("weights", weights, ("n_q", "n_k"))
    if weights.shape != (len(queries), len(keys)):
        raise ValueError(
            "weights (n_q, n_k) should have a row for each query and a column for each key, "
            f"got {weights.shape} for {len(queries)} queries and {len(keys)} keys"
        )
    if not ((weights >= 0) & (weights <= 1 + 1e-6)).all():
        raise ValueError(f"weights should lie between 0 and 1, got {weights.min():g} to {weights.max():g}")
    ax = ax or _new_axes(2.2 + 0.5 * len(keys), 1.6 + 0.36 * len(queries))
    image = ax.imshow(weights, cmap=WEIGHT_MAP, vmin=0, vmax=1, aspect="auto")
    ax.set_xticks(range(len(keys)), keys, rotation=45, ha="right", rotation_mode="anchor")
    ax.set_yticks(range(len(queries)), queries)
    ax.set(title=title, xlabel="keys: what is looked at", ylabel="queries: who looks")
    # A thin white grid between the cells lets the eye follow a row.
    ax.set_xticks(np.arange(len(keys) + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(len(queries) + 1) - 0.5, minor=True)
    ax.grid(which="minor", color=FAINT, linewidth=0.8)
    ax.tick_params(which="both", length=0)
    ax.spines[:].set_visible(False)
    if weights.size <= CELLS_WITH_NUMBERS:
        for (row, column), weight in np.ndenumerate(weights):
            color = readable_on(WEIGHT_MAP(weight)[:3])
            ax.text(column, row, f"{weight:.2f}", ha="center", va="center", fontsize=8, color=color)
    ax.figure.colorbar(image, ax=ax, label="weight", ticks=[0, 0.5, 1]).outline.set_visible(False)
    return ax


def weight_bars(
    weights: ArrayLike, labels: list[str], ax: Axes | None = None, number: Callable[[float], str] = "{:.2f}".format
) -> Axes:
    """Draw one query's weights as bars, the first on top, each with its number.

    Args:
        weights: (n,).
        labels: n names of what is weighted; a name may stand twice.
        ax: where to draw; by default a figure of its own.
        number: how a weight is written.
    Returns:
        the axes.
    Raises:
        ValueError: the lengths differ.

    >>> ax = weight_bars([0.25, 0.75], ["forty", "five"])
    >>> [text.get_text() for text in ax.texts]
    ['0.25', '0.75']
    """
    weights = array("weights", weights, ("n",))
    _same_length("weights", weights, labels)
    ax = ax or _new_axes(5, 1.3 + 0.32 * len(weights))
    bars = ax.barh(range(len(weights)), weights, color=COLORS["weight"])
    ax.bar_label(bars, [number(weight) for weight in weights], padding=4, color=INK)
    ax.set_yticks(range(len(weights)), labels)
    ax.invert_yaxis()
    ax.set(title="Weights", xlabel="weight", xlim=(0, 1.25), xticks=[0, 0.5, 1])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def weighted_sum(weights: ArrayLike, values: ArrayLike, labels: list[str], ax: Axes | None = None) -> Axes:
    """Draw a weighted sum of plane vectors: the scaled values head to tail, and the context vector that they reach.

    Args:
        weights: (n,).
        values: (n, 2).
        labels: n names of the values.
        ax: where to draw; by default a figure of its own.
    Returns:
        the axes.
    Raises:
        ValueError: the lengths differ.

    >>> ax = weighted_sum([0.25, 0.75], [[4, 0], [0, 4]], ["v₁", "v₂"])
    >>> ax.get_title()
    'context = Σ weight · value = (1.00, 3.00)'
    """
    weights = array("weights", weights, ("n",))
    values = array("values", values, (len(weights), 2))
    _same_length("values", values, labels)
    ax = ax or _new_axes(5, 4.5)
    steps = np.vstack([np.zeros(2), np.cumsum(weights[:, None] * values, axis=0)])
    context = steps[-1]
    for value, label in zip(values, labels, strict=True):
        ax.plot(*zip((0, 0), value, strict=True), color=COLORS["value"], linewidth=1, linestyle=":")
        ax.plot(*value, "o", color=COLORS["value"], markersize=5)
        ax.annotate(label, value, xytext=(7, 5), textcoords="offset points", color=INK)
    for tail, head in pairwise(steps):
        _arrow(ax, tail, head, COLORS["value"], 2.5)
    _arrow(ax, np.zeros(2), context, INK, 3)
    ax.annotate("context", context, xytext=(9, 4), textcoords="offset points", color=INK, weight="bold")
    # Arrows do not move the limits by themselves. Every step lies among the origin and the values, if the weights
    # are an average's.
    points = np.vstack([steps, values])
    margin = 0.12 * max(np.ptp(points, axis=0).max(), 1e-3)
    (left, bottom), (right, top) = points.min(axis=0) - margin, points.max(axis=0) + margin
    ax.set(xlim=(left, right + margin), ylim=(bottom, top), xlabel="first coordinate", ylabel="second coordinate")
    ax.set(title=f"context = Σ weight · value = ({_number(context[0])}, {_number(context[1])})", aspect="equal")
    ax.axhline(0, color=FAINT, linewidth=1, zorder=0)
    ax.axvline(0, color=FAINT, linewidth=1, zorder=0)
    ax.spines[:].set_color(FAINT)
    return ax


def spread(x: ArrayLike, runs: ArrayLike, label: str, ax: Axes | None = None) -> Axes:
    """Draw several runs of one experiment: their mean as a line, and a band from the smallest to the largest.

    Args:
        x: (n_x,).
        runs: (n_runs, n_x), one row a seed.
        label: the line's name in the legend.
        ax: where to draw; by default a figure of its own. Each further call on it takes the next line style.
    Returns:
        the axes; its axis labels and legend are the caller's.
    Raises:
        ValueError: a run's length is not that of x.

    >>> ax = spread([1, 2, 3], [[0.2, 0.5, 0.7], [0.4, 0.7, 0.9]], label="with attention")
    >>> [round(float(y), 2) for y in ax.lines[0].get_ydata()]  # the means
    [0.3, 0.6, 0.8]
    """
    x = array("x", x, ("n_x",))
    runs = array("runs", runs, ("n_runs", len(x)))
    ax = ax or _new_axes(6, 4)
    style = _LINES[len(ax.lines) % len(_LINES)]
    ax.plot(x, runs.mean(axis=0), label=label, linewidth=2, markersize=5, **style)
    ax.fill_between(x, runs.min(axis=0), runs.max(axis=0), color=style["color"], alpha=0.18, linewidth=0)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def luminance(color: str | tuple[float, float, float]) -> float:
    """Relative luminance from 0 (black) to 1 (white).

    Source: WCAG 2.2.

    >>> luminance("black"), luminance("white"), round(luminance("red"), 4)
    (0.0, 1.0, 0.2126)
    """
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def readable_on(background: tuple[float, float, float]) -> str:
    """White or black, whichever has more contrast with that background: it is 4.5:1 or more on every colour.

    >>> readable_on((1.0, 1.0, 0.0)), readable_on((0.0, 0.0, 1.0))
    ('black', 'white')
    """
    light = luminance(background) + 0.05
    return "white" if 1.05 / light > light / 0.05 else "black"


def _same_length(name: str, numbers: np.ndarray, labels: list[str]) -> None:
    if len(labels) != len(numbers):
        raise ValueError(f"labels should name each of the {len(numbers)} {name}, got {len(labels)}: {list(labels)}")


def _arrow(ax: Axes, tail: np.ndarray, head: np.ndarray, color: str, width: float) -> None:
    if math.dist(tail, head) > 1e-9:  # a vector of zero length has no direction to draw
        style: dict[str, Any] = {"arrowstyle": "-|>", "mutation_scale": 12, "shrinkA": 0, "shrinkB": 0}
        ends = (tail[0], tail[1]), (head[0], head[1])
        ax.add_patch(FancyArrowPatch(*ends, color=color, linewidth=width, **style))


def _number(x: float) -> str:
    return f"{round(x, 2) + 0:.2f}".replace("-", "−")  # adding 0 turns −0.00 into 0.00
