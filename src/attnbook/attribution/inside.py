"""Look inside: the weights of every layer, how long what they fetch is, and where all of them together lead."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, cast

import torch
from torch import Tensor

from attnbook._checks import check_vectors, shape
from attnbook.transformer import Encoder, EncoderLayer


class Inside(NamedTuple):
    """What one layer of an encoder did: its heads' weights (..., h, n, n), and `weighted_norms` (..., n, n).

    >>> weights, norms = Inside(torch.zeros(2, 5, 5), torch.zeros(5, 5))
    >>> weights.shape, norms.shape
    (torch.Size([2, 5, 5]), torch.Size([5, 5]))
    """

    weights: Tensor
    norms: Tensor


def look_inside(encoder: Encoder, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, list[Inside]]:
    """Let tokens pass an encoder, and keep what each of its layers' attentions did.

    Args:
        encoder: whose attentions have a key and a value for every head.
        x: (..., n, d_model).
        mask: bool, broadcasts to (..., n, n); True = may attend.
    Returns:
        what the encoder returns, (..., n, d_model), and one `Inside` a layer.
    Raises:
        ValueError: heads share their values.
    Cost: that of the encoder with weights, and O(h n d_model d_head + n² d_model h) a layer for the norms.

    >>> import torch
    >>> from attnbook.multihead import MultiHeadAttention
    >>> from attnbook.transformer import EncoderLayer
    >>> encoder = Encoder([EncoderLayer(MultiHeadAttention(8, num_heads=2)) for _ in range(3)])
    >>> output, layers = look_inside(encoder, torch.randn(5, 8))
    >>> output.shape, len(layers), layers[0].weights.shape, layers[0].norms.shape
    (torch.Size([5, 8]), 3, torch.Size([2, 5, 5]), torch.Size([5, 5]))
    """
    check_vectors("x", x)
    layers = []
    for layer in cast("Iterable[EncoderLayer]", encoder.layers):
        attention = layer.attention
        if attention.num_kv_heads != attention.num_heads:
            raise ValueError(f"each of the {attention.num_heads} heads should have values of its own, got "
                             f"{attention.num_kv_heads} for all")  # fmt: skip
        values = attention.value(layer.attention_residual.before(x))
        # (..., n, h * d_head) -> (..., h, n, d_head)
        values = values.unflatten(-1, (attention.num_heads, attention.d_head)).transpose(-3, -2)
        x, weights = layer(x, mask, need_weights=True)
        layers.append(Inside(weights, weighted_norms(weights, values, attention.output.weight)))
    return encoder.norm(x), layers


def weighted_norms(weights: Tensor, values: Tensor, output: Tensor) -> Tensor:
    """The length of what each query fetches from each key: the weight times the value, after the output's matrix.

        ‖ Σ_h weights_h[i, j] · values_h[j] W_o^h ‖

    A weight is a share. What is added is a vector, and a large share of a short vector is little.

    Args:
        weights: (..., h, n_q, n_k).
        values: (..., h, n_k, d_head).
        output: the matrix that mixes the heads, (d_model, h · d_head), as `nn.Linear` holds it.
    Returns:
        (..., n_q, n_k).
    Raises:
        ValueError: the matrix does not take in h · d_head numbers.
    Source: Kobayashi et al. (2020), section 3.

    >>> weights = torch.tensor([[[0.9, 0.1]]])  # one head, one query, two keys
    >>> values = torch.tensor([[[0.0, 0.1], [3.0, 4.0]]])
    >>> weighted_norms(weights, values, torch.eye(2))
    tensor([[0.0900, 0.5000]])
    """
    h, d_head = values.shape[-3], values.shape[-1]
    if output.shape[-1] != h * d_head:
        raise ValueError(f"output should take in {h} · {d_head} numbers, got a matrix of shape {shape(output)}")
    parts = output.unflatten(-1, (h, d_head))  # (d_model, h, d_head)
    fetched = torch.einsum("...hjd,mhd->...hjm", values, parts)  # each value as the layer's output sees it
    return torch.einsum("...hij,...hjm->...ijm", weights, fetched).norm(dim=-1)


def rollout(weights: Sequence[Tensor]) -> Tensor:
    """Follow the weights through all layers, as if attention and the residual path shared each token half and half.

        A_l = (mean over heads of the weights of layer l + I) / 2          rollout = A_L ... A_2 A_1

    Args:
        weights: of each layer from the first to the last, (..., h, n, n), each row summing to 1.
    Returns:
        (..., n, n): row i says how much of each input token has come to token i of the last layer. Rows sum to 1.
    Raises:
        ValueError: there is no layer, or the layers' shapes differ or are not square.
    Cost: O(L n³) time for L layers.
    Source: Abnar and Zuidema (2020), section 3.

    >>> first = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])  # one head, two tokens: each looks at the other
    >>> rollout([first, first])
    tensor([[0.5000, 0.5000],
            [0.5000, 0.5000]])
    """
    if not weights:
        raise ValueError("rollout needs the weights of at least one layer, got none")
    for layer in weights:
        if layer.dim() < 3 or layer.shape[-1] != layer.shape[-2] or layer.shape != weights[0].shape:
            shapes = ", ".join(map(shape, weights))
            raise ValueError(f"weights should all have one shape (..., h, n, n), got {shapes}")
    identity = torch.eye(weights[0].shape[-1], dtype=weights[0].dtype, device=weights[0].device)
    total = identity
    for layer in weights:
        total = (layer.mean(dim=-3) + identity) / 2 @ total
    return total
