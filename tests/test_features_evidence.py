"""The study of the random features' error: its results are those of the plan, and say what the book says."""

import math

import pytest
import torch
from torch.testing import assert_close

from attnbook.efficient.performer import norm_limit
from attnbook.evidence import features, load_results, made_with
from attnbook.evidence.features import estimate, mean_error, paper_directions, relative_variance

RESULTS = load_results("features")
RUNS = RESULTS["runs"]
SETTING = ("d", "m", "size", "seed")
SETTINGS = sorted({(row["d"], row["m"], row["size"]) for row in RUNS})


def error(kind, *setting):
    return mean_error(RUNS, kind, *setting)


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    assert [tuple(row[name] for name in SETTING) for row in RUNS] == [tuple(a.values()) for a in features.plan()]
    assert set(RESULTS["made_with"]) == set(made_with())


@pytest.mark.parametrize("setting", [(4, 64, 0.5), (64, 266, 0.5), (64, 266, 1.0)])
def test_a_run_anew_gives_what_the_results_say(setting):
    d, m, size = setting
    (recorded,) = [row for row in RUNS if tuple(row[name] for name in SETTING) == (d, m, size, 2)]
    assert features.run(d, m, size, 2)["error"] == pytest.approx(recorded["error"], rel=1e-3, abs=1e-5)


def test_wide_heads_are_nearer_than_the_papers_features_with_or_without_a_floor():
    for d, m, size in SETTINGS:
        if d >= 16:
            assert error("performer", d, m, size) < 1.001 * min(error("bare", d, m, size), error("floor", d, m, size))


def test_nearer_than_the_plain_mean_where_the_directions_fill_a_block():
    for d, m, size in SETTINGS:
        if m / 2 >= d:
            assert error("performer", d, m, size) < error("mean", d, m, size)
    assert error("performer", 64, 64, 0.1) > error("mean", 64, 64, 0.1)  # 32 directions for 64 axes


def test_long_vectors_leave_little_more_than_the_mean():
    assert error("performer", 64, 266, 1.0) > 0.85 * error("mean", 64, 266, 1.0)
    assert error("bare", 64, 266, 1.0) > 4 * error("mean", 64, 266, 1.0)
    assert error("performer", 64, 266, 0.25) < 0.4 * error("mean", 64, 266, 0.25)


def test_the_relative_variance_by_hand_and_by_drawing():
    assert relative_variance(math.sqrt(math.log(3)), 2) == pytest.approx(1)  # (3 - 1) / 2
    assert relative_variance(math.sqrt(math.log(3)), 2, paired=True) == pytest.approx(2 / 3)
    assert relative_variance(2 * norm_limit(266), 266) == pytest.approx(1, abs=0.01)
    length, m = 0.9, 10
    w = torch.randn(200_000, m, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * length  # w·z
    single = w.exp().mean(dim=-1) / math.exp(length**2 / 2)
    paired = w[:, : m // 2].cosh().mean(dim=-1) / math.exp(length**2 / 2)
    assert single.mean().item() == pytest.approx(1, abs=0.01)
    assert single.var().item() == pytest.approx(relative_variance(length, m), rel=0.05)
    assert paired.var().item() == pytest.approx(relative_variance(length, m, paired=True), rel=0.05)


def test_the_papers_directions():
    w = paper_directions(11, 4, seed=0)
    for block in w.split(4):
        unit = block / block.norm(dim=-1, keepdim=True)
        assert_close(unit @ unit.T, torch.eye(len(block), dtype=torch.float64))
    assert w.norm(dim=-1).unique().numel() == 11


def test_the_floor_is_the_one_of_the_package():
    package = pytest.importorskip("performer_pytorch")
    q, k, v = (torch.randn(1, 1, 53, 16, generator=torch.Generator().manual_seed(i)) for i in range(3))
    attention = package.FastAttention(dim_heads=16, nb_features=38)
    mine = estimate(q[0, 0], k[0, 0], v[0, 0], attention.projection_matrix, 1e-4)
    assert_close(mine, attention(q, k, v)[0, 0], rtol=1e-3, atol=1e-4)


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="no results for d 5, m 64 and size 1"):
        mean_error(RUNS, "bare", 5, 64, 1.0)
