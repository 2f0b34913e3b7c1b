"""Block-sparse attention: the pattern by hand and against masks, its random links, and its limits."""

import pytest
import torch
from torch.testing import assert_close

from attnbook import masks
from attnbook.attention import scaled_dot_product_attention
from attnbook.efficient import block_sparse
from attnbook.efficient.block_sparse import block_sparse_attention, block_sparse_mask

N, D_K, D_V = 53, 5, 7


def random_qkv(n: int = N):
    return [torch.randn(3, n, d, dtype=torch.float64) for d in (D_K, D_K, D_V)]


def drawn(mask: torch.Tensor) -> list[str]:
    return ["".join("x" if may else "." for may in row) for row in mask]


def test_pattern_by_hand() -> None:
    near = block_sparse_mask(7, 2, window=1, num_global=0, num_random=0, seed=0)
    assert drawn(near) == ["xxxx...", "xxxx...", "xxxxxx.", "xxxxxx.", "..xxxxx", "..xxxxx", "....xxx"]
    crossroads = block_sparse_mask(7, 2, window=0, num_global=1, num_random=0, seed=0)
    assert drawn(crossroads) == ["xxxxxxx"] * 2 + ["xxxx..."] * 2 + ["xx..xx."] * 2 + ["xx....x"]


def test_the_random_blocks_are_those_of_the_masks() -> None:
    mask = block_sparse_mask(N, 5, window=0, num_global=0, num_random=2, seed=7)
    own = torch.arange(N) // 5
    assert torch.equal(mask, masks.random_blocks(N, 5, 2, seed=7) | (own[:, None] == own))
    assert not torch.equal(mask, block_sparse_mask(N, 5, window=0, num_global=0, num_random=2, seed=8))


def test_by_hand() -> None:
    q = k = torch.zeros(6, 2)
    v = torch.tensor([[1.0], [3.0], [5.0], [7.0], [10.0], [16.0]])
    near = {"window": 0, "num_random": 0, "seed": 0}
    assert block_sparse_attention(q, k, v, 2, num_global=0, **near).flatten().tolist() == [2, 2, 6, 6, 13, 13]
    assert block_sparse_attention(q, k, v, 2, num_global=1, **near).flatten().tolist() == [7, 7, 4, 4, 7.5, 7.5]
    causal = block_sparse_attention(q, k, v, 2, num_global=1, causal=True, **near)
    assert_close(causal.flatten(), torch.tensor([1, 2, 3, 4, 14 / 3, 7.5]))


@pytest.mark.parametrize("block", [1, 4, 13, 31, 97])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    ("window", "num_global", "num_random"), [(1, 1, 3), (0, 0, 0), (0, 2, 1), (2, 0, 5), (3, 5, 9)]
)
@pytest.mark.parametrize("rows", [7, 64])
def test_equals_dense_attention_with_its_mask(block, causal, window, num_global, num_random, rows, monkeypatch) -> None:
    monkeypatch.setattr(block_sparse, "ROWS", rows)
    links = {"window": window, "num_global": num_global, "num_random": num_random, "seed": 11}
    mask = block_sparse_mask(N, block, **links)
    mine = [x.requires_grad_() for x in random_qkv()]
    reference = [x.detach().clone().requires_grad_() for x in mine]
    output = block_sparse_attention(*mine, block, causal=causal, **links)
    expected, _ = scaled_dot_product_attention(*reference, mask & masks.causal(N) if causal else mask)
    assert_close(output, expected)
    weight = torch.randn_like(expected)
    (output * weight).sum().backward()
    (expected * weight).sum().backward()
    for x, y in zip(mine, reference, strict=True):
        assert_close(x.grad, y.grad)


def test_limits() -> None:
    q, k, v = random_qkv()
    plain, _ = scaled_dot_product_attention(q, k, v)
    assert_close(block_sparse_attention(q, k, v, N, seed=0), plain)  # one block
    assert_close(block_sparse_attention(q, k, v, 5, window=11, num_global=0, num_random=0, seed=0), plain)
    assert_close(block_sparse_attention(q, k, v, 5, window=0, num_global=99, num_random=0, seed=0), plain)
    assert_close(block_sparse_attention(q, k, v, 5, window=0, num_global=0, num_random=99, seed=0), plain)
    assert_close(block_sparse_attention(q, k, v, 1, window=0, num_global=0, num_random=0, seed=0), v)


def test_the_seed_draws_the_links() -> None:
    q, k, v = random_qkv()
    one, again, other = (block_sparse_attention(q, k, v, 3, seed=seed) for seed in (1, 1, 2))
    assert_close(one, again, rtol=0, atol=0)
    assert not torch.allclose(one, other)


def test_the_mask_on_another_device() -> None:
    assert block_sparse_mask(N, 5, seed=0, device="meta").device.type == "meta"


BAD = {
    "block": ({"block": 0}, ValueError, "block should be at least 1, got 0"),
    "window": ({"window": -1}, ValueError, "window should be at least 0, got -1"),
    "num_global": ({"num_global": -2}, ValueError, "num_global should be at least 0, got -2"),
    "num_random": ({"num_random": 0.5}, TypeError, r"num_random should be a whole number, got 0.5 \(float\)"),
}


@pytest.mark.parametrize(("options", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(options, error, message) -> None:
    options = {"block": 5, "seed": 0, **options}
    with pytest.raises(error, match=message):
        block_sparse_attention(*random_qkv(), **options)
    with pytest.raises(error, match=message):
        block_sparse_mask(N, **options)


def test_queries_and_keys_are_of_one_sequence() -> None:
    q, k, v = random_qkv()
    with pytest.raises(ValueError, match=r"q and k should have one length, .* q \(3, 50, 5\) and k \(3, 53, 5\)"):
        block_sparse_attention(q[:, :50], k, v, 5, seed=0)
