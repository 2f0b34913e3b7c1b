"""Reach: small masks by hand, larger ones against a walk from token to token, and the library's own attention."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device

from attnbook.attention import scaled_dot_product_attention
from attnbook.masks import causal, global_tokens, random_blocks, sliding_window
from attnbook.reach import hops, path, reach

few_examples = settings(max_examples=30, deadline=None)


@st.composite
def masks(draw, most=11):
    n = draw(st.integers(0, most))
    density = draw(st.sampled_from([0.05, 0.15, 0.4]))
    return torch.rand(n, n, generator=torch.Generator().manual_seed(draw(st.integers(0, 2**32)))) < density


def walk(mask, key):
    """Layers from one key to every query it reaches: breadth first, from each token to those that look at it."""
    found, layer, edge = {key: 0}, 0, [key]
    while edge:
        layer += 1
        edge = [i for i in range(len(mask)) if i not in found and any(mask[i, j] for j in edge)]
        found |= dict.fromkeys(edge, layer)
    return found


def test_reach_by_hand() -> None:
    chain = causal(4) & sliding_window(4, 1)  # each token sees itself and the one before
    assert reach(chain, 0).int().tolist() == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert reach(chain, 1).tolist() == chain.tolist()
    assert reach(chain, 2).int().tolist() == [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 1, 1, 1]]
    assert reach(chain, 3).tolist() == causal(4).tolist()


def test_a_token_keeps_what_it_has() -> None:
    swap = torch.tensor([[False, True], [True, False]])  # each sees only the other
    assert reach(swap, 1).all()
    assert hops(swap).tolist() == [[0, 1], [1, 0]]


@given(mask=masks(), layers=st.integers(0, 5))
@few_examples
def test_reach_is_a_power_of_the_mask(mask, layers) -> None:
    links = mask.double() + torch.eye(len(mask), dtype=torch.float64)
    assert torch.equal(reach(mask, layers), torch.linalg.matrix_power(links, layers) > 0)


@given(mask=masks())
@few_examples
def test_hops_are_those_of_a_walk(mask) -> None:
    n = len(mask)
    layers = hops(mask)
    walks = [walk(mask, key) for key in range(n)]
    assert layers.shape == (n, n)
    assert layers.tolist() == [[walks[key].get(query, -1) for key in range(n)] for query in range(n)]


@given(mask=masks(), layers=st.integers(0, 5))
@few_examples
def test_hops_and_reach_agree(mask, layers) -> None:
    needed = hops(mask)
    assert torch.equal(reach(mask, layers), (needed >= 0) & (needed <= layers))


@given(mask=masks())
@few_examples
def test_a_path_goes_along_links_and_none_is_shorter(mask) -> None:
    layers = hops(mask)
    for query in range(len(mask)):
        for key in range(len(mask)):
            way = path(mask, key, query)
            if layers[query, key] < 0:
                assert way is None
                continue
            assert (way[0], way[-1], len(way) - 1) == (key, query, layers[query, key])
            assert all(mask[hearer, teller] for teller, hearer in pairwise(way))


def test_path_by_hand() -> None:
    longformer = sliding_window(32, 2) | global_tokens(32, [0])
    assert path(longformer, 3, 29) == [3, 0, 29]
    assert path(longformer, 29, 3) == [29, 0, 3]
    assert path(longformer, 7, 7) == [7]
    assert path(sliding_window(7, 2), 0, 5) == [0, 2, 4, 5]  # or [0, 1, 3, 5]: the first step goes further
    assert path(sliding_window(7, 2), 6, 1) == [6, 4, 2, 1]
    assert path(causal(5), 3, 1) is None


@pytest.mark.parametrize(("width", "layers"), [(1, 10), (2, 5), (3, 4), (10, 1)])
def test_a_window_reaches_width_further_in_each_layer(width, layers) -> None:
    assert hops(sliding_window(11, width)).max() == layers  # ⌈10 / width⌉


def test_dilation_alone_never_reaches_the_tokens_between() -> None:
    layers = hops(sliding_window(11, 1, dilation=2))
    even = torch.arange(11) % 2 == 0
    assert torch.equal(layers >= 0, even[:, None] == even)


def test_attention_carries_information_as_far_as_reach_says() -> None:
    # Through three layers of attention with residual connections, token i changes with token j where reach says so.
    mask = random_blocks(13, 3, 1, seed=2) | (sliding_window(13, 1) & causal(13))
    x = torch.randn(13, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def layers(x):
        for _ in range(3):
            x = x + scaled_dot_product_attention(x, x, x, mask)[0]
        return x.sum(dim=-1)

    influence = torch.autograd.functional.jacobian(layers, x).abs().sum(dim=-1)  # (n, n, 5) -> (n, n)
    assert not reach(mask, 3).all()
    assert torch.equal(influence > 0, reach(mask, 3))


def test_leading_axes_are_masks_of_their_own() -> None:
    both = torch.stack([causal(5), sliding_window(5, 1)])[:, None]
    assert reach(both, 2).shape == hops(both).shape == (2, 1, 5, 5)
    assert torch.equal(reach(both, 2)[1, 0], reach(sliding_window(5, 1), 2))
    assert torch.equal(hops(both)[0, 0], hops(causal(5)))
    assert torch.equal(hops(both)[1, 0], hops(sliding_window(5, 1)))


def test_many_layers_do_not_overflow() -> None:
    assert reach(torch.ones(7, 7, dtype=torch.bool), 1000).all()


def test_device() -> None:
    check_one_device(lambda mask: reach(mask, 2), causal(5), backward=False)


NOT_SQUARE = torch.ones(3, 5, dtype=torch.bool)
BAD = {
    "rectangle": (lambda: reach(NOT_SQUARE, 1), ValueError, r"as many queries as keys.* got \(3, 5\)"),
    "one axis": (lambda: hops(NOT_SQUARE[0]), ValueError, r"as many queries as keys.* got \(5,\)"),
    "numbers": (lambda: reach(torch.ones(3, 3), 1), TypeError, "boolean tensor .* got torch.float32"),
    "a list": (lambda: hops([[True]]), TypeError, "boolean tensor .* got list"),
    "negative layers": (lambda: reach(causal(3), -1), ValueError, "layers should be at least 0, got -1"),
    "half a layer": (lambda: reach(causal(3), 0.5), TypeError, r"layers should be a whole number, got 0\.5"),
    "two sequences": (lambda: path(causal(3)[None], 0, 1), ValueError, r"\(n, n\), got \(1, 3, 3\).* one sequence"),
    "key beyond": (lambda: path(causal(3), 3, 1), ValueError, "key should lie between 0 and n - 1 = 2, got 3"),
    "query before": (lambda: path(causal(3), 1, -1), ValueError, "query should be at least 0, got -1"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
