"""Attention against hand-computed numbers and torch's own, at every edge: masks, no tokens, huge scores, NaN."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention as torch_attention
from torch.testing import assert_close

from attnbook.attention import attend, scaled_dot_product_attention
from attnbook.scores import scaled_dot

B, H, N_Q, N_K, D_K, D_V = 2, 3, 5, 7, 11, 13
NAN, INF = float("nan"), float("inf")


def random(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64).to(dtype)


def random_qkv(*leading: int, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(random(*leading, n, d, dtype=dtype) for n, d in [(N_Q, D_K), (N_K, D_K), (N_K, D_V)])


def random_mask(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) < 0.6


def output_only(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    return scaled_dot_product_attention(q, k, v, mask)[0]


# By hand


def test_attend_by_hand() -> None:
    scores = torch.tensor([[1.0, 2.0, 0.0, 5.0]]).log()  # weights 1/8, 2/8, 0, 5/8
    output, weights = attend(scores, torch.tensor([[8.0, 0.0], [4.0, 16.0], [99.0, 99.0], [0.0, 8.0]]))
    assert_close(weights, torch.tensor([[0.125, 0.25, 0.0, 0.625]]))
    assert_close(output, torch.tensor([[2.0, 9.0]]))


def test_a_masked_key_leaves_its_share_to_the_others() -> None:
    scores = torch.tensor([[1.0, 2.0, 7.0, 5.0]]).log()
    output, weights = attend(scores, torch.eye(4), torch.tensor([True, True, True, False]))
    assert_close(weights, torch.tensor([[0.1, 0.2, 0.7, 0.0]]))
    assert_close(output, weights)


def test_scaled_dot_product_attention_by_hand() -> None:
    q = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    k = torch.tensor([[0.0, 1.0, 1.0, 1.0], [3.0, 0.0, 0.0, 0.0]]).log1p()  # scores 0 and ln 4
    output, weights = scaled_dot_product_attention(q, k, torch.tensor([[10.0], [20.0]]))
    assert_close(weights, torch.tensor([[0.2, 0.8]]))
    assert_close(output, torch.tensor([[18.0]]))


# Against torch


@pytest.mark.parametrize("mask", [None, (N_Q, N_K), (B, 1, N_Q, N_K), (B, H, N_Q, N_K), (B, 1, 1, N_K), (N_K,)])
def test_equals_torch_forward_and_backward_in_float64(mask) -> None:
    mask = None if mask is None else random_mask(*mask) | (torch.arange(N_K) == 3)  # each row may see something
    mine, torchs = random_qkv(B, H), None
    torchs = [x.clone().requires_grad_() for x in mine]
    mine = [x.requires_grad_() for x in mine]
    output = output_only(*mine, mask)
    expected = torch_attention(*torchs, None if mask is None else torch.atleast_2d(mask))
    assert_close(output, expected)
    weight = random(*output.shape)
    (output * weight).sum().backward()
    (expected * weight).sum().backward()
    for x, y in zip(mine, torchs, strict=True):
        assert_close(x.grad, y.grad)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float16, 2e-3), (torch.bfloat16, 1.6e-2)]
)
def test_smaller_types_stay_within_their_rounding(dtype, tolerance) -> None:
    torch.manual_seed(0)
    q, k, v = random_qkv(B, H, dtype=dtype)
    mask = random_mask(B, 1, N_Q, N_K)
    output = output_only(q, k, v, mask)
    assert output.dtype == dtype
    # The same rounded inputs, computed in float64.
    assert_close(output.double(), output_only(q.double(), k.double(), v.double(), mask), atol=tolerance, rtol=tolerance)


def test_gradcheck() -> None:
    q, k, v = (random(n, d).requires_grad_() for n, d in [(2, 3), (5, 3), (5, 2)])
    mask = torch.tensor([[True, False, True, True, False], [False] * 5])
    assert torch.autograd.gradcheck(lambda *qkv: output_only(*qkv, mask), (q, k, v))
    assert torch.autograd.gradcheck(lambda *qkv: output_only(*qkv), (q, k, v))


# Stability


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("size", [1e4, -1e4])
def test_huge_scores_are_stable(dtype, size) -> None:
    scores = torch.tensor([[size, size, -size], [-size, 0.0, size]], dtype=dtype, requires_grad=True)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    output, weights = attend(scores, torch.eye(3, dtype=dtype), mask)
    rows = [[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]] if size > 0 else [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert weights.tolist() == rows
    output[:, 0].sum().backward()
    assert scores.grad.isfinite().all()


def test_huge_queries_in_float16_do_not_overflow() -> None:
    q, k = torch.full((1, 256), 16.0).half(), torch.full((2, 256), 16.0).half()  # q · k = 65536, over float16's 65504
    assert output_only(q, k, torch.tensor([[1.0], [3.0]]).half()).item() == 2.0


# Nothing to attend to


def test_a_query_that_may_attend_to_nothing_gets_zeros_and_gives_none() -> None:
    q, k, v = (x.requires_grad_() for x in random_qkv(B, H))
    mask = random_mask(B, 1, N_Q, N_K) | (torch.arange(N_K) == 0)
    mask[0, :, 2] = False
    output = output_only(q, k, v, mask)
    assert (output[0, :, 2] == 0).all()
    assert (output[1] != 0).all()
    output[0, :, 2].sum().backward(retain_graph=True)
    assert all((x.grad == 0).all() for x in (q, k, v))
    output.sum().backward()
    assert all(x.grad.isfinite().all() for x in (q, k, v))
    assert (q.grad[0, :, 2] == 0).all()


def test_weights_of_a_query_that_may_attend_to_nothing_are_zeros() -> None:
    weights = attend(random(N_Q, N_K), random(N_K, D_V), torch.zeros(1, dtype=torch.bool))[1]
    assert (weights == 0).all()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("b", "n_q", "n_k"), [(B, 0, N_K), (B, N_Q, 0), (B, 0, 0), (0, N_Q, N_K), (B, 1, 1)])
def test_no_token_and_one_token(masked, b, n_q, n_k) -> None:
    q, k, v = random(b, n_q, D_K), random(b, n_k, D_K), random(b, n_k, D_V)
    mask = torch.ones(b, n_q, n_k, dtype=torch.bool) if masked else None
    output = output_only(q, k, v, mask)
    assert output.shape == (b, n_q, D_V)
    assert_close(output, v.expand(b, n_q, D_V) if n_k == 1 else output.new_zeros(b, n_q, D_V) if n_k == 0 else output)
    assert output.isfinite().all()


# NaN under the mask


@pytest.mark.parametrize("broken", [NAN, INF, -INF])
@pytest.mark.parametrize("where", ["keys", "values"])
def test_what_the_mask_hides_reaches_nothing(broken, where) -> None:
    mask = torch.ones(N_Q, N_K, dtype=torch.bool)
    mask[:, 4] = False  # hidden from all
    mask[:3, 6] = False  # hidden from the first three
    clean = random_qkv(B)
    dirty = [x.clone() for x in clean]
    dirty[1 if where == "keys" else 2][:, [4, 6], 1] = broken
    for x in (*clean, *dirty):
        x.requires_grad_()
    expected, output = output_only(*clean, mask), output_only(*dirty, mask)
    assert_close(output[:, :3], expected[:, :3], rtol=0, atol=0)
    assert output[:, 3:].isnan().all()  # these were let to see it
    # The gradients of what is sound are those of the clean run.
    expected[:, :3].sum().backward()
    if where == "values":
        output[:, :3].sum().backward()
    else:  # a query whose own weights are NaN has a NaN gradient even for a loss that leaves it out; so it goes
        output_only(dirty[0][:, :3], *dirty[1:], mask[:3])[:, :3].sum().backward()
    for x, y in zip(dirty, clean, strict=True):
        assert_close(x.grad[:, :3], y.grad[:, :3])
        assert_close(x.grad, y.grad)


def test_without_a_mask_a_nan_shows() -> None:
    q, k, v = random_qkv()
    v[4, 1] = NAN
    assert scaled_dot_product_attention(q, k, v)[0][:, 1].isnan().all()


# Shapes and layouts


@pytest.mark.parametrize("leading", [(), (B,), (B, H), (B, 1, H), (2, 1, 3, 1)])
def test_any_leading_axes(leading) -> None:
    q, k, v = random_qkv(*leading)
    mask = random_mask(*leading, N_Q, N_K)
    output = output_only(q, k, v, mask)
    assert output.shape == (*leading, N_Q, D_V)
    one_by_one = [
        output_only(*x, m)
        for *x, m in zip(*(y.reshape(-1, *y.shape[-2:]) for y in (q, k, v)), mask.reshape(-1, N_Q, N_K), strict=True)
    ]
    assert_close(output.reshape(-1, N_Q, D_V), torch.stack(one_by_one))


def test_leading_axes_broadcast() -> None:
    q, k, v = random(B, 1, N_Q, D_K), random(H, N_K, D_K), random(1, 1, N_K, D_V)
    mask = random_mask(B, 1, 1, N_K)
    everything = [x.expand(B, H, *x.shape[-2:]) for x in (q, k, v)]
    assert_close(output_only(q, k, v, mask), output_only(*everything, mask.expand(B, H, N_Q, N_K)))


def test_memory_layout_does_not_matter() -> None:
    q, k, v = random_qkv(B, H)
    mask = random_mask(N_K, N_Q).T
    strided = [x.transpose(0, -1).contiguous().transpose(0, -1) for x in (q, k, v)]
    assert not any(x.is_contiguous() for x in (*strided, mask))
    assert_close(output_only(*strided, mask), output_only(q, k, v, mask.contiguous()))


def test_output_and_weights_belong_together() -> None:
    q, k, v = random_qkv(B, H)
    mask = random_mask(B, 1, N_Q, N_K)
    output, weights = scaled_dot_product_attention(q, k, v, mask)
    assert_close(weights @ v, output)
    assert (weights[~mask.expand_as(weights)] == 0).all()
    assert_close(attend(scaled_dot(q, k), v, mask), (output, weights))


# Properties


@given(seed=st.integers(0, 2**32), n_q=st.integers(1, 6), n_k=st.integers(1, 6), size=st.sampled_from([1e-3, 1.0, 1e3]))
@settings(max_examples=40, deadline=None)
def test_rows_sum_to_one_and_outputs_stay_among_the_values(seed, n_q, n_k, size) -> None:
    torch.manual_seed(seed)
    scores, values, mask = random(n_q, n_k) * size, random(n_k, D_V), random_mask(n_q, n_k, seed=seed)
    output, weights = attend(scores, values, mask)
    anyone = mask.any(dim=-1)
    assert_close(weights.sum(dim=-1), anyone.double())
    assert (weights >= 0).all()
    assert (output[anyone] <= values.amax(dim=0) + 1e-9).all()
    assert (output[anyone] >= values.amin(dim=0) - 1e-9).all()


@given(seed=st.integers(0, 2**32), data=st.data())
@settings(max_examples=20, deadline=None)
def test_permuting_keys_with_values_changes_nothing(seed, data) -> None:
    torch.manual_seed(seed)
    q, k, v = random_qkv()
    mask, order = random_mask(N_Q, N_K, seed=seed), data.draw(st.permutations(range(N_K)))
    assert_close(output_only(q, k[order], v[order], mask[:, order]), output_only(q, k, v, mask))


@given(seed=st.integers(0, 2**32), shift=st.floats(-1e3, 1e3))
@settings(max_examples=20, deadline=None)
def test_adding_a_number_to_all_scores_of_a_query_changes_nothing(seed, shift) -> None:
    torch.manual_seed(seed)
    scores, values = random(N_Q, N_K), random(N_K, D_V)
    assert_close(attend(scores + shift, values), attend(scores, values))


# Where it runs


@pytest.mark.parametrize("masked", [False, True])
def test_one_device(masked) -> None:
    q, k, v = random_qkv(B, H)
    check_one_device(scaled_dot_product_attention, q, k, v, random_mask(B, 1, N_Q, N_K) if masked else None)


def test_attend_on_one_device() -> None:
    check_one_device(attend, random(B, N_Q, N_K), random(B, N_K, D_V), random_mask(N_Q, N_K))


def test_compiles_without_a_graph_break() -> None:
    q, k, v = random_qkv(B, H)
    mask = random_mask(B, 1, N_Q, N_K)
    compiled = torch.compile(output_only, backend="aot_eager", fullgraph=True)
    assert_close(compiled(q, k, v, mask), output_only(q, k, v, mask))
    assert_close(compiled(q, k, v), output_only(q, k, v))


def test_mixed_precision() -> None:
    q, k, v = random_qkv(B, H, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, weights = scaled_dot_product_attention(q.bfloat16(), k, v, random_mask(N_Q, N_K))
    expected = scaled_dot_product_attention(q, k, v, random_mask(N_Q, N_K))
    assert_close((output.float(), weights.float()), expected, atol=0.05, rtol=0.02)


# Bad inputs

TYPE, VALUE = TypeError, ValueError
Q, K, V, S = torch.randn(B, 5, 11), torch.randn(B, 7, 11), torch.randn(B, 7, 13), torch.randn(B, 5, 7)
M = torch.ones(5, 7, dtype=torch.bool)
BAD_QKV = {
    "widths": ((Q, V, V), VALUE, r"q and k should have the same width .* q \(2, 5, 11\) and k \(2, 7, 13\)"),
    "lengths": ((Q, K, Q), VALUE, r"k and v should have the same length, got k \(2, 7, 11\) and v \(2, 5, 11\)"),
    "one axis": ((Q[0, 0], K, V), VALUE, r"q should have shape \(\.\.\., n, d\), got \(11,\)"),
    "one axis of v": ((Q, K, V[0, 0]), VALUE, r"v should have shape \(\.\.\., n, d\), got \(13,\)"),
    "whole numbers": ((Q, K, V.long()), TYPE, "v should hold floating-point numbers, got torch.int64"),
    "an array": ((Q, K.numpy(), V), TYPE, "k should be a torch tensor, got ndarray"),
    "dtypes of q, k": ((Q, K.double(), V), TYPE, "q and k should have one dtype, got torch.float32 and torch.float64"),
    "dtypes of k, v": ((Q, K, V.half()), TYPE, "k and v should have one dtype, got torch.float32 and torch.float16"),
    "devices": ((Q, K, V.to("meta")), VALUE, "k and v should be on one device, got cpu and meta"),
    "leading of q, k": ((Q, K.new_ones(3, 7, 11), V), VALUE, r"q and k .* q \(2, 5, 11\) and k \(3, 7, 11\)"),
    "leading of k, v": ((Q, K, V.new_ones(3, 7, 13)), VALUE, r"k and v .* k \(2, 7, 11\) and v \(3, 7, 13\)"),
    "mask of numbers": ((Q, K, V, M.float()), TYPE, "mask should be a boolean tensor .* got torch.float32"),
    "mask of lists": ((Q, K, V, [[True]]), TYPE, "mask should be a boolean tensor .* got list"),
    "mask transposed": ((Q, K, V, M.T), VALUE, r"mask should broadcast to .* \(2, 5, 7\), got \(7, 5\)"),
    "mask too deep": ((Q, K, V, M[None, None]), VALUE, r"mask should broadcast to .* \(2, 5, 7\), got \(1, 1, 5, 7\)"),
    "mask's batch": ((Q, K, V, M.expand(3, 5, 7)), VALUE, r"mask should broadcast .* \(2, 5, 7\), got \(3, 5, 7\)"),
    "mask's device": ((Q, K, V, M.to("meta")), VALUE, "mask should be on the scores' device cpu, got meta"),
}
BAD_SCORES = {
    "keys": ((S, Q), VALUE, r"should agree on n_k, got scores \(2, 5, 7\) and values \(2, 5, 11\)"),
    "one axis": ((S[0, 0], V), VALUE, r"scores should have shape \(\.\.\., n, d\), got \(7,\)"),
    "whole numbers": ((S.long(), V), TYPE, "scores should hold floating-point numbers, got torch.int64"),
    "dtypes": ((S, V.double()), TYPE, "scores and values should have one dtype"),
    "leading": ((S, V.new_ones(3, 7, 13)), VALUE, r"scores and values should have leading axes that broadcast"),
    "mask": ((S, V, M[:, :6]), VALUE, r"mask should broadcast to .* \(2, 5, 7\), got \(5, 6\)"),
}


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_QKV.values(), ids=BAD_QKV.keys())
def test_bad_inputs(arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        output_only(*arguments)


@pytest.mark.parametrize(("arguments", "error", "message"), BAD_SCORES.values(), ids=BAD_SCORES.keys())
def test_bad_scores(arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        attend(*arguments)
