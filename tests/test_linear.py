"""Linear attention: equal to the formula with all its pairs, in blocks and token by token."""

import pytest
import torch
from one_device import check_one_device
from torch.testing import assert_close

from attnbook import masks
from attnbook.efficient import linear
from attnbook.efficient.linear import elu_features, linear_attention, linear_attention_step
from attnbook.measuring import growth_exponent, peak_bytes

B, H, N_Q, N_K, D_K, D_V = 2, 3, 13, 19, 5, 7
both = pytest.mark.parametrize("causal", [False, True])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(linear, "BLOCK", 4)  # so that short sequences have several blocks and a rest


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def random_qkv(*leading, dtype=torch.float64):
    sizes = (N_Q, D_K), (N_K, D_K), (N_K, D_V)
    return tuple(random(*leading, *size, seed=seed, dtype=dtype) for seed, size in enumerate(sizes))


def dense(q, k, v, mask=None, causal=False):
    """The formula, with every pair."""
    weights = (torch.nn.functional.elu(q) + 1) @ (torch.nn.functional.elu(k) + 1).mT
    if mask is not None:
        weights = weights * mask
    if causal:
        weights = weights * masks.causal(q.shape[-2], k.shape[-2])
    total = weights.sum(dim=-1, keepdim=True)
    return weights / torch.where(total == 0, 1.0, total) @ v


def gradients(function, *inputs):
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    output = function(*inputs)
    return torch.autograd.grad(output, inputs, random(*output.shape, seed=9).to(output.dtype))


def test_two_tokens_by_hand():
    # φ(0) = 1, φ(1) = 2, φ(-ln 2) = 1/2, so the weights are 2 and 1/2: a fifth of the way from 0 to 1.
    q, k, v = torch.tensor([[0.0]]), torch.tensor([[1.0], [-0.6931472]]), torch.tensor([[0.0], [1.0]])
    assert_close(linear_attention(q, k, v), torch.tensor([[0.2]]))


def test_features_are_elu_plus_one_and_exact_where_that_rounds():
    x = random(11) * 3
    assert_close(elu_features(x), torch.nn.functional.elu(x) + 1)
    assert_close(elu_features(torch.tensor(-20.0)), torch.tensor(-20.0).exp())
    assert torch.nn.functional.elu(torch.tensor(-20.0)) + 1 == 0


@both
@pytest.mark.parametrize("n_k", [13, 16, 19])
def test_equals_the_formula_with_all_pairs_forward_and_backward(causal, n_k):
    q, k, v = random_qkv(B, H)
    k, v = k[..., :n_k, :], v[..., :n_k, :]
    mask = random(B, 1, 1, n_k, seed=5) > 0
    for hidden in (None, mask):
        expected = dense(q, k, v, hidden, causal)
        assert_close(linear_attention(q, k, v, mask=hidden, causal=causal), expected)
        assert_close(
            gradients(lambda q, k, v, m=hidden: linear_attention(q, k, v, mask=m, causal=causal), q, k, v),
            gradients(lambda q, k, v, m=hidden: dense(q, k, v, m, causal), q, k, v),
        )


@pytest.mark.parametrize("block", [1, 3, 13, 128])
def test_the_block_does_not_matter(block, monkeypatch):
    monkeypatch.setattr(linear, "BLOCK", block)
    q, k, v = random_qkv(H)
    for causal in (False, True):
        assert_close(linear_attention(q, k, v, causal=causal), dense(q, k, v, causal=causal))


def test_token_by_token_equals_all_at_once():
    q, k, v = random(B, 1, N_K, D_K), random(H, N_K, D_K, seed=1), random(B, H, N_K, D_V, seed=2)
    state, outputs, sizes = None, [], set()
    for i in range(N_K):
        output, state = linear_attention_step(*(x[..., i : i + 1, :] for x in (q, k, v)), state)
        outputs.append(output)
        sizes.add((state.values.shape, state.keys.shape))
    assert_close(torch.cat(outputs, dim=-2), linear_attention(q, k, v, causal=True))
    assert len(sizes) == 1  # the memory does not grow


