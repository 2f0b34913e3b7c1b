"""Layers: attention mixes the tokens, a small network thinks about each alone, and each adds to what is there."""

from torch import Tensor, nn

from attnbook._checks import check_count, check_input
from attnbook.multihead import KVCache, MultiHeadAttention

DecoderCache = tuple[KVCache, KVCache]  # of the self-attention and of the cross-attention


class Residual(nn.Module):
    """Frame a part of a layer, so that the part adds to its input and need not carry it.

        pre-norm:  x + part(norm(x))        post-norm:  norm(x + part(x))

    Post-norm is the original. Pre-norm leaves a free path from the last layer to the first, so that deep stacks train
    without a warm-up of the learning rate.

    Args:
        d_model: width of the tokens.
        dropout: share of what the part adds that training leaves out.
        norm_first: True for pre-norm.
        eps: added to the variance by the norm.
    Source: He et al. (2016); Vaswani et al. (2017), section 5.4; pre-norm: Xiong et al. (2020).

    >>> import torch
    >>> residual = Residual(d_model=4, dropout=0.0, norm_first=True, eps=1e-5)
    >>> x = torch.tensor([[1.0, 1.0, -1.0, -1.0]])
    >>> residual.after(x, 2 * residual.before(x))
    tensor([[ 3.0000,  3.0000, -3.0000, -3.0000]], grad_fn=<AddBackward0>)
    """

    def __init__(self, d_model: int, dropout: float, norm_first: bool, eps: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d_model, eps)
        self.dropout = nn.Dropout(dropout)
        self.norm_first = norm_first

    def before(self, x: Tensor) -> Tensor:
        """What the part reads."""
        check_input("x", x, self.norm.weight)
        return self.norm(x) if self.norm_first else x

    def after(self, x: Tensor, addition: Tensor) -> Tensor:
        """The input with what the part adds to it."""
        x = x + self.dropout(addition)
        return x if self.norm_first else self.norm(x)


class FeedForward(nn.Module):
    """Think about each token alone: a network with one wide hidden layer.

        output = W_2 gelu(W_1 x + b_1) + b_2

    Args:
        d_model: width of the tokens.
        d_ff: width of the hidden layer; 4 · d_model if left out.
    Cost: O(n d_model d_ff) time; about 2 d_model d_ff parameters, two thirds of a layer's.
    Source: Vaswani et al. (2017), section 3.3, there with ReLU; GELU since Devlin et al. (2018) and GPT.

    >>> import torch
    >>> FeedForward(8)(torch.randn(3, 5, 8)).shape
    torch.Size([3, 5, 8])
    """

    def __init__(self, d_model: int, d_ff: int | None = None) -> None:
        super().__init__()
        d_ff = 4 * d_model if d_ff is None else d_ff
        check_count("d_ff", d_ff)
        self.expand = nn.Linear(d_model, d_ff)
        self.contract = nn.Linear(d_ff, d_model)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (..., n, d_model) to (..., n, d_model)."""
        return self.contract(nn.functional.gelu(self.expand(x)))


class EncoderLayer(nn.Module):
    """Let the tokens read each other, then think about each alone.

    Args:
        attention: the self-attention; its width is the layer's.
        d_ff: width of the network's hidden layer; 4 · d_model if left out.
        dropout, norm_first, eps: as in `Residual`.
    Cost: that of `MultiHeadAttention` and O(n d_model d_ff).
    Source: Vaswani et al. (2017), section 3.1.

    >>> import torch
    >>> from attnbook.multihead import MultiHeadAttention
    >>> layer = EncoderLayer(MultiHeadAttention(8, num_heads=2))
    >>> layer(torch.randn(3, 5, 8))[0].shape
    torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        attention: MultiHeadAttention,
        d_ff: int | None = None,
        *,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        d_model = attention.output.out_features
        self.attention, self.attention_residual = attention, Residual(d_model, dropout, norm_first, eps)
        self.network, self.network_residual = FeedForward(d_model, d_ff), Residual(d_model, dropout, norm_first, eps)

    def forward(
        self, x: Tensor, mask: Tensor | None = None, *, need_weights: bool = False, cache: KVCache | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Tokens (..., n, d_model) to the same shape, and the attention's weights or None; arguments as there."""
        read = self.attention_residual.before(x)
        attended, weights = self.attention(read, mask=mask, need_weights=need_weights, cache=cache)
        x = self.attention_residual.after(x, attended)
        return self.network_residual.after(x, self.network(self.network_residual.before(x))), weights


class DecoderLayer(nn.Module):
    """Let the target's tokens read each other, then the source, then think about each alone.

    Args:
        self_attention, cross_attention: of the target's tokens to each other and to the source; of one width.
        d_ff: width of the network's hidden layer; 4 · d_model if left out.
        dropout, norm_first, eps: as in `Residual`.
    Cost: that of two `MultiHeadAttention` and O(n d_model d_ff).
    Source: Vaswani et al. (2017), section 3.1.

    >>> import torch
    >>> from attnbook.multihead import MultiHeadAttention
    >>> layer = DecoderLayer(MultiHeadAttention(8, num_heads=2), MultiHeadAttention(8, num_heads=2))
    >>> layer(torch.randn(3, 5, 8), torch.randn(3, 7, 8))[0].shape
    torch.Size([3, 5, 8])
    """

    def __init__(
        self,
        self_attention: MultiHeadAttention,
        cross_attention: MultiHeadAttention,
        d_ff: int | None = None,
        *,
        dropout: float = 0.0,
        norm_first: bool = True,
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        d_model = self_attention.output.out_features
        self.self_attention, self.self_residual = self_attention, Residual(d_model, dropout, norm_first, eps)
        self.cross_attention, self.cross_residual = cross_attention, Residual(d_model, dropout, norm_first, eps)
        self.network, self.network_residual = FeedForward(d_model, d_ff), Residual(d_model, dropout, norm_first, eps)

    def forward(
        self,
        x: Tensor,
        source: Tensor,
        mask: Tensor | None = None,
        source_mask: Tensor | None = None,
        *,
        need_weights: bool = False,
        cache: DecoderCache | None = None,
    ) -> tuple[Tensor, tuple[Tensor | None, Tensor | None]]:
        """Tokens (..., n_q, d_model) to the same shape, and the weights of both attentions or None.

        Args:
            x: the target's tokens, (..., n_q, d_model).
            source: the encoder's output, (..., n_k, d_model).
            mask, source_mask: which tokens of the target and of the source may be attended to.
            need_weights: whether to return the weights.
            cache: of the self-attention and of the cross-attention.
        """
        own, of_source = cache or (None, None)
        read = self.self_residual.before(x)
        attended, self_weights = self.self_attention(read, mask=mask, need_weights=need_weights, cache=own)
        x = self.self_residual.after(x, attended)
        read = self.cross_residual.before(x)
        attended, cross_weights = self.cross_attention(
            read, source, source_mask, need_weights=need_weights, cache=of_source
        )
        x = self.cross_residual.after(x, attended)
        x = self.network_residual.after(x, self.network(self.network_residual.before(x)))
        return x, (self_weights, cross_weights)
