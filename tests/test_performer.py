"""The Performer: equal to its formula with all its pairs, and the nearer to the softmax the more features it has."""

import math

import pytest
import torch
from one_device import check_one_device
from torch.testing import assert_close

from attnbook import masks
from attnbook.attention import scaled_dot_product_attention
from attnbook.efficient import performer
from attnbook.efficient.performer import norm_limit, orthogonal_features, performer_attention
from attnbook.measuring import growth_exponent, peak_bytes

B, H, N_Q, N_K, D_K, D_V, M = 2, 3, 13, 19, 5, 7, 22
W = orthogonal_features(M, D_K, seed=0, dtype=torch.float64)
both = pytest.mark.parametrize("causal", [False, True])


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    # So that short sequences have several blocks and a rest.
    monkeypatch.setattr(performer, "BLOCK", 4)
    monkeypatch.setattr(performer, "CAUSAL_BLOCK", 4)


def random(*shape, seed=0, dtype=torch.float64):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def random_qkv(*leading, dtype=torch.float64):
    sizes = (N_Q, D_K), (N_K, D_K), (N_K, D_V)
    return tuple(random(*leading, *size, seed=seed, dtype=dtype) for seed, size in enumerate(sizes))


def attend(q, k, v, **options):
    return performer_attention(q, k, v, W.to(q.dtype), **options)


def dense(q, k, v, mask=None, causal=False):
    """The formula, with every pair."""
    weights = features(q) @ features(k).mT
    if mask is not None:
        weights = weights * mask
    if causal:
        weights = weights * masks.causal(q.shape[-2], k.shape[-2])
    total = weights.sum(dim=-1, keepdim=True)
    return weights / torch.where(total == 0, 1.0, total) @ v


def features(x):
    x = x / D_K**0.25
    length = x.norm(dim=-1, keepdim=True)
    x = torch.where(length > norm_limit(M), x / length * norm_limit(M), x)
    return (x @ torch.cat([W, -W]).T - x.square().sum(dim=-1, keepdim=True) / 2).exp()


def gradients(function, *inputs):
    inputs = [x.detach().clone().requires_grad_() for x in inputs]
    output = function(*inputs)
    return torch.autograd.grad(output, inputs, random(*output.shape, seed=9).to(output.dtype))


def test_two_tokens_by_hand():
    # w·x is ±ln 2, so φ(q) = (2, 1/2), and the keys' features are (1/2, 2) and (2, 1/2), each times the same factor.
    # The weights are 2 and 17/4: the output lies 17/25 of the way from 0 to 1.
    q, k, v = torch.tensor([[0.2]]), torch.tensor([[-0.2], [0.2]]), torch.tensor([[0.0], [1.0]])
    assert_close(performer_attention(q, k, v, torch.tensor([[5 * math.log(2)]])), torch.tensor([[0.68]]))


def test_long_vectors_are_shortened_to_the_limit():
    q, k, v = random_qkv()
    unit_q, unit_k = (x / x.norm(dim=-1, keepdim=True) * norm_limit(M) * D_K**0.25 for x in (q, k))
    assert_close(attend(1e3 * q, 1e3 * k, v), attend(unit_q, unit_k, v))
    assert_close(attend(1e3 * q, 1e-3 * k, v), attend(unit_q, 1e-3 * k, v))
    assert (attend(0.9 * unit_q, unit_k, v) != attend(unit_q, unit_k, v)).all()


def test_the_limit_by_hand():
    assert norm_limit(2) == pytest.approx(math.sqrt(math.log(2)) / 2)
    # At the limit, the relative variance of one weight, exp(|q + k|²) / m, is 1 for q = k.
    assert math.exp((2 * norm_limit(266)) ** 2) / 266 == pytest.approx(1)


# Near to the softmax


def error(m, size, seed, n=193, d=8):
    q, k, v = size * random(n, d, seed=seed), size * random(n, d, seed=seed + 1), random(n, 3, seed=seed + 2)
    exact, _ = scaled_dot_product_attention(q, k, v)
    estimate = performer_attention(q, k, v, orthogonal_features(m, d, seed=seed, dtype=torch.float64))
    return ((estimate - exact).norm() / exact.norm()).item()


def test_comes_to_the_softmax_with_many_features():
    mean = {m: sum(error(m, 0.5, 3 * seed) for seed in range(10)) / 10 for m in (32, 128, 512, 2048, 8192)}
    assert sorted(mean.values(), reverse=True) == list(mean.values())
    assert mean[8192] < 0.02
    assert mean[8192] < mean[128] / 4  # √64 = 8 for independent draws