def test_the_last_query_stands_at_the_last_key():
    q, k, v = random_qkv()
    assert_close(linear_attention(q, k, v, causal=True)[-1], linear_attention(q, k, v)[-1])


@pytest.mark.parametrize(("n_q", "n_k"), [(0, 0), (1, 1), (0, 5), (1, 5), (4, 4)])
@both
def test_short_sequences(n_q, n_k, causal):
    q, k, v = random(H, n_q, D_K), random(H, n_k, D_K, seed=1), random(H, n_k, D_V, seed=2)
    assert_close(linear_attention(q, k, v, causal=causal), dense(q, k, v, causal=causal))
    assert all(x.isfinite().all() for x in gradients(lambda *x: linear_attention(*x, causal=causal), q, k, v))


def test_no_keys_give_zeros():
    output = linear_attention(random(H, N_Q, D_K), random(H, 0, D_K), random(H, 0, D_V))
    assert_close(output, torch.zeros(H, N_Q, D_V, dtype=torch.float64))


@both
def test_who_may_attend_to_nothing_gets_zeros_and_no_nan(causal):
    q, k, v = random_qkv(B)
    mask = masks.padding(torch.tensor([0, 11]), N_K)
    output = linear_attention(q, k, v, mask=mask, causal=causal)
    assert (output[0] == 0).all()
    assert (output[1] != 0).all()
    grads = gradients(lambda *x: linear_attention(*x, mask=mask, causal=causal), q, k, v)
    assert all(x.isfinite().all() and (x[0] == 0).all() for x in grads)


@both
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_what_the_mask_hides_has_no_effect(causal, poison):
    q, k, v = random_qkv(B)
    mask = masks.padding(torch.tensor([3, 17]), N_K)
    hidden = ~mask.mT
    call = lambda *x: linear_attention(*x, mask=mask, causal=causal)  # noqa: E731
    broken = q, k.masked_fill(hidden, poison), v.masked_fill(hidden, poison)
    assert_close(call(*broken), call(q, k, v), rtol=0, atol=0)
    assert_close(gradients(call, *broken), gradients(call, q, k, v), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(), (N_K,), (1, N_K), (B, 1, 1, N_K)])
def test_masks_broadcast(shape):
    q, k, v = random_qkv(B, H)
    mask = random(*shape, seed=4) > -0.5
    assert_close(linear_attention(q, k, v, mask=mask), dense(q, k, v, mask))


def test_the_future_has_no_effect_not_even_by_rounding():
    q, k, v = random_qkv(H, dtype=torch.float32)
    later = (q, *(torch.cat([x[..., : N_K - 3, :], 50 * x[..., N_K - 3 :, :]], dim=-2) for x in (k, v)))
    before, after = linear_attention(q, k, v, causal=True), linear_attention(*later, causal=True)
    assert_close(after[..., :-3, :], before[..., :-3, :], rtol=0, atol=0)
    assert (after[..., -3:, :] != before[..., -3:, :]).all()


@both
def test_leading_axes_broadcast_forward_and_backward(causal):
    q, k, v = random(B, 1, N_Q, D_K), random(H, N_K, D_K, seed=1), random(1, 1, N_K, D_V, seed=2)
    call = lambda *x: linear_attention(*x, causal=causal)  # noqa: E731
    assert_close(call(q, k, v), dense(q, k, v, causal=causal))
    assert_close(gradients(call, q, k, v), gradients(lambda *x: dense(*x, causal=causal), q, k, v))


@both
def test_gradcheck(causal):
    inputs = [x[..., :7, :3].requires_grad_() for x in random_qkv(2)]
    mask = masks.padding(torch.tensor([4, 7]), 7)
    assert torch.autograd.gradcheck(lambda *x: linear_attention(*x, mask=mask, causal=causal), inputs)


