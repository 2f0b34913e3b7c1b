"""Attention along edges against `attend` under a mask, torch_geometric's layers, and numbers by hand."""

import math
import warnings

import pytest
import torch
from one_device import check_one_device
from torch import Tensor
from torch.testing import assert_close

from attnbook.attention import attend
from attnbook.graph import (
    GraphAttention,
    GraphAttentionV2,
    GraphConvolution,
    adjacency_mask,
    attend_along_edges,
    edge_softmax,
    sum_at_targets,
    with_self_loops,
)
from attnbook.scores import AdditiveScore

B, N, D_IN, HEADS, D_HEAD = 2, 13, 7, 3, 5
D = HEADS * D_HEAD
ISOLATED = 11  # no edge leads to this node, though some begin there


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def graph() -> Tensor:
    """Some 50 edges in no order, none twice, none to ISOLATED."""
    mask = torch.rand(N, N, generator=torch.Generator().manual_seed(0)) < 0.3
    mask[ISOLATED] = False
    mask[:, ISOLATED] |= torch.arange(N) == 4
    mask.fill_diagonal_(False)
    targets, sources = mask.nonzero().T
    edges = torch.stack([sources, targets])
    return edges[:, torch.randperm(edges.shape[1], generator=torch.Generator().manual_seed(1))]


EDGES = graph()
LAYERS = [GraphAttention, GraphAttentionV2]


def layer_of(kind: type) -> torch.nn.Module:
    torch.manual_seed(0)
    return (kind(D_IN, D) if kind is GraphConvolution else kind(D_IN, D, HEADS)).double()


# By hand


def test_three_neighbours_by_hand() -> None:
    edges = torch.tensor([[1, 2, 3, 2], [0, 0, 0, 1]])
    values = torch.tensor([[9.0, 9], [8, 0], [0, 8], [4, 4]])
    output, weights = attend_along_edges(torch.tensor([1.0, 2, 5, 7]).log(), values, edges)
    assert_close(weights, torch.tensor([1 / 8, 2 / 8, 5 / 8, 1]))
    assert_close(output, torch.tensor([[3.5, 4.5], [0, 8], [0, 0], [0, 0]]))


def test_graph_attention_by_hand() -> None:
    layer = GraphAttention(1, 1, 1)
    layer.value.weight.data[:] = 2.0
    layer.a_q.data[:], layer.a_k.data[:] = 1.0, -1.0
    x = torch.tensor([[1.0], [0.5], [3.0]])  # W x: 2, 1, 6
    output, weights = layer(x, torch.tensor([[1, 2], [0, 0]]))
    powers = [math.exp(2 - 1), math.exp(0.2 * (2 - 6))]
    assert weights[0].tolist() == pytest.approx([p / sum(powers) for p in powers])
    assert output[0].item() == pytest.approx((powers[0] * 1 + powers[1] * 6) / sum(powers))


def test_graph_attention_v2_by_hand() -> None:
    layer = GraphAttentionV2(1, 2, 1)
    layer.query.weight.data[:] = torch.tensor([[1.0], [-1.0]])
    layer.key.weight.data[:] = torch.tensor([[-1.0], [1.0]])
    layer.a.data[:] = torch.tensor([-1.0, -1.0])
    x = torch.tensor([[3.0], [2.0], [5.0]])  # hidden of (0, 1): (1, −1) -> (1, −0.2); of (0, 2): (−2, 2) -> (−0.4, 2)
    _, weights = layer(x, torch.tensor([[1, 2], [0, 0]]))
    powers = [math.exp(-0.8), math.exp(-1.6)]  # the farther, the less: −0.8 · |x_i − x_j|
    assert weights[0].tolist() == pytest.approx([p / sum(powers) for p in powers])


