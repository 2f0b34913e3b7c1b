"""Ring attention: plain attention over a sequence that is split between processes, exactly.

Each process keeps the queries of its own part. The keys and values travel: each process attends to those it holds,
hands them to its right-hand neighbour and takes over those of its left-hand one. After as many steps as there are
processes, every query has met every key. The online softmax makes one average of what each step brought. So a sequence
may be as long as all memories together can hold.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd.function import once_differentiable

from attnbook.efficient._autocast import backward_without_autocast, without_autocast
from attnbook.efficient._inputs import check_inputs
from attnbook.efficient._online_softmax import (
    Gradients,
    Keys,
    add_gradients,
    answer,
    begin,
    finish,
    lay_out,
    take_in,
    working_dtype,
)

BLOCK = 512  # queries, and keys, in a block, as in `blockwise_attention`


def ring_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    *,
    mask: Tensor | None = None,
    causal: bool = False,
    group: dist.ProcessGroup | None = None,
) -> Tensor:
    """Average the values of the whole sequence, of which each process holds a part.

    All processes of the group must call it together, and go backward together: each with its own part, of any length.
    The parts follow one another in the order of the ranks. In a script started by `torchrun --nproc-per-node 4
    script.py`, `torch.distributed.init_process_group()` makes a ring of four. (The example below is a ring of one,
    which is blockwise attention.)

    Args:
        q: queries of this process, (..., n_q, d_k).
        k: keys of this process, (..., n_k, d_k).
        v: values of this process, (..., n_k, d_v).
        mask: bool, broadcasts to (..., 1, n_k): which of this process's keys all processes may attend to.
        causal: whether each query sees only the keys up to its own; the whole sequence's last query stands at its
            last key.
        group: the processes; all of them if None. They use gloo on CPUs and nccl on GPUs.
    Returns:
        output for the queries of this process, (..., n_q, d_v), equal to those rows of dense attention; zeros where
        nothing may be attended to. Gradients reach q, k and v of every process.
    Raises:
        RuntimeError: there is no process group.
        ValueError: the shapes do not fit, here or between processes; with both, on every process.
        TypeError: a tensor is not floating-point, the dtypes differ, or the mask is not boolean.
    Cost: for P processes and a whole length n, O(n² (d_k + d_v) / P) time and O(n (d_k + d_v) / P) memory on each.
        Each sends its keys and values P - 1 times, while it computes, and in the backward pass their gradients too.
        `causal` halves the work but hardly the time: the first process has little to do, and waits for the last, whose
        queries see all. (Striped attention, Brandon et al., 2023, deals out the tokens like cards to mend this.)
    Source: Liu, Zaharia and Abbeel (2023), "Ring Attention with Blockwise Transformers".

    >>> import torch
    >>> import torch.distributed as dist
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> ring_attention(torch.zeros(1, 4), torch.randn(3, 4), torch.tensor([[1.0], [2.0], [6.0]]))
    tensor([[3.]])
    >>> dist.destroy_process_group()
    """
    if not dist.is_available() or not dist.is_initialized():
        raise RuntimeError(
            "ring_attention needs a process group: start the script with `torchrun --nproc-per-node 2 script.py`, and "
            "let it call torch.distributed.init_process_group() first"
        )
    parts = _introduce(q, k, v, mask, group)
    ring = _plan(parts, causal, group)
    rows, keys = lay_out(q, k, v, mask, hides=True)
    with without_autocast(q.device):
        output = _RingAttention.apply(rows, *keys, ring)  # (b, n_q, d_v)
    return output.reshape(*parts[ring.rank].leading, q.shape[-2], v.shape[-1])


class _Part(NamedTuple):
    """What the processes tell one another of their tensors before any tensor travels."""

    leading: tuple[int, ...]
    n_q: int
    n_k: int
    d_k: int
    d_v: int
    dtype: torch.dtype

    def __str__(self) -> str:
        q, k, v = ((*self.leading, n, d) for n, d in [(self.n_q, self.d_k), (self.n_k, self.d_k), (self.n_k, self.d_v)])
        return f"q {q}, k {k} and v {v} of {self.dtype}"


def _introduce(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, group: dist.ProcessGroup | None) -> list[_Part]:
    """Check the inputs of all processes in all of them, so that all raise, and none waits for one that has raised."""
    problem, mine = None, None
    try:
        check_inputs(q, k, v, mask)
        leading = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
        mine = _Part(tuple(leading), q.shape[-2], k.shape[-2], k.shape[-1], v.shape[-1], v.dtype)
    except (TypeError, ValueError) as error:
        problem = error
    told: list[Any] = [None] * dist.get_world_size(group)
    dist.all_gather_object(told, mine or str(problem), group=group)
    if problem is not None:
        raise problem
    for rank, other in enumerate(told):
        if isinstance(other, str):
            raise ValueError(f"process {rank} of the ring was given what does not fit: {other}")
        if told[0]._replace(n_q=0, n_k=0) != other._replace(n_q=0, n_k=0):
            raise ValueError(
                "the processes' parts should be of one dtype and differ in their lengths only, got "
                f"{told[0]} in process 0, but {other} in process {rank}"
            )
    return told


class _Ring(NamedTuple):
    """Where this process stands in the ring, and what comes round."""

    rank: int
    lengths: list[int]  # how many keys each process has
    shifts: list[int | None]  # query i of this process sees the keys of each up to i + shift; None = all
    group: dist.ProcessGroup | None

    def source(self, step: int) -> int:
        """Whose keys this process holds in a step."""
        return (self.rank - step) % len(self.lengths)

    def round(self, keys: Keys) -> Iterator[tuple[Keys, int | None]]:
        """Each process's keys in turn, with their shift. While the caller uses them, the next ones are on their way."""
        for step in range(len(self.lengths)):
            last = step == len(self.lengths) - 1
            wait = None if last else self.pass_on([x for x in keys if x is not None], step)
            yield keys, self.shifts[self.source(step)]
            keys = Keys(*wait()) if wait else keys

    def pass_on(self, tensors: Iterable[Tensor], step: int, tag: int = 0) -> Callable[[], list[Tensor]]:
        """Send tensors (b, n_k, ...) to the right, and return a function that waits for those of the next step."""
        sent = [x.contiguous() for x in tensors]
        if len(self.lengths) == 1:
            return lambda: sent
        length = self.lengths[self.source(step + 1)]
        arriving = [x.new_empty(x.shape[0], length, x.shape[2]) for x in sent]
        ranks = dist.get_process_group_ranks(self.group)
        right, left = (ranks[(self.rank + way) % len(ranks)] for way in (1, -1))
        sends = [dist.P2POp(dist.isend, x, right, self.group, tag + i) for i, x in enumerate(sent)]
        receipts = [dist.P2POp(dist.irecv, x, left, self.group, tag + i) for i, x in enumerate(arriving)]
        requests = dist.batch_isend_irecv(sends + receipts)

        def wait() -> list[Tensor]:
            for request in requests:
                request.wait()
            return arriving

        return wait


