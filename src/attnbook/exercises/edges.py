"""Attention along an edge list: whose softmax, and which way."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.graph import attend_along_edges, edge_softmax, sum_at_targets

Along = Callable[[Tensor, Tensor, Tensor], Tensor]


def along_edges(scores: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    """The output (..., n, d) alone of attention along edges.

    >>> along_edges(torch.zeros(2), torch.eye(2), torch.tensor([[0, 1], [0, 0]]))
    tensor([[0.5000, 0.5000],
            [0.0000, 0.0000]])
    """
    return attend_along_edges(scores, values, edges)[0]


def _over(whose: Callable[[Tensor], Tensor], way: Callable[[Tensor], Tensor] = lambda edges: edges) -> Along:
    """A softmax over the edges with one target of `whose`, and values that go along `way`."""
    return lambda scores, values, edges: sum_at_targets(
        edge_softmax(scores, whose(edges), values.shape[-2]), values, way(edges)
    )


def _same(edges: Tensor) -> Tensor:
    return edges


def _back(edges: Tensor) -> Tensor:
    return edges.flip(0)


def _at_targets(edges: Tensor) -> Tensor:
    return edges[1].expand(2, -1)


def _at_sources(edges: Tensor) -> Tensor:
    return edges[0].expand(2, -1)


def _over_all(scores: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    return sum_at_targets(scores.softmax(dim=-1), values, edges)


def _mean(scores: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    return along_edges(torch.zeros_like(scores), values, edges)


def _powers(scores: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    return sum_at_targets(scores.exp(), values, edges)


def _plain(scores: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    return sum_at_targets(scores, values, edges)


def _last_writer(scores: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    """Only one of the edges that lead to a node writes: what `output[targets] += messages` does."""
    weights = edge_softmax(scores, edges, values.shape[-2])
    messages = weights.unsqueeze(-1) * values.index_select(-2, edges[0])
    output = messages.new_zeros(*messages.shape[:-2], *values.shape[-2:])
    output[..., edges[1], :] += messages
    return output


def _with_loops(scores: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    n = values.shape[-2]
    looped = torch.cat([edges, torch.arange(n, device=edges.device).expand(2, -1)], dim=1)
    return along_edges(torch.cat([scores, scores.new_zeros(*scores.shape[:-1], n)], dim=-1), values, looped)


def _once(scores: Tensor, values: Tensor, edges: Tensor) -> Tensor:
    """As under a mask: an edge that stands twice counts once."""
    n = values.shape[-2]
    pairs = scores.new_full((*scores.shape[:-1], n, n), -torch.inf)
    pairs[..., edges[1], edges[0]] = scores
    return pairs.softmax(dim=-1).nan_to_num() @ values


TO_ITSELF = "Each node gets values of its own: along an edge comes what the *source* has."
LEAVING = "The softmax runs over the edges that leave a node. It should run over those that lead to it."

ALONG = (
    (LEAVING, _over(_back)),
    ("The values go from the target to the source, and the softmax runs over the edges that leave a node: all is "
     "turned around.", _over(_back, _back)),
    ("The values go from the target to the source: against the edge.", _over(_same, _back)),
    (TO_ITSELF, _over(_same, _at_targets)),
    ("What a source has is added up at the source: it should arrive at the target.", _over(_same, _at_sources)),
    ("The softmax runs over all edges together. Each target has one of its own.", _over_all),
    ("The scores change nothing: this is the plain mean of the neighbours.", _mean),
    ("The powers of e are not divided by their sum at each target.", _powers),
    ("The scores were taken as weights: there is no softmax.", _plain),
    ("Where several edges lead to one node, only one of them arrives: `output[targets] += ...` writes each place once.",
     _last_writer),
    ("Edges to oneself were added. The task asks for the edges of the list alone.", _with_loops),
    ("An edge that stands twice counts once here, as under a mask. Along edges it counts twice.", _once),
)  # fmt: skip


def draw_edges(draw: Draw, n: int, m: int) -> Tensor:
    """m edges, drawn without order; node 0 gets none, and node 1 sends none. The last stands twice.

    >>> draw_edges(Draw(0), 5, 8).shape
    torch.Size([2, 9])
    """
    edges = torch.stack([draw.whole(1, n - 1, m), draw.whole(1, n - 1, m)])
    edges[0] = torch.where(edges[0] == 1, 0, edges[0])
    return torch.cat([edges, edges[:, -1:]], dim=1)


def _cases(draw: Draw) -> list[Case]:
    n, d, h = draw.sizes(3, least=3)
    n += 4
    edges = draw_edges(draw, n, 3 * n)
    m, axes = edges.shape[1], "Any axes may come in front: count axes from the end."

    def inputs(*leading: int, size: float = 1) -> tuple[Tensor, ...]:
        return size * draw.normal(*leading, m), draw.normal(*leading, n, d), edges

    return [
        Case("", inputs()),
        Case("with heads", inputs(h), axes),
        Case("with large scores", inputs(size=500), "e⁸⁰⁰ is too large for a computer: what may be subtracted from all "
             "scores with the same target?"),
        Case("with no edges", (inputs()[0][:0], draw.normal(n, d), edges[:, :0]), "A graph may have no edges."),
    ]  # fmt: skip


ATTEND_EDGES = Task(
    "attend_edges",
    along_edges,
    _cases,
    tuple(Mistake(says, answer) for says, answer in ALONG),
    returns=("the output",),
)


def check_attend_edges(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check attention along edges: attend_edges(scores, values, edges), output (..., n, d).

    >>> check_attend_edges(_mean)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: attend_edges: The scores change nothing: this is the plain mean of the neighbours...
    """
    ATTEND_EDGES.check(answer, seed)