@both
def test_bfloat16(causal):
    inputs = random_qkv(B, dtype=torch.bfloat16)
    call = lambda *x: linear_attention(*x, causal=causal)  # noqa: E731
    exact = [x.double() for x in inputs]
    assert call(*inputs).dtype == torch.bfloat16
    assert_close(call(*inputs).double(), call(*exact), rtol=0.01, atol=0.01)
    for low, high in zip(gradients(call, *inputs), gradients(call, *exact), strict=True):
        assert low.dtype == torch.bfloat16
        assert_close(low.double(), high, rtol=0.03, atol=0.03)


def test_bfloat16_sums_are_kept_in_float32():
    # 1 + 1 + ... in bfloat16 would stop at 256.
    ones = torch.ones(3000, 1, dtype=torch.bfloat16)
    k = torch.cat([torch.full((2000, 1), 0.0), torch.full((1000, 1), 1.0)]).bfloat16()
    v = torch.cat([torch.zeros(2000, 1), torch.ones(1000, 1)]).bfloat16()
    assert_close(linear_attention(ones, k, v, causal=True)[-1].item(), 0.5, rtol=0.01, atol=0)


@both
def test_one_device(causal):
    mask = masks.padding(torch.tensor([3, 17]), N_K)
    check_one_device(linear_attention, *random_qkv(B), mask=mask, causal=causal)


def test_a_step_on_one_device():
    check_one_device(lambda *x: linear_attention_step(*x)[0], random(1, D_K), random(1, D_K), random(1, D_V))


@both
def test_compiles_without_a_graph_break(causal):
    q, k, v = random_qkv(B)
    mask = masks.padding(torch.tensor([3, 17]), N_K)
    call = lambda *x: linear_attention(*x, mask=mask, causal=causal)  # noqa: E731
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    assert_close(compiled(q, k, v), call(q, k, v))
    assert_close(gradients(compiled, q, k, v), gradients(call, q, k, v))


@both
def test_mixed_precision(causal):
    q, k, v = random_qkv(B, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = linear_attention(q.bfloat16(), k, v, causal=causal)
    assert output.dtype == torch.bfloat16
    assert_close(output.float(), linear_attention(q, k, v, causal=causal), atol=0.05, rtol=0.02)


@both
def test_memory_grows_as_the_length(causal, monkeypatch):
    monkeypatch.setattr(linear, "BLOCK", 128)

    def training(n):
        q, k, v = (random(n, 32, seed=seed, dtype=torch.float32).requires_grad_() for seed in range(3))
        return lambda: linear_attention(q, k, v, causal=causal).sum().backward()

    lengths = [1024, 4096, 16384]
    peaks = [peak_bytes(training(n)) for n in lengths]
    assert growth_exponent(lengths, peaks) < 1.02
    assert peaks[-1] / (16384 * 32 * 4) < 16  # times what one of q, k and v takes


Q, K, V = (x.float() for x in random_qkv(B))
M = torch.ones(1, N_K, dtype=torch.bool)
BAD = {
    "widths": ((Q, V, V), {}, ValueError, r"same width .* q \(2, 13, 5\) and k \(2, 19, 7\)"),
    "lengths": ((Q, K, V[:, 1:]), {}, ValueError, r"same length, got k \(2, 19, 5\) and v \(2, 18, 7\)"),
    "dtypes": ((Q, K, V.double()), {}, TypeError, "k and v should have one dtype"),
    "a row a query": (
        (Q, K, V),
        {"mask": M.expand(N_Q, N_K)},
        ValueError,
        r"\(\.\.\., 1, n_k\), got \(13, 19\)",
    ),
    "mask of numbers": ((Q, K, V), {"mask": M.float()}, TypeError, "mask should be a boolean tensor"),
    "more queries than keys": (
        (K, Q, V[:, :N_Q]),
        {"causal": True},
        ValueError,
        r"got q \(2, 19, 5\) and k \(2, 13, 5\)",
    ),
}


@pytest.mark.parametrize(("inputs", "options", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(inputs, options, error, message):
    with pytest.raises(error, match=message):
        linear_attention(*inputs, **options)


def test_a_step_takes_one_token():
    with pytest.raises(ValueError, match=r"one token, \(\.\.\., 1, d_k\), got q \(2, 13, 5\) and k \(2, 19, 5\)"):
        linear_attention_step(Q, K, V)