def _plan(parts: list[_Part], causal: bool, group: dist.ProcessGroup | None) -> _Ring:
    rank = dist.get_rank(group)
    n_q, n_k = sum(part.n_q for part in parts), sum(part.n_k for part in parts)
    if causal and n_k < n_q:
        raise ValueError(f"k should be at least as long as q where causal, got {n_q} queries and {n_k} keys in all")
    # Query i of this process is number q_start + i of all, and sees the keys up to number q_start + i + n_k - n_q.
    q_start = sum(part.n_q for part in parts[:rank])
    k_starts = [sum(part.n_k for part in parts[:other]) for other in range(len(parts))]
    shifts = [q_start + n_k - n_q - k_start if causal else None for k_start in k_starts]
    return _Ring(rank, [part.n_k for part in parts], shifts, group)


class _RingAttention(torch.autograd.Function):
    """Keeps this process's q, k, v, output and one number a query; the others' keys come round a second time."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, bias: Tensor, ring: _Ring) -> Tensor:
        running = begin(q, v)
        for keys, shift in ring.round(Keys(k, v, bias)):
            take_in(running, q, keys, BLOCK, shift)
        output, log_total = finish(running)
        output = output.to(v.dtype)
        ctx.save_for_backward(q, k, v, bias, output, log_total)
        ctx.ring = ring
        return output

    @staticmethod
    @once_differentiable
    @backward_without_autocast
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, bias, output, log_total = ctx.saved_tensors
        back = answer(grad, output, log_total)
        grad_q, *travelling = (torch.zeros_like(x, dtype=working_dtype(x)) for x in (q, k, v))
        # The gradients of k and v travel with them, and gain each process's part. The last step brings them home.
        for step, (keys, shift) in enumerate(ctx.ring.round(Keys(k, v, bias))):
            add_gradients(Gradients(grad_q, *travelling), q, keys, BLOCK, shift, back)
            travelling = ctx.ring.pass_on(travelling, step, tag=len(keys))()
        grad_k, grad_v = travelling
        return grad_q.to(q.dtype), grad_k.to(k.dtype), grad_v.to(v.dtype), None, None
