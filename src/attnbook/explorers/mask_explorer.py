"""The mask explorer: paint who may see whom, and see the weights that follow from each way of applying the mask."""

from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor
from traitlets import Bool, Dict, Int, List, Unicode, validate

from attnbook import masks
from attnbook._checks import between
from attnbook.attention import attend
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.palette import LIGHT, MARKS
from attnbook.plots import COLORS, FAINT, INK, QUIET, WEIGHT_MAP
from attnbook.reach import reach

# Two short documents in one sequence, and two places of filling at the end.
WORDS = ["we", "eat", ".", "you", "sleep", ".", "pad", "pad"]
N, LENGTH, PREFIX = len(WORDS), 6, 3  # LENGTH words are true; the first PREFIX make up the first document
SCORES = [
    [1.0, 0.5, -0.5, 1.5, 2.0, 0.0, 0.5, 1.0],
    [2.0, 0.5, 0.0, 0.5, 1.5, -1.0, 1.0, 0.5],
    [0.5, 1.5, 1.0, 0.0, 1.0, 1.5, 0.0, 0.5],
    [1.5, -0.5, 0.5, 1.0, 2.0, 0.5, -0.5, 0.0],
    [0.0, 1.5, -1.0, 2.5, 0.5, 1.0, 1.0, -0.5],
    [-0.5, 0.5, 2.0, 0.0, 1.5, 1.0, 0.5, 0.5],
    [0.5, 0.0, 0.5, 1.0, -0.5, 0.0, 1.0, 1.5],
    [0.0, 1.0, 0.0, 0.5, 0.5, -0.5, 1.5, 1.0],
]
HUGE, HUGE_KEY = 120.0, 4  # e^(3 − 120) is less than the smallest float32, so it becomes 0

WAYS = ("−∞ before", "−10⁹ before", "0 before", "0 after", "0 after, ÷ sum")
LAYERS = 4
WRONG = MARKS["wrong"][LIGHT]  # a cell that shows a word its future


def _presets() -> dict[str, tuple[str, Tensor]]:
    causal, keys = masks.causal(N), masks.padding(torch.tensor(LENGTH), N)
    everything = torch.ones(N, N, dtype=torch.bool)
    document = torch.tensor([0] * PREFIX + [1] * (LENGTH - PREFIX) + [2] * (N - LENGTH))
    return {
        "Everything": ("No mask: every word sees every word.", everything),
        "Causal": ("Each word sees itself and the past.", causal),
        "Off by one": ("The diagonal is one place too far: each word sees the next one.", everything.tril(1)),
        "Past only": ("One place too short: not even itself. The first word has nobody left.", everything.tril(-1)),
        "Padding": ("Nobody sees the filling. The future is open.", keys.expand(N, N)),
        "Both": ("Causal and padding, joined by &.", causal & keys),
        "Window": ("The past, and of it the last three words.", causal & masks.sliding_window(N, 2)),
        "Prefix": ("The first three words are given: they see each other, and the rest is causal.",
                   (causal | (torch.arange(N) < PREFIX)) & keys),
        "Packed": ("Two documents in one sequence: causal, and neither sees the other.",
                   causal & (document[:, None] == document) & keys),
    }  # fmt: skip


PRESETS = _presets()