def test_comes_to_the_softmax_with_small_vectors():
    for seed in range(5):
        assert error(64, 0.01, 3 * seed) < 1e-4
        assert error(64, 0.1, 3 * seed) < 0.01


@pytest.mark.parametrize("size", [0.1, 0.5, 1.0, 2.0])
def test_is_nearer_to_the_softmax_than_the_plain_mean_is(size):
    for seed in range(5):
        q, k, v = (random(257, 16, seed=3 * seed + i) for i in range(3))
        exact, _ = scaled_dot_product_attention(size * q, size * k, v)
        w = orthogonal_features(256, 16, seed=seed, dtype=torch.float64)
        estimate = performer_attention(size * q, size * k, v, w)
        assert (estimate - exact).norm() < (v.mean(dim=0) - exact).norm()


def test_weights_that_only_a_sharp_softmax_tells_apart_stay_finite():
    q, k, v = (x.float() for x in random_qkv(B))
    for size in (1e-30, 1e6, 1e18):
        output = attend(size * q, size * k, v)
        assert output.isfinite().all()
        assert (output.abs() <= v.abs().amax()).all()
        assert all(x.isfinite().all() for x in gradients(attend, size * q, size * k, v))


# The directions


def test_directions_are_orthogonal_and_equally_long_in_blocks():
    w = orthogonal_features(26, 5, seed=3, dtype=torch.float64)
    assert w.shape == (13, 5)
    for block in w.split(5):
        assert_close(block @ block.T, torch.eye(len(block), dtype=torch.float64) * block[0].norm() ** 2)
    lengths = w[::5].norm(dim=-1)
    assert (lengths.diff() > 0).all()


def test_a_full_block_measures_every_vector_alike():
    w, x = orthogonal_features(2 * 11, 11, seed=0, dtype=torch.float64), random(7, 11)
    assert_close((x @ w.T).square().sum(dim=-1), x.square().sum(dim=-1) * w[0].norm() ** 2)


def test_lengths_and_directions_are_those_of_normal_vectors():
    w = orthogonal_features(40_000, 5, seed=1, dtype=torch.float64)
    length = w.norm(dim=-1)
    assert_close(length.square().mean().item(), 5.0, rtol=0.02, atol=0)
    assert_close(length.square().var().item(), 10.0, rtol=0.05, atol=0)
    assert_close(w.T @ w / len(w), torch.eye(5, dtype=torch.float64), rtol=0, atol=0.03)
    assert_close(w.mean(dim=0), torch.zeros(5, dtype=torch.float64), rtol=0, atol=0.03)


def test_the_seed_draws_and_the_type_does_not_matter():
    w = orthogonal_features(M, D_K, seed=0)
    assert w.dtype == torch.float32
    assert_close(w, W.float(), rtol=0, atol=0)
    assert (w != orthogonal_features(M, D_K, seed=1)).all()
    assert orthogonal_features(M, D_K, seed=0, device="meta").device.type == "meta"


# Equal to the formula


@both
@pytest.mark.parametrize("n_k", [13, 16, 19])
def test_equals_the_formula_with_all_pairs_forward_and_backward(causal, n_k):
    q, k, v = random_qkv(B, H)
    k, v = k[..., :n_k, :], v[..., :n_k, :]
    mask = random(B, 1, 1, n_k, seed=5) > 0
    for hidden in (None, mask):
        expected = dense(q, k, v, hidden, causal)
        assert_close(attend(q, k, v, mask=hidden, causal=causal), expected)
        assert_close(
            gradients(lambda q, k, v, m=hidden: attend(q, k, v, mask=m, causal=causal), q, k, v),
            gradients(lambda q, k, v, m=hidden: dense(q, k, v, m, causal), q, k, v),
        )


@pytest.mark.parametrize("block", [1, 3, 13, 128])
def test_the_block_does_not_matter(block, monkeypatch):
    monkeypatch.setattr(performer, "BLOCK", block)
    monkeypatch.setattr(performer, "CAUSAL_BLOCK", block)
    q, k, v = random_qkv(H)
    for causal in (False, True):
        assert_close(attend(q, k, v, causal=causal), dense(q, k, v, causal=causal))


