"""The score explorer: one query and a few keys on a plane, scored in four ways at once."""

from collections.abc import Callable, Iterable

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from torch import Tensor
from traitlets import Dict, Float, List, Unicode, validate

from attnbook._checks import array
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import COLORS, FAINT, INK, weight_bars
from attnbook.scores import AdditiveScore, MultiplicativeScore, dot, scaled_dot

SCORES = ("dot", "scaled dot", "multiplicative", "additive")
REACH = 4.0  # how far from the origin a coordinate may lie
MOST_KEYS = 5
SUBSCRIPTS = "₁₂₃₄₅"

# The multiplicative score's W, (2, 2): the key is first mapped to W k, then multiplied with the query.
MATRICES = {
    "identity": [[1.0, 0.0], [0.0, 1.0]],
    "quarter turn": [[0.0, 1.0], [-1.0, 0.0]],
    "stretch": [[2.0, 0.0], [0.0, 0.5]],
    "flatten": [[1.0, 0.0], [0.0, 0.0]],
}
# The additive score's matrices, all entries of w being 1. The bump is Σ tanh(q + k) + tanh(q − k) over both
# coordinates; the slope is Σ tanh(q + k).
_PLUS, _MINUS = [[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [0.0, -1.0]]
NETWORKS = {
    "bump": {"query": _PLUS + _PLUS, "key": _PLUS + _MINUS, "tanh": True},
    "slope": {"query": _PLUS, "key": _PLUS, "tanh": True},
    "slope without tanh": {"query": _PLUS, "key": _PLUS, "tanh": False},
}


class ScoreExplorer(Explorer):
    """Drag one query and a few keys on a plane; see all four scores, and the weights that follow from each.

    Args:
        q: (2,), the query, each coordinate from −4 to 4.
        k: (n, 2), the keys, 3 to 5 of them.
        matrix: the multiplicative score's W, a name of MATRICES.
        network: the additive score's matrices, a name of NETWORKS.
        lines: the score, a name of SCORES, whose lines of equal score are drawn on the plane.
    Raises:
        ValueError: a wrong shape, a number outside its range, or an unknown name.
        TypeError: something that is not numbers.

    >>> explorer = ScoreExplorer(q=(2, 1), k=((1, 1), (3, -1), (-1, 2)))
    >>> explorer.scores()["dot"]
    [3.0, 5.0, 0.0]
    """

    q = List(Float()).tag(sync=True)
    k = List(List(Float())).tag(sync=True)
    matrix = Unicode().tag(sync=True)
    network = Unicode().tag(sync=True)
    lines = Unicode().tag(sync=True)
    # The browser computes with these, so that there is one place in which they stand.
    matrices = Dict(MATRICES).tag(sync=True)
    networks = Dict(NETWORKS).tag(sync=True)

    name = "score_explorer"
    caption = "One query, the same keys, four scores: each has its own idea of which key answers best."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self,
        q: ArrayLike = (2, 1),
        k: ArrayLike = ((1, 1), (3, -1), (-1, 2)),
        matrix: str = "quarter turn",
        network: str = "bump",
        lines: str = "dot",
    ) -> None:
        super().__init__(
            q=_points("q", q, (2,)),
            k=_keys(k),
            matrix=_name("matrix", matrix, MATRICES),
            network=_name("network", network, NETWORKS),
            lines=_name("lines", lines, SCORES),
        )

    # The traits may be set later too, from a cell or by the reader's hand.
    @validate("q")
    def _check_q(self, proposal: dict) -> list[float]:
        return _points("q", proposal["value"], (2,))

    @validate("k")
    def _check_k(self, proposal: dict) -> list[list[float]]:
        return _keys(proposal["value"])

    @validate("matrix", "network", "lines")
    def _check_name(self, proposal: dict) -> str:
        trait = proposal["trait"].name
        names: dict[str, Iterable[str]] = {"matrix": MATRICES, "network": NETWORKS, "lines": SCORES}
        return _name(trait, proposal["value"], names[trait])

    def functions(self) -> dict[str, Callable[[Tensor, Tensor], Tensor]]:
        """The four scores with the chosen matrices, in float64: each takes q (n_q, 2) and k (n_k, 2)."""
        return {
            "dot": dot,
            "scaled dot": scaled_dot,
            "multiplicative": multiplicative(self.matrix),
            "additive": additive(self.network),
        }

    def scores(self) -> dict[str, list[float]]:
        """The name of each score -> the score of every key."""
        q = torch.tensor([self.q], dtype=torch.float64)
        k = torch.tensor(self.k, dtype=torch.float64)
        with torch.no_grad():
            return {name: score(q, k)[0].tolist() for name, score in self.functions().items()}

    def weights(self) -> dict[str, list[float]]:
        """The name of each score -> the weight of every key."""
        scores = torch.tensor(list(self.scores().values()), dtype=torch.float64)  # (4, n), one row a score
        return dict(zip(SCORES, scores.softmax(dim=-1).tolist(), strict=True))

    @property
    def labels(self) -> list[str]:
        """Names of the keys."""
        return [f"k{SUBSCRIPTS[i]}" for i in range(len(self.k))]

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.6, 4.2), layout="constrained", facecolor="white")
        axes = figure.subplot_mosaic([["plane", "dot", "scaled dot"], ["plane", "multiplicative", "additive"]],
                                     width_ratios=[2.2, 1, 1])  # fmt: skip
        self._draw_plane(axes["plane"])
        for name, row in self.weights().items():
            weight_bars(row, self.labels, axes[name]).set(title=name, xlabel="")
        return figure

    def _draw_plane(self, ax: Axes) -> None:
        ticks = torch.linspace(-REACH, REACH, 81, dtype=torch.float64)
        rows, columns = torch.meshgrid(ticks, ticks, indexing="ij")
        q = torch.tensor([self.q], dtype=torch.float64)
        with torch.no_grad():
            heights = self.functions()[self.lines](q, torch.stack([columns, rows], dim=-1).flatten(0, 1))[0]
        if heights.max() - heights.min() > 1e-9:  # a flat score has no lines
            ax.contour(ticks, ticks, heights.view_as(rows), levels=9, colors=FAINT, linestyles="-")
        tip = (self.q[0], self.q[1])
        ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": COLORS["query"], "lw": 2.5})
        ax.annotate("q", tip, xytext=(6, 4), textcoords="offset points", color=COLORS["query"], weight="bold")
        for (x, y), label in zip(self.k, self.labels, strict=True):
            ax.plot(x, y, "o", color=COLORS["key"], markersize=8)
            ax.annotate(label, (x, y), xytext=(7, 5), textcoords="offset points", color=INK, weight="bold")
        ax.set(xlim=(-REACH, REACH), ylim=(-REACH, REACH), aspect="equal")
        ax.set(title=f"Lines of equal {self.lines} score", xlabel="first coordinate", ylabel="second coordinate")
        ax.spines[:].set_color(FAINT)

    def describe(self) -> str:
        keys = ", ".join(f"{label} at {_pair(key)}" for label, key in zip(self.labels, self.k, strict=True))
        weights = [f"{name} {_list(self.labels, row)}" for name, row in self.weights().items()]
        return (
            f"Left, a plane with a query at {_pair(self.q)} and {len(self.k)} keys: {keys}. "
            f"Right, bars of the weights that four scores give the keys: {'; '.join(weights)}."
        )

    def __repr__(self) -> str:
        keys = ", ".join(map(_pair, self.k))
        return f"ScoreExplorer(q={_pair(self.q)}, k=({keys}), {self.matrix!r}, {self.network!r})"


