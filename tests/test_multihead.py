"""Multi-head attention against torch's module, its fast path against its slow one, its cache against no cache."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device
from torch import Tensor, nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from attnbook.attention import scaled_dot_product_attention
from attnbook.masks import causal, padding
from attnbook.multihead import KVCache, MultiHeadAttention, _fused

B, N_Q, N_K, HEADS, D_HEAD = 2, 5, 7, 3, 4
D = HEADS * D_HEAD
NAN = float("nan")


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def attention(num_kv_heads: int | None = None, rotary: bool = False) -> MultiHeadAttention:
    torch.manual_seed(0)
    return MultiHeadAttention(D, HEADS, num_kv_heads, rotary=rotary).double()


def random_mask(*shape: int) -> Tensor:
    mask = torch.rand(*shape, generator=torch.Generator().manual_seed(0)) < 0.6
    return mask | (torch.arange(shape[-1]) == 3)  # each row may see something


# By hand


def test_two_heads_by_hand() -> None:
    module = MultiHeadAttention(2, 2).double()
    for layer in (module.query, module.key, module.value, module.output):
        layer.weight.data, layer.bias.data = torch.eye(2).double(), torch.zeros(2).double()
    module.output.weight.data = torch.tensor([[1.0, 10.0], [0.0, 1.0]]).double()  # shows which head came first
    x = torch.tensor([[2.0, 1.0], [0.0, 3.0]]).double().log1p()
    output, weights = module(x, need_weights=True)
    one, two = ([(x[:, h : h + 1] @ x[:, h : h + 1].T).softmax(-1), x[:, h : h + 1]] for h in (0, 1))  # d_head is 1
    assert_close(weights, torch.stack([one[0], two[0]]))
    first, second = one[0] @ one[1], two[0] @ two[1]
    assert_close(output, torch.cat([first + 10 * second, second], dim=-1))


def test_one_head_is_plain_attention_between_linear_layers() -> None:
    module, x, source = MultiHeadAttention(D, 1).double(), random(B, N_Q, D), random(B, N_K, D)
    expected, weights = scaled_dot_product_attention(module.query(x), module.key(source), module.value(source))
    output, mine = module(x, source, need_weights=True)
    assert_close(output, module.output(expected))
    assert_close(mine, weights[:, None])


# Against torch


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("cross", [True, False])
@pytest.mark.parametrize("mask", [None, "pairs", "padding", "causal"])
@pytest.mark.parametrize("need_weights", [True, False])
def test_equals_torch_forward_and_backward(bias, cross, mask, need_weights) -> None:
    torch.manual_seed(0)
    torchs = nn.MultiheadAttention(D, HEADS, bias=bias, batch_first=True, dtype=torch.float64)
    mine = MultiHeadAttention.from_torch(torchs)
    x, source = (random(B, n, D).requires_grad_() for n in (N_K, N_K + 4))
    if cross and bias:
        nn.init.normal_(torchs.in_proj_bias)  # torch starts with zeros, which would hide a bias that was lost
        mine = MultiHeadAttention.from_torch(torchs)
    keys = source if cross else x
    n_k = keys.shape[1]
    may = {"pairs": random_mask(N_K, n_k), "padding": padding(torch.tensor([4, 6]), n_k), "causal": causal(N_K, n_k)}
    if mask == "padding":
        options = {"key_padding_mask": ~may["padding"][:, 0]}
    else:
        options = {"attn_mask": ~may[mask]} if mask else {}
    expected, expected_weights = torchs(x, keys, keys, average_attn_weights=False, **options)
    output, weights = mine(x, source if cross else None, may.get(mask), need_weights=need_weights)
    assert_close(output, expected)
    if need_weights:
        assert_close(weights, expected_weights)
    else:
        assert weights is None
    cotangent = random(*output.shape)
    inputs = (x, source) if cross else (x,)
    gradients = torch.autograd.grad(output, (*inputs, *mine.parameters()), cotangent)
    theirs = torch.autograd.grad(expected, (*inputs, *torchs.parameters()), cotangent)
    assert_close(gradients[: len(inputs)], theirs[: len(inputs)])
    by_name = dict(zip([name for name, _ in mine.named_parameters()], gradients[len(inputs) :], strict=True))
    torch_by_name = dict(zip([name for name, _ in torchs.named_parameters()], theirs[len(inputs) :], strict=True))
    parts = ["weight", "bias"] if bias else ["weight"]
    for part in parts:
        stacked = torch.cat([by_name[f"{layer}.{part}"] for layer in ("query", "key", "value")])
        assert_close(stacked, torch_by_name[f"in_proj_{part}"])
        assert_close(by_name[f"output.{part}"], torch_by_name[f"out_proj.{part}"])


@pytest.mark.parametrize("options", [{"kdim": 5}, {"vdim": 5}, {"add_bias_kv": True}, {"add_zero_attn": True}])
def test_torch_modules_of_other_kinds_are_refused(options) -> None:
    with pytest.raises(ValueError, match="only a module without kdim, vdim, add_bias_kv and add_zero_attn"):
        MultiHeadAttention.from_torch(nn.MultiheadAttention(D, HEADS, **options))


def test_from_torch_keeps_mode_and_type() -> None:
    mine = MultiHeadAttention.from_torch(nn.MultiheadAttention(D, HEADS, dtype=torch.bfloat16).eval())
    assert not mine.training
    assert mine.query.weight.dtype == torch.bfloat16


# The fast path and the slow one


@pytest.mark.parametrize("num_kv_heads", [None, 1])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float64, 1e-12), (torch.float32, 2e-6), (torch.float16, 3e-3), (torch.bfloat16, 2e-2)],
)
@pytest.mark.parametrize("mask", [None, (N_Q, N_K), (B, N_Q, N_K), (B, 1, N_K), (N_Q, 1), (N_K,)])
def test_both_paths_agree(num_kv_heads, dtype, tolerance, mask) -> None:
    module = attention(num_kv_heads).to(dtype)
    x, source = random(B, N_Q, D).to(dtype).requires_grad_(), random(B, N_K, D).to(dtype).requires_grad_()
    mask = None if mask is None else torch.rand(mask, generator=torch.Generator().manual_seed(0)) < 0.6
    slow, fast = (module(x, source, mask, need_weights=need)[0] for need in (True, False))
    assert_close(fast, slow, atol=tolerance, rtol=tolerance)
    inputs = (x, source, *module.parameters())
    cotangent = torch.ones_like(slow)
    gradients = [torch.autograd.grad(output, inputs, cotangent) for output in (slow, fast)]
    assert_close(gradients[1], gradients[0], atol=tolerance * 20, rtol=tolerance * 20)


@pytest.mark.parametrize("need_weights", [True, False])
def test_a_query_that_may_attend_to_nothing(need_weights) -> None:
    module, x = attention(), random(B, N_Q, D).requires_grad_()
    mask = causal(N_Q)
    mask[0] = False
    output, weights = module(x, mask=mask, need_weights=need_weights)
    assert_close(output[:, 0], module.output.bias.expand(B, D), rtol=0, atol=0)
    output[:, 0].sum().backward()
    assert (x.grad == 0).all()
    if need_weights:
        assert (weights[:, :, 0] == 0).all()


@pytest.mark.parametrize("need_weights", [True, False])
def test_nan_under_the_mask_reaches_nothing(need_weights) -> None:
    module, x, clean = attention(), random(B, N_Q, D), random(B, N_K, D)
    mask = torch.ones(B, N_Q, N_K, dtype=torch.bool)
    mask[1, :, 4] = False  # hidden from all queries of the second sentence
    mask[1, :3, 6] = False  # hidden from some
    dirty = clean.clone()
    dirty[1, [4, 6]] = NAN
    expected, output = (module(x, source, mask, need_weights=need_weights)[0] for source in (clean, dirty))
    assert_close(output[0], expected[0], rtol=0, atol=0)
    assert_close(output[1, :3], expected[1, :3], rtol=0, atol=0)
    assert output[1, 3:].isnan().all()


@pytest.mark.parametrize("where", ["keys", "values"])
def test_a_nan_in_keys_or_values_alone_shows_where_it_is_attended_to(where) -> None:
    q, k, v = random(B, HEADS, N_Q, 4), random(B, HEADS, N_K, 4), random(B, HEADS, N_K, 4)
    mask = causal(N_Q, N_K)  # the last query alone sees the last key
    clean = _fused(q, k, v, mask)
    (k if where == "keys" else v)[:, 1, -1] = NAN
    output = _fused(q, k, v, mask)
    assert_close(output[:, :, :-1], clean[:, :, :-1], rtol=0, atol=0)
    assert output[:, :, -1].isnan().all()


def test_a_kernel_that_gives_nan_to_a_row_without_a_key_does_no_harm(monkeypatch) -> None:
    def kernel(q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor) -> Tensor:
        """The bare formula, as torch's kernels had it before version 2.5, and some still have it."""
        return (q @ k.mT / q.shape[-1] ** 0.5).masked_fill(~attn_mask, float("-inf")).softmax(-1) @ v

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", kernel)
    mask = causal(N_Q)
    mask[0] = False
    assert kernel(*[random(1, N_Q, 4)] * 3, attn_mask=mask).isnan().any()
    test_a_query_that_may_attend_to_nothing(need_weights=False)