def test_graph_convolution_by_hand() -> None:
    layer = GraphConvolution(1, 1)
    layer.value.weight.data[:] = 1.0
    edges = with_self_loops(torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), 3)  # degrees 2, 3, 2
    output, weights = layer(torch.tensor([[6.0], [0.0], [12.0]]), edges)
    assert_close(weights, torch.tensor([*[1 / math.sqrt(6)] * 4, 1 / 2, 1 / 3, 1 / 2]))
    assert_close(output[:, 0], torch.tensor([3.0, 18 / math.sqrt(6), 6.0]))


# Against attention under a mask


def dense(scores: Tensor, edges: Tensor, n: int) -> Tensor:
    """Scores of edges (..., n_edges) as a matrix (..., n, n), NaN where there is no edge: a mask must hide it."""
    matrix = scores.new_full((*scores.shape[:-1], n * n), float("nan"))
    place = (edges[1] * n + edges[0]).expand_as(scores)
    return matrix.scatter(-1, place, scores).unflatten(-1, (n, n))


@pytest.mark.parametrize("leading", [(), (HEADS,), (B, HEADS)])
def test_equals_attend_under_the_adjacency_mask_forward_and_backward(leading) -> None:
    scores, values = random(*leading, EDGES.shape[1]), random(*leading, N, D_HEAD)
    mask = adjacency_mask(EDGES, N)
    results = []
    for along_edges in (True, False):
        s, v = scores.clone().requires_grad_(), values.clone().requires_grad_()
        if along_edges:
            output, weights = attend_along_edges(s, v, EDGES)
        else:
            output, matrix = attend(dense(s, EDGES, N), v, mask)
            weights = matrix[..., EDGES[1], EDGES[0]]
        (output.sin().sum() + weights.square().sum()).backward()
        results.append((output.detach(), weights.detach(), s.grad, v.grad))
    for mine, reference in zip(*results, strict=True):
        assert_close(mine, reference)
        assert mine.isfinite().all()
    assert (results[0][0][..., ISOLATED, :] == 0).all()


def test_second_derivatives_are_those_of_the_dense_form() -> None:
    scores, values = random(EDGES.shape[1]).requires_grad_(), random(N, D_HEAD).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda s, v: attend_along_edges(s, v, EDGES)[0], (scores, values))


def test_gatv2_is_the_additive_score_with_leaky_relu_and_a_mask(monkeypatch) -> None:
    layer, x = layer_of(GraphAttentionV2), random(N, D_IN)
    output, weights = layer(x, EDGES)
    monkeypatch.setattr(Tensor, "tanh", lambda t: torch.nn.functional.leaky_relu(t, 0.2))
    for h in range(HEADS):
        rows = slice(h * D_HEAD, (h + 1) * D_HEAD)
        score = AdditiveScore(D_IN, D_IN, D_HEAD).double()
        score.query.weight.data = layer.query.weight.data[rows]
        score.key.weight.data = layer.key.weight.data[rows]
        score.v.weight.data = layer.a.data[h : h + 1]
        expected, matrix = attend(score(x, x), layer.key(x)[:, rows], adjacency_mask(EDGES, N))
        assert_close(output[:, rows], expected)
        assert_close(weights[h], matrix[EDGES[1], EDGES[0]])


def test_gat_is_static_and_gatv2_is_not() -> None:
    everyone = torch.stack(torch.meshgrid(torch.arange(N), torch.arange(N), indexing="ij")).flatten(1)
    x = random(N, D_IN)

    def favourites(kind) -> int:
        _, weights = layer_of(kind)(x, everyone)
        matrix = weights.unflatten(-1, (N, N))  # (h, sources, targets)
        return max(len(row.unique()) for row in matrix.argmax(dim=1))

    assert favourites(GraphAttention) == 1
    assert favourites(GraphAttentionV2) > 2


# Against torch_geometric


@pytest.fixture(scope="module")
def geometric():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("torch_geometric.nn")


