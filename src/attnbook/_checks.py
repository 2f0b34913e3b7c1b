"""The questions that every public function asks of its inputs, with errors that say what was wrong and what is right."""

import torch
from torch import Tensor


def shape(x: Tensor) -> str:
    return str(tuple(x.shape))


def check_vectors(name: str, x: Tensor) -> None:
    """Raise unless x is a floating-point tensor (..., n, d)."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} should be a torch tensor, got {type(x).__name__}")
    if x.dim() < 2:
        raise ValueError(f"{name} should have shape (..., n, d), got {shape(x)}: add axes with x[None] or x.unsqueeze")
    if not x.is_floating_point():
        raise TypeError(f"{name} should hold floating-point numbers, got {x.dtype}: convert with {name}.float()")


def check_width(name: str, x: Tensor, width: int) -> None:
    """Raise unless x is a floating-point tensor (..., n, width)."""
    check_vectors(name, x)
    if x.shape[-1] != width:
        raise ValueError(f"{name} should have shape (..., n, {width}), got {shape(x)}: its last axis must be {width}")


def check_same_width(q: Tensor, k: Tensor) -> None:
    """Raise unless q and k are vectors of one width, dtype and device."""
    check_vectors("q", q)
    check_vectors("k", k)
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"q and k should have the same width (last axis), got q {shape(q)} and k {shape(k)}")
    check_alike("q", q, "k", k)


def check_alike(name: str, x: Tensor, other_name: str, other: Tensor) -> None:
    """Raise unless the two tensors have one dtype and one device."""
    if x.dtype != other.dtype:
        raise TypeError(f"{name} and {other_name} should have one dtype, got {x.dtype} and {other.dtype}")
    if x.device != other.device:
        raise ValueError(f"{name} and {other_name} should be on one device, got {x.device} and {other.device}")


def check_mask(mask: Tensor, scores: Tensor) -> None:
    """Raise unless mask is boolean and broadcasts to the shape of scores without changing it."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        given = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask should be a boolean tensor in which True means 'may attend', got {given}")
    fits = mask.dim() <= scores.dim() and all(
        m in (1, s) for m, s in zip(reversed(mask.shape), reversed(scores.shape), strict=False)
    )
    if not fits:
        raise ValueError(f"mask should broadcast to the scores' shape {shape(scores)}, got {shape(mask)}")
    if mask.device != scores.device:
        raise ValueError(f"mask should be on the scores' device {scores.device}, got {mask.device}")