def test_the_last_query_stands_at_the_last_key():
    q, k, v = random_qkv()
    assert_close(attend(q, k, v, causal=True)[-1], attend(q, k, v)[-1])


@pytest.mark.parametrize(("n_q", "n_k"), [(0, 0), (1, 1), (0, 5), (1, 5), (4, 4)])
@both
def test_short_sequences(n_q, n_k, causal):
    q, k, v = random(H, n_q, D_K), random(H, n_k, D_K, seed=1), random(H, n_k, D_V, seed=2)
    assert_close(attend(q, k, v, causal=causal), dense(q, k, v, causal=causal))
    assert all(x.isfinite().all() for x in gradients(lambda *x: attend(*x, causal=causal), q, k, v))


def test_no_keys_give_zeros():
    output = attend(random(H, N_Q, D_K), random(H, 0, D_K), random(H, 0, D_V))
    assert_close(output, torch.zeros(H, N_Q, D_V, dtype=torch.float64))


@both
def test_who_may_attend_to_nothing_gets_zeros_and_no_nan(causal):
    q, k, v = random_qkv(B)
    mask = masks.padding(torch.tensor([0, 11]), N_K)
    output = attend(q, k, v, mask=mask, causal=causal)
    assert (output[0] == 0).all()
    assert (output[1] != 0).all()
    grads = gradients(lambda *x: attend(*x, mask=mask, causal=causal), q, k, v)
    assert all(x.isfinite().all() and (x[0] == 0).all() for x in grads)


@both
@pytest.mark.parametrize("poison", [float("nan"), float("inf"), -float("inf")])
def test_what_the_mask_hides_has_no_effect(causal, poison):
    q, k, v = random_qkv(B)
    mask = masks.padding(torch.tensor([3, 17]), N_K)
    hidden = ~mask.mT
    call = lambda *x: attend(*x, mask=mask, causal=causal)  # noqa: E731
    broken = q, k.masked_fill(hidden, poison), v.masked_fill(hidden, poison)
    assert_close(call(*broken), call(q, k, v), rtol=0, atol=0)
    assert_close(gradients(call, *broken), gradients(call, q, k, v), rtol=0, atol=0)


@pytest.mark.parametrize("shape", [(), (N_K,), (1, N_K), (B, 1, 1, N_K)])
def test_masks_broadcast(shape):
    q, k, v = random_qkv(B, H)
    mask = random(*shape, seed=4) > -0.5
    assert_close(attend(q, k, v, mask=mask), dense(q, k, v, mask))


def test_the_future_has_no_effect_not_even_by_rounding():
    q, k, v = random_qkv(H, dtype=torch.float32)
    later = (q, *(torch.cat([x[..., : N_K - 3, :], 50 * x[..., N_K - 3 :, :]], dim=-2) for x in (k, v)))
    before, after = attend(q, k, v, causal=True), attend(*later, causal=True)
    assert_close(after[..., :-3, :], before[..., :-3, :], rtol=0, atol=0)
    assert (after[..., -3:, :] != before[..., -3:, :]).all()


@both
def test_leading_axes_broadcast_forward_and_backward(causal):
    q, k, v = random(B, 1, N_Q, D_K), random(H, N_K, D_K, seed=1), random(1, 1, N_K, D_V, seed=2)
    call = lambda *x: attend(*x, causal=causal)  # noqa: E731
    assert_close(call(q, k, v), dense(q, k, v, causal=causal))
    assert_close(gradients(call, q, k, v), gradients(lambda *x: dense(*x, causal=causal), q, k, v))


@both
def test_gradcheck(causal):
    inputs = [x[..., :7, :].requires_grad_() for x in random_qkv(2)]
    mask = masks.padding(torch.tensor([4, 7]), 7)
    assert torch.autograd.gradcheck(lambda *x: attend(*x, mask=mask, causal=causal), inputs)


@both
def test_bfloat16(causal):
    inputs = random_qkv(B, dtype=torch.bfloat16)
    call = lambda *x: attend(*x, causal=causal)  # noqa: E731
    exact = [x.double() for x in inputs]
    assert call(*inputs).dtype == torch.bfloat16
    assert_close(call(*inputs).double(), call(*exact), rtol=0.01, atol=0.01)
    for low, high in zip(gradients(call, *inputs), gradients(call, *exact), strict=True):
        assert low.dtype == torch.bfloat16
        assert_close(low.double(), high, rtol=0.03, atol=0.03)


