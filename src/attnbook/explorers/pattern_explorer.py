"""The pattern: compose a sparse mask, see how far information comes through its layers, and what it costs."""

from dataclasses import asdict
from itertools import pairwise

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import Dict, Int, List, Unicode, validate

from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.explorers.pattern import PRESETS, Pattern, draws, read, settings, whole
from attnbook.palette import LIGHT, PATTERNS
from attnbook.plots import FAINT, INK, QUIET
from attnbook.reach import hops, path

# What lets a link through, each with a colour and a shape of its own.
SHAPES = {"window": "s", "chunk": "P", "global": "o", "random": "D"}
SOURCES = {source: (PATTERNS[source][LIGHT], shape) for source, shape in SHAPES.items()}
REACHED = PATTERNS["reached"][LIGHT]


class PatternExplorer(Explorer):
    """Compose a sparse pattern; see who hears from whom after some layers, by which way, and for how many links.

    Args:
        pattern: a `Pattern`, or the name of one of the `PRESETS`: "Dense", "Chunked", "Sliding window", "Dilated",
            "Longformer", "BigBird", "Mistral".
        layers: 1 to 6.
        key: the token where the information is.
        query: the token that it should come to.
    Raises:
        ValueError: a number outside its range, or a preset that does not exist.
        TypeError: something that is no pattern or no whole number.

    >>> explorer = PatternExplorer("Longformer", key=3, query=29)
    >>> explorer.path()
    [3, 0, 29]
    """

    pattern = Dict().tag(sync=True)
    layers = Int().tag(sync=True)
    key = Int().tag(sync=True)
    query = Int().tag(sync=True)
    presets = List(Dict()).tag(sync=True)
    draws = List(List(Unicode())).tag(sync=True)

    name = "pattern_explorer"
    caption = "A sparse pattern: which links it keeps, and how far information comes through its layers."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(self, pattern: Pattern | str = "Longformer", layers: int = 1, key: int = 3, query: int = 29) -> None:
        if isinstance(pattern, str):
            if pattern not in PRESETS:
                raise ValueError(f"pattern should be one of {', '.join(PRESETS)}, got {pattern!r}")
            pattern = Pattern(**PRESETS[pattern][1])
        if not isinstance(pattern, Pattern):
            raise TypeError(f"pattern should be a Pattern or the name of a preset, got {pattern!r}")
        super().__init__(
            pattern=settings(pattern),
            layers=whole("layers", layers, 1, 6),
            key=whole("key", key, 0, pattern.n - 1),
            query=whole("query", query, 0, pattern.n - 1),
            presets=[{"name": name, "note": note, "pattern": settings(Pattern(**changes))}
                     for name, (note, changes) in PRESETS.items()],
            draws=draws(),
        )  # fmt: skip

    @validate("pattern")
    def _check_pattern(self, proposal: dict) -> dict:
        pattern = read(proposal["value"])
        for name in ("key", "query"):
            whole(name, getattr(self, name), 0, pattern.n - 1)
        return settings(pattern)

    @validate("layers")
    def _check_layers(self, proposal: dict) -> int:
        return whole("layers", proposal["value"], 1, 6)

    @validate("key", "query")
    def _check_token(self, proposal: dict) -> int:
        return whole(proposal["trait"].name, proposal["value"], 0, read(self.pattern).n - 1)

    def mask(self) -> Tensor:
        """The present pattern's mask, bool, (n, n)."""
        return read(self.pattern).mask()

    def path(self) -> list[int] | None:
        """A shortest way from the key to the query."""
        return path(self.mask(), self.key, self.query)

    def draw(self) -> Figure:
        pattern = read(self.pattern)
        figure = Figure(figsize=(7.2, 4.4), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, sharey=True)
        _grid(left, pattern, torch.zeros(pattern.n, pattern.n, dtype=torch.bool))
        left.set(title="One layer: who sees whom", xlabel="key", ylabel="query")
        needed = hops(pattern.mask())
        _grid(right, pattern, (needed >= 0) & (needed <= self.layers))
        right.set(title=f"Grey: heard from after {_count(self.layers, 'layer')}", xlabel="key")
        for number, (teller, hearer) in enumerate(pairwise(self.path() or []), start=1):
            right.plot(teller, hearer, "s", markersize=9, markerfacecolor="none", markeredgecolor=INK)
            right.annotate(f"{number}", (teller, hearer), xytext=(7, 5), textcoords="offset points", weight="bold")
        figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=len(SOURCES), frameon=False)
        return figure

    def describe(self) -> str:
        pattern = read(self.pattern)
        mask, needed = pattern.mask(), hops(pattern.mask())
        parts = [name for name, source in pattern.sources().items() if source.any()]
        heard = ((needed[self.query] >= 0) & (needed[self.query] <= self.layers)).sum()
        way = self.path()
        told = f"goes {' → '.join(map(str, way))}" if way else f"never comes from token {self.key} to {self.query}"
        return (
            f"Left, a grid of {pattern.n} queries by {pattern.n} keys with {mask.sum()} links, those of "
            f"{', '.join(parts)}{'; the future is hidden' if pattern.causal else ''}. Right, the same with all that "
            f"has been heard after {_count(self.layers, 'layer')}: token {self.query} has heard from {heard} of "
            f"{pattern.n} tokens. Information {told}."
        )

    def __repr__(self) -> str:
        plain = Pattern()
        changed = {name: value for name, value in asdict(read(self.pattern)).items() if value != getattr(plain, name)}
        settings = ", ".join(f"{name}={value}" for name, value in changed.items())
        return f"PatternExplorer(Pattern({settings}), layers={self.layers}, key={self.key}, query={self.query})"


def _grid(ax: Axes, pattern: Pattern, reached: Tensor) -> None:
    """A mark for each link, by the first of its sources, over a grey cell for each pair in reach."""
    ax.imshow(reached.numpy(), cmap=ListedColormap(["white", REACHED]), vmin=0, vmax=1)
    free = torch.ones_like(reached)
    for name, mask in pattern.sources().items():
        rows, columns = (mask & free).numpy().nonzero()
        color, marker = SOURCES[name]
        if len(rows):
            ax.plot(columns, rows, marker, color=color, markersize=200 / pattern.n, markeredgewidth=0, label=name)
        free &= ~mask
    ax.spines[:].set_color(FAINT)
    ax.tick_params(color=FAINT, labelcolor=QUIET)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
