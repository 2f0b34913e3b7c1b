"""Positions: the formulas term by term, and what each way promises (shifts, lengths, relative distances)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device
from torch.testing import assert_close

from attnbook.positions import LearnedPositions, rotary, sinusoidal

B, H, N, D = 2, 3, 5, 14
few_examples = settings(max_examples=30, deadline=None)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_sinusoidal_term_by_term() -> None:
    table = sinusoidal(N, D, dtype=torch.float64)
    for p in range(N):
        for i in range(D // 2):
            angle = p / 10000 ** (2 * i / D)
            assert table[p, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-12)
            assert table[p, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-12)


@given(start=st.integers(0, 5000), n=st.integers(0, 7))
@few_examples
def test_sinusoidal_may_start_anywhere(start, n) -> None:
    assert_close(sinusoidal(n, D, start), sinusoidal(start + n, D)[start:], rtol=0, atol=0)
    # In float32 the angle of position p is known to about p · 2⁻²⁴.
    exact = sinusoidal(n, D, start, dtype=torch.float64)
    assert_close(sinusoidal(n, D, start).double(), exact, rtol=0, atol=(start + n + 1) * 2e-7)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_late_positions_stay_apart_in_small_types(dtype) -> None:
    late = sinusoidal(4, D, 1000, dtype=dtype)  # bfloat16 alone would give positions 1000 to 1003 one angle
    assert late.dtype == dtype
    assert_close(late.double(), sinusoidal(4, D, 1000, dtype=torch.float64), rtol=0, atol=5e-3)


def test_learned_positions_add_their_table() -> None:
    learned = LearnedPositions(7, 3).double()
    x = random(B, H, N, 3)
    output = learned(x, start=2)
    for p in range(N):
        assert_close(output[:, :, p], x[:, :, p] + learned.table[p + 2])
    output.sum().backward()
    assert learned.table.grad[:, 0].tolist() == [0, 0, 6, 6, 6, 6, 6]  # b · h tokens at each position


def test_rotary_by_hand() -> None:
    x = torch.tensor([[1.0, 2.0, 3.0, 4.0]], dtype=torch.float64)
    c, s, c2, s2 = math.cos(7), math.sin(7), math.cos(0.07), math.sin(0.07)  # θ is 1, then 1/100
    assert rotary(x, start=7)[0].tolist() == pytest.approx([c - 2 * s, s + 2 * c, 3 * c2 - 4 * s2, 3 * s2 + 4 * c2])
    assert torch.equal(rotary(x), x)  # position 0 turns nothing


def test_rotary_is_a_complex_product() -> None:
    x = random(B, H, N, D)
    theta = 10000.0 ** (-torch.arange(0, D, 2).double() / D)
    turn = torch.polar(torch.ones(N, D // 2).double(), torch.arange(N)[:, None] * theta)
    expected = torch.view_as_real(torch.view_as_complex(x.view(B, H, N, D // 2, 2)) * turn).flatten(-2)
    assert_close(rotary(x), expected)


@given(seed=st.integers(0, 2**32), i=st.integers(0, 500), j=st.integers(0, 500), shift=st.integers(0, 500))
@few_examples
def test_rotary_scores_see_distances_only(seed, i, j, shift) -> None:
    torch.manual_seed(seed)
    q, k = random(1, D), random(1, D)
    assert_close(rotary(q, i + shift) @ rotary(k, j + shift).T, rotary(q, i) @ rotary(k, j).T)
    assert_close(rotary(q, i).norm(), q.norm())


def test_rotary_keeps_type_and_axes_and_any_layout() -> None:
    x = random(D, N, B).transpose(0, 2)
    assert_close(rotary(x), rotary(x.contiguous()))
    assert rotary(x.bfloat16()).dtype == torch.bfloat16
    assert rotary(random(B, H, 0, D)).shape == (B, H, 0, D)
    assert torch.autograd.gradcheck(rotary, random(2, 3, 4).requires_grad_())


def test_one_device() -> None:
    check_one_device(LearnedPositions(N, D), random(B, N, D))
    check_one_device(rotary, random(B, N, D), 3)
    check_one_device(lambda x: x + sinusoidal(N, D, dtype=x.dtype, device=x.device), random(B, N, D))


def test_compiles_without_a_graph_break() -> None:
    x = random(B, N, D)
    assert_close(torch.compile(rotary, backend="aot_eager", fullgraph=True)(x, 3), rotary(x, 3))
    learned = LearnedPositions(N, D).double()
    assert_close(torch.compile(learned, backend="aot_eager", fullgraph=True)(x), learned(x))


TYPE, VALUE = TypeError, ValueError
LEARNED = LearnedPositions(5, 3)
BAD = {
    "odd width": (lambda: sinusoidal(5, 7), VALUE, "width should be even, .* got 7"),
    "no width": (lambda: sinusoidal(5, 0), VALUE, "width should be even, .* got 0"),
    "negative n": (lambda: sinusoidal(-5, 4), VALUE, "n should be at least 0, got -5"),
    "negative start": (lambda: sinusoidal(5, 4, -1), VALUE, "start should be at least 0, got -1"),
    "odd rotary": (lambda: rotary(torch.ones(5, 7)), VALUE, "width should be even, .* got 7"),
    "rotary of one axis": (lambda: rotary(torch.ones(4)), VALUE, r"x should have shape \(\.\.\., n, d\), got \(4,\)"),
    "rotary of numbers": (lambda: rotary(torch.ones(5, 4).long()), TYPE, "floating-point numbers, got torch.int64"),
    "rotary start": (lambda: rotary(torch.ones(5, 4), -2), VALUE, "start should be at least 0, got -2"),
    "no positions": (lambda: LearnedPositions(0, 3), VALUE, "max_len should be at least 1, got 0"),
    "too long": (lambda: LEARNED(torch.ones(2, 7, 3)), VALUE, r"5 learned positions; x \(2, 7, 3\) from 0 on needs 7"),
    "too late": (lambda: LEARNED(torch.ones(2, 4, 3), 2), VALUE, r"5 learned positions; .* from 2 on needs 6"),
    "learned width": (lambda: LEARNED(torch.ones(2, 5)), VALUE, r"x should have shape \(\.\.\., n, 3\), got \(2, 5\)"),
    "learned start": (lambda: LEARNED(torch.ones(2, 3), -1), VALUE, "start should be at least 0, got -1"),
    "learned dtype": (lambda: LEARNED(torch.ones(2, 3).double()), TYPE, "one dtype, got torch.float64 and"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
