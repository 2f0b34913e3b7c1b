"""The efficient methods in mixed precision: autocast around them changes nothing that they compute themselves."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close

from attnbook.efficient.block_sparse import block_sparse_attention
from attnbook.efficient.blockwise import blockwise_attention
from attnbook.efficient.chunked import chunked_attention
from attnbook.efficient.linear import linear_attention
from attnbook.efficient.local import sliding_window_attention
from attnbook.efficient.performer import orthogonal_features, performer_attention

N, D = 37, 11
METHODS = {
    "window": partial(sliding_window_attention, window=5),
    "blocks": partial(block_sparse_attention, block=7, seed=0),
    "chunks": partial(chunked_attention, chunk=7),
    "blockwise": blockwise_attention,
    "linear": linear_attention,
    "linear, causal": partial(linear_attention, causal=True),
    "Performer": partial(performer_attention, features=orthogonal_features(22, D, seed=0)),
    "Performer, causal": partial(performer_attention, features=orthogonal_features(22, D, seed=0), causal=True),
}
every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)
autocast = partial(torch.autocast, "cpu", dtype=torch.bfloat16)


def qkv(dtype=torch.float32):
    torch.manual_seed(0)
    return [torch.randn(3, N, D, dtype=dtype, requires_grad=True) for _ in range(3)]


@every_method
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_forward_and_backward_are_the_same_in_an_autocast_block(method, dtype):
    def outputs():
        inputs = qkv(dtype)
        output = method(*inputs)
        output.sin().sum().backward()
        return output, *(x.grad for x in inputs)

    outside = outputs()
    with autocast():
        inside = outputs()
    assert_close(inside, outside, rtol=0, atol=0)


@every_method
def test_projections_under_autocast_and_the_backward_pass_too(method):
    torch.manual_seed(0)
    layers = [torch.nn.Linear(D, D) for _ in range(3)]
    x = torch.randn(3, N, D)
    exact = method(*(layer(x) for layer in layers))
    exact.square().sum().backward()
    expected = [layer.weight.grad for layer in layers]
    for layer in layers:
        layer.weight.grad = None
    with autocast():
        output = method(*(layer(x) for layer in layers))
        assert output.dtype == torch.bfloat16
        output.float().square().sum().backward()
    for layer, grad in zip(layers, expected, strict=True):
        assert (layer.weight.grad - grad).norm() < 0.03 * grad.norm()


@every_method
def test_a_second_derivative_is_refused_and_not_wrong(method):
    q, k, v = qkv()
    (grad,) = torch.autograd.grad(method(q, k, v).sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match=r"once_differentiable|does not require grad"):
        grad.square().sum().backward()
