"""The same sentence, weights beside measured influence: and any of its words can be taken out to see who was right."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from traitlets import Dict, Int, List, TraitError, Unicode, validate

from attnbook._checks import array
from attnbook.attribution import kendall
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import weight_bars

MOST_TOKENS = 8  # 256 outputs a sentence
_FIELDS = ("name", "tokens", "output", "measures", "outputs")


class InfluenceExplorer(Explorer):
    """Guess which word matters most, set two measures side by side, and take words out.

    Args:
        examples: dicts with `name` (which model, for the list), `tokens` (1 to 8 words), `output` (what the model puts
            out, in words), `measures` (name -> a number for each word, from inside the model or from its output),
            `outputs` (2ⁿ numbers from 0 to 1, as `attribution.knock_outs` gives them).
        left, right: the measures at first. Where a sentence lacks one, its first and its last are shown.
    Raises:
        ValueError: no example, a field is missing or does not fit; says which.
        TypeError: a field has a wrong type.

    >>> example = {"name": "by hand", "tokens": ["not", "cold"], "output": "chance of praise",
    ...            "measures": {"weights": [0.25, 0.75], "leave one out": [1.0, 0.5]}, "outputs": [1.0, 0.0, 0.5, 0.5]}
    >>> explorer = InfluenceExplorer([example])
    >>> explorer.shares("leave one out"), explorer.agreement()
    ([0.6666666666666666, 0.3333333333333333], -1.0)
    """

    examples = List(Dict()).tag(sync=True)
    chosen = Int(0).tag(sync=True)
    left = Unicode("weights").tag(sync=True)
    right = Unicode("leave one out").tag(sync=True)
    gone = Int(0).tag(sync=True)  # bit i: word i is taken out
    guess = Int(-1).tag(sync=True)  # the reader's; −1 before it, and the number of words for none

    name = "influence_explorer"
    caption = "What two measures say about each word of a sentence, and what the model puts out without some of them."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(self, examples: Sequence[dict], left: str = "weights", right: str = "leave one out") -> None:
        super().__init__(examples=_examples(examples), left=left, right=right)

    @validate("examples")
    def _check_examples(self, proposal: dict) -> list[dict]:
        return _examples(proposal["value"])

    @validate("chosen")
    def _check_chosen(self, proposal: dict) -> int:
        if not 0 <= proposal["value"] < len(self.examples):
            raise TraitError(f"chosen should be from 0 to {len(self.examples) - 1}, got {proposal['value']}")
        return proposal["value"]

    @property
    def example(self) -> dict:
        return self.examples[self.chosen]

    def sides(self) -> tuple[str, str]:
        """The names of the two measures that are shown."""
        names = list(self.example["measures"])
        return (self.left if self.left in names else names[0], self.right if self.right in names else names[-1])

    def shares(self, measure: str) -> list[float]:
        """Each word's share of a measure's magnitude; they sum to 1."""
        sizes = np.abs(self.example["measures"][measure])
        return (sizes / max(sizes.sum(), 1e-12)).tolist()

    def agreement(self) -> float:
        """Kendall's τ of the two measures' magnitudes."""
        one, other = (torch.tensor(self.shares(side), dtype=torch.float64) for side in self.sides())
        return kendall(one, other)

    def overlap(self) -> float:
        """How much of the two measures' bars coincides: 1 less their total variation."""
        one, other = (np.array(self.shares(side)) for side in self.sides())
        return float(np.minimum(one, other).sum())

    def output(self) -> float:
        """What the model puts out without the words that are gone."""
        return self.example["outputs"][self.gone % 2 ** len(self.example["tokens"])]

    def draw(self) -> Figure:
        tokens = self.example["tokens"]
        figure = Figure(figsize=(7.2, 1.6 + 0.3 * len(tokens)), layout="constrained", facecolor="white")
        for ax, side in zip(figure.subplots(1, 2), self.sides(), strict=True):
            weight_bars(self.shares(side), tokens, ax)
            ax.set(title=side, xlabel="share of its magnitude")
        figure.suptitle(f"{self.example['output']}: {self.example['outputs'][0]:.2f}", fontsize=11)
        return figure

    def describe(self) -> str:
        rows = [", ".join(f"{token} {share:.2f}" for token, share in zip(self.example["tokens"], self.shares(side),
                                                                         strict=True))
                for side in self.sides()]  # fmt: skip
        return (f"Two bar charts of one sentence. {self.sides()[0]}: {rows[0]}. {self.sides()[1]}: {rows[1]}. "
                f"{self.example['output']}: {self.example['outputs'][0]:.2f}.")  # fmt: skip

    def __repr__(self) -> str:
        left, right = self.sides()
        return f"InfluenceExplorer({len(self.examples)} sentences, {left!r} beside {right!r})"


def _examples(examples: Sequence[dict]) -> list[dict]:
    if not isinstance(examples, (list, tuple)):
        raise TypeError(f"examples should be a list of dicts, got {type(examples).__name__}")
    if not examples:
        raise ValueError("examples should hold at least one sentence, got none")
    return [_example(f"examples[{i}]", example) for i, example in enumerate(examples)]


def _example(name: str, example: dict) -> dict:
    if not isinstance(example, dict):
        raise TypeError(f"{name} should be a dict with {', '.join(_FIELDS)}, got {type(example).__name__}")
    if set(example) != set(_FIELDS):
        raise ValueError(f"{name} should have the fields {', '.join(_FIELDS)}, got {', '.join(map(str, example))}")
    tokens, measures = example["tokens"], example["measures"]
    if not isinstance(tokens, (list, tuple)) or not all(isinstance(token, str) for token in tokens):
        raise TypeError(f"{name}: tokens should be a list of strings, got {tokens!r}")
    if not 1 < len(tokens) <= MOST_TOKENS:
        raise ValueError(f"{name}: tokens should be 2 to {MOST_TOKENS}, since all choices are kept, got {len(tokens)}")
    if not isinstance(measures, dict) or len(measures) < 2:
        raise ValueError(f"{name}: measures should be a dict of two or more, got {measures!r}")
    outputs = array(f"{name}: outputs", example["outputs"], (2 ** len(tokens),))
    if not ((outputs >= -1) & (outputs <= 1 + 1e-6)).all():
        raise ValueError(f"{name}: outputs should lie between -1 and 1, got {outputs.min():g} to {outputs.max():g}")
    rows = {key: array(f"{name}: {key}", row, (len(tokens),)) for key, row in measures.items()}
    # Shares of a magnitude: six digits of the largest are enough. Outputs need four decimals.
    rows = {key: (row / max(abs(row).max(), 1e-12)).round(6).tolist() for key, row in rows.items()}
    return {**example, "tokens": list(tokens), "measures": rows, "outputs": outputs.round(4).tolist()}
