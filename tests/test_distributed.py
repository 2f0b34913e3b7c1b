"""Ring attention: several real processes on this machine, against dense attention on the whole sequence."""

import time
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from one_device import check_one_device
from torch import Tensor, multiprocessing
from torch.testing import assert_close

from attnbook.attention import scaled_dot_product_attention
from attnbook.efficient import distributed
from attnbook.efficient.blockwise import blockwise_attention
from attnbook.efficient.distributed import ring_attention
from attnbook.masks import causal as causal_mask
from attnbook.measuring import growth_exponent, peak_bytes

B, H, D_K, D_V = 2, 3, 5, 7
# For each case: the lengths of the parts of q, those of k, and the options.
LENGTHS = {2: ((5, 13), (11, 7)), 3: ((5, 13, 2), (3, 7, 11))}
CASES = {
    "plain": {},
    "causal": {"causal": True},
    "masked": {"masked": True},
    "masked causal": {"masked": True, "causal": True},
    "more keys": {"causal": True, "more": 19},
    "an empty part": {"empty": True},
    "bfloat16": {"masked": True, "causal": True, "dtype": torch.bfloat16},
    "hidden NaN": {"masked": True, "poisoned": True},
}
SECONDS = 240  # far more than it takes


# --- Processes -------------------------------------------------------------------------------------------------------


