"""What the output depended on: six answers by hand, where they must agree, and where they must not."""

import pytest
import torch
from torch.testing import assert_close

from attnbook.attribution import (
    choices,
    gradient_times_input,
    integrated_gradients,
    kendall,
    knock_outs,
    leave_one_out,
    look_inside,
    other_weights,
    rollout,
    total_variation,
    weighted_norms,
)
from attnbook.multihead import MultiHeadAttention
from attnbook.transformer import Encoder, EncoderLayer


def tensor(*rows):
    return torch.tensor(rows, dtype=torch.float64)


def chance(seed=0):
    return torch.Generator().manual_seed(seed)


def encoder(num_layers=3, d_model=12, num_heads=3, num_kv_heads=None):
    torch.manual_seed(0)
    layers = [EncoderLayer(MultiHeadAttention(d_model, num_heads, num_kv_heads), 17) for _ in range(num_layers)]
    return Encoder(layers).double()


# Inside


def test_rollout_of_two_layers_by_hand():
    first, second = tensor([0.0, 1.0], [0.5, 0.5])[None], tensor([1.0, 0.0], [0.8, 0.2])[None]
    # With the identity, halved: (½ ½; ¼ ¾) and (1 0; 0.4 0.6). The second times the first:
    assert_close(rollout([first, second]), tensor([0.5, 0.5], [0.4 * 0.5 + 0.6 * 0.25, 0.4 * 0.5 + 0.6 * 0.75]))


def test_rollout_takes_the_mean_of_heads_and_keeps_leading_axes():
    weights = torch.randn(2, 5, 3, 7, 7, generator=chance(), dtype=torch.float64).softmax(-1)
    followed = rollout(list(weights))
    assert followed.shape == (5, 7, 7)
    assert_close(followed.sum(-1), torch.ones(5, 7, dtype=torch.float64))
    assert_close(followed[3], rollout([layer[3].mean(0, keepdim=True) for layer in weights]))


def test_rollout_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match="at least one layer, got none"):
        rollout([])
    with pytest.raises(ValueError, match=r"one shape \(..., h, n, n\), got \(2, 3, 3\), \(2, 5, 5\)"):
        rollout([torch.zeros(2, 3, 3), torch.zeros(2, 5, 5)])
    with pytest.raises(ValueError, match=r"got \(2, 3, 5\)"):
        rollout([torch.zeros(2, 3, 5)])


def test_norms_are_the_lengths_of_what_adds_up_to_the_attentions_output():
    attention = MultiHeadAttention(15, 5).double()
    x = torch.randn(7, 15, generator=chance(), dtype=torch.float64)
    output, weights = attention(x, need_weights=True)
    values = attention.value(x).unflatten(-1, (5, 3)).transpose(-3, -2)
    parts = torch.stack([
        torch.stack([
            sum(weights[h, i, j] * attention.output.weight[:, 3 * h : 3 * h + 3] @ values[h, j] for h in range(5))
            for j in range(7)
        ])
        for i in range(7)
    ])  # fmt: skip
    assert_close(parts.sum(dim=1) + attention.output.bias, output)
    assert_close(weighted_norms(weights, values, attention.output.weight), parts.norm(dim=-1))
    with pytest.raises(ValueError, match=r"take in 5 · 3 numbers, got a matrix of shape \(15, 12\)"):
        weighted_norms(weights, values, attention.output.weight[:, :12])


def test_to_look_inside_changes_nothing():
    model = encoder()
    x = torch.randn(2, 5, 12, generator=chance(), dtype=torch.float64)
    mask = torch.tensor([True, True, True, False, True]).expand(5, 5)
    expected, weights = model(x, mask, need_weights=True)
    output, layers = look_inside(model, x, mask)
    assert_close(output, expected)
    assert len(layers) == 3
    for layer, seen in zip(layers, weights, strict=True):
        assert_close(layer.weights, seen)
        assert layer.norms.shape == (2, 5, 5)
        assert (layer.norms[..., 3] == 0).all()  # what is masked is not fetched
    with pytest.raises(ValueError, match="each of the 4 heads should have values of its own, got 2 for all"):
        look_inside(encoder(num_heads=4, num_kv_heads=2), x)


# At the output


def linear(x):
    return (x * tensor([1.0, -2.0], [0.5, 3.0], [0.0, 1.0])).sum(dim=(-2, -1)) + 7


X = tensor([2.0, 1.0], [4.0, -1.0], [3.0, 5.0])
BASELINE = tensor([1.0, 0.5])


def test_on_a_linear_model_the_three_agree():
    # (1, 0.5), (3, −1.5), (2, 4.5) times the slopes:
    expected = tensor(1 - 1, 1.5 - 4.5, 4.5)
    assert_close(leave_one_out(linear, X, BASELINE), expected)
    assert_close(gradient_times_input(linear, X, BASELINE), expected)
    assert_close(integrated_gradients(linear, X, BASELINE, steps=2), expected)


def test_on_a_product_they_do_not():
    # x y z at (2, 3, 5) from 0: without any, all of 30 is gone. Each slope times its step is 30 too. Shared out: 10.
    product = lambda x: x.prod(dim=-2).squeeze(-1)  # noqa: E731
    x, zero = tensor([2.0], [3.0], [5.0]), torch.zeros(1, dtype=torch.float64)
    assert_close(leave_one_out(product, x, zero), tensor(30.0, 30, 30))
    assert_close(gradient_times_input(product, x, zero), tensor(30.0, 30, 30))
    assert_close(integrated_gradients(product, x, zero, steps=512), tensor(10.0, 10, 10), atol=1e-4, rtol=0)


