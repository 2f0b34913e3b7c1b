"""Edge lists: a graph says who may attend to whom, and attention touches those pairs alone.

A graph of n nodes is an edge list, int64 (2, n_edges): column e says that node edges[1, e], the target, attends to
node edges[0, e], the source. As a mask for plain attention it would be a matrix n x n in which nearly every entry is
False. The functions here touch the edges alone, and give what `attend` gives under that mask.
"""

import math

import torch
from torch import Tensor

from attnbook._checks import check_alike, check_vectors, shape


def check_edges(edges: Tensor, num_nodes: int) -> None:
    """Raise unless edges is an edge list of a graph of so many nodes.

    >>> check_edges(torch.tensor([[0, 1], [1, 2]]), num_nodes=2)
    Traceback (most recent call last):
    ValueError: edges should join nodes from 0 to 1, got nodes from 0 to 2
    """
    if not isinstance(edges, Tensor):
        raise TypeError(f"edges should be a torch tensor, got {type(edges).__name__}")
    if edges.dtype != torch.int64:
        raise TypeError(f"edges should hold numbers of nodes (torch.int64), got {edges.dtype}")
    if edges.dim() != 2 or len(edges) != 2:
        raise ValueError(f"edges should have shape (2, n_edges), sources above targets, got {shape(edges)}")
    # As with tokens: a GPU would have to wait for this question.
    if edges.device.type == "cpu" and not torch.compiler.is_compiling() and edges.numel():
        low, high = edges.min().item(), edges.max().item()
        if low < 0 or high >= num_nodes:
            raise ValueError(f"edges should join nodes from 0 to {num_nodes - 1}, got nodes from {low} to {high}")


def adjacency_mask(edges: Tensor, num_nodes: int) -> Tensor:
    """The mask that says the same as an edge list: row i is True at the nodes that node i attends to.

    Args:
        edges: (2, n_edges), sources above targets.
        num_nodes: n.
    Returns:
        bool, (n, n). An edge that stands twice in the list is one entry here.
    Raises:
        ValueError, TypeError: edges is no edge list of such a graph.

    >>> adjacency_mask(torch.tensor([[1, 2], [0, 0]]), 3)
    tensor([[False,  True,  True],
            [False, False, False],
            [False, False, False]])
    """
    check_edges(edges, num_nodes)
    mask = torch.zeros(num_nodes, num_nodes, dtype=torch.bool, device=edges.device)
    mask[edges[1], edges[0]] = True
    return mask


def with_self_loops(edges: Tensor, num_nodes: int) -> Tensor:
    """The edges, and one from each node to itself behind them, so that a node can attend to what it is itself.

    Raises:
        ValueError, TypeError: edges is no edge list of such a graph, or a node has an edge to itself already.

    >>> with_self_loops(torch.tensor([[1, 2], [0, 0]]), 3)
    tensor([[1, 2, 0, 1, 2],
            [0, 0, 0, 1, 2]])
    """
    check_edges(edges, num_nodes)
    if edges.device.type == "cpu" and (edges[0] == edges[1]).any():
        raise ValueError("edges should hold no edge from a node to itself, since each node gets one here")
    nodes = torch.arange(num_nodes, device=edges.device)
    return torch.cat([edges, nodes.expand(2, -1)], dim=1)


def edge_softmax(scores: Tensor, edges: Tensor, num_nodes: int) -> Tensor:
    """Turn the scores of edges into weights: for each target, a softmax over the edges that lead to it.

    Args:
        scores: (..., n_edges).
        edges: (2, n_edges), sources above targets.
        num_nodes: n.
    Returns:
        weights, (..., n_edges); those with one target sum to 1.
    Raises:
        ValueError: there is not one score for each edge.
        ValueError, TypeError: edges is no edge list of such a graph.
    Cost: O(n_edges + n) time and memory.

    >>> scores = torch.tensor([0.0, 3.0, 7.0]).log1p()  # powers 1, 4 and 8
    >>> edge_softmax(scores, torch.tensor([[1, 2, 0], [0, 0, 1]]), num_nodes=3)
    tensor([0.2000, 0.8000, 1.0000])
    """
    check_edges(edges, num_nodes)
    if scores.dim() < 1 or scores.shape[-1] != edges.shape[1]:
        raise ValueError(
            f"scores (..., n_edges) should have one for each edge, got scores {shape(scores)} and edges {shape(edges)}"
        )
    targets = edges[1].expand_as(scores)
    nodes = (*scores.shape[:-1], num_nodes)
    # Each target's largest score is subtracted, so that no power overflows. It cancels, so it needs no gradient.
    top = scores.new_full(nodes, -math.inf).scatter_reduce(-1, targets, scores.detach(), "amax")
    powers = (scores - top.gather(-1, targets)).exp()
    total = scores.new_zeros(nodes).scatter_add(-1, targets, powers)
    return powers / total.gather(-1, targets)


def attend_along_edges(scores: Tensor, values: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
    """Average the values of each node's neighbours by the softmax of the edges' scores: `attend`, edge by edge.

        output_i = Σ_{j → i} weight_{ij} · values_j

    Args:
        scores: (..., n_edges).
        values: (..., n, d_v), one row a node.
        edges: (2, n_edges), sources above targets.
    Returns:
        output (..., n, d_v) and weights (..., n_edges). A node to which no edge leads gets zeros.
    Raises:
        ValueError: there is not one score for each edge.
        TypeError: scores and values are not floating-point numbers of one dtype.
        ValueError, TypeError: edges is no edge list of such a graph.
    Cost: O(n_edges · d_v + n · d_v) time and memory. The dense form takes O(n² · d_v) time and O(n²) memory.

    >>> edges = torch.tensor([[1, 2], [0, 0]])  # node 0 attends to nodes 1 and 2, and nobody else attends
    >>> values = torch.tensor([[9.0, 9.0], [4.0, 0.0], [0.0, 8.0]])
    >>> attend_along_edges(torch.tensor([0.0, 3.0]).log1p(), values, edges)
    (tensor([[0.8000, 6.4000],
            [0.0000, 0.0000],
            [0.0000, 0.0000]]), tensor([0.2000, 0.8000]))
    """
    check_vectors("values", values)
    check_alike("scores", scores, "values", values)
    num_nodes = values.shape[-2]
    weights = edge_softmax(scores, edges, num_nodes)
    return sum_at_targets(weights, values, edges), weights


def sum_at_targets(weights: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    """Each edge takes its source's value, times its weight, to its target, and there they are added up.

    Args:
        weights: (..., n_edges).
        values: (..., n, d_v).
        edges: (2, n_edges), sources above targets.
    Returns:
        (..., n, d_v).

    >>> sum_at_targets(torch.tensor([2.0, 3.0]), torch.tensor([[1.0], [10.0]]), torch.tensor([[0, 1], [1, 1]]))
    tensor([[ 0.],
            [32.]])
    """
    messages = weights.unsqueeze(-1) * values.index_select(-2, edges[0])  # (..., n_edges, d_v)
    output = messages.new_zeros(*messages.shape[:-2], *values.shape[-2:])
    return output.index_add(-2, edges[1], messages)