def multiplicative(name: str) -> MultiplicativeScore:
    """The multiplicative score with a matrix of MATRICES, in float64.

    >>> multiplicative("quarter turn").key.weight.tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    score = MultiplicativeScore(2, 2).double()
    with torch.no_grad():
        score.key.weight.copy_(torch.tensor(MATRICES[name]))
    return score


def additive(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    """The additive score with the matrices of NETWORKS, in float64.

    >>> score = additive("bump")
    >>> score(torch.ones(1, 2).double(), torch.zeros(3, 2).double()).shape
    torch.Size([1, 3])
    """
    w_q, w_k = (torch.tensor(NETWORKS[name][side], dtype=torch.float64) for side in ("query", "key"))
    if not NETWORKS[name]["tanh"]:
        # w · (W_q q + W_k k) with w = 1: what is left is a number of the query plus a number of the key.
        return lambda q, k: (q @ w_q.mT).sum(-1)[:, None] + (k @ w_k.mT).sum(-1)
    score = AdditiveScore(2, 2, len(w_q)).double()
    with torch.no_grad():
        score.query.weight.copy_(w_q)
        score.key.weight.copy_(w_k)
        score.v.weight.fill_(1)
    return score


def _points(name: str, x: ArrayLike, shape: tuple[int | str, ...]) -> list:
    numbers = array(name, x, shape)
    if not (abs(numbers) <= REACH).all():  # not so for NaN either
        raise ValueError(f"{name} should have coordinates from {-REACH:g} to {REACH:g}, got {numbers.tolist()}")
    return numbers.tolist()


def _keys(k: ArrayLike) -> list[list[float]]:
    points = _points("k", k, ("n", 2))
    if not 3 <= len(points) <= MOST_KEYS:
        raise ValueError(f"k should be 3 to {MOST_KEYS} points, got {len(points)}")
    return points


def _name(trait: str, name: str, names: Iterable[str]) -> str:
    if name not in names:
        raise ValueError(f"{trait} should be one of {', '.join(map(repr, names))}, got {name!r}")
    return name


def _pair(point: list[float]) -> str:
    return "(" + ", ".join(f"{x:.4g}".replace("-", "−") for x in point) + ")"


def _list(labels: list[str], row: list[float]) -> str:
    return ", ".join(f"{label} {weight:.2f}" for label, weight in zip(labels, row, strict=True))
