"""The graph explorer: choose a node, see whom it looks at, and cut or draw edges while the layer computes anew."""

import json
from typing import Any

import torch
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from torch import Tensor
from traitlets import Dict, Int, List, Unicode, validate

from attnbook.evidence.graph import EXPLORED
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.explorers.graph_pieces import pieces, run_stored
from attnbook.plots import COLORS, INK, QUIET

EVERY_HEAD = 0  # the number that stands for the mean of all heads


class GraphExplorer(Explorer):
    """See a node's weights on its neighbours under three trained layers, on a look-up table and among digits.

    Args:
        graph: "look-up" or "digits".
        layer: "GCN", "GAT" or "GATv2".
        node: the node that looks.
        head: counted from 1, or 0 for the mean of all heads.
    Raises:
        ValueError: there is no such graph, layer, node or head.

    >>> explorer = GraphExplorer("look-up", layer="GATv2", node=0)
    >>> [round(weight, 1) for weight in explorer.weights()[0].tolist()]  # of query A on the keys A to F
    [0.9, 0.0, 0.0, 0.0, 0.0, 0.0]
    """

    graphs = Dict().tag(sync=True)
    graph = Unicode().tag(sync=True)
    layer = Unicode().tag(sync=True)
    node = Int(0).tag(sync=True)
    head = Int(EVERY_HEAD).tag(sync=True)
    edges = List(List(Int())).tag(sync=True)

    name = "graph_explorer"
    caption = "A node and those it looks at: the thicker a line, the larger the weight. Edges can be cut and drawn."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(self, graph: str = "digits", layer: str = "GATv2", node: int = 0, head: int = EVERY_HEAD) -> None:
        graphs = pieces()
        _one_of("graph", graph, tuple(graphs))
        _one_of("layer", layer, EXPLORED)
        super().__init__(graphs=graphs, graph=graph, layer=layer, node=node, head=head, edges=graphs[graph]["edges"])

    # The traits may be set later too, from a cell or by the reader's hand.
    @validate("graph")
    def _check_graph(self, proposal: dict) -> str:
        return _one_of("graph", proposal["value"], tuple(self.graphs))

    @validate("layer")
    def _check_layer(self, proposal: dict) -> str:
        return _one_of("layer", proposal["value"], EXPLORED)

    @validate("node", "head")
    def _check_number(self, proposal: dict) -> int:
        trait, value = proposal["trait"].name, proposal["value"]
        most = len(self.piece["labels"]) - 1 if trait == "node" else self.piece["layers"][self.layer]["heads"]
        if not 0 <= value <= most:
            raise ValueError(f"{trait} should be from 0 to {most}, got {value}")
        return value

    @property
    def piece(self) -> dict[str, Any]:
        """The graph that is shown, as it was before any edge was cut or drawn."""
        return self.graphs[self.graph]

    def run(self) -> tuple[Tensor, Tensor, Tensor]:
        """All edges (2, n_edges), weights (h, n_edges) and logits (n, classes) of the present state."""
        return run_stored(self.piece, self.layer, self.edges)

    def weights(self) -> Tensor:
        """The weights of the chosen node on its neighbours, (h, neighbours), in the order of the edges."""
        edges, weights, _ = self.run()
        return weights[:, edges[1] == self.node]

    def looks(self) -> list[tuple[int, float]]:
        """The chosen node's neighbours and its weights on them in the chosen head, the largest first."""
        edges, weights, _ = self.run()
        seen = edges[1] == self.node
        shown = weights[:, seen].mean(dim=0) if self.head == EVERY_HEAD else weights[self.head - 1, seen]
        pairs = zip(edges[0, seen].tolist(), shown.tolist(), strict=True)
        return sorted(pairs, key=lambda pair: -pair[1])

    def right(self) -> tuple[int, int]:
        """How many of the nodes that ask something are answered right, and how many ask."""
        truth = torch.tensor(self.piece["truth"])
        asks = truth >= 0
        answers = self.run()[2].argmax(dim=1)
        return int((answers[asks] == truth[asks]).sum()), int(asks.sum())

    def draw(self) -> Figure:
        places, labels = self.piece["places"], self.piece["labels"]
        figure = Figure(figsize=(6.4, 4.6), layout="constrained", facecolor="white")
        ax = figure.subplots()
        for source, weight in self.looks():
            if source != self.node:
                look: dict[str, Any] = {"color": COLORS["weight"], "linewidth": 1 + 6 * weight}
                look |= {"alpha": 0.25 + 0.75 * min(1, weight), "connectionstyle": "arc3,rad=0.2"}
                arrow = FancyArrowPatch(places[source], places[self.node], arrowstyle="-", **look)
                ax.add_patch(arrow)
        for i, (place, label) in enumerate(zip(places, labels, strict=True)):
            chosen = {"boxstyle": "round", "facecolor": "white", "edgecolor": INK if i == self.node else QUIET,
                      "linewidth": 2.5 if i == self.node else 0.6}  # fmt: skip
            ax.text(place[0], place[1], label, ha="center", va="center", color=INK, bbox=chosen)
        right, asked = self.right()
        ax.set(title=f"{self.layer}: {right} of {asked} right", xlim=(-0.6, 5.6), ylim=(4.6, -0.6))
        ax.set_axis_off()
        return figure

    def describe(self) -> str:
        labels = self.piece["labels"]
        looks = ", ".join(
            f"{'itself' if source == self.node else labels[source]} {weight:.2f}" for source, weight in self.looks()
        )
        right, asked = self.right()
        return (
            f"The graph {self.graph} under {self.layer}, {right} of {asked} nodes right. The chosen node, "
            f"{labels[self.node]}, looks at: {looks}."
        )

    def __repr__(self) -> str:
        return f"GraphExplorer({json.dumps(self.graph)}, {self.layer}, node {self.node}, head {self.head})"


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{name} should be one of {', '.join(map(repr, known))}, got {value!r}")
    return value