def test_where_the_output_is_flat_the_slope_sees_nothing():
    flat = lambda x: x.sum(dim=(-2, -1)).clamp(max=1)  # noqa: E731
    x, zero = tensor([3.0], [1.0]), torch.zeros(1, dtype=torch.float64)
    assert_close(gradient_times_input(flat, x, zero), tensor(0.0, 0.0))
    assert_close(integrated_gradients(flat, x, zero, steps=400), tensor(0.75, 0.25))  # the slope is 1 for t < ¼


def test_integrated_gradients_are_complete():
    model = encoder()
    x = torch.randn(7, 12, generator=chance(), dtype=torch.float64)
    baseline = torch.randn(12, generator=chance(1), dtype=torch.float64)
    f = lambda x: model(x)[0][..., 0, :3].tanh().sum(dim=-1)  # noqa: E731
    whole = f(x[None]) - f(baseline.expand(1, 7, 12))
    for steps, error in ((16, 0.1), (256, 1e-3)):
        assert abs(integrated_gradients(f, x, baseline, steps).sum() - whole.item()) < error
    for parameter in model.parameters():
        assert parameter.grad is None  # asking leaves no gradients behind


def test_choices_and_knock_outs_by_hand():
    assert choices(3)[5].tolist() == [True, False, True]  # 5 = 1 + 4
    tokens = torch.tensor([3, 50, 700])
    outputs = knock_outs(lambda t: t.sum(dim=-1), tokens, torch.tensor(0))
    assert outputs.tolist() == [753, 750, 703, 700, 53, 50, 3, 0]
    assert (outputs[0] - outputs[[1, 2, 4]]).tolist() == [3, 50, 700]
    assert leave_one_out(lambda t: t.sum(dim=-1), tokens, torch.tensor(0)).tolist() == [3, 50, 700]
    vectors = knock_outs(linear, X, BASELINE)
    assert_close(vectors[0] - vectors[4], tensor(4.5)[0])


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="at most 12 tokens can be tried in all 2ⁿ choices, got 13"):
        choices(13)
    with pytest.raises(ValueError, match="steps should be at least 1, got 0"):
        integrated_gradients(linear, X, BASELINE, steps=0)
    with pytest.raises(TypeError, match=r"x should hold floating-point numbers, got torch.int64"):
        gradient_times_input(linear, X.long(), BASELINE)


# Comparing


def test_kendall_by_hand():
    assert kendall(tensor(1.0, 2, 3, 4), tensor(1.0, 3, 2, 4)) == pytest.approx((5 - 1) / 6)
    # a ties its first two: five pairs have an order, four of them agree and one does not.
    assert kendall(tensor(1.0, 1, 2, 3), tensor(1.0, 2, 4, 3)) == pytest.approx(3 / (5 * 6) ** 0.5)
    assert kendall(tensor(1.0, 2, 5), tensor(-1.0, -2, -5)) == -1
    assert kendall(tensor(1.0, 1, 1), tensor(1.0, 2, 3)) == 0
    with pytest.raises(ValueError, match=r"one shape \(n,\) with n of 2 or more, got \(3,\) and \(2,\)"):
        kendall(torch.zeros(3), torch.zeros(2))


def test_total_variation_by_hand():
    assert_close(total_variation(tensor([0.2, 0.3, 0.5], [1.0, 0, 0]), tensor([0.5, 0.3, 0.2], [0.0, 0, 1])),
                 tensor(0.3, 1.0))  # fmt: skip


@pytest.mark.parametrize(("n", "d"), [(11, 3), (67, 31)])
def test_other_weights_have_the_same_output_and_lie_elsewhere(n, d):
    scores = torch.randn(5, n, generator=chance(), dtype=torch.float64)
    values = torch.randn(5, n, d, generator=chance(1), dtype=torch.float64)
    weights = scores.softmax(-1)
    found = other_weights(weights, values)
    assert (found >= 0).all()
    assert_close(found.sum(-1), torch.ones(5, dtype=torch.float64))
    assert_close(torch.einsum("bn,bnd->bd", found, values), torch.einsum("bn,bnd->bd", weights, values))
    assert total_variation(weights, found).min() > 0.4


def test_the_walk_ends_where_a_linear_program_ends():
    scipy = pytest.importorskip("scipy.optimize")
    weights = torch.randn(11, generator=chance(3), dtype=torch.float64).softmax(-1)
    values = torch.randn(11, 5, generator=chance(4), dtype=torch.float64)
    fixed = torch.cat([values, torch.ones(11, 1, dtype=torch.float64)], dim=1).T.numpy()
    best = scipy.linprog(weights.numpy(), A_eq=fixed, b_eq=fixed @ weights.numpy())
    assert (weights @ other_weights(weights, values)).item() == pytest.approx(best.fun, rel=1e-4)


def test_where_the_values_leave_no_choice_the_weights_stay():
    weights = torch.randn(7, generator=chance(), dtype=torch.float64).softmax(-1)
    values = torch.randn(7, 13, generator=chance(1), dtype=torch.float64)
    assert_close(other_weights(weights, values), weights)
    with pytest.raises(TypeError, match="weights and values should have one dtype"):
        other_weights(weights, values.float())
