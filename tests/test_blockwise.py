"""Blockwise attention equals dense attention: at every length and block, forward and backward, in linear memory."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device
from torch import Tensor
from torch.testing import assert_close

from attnbook.attention import scaled_dot_product_attention
from attnbook.efficient.blockwise import blockwise_attention
from attnbook.masks import causal as causal_mask
from attnbook.masks import padding
from attnbook.measuring import growth_exponent, peak_bytes

B, H, N_Q, N_K, D_K, D_V = 2, 3, 13, 17, 5, 7
BLOCKS = (1, 4, 5, 16, 64)
NAN, INF = float("nan"), float("inf")


def random(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).to(dtype).requires_grad_()


def random_qkv(*leading: int, n_q: int = N_Q, n_k: int = N_K, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [random(*leading, n, d, dtype=dtype) for n, d in [(n_q, D_K), (n_k, D_K), (n_k, D_V)]]


def random_mask(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3)) < 0.6


def dense(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, causal: bool = False) -> Tensor:
    if causal:
        past = causal_mask(q.shape[-2], k.shape[-2])
        mask = past if mask is None else mask & past
    return scaled_dot_product_attention(q, k, v, mask)[0]


def with_gradients(output: Tensor, inputs: list[Tensor]) -> tuple[Tensor, ...]:
    """The output and the gradients of a sum in which each of its numbers has another weight."""
    weights = torch.linspace(-1, 2, output.numel(), dtype=torch.float64).reshape(output.shape)
    return output, *torch.autograd.grad((output * weights).sum(), inputs)


def assert_equals_dense(inputs: list[Tensor], block: int, mask: Tensor | None = None, causal: bool = False) -> None:
    mine = with_gradients(blockwise_attention(*inputs, block, mask=mask, causal=causal), inputs)
    theirs = with_gradients(dense(*inputs, mask, causal), inputs)
    assert_close(mine, theirs, atol=1e-12, rtol=1e-12)


# By hand


def test_by_hand_a_later_block_raises_the_peak() -> None:
    # Scores 0, ln 2 | ln 5: the first block averages (1·8 + 2·4), the second adds 5·0. In all 16 / (1 + 2 + 5) = 2.
    k = torch.tensor([1.0, 2.0, 5.0]).log()[:, None]
    output = blockwise_attention(torch.ones(1, 1), k, torch.tensor([[8.0], [4.0], [0.0]]), block=2)
    assert_close(output, torch.tensor([[2.0]]))


def test_by_hand_causal_queries_stand_at_the_last_keys() -> None:
    v = torch.tensor([[3.0], [5.0], [13.0]])  # equal scores: the mean of what is seen
    output = blockwise_attention(torch.zeros(2, 1), torch.ones(3, 1), v, block=2, causal=True)
    assert_close(output, torch.tensor([[4.0], [7.0]]))


# Against dense attention


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("mask", [None, random_mask(B, 1, 1, N_K), random_mask(H, 1, N_K), random_mask(N_K)])
@pytest.mark.parametrize("block", BLOCKS)
def test_equals_dense_attention(block: int, mask: Tensor | None, causal: bool) -> None:
    assert_equals_dense(random_qkv(B, H), block, mask, causal)


@settings(deadline=None, max_examples=40)
@given(n_q=st.integers(0, 12), extra=st.integers(-12, 12), block=st.integers(1, 14), causal=st.booleans())
def test_equals_dense_attention_at_any_length(n_q: int, extra: int, block: int, causal: bool) -> None:
    n_k = max(0, n_q + (abs(extra) if causal else extra))
    inputs = random_qkv(H, n_q=n_q, n_k=n_k)
    assert_equals_dense(inputs, block, None, causal)
    assert_equals_dense(inputs, block, random_mask(n_k), causal)


def test_no_leading_axis() -> None:
    assert_equals_dense(random_qkv(), 4)


def test_leading_axes_broadcast_and_so_do_their_gradients() -> None:
    inputs = [random(B, 1, N_Q, D_K), random(H, N_K, D_K), random(1, 1, N_K, D_V)]
    assert_equals_dense(inputs, 5, random_mask(B, 1, 1, N_K), causal=True)


def test_transposed_heads() -> None:
    inputs = [random(B, n, H, d).transpose(1, 2) for n, d in [(N_Q, D_K), (N_K, D_K), (N_K, D_V)]]
    assert not inputs[0].is_contiguous()
    assert_equals_dense(inputs, 5)


def test_gradcheck() -> None:
    inputs = random_qkv(2, n_q=3, n_k=5)
    mask = torch.tensor([[[True, False, True, True, True]], [[True, True, True, False, False]]])
    for causal in (False, True):
        assert torch.autograd.gradcheck(lambda *x, c=causal: blockwise_attention(*x, 2, mask=mask, causal=c), inputs)


@pytest.mark.parametrize("causal", [False, True])
def test_float32_over_long_sequences(causal: bool) -> None:
    generator = torch.Generator().manual_seed(2)
    inputs = [torch.randn(H, 1031, 64, generator=generator, requires_grad=True) for _ in range(3)]
    mine = with_gradients(blockwise_attention(*inputs, causal=causal), inputs)
    theirs = with_gradients(dense(*inputs, causal=causal), inputs)
    assert_close(mine[0], theirs[0], atol=1e-6, rtol=0)
    for a, b in zip(mine[1:], theirs[1:], strict=True):
        assert_close(a, b, atol=1e-6 * b.abs().max().item(), rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sixteen_bits_lose_no_more_than_rounding(dtype: torch.dtype) -> None:
    inputs = random_qkv(B, n_q=131, n_k=137, dtype=dtype)
    exact = [x.detach().double().requires_grad_() for x in inputs]
    mine = with_gradients(blockwise_attention(*inputs, 32, causal=True), inputs)
    theirs = with_gradients(dense(*exact, causal=True), exact)
    for a, b in zip(mine, theirs, strict=True):
        assert a.dtype == dtype
        # The output that the backward pass is given was rounded, hence more than one unit in the last place.
        assert (a - b).abs().max() < 3 * torch.finfo(dtype).eps * b.abs().max()


def test_scores_so_large_that_their_powers_would_overflow() -> None:
    q, k, v = random_qkv(H)
    inputs = [(300 * q).detach().requires_grad_(), k, v]
    assert dense(*inputs).isfinite().all()
    assert_equals_dense(inputs, 4)


def test_any_block_gives_the_same_result() -> None:
    inputs = random_qkv(B, H)
    first, *others = [blockwise_attention(*inputs, block) for block in BLOCKS]
    for other in others:
        assert_close(other, first, atol=1e-14, rtol=1e-13)


# Masks


def test_a_query_that_may_attend_to_nothing_gets_zeros_and_finite_gradients() -> None:
    inputs = random_qkv(B, H)
    mask = padding(torch.tensor([[N_K], [0]]), N_K)
    output, *gradients = with_gradients(blockwise_attention(*inputs, 4, mask=mask), inputs)
    assert (output[1] == 0).all()
    assert (output[0] != 0).all()
    for gradient in gradients:
        assert (gradient[1] == 0).all()
        assert gradient[0].isfinite().all()
        assert (gradient[0] != 0).any()


def test_padding_on_the_left_hides_all_that_the_first_causal_queries_could_see() -> None:
    inputs = random_qkv(n_q=N_K)
    mask = torch.arange(N_K) >= 6
    assert (blockwise_attention(*inputs, 4, mask=mask, causal=True)[:6] == 0).all()
    assert_equals_dense(inputs, 4, mask, causal=True)


@pytest.mark.parametrize("poison", [NAN, INF, -INF])
@pytest.mark.parametrize("part", ["k", "v"])
@pytest.mark.parametrize("causal", [False, True])
def test_what_the_mask_hides_has_no_effect(part: str, poison: float, causal: bool) -> None:
    inputs = random_qkv(B, H)
    mask = padding(torch.tensor([[N_K - 4], [N_K - 7]]), N_K)
    clean = with_gradients(blockwise_attention(*inputs, 4, mask=mask, causal=causal), inputs)
    broken = inputs[1 if part == "k" else 2].detach().clone()
    broken[:, :, N_K - 4 :] = poison
    inputs[1 if part == "k" else 2] = broken.requires_grad_()
    spoilt = with_gradients(blockwise_attention(*inputs, 4, mask=mask, causal=causal), inputs)
    assert_close(spoilt, clean, atol=0, rtol=0)


@pytest.mark.parametrize("part", ["k", "v"])
def test_a_broken_key_reaches_those_who_see_it_and_nobody_else(part: str) -> None:
    inputs = random_qkv(n_q=N_K)
    clean = blockwise_attention(*inputs, 4, causal=True)
    broken = inputs[1 if part == "k" else 2].detach().clone()
    broken[11] = NAN
    inputs[1 if part == "k" else 2] = broken.requires_grad_()
    output = blockwise_attention(*inputs, 4, causal=True)
    assert output[11:].isnan().all()
    assert_close(output[:11], clean[:11], atol=0, rtol=0)
    for gradient in torch.autograd.grad(output[:11].sum(), inputs):  # a loss of the past does not hear of it
        assert gradient.isfinite().all()
        assert (gradient[:11] != 0).any()
        assert (gradient[11:] == 0).all()


# Memory and the machine


@pytest.mark.parametrize("causal", [False, True])
def test_memory_grows_with_n_and_not_with_its_square(causal: bool) -> None:
    def peak(method, n: int) -> int:
        inputs = [torch.randn(1, n, 16, requires_grad=True) for _ in range(3)]
        return peak_bytes(lambda: method(*inputs).sum().backward())

    ns = [192, 384, 768]
    blockwise = [peak(lambda *x: blockwise_attention(*x, 64, causal=causal), n) for n in ns]
    assert growth_exponent(ns, blockwise) < 1.05
    dense_bytes = [peak(lambda *x: dense(*x, causal=causal), n) for n in ns]
    assert growth_exponent(ns, dense_bytes) > 1.8
    assert blockwise[-1] < 0.1 * dense_bytes[-1]


def test_nothing_as_large_as_the_weights_is_saved_for_the_backward_pass() -> None:
    saved = []
    n = 509
    inputs = [torch.randn(n, 3, requires_grad=True) for _ in range(3)]
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.numel()) or x, lambda x: x):
        blockwise_attention(*inputs, 64)
    assert sorted(saved) == [n, 3 * n, 3 * n, 3 * n, 3 * n]  # a number a query, then q, k, v and the output


def test_causal_looks_at_no_block_of_the_future() -> None:
    seen = []

    class Products(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            seen.append(func is torch.ops.aten.baddbmm_.default)
            return func(*args, **(kwargs or {}))

    q, k, v = torch.randn(3, 40, 2)
    for causal, pairs in [(False, 16), (True, 10)]:  # of four blocks with four
        seen.clear()
        with Products():
            blockwise_attention(q, k, v, 10, causal=causal)
        assert sum(seen) == 2 * pairs


def test_one_device() -> None:
    q, k, v = (x.detach() for x in random_qkv(B, H))
    check_one_device(blockwise_attention, q, k, v, block=4)
    check_one_device(blockwise_attention, q, k, v, block=4, mask=random_mask(B, 1, 1, N_K), causal=True)


@pytest.mark.parametrize("causal", [False, True])
def test_compiles_into_one_graph(causal: bool) -> None:
    compiled = torch.compile(blockwise_attention, fullgraph=True, backend="aot_eager")
    inputs, mask = random_qkv(B), random_mask(B, 1, N_K)
    mine = with_gradients(compiled(*inputs, 16, mask=mask, causal=causal), inputs)
    assert_close(mine, with_gradients(blockwise_attention(*inputs, 16, mask=mask, causal=causal), inputs))


def test_autocast_of_a_heads_projections() -> None:
    q, k, v = (x.detach().float() for x in random_qkv(B))
    layer = torch.nn.Linear(D_V, D_V)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = blockwise_attention(q, k, layer(v), 4)
    assert output.dtype == torch.bfloat16
    assert_close(output.float(), dense(q, k, layer(v)), atol=0.02, rtol=0.02)


# Wrong inputs


def test_wrong_inputs_say_what_was_given() -> None:
    q, k, v = (x.detach() for x in random_qkv())
    with pytest.raises(ValueError, match=r"same width .* got q \(13, 5\) and k \(17, 7\)"):
        blockwise_attention(q, v, v)
    with pytest.raises(ValueError, match=r"same length, got k \(17, 5\) and v \(13, 5\)"):
        blockwise_attention(q, k, q)
    with pytest.raises(ValueError, match=r"at least as long as q where causal, got q \(17, 5\) and k \(13, 5\)"):
        blockwise_attention(k, q, q, causal=True)
    with pytest.raises(ValueError, match="block should be at least 1, got 0"):
        blockwise_attention(q, k, v, 0)
    with pytest.raises(TypeError, match="block should be a whole number, got True"):
        blockwise_attention(q, k, v, True)
    with pytest.raises(ValueError, match=r"same for all queries: \(..., 1, n_k\), got \(13, 17\)"):
        blockwise_attention(q, k, v, mask=torch.ones(N_Q, N_K, dtype=torch.bool))
    with pytest.raises(TypeError, match="boolean"):
        blockwise_attention(q, k, v, mask=torch.ones(N_K))


def test_gradients_of_gradients_are_refused() -> None:
    inputs = random_qkv()
    (gradient,) = torch.autograd.grad(blockwise_attention(*inputs).square().sum(), inputs[:1], create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()
