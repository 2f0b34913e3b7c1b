"""Neighbours: weights of edges, a graph convolution and homophily by hand, and GAT's weights with a mask."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from attnbook.attention import attend
from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.graph import adjacency_mask

# ruff: noqa: N803, N806 (W is named as in the formula)

# --- By hand: sources 1 2 0 2 0, targets 0 0 1 1 2, powers of the scores 1, 3, 6, 2, 5 --------------------------------

EDGE_WEIGHTS = by_hand(
    "edge_weights",
    (1 / 4, 3 / 4, 3 / 4, 1 / 4, 1),
    ("These sum to 1 over the edges that *leave* a node. Take those that lead to it.",
     (1, 3 / 5, 6 / 11, 2 / 5, 5 / 11)),
    ("These sum to 1 over all edges. Each target has a softmax of its own.", (1 / 17, 3 / 17, 6 / 17, 2 / 17, 5 / 17)),
    ("These are the powers of e. Divide each by the sum of those with the same target.", (1, 3, 6, 2, 5)),
    ("Each node attends evenly here: the scores are still to come in.", (1 / 2, 1 / 2, 1 / 2, 1 / 2, 1)),
    ("Each target has all its weight on the largest score: a softmax leaves something to the others.", (0, 1, 1, 0, 1)),
    ("Within each target the weights are turned around: which score is larger?", (3 / 4, 1 / 4, 1 / 4, 3 / 4, 1)),
    ("A single edge has all the weight there is, whatever its score.", (1 / 4, 3 / 4, 3 / 4, 1 / 4, 5 / 17)),
)  # fmt: skip

# A and C get an edge from each of A, B, C, D, and B and D from themselves alone: degrees 4, 1, 4, 1. x = 8, 2, 4, 6.
CONVOLVED = by_hand(
    "convolved",
    8 / 4 + 2 / 2 + 4 / 4 + 6 / 2,
    ("This is the plain mean: the sources' degrees count too.", 5),
    ("This is the sum: the degrees are still to come in.", 20),
    ("Divided by the product of the degrees; its square root is meant.", 8 / 16 + 2 / 4 + 4 / 16 + 6 / 4),
    ("Divided by the root of the target's degree alone: the sources' degrees count too.", 20 / 2),
    ("Divided by the root of each source's degree alone: the target's degree counts too.", 8 / 2 + 2 + 4 / 2 + 6),
    ("Each is divided by its source's degree. Both degrees count, under one root.", 8 / 4 + 2 + 4 / 4 + 6),
    ("A's edge to itself is missing.", 2 / 2 + 4 / 4 + 6 / 2),
    ("Degrees are counted by edges that lead *to* a node. Here those that leave it were counted: 2, 3, 2, 3.",
     8 / 2 + 2 / 6**0.5 + 4 / 2 + 6 / 6**0.5),
    ("The edges to oneself were not counted in the degrees of A and C.", 8 / 3 + 2 / 3**0.5 + 4 / 3 + 6 / 3**0.5),
)  # fmt: skip

# Without edges to oneself: B A, C A, D A, A C, B C, D C; A and C are of one class, B and D of the other.
HOMOPHILY = by_hand(
    "homophily",
    2 / 6,
    ("Edges from a node to itself are counted. They always join two of one class, and say nothing.", 6 / 10),
    ("These are the edges that join two classes.", 4 / 6),
    ("These are the edges, counted. Which share of all are they?", 2),
    ("A ↔ C is two edges, one each way. One of them was left out.", 1 / 5),
    ("Either one of the two edges between A and C was not counted, or the two were divided by the number of pairs of "
     "nodes, and not by that of the edges.", 2 / 12),
    ("The right edges are divided by all ten edges; leave those to oneself out of both counts.", 2 / 10),
    ("The right edges are divided by the other ones, and not by all.", 2 / 4),
)  # fmt: skip


def check_edge_weights(answer: Any) -> None:
    """Check the weights of five edges that were worked out by hand.

    >>> check_edge_weights((1, 3, 6, 2, 5))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: edge_weights: These are the powers of e. Divide each by the sum of those with ...
    """
    check_numbers(EDGE_WEIGHTS, answer)


def check_convolved(answer: Any) -> None:
    """Check the output of a graph convolution that was worked out by hand.

    >>> check_convolved(5)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: convolved: This is the plain mean: the sources' degrees count too.
    """
    check_numbers(CONVOLVED, answer)


def check_homophily(answer: Any) -> None:
    """Check the homophily of a graph of four nodes.

    >>> check_homophily(4 / 6)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: homophily: These are the edges that join two classes.
    """
    check_numbers(HOMOPHILY, answer)


# --- GAT's weights, as a matrix --------------------------------------------------------------------------------------


def _mask(edges: Tensor, n: int) -> Tensor:
    """Who may attend to whom, each node to itself too."""
    return adjacency_mask(edges, n) | torch.eye(n, dtype=torch.bool, device=edges.device)


def _bent(sums: Tensor) -> Tensor:
    return leaky_relu(sums, 0.2)


def _softmax(scores: Tensor, mask: Tensor) -> Tensor:
    return attend(scores, scores.new_zeros(len(scores), 1), mask)[1]


Answer = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


def _other(
    mask: Callable[[Tensor, int], Tensor] = _mask,
    bend: Callable[[Tensor], Tensor] = _bent,
    weigh: Callable[[Tensor, Tensor], Tensor] = _softmax,
) -> Answer:
    """GAT's weights with another mask, another bend, or other weights of the scores."""

    def answer(x: Tensor, edges: Tensor, W: Tensor, a_q: Tensor, a_k: Tensor) -> Tensor:
        mapped = x @ W.mT
        sums = (mapped @ a_q)[:, None] + (mapped @ a_k)[None]
        return weigh(bend(sums), mask(edges, len(x)))

    return answer


