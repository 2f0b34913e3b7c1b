"""Mixed precision. Half-precision inputs are summed in float32 by our functions, and autocast must leave that alone."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, TypeVar

import torch
from torch import Tensor

Backward = TypeVar("Backward", bound=Callable[..., Any])


def without_autocast(device: torch.device) -> AbstractContextManager:
    """A block in which no operation on that device has its inputs cast.

    >>> a = torch.ones(2, 2)
    >>> with torch.autocast("cpu", torch.bfloat16), without_autocast(a.device):
    ...     (a @ a).dtype
    torch.float32
    """
    available = torch.amp.is_autocast_available(device.type)
    return torch.autocast(device.type, enabled=False) if available else nullcontext()


def backward_without_autocast(backward: Backward) -> Backward:
    """The same for a Function's backward pass, which runs in whatever block its caller calls `loss.backward()`."""

    @wraps(backward)
    def call(ctx: Any, grad: Tensor) -> Any:
        with without_autocast(grad.device):
            return backward(ctx, grad)

    return call  # type: ignore[return-value]
