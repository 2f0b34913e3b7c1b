"""Masks: small ones drawn by hand, larger ones against their definition pair by pair, and how they combine."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device

from attnbook.attention import attend
from attnbook.masks import causal, global_tokens, padding, random_blocks, sliding_window

few_examples = settings(max_examples=30, deadline=None)
lengths = st.integers(0, 13)


def drawn(mask: torch.Tensor) -> list[str]:
    return ["".join("x" if may else "." for may in row) for row in mask]


def by_definition(n_q: int, n_k: int, may) -> list[list[bool]]:
    return [[may(i, j) for j in range(n_k)] for i in range(n_q)]


def test_causal_by_hand() -> None:
    assert drawn(causal(3)) == ["x..", "xx.", "xxx"]
    assert drawn(causal(2, 5)) == ["xxxx.", "xxxxx"]
    assert drawn(causal(1, 3)) == ["xxx"]


@given(n_q=lengths, past=lengths)
@few_examples
def test_with_a_cache_the_new_queries_are_the_last_rows(n_q, past) -> None:
    assert causal(n_q, n_q + past).tolist() == causal(n_q + past)[past:].tolist()


def test_padding_by_hand() -> None:
    mask = padding(torch.tensor([2, 0, 3]), 3)
    assert mask.shape == (3, 1, 3)
    assert drawn(mask[:, 0]) == ["xx.", "...", "xxx"]
    assert padding(torch.tensor([[1, 2], [3, 4], [5, 6]]), 7).shape == (3, 2, 1, 7)
    assert padding(torch.tensor([], dtype=torch.long), 5).shape == (0, 1, 5)


def test_sliding_window_by_hand() -> None:
    assert drawn(sliding_window(5, 1)) == ["xx...", "xxx..", ".xxx.", "..xxx", "...xx"]
    assert drawn(sliding_window(5, 1, dilation=2)) == ["x.x..", ".x.x.", "x.x.x", ".x.x.", "..x.x"]
    assert drawn(sliding_window(3, 0)) == ["x..", ".x.", "..x"]


@given(n=lengths, width=st.integers(0, 5), dilation=st.integers(1, 3))
@few_examples
def test_sliding_window_by_definition(n, width, dilation) -> None:
    def may(i: int, j: int) -> bool:
        return j in [i + step * dilation for step in range(-width, width + 1)]

    assert sliding_window(n, width, dilation).tolist() == by_definition(n, n, may)


def test_global_tokens_by_hand() -> None:
    assert drawn(global_tokens(4, [0, 2])) == ["xxxx", "x.x.", "xxxx", "x.x."]
    assert drawn(global_tokens(2, [])) == ["..", ".."]


@given(n=lengths, block=st.integers(1, 5), seed=st.integers(0, 2**32), data=st.data())
@few_examples
def test_each_block_sees_as_many_random_blocks_as_asked(n, block, seed, data) -> None:
    total = -(-n // block)
    num_blocks = data.draw(st.integers(0, total))
    mask = random_blocks(n, block, num_blocks, seed=seed)
    assert mask.shape == (n, n)
    corners = mask[::block, ::block]  # one token for each block
    assert corners.sum(dim=1).tolist() == [num_blocks] * total
    assert mask.tolist() == by_definition(n, n, lambda i, j: bool(corners[i // block, j // block]))


def test_random_blocks_follow_their_seed_and_leave_the_global_one_alone() -> None:
    state = torch.get_rng_state()
    first, again, other = (random_blocks(60, 3, 2, seed=seed) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_masks_combine() -> None:
    longformer = sliding_window(5, 1) | global_tokens(5, [0])
    assert drawn(longformer) == ["xxxxx", "xxx..", "xxxx.", "x.xxx", "x..xx"]
    assert drawn(longformer & causal(5)) == ["x....", "xx...", "xxx..", "x.xx.", "x..xx"]
    assert drawn((causal(3) & padding(torch.tensor([2]), 3))[0]) == ["x..", "xx.", "xx."]
    assert drawn(~causal(3)) == [".xx", "..x", "..."]


def test_what_a_mask_lets_through_gets_the_weight() -> None:
    mask = causal(5) & padding(torch.tensor([3, 5]), 5)
    weights = attend(torch.zeros(2, 5, 5), torch.ones(2, 5, 1), mask)[1]
    assert torch.equal(weights > 0, mask)
    assert weights[0, 4].tolist() == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0, 0])


MADE = {
    "causal": lambda device: causal(3, 5, device=device),
    "sliding window": lambda device: sliding_window(5, 1, 2, device=device),
    "global tokens": lambda device: global_tokens(5, [1, 3], device=device),
    "random blocks": lambda device: random_blocks(7, 2, 2, seed=0, device=device),
}


@pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
def test_device(make) -> None:
    assert make(None).device.type == "cpu"
    check_one_device(lambda x: make(x.device), torch.zeros(1), backward=False)


def test_padding_follows_its_lengths_to_their_device() -> None:
    check_one_device(padding, torch.tensor([2, 3]), 5, backward=False)


TYPE, VALUE = TypeError, ValueError
BAD = {
    "negative queries": (lambda: causal(-1), VALUE, "n_q should be at least 0, got -1"),
    "fewer keys": (lambda: causal(5, 3), VALUE, "n_k should be at least n_q, .* got n_q 5, n_k 3"),
    "half a query": (lambda: causal(2.0), TYPE, r"n_q should be a whole number, got 2\.0 \(float\)"),
    "lengths in a list": (lambda: padding([1, 2], 3), TYPE, "lengths should be a tensor of whole numbers .* got list"),
    "float lengths": (lambda: padding(torch.ones(2), 3), TYPE, "tensor of whole numbers .* got torch.float32"),
    "negative keys": (lambda: padding(torch.tensor([1]), -3), VALUE, "n should be at least 0, got -3"),
    "negative width": (lambda: sliding_window(5, -1), VALUE, "width should be at least 0, got -1"),
    "no dilation": (lambda: sliding_window(5, 1, 0), VALUE, "dilation should be at least 1, got 0"),
    "negative n": (lambda: sliding_window(-5, 1), VALUE, "n should be at least 0, got -5"),
    "position beyond": (lambda: global_tokens(5, [1, 5]), VALUE, "between 0 and n - 1 = 4, got 5"),
    "position before": (lambda: global_tokens(5, [-1]), VALUE, "between 0 and n - 1 = 4, got -1"),
    "empty block": (lambda: random_blocks(5, 0, 1, seed=0), VALUE, "block should be at least 1, got 0"),
    "too many blocks": (lambda: random_blocks(5, 2, 4, seed=0), VALUE, "at most the 3 blocks of 2 in 5, got 4"),
    "negative blocks": (lambda: random_blocks(5, 2, -1, seed=0), VALUE, "num_blocks should be at least 0, got -1"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
