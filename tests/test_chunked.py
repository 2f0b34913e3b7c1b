"""Chunked attention: small chunks by hand, the block-diagonal mask, and the limits of one chunk and one token."""

import pytest
import torch
from torch.testing import assert_close

from attnbook import masks
from attnbook.attention import scaled_dot_product_attention
from attnbook.efficient import chunked
from attnbook.efficient.chunked import chunked_attention

N, D_K, D_V = 53, 5, 7


def random_qkv(n: int = N):
    return [torch.randn(3, n, d, dtype=torch.float64) for d in (D_K, D_K, D_V)]


def test_by_hand() -> None:
    q = k = torch.zeros(5, 2)
    v = torch.tensor([[1.0], [3.0], [5.0], [9.0], [100.0]])
    assert chunked_attention(q, k, v, 2).flatten().tolist() == [2, 2, 7, 7, 100]
    assert chunked_attention(q, k, v, 2, causal=True).flatten().tolist() == [1, 2, 5, 7, 100]


def test_weights_by_hand() -> None:
    q, k = torch.ones(2, 1), torch.tensor([[1.0], [3.0]]).log()  # weights 1/4 and 3/4, for d = 1
    assert_close(chunked_attention(q, k, torch.tensor([[8.0], [16.0]]), 7), torch.tensor([[14.0], [14.0]]))


@pytest.mark.parametrize("chunk", [1, 7, 11, 31, 53, 97])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rows", [5, 64])
def test_equals_dense_attention_with_a_block_diagonal_mask(chunk, causal, rows, monkeypatch) -> None:
    monkeypatch.setattr(chunked, "ROWS", rows)
    number = torch.arange(N) // chunk
    mask = number[:, None] == number
    q, k, v = random_qkv()
    expected, _ = scaled_dot_product_attention(q, k, v, mask & masks.causal(N) if causal else mask)
    assert_close(chunked_attention(q, k, v, chunk, causal=causal), expected)


def test_one_chunk_is_plain_attention_and_chunks_of_one_return_the_values() -> None:
    q, k, v = random_qkv()
    assert_close(chunked_attention(q, k, v, N), scaled_dot_product_attention(q, k, v)[0])
    assert_close(chunked_attention(q, k, v, 1), v)


def test_chunks_do_not_meet() -> None:
    q, k, v = (x.requires_grad_() for x in random_qkv())
    chunked_attention(q, k, v, 11)[:, 11:22].sum().backward()
    inside = (torch.arange(N) >= 11) & (torch.arange(N) < 22)
    for x in (q, k, v):
        assert (x.grad[:, ~inside] == 0).all()
    assert (v.grad[:, inside] > 0).all()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((N, N, 0), ValueError, "chunk should be at least 1, got 0"),
        ((N, N, 2.0), TypeError, r"chunk should be a whole number, got 2.0 \(float\)"),
        ((N - 1, N, 3), ValueError, r"q and k should have one length, .* q \(52, 5\) and k \(53, 5\)"),
    ],
)
def test_bad_inputs(arguments, error, message) -> None:
    n_q, n_k, chunk = arguments
    with pytest.raises(error, match=message):
        chunked_attention(torch.zeros(n_q, D_K), torch.zeros(n_k, D_K), torch.zeros(n_k, D_V), chunk)