def test_the_fast_path_never_stores_the_weights() -> None:
    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            outputs = result if isinstance(result, tuple) else (result,)
            self.numbers = max([self.numbers, *(x.numel() for x in outputs if isinstance(x, Tensor))])
            return result

    n, heads = 211, 8
    module, x = MultiHeadAttention(16, heads), torch.randn(1, n, 16)
    with torch.no_grad(), Largest() as fast:
        module(x, mask=causal(n))
    with torch.no_grad(), Largest() as slow:
        module(x, mask=causal(n), need_weights=True)
    assert fast.numbers == n * n  # the mask itself
    assert slow.numbers == heads * n * n


# Grouped-query heads


@pytest.mark.parametrize("need_weights", [True, False])
def test_grouped_heads_are_full_heads_that_share_their_keys(need_weights) -> None:
    torch.manual_seed(0)
    grouped, full = MultiHeadAttention(24, 6, 2).double(), MultiHeadAttention(24, 6).double()
    state = grouped.state_dict()
    for name in ("key", "value"):
        weight, bias = state[f"{name}.weight"].view(2, 4, 24), state[f"{name}.bias"].view(2, 4)
        order = [0, 0, 0, 1, 1, 1]  # which key head serves each query head
        state[f"{name}.weight"], state[f"{name}.bias"] = weight[order].reshape(24, 24), bias[order].reshape(24)
    full.load_state_dict(state)
    x, mask = random(B, N_Q, 24), causal(N_Q)
    assert_close(grouped(x, mask=mask, need_weights=need_weights), full(x, mask=mask, need_weights=need_weights))
    cache = KVCache()
    grouped(x, cache=cache)
    assert cache.k.shape == cache.v.shape == (B, 2, N_Q, 4)  # a third of the memory


