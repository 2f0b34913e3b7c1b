"""Training by several processes: which share of a batch each takes, and what they agree on.

The joined batch's loss is (Σ total) / (Σ count) over the processes, and so its gradient is the sum of the gradients of
total / (Σ count). DistributedDataParallel averages gradients over the processes instead of adding them, so each one's
loss is multiplied by their number.
"""

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from attnbook.training.basics import best_device

Batch = tuple[Tensor, ...]
Loss = Callable[[nn.Module, Batch], Tensor | tuple[Tensor, Tensor | int]]
ENVIRONMENT = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")  # what torchrun sets


@dataclass(frozen=True)
class Processes:
    """This process, and how many train the model with it (1: it trains alone)."""

    device: torch.device
    rank: int = 0
    count: int = 1

    @classmethod
    def join(cls, device: torch.device | str | None) -> "Processes":
        """Find the others, if torchrun has started several or there is a process group already."""
        ready = dist.is_available() and dist.is_initialized()
        started = dist.is_available() and all(name in os.environ for name in ENVIRONMENT)
        count = dist.get_world_size() if ready else int(os.environ["WORLD_SIZE"]) if started else 1
        if count == 1:
            return cls(torch.device(device) if device is not None else best_device())
        device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        if device.type == "cuda":  # each process of a machine has a GPU of its own
            index = int(os.environ.get("LOCAL_RANK", 0)) if device.index is None else device.index
            device = torch.device("cuda", index)
            torch.cuda.set_device(device)
        if not ready:
            dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
            atexit.register(_leave)
        return cls(device, dist.get_rank(), count)

    @property
    def first(self) -> bool:
        """Whether this process speaks for all: it shows the bar and writes the file."""
        return self.rank == 0

    def wrap(self, model: nn.Module) -> nn.Module:
        """The model as the loss should call it, so that the gradients are averaged over the processes."""
        if self.count == 1:
            return model
        index = [self.device] if self.device.type == "cuda" else None
        return _Shared(model, device_ids=index, static_graph=True)

    def joined_loss(self, loss: Loss, model: nn.Module, batch: Batch) -> tuple[Tensor, float]:
        """What this process should differentiate, and the loss of the joined batch as a number."""
        batch = tuple(x.to(self.device) for x in self._share(batch))
        result = loss(model, batch)
        if self.count == 1:
            value = result if isinstance(result, Tensor) else result[0] / result[1]
            return value, value.item()
        if isinstance(model, _Shared) and not model.called:
            raise RuntimeError(
                "the loss should call model(...) itself: gradients of a method alone would not be shared"
            )
        total, count = (result * len(batch[0]), len(batch[0])) if isinstance(result, Tensor) else result
        sums = torch.tensor([total.item(), float(count)], dtype=torch.float64, device=self.device)
        dist.all_reduce(sums)
        return total * (self.count / sums[1]).to(total.dtype), (sums[0] / sums[1]).item()

    def _share(self, batch: Batch) -> Batch:
        """This process's rows of the batch. The shares follow one another, and differ by one row at most."""
        if self.count == 1:
            return batch
        lengths = {x.shape[0] if x.dim() else 0 for x in batch}
        if len(lengths) != 1:
            shapes = ", ".join(str(tuple(x.shape)) for x in batch)
            raise ValueError(f"to be shared, the tensors of a batch should have one length on axis 0, got {shapes}")
        (length,) = lengths
        if length < self.count:
            raise ValueError(f"a batch of {length} cannot be shared between {self.count} processes: make it larger")
        rows = slice(length * self.rank // self.count, length * (self.rank + 1) // self.count)
        return tuple(x[rows] for x in batch)

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process. None goes on before all have come here."""
        if self.count == 1:
            return flag
        flags = torch.tensor([float(flag)], device=self.device)
        dist.all_reduce(flags)
        return flags.item() > 0

    def gather(self, x: Any) -> list[Any]:
        """What each process has, by rank."""
        everyone = [x] * self.count
        if self.count > 1:
            dist.all_gather_object(everyone, x)
        return everyone

    def level(self, model: nn.Module) -> None:
        """Give all processes the first one's buffers: weights are equal already, but running statistics may differ."""
        for buffer in model.buffers() if self.count > 1 else ():
            dist.broadcast(buffer, 0)


def _leave() -> None:
    if dist.is_initialized():  # the script may have left the group already
        dist.destroy_process_group()


class _Shared(DistributedDataParallel):
    """A model whose gradients are averaged over the processes, and which has the attributes of the model itself."""

    called = False

    def forward(self, *args: Any, **options: Any) -> Any:
        self.called = True
        return super().forward(*args, **options)

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__("module"), name)
