"""Stacks: the same kind of layer several times, each reading what the one below wrote."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from torch import Tensor, nn

from attnbook.multihead import KVCache
from attnbook.transformer.layers import DecoderCache, DecoderLayer, EncoderLayer

T = TypeVar("T")


def _last_norm(layers: Sequence[EncoderLayer | DecoderLayer]) -> nn.Module:
    # Pre-norm layers normalise what they read, so nobody has yet normalised what the last one wrote.
    if not layers:
        raise ValueError("a stack needs at least one layer, got none")
    last = layers[-1].network_residual
    return nn.LayerNorm(last.norm.normalized_shape, last.norm.eps) if last.norm_first else nn.Identity()


def _with_caches(layers: nn.ModuleList, caches: Sequence[T] | None) -> Iterable[tuple[nn.Module, T | None]]:
    if caches is None:
        return ((layer, None) for layer in layers)
    if len(caches) != len(layers):
        raise ValueError(f"caches should hold one for each of the {len(layers)} layers, got {len(caches)}")
    return zip(layers, caches, strict=True)


class Encoder(nn.Module):
    """Stack layers of self-attention. With a causal mask they are the body of a language model.

    Args:
        layers: the layers, from the input upwards.
    Raises:
        ValueError: there is no layer.
    Cost: that of its layers.
    Source: Vaswani et al. (2017), section 3.1.

    >>> import torch
    >>> from attnbook.multihead import MultiHeadAttention
    >>> from attnbook.transformer import EncoderLayer
    >>> encoder = Encoder([EncoderLayer(MultiHeadAttention(8, num_heads=2)) for _ in range(3)])
    >>> x, weights = encoder(torch.randn(4, 5, 8), need_weights=True)
    >>> x.shape, len(weights), weights[0].shape
    (torch.Size([4, 5, 8]), 3, torch.Size([4, 2, 5, 5]))
    """

    def __init__(self, layers: Sequence[EncoderLayer]) -> None:
        super().__init__()
        self.norm = _last_norm(layers)
        self.layers = nn.ModuleList(layers)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None = None,
        *,
        need_weights: bool = False,
        caches: Sequence[KVCache] | None = None,
    ) -> tuple[Tensor, list[Tensor]]:
        """Let the tokens pass all layers.

        Args:
            x: (..., n, d_model).
            mask: bool, broadcasts to (..., n, n_k), the same for all layers; True = may attend.
            need_weights: whether to return the weights.
            caches: one for each layer.
        Returns:
            (..., n, d_model), and a list of each layer's weights (..., num_heads, n, n_k), empty if not asked for.
        """
        weights = []
        for layer, cache in _with_caches(self.layers, caches):
            x, layer_weights = layer(x, mask, need_weights=need_weights, cache=cache)
            weights.append(layer_weights)
        return self.norm(x), weights if need_weights else []


class Decoder(nn.Module):
    """Stack layers that read a source.

    Args:
        layers: the layers, from the input upwards.
    Raises:
        ValueError: there is no layer.
    Cost: that of its layers.
    Source: Vaswani et al. (2017), section 3.1.

    >>> import torch
    >>> from attnbook.multihead import MultiHeadAttention
    >>> from attnbook.transformer import DecoderLayer
    >>> decoder = Decoder([DecoderLayer(MultiHeadAttention(8, 2), MultiHeadAttention(8, 2)) for _ in range(3)])
    >>> x, weights = decoder(torch.randn(4, 5, 8), torch.randn(4, 7, 8), need_weights=True)
    >>> self_weights, cross_weights = weights[0]
    >>> self_weights.shape, cross_weights.shape
    (torch.Size([4, 2, 5, 5]), torch.Size([4, 2, 5, 7]))
    """

    def __init__(self, layers: Sequence[DecoderLayer]) -> None:
        super().__init__()
        self.norm = _last_norm(layers)
        self.layers = nn.ModuleList(layers)

    def forward(
        self,
        x: Tensor,
        source: Tensor,
        mask: Tensor | None = None,
        source_mask: Tensor | None = None,
        *,
        need_weights: bool = False,
        caches: Sequence[DecoderCache] | None = None,
    ) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
        """Let the target's tokens pass all layers.

        Args:
            x: the target's tokens, (..., n_q, d_model).
            source: the encoder's output, (..., n_k, d_model).
            mask, source_mask: bool, which tokens of the target and of the source may be attended to.
            need_weights: whether to return the weights.
            caches: one pair for each layer.
        Returns:
            (..., n_q, d_model), and a list of each layer's weights, to the target and to the source; empty
            if not asked for.
        """
        weights = []
        for layer, cache in _with_caches(self.layers, caches):
            x, layer_weights = layer(x, source, mask, source_mask, need_weights=need_weights, cache=cache)
            weights.append(layer_weights)
        return self.norm(x), weights if need_weights else []