# Cache


@pytest.mark.parametrize("num_kv_heads", [None, 1])
@pytest.mark.parametrize("rotary", [False, True])
@pytest.mark.parametrize("chunks", [[1] * 11, [7, 1, 3], [11], [0, 5, 6]])
def test_cached_equals_uncached(num_kv_heads, rotary, chunks) -> None:
    module, x, cache = attention(num_kv_heads, rotary), random(B, 11, D), KVCache()
    expected, expected_weights = module(x, mask=causal(11), need_weights=True)
    outputs = []
    for part in x.split(chunks, dim=1):
        mask = causal(part.shape[1], len(cache) + part.shape[1])
        output, weights = module(part, mask=mask, cache=cache, need_weights=True)
        outputs.append(output)
    assert len(cache) == 11
    assert_close(torch.cat(outputs, dim=1), expected)
    assert_close(weights, expected_weights[:, :, 11 - chunks[-1] :])


def test_the_cache_of_cross_attention_is_filled_once() -> None:
    module, x, source, cache = attention(), random(B, N_Q, D), random(B, N_K, D), KVCache()
    first, again = module(x, source, cache=cache)[0], module(x, source, cache=cache)[0]
    assert len(cache) == N_K
    assert torch.equal(first, again)
    assert_close(first, module(x, source)[0])


def test_rotary_attention_sees_distances_only() -> None:
    module, x, late = attention(rotary=True), random(B, N_Q, D), KVCache()
    far = torch.zeros(B, N_K, dtype=torch.bool)  # earlier tokens, hidden, that only move the others on
    module(random(B, N_K, D), cache=late)
    mask = torch.cat([far, torch.ones(B, N_Q, dtype=torch.bool)], dim=1)[:, None]
    assert_close(module(x, mask=mask, cache=late)[0], module(x)[0])
    assert not torch.allclose(module(x.flip(1))[0].flip(1), module(x)[0])
    assert_close(attention()(x.flip(1))[0].flip(1), attention()(x)[0])  # without positions order is invisible