_gat_weights = _other()


def _outside(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.softmax(dim=-1) * mask


def _zero_scores(scores: Tensor, mask: Tensor) -> Tensor:
    return (scores * mask).softmax(dim=-1)


def _over_targets(scores: Tensor, mask: Tensor) -> Tensor:
    return _softmax(scores.mT, mask.mT).mT


def _counted(scores: Tensor, counts: Tensor) -> Tensor:
    """An edge that stands twice counts twice."""
    powers = scores.exp() * counts
    return powers / powers.sum(dim=-1, keepdim=True)


def _counts(edges: Tensor, n: int) -> Tensor:
    counts = torch.zeros(n, n, dtype=torch.float64, device=edges.device)
    counts.index_put_((edges[1], edges[0]), torch.ones_like(edges[0], dtype=torch.float64), accumulate=True)
    return counts + torch.eye(n, device=edges.device)


def _bent_first(x: Tensor, edges: Tensor, W: Tensor, a_q: Tensor, a_k: Tensor) -> Tensor:
    mapped = x @ W.mT
    hidden = leaky_relu(mapped[:, None] + mapped[None], 0.2)
    return _softmax(hidden @ (a_q + a_k), _mask(edges, len(x)))


def _each_bent(x: Tensor, edges: Tensor, W: Tensor, a_q: Tensor, a_k: Tensor) -> Tensor:
    mapped = x @ W.mT
    scores = _bent(mapped @ a_q)[:, None] + _bent(mapped @ a_k)[None]
    return _softmax(scores, _mask(edges, len(x)))


def _edges(draw: Draw, n: int, m: int) -> Tensor:
    """m different edges between different nodes of n, few of them with a way back; none leads to node 0."""
    pairs = [(s, t) for s in range(n) for t in range(1, n) if s != t]
    chosen = draw.normal(len(pairs)).argsort()[:m].tolist()
    return torch.tensor([pairs[i] for i in chosen]).T


def _cases(draw: Draw) -> list[Case]:
    n, d, d_in = draw.sizes(3, least=3)
    n += 4

    def inputs(edges: Tensor) -> tuple[Tensor, ...]:
        x, W = draw.normal(n, d_in), draw.normal(d, d_in) / d_in**0.5
        return x, edges, W, *draw.normal(2, d)

    edges = _edges(draw, n, 3 * n)
    looped = torch.cat([edges, torch.tensor([[1, 2], [1, 2]])], dim=1)
    last = edges[:, (edges < n - 2).all(dim=0)]
    return [
        Case("", inputs(edges)),
        Case("with edges to oneself in the list", inputs(looped), "The list may hold edges to oneself already."),
        Case("with an edge that stands twice", inputs(torch.cat([edges, edges[:, :2]], dim=1)),
             "A mask does not count: an edge that stands twice is one."),
        Case("with two nodes that no edge names", inputs(last), "How many nodes there are, x says."),
        Case("with large scores", (300 * draw.normal(n, d_in), *inputs(edges)[1:]),
             "Scores may be large: does a softmax by hand overflow?"),
    ]  # fmt: skip


GAT_WEIGHTS = Task(
    "gat_weights",
    _gat_weights,
    _cases,
    (
        Mistake("The edges are turned around. The target attends to the source: a row of the mask belongs to a target.",
                _other(mask=lambda edges, n: _mask(edges, n).mT)),
        Mistake("Every edge is taken both ways. Only the target attends to the source.",
                _other(mask=lambda edges, n: _mask(edges, n) | _mask(edges, n).mT)),
        Mistake("A node does not see itself: its own edge is missing.", _other(mask=adjacency_mask)),
        Mistake("A node does not see itself, and the edges are turned around.",
                _other(mask=lambda edges, n: adjacency_mask(edges, n).mT)),
        Mistake("The mask is turned around: nodes see those to which no edge leads.",
                _other(mask=lambda edges, n: ~_mask(edges, n))),
        Mistake("There is no mask: every node sees every other.",
                _other(mask=lambda edges, n: torch.ones_like(_mask(edges, n)))),
        Mistake("The softmax runs over all nodes and is masked afterwards, so that rows no longer sum to 1.",
                _other(weigh=_outside)),
        Mistake("Hidden scores were set to 0, and e⁰ is 1: they still take part. Which score has the power 0?",
                _other(weigh=_zero_scores)),
        Mistake("The softmax runs over the targets, down the columns: each row should sum to 1.",
                _other(weigh=_over_targets)),
        Mistake("An edge that stands twice in the list counts twice.", _other(_counts, weigh=_counted)),
        Mistake("a_q and a_k have changed places: a_q belongs to the target, which asks.",
                lambda x, edges, W, a_q, a_k: _gat_weights(x, edges, W, a_k, a_q)),
        Mistake("LeakyReLU is missing.", _other(bend=lambda x: x)),
        Mistake("This is ReLU: below zero 0.2 of a sum should be left.", _other(bend=torch.relu)),
        Mistake("LeakyReLU has torch's own slope of 0.01; the task has 0.2.", _other(bend=leaky_relu)),
        Mistake("The bend comes before the dot product: that is GATv2's order.", _bent_first),
        Mistake("The two numbers are bent one by one. GAT bends their sum.", _each_bent),
        Mistake("The target's number is missing from the score.",
                lambda x, edges, W, a_q, a_k: _gat_weights(x, edges, W, 0 * a_q, a_k)),
        Mistake("The source's number is missing from the score.",
                lambda x, edges, W, a_q, a_k: _gat_weights(x, edges, W, a_q, 0 * a_k)),
        Mistake("The scores are divided by √d, which GAT does not do.",
                lambda x, edges, W, a_q, a_k: _gat_weights(x, edges, W / len(W) ** 0.5, a_q, a_k)),
    ),
    returns=("weights",),
)  # fmt: skip


def check_gat_weights(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check GAT's weights under a mask: gat_weights(x, edges, W, a_q, a_k), weights (n, n).

    >>> check_gat_weights(_each_bent)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: gat_weights: The two numbers are bent one by one. GAT bends their sum....
    """
    GAT_WEIGHTS.check(answer, seed)
