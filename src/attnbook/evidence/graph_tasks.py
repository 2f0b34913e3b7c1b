"""The three tasks of chapter 14: look-up tables, the karate club, and digits among neighbours and strangers."""

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from attnbook.data.digits import digits
from attnbook.data.graphs import (
    draw_look_ups,
    homophily,
    karate_club,
    look_up_edges,
    nearest_neighbours,
    with_strangers,
)
from attnbook.evidence.graph_models import NodeClassifier, accuracy, make_layer, spread_labels, train_nodes
from attnbook.graph import with_self_loops
from attnbook.training import count_parameters, fit

KEYS = 8  # of a look-up table
LOOK_UP_STEPS, LOOK_UP_RATE = 1000, 0.01

NEIGHBOURS = 5  # of each digit
LABELLED = 10  # digits of each class whose labels a model may learn from
VALIDATION = 500  # others, by which the learning rate was chosen; all that are left are for the test
KARATE_RATE = 0.01


# Look-up tables


class LookUp(nn.Module):
    """One layer of attention and one matrix behind it: what a query reads is all that its answer can rest on.

    >>> nodes, wanted = draw_look_ups(torch.Generator().manual_seed(0), size=3, keys=5)
    >>> LookUp("GAT", keys=5, num_heads=1)(nodes)[0].shape
    torch.Size([3, 5, 5])
    """

    def __init__(self, kind: str, keys: int = KEYS, num_heads: int = 1) -> None:
        super().__init__()
        self.layer = make_layer(kind, 2 * keys, 4 * keys, num_heads)
        self.predict = nn.Linear(4 * keys, keys)
        self.keys = keys

    def forward(self, nodes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (b, keys, keys) of the queries' answers, and the weights (b, num_heads, keys²), edge by edge."""
        edges = look_up_edges(self.keys).to(nodes.device)
        taken, weights = self.layer(nodes, edges)
        return self.predict(taken[..., : self.keys, :]), weights


def train_look_ups(kind: str, num_heads: int = 1, seed: int = 0, keys: int = KEYS) -> LookUp:
    """Train one model on look-up tables, new ones at every step."""
    torch.manual_seed(seed)
    model = LookUp(kind, keys, num_heads)

    def loss(model: nn.Module, batch: tuple[Tensor, ...]) -> Tensor:
        nodes, wanted = batch
        return cross_entropy(model(nodes)[0].flatten(0, 1), wanted.flatten())

    fit(
        model,
        loss,
        lambda generator: draw_look_ups(generator, 64, keys),
        LOOK_UP_STEPS,
        lr=LOOK_UP_RATE,
        seed=seed,
        device="cpu",
    )
    return model


def look_up_facts(model: LookUp) -> dict[str, float]:
    """On 200 tables that nobody has seen: the share of right answers, and how many keys come first for some query.

    Returns:
        right: of all answers.
        first: how many different keys have the largest weight of head 1 for some query, averaged over tables.
    """
    nodes, wanted = draw_look_ups(torch.Generator().manual_seed(1_000), 200, model.keys)
    with torch.no_grad():
        logits, weights = model(nodes)
    right = (logits.argmax(dim=-1) == wanted).double().mean().item()
    winners = weights[:, 0].unflatten(-1, (model.keys, model.keys)).argmax(dim=-1)  # (b, keys): of each query
    return {"right": right, "first": sum(len(row.unique()) for row in winners) / len(winners)}


# The karate club


def run_karate(kind: str, seed: int, depth: int = 2) -> dict[str, Any]:
    """Two members of the club are known, the teacher and the president. Whom do the others follow?"""
    friendships, factions = karate_club()
    edges, known = with_self_loops(friendships, 34), torch.tensor([0, 33])
    torch.manual_seed(seed)
    model = NodeClassifier(kind, d_in=34, classes=2, depth=depth)
    train_nodes(model, torch.eye(34), edges, factions, known, KARATE_RATE, seed)
    with torch.no_grad():
        logits, weights = model(torch.eye(34), edges)
    others = torch.arange(1, 33)
    row = {"right": accuracy(logits, factions, others), "evenness": evenness(weights, edges, 34)}
    spread = spread_labels(friendships, factions, known, classes=2)
    return row | {"spread": accuracy(spread, factions, others)}


def evenness(weights: Tensor | None, edges: Tensor, num_nodes: int) -> float | None:
    """How even are attention weights (h, n_edges)? Their entropy over its largest value, averaged over nodes and heads.

    1 where all edges that lead to a node have the same weight, 0 where one has all of it. None for fixed weights.

    >>> edges = torch.tensor([[0, 1, 2, 0, 1, 2], [0, 0, 0, 1, 1, 1]])
    >>> round(evenness(torch.tensor([[1.0, 1.0, 1.0, 3.0, 0.0, 0.0]]) / 3, edges, 3), 2)
    0.5
    """
    if weights is None or weights.dim() < 2:
        return None
    degree = torch.zeros(num_nodes).index_add(0, edges[1], torch.ones(edges.shape[1]))
    entropy = torch.zeros(len(weights), num_nodes).index_add(1, edges[1], -torch.xlogy(weights, weights))
    several = degree > 1
    return (entropy[:, several] / degree[several].log()).mean().item()


# Handwritten digits and their neighbours


class DigitGraph:
    """The digits as nodes: who sees whom, and whose labels are known.

    Args:
        strangers: how many random nodes each node sees besides its nearest neighbours.
        seed: of the strangers, and of who is known.
        neighbours: how many nearest ones.

    >>> graph = DigitGraph(strangers=3, seed=0)
    >>> graph.x.shape, len(graph.known), graph.edges.shape  # 5 neighbours, 3 strangers and itself
    (torch.Size([1797, 64]), 100, torch.Size([2, 16173]))
    """

    def __init__(self, strangers: int, seed: int, neighbours: int = NEIGHBOURS) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.x, self.labels, near = _digits_and_neighbours(neighbours)
        n = len(self.x)
        order = torch.randperm(n, generator=generator)
        sorted_labels = self.labels[order]
        place = torch.stack([(sorted_labels == label).cumsum(0) for label in range(10)])  # among those of its class
        first = place[sorted_labels, torch.arange(n)] <= LABELLED
        self.known, others = order[first], order[~first]
        self.validation, self.test = others[:VALIDATION], others[VALIDATION:]
        self.others = with_strangers(near, n, strangers, generator)  # without the edge to itself
        self.edges = with_self_loops(self.others, n)
        self.homophily = homophily(self.others, self.labels)


@lru_cache(maxsize=4)
def _digits_and_neighbours(neighbours: int) -> tuple[Tensor, Tensor, Tensor]:
    images, labels = digits()
    x = images.flatten(1).float()
    return x, labels, nearest_neighbours(x, neighbours)


def same_class(weights: Tensor, graph: DigitGraph) -> float:
    """How much of the weight on others goes to one's own class, as a multiple of what even weights would give.

    The weights are those of the edges, (h, n_edges), those to itself last.
    """
    weights = weights[..., : graph.others.shape[1]]
    same = graph.labels[graph.others[0]] == graph.labels[graph.others[1]]
    return ((weights * same).sum() / weights.sum()).item() / graph.homophily


def run_digits(
    kind: str, strangers: int, seed: int, lr: float, depth: int = 1, skip: bool = False
) -> tuple[NodeClassifier, dict[str, Any]]:
    """Train one classifier of digits from scratch and measure it: the model, and its row of the results file."""
    graph = DigitGraph(strangers, seed)
    torch.manual_seed(seed)
    model = NodeClassifier(kind, d_in=64, classes=10, depth=depth, skip=skip)
    row: dict[str, Any] = {"homophily": graph.homophily, "parameters": count_parameters(model)}
    row["loss"] = train_nodes(model, graph.x, graph.edges, graph.labels, graph.known, lr, seed)[-1]
    with torch.no_grad():
        logits, weights = model(graph.x, graph.edges)
        vectors = nn.functional.normalize(model.vectors(graph.x, graph.edges)[0], dim=-1)
    row["validation"] = accuracy(logits, graph.labels, graph.validation)
    row["right"] = accuracy(logits, graph.labels, graph.test)
    row["alike"] = vectors.mean(dim=0).square().sum().item()  # the mean cosine between two nodes' vectors
    if weights is not None and weights.dim() == 2:
        row["same_class"] = same_class(weights, graph)
        row["evenness"] = evenness(weights, graph.edges, len(graph.x))
    return model, row


def propagate_digits(strangers: int, seed: int) -> dict[str, float]:
    """What label propagation makes of the same graph, without a look at a single picture."""
    graph = DigitGraph(strangers, seed)
    shares = spread_labels(graph.others, graph.labels, graph.known, classes=10)
    return {"homophily": graph.homophily, "right": accuracy(shares, graph.labels, graph.test)}
