"""The results behind chapter 5: all there, and true."""

import math

import pytest
import torch

from attnbook.data import needles
from attnbook.evidence import load_results, made_with, scale
from attnbook.evidence.scale import KINDS, SCALES, Cosine, Normed, capped
from attnbook.scores import dot, scaled_dot

SETTING = ("kind", "heads", "lr", "steps", "seed")
DEFAULTS = {"lr": scale.RATE, "steps": scale.STEPS}
RUNS = load_results("scale")["runs"]


def found(**setting):
    return [run for run in RUNS if (DEFAULTS | setting).items() <= run.items()]


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    planned = [tuple((DEFAULTS | arguments)[name] for name in SETTING) for arguments in scale.plan()]
    assert len(set(planned)) == len(planned)
    assert sorted(tuple(run[name] for name in SETTING) for run in RUNS) == sorted(planned)
    assert set(load_results("scale")["made_with"]) == set(made_with())


def test_a_run_trained_anew_gives_what_the_results_say():
    (recorded,) = found(kind="1/√d", heads=1, seed=1)
    model, again = scale.run("1/√d", heads=1, seed=1)
    assert {name: again[name] for name in SETTING} == {name: recorded[name] for name in SETTING}
    assert again["before"] == {
        name: pytest.approx(value, rel=0.02, abs=0.02) for name, value in recorded["before"].items()
    }
    assert again["after"]["right"] > 0.98
    assert abs(again["learned_after"] - recorded["learned_after"]) < 15
    assert again["after"] == scale.facts(model)
    assert len(again["losses"]) == 20


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_start_from_the_same_numbers_but_for_the_factor_of_w_q(kind):
    model, plain = scale.build(kind, heads=2, seed=3), scale.build("1/√d", heads=2, seed=3)
    factor = {"no scale, small W_q": 1 / 8, "1/√d, large W_q": 8}.get(kind, 1)  # d = 64
    mine = model.state_dict()
    for name, weight in plain.state_dict().items():
        expected = factor * weight if name.endswith("attention.query.weight") else weight
        torch.testing.assert_close(mine[name], expected)
    for run in found(kind=kind):
        assert run["before"].keys() == run["after"].keys() == scale.facts(model).keys()


@pytest.mark.parametrize(
    ("one", "other"), [("no scale, small W_q", "1/√d"), ("no scale", "1/√d, large W_q")]
)  # fmt: skip
def test_a_factor_of_w_q_does_at_first_what_a_scale_does(one, other):
    tokens = needles.draw(torch.Generator().manual_seed(7), size=3, n=101, needles=5)[0]
    with torch.no_grad():
        torch.testing.assert_close(
            scale.build(one, heads=4)(tokens), scale.build(other, heads=4)(tokens), rtol=1e-4, atol=1e-4
        )


def test_facts_agree_with_the_librarys_weights():
    model = scale.build("1/√d", heads=4, seed=2)
    facts = scale.facts(model)
    tokens, answers, _ = needles.draw(torch.Generator().manual_seed(1000), 32, scale.LENGTH, scale.NEEDLES)
    model.attention.method = None  # plain attention, which gives its weights
    with torch.no_grad():
        logits = model(tokens)
        read = model.encoder.layers[0].attention_residual.before(
            model.name(tokens[..., 0]) + model.content(tokens[..., 1])
        )
        _, weights = model.attention(read, need_weights=True)
    weights = weights[:, :, -needles.QUESTIONS :]
    assert facts["right"] == (logits.argmax(-1) == answers).float().mean()
    assert facts["entropy"] == pytest.approx(-torch.xlogy(weights, weights).sum(-1).mean().item(), rel=1e-4)
    assert facts["trace"] == pytest.approx((1 - (weights**2).sum(-1)).mean().item(), rel=1e-4)
    assert facts["sharpest"] == pytest.approx(weights.amax(-1).mean().item(), rel=1e-4)
    spread = (
        weights.log().std(-1, correction=0).mean().item()
    )  # a score is the logarithm of its weight, but for a shift
    assert facts["spread"] == pytest.approx(spread, rel=1e-3)
    assert 0.001 < facts["gradient"] < 1


def test_the_gradient_of_a_needle_is_gone_without_the_scale():
    with_scale, without = (scale.facts(scale.build(kind, heads=1))["on_needle"] for kind in ("1/√d", "no scale"))
    assert with_scale > 1e-4
    assert without < 1e-8


def test_scores_that_hold_their_size():
    q, k = 30 * torch.randn(3, 5), 70 * torch.randn(7, 5)
    cosine, normed = Cosine(11), Normed(5)
    assert cosine(q, k).abs().max() <= math.log2(11 * 10)
    torch.testing.assert_close(cosine(q, k), cosine(q / 9, 4 * k))
    torch.testing.assert_close(normed(q, k), normed(q / 9, 4 * k), rtol=1e-3, atol=1e-4)
    assert capped(q, k).abs().max() <= 50
    torch.testing.assert_close(capped(q / 1e4, k), dot(q / 1e4, k), rtol=1e-4, atol=1e-4)
    score, _ = KINDS["1/d"]
    torch.testing.assert_close(score(5)(q, k), scaled_dot(q, k) / math.sqrt(5))


def test_learned_after_is_the_first_step_whose_last_ten_losses_are_low():
    assert (
        scale.learned_after([2.0] * 20 + [0.0] * 20) == 26
    )  # five of ten are 0 after 25 steps: the mean is 1, not below
    assert scale.learned_after([0.5] * 9) is None


def test_what_the_chapter_rests_on():
    for kind in SCALES:
        assert all(run["after"]["right"] > 0.98 for run in found(kind=kind, heads=16))
    wide = found(kind="1/√d", heads=1)
    assert len(wide) == 5
    assert min(run["after"]["right"] for run in wide) > 0.98
    without = [run["learned_after"] for run in found(kind="no scale", heads=1)]
    assert without.count(None) >= 2
    assert min(step for step in without if step) > max(run["learned_after"] for run in wide)


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"expected one of 'no scale', '1/√d', .* got 'scaled'"):
        scale.build("scaled", heads=1)
