"""Sliding-window attention: windows by hand, Longformer's pattern with dilation and global tokens, and its limits."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from attnbook import masks
from attnbook.attention import scaled_dot_product_attention
from attnbook.efficient import local
from attnbook.efficient.local import sliding_window_attention

N, D_K, D_V = 53, 5, 7


def random_qkv(n: int = N):
    return [torch.randn(2, 3, n, d, dtype=torch.float64) for d in (D_K, D_K, D_V)]


def pattern(n: int, window: int, causal: bool = False, dilation: int = 1, global_tokens=()) -> torch.Tensor:
    mask = masks.sliding_window(n, window, dilation) | masks.global_tokens(n, global_tokens)
    return mask & masks.causal(n) if causal else mask


def test_by_hand() -> None:
    q = k = torch.zeros(5, 2)
    v = torch.tensor([[1.0], [3.0], [5.0], [10.0], [30.0]])
    assert sliding_window_attention(q, k, v, 1).flatten().tolist() == [2, 3, 6, 15, 20]
    assert sliding_window_attention(q, k, v, 1, causal=True).flatten().tolist() == [1, 2, 4, 7.5, 20]
    assert sliding_window_attention(q, k, v, 1, dilation=2).flatten().tolist() == [3, 6.5, 12, 6.5, 17.5]


def test_global_tokens_by_hand() -> None:
    q = k = torch.zeros(4, 2)
    v = torch.tensor([[1.0], [2.0], [6.0], [20.0]])
    # Token 0 sees all. Token 1 has it in its window already, where it counts once. Tokens 2 and 3 get it on top.
    assert sliding_window_attention(q, k, v, 1, global_tokens=[0]).flatten().tolist() == [7.25, 3, 7.25, 9]
    assert sliding_window_attention(q, k, v, 0, causal=True, global_tokens=[2]).flatten().tolist() == [1, 2, 3, 13]


@pytest.mark.parametrize("window", [0, 3, 17, 97])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dilation", [1, 2, 5, 59])
@pytest.mark.parametrize("global_tokens", [(), (0,), (19, 3, 19, 52)])
@pytest.mark.parametrize("rows", [7, 64])
def test_equals_dense_attention_with_the_masks(window, causal, dilation, global_tokens, rows, monkeypatch) -> None:
    monkeypatch.setattr(local, "ROWS", rows)
    options = {"causal": causal, "dilation": dilation, "global_tokens": global_tokens}
    mine, reference = random_qkv(), None
    reference = [x.clone().requires_grad_() for x in mine]
    mine = [x.requires_grad_() for x in mine]
    output = sliding_window_attention(*mine, window, **options)
    expected, _ = scaled_dot_product_attention(*reference, pattern(N, window, **options))
    assert_close(output, expected)
    weight = torch.randn_like(expected)
    (output * weight).sum().backward()
    (expected * weight).sum().backward()
    for x, y in zip(mine, reference, strict=True):
        assert_close(x.grad, y.grad)


@given(data=st.data(), n=st.integers(1, 30), window=st.integers(0, 9), dilation=st.integers(1, 4), causal=st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_pattern(data, n, window, dilation, causal) -> None:
    options = {"causal": causal, "dilation": dilation}
    options["global_tokens"] = data.draw(st.lists(st.integers(0, n - 1), max_size=4))
    q, k, v = random_qkv(n)
    expected, _ = scaled_dot_product_attention(q, k, v, pattern(n, window, **options))
    assert_close(sliding_window_attention(q, k, v, window, **options), expected)


def test_limits() -> None:
    q, k, v = random_qkv()
    plain, _ = scaled_dot_product_attention(q, k, v)
    assert_close(sliding_window_attention(q, k, v, N), plain)
    assert_close(sliding_window_attention(q, k, v, 0, global_tokens=range(N)), plain)
    assert_close(sliding_window_attention(q, k, v, 0), v)


def test_global_tokens_with_padding() -> None:
    q, k, v = random_qkv()
    padding = masks.padding(torch.tensor([[40], [0]]), N)
    output = sliding_window_attention(q, k, v, 4, global_tokens=[2, 45], mask=padding)
    expected, _ = scaled_dot_product_attention(q, k, v, pattern(N, 4, global_tokens=[2, 45]) & padding)
    assert_close(output, expected)
    assert (output[1] == 0).all()


def test_nothing_outside_the_window_has_a_gradient() -> None:
    q, k, v = (x.requires_grad_() for x in random_qkv())
    sliding_window_attention(q, k, v, 3, dilation=2)[..., 20, :].sum().backward()
    for x, seen in [(q, {20}), (k, {14, 16, 18, 20, 22, 24, 26}), (v, {14, 16, 18, 20, 22, 24, 26})]:
        assert set(x.grad.abs().sum(dim=(0, 1, 3)).nonzero().flatten().tolist()) == seen


BAD = {
    "window": ({"window": -1}, ValueError, "window should be at least 0, got -1"),
    "dilation": ({"dilation": 0}, ValueError, "dilation should be at least 1, got 0"),
    "too far": ({"global_tokens": [3, 53]}, ValueError, "global_tokens should lie between 0 and n - 1 = 52, got 53"),
    "negative": ({"global_tokens": [-1]}, ValueError, "global_tokens should lie between 0 and n - 1 = 52, got -1"),
    "a fraction": ({"window": 1.5}, TypeError, r"window should be a whole number, got 1.5 \(float\)"),
    "a full mask": (
        {"mask": torch.ones(N, N, dtype=torch.bool)}, ValueError, r"mask should hide keys, .* got \(53, 53\)"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("options", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(options, error, message) -> None:
    with pytest.raises(error, match=message):
        sliding_window_attention(*random_qkv(), **{"window": 3, **options})


def test_queries_and_keys_are_of_one_sequence() -> None:
    q, k, v = random_qkv()
    with pytest.raises(ValueError, match=r"q and k should have one length, .* q \(2, 3, 50, 5\) and k \(2, 3, 53, 5\)"):
        sliding_window_attention(q[..., :50, :], k, v, 3)