# Shapes and layouts


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize("leading", [(), (B,), (B, 3), (2, 1, 3)])
def test_any_leading_axes(need_weights, leading) -> None:
    module, x, source = attention(), random(*leading, N_Q, D), random(*leading, N_K, D)
    mask = random_mask(*leading, N_Q, N_K)
    output, _ = module(x, source, mask, need_weights=need_weights)
    flat = [y.reshape(-1, *y.shape[-2:]) for y in (x, source, mask)]
    expected = torch.stack([module(*one, need_weights=need_weights)[0] for one in zip(*flat, strict=True)])
    assert_close(output, expected.view(*leading, N_Q, D))


@pytest.mark.parametrize("need_weights", [True, False])
def test_one_source_for_a_whole_batch(need_weights) -> None:
    module, x, source = attention(), random(B, N_Q, D), random(N_K, D)
    expected = module(x, source.expand(B, N_K, D), need_weights=need_weights)
    assert_close(module(x, source, need_weights=need_weights), expected)


@pytest.mark.parametrize("need_weights", [True, False])
@pytest.mark.parametrize(("b", "n_q", "n_k"), [(B, 0, N_K), (B, N_Q, 0), (0, N_Q, N_K), (B, 1, 1)])
@pytest.mark.parametrize("masked", [True, False])
def test_no_token_and_one_token(need_weights, b, n_q, n_k, masked) -> None:
    module, x, source = attention(), random(b, n_q, D).requires_grad_(), random(b, n_k, D)
    mask = torch.ones(n_q, n_k, dtype=torch.bool) if masked else None
    output, _ = module(x, source, mask, need_weights=need_weights)
    assert output.shape == (b, n_q, D)
    if n_k == 0:
        assert_close(output, module.output.bias.expand_as(output))
    output.sum().backward()
    assert x.grad.isfinite().all()


def test_memory_layout_does_not_matter() -> None:
    module, x = attention(), random(D, N_Q, B).transpose(0, 2)
    assert_close(module(x)[0], module(x.contiguous())[0])


# Properties


@given(seed=st.integers(0, 2**32), i=st.integers(0, N_K - 2), need_weights=st.booleans(), rotary=st.booleans())
@settings(max_examples=30, deadline=None)
def test_the_future_does_not_move_the_past_by_one_bit(seed, i, need_weights, rotary) -> None:
    module = attention(rotary=rotary)
    torch.manual_seed(seed)
    x = random(B, N_K, D)
    other = x.clone()
    other[:, i + 1 :] = random(B, N_K - i - 1, D) * 100
    other[0, -1] = NAN
    before, after = (module(y, mask=causal(N_K), need_weights=need_weights)[0] for y in (x, other))
    assert torch.equal(before[:, : i + 1], after[:, : i + 1])


@given(seed=st.integers(0, 2**32), data=st.data())
@settings(max_examples=20, deadline=None)
def test_permuting_the_source_changes_nothing(seed, data) -> None:
    module, order = attention(), data.draw(st.permutations(range(N_K)))
    torch.manual_seed(seed)
    x, source, mask = random(B, N_Q, D), random(B, N_K, D), random_mask(B, N_Q, N_K)
    assert_close(module(x, source[:, order], mask[..., order]), module(x, source, mask))


# Where it runs


@pytest.mark.parametrize("need_weights", [True, False])
def test_one_device(need_weights) -> None:
    x, source, mask = random(B, N_Q, D), random(B, N_K, D), random_mask(B, N_Q, N_K)
    check_one_device(attention(1), x, source, mask, need_weights=need_weights)
    check_one_device(attention(rotary=True), x, mask=causal(N_Q), need_weights=need_weights)
    check_one_device(lambda module, x: module(x, cache=KVCache()), attention(), x)


@pytest.mark.parametrize("need_weights", [True, False])
def test_compiles_without_a_graph_break(need_weights) -> None:
    module, x, mask = attention(1, rotary=True), random(B, N_Q, D), causal(N_Q)
    compiled = torch.compile(module, backend="aot_eager", fullgraph=True)
    assert_close(compiled(x, mask=mask, need_weights=need_weights), module(x, mask=mask, need_weights=need_weights))


def test_mixed_precision() -> None:
    module, x, mask = attention().float(), random(B, N_Q, D).float(), random_mask(B, N_Q, N_Q)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        slow, fast = (module(x, mask=mask, need_weights=need)[0] for need in (True, False))
    expected = module(x, mask=mask)[0]
    assert_close(slow.float(), expected, atol=0.02, rtol=0.02)
    assert_close(fast.float(), expected, atol=0.02, rtol=0.02)


# Another method


