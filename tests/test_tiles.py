"""What the three sparse methods share: masks, lengths, types, devices and memory, whatever the pattern.

The pattern of each is tested in its own file.
"""

from functools import partial

import pytest
import torch
from one_device import check_one_device
from torch import Tensor
from torch.testing import assert_close

from attnbook import masks
from attnbook.attention import scaled_dot_product_attention
from attnbook.efficient import _tiles, block_sparse, chunked, local
from attnbook.efficient.block_sparse import block_sparse_attention, block_sparse_mask
from attnbook.efficient.chunked import chunked_attention
from attnbook.efficient.local import sliding_window_attention
from attnbook.measuring import peak_bytes

B, H, N, D_K, D_V = 2, 3, 37, 5, 7
NAN, INF = float("nan"), float("inf")

links = {"window": 1, "num_global": 1, "num_random": 2, "seed": 3}
METHODS = {
    "chunked": partial(chunked_attention, chunk=17),
    "window": partial(sliding_window_attention, window=11),
    "dilated, global": partial(sliding_window_attention, window=3, dilation=2, global_tokens=(1, 20)),
    "block sparse": partial(block_sparse_attention, block=5, **links),
}


def pattern(name: str, n: int) -> Tensor:
    if name == "chunked":
        chunk = torch.arange(n) // 17
        return chunk[:, None] == chunk
    if name == "window":
        return masks.sliding_window(n, 11)
    if name == "block sparse":
        return block_sparse_mask(n, 5, **links)
    return masks.sliding_window(n, 3, 2) | masks.global_tokens(n, (1, 20))


every_method = pytest.mark.parametrize("name", METHODS)
both_ways = pytest.mark.parametrize("causal", [False, True])


def set_size(monkeypatch, name: str, size: int) -> None:
    for module in (_tiles, block_sparse, chunked, local):
        monkeypatch.setattr(module, name, size, raising=False)


@pytest.fixture(autouse=True)
def many_small_tiles(monkeypatch) -> None:
    set_size(monkeypatch, "ROWS", 7)
    set_size(monkeypatch, "COLUMNS", 11)  # so that some runs of keys are cut, and their averages merged
    monkeypatch.setitem(_tiles.SCORES_AT_ONCE, "cpu", 4 * 7 * 17)  # of six heads, four at once in chunks of 17


