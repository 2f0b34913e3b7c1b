"""What is compared: groups of methods that do the same work on the same inputs.

In each group the first method is ours. `expected` computes what a method should give by dense attention with the
method's own mask, so that nobody wins by computing something else.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from peers import D_HEAD, HEADS
from torch import Tensor, nn

from attnbook.attention import attend
from attnbook.costs import Cost

Attention = Callable[..., Tensor]
LENGTHS = (1024, 2048, 4096, 8192, 16384, 32768)


@dataclass(frozen=True)
class Method:
    """One way to do the work.

    Attributes:
        name: the package and, where there are several, the method.
        call: what is called, as a reader would write it.
        build: makes the function of the inputs for a length.
        cost: what the work must cost at least, by formula, for a length and with or without training.
        mask: who may see whom, (n, n), from the built method and its inputs; None = everyone sees everyone.
        note: where it computes more, or less, or something else than ours.
    """

    name: str
    call: str
    build: Callable[[int], Attention]
    cost: Callable[[int, bool], Cost]
    mask: Callable[..., Tensor] | None = None
    note: str = ""


@dataclass(frozen=True)
class Group:
    """Methods that are timed in turn.

    Attributes:
        inputs: "heads" for q, k and v, (1, heads, n, d_head); "tokens" for x, (1, n, d_model).
        training: whether the gradients of the inputs and of all parameters are computed too.
        lengths, short_lengths: those of a full and of a quick run.
        checked_at: lengths at which outputs are compared with dense attention; none if they are not meant to agree.
        random: whether the methods draw random features, so that their error is that of several draws.
        scores: of q and k, where they are others than q kᵀ / √d.
    """

    name: str
    about: str
    methods: tuple[Method, ...]
    inputs: str = "heads"
    training: bool = True
    lengths: tuple[int, ...] = LENGTHS
    short_lengths: tuple[int, ...] = (512, 1024)
    random: bool = False
    checked_at: tuple[int, ...] = (1024,)
    scores: Callable[[Tensor, Tensor], Tensor] | None = None


def expected(group: Group, method: Method, built: Attention, inputs: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
    """What the method should give for its inputs, by dense attention in float64; and the plain mean of what it may see.

    Returns:
        the expected output and the trivial average, both (1, heads, n, d_head).
    """
    q, k, v = (x.double() for x in (heads_of(built, *inputs) if group.inputs == "tokens" else inputs))
    mask = method.mask(built, q.shape[-2]) if method.mask else None
    scores = group.scores(q, k) if group.scores else q @ k.mT / D_HEAD**0.5
    return attend(scores, v, mask)[0], attend(torch.zeros_like(scores), v, mask)[0]


def heads_of(layer: nn.Module, x: Tensor) -> list[Tensor]:
    """The layer's own queries, keys and values of x, each (1, heads, n, d_head)."""
    attention = layer.attention
    return [split_heads(project(x)) for project in (attention.query, attention.key, attention.value)]


def split_heads(x: Tensor) -> Tensor:
    """(1, n, d_model) -> (1, heads, n, d_head)."""
    return x.unflatten(-1, (HEADS, D_HEAD)).transpose(1, 2)
