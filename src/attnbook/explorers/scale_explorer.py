"""The scale explorer: what the width d does to scores, to weights, and to the gradient that flows back."""

from functools import lru_cache

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import Float, Int, Unicode, validate

from attnbook._checks import between
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import COLORS, FAINT, INK, QUIET
from attnbook.scores import dot, scaled_dot

SCALES = ("none", "1/√d", "1/d", "unit length")
WIDEST = 1024
WIDTHS = [2**power for power in range(1, 11)]
QUERIES, KEYS = 16, 64
LEAST_GAIN, MOST_GAIN = 1.0, 64.0
HEARD = 0.001  # a key whose score has a smaller gradient than this counts as not heard
FLOOR, CEILING = 1e-8, 10.0  # the ends of the logarithmic axes


class ScaleExplorer(Explorer):
    """Widen queries and keys of random numbers; see their scores spread, the weights close up, the gradient go.

    All numbers are standard normal. A narrower vector is the beginning of a wider one, so that a score is a sum that
    grows by one product with each step of d. The loss is L = Σ u_j w_j with random u, one set for each query.

    Args:
        d: the width, a power of two from 2 to 1024.
        scale: what becomes of the dot product, a name of SCALES; "unit length" divides each vector by its length and
            multiplies the score by the gain.
        gain: from 1 to 64.
        query: which of the 16 queries is shown, from 1.
        seed: of the numbers, from 0.
    Raises:
        ValueError: a number outside its range, or an unknown name.
        TypeError: something that is not a number.

    >>> explorer = ScaleExplorer(d=4)
    >>> explorer.scores().shape, explorer.predicted()
    (torch.Size([16, 64]), 2.0)
    """

    d = Int().tag(sync=True)
    scale = Unicode().tag(sync=True)
    gain = Float().tag(sync=True)
    query = Int().tag(sync=True)
    seed = Int().tag(sync=True)

    name = "scale_explorer"
    caption = "One draw of queries and keys at growing width: scores spread as √d, unless something holds them."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(self, d: int = 4, scale: str = "none", gain: float = 8.0, query: int = 1, seed: int = 21) -> None:
        super().__init__(
            d=_width(d),
            scale=_scale(scale),
            gain=between("gain", gain, LEAST_GAIN, MOST_GAIN),
            query=_whole("query", query, 1, QUERIES),
            seed=_whole("seed", seed, 0, 2**31 - 1),
        )

    # The traits may be set later too, from a cell or by the reader's hand.
    @validate("d")
    def _check_d(self, proposal: dict) -> int:
        return _width(proposal["value"])

    @validate("scale")
    def _check_scale(self, proposal: dict) -> str:
        return _scale(proposal["value"])

    @validate("gain")
    def _check_gain(self, proposal: dict) -> float:
        return between("gain", proposal["value"], LEAST_GAIN, MOST_GAIN)

    @validate("query", "seed")
    def _check_whole(self, proposal: dict) -> int:
        name = proposal["trait"].name
        return _whole(name, proposal["value"], *((1, QUERIES) if name == "query" else (0, 2**31 - 1)))

    def vectors(self) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (16, d), keys (64, d), and the u of the loss (16, 64), in float64."""
        numbers = torch.tensor(normal(self.seed, (QUERIES + KEYS) * WIDEST + QUERIES * KEYS))
        vectors = numbers[: (QUERIES + KEYS) * WIDEST].view(-1, WIDEST)[:, : self.d]
        return vectors[:QUERIES], vectors[QUERIES:], numbers[len(numbers) - QUERIES * KEYS :].view(QUERIES, KEYS)

    def score(self, q: Tensor, k: Tensor) -> Tensor:
        """Scores (n_q, n_k) of queries (n_q, d) and keys (n_k, d) at the chosen scale."""
        if self.scale == "unit length":
            return self.gain * dot(torch.nn.functional.normalize(q, dim=-1), torch.nn.functional.normalize(k, dim=-1))
        if self.scale == "1/√d":
            return scaled_dot(q, k)
        return dot(q, k) / (self.d if self.scale == "1/d" else 1)

    def predicted(self) -> float:
        """The standard deviation of a score that the formula predicts."""
        root = self.d**0.5
        return {"none": root, "1/√d": 1.0, "1/d": 1 / root, "unit length": self.gain / root}[self.scale]

    def scores(self) -> Tensor:
        """Scores (16, 64)."""
        return self.score(*self.vectors()[:2])

    def weights(self) -> Tensor:
        """Weights (16, 64)."""
        return self.scores().softmax(dim=-1)

    def gradients(self) -> tuple[Tensor, Tensor]:
        """Sizes of the loss's gradient: with respect to each score (16, 64), and the length of each query's (16,)."""
        q, k, u = self.vectors()
        q = q.clone().requires_grad_()
        scores = self.score(q, k)
        scores.retain_grad()
        (scores.softmax(dim=-1) * u).sum().backward()
        return scores.grad.abs(), q.grad.norm(dim=-1)  # type: ignore[union-attr]

    def facts(self) -> dict[str, float]:
        """The numbers of the chosen query that stand beside the pictures."""
        i = self.query - 1
        scores, weights = self.scores()[i], self.weights()[i]
        of_scores, of_queries = self.gradients()
        return {
            "spread": scores.std(correction=0).item(),
            "entropy": -torch.xlogy(weights, weights).sum().item(),
            "largest": weights.max().item(),
            "trace": 1 - weights.square().sum().item(),
            "heard": int((of_scores[i] > HEARD).sum()),
            "gradient": of_queries[i].item(),
            "typical": of_queries.quantile(0.5).item(),
        }

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.6, 4.4), layout="constrained", facecolor="white")
        axes = figure.subplot_mosaic([["fan", "weights"], ["fan", "scores"], ["fan", "queries"]])
        self._draw_fan(axes["fan"])
        i, (of_scores, of_queries) = self.query - 1, self.gradients()
        _bars(axes["weights"], self.weights()[i], COLORS["weight"], "Weights of 64 keys")
        axes["weights"].set(ylim=(0, 1))
        _bars(axes["scores"], of_scores[i], COLORS["key"], "Gradient of each score")
        _bars(axes["queries"], of_queries, COLORS["query"], "Gradient that reaches each of 16 queries")
        for ax in (axes["scores"], axes["queries"]):
            ax.set(yscale="log", ylim=(FLOOR, CEILING))
        return figure

    def _draw_fan(self, ax: Axes) -> None:
        before, (lines, band) = self.d, ([], [])
        for width in WIDTHS:
            self.d = width
            lines.append(self.scores()[self.query - 1])
            band.append(self.predicted())
        self.d = before
        ax.plot(WIDTHS, torch.stack(lines), color=COLORS["key"], linewidth=0.7, alpha=0.6)
        for sign in (1, -1):
            ax.plot(WIDTHS, sign * np.array(band), color=INK, linestyle="--")
        ax.axvline(self.d, color=QUIET)
        ax.set_xscale("log", base=2)
        ax.set(title=f"64 scores, scale: {self.scale}", xlabel="width d", ylabel="score", xlim=(2, WIDEST))
        ax.spines[:].set_color(FAINT)

    def describe(self) -> str:
        f = self.facts()
        return (
            f"Left, the scores of 64 keys as lines over the width d, scale {self.scale}, with a dashed band of the "
            f"predicted standard deviation, {self.predicted():.2f} at d = {self.d}. Right, bars: the weights, the "
            f"largest {f['largest']:.2f}, entropy {f['entropy']:.2f}; the gradient of each score, {f['heard']} of 64 "
            f"above {HEARD}; and the gradient that reaches each of 16 queries, median {f['typical']:.2g}."
        )

    def __repr__(self) -> str:
        return f"ScaleExplorer(d={self.d}, scale={self.scale!r}, query={self.query}, seed={self.seed})"


@lru_cache(maxsize=4)
def normal(seed: int, count: int) -> np.ndarray:
    """The first `count` standard normal numbers of a seed. The JavaScript draws the same.

    Counters are scrambled to whole numbers below 2³² (the generator mulberry32, by Tommy Ettinger), and two of those
    make one normal number (Box and Muller, 1958).

    >>> normal(0, 3).round(3)
    array([ 0.787,  0.431, -1.078])
    """
    with np.errstate(over="ignore"):  # overflow is meant: all arithmetic is modulo 2³²
        a = np.uint32(seed) + np.arange(1, 2 * count + 1, dtype=np.uint32) * np.uint32(0x6D2B79F5)
        t = (a ^ (a >> np.uint32(15))) * (a | np.uint32(1))
        t ^= t + (t ^ (t >> np.uint32(7))) * (t | np.uint32(61))
    uniform = (t ^ (t >> np.uint32(14))) / 2**32
    numbers = np.sqrt(-2 * np.log(1 - uniform[::2])) * np.cos(2 * np.pi * uniform[1::2])
    numbers.flags.writeable = False
    return numbers


def _bars(ax: Axes, heights: Tensor, color: str, title: str) -> None:
    ax.bar(range(1, len(heights) + 1), heights.numpy(), color=color)
    ax.set_title(title, fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xticks([])


def _width(d: int) -> int:
    if d not in WIDTHS:
        raise ValueError(f"d should be a power of two from 2 to {WIDEST}, got {d!r}")
    return d


def _scale(scale: str) -> str:
    if scale not in SCALES:
        raise ValueError(f"scale should be one of {', '.join(map(repr, SCALES))}, got {scale!r}")
    return scale


def _whole(name: str, x: int, least: int, most: int) -> int:
    if not isinstance(x, int) or isinstance(x, bool):
        raise TypeError(f"{name} should be a whole number, got {x!r}")
    return int(between(name, x, least, most))