def test_a_method_gets_the_heads_and_the_mask_and_may_be_plain_attention() -> None:
    plain, x, source = attention(num_kv_heads=1), random(B, N_Q, D), random(B, N_K, D)
    seen = []

    def method(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
        seen.append((q.shape, k.shape, v.shape, None if mask is None else mask.shape))
        return scaled_dot_product_attention(q, k, v, mask)[0]

    other = MultiHeadAttention(D, HEADS, 1, method=method).double()
    other.load_state_dict(plain.state_dict())  # a method has no parameters of its own
    keys = padding(torch.tensor([3, 7]), N_K)
    assert_close(other(x, source, keys)[0], plain(x, source, keys)[0])
    assert_close(other(x)[0], plain(x)[0])
    kv = (B, HEADS, N_K, D_HEAD)
    assert seen[0] == ((B, HEADS, N_Q, D_HEAD), kv, kv, (B, 1, 1, N_K))
    assert seen[1][3] is None


# Bad inputs

TYPE, VALUE = TypeError, ValueError
M, ROTARY = MultiHeadAttention(D, HEADS), MultiHeadAttention(D, HEADS, rotary=True)
X, S, MASK = torch.randn(B, N_Q, D), torch.randn(B, N_K, D), torch.ones(N_Q, N_K, dtype=torch.bool)


def wrong_continuation() -> None:
    cache = KVCache()
    M(X, cache=cache)
    M(X[:1], cache=cache)


BAD = {
    "heads": (lambda: MultiHeadAttention(12, 5), VALUE, "num_heads should divide d_model, got d_model 12 and .* 5"),
    "no heads": (lambda: MultiHeadAttention(12, 0), VALUE, "num_heads should be at least 1, got 0"),
    "key heads": (lambda: MultiHeadAttention(12, 6, 4), VALUE, "num_kv_heads should divide num_heads, got 4 and .* 6"),
    "no key heads": (lambda: MultiHeadAttention(12, 6, 0), VALUE, "num_kv_heads should be at least 1, got 0"),
    "odd rotary": (lambda: MultiHeadAttention(9, 3, rotary=True), VALUE, "d_model / num_heads should be even, got 3"),
    "half a width": (lambda: MultiHeadAttention(12.0, 3), TYPE, r"d_model should be a whole number, got 12\.0 \(float"),
    "width": (lambda: M(X[..., :7]), VALUE, r"x should have shape \(\.\.\., n, 12\), got \(2, 5, 7\)"),
    "one axis": (lambda: M(X[0, 0]), VALUE, r"x should have shape \(\.\.\., n, d\), got \(12,\)"),
    "source's width": (lambda: M(X, S[..., :7]), VALUE, r"source should have shape \(\.\.\., n, 12\), got \(2, 7, 7\)"),
    "source's batch": (
        lambda: M(X, torch.ones(3, 7, D)),
        VALUE,
        r"x and source .* \(2, 5, 12\) and source \(3, 7, 12\)",
    ),
    "dtype": (lambda: M(X.double()), TYPE, "x and the module's parameters .* torch.float64 and torch.float32"),
    "source's dtype": (lambda: M(X, S.half()), TYPE, "source and the module's parameters .* torch.float16 and"),
    "device": (lambda: M(X.to("meta")), VALUE, "x and the module's parameters .* got meta and cpu"),
    "whole numbers": (lambda: M(X.long()), TYPE, "x should hold floating-point numbers, got torch.int64"),
    "mask transposed": (lambda: M(X, S, MASK.T), VALUE, r"broadcast to the scores' shape \(2, 5, 7\), got \(7, 5\)"),
    "mask with heads": (lambda: M(X, S, MASK.expand(2, 3, 5, 7)), VALUE, r"\(2, 5, 7\), got \(2, 3, 5, 7\)"),
    "mask of numbers": (lambda: M(X, S, MASK.float()), TYPE, "mask should be a boolean tensor .* torch.float32"),
    "mask's device": (lambda: M(X, S, MASK.to("meta")), VALUE, "mask should be on the scores' device cpu, got meta"),
    "weights of a method": (
        lambda: MultiHeadAttention(D, HEADS, method=scaled_dot_product_attention)(X, need_weights=True),
        VALUE,
        "a method of attention returns no weights",
    ),
    "rotary source": (lambda: ROTARY(X, S), VALUE, "cross-attention needs rotary=False"),
    "another batch": (wrong_continuation, VALUE, r"holds keys \(2, 3, 5, 4\), and keys \(1, 3, 5, 4\) do not continue"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
