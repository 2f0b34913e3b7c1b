"""Pruning: a silent head gives nothing, and the others give what they gave."""

import pytest
import torch
from torch.testing import assert_close

from attnbook.multihead import MultiHeadAttention
from attnbook.pruning import all_heads, attentions_in, without_heads
from attnbook.transformer import Transformer


@pytest.fixture
def attention():
    torch.manual_seed(0)
    return MultiHeadAttention(d_model=15, num_heads=3).double()


@pytest.fixture
def x():
    return torch.randn(2, 7, 15, dtype=torch.float64)


def test_the_output_loses_the_heads_own_summand(attention, x):
    full, weights = attention(x, need_weights=True)
    v = attention.value(x).unflatten(-1, (3, 5)).transpose(1, 2)  # (2, 7, 15) -> (2, 3, 7, 5)
    own = weights[:, 1] @ v[:, 1] @ attention.output.weight[:, 5:10].T
    with without_heads([attention], [(0, 1)]):
        pruned, still = attention(x, need_weights=True)
        fast, _ = attention(x)
    assert_close(pruned, full - own)
    assert_close(fast, pruned)
    assert_close(still, weights)
    assert_close(attention(x)[0], full)  # and all is as before


def test_without_any_head_the_bias_is_left_and_without_none_nothing_changes(attention, x):
    with without_heads([attention], all_heads([attention])):
        assert_close(attention(x)[0], attention.output.bias.expand(2, 7, 15))
    with without_heads([attention], []):
        assert_close(attention(x)[0], attention(x)[0])


def test_layers_are_told_apart(attention, x):
    second = MultiHeadAttention(15, 5).double()
    before = attention(x)[0], second(x)[0]
    with without_heads([attention, second], [(1, 4), (1, 0)]):
        assert_close(attention(x)[0], before[0])
        assert (second(x)[0] - before[1]).abs().max() > 1e-3


def test_a_silent_heads_nan_is_silent_too(attention, x):
    with torch.no_grad():
        attention.value.bias[7] = float("nan")  # of head 1
    with without_heads([attention], [(0, 1)]):
        assert attention(x)[0].isfinite().all()
    assert attention(x)[0].isnan().all()


def test_no_gradient_reaches_a_silent_head(attention, x):
    with without_heads([attention], [(0, 2)]):
        attention(x)[0].sum().backward()
    assert (attention.value.weight.grad[10:] == 0).all()
    assert (attention.value.weight.grad[:10] != 0).any()


def test_an_error_inside_wakes_the_heads(attention, x):
    full, _ = attention(x)
    with pytest.raises(KeyError), without_heads([attention], [(0, 0)]):
        raise KeyError
    assert_close(attention(x)[0], full)


@pytest.mark.parametrize(
    ("head", "error", "message"),
    [
        ((1, 0), ValueError, r"layers are counted from 0 to 0, got the head \(1, 0\)"),
        ((0, 3), ValueError, r"heads are counted from 0 to 2, got the head \(0, 3\)"),
        ((-1, 0), ValueError, r"layers are counted from 0 to 0, got the head \(-1, 0\)"),
        (2, TypeError, r"a head should be a pair of whole numbers \(layer, head\), got 2"),
        ((0.0, 1), TypeError, r"a head should be a pair of whole numbers .* got \(0.0, 1\)"),
    ],
)
def test_wrong_heads(attention, head, error, message):
    with pytest.raises(error, match=message), without_heads([attention], [head]):
        pass


def test_attentions_come_in_their_order():
    model = Transformer(5, 7, d_model=6, num_heads=2, num_layers=2)
    (one, two), (three, four) = model.encoder.layers, model.decoder.layers
    wanted = [one.attention, two.attention, three.self_attention, three.cross_attention]
    wanted += [four.self_attention, four.cross_attention]
    found = attentions_in(model)
    assert len(found) == 6
    assert all(a is b for a, b in zip(found, wanted, strict=True))