@both
def test_one_device(causal):
    mask = masks.padding(torch.tensor([3, 17]), N_K)
    check_one_device(performer_attention, *random_qkv(B), W, mask=mask, causal=causal)


@both
def test_compiles_without_a_graph_break(causal):
    q, k, v = random_qkv(B)
    mask = masks.padding(torch.tensor([3, 17]), N_K)
    call = lambda *x: attend(*x, mask=mask, causal=causal)  # noqa: E731
    compiled = torch.compile(call, fullgraph=True, backend="aot_eager")
    assert_close(compiled(q, k, v), call(q, k, v))
    assert_close(gradients(compiled, q, k, v), gradients(call, q, k, v))


@both
def test_mixed_precision(causal):
    q, k, v = random_qkv(B, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = attend(q.bfloat16(), k, v, causal=causal)
    assert output.dtype == torch.bfloat16
    assert_close(output.float(), attend(q, k, v, causal=causal), atol=0.05, rtol=0.02)


@both
def test_memory_grows_as_the_length(causal, monkeypatch):
    monkeypatch.setattr(performer, "BLOCK", 128)
    monkeypatch.setattr(performer, "CAUSAL_BLOCK", 64)

    w = orthogonal_features(64, 32, seed=0)

    def training(n):
        q, k, v = (random(n, 32, seed=seed, dtype=torch.float32).requires_grad_() for seed in range(3))
        return lambda: performer_attention(q, k, v, w, causal=causal).sum().backward()

    lengths = [1024, 4096, 16384]
    peaks = [peak_bytes(training(n)) for n in lengths]
    assert growth_exponent(lengths, peaks) < 1.02
    assert peaks[-1] / (16384 * 32 * 4) < 16  # times what one of q, k and v takes


Q, K, V = (x.float() for x in random_qkv(B))
SEEN = torch.ones(1, N_K, dtype=torch.bool)
BAD = {
    "widths": ((Q, V, V), {}, ValueError, r"same width .* q \(2, 13, 5\) and k \(2, 19, 7\)"),
    "lengths": ((Q, K, V[:, 1:]), {}, ValueError, r"same length, got k \(2, 19, 5\) and v \(2, 18, 7\)"),
    "dtypes": ((Q, K, V.double()), {}, TypeError, "k and v should have one dtype"),
    "a row a query": (
        (Q, K, V),
        {"mask": SEEN.expand(N_Q, N_K)},
        ValueError,
        r"\(\.\.\., 1, n_k\), got \(13, 19\)",
    ),
    "mask of numbers": ((Q, K, V), {"mask": SEEN.float()}, TypeError, "mask should be a boolean tensor"),
    "more queries than keys": (
        (K, Q, V[:, :N_Q]),
        {"causal": True},
        ValueError,
        r"got q \(2, 19, 5\) and k \(2, 13, 5\)",
    ),
}

BAD_FEATURES = {
    "width": (W[:, 1:], ValueError, r"\(m / 2, d_k\) .* got features \(11, 4\) and q \(2, 13, 5\)"),
    "one axis": (W[0], ValueError, r"features should have shape \(\.\.\., n, d\), got \(5,\)"),
    "three axes": (W[None], ValueError, r"got features \(1, 11, 5\)"),
    "none": (W[:0], ValueError, r"got features \(0, 5\)"),
    "a seed": (0, TypeError, "features should be a torch tensor, got int"),
    "device": (W.float().to("meta"), ValueError, "features and q should be on one device, got meta and cpu"),
}


@pytest.mark.parametrize(("inputs", "options", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(inputs, options, error, message):
    with pytest.raises(error, match=message):
        attend(*inputs, **options)


@pytest.mark.parametrize(("w", "error", "message"), BAD_FEATURES.values(), ids=BAD_FEATURES.keys())
def test_bad_features(w, error, message):
    with pytest.raises(error, match=message):
        performer_attention(Q, K, V, w)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((7, 5), ValueError, "num_features should be even, for each direction gives two; got 7"),
        ((0, 5), ValueError, "num_features should be at least 2, got 0"),
        ((8.0, 5), TypeError, "num_features should be a whole number, got 8.0"),
        ((8, 0), ValueError, "d_k should be at least 1, got 0"),
    ],
)
def test_bad_sizes(arguments, error, message):
    with pytest.raises(error, match=message):
        orthogonal_features(*arguments, seed=0)
