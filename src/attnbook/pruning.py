"""Pruning: a model without some of its heads, to see what they were good for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from attnbook.multihead import MultiHeadAttention

Head = tuple[int, int]  # layer and head, both counted from 0


@contextmanager
def without_heads(attentions: Sequence[MultiHeadAttention], heads: Iterable[Head]) -> Iterator[None]:
    """Silence heads for as long as the block lasts: their output becomes zero before it reaches W_o.

        output = Σ_i ξ_i head_i W_o^i + b_o        ξ_i = 0 for the heads left out, else 1

    The others compute as before, and their weights can still be seen, those of silent heads too.

    Args:
        attentions: a model's attentions, in the order in which `heads` counts them.
        heads: pairs (layer, head), counted from 0.
    Raises:
        ValueError: there is no such layer or head; says how many there are.
        TypeError: a head is not a pair of whole numbers.
    Source: Michel, Levy and Neubig (2019), section 2.3.

    >>> attention, x = MultiHeadAttention(d_model=6, num_heads=3), torch.randn(5, 6)
    >>> with without_heads([attention], [(0, 0), (0, 1), (0, 2)]):
    ...     output, _ = attention(x)
    >>> torch.equal(output, attention.output.bias.expand(5, 6))  # nothing but W_o's bias is left
    True
    """
    silent: dict[int, list[int]] = {}
    for layer, head in map(_pair, heads):
        if not 0 <= layer < len(attentions):
            raise ValueError(f"layers are counted from 0 to {len(attentions) - 1}, got the head {(layer, head)}")
        if not 0 <= head < attentions[layer].num_heads:
            most = attentions[layer].num_heads - 1
            raise ValueError(f"heads are counted from 0 to {most}, got the head {(layer, head)}")
        silent.setdefault(layer, []).append(head)
    hooks = [attentions[i].output.register_forward_pre_hook(_silence(attentions[i], h)) for i, h in silent.items()]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def attentions_in(model: nn.Module) -> list[MultiHeadAttention]:
    """A model's attentions, in the order in which it made them: layer by layer, the encoder before the decoder.

    >>> len(attentions_in(nn.ModuleList([MultiHeadAttention(6, 2), nn.Linear(6, 6), MultiHeadAttention(6, 3)])))
    2
    """
    return [part for part in model.modules() if isinstance(part, MultiHeadAttention)]


def all_heads(attentions: Sequence[MultiHeadAttention]) -> list[Head]:
    """Every head, layer by layer.

    >>> all_heads([MultiHeadAttention(6, 2), MultiHeadAttention(6, 3)])
    [(0, 0), (0, 1), (1, 0), (1, 1), (1, 2)]
    """
    return [(layer, head) for layer, attention in enumerate(attentions) for head in range(attention.num_heads)]


def _pair(head: Head) -> Head:
    if not (isinstance(head, tuple) and len(head) == 2 and all(type(i) is int for i in head)):
        raise TypeError(f"a head should be a pair of whole numbers (layer, head), got {head!r}")
    return head


def _silence(attention: MultiHeadAttention, heads: list[int]) -> Callable[[nn.Module, tuple[Tensor]], Tensor]:
    def hook(_: nn.Module, inputs: tuple[Tensor]) -> Tensor:
        (merged,) = inputs  # (..., n, h * d_head), the heads side by side
        keep = torch.ones(attention.num_heads, 1, dtype=torch.bool, device=merged.device)
        keep[heads] = False
        # A zero times NaN would be NaN: a silent head is replaced, not scaled.
        return torch.where(keep, merged.unflatten(-1, (attention.num_heads, -1)), 0).flatten(-2)

    return hook
