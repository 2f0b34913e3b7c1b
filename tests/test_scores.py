"""Scores: numbers worked out by hand, the formula written out, any axes, and errors that say what is wrong."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device
from torch import nn
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from attnbook.scores import AdditiveScore, MultiplicativeScore, dot, scaled_dot

B, H, N_Q, N_K, D, D_Q, D_K, D_HIDDEN = 2, 3, 5, 7, 11, 13, 17, 19


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def every_score(d: int, d_q: int, d_k: int, d_hidden: int) -> pytest.MarkDecorator:
    """Run a test on each score in float64, with the widths of queries and keys that it reads."""
    torch.manual_seed(0)
    multiplicative, additive = MultiplicativeScore(d_q, d_k).double(), AdditiveScore(d_q, d_k, d_hidden).double()
    scores = [(dot, d, d), (scaled_dot, d, d), (multiplicative, d_q, d_k), (additive, d_q, d_k)]
    return pytest.mark.parametrize(("score", "d_q", "d_k"), scores, ids=["dot", "scaled", "multiplicative", "additive"])


every = every_score(D, D_Q, D_K, D_HIDDEN)


def test_dot_by_hand() -> None:
    q, k = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0], [-2.0, 1.0]])
    assert dot(q, k).tolist() == [[11.0, 2.0, 0.0], [-4.0, -1.0, -1.0]]


def test_scaled_dot_by_hand() -> None:
    q, k = torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.5, 0.5, 0.5, 0.5]])
    assert scaled_dot(q, k).tolist() == [[2.0, 2.5]]  # (1 + 3) / √4 and 10 · 0.5 / √4


def test_multiplicative_by_hand() -> None:
    score = MultiplicativeScore(2, 3)
    score.key.weight.data = torch.tensor([[1.0, 0.0, 2.0], [0.0, 3.0, 0.0]])
    q, k = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 1.0, 1.0], [0.0, 1.0, -1.0]])
    assert score(q, k).tolist() == [[9.0, 4.0]]  # W k = (3, 3) and (-2, 3)


def test_additive_by_hand() -> None:
    score = AdditiveScore(1, 1, 2)
    score.query.weight.data = torch.tensor([[1.0], [0.0]])
    score.key.weight.data = torch.tensor([[1.0], [2.0]])
    score.v.weight.data = torch.tensor([[10.0, 100.0]])
    half, whole = math.atanh(0.5), math.atanh(0.75)
    q, k = torch.tensor([[whole - half]]), torch.tensor([[half]])
    # First unit: whole - half + half, whose tanh is 0.75. Second: 2 · half, and tanh 2x = 2 · 0.5 / (1 + 0.5²) = 0.8.
    assert_close(score(q, k), torch.tensor([[7.5 + 80.0]]))


def test_additive_is_the_formula_with_the_concatenation() -> None:
    score = AdditiveScore(D_Q, D_K, D_HIDDEN).double()
    q, k = random(B, N_Q, D_Q), random(B, N_K, D_K)
    w = torch.cat([score.query.weight, score.key.weight], dim=1)
    pairs = torch.cat([q[:, :, None].expand(B, N_Q, N_K, D_Q), k[:, None].expand(B, N_Q, N_K, D_K)], dim=-1)
    assert_close(score(q, k), (pairs @ w.T).tanh() @ score.v.weight[0])


def test_additive_never_builds_the_concatenation() -> None:
    class Largest(TorchDispatchMode):
        numbers = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            self.numbers = max(self.numbers, result.numel())
            return result

    score = AdditiveScore(101, 103, 2)
    with Largest() as largest:
        score(torch.randn(N_Q, 101), torch.randn(N_K, 103))
    assert largest.numbers == max(N_Q * N_K * 2, N_Q * 101, N_K * 103, 101 * 2, 103 * 2)


@every
def test_any_leading_axes_broadcast(score, d_q, d_k) -> None:
    q, k = random(B, 1, N_Q, d_q), random(H, N_K, d_k)
    scores = score(q, k)
    assert scores.shape == (B, H, N_Q, N_K)
    for b in range(B):
        for h in range(H):
            assert_close(scores[b, h], score(q[b, 0], k[h]))


@every
@pytest.mark.parametrize(("n_q", "n_k"), [(0, N_K), (N_Q, 0), (0, 0), (1, 1)])
def test_no_token_and_one_token(score, d_q, d_k, n_q, n_k) -> None:
    assert score(random(B, n_q, d_q), random(B, n_k, d_k)).shape == (B, n_q, n_k)
    assert score(random(0, N_Q, d_q), random(0, N_K, d_k)).shape == (0, N_Q, N_K)


@every
def test_memory_layout_does_not_matter(score, d_q, d_k) -> None:
    q, k = random(d_q, N_Q, B).transpose(0, 2), random(N_K, 2 * d_k)[:, ::2]
    assert not q.is_contiguous()
    assert not k.is_contiguous()
    assert_close(score(q, k), score(q.contiguous(), k.contiguous()))


@every_score(2, 2, 3, 5)
def test_gradients(score, d_q, d_k) -> None:
    q, k = random(3, d_q).requires_grad_(), random(5, d_k).requires_grad_()
    assert torch.autograd.gradcheck(score, (q, k))
    if isinstance(score, nn.Module):
        names, weights = zip(*score.named_parameters(), strict=True)

        def of_weights(*values: torch.Tensor) -> torch.Tensor:
            return torch.func.functional_call(score, dict(zip(names, values, strict=True)), (q.detach(), k.detach()))

        assert torch.autograd.gradcheck(of_weights, weights)


@every
@given(data=st.data())
@settings(max_examples=20, deadline=None)
def test_each_score_depends_on_its_own_query_and_key_only(score, d_q, d_k, data) -> None:
    torch.manual_seed(data.draw(st.integers(0, 2**32)))
    q, k = random(N_Q, d_q), random(N_K, d_k)
    rows, columns = data.draw(st.permutations(range(N_Q))), data.draw(st.permutations(range(N_K)))
    assert_close(score(q[rows], k[columns]), score(q, k)[rows][:, columns])


def test_scaling_holds_the_variance_at_one_whatever_the_width() -> None:
    torch.manual_seed(0)
    for d in (4, 64, 1024):
        assert scaled_dot(random(500, d), random(500, d)).var().item() == pytest.approx(1.0, abs=0.05)


def test_scaled_dot_does_not_overflow_where_its_result_fits_float16() -> None:
    q, k = torch.full((1, 1024), 32.0).half(), torch.full((1, 1024), 60.0).half()  # q · k is 1.97 million, over 65504
    assert scaled_dot(q, k).item() == 61440.0


@every
def test_one_device(score, d_q, d_k) -> None:
    check_one_device(score, random(B, N_Q, d_q), random(B, N_K, d_k))


@every
def test_compiles_without_a_graph_break(score, d_q, d_k) -> None:
    q, k = random(B, N_Q, d_q), random(B, N_K, d_k)
    assert_close(torch.compile(score, backend="aot_eager", fullgraph=True)(q, k), score(q, k))


@every
def test_mixed_precision(score, d_q, d_k) -> None:
    q, k = random(N_Q, d_q).float(), random(N_K, d_k).float()
    score = score.float() if isinstance(score, nn.Module) else score
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = score(q, k.bfloat16())  # as if k came out of a layer before
    assert_close(mixed.float(), score(q, k), atol=0.15, rtol=0.02)
    if isinstance(score, nn.Module):
        score.double()


TYPE, VALUE = TypeError, ValueError
MULTIPLICATIVE, ADDITIVE = MultiplicativeScore(D_Q, D_K), AdditiveScore(D_Q, D_K, D_HIDDEN)
Q, K = torch.randn(B, N_Q, D_Q), torch.randn(B, N_K, D_K)
BAD = {
    "widths": (dot, (Q, K), VALUE, r"same width \(last axis\), got q \(2, 5, 13\) and k \(2, 7, 17\)"),
    "scaled widths": (scaled_dot, (Q, K), VALUE, r"same width .* q \(2, 5, 13\) and k \(2, 7, 17\)"),
    "one axis": (dot, (Q[0, 0], Q), VALUE, r"q should have shape \(\.\.\., n, d\), got \(13,\): add axes"),
    "scaled one axis": (scaled_dot, (Q[0, 0], Q), VALUE, r"q should have shape \(\.\.\., n, d\), got \(13,\)"),
    "whole numbers": (dot, (Q, Q.long()), TYPE, r"k should hold floating-point numbers, got torch.int64"),
    "a list": (dot, ([[1.0]], Q), TYPE, "q should be a torch tensor, got list"),
    "dtypes": (scaled_dot, (Q, Q.double()), TYPE, "q and k should have one dtype, got torch.float32 and torch.float64"),
    "devices": (dot, (Q, Q.to("meta")), VALUE, "q and k should be on one device, got cpu and meta"),
    "leading": (
        dot,
        (Q, Q.new_ones(3, 5, 13)),
        VALUE,
        r"leading axes that broadcast .*\(2, 5, 13\) and k \(3, 5, 13\)",
    ),
    "W's query": (MULTIPLICATIVE, (K, K), VALUE, r"q should have shape \(\.\.\., n, 13\), got \(2, 7, 17\)"),
    "W's key": (MULTIPLICATIVE, (Q, Q), VALUE, r"k should have shape \(\.\.\., n, 17\), got \(2, 5, 13\)"),
    "W's dtype": (MULTIPLICATIVE, (Q, K.double()), TYPE, r"k and the module's parameters .*float64 and torch.float32"),
    "W's device": (MULTIPLICATIVE, (Q, K.to("meta")), VALUE, r"k and the module's parameters .* got meta and cpu"),
    "additive query": (ADDITIVE, (K, K), VALUE, r"q should have shape \(\.\.\., n, 13\), got \(2, 7, 17\)"),
    "additive key": (ADDITIVE, (Q, Q), VALUE, r"k should have shape \(\.\.\., n, 17\), got \(2, 5, 13\)"),
    "additive dtype": (ADDITIVE, (Q.half(), K), TYPE, r"q and the module's parameters .*float16 and torch.float32"),
    "additive leading": (ADDITIVE, (Q, K.new_ones(3, 7, 17)), VALUE, r"leading axes .*\(2, 5, 13\) and k \(3, 7, 17\)"),
    "no width": (MultiplicativeScore, (0, D_K), VALUE, "d_q should be at least 1, got 0"),
    "negative width": (AdditiveScore, (D_Q, D_K, -3), VALUE, "d_hidden should be at least 1, got -3"),
    "half a width": (AdditiveScore, (D_Q, 2.5, 3), TYPE, r"d_k should be a whole number, got 2.5 \(float\)"),
}


@pytest.mark.parametrize(("call", "arguments", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, arguments, error, message) -> None:
    with pytest.raises(error, match=message):
        call(*arguments)
