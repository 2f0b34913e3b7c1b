"""The packages that people install, each called as its authors mean it, on our inputs."""

import contextlib
import io

import torch
from torch import Tensor, nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

D_HEAD, HEADS = 64, 8
D_MODEL = D_HEAD * HEADS
WINDOW, BLOCK, RANDOM_BLOCKS, FEATURES = 256, 64, 3, 266
SEED = 0


def local_attention(n: int, causal: bool) -> nn.Module:
    """local-attention cuts q into buckets of the window's width; with `exact_windowsize` it then hides what is too far.

    Without its rotary positions, which the plain window has not.
    """
    from local_attention import LocalAttention

    return LocalAttention(
        window_size=WINDOW,
        causal=causal,
        look_backward=1,
        look_forward=0 if causal else 1,
        exact_windowsize=True,
        use_rotary_pos_emb=False,
    )


class FlexWindow(nn.Module):
    """torch's flex_attention with a causal window as its block mask, compiled for this length by a C++ compiler."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.mask = create_block_mask(lambda b, h, i, j: (i >= j) & (i - j <= WINDOW), None, None, n, n, device="cpu")
        self.compiled = torch.compile(flex_attention, dynamic=False)
        with torch.no_grad():
            self(*torch.zeros(3, 1, HEADS, n, D_HEAD))  # compiles, so that no later call has to

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return self.compiled(q, k, v, block_mask=self.mask)


def flex_backward() -> str:
    """What flex_attention answers on a CPU when asked for gradients: the first line of its error, or 'works'."""
    q = torch.randn(1, HEADS, 2 * BLOCK, D_HEAD, requires_grad=True)
    try:
        torch.compile(flex_attention)(q, q, q).sum().backward()
    except Exception as error:  # whichever it is, it is what a reader would meet
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return "works"


def performer(causal: bool) -> nn.Module:
    """performer-pytorch; if causal, without its CUDA extension, it takes the path that it calls inefficient itself."""
    from performer_pytorch import FastAttention

    with contextlib.redirect_stdout(io.StringIO()) as said:  # it says so on the way
        module = FastAttention(D_HEAD, nb_features=FEATURES, causal=causal)
    module.said = said.getvalue().strip()
    return module


class LongformerLayer(nn.Module):
    """transformers' LongformerSelfAttention, with no global token: three projections and the window."""

    def __init__(self, n: int) -> None:
        super().__init__()
        from transformers import LongformerConfig
        from transformers.models.longformer.modeling_longformer import LongformerSelfAttention

        config = LongformerConfig(
            hidden_size=D_MODEL,
            num_attention_heads=HEADS,
            attention_window=[2 * WINDOW],
            attention_probs_dropout_prob=0.0,
        )
        self.attention = LongformerSelfAttention(config, 0)
        for name in ("query_global", "key_global", "value_global"):  # of global tokens, of which there are none
            delattr(self.attention, name)

    def forward(self, x: Tensor) -> Tensor:
        none = torch.zeros(x.shape[:2], dtype=torch.bool)
        return self.attention(
            x, attention_mask=none.float(), is_index_masked=none, is_index_global_attn=none, is_global_attn=False
        )[0]


class BigBirdLayer(nn.Module):
    """transformers' BigBirdBlockSparseAttention: three projections and the blocks.

    In training mode, with no dropout: in evaluation all its random blocks are block 0, so that it would compute less.
    """

    def __init__(self, n: int) -> None:
        super().__init__()
        from transformers import BigBirdConfig
        from transformers.models.big_bird.modeling_big_bird import BigBirdBlockSparseAttention, BigBirdModel

        config = BigBirdConfig(
            hidden_size=D_MODEL,
            num_attention_heads=HEADS,
            block_size=BLOCK,
            num_random_blocks=RANDOM_BLOCKS,
            max_position_embeddings=n,
            attention_probs_dropout_prob=0.0,
        )
        self.attention = BigBirdBlockSparseAttention(config, seed=SEED).train()
        names = ("from_blocked_mask", "band_mask", "from_mask", "to_mask")
        masks = BigBirdModel.create_masks_for_block_sparse_attn(torch.ones(1, n), BLOCK)
        self.masks = dict(zip(names, masks, strict=True))
        self.masks["to_blocked_mask"] = self.masks["from_blocked_mask"]

    def forward(self, x: Tensor) -> Tensor:
        return self.with_weights(x)[0]

    def with_weights(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.attention(x, **self.masks)  # seeds numpy's random numbers, so it draws the same blocks each time
