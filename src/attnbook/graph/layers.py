"""Layers over a graph: three ways to say how much a node takes from each of its neighbours.

| layer              | score of target i for source j       | source                   |
|--------------------|--------------------------------------|--------------------------|
| `GraphConvolution` | none: 1 / √(degree_i · degree_j)     | Kipf and Welling (2017)  |
| `GraphAttention`   | LeakyReLU(a_q · W x_i + a_k · W x_j) | Veličković et al. (2018) |
| `GraphAttentionV2` | a · LeakyReLU(W_q x_i + W_k x_j)     | Brody et al. (2022)      |
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu

from attnbook._checks import check_count, check_input
from attnbook.graph.edges import attend_along_edges, check_edges, sum_at_targets

SLOPE = 0.2  # of LeakyReLU below zero, as in both papers


class GraphConvolution(nn.Module):
    """Add up the neighbours' values with weights that the degrees fix. Nothing learns whom to look at.

        output_i = Σ_{j → i} W x_j / √(degree_i · degree_j)

    A node's degree is the number of edges that lead to it.

    Args:
        d_in: width of the nodes' vectors.
        d_out: width of the output.
    Raises (when called):
        ValueError, TypeError: x is not (..., n, d_in) or not of the parameters' dtype, or edges is no edge list of n
            nodes.
    Cost: O(n d_in d_out + n_edges d_out) time, O(n_edges d_out) memory; d_in · d_out parameters.
    Source: Kipf and Welling (2017), eq. 2, where each node also has an edge to itself: `with_self_loops`.

    >>> layer = GraphConvolution(3, 8)
    >>> output, weights = layer(torch.randn(5, 3), torch.tensor([[1, 2, 3, 0], [0, 0, 0, 1]]))
    >>> output.shape, weights  # nodes 2 and 3 have degree 0: no edge leads to them
    (torch.Size([5, 8]), tensor([0.5774, 0.0000, 0.0000, 0.5774]))
    """

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        check_count("d_in", d_in)
        check_count("d_out", d_out)
        self.value = nn.Linear(d_in, d_out, bias=False)

    def forward(self, x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Output (..., n, d_out) and weights (n_edges,) of nodes x (..., n, d_in) and edges (2, n_edges)."""
        check_input("x", x, self.value.weight)
        check_edges(edges, x.shape[-2])
        degrees = x.new_zeros(x.shape[-2]).index_add(0, edges[1], x.new_ones(edges.shape[1]))
        scale = torch.where(degrees > 0, degrees.rsqrt(), 0.0)
        weights = scale[edges[0]] * scale[edges[1]]
        return sum_at_targets(weights, self.value(x), edges), weights