def assert_equal_layers(mine, theirs, pairs, options) -> None:
    for own, other in pairs:
        own.data = other.detach().reshape(own.shape).clone()
    x = random(N, D_IN)
    x1, x2 = (x.clone().requires_grad_() for _ in range(2))
    output, weights = mine(x1, EDGES)
    expected = theirs(x2, EDGES, **options)
    if options:
        expected, (_, their_weights) = expected
        assert_close(weights, their_weights.T)
    assert_close(output, expected)
    output.sin().sum().backward()
    expected.sin().sum().backward()
    assert_close(x1.grad, x2.grad)
    for own, other in pairs:
        assert_close(own.grad, other.grad.reshape(own.shape))


def test_equals_torch_geometrics_gat(geometric) -> None:
    theirs = geometric.GATConv(D_IN, D_HEAD, heads=HEADS, add_self_loops=False, bias=False).double()
    mine = layer_of(GraphAttention)
    pairs = [(mine.value.weight, theirs.lin.weight), (mine.a_q, theirs.att_dst), (mine.a_k, theirs.att_src)]
    assert_equal_layers(mine, theirs, pairs, {"return_attention_weights": True})


def test_equals_torch_geometrics_gatv2(geometric) -> None:
    theirs = geometric.GATv2Conv(D_IN, D_HEAD, heads=HEADS, add_self_loops=False, bias=False).double()
    mine = layer_of(GraphAttentionV2)
    pairs = [(mine.query.weight, theirs.lin_r.weight), (mine.key.weight, theirs.lin_l.weight), (mine.a, theirs.att)]
    assert_equal_layers(mine, theirs, pairs, {"return_attention_weights": True})


def test_equals_torch_geometrics_graph_convolution(geometric) -> None:
    theirs = geometric.GCNConv(D_IN, D, add_self_loops=False, bias=False).double()
    mine = layer_of(GraphConvolution)
    assert_equal_layers(mine, theirs, [(mine.value.weight, theirs.lin.weight)], {})


# Limits


@pytest.mark.parametrize("kind", [*LAYERS, GraphConvolution])
def test_without_edges_all_is_zero_and_so_are_gradients(kind) -> None:
    layer, x = layer_of(kind), random(N, D_IN).requires_grad_()
    output, weights = layer(x, torch.empty(2, 0, dtype=torch.int64))
    output.sum().backward()
    assert output.shape == (N, D)
    assert (output == 0).all()
    assert (x.grad == 0).all()
    assert weights.shape[-1] == 0


def test_large_scores_do_not_overflow_and_equal_ones_share() -> None:
    edges = torch.tensor([[1, 2, 0, 1], [0, 0, 2, 2]])
    weights = edge_softmax(torch.tensor([1e30, 0.0, -1e4, -1e4]), edges, 3)
    assert weights.tolist() == [1.0, 0.0, 0.5, 0.5]


@pytest.mark.parametrize("kind", [*LAYERS, GraphConvolution])
def test_the_order_of_edges_does_not_matter_and_nodes_may_be_renumbered(kind) -> None:
    layer, x = layer_of(kind), random(N, D_IN)
    output, weights = layer(x, EDGES)
    order = torch.randperm(EDGES.shape[1])
    shuffled, their_weights = layer(x, EDGES[:, order])
    assert_close(shuffled, output)
    assert_close(their_weights, weights[..., order])
    new = torch.randperm(N)  # node i gets the number new[i]
    moved = torch.empty_like(x)
    moved[new] = x
    renumbered, _ = layer(moved, new[EDGES])
    assert_close(renumbered[new], output)


@pytest.mark.parametrize("kind", [*LAYERS, GraphConvolution])
def test_a_batch_of_vectors_on_one_graph(kind) -> None:
    layer, x = layer_of(kind), random(B, N, D_IN)
    output, weights = layer(x, EDGES)
    assert output.shape == (B, N, D)
    for i in range(B):
        alone, its_weights = layer(x[i], EDGES)
        assert_close(output[i], alone)
        if kind is not GraphConvolution:
            assert_close(weights[i], its_weights)