class MaskExplorer(Explorer):
    """Paint a mask of eight words; see the weights, what leaks, and how far it comes through several layers.

    Args:
        mask: bool, (8, 8), or the name of one of the PRESETS: "Everything", "Causal", "Off by one", "Past only",
            "Padding", "Both", "Window", "Prefix", "Packed".
        way: how the mask is applied, one of the WAYS; the first is right.
        huge: whether the key "sleep" has a huge score of 120 for every query.
        layers: 1 to 4, how many layers have that mask.
        query: the word, 0 to 7, whose row is shown in numbers.
    Raises:
        ValueError: a shape or number outside its range, or an unknown name.
        TypeError: something that is no mask, bool or whole number.

    >>> explorer = MaskExplorer("Causal", query=1)
    >>> [round(weight, 2) for weight in explorer.weights()[1].tolist()[:3]]
    [0.82, 0.18, 0.0]
    """

    mask = List(Unicode()).tag(sync=True)  # a row for each query: 1 = may see
    way = Unicode().tag(sync=True)
    huge = Bool().tag(sync=True)
    layers = Int().tag(sync=True)
    query = Int().tag(sync=True)
    # What the browser computes with, so that there is one place in which it stands.
    presets = List(Dict()).tag(sync=True)
    setting = Dict({"words": WORDS, "length": LENGTH, "scores": SCORES, "huge": HUGE, "huge_key": HUGE_KEY,
                    "ways": list(WAYS), "layers": LAYERS}).tag(sync=True)  # fmt: skip

    name = "mask_explorer"
    caption = "Who may see whom, and the weights that follow. Paint cells of the mask; a row is a query."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self, mask: Tensor | str = "Causal", way: str = WAYS[0], huge: bool = False, layers: int = 1, query: int = 4
    ) -> None:
        super().__init__(
            mask=_rows(mask),
            way=_way(way),
            huge=_flag(huge),
            layers=_whole("layers", layers, 1, LAYERS),
            query=_whole("query", query, 0, N - 1),
            presets=[{"name": name, "note": note, "mask": _rows(of)} for name, (note, of) in PRESETS.items()],
        )

    @validate("mask", "way", "layers", "query")
    def _check(self, proposal: dict) -> Any:
        name, value = proposal["trait"].name, proposal["value"]
        checks = {"mask": lambda: _rows(_read(value)), "way": lambda: _way(value),
                  "layers": lambda: _whole(name, value, 1, LAYERS),
                  "query": lambda: _whole(name, value, 0, N - 1)}  # fmt: skip
        return checks[name]()

    def scores(self) -> Tensor:
        """The scores, float32, (8, 8)."""
        scores = torch.tensor(SCORES)
        if self.huge:
            scores[:, HUGE_KEY] = HUGE
        return scores

    def weights(self) -> Tensor:
        """The weights, float32, (8, 8), as the chosen way computes them: NaN where it divides zero by zero."""
        scores, mask = self.scores(), _read(self.mask)
        if self.way == "−∞ before":
            return attend(scores, torch.eye(N), mask)[1]
        if self.way == "−10⁹ before":
            return scores.masked_fill(~mask, -1e9).softmax(dim=-1)
        if self.way == "0 before":
            return (scores * mask).softmax(dim=-1)
        weights = scores.softmax(dim=-1) * mask
        return weights if self.way == "0 after" else weights / weights.sum(dim=-1, keepdim=True)

    def heard(self) -> Tensor:
        """Who has heard from whom after the layers, bool, (8, 8)."""
        return reach(_read(self.mask), self.layers)

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.2, 4.0), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2)
        mask = _read(self.mask)
        future = torch.ones(N, N, dtype=torch.bool).triu(1) & mask
        left.imshow((mask.int() + future.int()).numpy(), cmap=ListedColormap(["white", QUIET, WRONG]), vmin=0, vmax=2)
        left.set(title="The mask: who may see whom", ylabel="query")
        right.imshow(self.weights().numpy(), cmap=WEIGHT_MAP, vmin=0, vmax=1)
        right.set(title=f"The weights ({self.way})")
        for ax in (left, right):
            _label(ax, self.query)
        return figure

    def describe(self) -> str:
        mask, weights = _read(self.mask), self.weights()
        row = ", ".join(
            f"{word} {weight:.2f}" for word, weight in zip(WORDS, weights[self.query].tolist(), strict=True)
        )
        future = int((mask & torch.ones(N, N, dtype=torch.bool).triu(1))[:LENGTH, :LENGTH].sum())
        return (
            f"Left, the mask of eight queries by eight keys ({' '.join(WORDS)}), {int(mask.sum())} of 64 cells open, "
            f"{future} of them on words to come. Right, the weights, the mask applied as {self.way}. "
            f"The row of {WORDS[self.query]!r}: {row}."
        )

    def __repr__(self) -> str:
        name = next((name for name, (_, mask) in PRESETS.items() if _rows(mask) == self.mask), "a mask of its own")
        return f"MaskExplorer({name!r}, {self.way!r}, huge={self.huge}, layers={self.layers}, query={self.query})"


def _label(ax: Axes, query: int) -> None:
    ax.set_xticks(range(N), WORDS)
    ax.set_yticks(range(N), WORDS)
    ax.set_xlabel("key")
    ax.tick_params(length=0, labelcolor=INK)
    ax.spines[:].set_color(FAINT)
    ax.set_xticks([x + 0.5 for x in range(N - 1)], minor=True)
    ax.set_yticks([y + 0.5 for y in range(N - 1)], minor=True)
    ax.grid(which="minor", color=FAINT)
    ax.tick_params(which="minor", length=0)
    ax.get_yticklabels()[query].set_color(COLORS["query"])
    ax.get_yticklabels()[query].set_fontweight("bold")


def _rows(mask: Tensor | str) -> list[str]:
    if isinstance(mask, str):
        if mask not in PRESETS:
            raise ValueError(f"mask should be one of {', '.join(map(repr, PRESETS))}, got {mask!r}")
        mask = PRESETS[mask][1]
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        given = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask should be a boolean tensor, True = may see, or the name of a preset, got {given}")
    if mask.shape != (N, N):
        raise ValueError(f"mask should have shape {(N, N)}, one row a word, got {tuple(mask.shape)}")
    return ["".join("1" if may else "0" for may in row) for row in mask.tolist()]


def _read(rows: list[str]) -> Tensor:
    if len(rows) != N or any(len(row) != N or set(row) - {"0", "1"} for row in rows):
        raise ValueError(f"mask should be {N} rows of {N} digits 0 or 1, got {rows!r}")
    return torch.tensor([[digit == "1" for digit in row] for row in rows])


def _way(way: str) -> str:
    if way not in WAYS:
        raise ValueError(f"way should be one of {', '.join(map(repr, WAYS))}, got {way!r}")
    return way


def _flag(huge: bool) -> bool:
    if not isinstance(huge, bool):
        raise TypeError(f"huge should be True or False, got {huge!r}")
    return huge


def _whole(name: str, x: int, least: int, most: int) -> int:
    if not isinstance(x, int):
        raise TypeError(f"{name} should be a whole number, got {x!r}")
    return int(between(name, x, least, most))
