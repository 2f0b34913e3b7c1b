"""GATv2 along edges, all heads."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises.edges import ALONG, Along, along_edges, draw_edges
from attnbook.exercises.heads import merge, split
from attnbook.measuring import peak_bytes

# ruff: noqa: N803, N806 (W_q and W_k are named as in the formula)


def _bent(hidden: Tensor, a: Tensor) -> Tensor:
    return (leaky_relu(hidden, 0.2) * a[:, None]).sum(dim=-1)


def _layer(
    score: Callable[[Tensor, Tensor], Tensor] = _bent,
    along: Along = along_edges,
    cut: Callable[[Tensor, int], Tensor] = split,
    join: Callable[[Tensor], Tensor] = merge,
    asks: int = 1,
    value: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda q, k, x: k,
) -> Callable[..., Tensor]:
    """GATv2 with one thing done otherwise."""

    def answer(x: Tensor, edges: Tensor, W_q: Tensor, W_k: Tensor, a: Tensor) -> Tensor:
        q, k = (cut(x @ W.mT, len(a)) for W in (W_q, W_k))
        hidden = q.index_select(-2, edges[asks]) + k.index_select(-2, edges[1 - asks])
        return join(along(score(hidden, a), value(q, k, x), edges))

    return answer


def _looped(x: Tensor, edges: Tensor, W_q: Tensor, W_k: Tensor, a: Tensor) -> Tensor:
    nodes = torch.arange(len(x), device=x.device).expand(2, -1)
    return _layer()(x, torch.cat([edges, nodes], dim=1), W_q, W_k, a)


def _each_bent(x: Tensor, edges: Tensor, W_q: Tensor, W_k: Tensor, a: Tensor) -> Tensor:
    q, k = (split(x @ W.mT, len(a)) for W in (W_q, W_k))
    of_target, of_source = _bent(q, a), _bent(k, a)
    return merge(along_edges(of_target[:, edges[1]] + of_source[:, edges[0]], k, edges))


def _layer_cases(draw: Draw) -> list[Case]:
    n, d, h, d_in = draw.sizes(4)
    n += 5
    edges = draw_edges(draw, n, 3 * n)

    def inputs(h: int, size: float = 1) -> tuple[Tensor, ...]:
        W_q, W_k = (draw.normal(h * d, d_in) / d_in**0.5 for _ in range(2))
        return size * draw.normal(n, d_in), edges, W_q, W_k, draw.normal(h, d) / d**0.5

    return [
        Case("", inputs(h)),
        Case("with one head", inputs(1), "There may be one head."),
        Case("with large vectors", inputs(h, 300), "e⁸⁰⁰ is too large for a computer."),
    ]  # fmt: skip


def _pairs(answer: Function) -> str:
    n, m = 400, 800
    edges = torch.stack([torch.arange(m) % n, (7 * torch.arange(m) + 3) % n])
    inputs = torch.ones(n, 4), edges, torch.ones(8, 4), torch.ones(8, 4), torch.ones(2, 4)
    with torch.no_grad():
        peak = peak_bytes(lambda: answer(*inputs))
    if peak < 4 * n * n:  # one number for each pair
        return ""
    return (
        f"gatv2: The numbers are right, but for {n} nodes and {m} edges it takes {peak:,} bytes at the worst moment, "
        f"and a float32 for each pair of nodes takes {4 * n * n:,}. Touch the pairs alone that an edge joins."
    )


GATV2 = Task(
    "gatv2",
    _layer(),
    _layer_cases,
    (
        Mistake("LeakyReLU comes behind the dot product: that is GAT's order, and static.",
                _layer(lambda hidden, a: leaky_relu((hidden * a[:, None]).sum(dim=-1), 0.2))),
        Mistake("LeakyReLU is missing.", _layer(lambda hidden, a: (hidden * a[:, None]).sum(dim=-1))),
        Mistake("This is ReLU: below zero 0.2 should be left.",
                _layer(lambda hidden, a: (hidden.relu() * a[:, None]).sum(dim=-1))),
        Mistake("LeakyReLU has torch's own slope of 0.01; the task has 0.2.",
                _layer(lambda hidden, a: (leaky_relu(hidden) * a[:, None]).sum(dim=-1))),
        Mistake("This bends by tanh, as Bahdanau and others do; GATv2 takes LeakyReLU.",
                _layer(lambda hidden, a: (hidden.tanh() * a[:, None]).sum(dim=-1))),
        Mistake("In the score the source asks and the target answers: W_q belongs to the target.", _layer(asks=0)),
        Mistake("The values are made by W_q. A key is its own value: W_k x.", _layer(value=lambda q, k, x: q)),
        Mistake("The heads are right, and they are merged in the wrong order: a row of the result should hold what all "
                "heads found for one node.", _layer(join=lambda x: x.reshape(x.shape[-2], -1))),
        Mistake("The numbers of the heads are merged in turn, one of each: a head's numbers should stay together.",
                _layer(join=lambda x: x.movedim(-3, -1).flatten(-2))),
        Mistake("A head got every h-th row of W_q and W_k. Head 1 should have the first d, head 2 the next.",
                _layer(cut=lambda x, h: x.unflatten(-1, (-1, h)).movedim(-1, -3))),
        Mistake("A head mixes nodes: a reshape alone cuts the rows in other places.",
                _layer(cut=lambda x, h: x.reshape(h, x.shape[-2], -1))),
        Mistake("The heads' scores are added up, so that all heads have the same weights.",
                _layer(lambda hidden, a: _bent(hidden, a).sum(dim=0, keepdim=True).expand(len(a), -1))),
        Mistake("The heads are averaged. They stand side by side.", _layer(join=lambda x: x.mean(dim=-3))),
        Mistake("What is mapped is bent one by one. The bend belongs to the sum of both.", _each_bent),
        Mistake("The scores are divided by √d, which GATv2 does not do.",
                _layer(lambda hidden, a: _bent(hidden, a) / a.shape[-1] ** 0.5)),
        Mistake("Edges to oneself were added. The task asks for the edges of the list alone.", _looped),
        *(Mistake(says, _layer(along=along)) for says, along in ALONG),
    ),
    returns=("the output",),
    beyond=_pairs,
)  # fmt: skip


def check_gatv2(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check GATv2 along edges, all heads: gatv2(x, edges, W_q, W_k, a), output (n, h · d).

    >>> check_gatv2(_layer(asks=0))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: gatv2: In the score the source asks and the target answers: ...
    """
    GATV2.check(answer, seed)
