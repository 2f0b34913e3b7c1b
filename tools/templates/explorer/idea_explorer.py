"""TO WRITE: the idea of this explorer in one line. (Here: two keys share the weight.)"""

from matplotlib.figure import Figure
from torch import float64, tensor
from traitlets import Float, validate

from attnbook._checks import between
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import weight_bars

LEAST, MOST = -4.0, 4.0  # the ends of the slider
KEYS = ["this key", "that key"]


class IdeaExplorer(Explorer):
    """TO WRITE: what readers move, and what they see. (Here: one key's score rises above the other's.)

        weights = softmax(difference, 0)

    Args:
        difference: by how much the first score lies above the second, from -4 to 4.
    Raises:
        ValueError: it lies outside that range.
        TypeError: it is not a number.

    >>> IdeaExplorer(difference=0).weights()
    [0.5, 0.5]
    """

    difference = Float().tag(sync=True)

    name = "idea_explorer"
    caption = "TO WRITE: what this picture shows, in one sentence."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(self, difference: float = 1.0) -> None:
        super().__init__(difference=_difference(difference))

    @validate("difference")
    def _check_difference(self, proposal: dict) -> float:
        return _difference(proposal["value"])

    def weights(self) -> list[float]:
        """The two keys' weights."""
        return tensor([self.difference, 0.0], dtype=float64).softmax(dim=0).tolist()

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.2, 2.2), layout="constrained", facecolor="white")
        ax = weight_bars(self.weights(), KEYS, figure.subplots())
        ax.set_title(f"Weights of two keys whose scores differ by {self.difference:g}")
        return figure

    def describe(self) -> str:
        parts = [f"{key} {weight:.2f}" for key, weight in zip(KEYS, self.weights(), strict=True)]
        return f"Bars of the weights of two keys whose scores differ by {self.difference:g}: {', '.join(parts)}."

    def __repr__(self) -> str:
        return f"IdeaExplorer(difference={self.difference:g})"


def _difference(difference: float) -> float:
    return between("difference", difference, LEAST, MOST)