class GraphAttention(nn.Module):
    """GAT: attend to the neighbours, with a score that is a number of the target plus a number of the source.

        score_ij = LeakyReLU(a_q · W x_i + a_k · W x_j)        output_i = Σ_{j → i} softmax_j(score_ij) W x_j

    The attention is *static*: LeakyReLU never falls, so all targets agree on which source scores higher.

    Args:
        d_in: width of the nodes' vectors.
        d_out: width of the output, all heads side by side.
        num_heads: number of heads; divides d_out.
    Raises:
        ValueError: num_heads does not divide d_out.
    Raises (when called):
        ValueError, TypeError: x is not (..., n, d_in) or not of the parameters' dtype, or edges is no edge list of n
            nodes.
    Cost: O(n d_in d_out + n_edges d_out) time, O(n_edges d_out) memory; (d_in + 2) · d_out parameters.
    Source: Veličković et al. (2018), eqs. 1 to 5.

    >>> layer = GraphAttention(d_in=3, d_out=8, num_heads=2)
    >>> output, weights = layer(torch.randn(5, 3), torch.tensor([[1, 2, 3, 0], [0, 0, 0, 1]]))
    >>> output.shape, weights.shape, weights[:, 3].tolist()
    (torch.Size([5, 8]), torch.Size([2, 4]), [1.0, 1.0])
    """

    def __init__(self, d_in: int, d_out: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, d_head = num_heads, _d_head(d_in, d_out, num_heads)
        self.value = nn.Linear(d_in, d_out, bias=False)  # W
        self.a_q = nn.Parameter(_glorot(num_heads, d_head))
        self.a_k = nn.Parameter(_glorot(num_heads, d_head))
        nn.init.xavier_uniform_(self.value.weight)

    def forward(self, x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Output (..., n, d_out) and weights (..., num_heads, n_edges) of nodes x (..., n, d_in)."""
        check_input("x", x, self.value.weight)
        check_edges(edges, x.shape[-2])
        values = _split(self.value(x), self.num_heads)
        of_target, of_source = ((values * a[:, None]).sum(dim=-1) for a in (self.a_q, self.a_k))  # (..., h, n)
        sums = of_target.index_select(-1, edges[1]) + of_source.index_select(-1, edges[0])  # (..., h, n_edges)
        output, weights = attend_along_edges(leaky_relu(sums, SLOPE), values, edges)
        return _merge(output), weights


class GraphAttentionV2(nn.Module):
    """GATv2: attend to the neighbours, with a score that reads the target and the source together.

        score_ij = a · LeakyReLU(W_q x_i + W_k x_j)        output_i = Σ_{j → i} softmax_j(score_ij) W_k x_j

    This is the additive score of Bahdanau et al. with LeakyReLU for the tanh. A key is its own value.

    Args, Raises: as `GraphAttention`.
    Cost: O(n d_in d_out + n_edges d_out) time, O(n_edges d_out) memory; (2 d_in + 1) · d_out parameters.
    Source: Brody, Alon and Yahav (2022), eq. 7.

    >>> layer = GraphAttentionV2(d_in=3, d_out=8, num_heads=2)
    >>> output, weights = layer(torch.randn(5, 3), torch.tensor([[1, 2, 3, 0], [0, 0, 0, 1]]))
    >>> output.shape, weights.shape, weights[:, 3].tolist()
    (torch.Size([5, 8]), torch.Size([2, 4]), [1.0, 1.0])
    """

    def __init__(self, d_in: int, d_out: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads, d_head = num_heads, _d_head(d_in, d_out, num_heads)
        self.query = nn.Linear(d_in, d_out, bias=False)  # W_q
        self.key = nn.Linear(d_in, d_out, bias=False)  # W_k
        self.a = nn.Parameter(_glorot(num_heads, d_head))
        for layer in (self.query, self.key):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor]:
        """Output (..., n, d_out) and weights (..., num_heads, n_edges) of nodes x (..., n, d_in)."""
        check_input("x", x, self.key.weight)
        check_edges(edges, x.shape[-2])
        q, k = (_split(layer(x), self.num_heads) for layer in (self.query, self.key))
        hidden = leaky_relu(q.index_select(-2, edges[1]) + k.index_select(-2, edges[0]), SLOPE)
        scores = (hidden * self.a[:, None]).sum(dim=-1)  # (..., h, n_edges, d_head) -> (..., h, n_edges)
        output, weights = attend_along_edges(scores, k, edges)
        return _merge(output), weights


def _d_head(d_in: int, d_out: int, num_heads: int) -> int:
    for name, value in (("d_in", d_in), ("d_out", d_out), ("num_heads", num_heads)):
        check_count(name, value)
    if d_out % num_heads:
        raise ValueError(f"num_heads should divide d_out, got d_out {d_out} and num_heads {num_heads}")
    return d_out // num_heads


def _glorot(num_heads: int, d_head: int) -> Tensor:
    bound = math.sqrt(6 / (d_head + 1))  # of a layer from d_head numbers to one score
    return torch.empty(num_heads, d_head).uniform_(-bound, bound)


def _split(x: Tensor, num_heads: int) -> Tensor:
    return x.unflatten(-1, (num_heads, -1)).transpose(-2, -3)  # (..., n, d_out) -> (..., h, n, d_head)


def _merge(x: Tensor) -> Tensor:
    return x.transpose(-2, -3).flatten(-2)  # (..., h, n, d_head) -> (..., n, d_out)