def random_qkv(*leading: int, n: int = N, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [torch.randn(*leading, n, d, dtype=torch.float64).to(dtype) for d in (D_K, D_K, D_V)]


def dense(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return scaled_dot_product_attention(q, k, v, mask)[0]


def assert_equal_with_gradients(mine, reference, inputs, **tolerance) -> None:
    mine_in, reference_in = ([x.detach().clone().requires_grad_() for x in inputs] for _ in range(2))
    output, expected = mine(*mine_in), reference(*reference_in)
    assert_close(output, expected, **tolerance)
    weight = torch.randn_like(expected)
    (output * weight).sum().backward()
    (expected * weight).sum().backward()
    for x, y in zip(mine_in, reference_in, strict=True):
        assert_close(x.grad, y.grad, **tolerance)


# Against plain attention


@every_method
@both_ways
def test_equals_dense_attention_forward_and_backward(name, causal) -> None:
    mask = pattern(name, N) & masks.causal(N) if causal else pattern(name, N)
    assert_equal_with_gradients(
        partial(METHODS[name], causal=causal), lambda *qkv: dense(*qkv, mask), random_qkv(B, H), rtol=1e-9, atol=1e-9
    )


@every_method
@both_ways
def test_padding(name, causal) -> None:
    padding = masks.padding(torch.tensor([29, 0]), N)[:, None]  # the second sequence has no token: zeros
    mask = pattern(name, N) & padding & (masks.causal(N) if causal else True)
    mine = partial(METHODS[name], causal=causal, mask=padding)
    assert_equal_with_gradients(mine, lambda *qkv: dense(*qkv, mask), random_qkv(B, H))
    assert (mine(*random_qkv(B, H))[1] == 0).all()


@every_method
def test_a_mask_with_one_axis(name) -> None:
    mask = torch.arange(N) % 3 > 0
    q, k, v = random_qkv(B)
    assert_close(METHODS[name](q, k, v, mask=mask), dense(q, k, v, pattern(name, N) & mask))


@every_method
@both_ways
def test_gradcheck(name, causal) -> None:
    inputs = [x[..., :2].requires_grad_() for x in random_qkv(n=23)]
    assert torch.autograd.gradcheck(partial(METHODS[name], causal=causal, mask=torch.arange(23) != 4), inputs)


# What the mask hides


@every_method
@pytest.mark.parametrize("broken", [NAN, INF, -INF])
def test_what_the_mask_hides_reaches_nothing(name, broken) -> None:
    mask = torch.ones(N, dtype=torch.bool)
    mask[[0, 4, 30]] = False
    clean = random_qkv(B)
    dirty = [x.clone() for x in clean]
    for x in dirty[1:]:
        x[:, [0, 4, 30], 1] = broken
    for x in (*clean, *dirty):
        x.requires_grad_()
    expected, output = METHODS[name](*clean, mask=mask), METHODS[name](*dirty, mask=mask)
    assert_close(output, expected, rtol=0, atol=0)
    expected.sum().backward()
    output.sum().backward()
    for x, y in zip(dirty, clean, strict=True):
        assert_close(x.grad, y.grad, rtol=0, atol=0)
    assert (dirty[1].grad[:, 4] == 0).all()
    assert (dirty[2].grad[:, 4] == 0).all()


@every_method
def test_huge_scores_are_stable(name) -> None:
    q, k, v = (x.requires_grad_() for x in random_qkv(B, dtype=torch.float32))
    output = METHODS[name](q * 1e3, k * 1e3, v, mask=torch.arange(N) > 0)
    assert_close(output, dense(q * 1e3, k * 1e3, v, pattern(name, N) & (torch.arange(N) > 0)), atol=1e-3, rtol=1e-3)
    output.sum().backward()
    assert all(x.grad.isfinite().all() for x in (q, k, v))


# Shapes, lengths and types


@every_method
@pytest.mark.parametrize("leading", [(), (B,), (B, H), (2, 1, 3)])
def test_any_leading_axes(name, leading) -> None:
    q, k, v = random_qkv(*leading)
    assert_close(METHODS[name](q, k, v), dense(q, k, v, pattern(name, N)))


@every_method
def test_leading_axes_broadcast_forward_and_backward(name) -> None:
    q, k, v = (torch.randn(*size, dtype=torch.float64) for size in [(B, 1, N, D_K), (H, N, D_K), (1, 1, N, D_V)])
    mask = torch.rand(B, 1, 1, N) < 0.7
    assert_equal_with_gradients(
        partial(METHODS[name], mask=mask), lambda *qkv: dense(*qkv, pattern(name, N) & mask), (q, k, v)
    )


@every_method
def test_memory_layout_does_not_matter(name) -> None:
    inputs = [x.transpose(-2, -3).contiguous().transpose(-2, -3) for x in random_qkv(B, H)]
    assert not any(x.is_contiguous() for x in inputs)
    assert_close(METHODS[name](*inputs), METHODS[name](*(x.contiguous() for x in inputs)))


@every_method
@both_ways
@pytest.mark.parametrize("n", [0, 1, 2, 34])
def test_any_length(name, causal, n) -> None:
    method = METHODS[name]
    if name == "dilated, global":
        method, mask = partial(method, global_tokens=range(n)[:1]), masks.sliding_window(n, 3, 2)
        mask |= masks.global_tokens(n, range(n)[:1])
    else:
        mask = pattern(name, n)
    mask = mask & masks.causal(n) if causal else mask
    assert_equal_with_gradients(partial(method, causal=causal), lambda *qkv: dense(*qkv, mask), random_qkv(B, n=n))


@every_method
def test_no_sequence(name) -> None:
    assert METHODS[name](*random_qkv(0, H)).shape == (0, H, N, D_V)


@every_method
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_lower_precision(name, dtype, tolerance) -> None:
    exact = [x.requires_grad_() for x in random_qkv(B, H, dtype=dtype)]
    output = METHODS[name](*exact)
    assert output.dtype == dtype
    output.sum().backward()
    doubles = [x.detach().double().requires_grad_() for x in exact]
    expected = dense(*doubles, pattern(name, N))
    expected.sum().backward()
    assert_close(output.double(), expected, atol=tolerance, rtol=tolerance)
    for x, y in zip(exact, doubles, strict=True):
        assert_close(x.grad.double(), y.grad, atol=tolerance, rtol=tolerance)


@every_method
def test_the_softmax_of_bfloat16_is_summed_in_float32(name) -> None:
    q, k = torch.zeros(2, N, D_K, dtype=torch.bfloat16)
    output = METHODS[name](q, k, torch.ones(N, 1, dtype=torch.bfloat16))
    assert (output == 1).all()


@every_method
def test_mixed_precision(name) -> None:
    q, k, v = random_qkv(B, H, dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = METHODS[name](q.bfloat16(), k, v)
    assert_close(output.float(), dense(q, k, v, pattern(name, N)), atol=0.05, rtol=0.02)


# Where it runs


@every_method
@both_ways
def test_one_device(name, causal) -> None:
    q, k, v = random_qkv(B, H)
    check_one_device(METHODS[name], q, k, v, causal=causal, mask=masks.padding(torch.tensor([[N], [9]]), N))


@every_method
def test_compiles_without_a_graph_break(name, monkeypatch) -> None:
    set_size(monkeypatch, "ROWS", 13)  # two tiles or three: each is traced
    method = partial(METHODS[name], causal=True, mask=masks.padding(torch.tensor([[19], [9]]), 19))
    method = partial(method, block=13) if name == "block sparse" else method
    if "global" in name:
        method = partial(method, global_tokens=(2, 11))
    torch.compiler.reset()
    compiled = torch.compile(method, backend="aot_eager", fullgraph=True)
    assert_equal_with_gradients(compiled, method, random_qkv(B, 2, n=19))


def test_compiled_links_follow_the_seed_and_the_length() -> None:
    torch.compiler.reset()
    compiled = torch.compile(block_sparse_attention, backend="aot_eager", fullgraph=True)
    for n, seed in [(8, 1), (8, 2), (11, 2)]:
        inputs = random_qkv(n=n)
        assert_close(compiled(*inputs, 5, seed=seed), block_sparse_attention(*inputs, 5, seed=seed))


# What it costs


@every_method
def test_memory_grows_with_the_length(name, monkeypatch) -> None:
    monkeypatch.undo()  # tiles as they are
    method = partial(METHODS[name], block=64) if name == "block sparse" else METHODS[name]

    def peak(n: int) -> int:
        inputs = [x.requires_grad_() for x in random_qkv(n=n, dtype=torch.float32)]
        return peak_bytes(lambda: method(*inputs).sum().backward())

    small, large = peak(4093), peak(8191)
    assert large < 2.1 * small
    assert large < 8191**2 / 8  # bytes: even a mask of one bit a pair would be larger


@every_method
def test_neither_scores_nor_weights_are_kept_for_the_backward_pass(name) -> None:
    inputs = [x.requires_grad_() for x in random_qkv(B, H)]
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: kept.append(x) or x, lambda x: x):
        METHODS[name](*inputs)
    widths = {x.shape[-1] for x in kept if x.is_floating_point()}
    assert widths == {1, D_K, D_V}  # inputs and output, and one number a query


# The engine


@pytest.mark.parametrize(
    ("first", "last", "biased", "expected"),
    [
        (0, 30, 0, [(0, 11), (11, 22), (22, 30)]),
        (3, 30, 4, [(3, 14), (14, 25), (25, 30)]),  # 23 keys without a bias: two runs, and one that joins the others
        (3, 29, 4, [(3, 14), (14, 25), (25, 29)]),
        (5, 9, 4, [(5, 9)]),
        (5, 5, 0, []),
    ],
)
def test_runs(first, last, biased, expected) -> None:
    bias = torch.zeros(2, biased) if biased else None
    found = _tiles.runs(first, last, bias)
    assert [(run.keys.start, run.keys.stop) for run in found] == expected
    assert [run.bias is not None for run in found] == [bool(biased) and place[1] == last for place in expected]


def test_merged_runs_equal_one_run() -> None:
    q, k, v = random_qkv(B)
    mask = torch.arange(N) >= 12  # the first run is all hidden

    def tiles(*runs: tuple[int, int]):
        return lambda: iter([_tiles.Tile(slice(0, N), [_tiles.Run(slice(*run)) for run in runs])])

    cut = _tiles.attend_tiles(q, k, v, mask, tiles((0, 11), (30, N), (11, 30)))
    assert_close(cut, _tiles.attend_tiles(q, k, v, mask, tiles((0, N))))
    assert_close(cut, dense(q, k, v, mask))
