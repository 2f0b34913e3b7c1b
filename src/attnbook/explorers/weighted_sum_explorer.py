"""The weighted sum: four scores become weights, and the weights average four values into one context vector."""

import math

import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from traitlets import Float, List, Unicode, validate

from attnbook._checks import array, between
from attnbook.attention import attend
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import weight_bars, weighted_sum

SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE = 0.1, 10.0  # the ends of the slider
SCORES = tuple(math.log(weight) for weight in (0.1, 0.3, 0.5, 0.1))


class WeightedSumExplorer(Explorer):
    """Move four scores and a temperature; see the weights, and the context as a sum of arrows.

        weights = softmax(scores / temperature)        context = Σ weights_i · values_i

    Args:
        scores: four numbers; by default those whose weights are 0.1, 0.3, 0.5 and 0.1.
        values: four vectors in the plane, (4, 2).
        temperature: from 0.1 to 10.
        labels: four names of the values.
    Raises:
        ValueError: a wrong shape, a number that is not finite, or a temperature outside its range.
        TypeError: something that is not numbers, or labels that are not strings.

    >>> explorer = WeightedSumExplorer(scores=(0, 0, 0, 0), values=((4, 0), (0, 4), (0, 0), (0, 0)))
    >>> explorer.weights_and_context()
    ([0.25, 0.25, 0.25, 0.25], [1.0, 1.0])
    """

    scores = List(Float()).tag(sync=True)
    values = List(List(Float())).tag(sync=True)
    temperature = Float().tag(sync=True)
    labels = List(Unicode()).tag(sync=True)

    name = "weighted_sum_explorer"
    caption = "Scores become weights, and the weights average four values into one context vector."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self,
        scores: ArrayLike = SCORES,
        values: ArrayLike = ((3, -1), (3, 2), (0, 3), (-2, 1)),
        temperature: float = 1.0,
        labels: tuple[str, ...] = ("v₁", "v₂", "v₃", "v₄"),
    ) -> None:
        super().__init__(
            scores=_finite("scores", scores, (4,)),
            values=_finite("values", values, (4, 2)),
            temperature=_temperature(temperature),
            labels=_labels(labels),
        )

    # The traits may be set later too, from a cell or by the reader's hand.
    @validate("scores")
    def _check_scores(self, proposal: dict) -> list[float]:
        return _finite("scores", proposal["value"], (4,))

    @validate("values")
    def _check_values(self, proposal: dict) -> list[list[float]]:
        return _finite("values", proposal["value"], (4, 2))

    @validate("temperature")
    def _check_temperature(self, proposal: dict) -> float:
        return _temperature(proposal["value"])

    @validate("labels")
    def _check_labels(self, proposal: dict) -> list[str]:
        return _labels(proposal["value"])

    def weights_and_context(self) -> tuple[list[float], list[float]]:
        """The four weights, and the context's two coordinates."""
        scores = torch.tensor([self.scores], dtype=torch.float64) / self.temperature
        context, weights = attend(scores, torch.tensor(self.values, dtype=torch.float64))
        return weights[0].tolist(), context[0].tolist()

    def draw(self) -> Figure:
        weights, _ = self.weights_and_context()
        figure = Figure(figsize=(7.2, 3.9), layout="constrained", facecolor="white")
        left, right = figure.subplots(1, 2, width_ratios=[1, 1.7])
        weight_bars(weights, self.labels, ax=left).set_title("weight = softmax(score)")
        weighted_sum(weights, self.values, self.labels, ax=right)
        return figure

    def describe(self) -> str:
        weights, (x, y) = self.weights_and_context()
        parts = ", ".join(f"{label} {weight:.2f}" for label, weight in zip(self.labels, weights, strict=True))
        return (
            f"Left, bars of four weights: {parts}. Right, four value vectors, each scaled by its weight and laid head "
            f"to tail, reach the context vector ({x:.2f}, {y:.2f})."
        )

    def __repr__(self) -> str:
        scores = ", ".join(f"{score:.4g}" for score in self.scores)
        return f"WeightedSumExplorer(scores=({scores}), temperature={self.temperature:g})"


def _finite(name: str, x: ArrayLike, shape: tuple[int, ...]) -> list:
    numbers = array(name, x, shape).tolist()
    if not all(map(math.isfinite, array(name, x, shape).flat)):
        raise ValueError(f"{name} should be finite numbers, got {numbers}")
    return numbers


def _temperature(x: float) -> float:
    return between("temperature", x, SMALLEST_TEMPERATURE, LARGEST_TEMPERATURE)


def _labels(labels: tuple[str, ...]) -> list[str]:
    if isinstance(labels, str) or not all(isinstance(label, str) for label in labels):
        raise TypeError(f"labels should be four strings, got {labels!r}")
    if len(labels) != 4:
        raise ValueError(f"labels should name each of the four values, got {len(labels)}: {list(labels)}")
    return list(labels)
