"""Whole layers: tokens in, and projections around the attention."""

from collections.abc import Callable
from functools import partial

import methods
import peers
import torch
from peers import BLOCK, D_MODEL, HEADS, RANDOM_BLOCKS, WINDOW
from torch import Tensor, nn
from work import Attention, Group, Method

from attnbook import costs
from attnbook.costs import Cost
from attnbook.efficient.local import sliding_window_attention
from attnbook.multihead import MultiHeadAttention


class Layer(nn.Module):
    """A layer that returns its output and more, as a function of the tokens to the output alone."""

    def __init__(self, attention: nn.Module, **options: bool) -> None:
        super().__init__()
        self.attention, self.options = attention, options

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, **self.options)[0]


def _three_projections(method: Attention) -> Layer:
    """Our heads with the projections to queries, keys and values; the peers keep the fourth one in another class."""
    attention = MultiHeadAttention(D_MODEL, HEADS, method=method)
    attention.output = nn.Identity()
    return Layer(attention)


def _with_three_projections(cost: Callable[[int, bool], Cost], n: int, training: bool) -> Cost:
    four = costs.projections(n, D_MODEL, training=training)
    return cost(n, training) + Cost(four.operations * 3 // 4, four.stored, four.moved * 3 // 4)


def longformer() -> Group:
    cost = partial(_with_three_projections, methods.window_cost)
    ours = Method(
        "attnbook",
        "MultiHeadAttention(512, 8, method=partial(sliding_window_attention, window=256))",
        lambda n: _three_projections(partial(sliding_window_attention, window=WINDOW)),
        cost,
        methods.window_mask,
    )
    theirs = Method(
        "transformers Longformer",
        "LongformerSelfAttention(attention_window=[512])",
        peers.LongformerLayer,
        cost,
        methods.window_mask,
        note="without global tokens, as ours",
    )
    return Group(
        "Longformer's layer",
        f"three projections, and a window of {WINDOW} keys on either side",
        (ours, theirs),
        inputs="tokens",
    )


def bigbird() -> Group:
    def their_mask(layer: peers.BigBirdLayer, n: int) -> Tensor:
        with torch.no_grad():
            return layer.with_weights(torch.randn(1, n, D_MODEL))[1] > 0  # (1, heads, n, n): each head draws its own

    cost = partial(_with_three_projections, methods.blocks_cost)
    call = f"block_sparse_attention, block={BLOCK}, num_global=2, num_random={RANDOM_BLOCKS}, seed={peers.SEED}"
    ours = Method(
        "attnbook",
        f"MultiHeadAttention(512, 8, method=partial({call}))",
        lambda n: _three_projections(methods.our_blocks(n)),
        cost,
        methods.our_blocks_mask,
    )
    theirs = Method(
        "transformers BigBird",
        f"BigBirdBlockSparseAttention(block_size={BLOCK}, num_random_blocks={RANDOM_BLOCKS})",
        peers.BigBirdLayer,
        cost,
        their_mask,
        note="its global blocks are the first and the last, ours the first two; each of its heads draws "
        "its own blocks, ours share them; it also writes its weights into an n × n matrix; at 1024 "
        "tokens it draws some blocks that are seen anyway, whose keys then count twice",
    )
    return Group(
        "BigBird's layer",
        f"three projections; each block of {BLOCK} queries sees 3 near blocks, 2 global "
        f"ones and {RANDOM_BLOCKS} drawn ones",
        (ours, theirs),
        inputs="tokens",
        short_lengths=(768, 1024),  # it needs twelve blocks
        checked_at=(1024, 2048),  # at 1024 it may count a key twice
    )


def recurrent() -> Group:
    def attention_cost(cost: Callable[..., Cost], n: int, training: bool) -> Cost:
        return costs.projections(n, D_MODEL, training=training) + cost(n, D_MODEL, HEADS, training=training)

    def gru_cost(n: int, training: bool) -> Cost:
        return costs.recurrent(n, D_MODEL, training=training)

    fused = Method(
        "attnbook",
        "MultiHeadAttention(512, 8)(x)",
        lambda n: Layer(MultiHeadAttention(D_MODEL, HEADS)),
        partial(attention_cost, costs.blockwise),
        note="by torch's fused kernel",
    )
    stored = Method(
        "attnbook, weights stored",
        "MultiHeadAttention(512, 8)(x, need_weights=True)",
        lambda n: Layer(MultiHeadAttention(D_MODEL, HEADS), need_weights=True),
        partial(attention_cost, costs.dense),
    )
    gru = Method(
        "torch GRU",
        "torch.nn.GRU(512, 512)",
        lambda n: Layer(nn.GRU(D_MODEL, D_MODEL, batch_first=True)),
        gru_cost,
        note="another layer, not another way to the same output",
    )
    return Group(
        "recurrent",
        "a layer of self-attention with its four projections, or a recurrent one",
        (fused, stored, gru),
        inputs="tokens",
        lengths=(128, 256, 512, 1024, 2048, 4096),
        short_lengths=(128, 256),
        checked_at=(),
    )
