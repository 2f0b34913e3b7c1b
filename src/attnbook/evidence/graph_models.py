"""The models that chapter 14 compares: a classifier of nodes with one of five layers, and a rival without any."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, elu

from attnbook._checks import check_count
from attnbook.graph import GraphAttention, GraphAttentionV2, GraphConvolution
from attnbook.multihead import MultiHeadAttention
from attnbook.training import fit

WIDTH, HEADS = 32, 4
STEPS = 150


class Alone(nn.Module):
    """No graph at all: each node's vector by itself, in the form of the layers of `attnbook.graph`.

    >>> Alone(3, 8)(torch.ones(5, 3), torch.tensor([[1], [0]]))[0].shape
    torch.Size([5, 8])
    """

    def __init__(self, d_in: int, d_out: int) -> None:
        super().__init__()
        self.value = nn.Linear(d_in, d_out, bias=False)

    def forward(self, x: Tensor, edges: Tensor) -> tuple[Tensor, None]:
        """Output (..., n, d_out) of nodes x (..., n, d_in), whatever the edges are."""
        return self.value(x), None


class Everyone(nn.Module):
    """A graph in which every node sees every other: plain many-headed attention without a mask.

    >>> Everyone(8, 2)(torch.ones(5, 8), torch.tensor([[1], [0]]))[0].shape
    torch.Size([5, 8])
    """

    def __init__(self, d: int, num_heads: int) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(d, num_heads, bias=False)

    def forward(self, x: Tensor, edges: Tensor) -> tuple[Tensor, None]:
        """Output (..., n, d) of nodes x (..., n, d), whatever the edges are."""
        return self.attention(x)[0], None


def make_layer(kind: str, d_in: int, d_out: int, num_heads: int) -> nn.Module:
    """A layer by its name: MLP (no graph), GCN, GAT, GATv2, or everyone (no mask; d_in must be d_out).

    >>> make_layer("GAT", 3, 8, num_heads=2).num_heads
    2
    """
    if kind == "MLP":
        return Alone(d_in, d_out)
    if kind == "GCN":
        return GraphConvolution(d_in, d_out)
    if kind == "everyone":
        return Everyone(d_out, num_heads)
    if kind not in ("GAT", "GATv2"):
        raise ValueError(f"expected MLP, GCN, GAT, GATv2 or everyone, got {kind!r}")
    return (GraphAttention if kind == "GAT" else GraphAttentionV2)(d_in, d_out, num_heads)


class NodeClassifier(nn.Module):
    """Say what each node is: read its vector, take in its neighbours `depth` times, and predict a class.

        x ← elu(layer(x))        with a skip connection: x ← elu(layer(x) + W x)

    Args:
        kind: of the layers, as in `make_layer`.
        d_in: width of the nodes' vectors.
        classes: how many.
        skip: whether a node's own vector goes past each layer, through a matrix of its own.

    >>> model = NodeClassifier("GATv2", d_in=64, classes=10)
    >>> logits, weights = model(torch.rand(5, 64), torch.tensor([[1, 2, 3], [0, 0, 1]]))
    >>> logits.shape, weights.shape
    (torch.Size([5, 10]), torch.Size([4, 3]))
    """

    def __init__(self, kind: str, d_in: int, classes: int, depth: int = 1, skip: bool = False) -> None:
        super().__init__()
        check_count("depth", depth)
        self.read = nn.Linear(d_in, WIDTH)
        self.layers = nn.ModuleList(make_layer(kind, WIDTH, WIDTH, HEADS) for _ in range(depth))
        self.own = nn.ModuleList(nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(depth if skip else 0))
        self.predict = nn.Linear(WIDTH, classes)

    def vectors(self, x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the nodes are before the prediction, (..., n, WIDTH), and the last layer's weights."""
        x, weights = elu(self.read(x)), None
        for i, layer in enumerate(self.layers):
            taken, weights = layer(x, edges)
            x = elu(taken + self.own[i](x) if self.own else taken)
        return x, weights

    def forward(self, x: Tensor, edges: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits (..., n, classes) and the last layer's weights of nodes x (..., n, d_in)."""
        x, weights = self.vectors(x, edges)
        return self.predict(x), weights


def train_nodes(
    model: nn.Module, x: Tensor, edges: Tensor, labels: Tensor, known: Tensor, lr: float, seed: int, steps: int = STEPS
) -> list[float]:
    """Train on the labels of the known nodes, in whole graphs; the other nodes are seen, their labels are not."""

    def loss(model: nn.Module, known: Tensor) -> Tensor:
        return cross_entropy(model(x, edges)[0][known], labels[known])

    return fit(model, lambda m, batch: loss(m, *batch), lambda _: (known,), steps, lr=lr, seed=seed, device="cpu")


def accuracy(logits: Tensor, labels: Tensor, nodes: Tensor) -> float:
    """The share of those nodes that are right.

    >>> accuracy(torch.eye(3), torch.tensor([0, 1, 1]), torch.tensor([1, 2]))
    0.5
    """
    return (logits.argmax(dim=-1)[nodes] == labels[nodes]).double().mean().item()


def spread_labels(edges: Tensor, labels: Tensor, known: Tensor, classes: int, rounds: int = 50) -> Tensor:
    """Label propagation, which has no parameters: each node takes the mean of its neighbours' labels, many times.

    Returns:
        shares, (n, classes). The known nodes keep their labels.
    Source: Zhu and Ghahramani (2002).

    >>> edges = torch.tensor([[1, 0, 2, 1], [0, 1, 1, 2]])  # 0 - 1 - 2
    >>> spread_labels(edges, torch.tensor([1, 0, 1]), torch.tensor([2]), classes=2)[0].round(decimals=3)
    tensor([0., 1.])
    """
    n = len(labels)
    truth = nn.functional.one_hot(labels, classes).float()
    shares = torch.full((n, classes), 1 / classes)
    degree = torch.zeros(n).index_add(0, edges[1], torch.ones(edges.shape[1])).clamp(min=1)
    for _ in range(rounds):
        shares[known] = truth[known]
        shares = torch.zeros_like(shares).index_add(0, edges[1], shares[edges[0]]) / degree[:, None]
    shares[known] = truth[known]
    return shares