def start(rank: int, world: int, work, store: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", store=dist.FileStore(store, world), rank=rank, world_size=world)
    work(rank, world)
    dist.destroy_process_group()


def in_processes(world: int, work, folder: Path) -> None:
    """Call work(rank, world) in each process of a group; raise what one raises, and let none outlive the test."""
    context = multiprocessing.spawn(start, (world, work, str(folder / "store")), nprocs=world, join=False)
    deadline = time.monotonic() + SECONDS
    try:
        while not context.join(timeout=1):  # ends the others and raises if one has failed
            assert time.monotonic() < deadline, f"{world} processes have not ended after {SECONDS} s"
    finally:
        for process in context.processes:
            process.kill()
            process.join()


# --- One case, whole and in parts ------------------------------------------------------------------------------------


def whole_sequence(world: int, case: str) -> tuple[list[Tensor], Tensor | None, list[list[int]]]:
    """q, k, v, the mask, and the lengths of their parts: the same in each process."""
    options = CASES[case]
    parts_q, parts_k = (list(lengths) for lengths in LENGTHS[world])
    parts_k[-1] += options.get("more", 0)
    if options.get("empty"):
        parts_q[0] = parts_k[1] = 0
    n_q, n_k = sum(parts_q), sum(parts_k)
    torch.manual_seed(len(case))
    shapes = [(B, H, n_q, D_K), (B, 1, n_k, D_K), (H, n_k, D_V)]  # the leading axes broadcast
    q, k, v = (torch.randn(shape, dtype=torch.float64).to(options.get("dtype")) for shape in shapes)
    mask = None
    if options.get("masked"):
        mask = torch.rand(B, 1, 1, n_k) < 0.6
        mask[1] = False  # nothing is left of the second sequence
    if options.get("poisoned"):
        hidden = ~mask.any(dim=0)[0, 0]  # (n_k)
        assert hidden.any()
        k[..., hidden, :], v[..., hidden, :] = float("nan"), float("inf")
    return [x.requires_grad_() for x in (q, k, v)], mask, [parts_q, parts_k, parts_k]


def weighted(output: Tensor) -> Tensor:
    """A sum in which the output's numbers have different weights: whatever the part, each number has its own."""
    return (output * torch.linspace(-1, 2, H * D_V, dtype=torch.float64).reshape(H, 1, D_V)).sum()


def one_part(rank: int, world: int, folder: Path) -> None:
    """What each process does: all cases, on its part. It stores its output and gradients."""
    distributed.BLOCK = 4
    results = {}
    for case, options in CASES.items():
        inputs, mask, lengths = whole_sequence(world, case)
        parts = [x.split(n, dim=-2)[rank].detach().requires_grad_() for x, n in zip(inputs, lengths, strict=True)]
        part_of_mask = None if mask is None else mask.split(lengths[1], dim=-1)[rank]
        output = ring_attention(*parts, mask=part_of_mask, causal=options.get("causal", False))
        results[case] = [output.detach(), *torch.autograd.grad(weighted(output), parts)]
    torch.save(results, folder / f"{rank}.pt")


@pytest.fixture(scope="module", params=[2, 3], ids=["2 processes", "3 processes"])
def computed(request, tmp_path_factory) -> tuple[int, list[dict[str, list[Tensor]]]]:
    folder = tmp_path_factory.mktemp("ring")
    in_processes(request.param, partial(one_part, folder=folder), folder)
    return request.param, [torch.load(folder / f"{rank}.pt") for rank in range(request.param)]


@pytest.mark.parametrize("case", CASES)
def test_the_parts_together_equal_dense_attention(case: str, computed) -> None:
    world, results = computed
    (q, k, v), mask, lengths = whole_sequence(world, case)
    if CASES[case].get("causal"):
        past = causal_mask(q.shape[-2], k.shape[-2])
        mask = past if mask is None else mask & past
    exact = [x.detach().double().requires_grad_() for x in (q, k, v)]
    output = scaled_dot_product_attention(*exact, mask)[0]
    expected = [output, *torch.autograd.grad(weighted(output), exact)]
    axes = [lengths[0], *lengths]
    for i, whole in enumerate(expected):
        mine = torch.cat([result[case][i] for result in results], dim=-2)
        assert [result[case][i].shape[-2] for result in results] == axes[i]
        assert mine.dtype == q.dtype
        eps = torch.finfo(q.dtype).eps
        tolerance = 1e-12 if q.dtype == torch.float64 else 4 * eps * whole.abs().max().item()
        assert_close(mine.double(), whole, atol=tolerance, rtol=0)
    if CASES[case].get("masked"):
        assert (torch.cat([result[case][0] for result in results], dim=-2)[1] == 0).all()


# --- What goes wrong -------------------------------------------------------------------------------------------------


def mistakes(rank: int, world: int) -> None:
    x = torch.randn(2, 3 + rank, 5)
    attempts = [
        ([x[..., : 5 - rank], x[..., : 5 - rank], x], {},
         r"differ in their lengths only, got q \(2, 3, 5\).* in process 0, but q \(2, 4, 4\).* in process 1"),
        ([x[: 2 - rank], x, x[:1]] if rank == 0 else [x[:1]] * 3, {}, r"got q \(2, 3, 5\).* but q \(1, 4, 5\)"),
        ([x.double() if rank else x] * 3, {}, r"torch.float32 in process 0, but .*torch.float64 in process 1"),
        ([x, x[:, 1:], x[:, 1:]], {"causal": True}, "causal, got 7 queries and 5 keys in all"),
        ([x, x, x[:, rank:]], {}, "same length, got k" if rank else r"process 1 of the ring .* got k \(2, 4, 5\)"),
    ]  # fmt: skip
    for inputs, options, message in attempts:
        with pytest.raises(ValueError, match=message):
            ring_attention(*inputs, **options)
    assert ring_attention(x, x, x).shape == x.shape  # nobody is left waiting, and the ring still works


def test_wrong_parts_are_reported_by_every_process(tmp_path: Path) -> None:
    in_processes(2, mistakes, tmp_path)


def fail_in_one(rank: int, world: int) -> None:
    if rank == 1:
        raise ArithmeticError("a planted failure")
    x = torch.randn(3, 5)
    ring_attention(x, x, x)


def test_a_process_that_dies_ends_the_test_with_its_message(tmp_path: Path) -> None:
    with pytest.raises(multiprocessing.ProcessRaisedException, match=r"a planted failure|[Cc]onnection closed"):
        in_processes(2, fail_in_one, tmp_path)


def in_a_subgroup(rank: int, world: int) -> None:
    group = dist.new_group([1, 2])
    if rank:
        torch.manual_seed(2)
        q, k, v = torch.randn(3, 10, 5, dtype=torch.float64)
        mine = slice(0, 3) if rank == 1 else slice(3, 10)
        output = ring_attention(q[mine], k[mine], v[mine], causal=True, group=group)
        assert_close(output, blockwise_attention(q, k, v, causal=True)[mine], atol=1e-12, rtol=0)


def test_a_group_of_some_processes(tmp_path: Path) -> None:
    in_processes(3, in_a_subgroup, tmp_path)


def test_without_a_process_group_it_says_how_to_start_one() -> None:
    x = torch.randn(3, 5)
    with pytest.raises(RuntimeError, match=r"torchrun --nproc-per-node 2 .*init_process_group"):
        ring_attention(x, x, x)


# --- A ring of one ---------------------------------------------------------------------------------------------------


@pytest.fixture
def alone():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_a_ring_of_one_is_blockwise_attention(alone) -> None:
    inputs = [torch.randn(B, n, d, requires_grad=True) for n, d in [(11, D_K), (13, D_K), (13, D_V)]]
    mask = torch.rand(B, 1, 13) < 0.6
    ring, block = (f(*inputs, mask=mask, causal=True) for f in (ring_attention, blockwise_attention))
    assert_close(ring, block, atol=0, rtol=0)
    for a, b in zip(*(torch.autograd.grad(x.square().sum(), inputs) for x in (ring, block)), strict=True):
        assert_close(a, b, atol=0, rtol=0)


def test_one_device(alone) -> None:
    q, k, v = (torch.randn(B, n, d) for n, d in [(11, D_K), (13, D_K), (13, D_V)])
    check_one_device(ring_attention, q, k, v, mask=torch.rand(B, 1, 13) < 0.6, causal=True)


def test_memory_grows_with_the_length_of_the_part(alone, monkeypatch) -> None:
    monkeypatch.setattr(distributed, "BLOCK", 64)

    def peak(n: int) -> int:
        inputs = [torch.randn(n, 16, requires_grad=True) for _ in range(3)]
        return peak_bytes(lambda: ring_attention(*inputs, causal=True).sum().backward())

    ns = [192, 384, 768]
    assert growth_exponent(ns, [peak(n) for n in ns]) < 1.05


def test_by_hand(alone) -> None:
    # Weights 1/8, 2/8 and 5/8 for the last query, and 1/3, 2/3 for the one before.
    k = torch.tensor([1.0, 2.0, 5.0]).log()[:, None]
    output = ring_attention(torch.ones(2, 1), k, torch.tensor([[24.0], [0.0], [8.0]]), causal=True)
    assert_close(output, torch.tensor([[8.0], [8.0]]))
