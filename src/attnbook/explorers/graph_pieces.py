"""The small graphs of the graph explorer, and what three trained layers say of each of their nodes.

A layer's weights depend on a node's neighbours, but its queries, keys and values do not. So these are stored, and the
page computes the rest anew whenever an edge is cut or drawn.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import elu, leaky_relu

from attnbook.data.graphs import draw_look_ups, look_up_edges, nearest_neighbours, with_strangers
from attnbook.evidence.graph import EXPLORED, EXPLORED_KEYS, EXPLORED_SEED, EXPLORED_STRANGERS, trained
from attnbook.evidence.graph_tasks import DigitGraph
from attnbook.graph import GraphAttention, GraphAttentionV2, attend_along_edges, sum_at_targets
from attnbook.graph.layers import SLOPE

COLUMNS = 6  # of the field on which nodes stand
# Of the digits that each row of the field begins with: picked among eight sets, since here the three layers differ as
# they do on the whole graph. On some of the sets GAT is as good as GATv2.
CLASSES = (3, 4, 5, 7, 9)
FRIENDS, STRANGERS = 3, 5  # of each digit in the piece; digits outside it are left out
PLACES = 5  # decimals of a stored number: weights come out right to 0.0001
NAMES = "ABCDEFGHIJ"


def pieces() -> dict[str, dict[str, Any]]:
    """Both graphs by name, as the explorer's state holds them.

    >>> {name: len(piece["labels"]) for name, piece in pieces().items()}
    {'look-up': 12, 'digits': 30}
    """
    return {"look-up": look_up_piece(), "digits": digits_piece()}


def look_up_piece() -> dict[str, Any]:
    """Six queries above six keys; every query sees every key and wants the content of the one with its name.

    >>> look_up_piece()["labels"][:6]
    ['A?', 'B?', 'C?', 'D?', 'E?', 'F?']
    """
    nodes, wanted = draw_look_ups(torch.Generator().manual_seed(5), 1, EXPLORED_KEYS)
    x, contents = nodes[0], wanted[0].tolist()
    keys = range(EXPLORED_KEYS)
    layers = {}
    for kind in EXPLORED:
        model: Any = trained("look-up", kind).double()
        layers[kind] = _stored(model.layer, x.double()) | _predictor(model.predict, "none")
    return {
        "labels": [*(f"{NAMES[i]}?" for i in keys), *(f"{NAMES[i]}={contents[i]}" for i in keys)],
        "pictures": [],
        "places": [*([i, 0] for i in keys), *([i, 4] for i in keys)],
        "truth": [*contents, *(-1 for _ in keys)],  # keys ask nothing
        "edges": look_up_edges(EXPLORED_KEYS).T.tolist(),
        "loops": False,
        "layers": layers,
    }


def digits_piece() -> dict[str, Any]:
    """Five digits of the test and the five nearest of each; everyone sees 3 nearest, 5 strangers and itself.

    >>> len(digits_piece()["edges"]) == 30 * (3 + 5)
    True
    """
    graph = DigitGraph(EXPLORED_STRANGERS, EXPLORED_SEED)
    nodes = torch.cat([_nearest_of_the_test(graph, label) for label in CLASSES])
    x = graph.x[nodes]
    near = nearest_neighbours(x, FRIENDS)
    edges = with_strangers(near, len(x), STRANGERS, torch.Generator().manual_seed(0))
    layers = {}
    for kind in EXPLORED:
        model: Any = trained("digits", kind).double()
        layers[kind] = _stored(model.layers[0], elu(model.read(x.double()))) | _predictor(model.predict, "elu")
    return {
        "labels": [f"a {graph.labels[node]}" for node in nodes],
        "pictures": ["".join(f"{min(15, round(16 * p)):x}" for p in row) for row in x.tolist()],
        "places": [[column, row] for row in range(len(CLASSES)) for column in range(COLUMNS)],
        "truth": graph.labels[nodes].tolist(),
        "edges": edges.T.tolist(),
        "loops": True,
        "layers": layers,
    }


def _nearest_of_the_test(graph: DigitGraph, label: int) -> Tensor:
    """The test's first digit of a class, and those of the test that are nearest to it, whatever they are."""
    first = graph.test[graph.labels[graph.test] == label][0]
    distances = (graph.x[graph.test] - graph.x[first]).square().sum(dim=1)
    return graph.test[distances.argsort(stable=True)[:COLUMNS]]


def run_stored(piece: dict[str, Any], kind: str, edges: list[list[int]]) -> tuple[Tensor, Tensor, Tensor]:
    """What a stored layer computes on these edges.

    Returns:
        all edges (2, n_edges), with those from a node to itself where the piece has them; weights (h, n_edges);
        and logits (n, classes).

    >>> piece = look_up_piece()
    >>> [tuple(part.shape) for part in run_stored(piece, "GATv2", piece["edges"])]
    [(2, 36), (1, 36), (12, 6)]
    """
    n, stored = len(piece["labels"]), piece["layers"][kind]
    loops = [[i, i] for i in range(n)] if piece["loops"] else []
    every = torch.tensor([*edges, *loops], dtype=torch.int64).reshape(-1, 2).T
    sources, targets = every
    heads = stored["heads"]
    values = _heads(stored["value"], heads)
    if kind == "GCN":
        degrees = torch.bincount(targets, minlength=n).double()
        scale = torch.where(degrees > 0, degrees.rsqrt(), 0.0)
        weights = (scale[sources] * scale[targets])[None]
        output = sum_at_targets(weights, values, every)
    else:
        if kind == "GAT":
            q, k = (_tensor(stored[name]).T for name in ("query", "key"))  # (h, n)
            scores = leaky_relu(q[:, targets] + k[:, sources], SLOPE)
        else:
            hidden = leaky_relu(_heads(stored["query"], heads)[:, targets] + values[:, sources], SLOPE)
            scores = (hidden * _tensor(stored["a"])[:, None]).sum(dim=-1)
        output, weights = attend_along_edges(scores, values, every)
    taken = output.transpose(0, 1).flatten(1)
    if stored["after"] == "elu":
        taken = elu(taken)
    return every, weights, taken @ _tensor(stored["matrix"]).T + _tensor(stored["bias"])


def _stored(layer: Any, x: Tensor) -> dict[str, Any]:
    """What each node brings to a layer: values, and its part of a score."""
    with torch.no_grad():
        if isinstance(layer, GraphAttentionV2):
            return {"heads": layer.num_heads, "query": _rounded(layer.query(x)), "value": _rounded(layer.key(x)),
                    "a": _rounded(layer.a)}  # fmt: skip
        values = layer.value(x)
        if not isinstance(layer, GraphAttention):
            return {"heads": 1, "value": _rounded(values)}
        by_head = values.unflatten(-1, (layer.num_heads, -1))  # (n, h, d_head)
        parts = {name: _rounded((by_head * a).sum(dim=-1)) for name, a in (("query", layer.a_q), ("key", layer.a_k))}
        return {"heads": layer.num_heads, "value": _rounded(values), **parts}


def _predictor(linear: torch.nn.Linear, after: str) -> dict[str, Any]:
    return {"matrix": _rounded(linear.weight.detach()), "bias": _rounded(linear.bias.detach()), "after": after}


def _rounded(x: Tensor) -> list:
    return (x * 10**PLACES).round().div(10**PLACES).tolist()


def _tensor(numbers: list) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64)


def _heads(numbers: list, heads: int) -> Tensor:
    return _tensor(numbers).unflatten(-1, (heads, -1)).transpose(0, 1)  # (n, d) -> (h, n, d_head)
