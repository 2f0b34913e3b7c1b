"""Methods on heads: q, k and v in, the output of each head out."""

from functools import partial

import peers
import torch
from peers import BLOCK, D_HEAD, D_MODEL, FEATURES, HEADS, RANDOM_BLOCKS, SEED, WINDOW
from torch import Tensor, nn
from work import Attention, Group, Method

from attnbook import costs, masks
from attnbook.attention import scaled_dot_product_attention
from attnbook.costs import Cost
from attnbook.efficient.block_sparse import block_sparse_attention, block_sparse_mask
from attnbook.efficient.blockwise import blockwise_attention
from attnbook.efficient.chunked import chunked_attention
from attnbook.efficient.linear import elu_features, linear_attention
from attnbook.efficient.local import sliding_window_attention
from attnbook.efficient.performer import orthogonal_features, performer_attention

# Patterns


def window_mask(_: Attention, n: int, causal: bool = False) -> Tensor:
    band = masks.sliding_window(n, WINDOW)
    return band & masks.causal(n) if causal else band


def window_cost(n: int, training: bool, causal: bool = False) -> Cost:
    return costs.sliding_window(n, D_MODEL, HEADS, WINDOW, causal=causal, store_weights=False, training=training)


def _our_window(causal: bool) -> Method:
    return Method(
        "attnbook",
        f"sliding_window_attention(q, k, v, {WINDOW}{', causal=True' * causal})",
        lambda n: partial(sliding_window_attention, window=WINDOW, causal=causal),
        partial(window_cost, causal=causal),
        partial(window_mask, causal=causal),
    )


def window(causal: bool) -> Group:
    ours = _our_window(causal)
    theirs = Method(
        "local-attention",
        f"LocalAttention({WINDOW}, causal={causal}, exact_windowsize=True)",
        lambda n: peers.local_attention(n, causal),
        ours.cost,
        ours.mask,
        note="computes all keys of the neighbouring buckets, and hides those outside the window",
    )
    sides = ("causal", "on the left") if causal else ("both sides", "on either side")
    return Group(f"window, {sides[0]}", f"each query sees itself and {WINDOW} keys {sides[1]}", (ours, theirs))


def window_forward() -> Group:
    ours = _our_window(causal=True)
    flex = Method(
        "torch flex_attention",
        "torch.compile(flex_attention)(q, k, v, block_mask=...)",
        peers.FlexWindow,
        ours.cost,
        ours.mask,
        note="compiled for each length, which takes some 20 seconds and is not counted",
    )
    return Group(
        "window, causal, forward",
        "the same without gradients, which flex_attention has not on a CPU",
        (ours, flex),
        training=False,
        lengths=(1024, 8192),
    )


def chunks() -> Group:
    def mask(_: Attention, n: int) -> Tensor:
        chunk = torch.arange(n) // WINDOW
        return chunk[:, None] == chunk

    def cost(n: int, training: bool) -> Cost:
        return costs.chunked(n, D_MODEL, HEADS, WINDOW, store_weights=False, training=training)

    ours = Method(
        "attnbook",
        f"chunked_attention(q, k, v, {WINDOW})",
        lambda n: partial(chunked_attention, chunk=WINDOW),
        cost,
        mask,
    )
    return Group("chunks", f"each chunk of {WINDOW} tokens by itself", (ours,))


def our_blocks(_: int) -> Attention:
    return partial(block_sparse_attention, block=BLOCK, num_global=2, num_random=RANDOM_BLOCKS, seed=SEED)


def our_blocks_mask(_: Attention, n: int) -> Tensor:
    return block_sparse_mask(n, BLOCK, num_global=2, num_random=RANDOM_BLOCKS, seed=SEED)


def blocks_cost(n: int, training: bool) -> Cost:
    return costs.block_sparse(
        n, D_MODEL, HEADS, BLOCK, num_global=2, num_random=RANDOM_BLOCKS, store_weights=False, training=training
    )


def blocks() -> Group:
    call = f"block_sparse_attention(q, k, v, {BLOCK}, num_global=2, num_random={RANDOM_BLOCKS}, seed={SEED})"
    ours = Method("attnbook", call, our_blocks, blocks_cost, our_blocks_mask)
    return Group(
        "block-sparse", f"3 near blocks of {BLOCK} keys, 2 global ones and {RANDOM_BLOCKS} drawn ones", (ours,)
    )


# Features


def _causal_mask(_: Attention, n: int) -> Tensor:
    return masks.causal(n)


def performer(causal: bool) -> Group:
    def build(n: int, seed: int = SEED) -> Attention:
        return partial(performer_attention, features=orthogonal_features(FEATURES, D_HEAD, seed=seed), causal=causal)

    def build_theirs(n: int, seed: int = SEED) -> Attention:
        torch.manual_seed(seed)
        return peers.performer(causal)

    def cost(n: int, training: bool) -> Cost:
        return costs.performer(n, D_MODEL, HEADS, FEATURES, training=training)

    mask = _causal_mask if causal else None
    ours = Method(
        "attnbook",
        f"performer_attention(q, k, v, features{', causal=True' * causal})",
        build,
        cost,
        mask,
        note=f"{FEATURES} features from {FEATURES // 2} directions; shortens queries and keys that are too "
        "long for so few",
    )
    theirs = Method(
        "performer-pytorch",
        f"FastAttention(64, nb_features={FEATURES}, causal={causal})",
        build_theirs,
        cost,
        mask,
        note=peers.performer(causal).said,
    )
    return Group(
        f"Performer, {'causal' if causal else 'both sides'}",
        f"{FEATURES} random features for the softmax",
        (ours, theirs),
        random=True,
    )


def linear(causal: bool) -> Group:
    def scores(q: Tensor, k: Tensor) -> Tensor:
        return (elu_features(q) @ elu_features(k).mT).log()  # their softmax is φ(q)·φ(k) / Σ φ(q)·φ(k)

    def cost(n: int, training: bool) -> Cost:
        return costs.linear(n, D_MODEL, HEADS, training=training)

    ours = Method(
        "attnbook",
        f"linear_attention(q, k, v{', causal=True' * causal})",
        lambda n: partial(linear_attention, causal=causal),
        cost,
        _causal_mask if causal else None,
    )
    return Group(
        f"linear, {'causal' if causal else 'both sides'}",
        "another similarity than the softmax's",
        (ours,),
        scores=scores,
    )


# Every query sees every key


def exact() -> Group:
    def fused(n: int, training: bool) -> Cost:
        return costs.blockwise(n, D_MODEL, HEADS, training=training)

    def stored(n: int, training: bool) -> Cost:
        return costs.dense(n, D_MODEL, HEADS, training=training)

    blockwise = Method("attnbook blockwise", "blockwise_attention(q, k, v)", lambda n: blockwise_attention, fused)
    sdpa = Method(
        "torch SDPA",
        "torch.nn.functional.scaled_dot_product_attention(q, k, v)",
        lambda n: nn.functional.scaled_dot_product_attention,
        fused,
        note="a fused kernel in C++",
    )
    dense = Method(
        "attnbook dense",
        "scaled_dot_product_attention(q, k, v)",
        lambda n: lambda q, k, v: scaled_dot_product_attention(q, k, v)[0],
        stored,
        note="stores its weights",
    )
    return Group("exact", "every query sees every key", (blockwise, sdpa, dense))
