"""Costs: how operations, memory and cache of seven methods grow with the text, in models that people use."""

import math
from dataclasses import asdict
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from traitlets import Dict, Float, Int, List, Unicode, validate

from attnbook._checks import between, check_count
from attnbook.explorers import measured
from attnbook.explorers.bill import LEAST_TOKENS, METHODS, MODELS, MOST_TOKENS, Bill, Model, bill
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.explorers.measured import measured_points
from attnbook.plots import COLORS, QUIET

GIB = 2**30
MOST_DOLLARS = 1e6
ALL_MODELS = {**MODELS, measured.NAME: measured.MODEL}
VIEWS = {
    "operations": "operations of the mixing, all layers",
    "memory": "memory of one layer for the mixing",
    "kept": "bytes that all layers keep while writing",
}


class CostExplorer(Explorer):
    """Choose a model, a length and a method; see what it costs, how that grows, and what it costs ten times longer.

    Args:
        model: the name of one of `bill.MODELS`, "Measured here" for the benchmark's, or the sizes of another.
        n: tokens, 64 to 1,048,576.
        method: one of `bill.METHODS`: dense, exact, window, sparse, performer, linear, recurrent.
        view: what the curves show: operations, memory or kept.
        price: dollars for a GiB of memory; a round number to calculate with, not a quotation.
    Raises:
        ValueError: a number outside its range, or a name that is not among those.
        TypeError: something that is not a number or a name.

    >>> CostExplorer("Llama-3-8B", n=131_072).bill().kept / GIB
    16.0
    """

    sizes = Dict().tag(sync=True)
    n = Int().tag(sync=True)
    method = Unicode().tag(sync=True)
    view = Unicode().tag(sync=True)
    price = Float().tag(sync=True)
    models = List(Dict()).tag(sync=True)
    measured = List(Dict()).tag(sync=True)
    measured_model = Unicode().tag(sync=True)

    name = "cost_explorer"
    caption = (
        "What it costs to let tokens read each other. Both axes are logarithmic: a slope of 1 is linear growth, "
        "a slope of 2 quadratic."
    )
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self,
        model: str | Model = "Llama-2-7B",
        n: int = 4096,
        method: str = "dense",
        view: str = "operations",
        price: float = 100.0,
    ) -> None:
        if isinstance(model, str):
            model = ALL_MODELS[_one_of("model", model, ALL_MODELS)]
        elif not isinstance(model, Model):
            raise TypeError(f"model should be a name or a Model, got {model!r}")
        super().__init__(
            sizes=asdict(model),
            n=_length(n),
            method=_one_of("method", method, METHODS),
            view=_one_of("view", view, VIEWS),
            price=_price(price),
            models=[{"name": name, **asdict(sizes)} for name, sizes in ALL_MODELS.items()],
            measured=measured_points(),
            measured_model=measured.NAME,
        )

    @validate("sizes")
    def _check_sizes(self, proposal: dict) -> dict[str, int]:
        return asdict(Model(**proposal["value"]))

    @validate("n")
    def _check_n(self, proposal: dict) -> int:
        return _length(proposal["value"])

    @validate("method")
    def _check_method(self, proposal: dict) -> str:
        return _one_of("method", proposal["value"], METHODS)

    @validate("view")
    def _check_view(self, proposal: dict) -> str:
        return _one_of("view", proposal["value"], VIEWS)

    @validate("price")
    def _check_price(self, proposal: dict) -> float:
        return _price(proposal["value"])

    def bill(self, method: str | None = None, n: int | None = None) -> Bill:
        """What the present text costs, or another one, or by another method."""
        return bill(Model(**self.sizes), method or self.method, n or self.n)

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.2, 4), layout="constrained", facecolor="white")
        ax = figure.subplots()
        lengths = [
            round(LEAST_TOKENS * 2 ** (i / 2)) for i in range(2 * round(math.log2(MOST_TOKENS / LEAST_TOKENS)) + 1)
        ]
        labels: list[tuple[float, str]] = []
        for method, name in METHODS.items():
            values = [getattr(self.bill(method, n), self.view) for n in lengths]
            chosen = method == self.method
            ax.loglog(lengths, values, color=COLORS["weight"] if chosen else QUIET, linewidth=3 if chosen else 1)
            labels.append((values[-1], name))
        for height, names in _together(labels):
            ax.annotate(names, (lengths[-1], height), xytext=(5, -3), textcoords="offset points", fontsize=8)
        ax.plot(self.n, getattr(self.bill(), self.view), "o", color=COLORS["weight"])
        ax.axvline(self.n, color=QUIET, linestyle=":", linewidth=1)
        ax.set(title=f"{self._whose}: {VIEWS[self.view]}", xlabel="tokens, n", xlim=(LEAST_TOKENS, MOST_TOKENS))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        ax.set_ylabel("operations" if self.view == "operations" else "bytes")
        ax.spines[["top", "right"]].set_visible(False)
        return figure

    def describe(self) -> str:
        now, then = self.bill(), self.bill(n=10 * self.n)
        return (
            f"Curves of the {VIEWS[self.view]} against the length, for seven methods. {self._whose} with "
            f"{self.n:,} tokens by the method {METHODS[self.method]}: {now.operations + now.rest:.3g} operations, "
            f"{now.share:.1%} of them for the mixing; {now.memory / GIB:.3g} GiB in a layer; {now.kept / GIB:.3g} GiB "
            f"kept while writing. Ten times longer: {then.operations + then.rest:.3g} operations, {then.share:.1%} for "
            f"the mixing; {then.memory / GIB:.3g} GiB and {then.kept / GIB:.3g} GiB."
        )

    @property
    def _whose(self) -> str:
        return next((name for name, model in ALL_MODELS.items() if asdict(model) == self.sizes), "Your own model")

    def __repr__(self) -> str:
        return f"CostExplorer({self._whose!r}, n={self.n}, method={self.method!r}, view={self.view!r})"


def _together(labels: list[tuple[float, str]]) -> list[tuple[float, str]]:
    """Names of curves that end at nearly the same height, in one label each."""
    groups: list[tuple[float, str]] = []
    for height, name in sorted(labels):
        if groups and height < 3 * groups[-1][0]:
            groups[-1] = (groups[-1][0], f"{groups[-1][1]}, {name[0].lower()}{name[1:]}")
        else:
            groups.append((height, name))
    return groups


def _one_of(name: str, value: Any, names: dict) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} should be one of {', '.join(names)}, got {value!r}")
    if value not in names:
        raise ValueError(f"{name} should be one of {', '.join(names)}, got {value!r}")
    return value


def _length(n: int) -> int:
    check_count("n", n)
    return int(between("n", n, LEAST_TOKENS, MOST_TOKENS))


def _price(price: float) -> float:
    return between("price", price, 0, MOST_DOLLARS)