def test_mask_and_self_loops() -> None:
    mask = adjacency_mask(with_self_loops(EDGES, N), N)
    assert mask.diagonal().all()
    assert mask.sum() == EDGES.shape[1] + N
    assert not adjacency_mask(EDGES, N)[ISOLATED].any()
    values = random(N, D_HEAD)
    assert_close(sum_at_targets(torch.ones(EDGES.shape[1]).double(), values, EDGES),
                 adjacency_mask(EDGES, N).double() @ values)  # fmt: skip


# Bad input


@pytest.mark.parametrize(
    ("edges", "error", "message"),
    [
        ([[0], [1]], TypeError, "edges should be a torch tensor, got list"),
        (torch.zeros(2, 3), TypeError, r"numbers of nodes \(torch.int64\), got torch.float32"),
        (torch.zeros(3, 2).long(), ValueError, r"shape \(2, n_edges\), sources above targets, got \(3, 2\)"),
        (torch.tensor([[0], [13]]), ValueError, "join nodes from 0 to 12, got nodes from 0 to 13"),
        (torch.tensor([[-1], [3]]), ValueError, "join nodes from 0 to 12, got nodes from -1 to 3"),
    ],
)
def test_bad_edges(edges, error, message) -> None:
    for kind in [*LAYERS, GraphConvolution]:
        with pytest.raises(error, match=message):
            layer_of(kind)(random(N, D_IN), edges)
    with pytest.raises(error, match=message):
        adjacency_mask(edges, N)
    with pytest.raises(error, match=message):
        edge_softmax(random(1), edges, N)


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"one for each edge, got scores \(3,\) and edges \(2, 1\)"):
        edge_softmax(torch.zeros(3), torch.tensor([[0], [1]]), 2)
    with pytest.raises(TypeError, match="scores and values should have one dtype"):
        attend_along_edges(torch.zeros(1), random(2, 3), torch.tensor([[0], [1]]))
    with pytest.raises(TypeError, match="values should hold floating-point numbers"):
        attend_along_edges(torch.zeros(1), torch.ones(2, 3).long(), torch.tensor([[0], [1]]))
    with pytest.raises(ValueError, match="no edge from a node to itself"):
        with_self_loops(torch.tensor([[0, 1], [1, 1]]), 2)
    for kind in LAYERS:
        with pytest.raises(ValueError, match="num_heads should divide d_out, got d_out 8 and num_heads 3"):
            kind(D_IN, 8, 3)
        with pytest.raises(ValueError, match="d_in should be at least 1, got 0"):
            kind(0, 8, 2)
    for kind in [*LAYERS, GraphConvolution]:
        with pytest.raises(ValueError, match=r"x should have shape \(..., n, 7\), got \(13, 5\)"):
            layer_of(kind)(random(N, 5), EDGES)
        with pytest.raises(TypeError, match=r"one dtype, got torch\.float32 and torch\.float64"):
            layer_of(kind)(torch.zeros(N, D_IN), EDGES)


# Devices


@pytest.mark.parametrize("kind", [*LAYERS, GraphConvolution])
def test_layers_stay_on_one_device(kind) -> None:
    check_one_device(layer_of(kind), torch.randn(N, D_IN), EDGES)


def test_functions_stay_on_one_device() -> None:
    n_edges = EDGES.shape[1]
    check_one_device(attend_along_edges, torch.randn(HEADS, n_edges), torch.randn(HEADS, N, D_HEAD), EDGES)
    check_one_device(edge_softmax, torch.randn(n_edges), EDGES, N)
    check_one_device(sum_at_targets, torch.randn(n_edges), torch.randn(N, D_HEAD), EDGES)
    check_one_device(adjacency_mask, EDGES, N, backward=False)
    check_one_device(with_self_loops, EDGES, N, backward=False)
