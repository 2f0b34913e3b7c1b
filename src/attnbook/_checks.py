"""The questions that public functions ask of their inputs, with errors that say what was given and what is right."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor


def shape(x: Tensor) -> str:
    return str(tuple(x.shape))


def check_count(name: str, value: int, least: int = 1) -> None:
    """Raise unless value is a whole number, at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} should be a whole number, got {value!r} ({type(value).__name__})")
    if value < least:
        raise ValueError(f"{name} should be at least {least}, got {value}")


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


def check_input(name: str, x: Tensor, weight: Tensor) -> None:
    """Raise unless a layer whose weight ends in the axis d_in can read x: width, dtype and device."""
    check_width(name, x, weight.shape[-1])
    check_alike(name, x, "the module's parameters", weight)


def check_tokens(name: str, x: Tensor, vocabulary: int) -> None:
    """Raise unless x is a tensor (..., n) of whole numbers from 0 to vocabulary - 1."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} should be a torch tensor, got {type(x).__name__}")
    if x.dtype not in (torch.int64, torch.int32):
        raise TypeError(f"{name} should hold token numbers (torch.int64), got {x.dtype}")
    if x.dim() < 1:
        raise ValueError(f"{name} should have shape (..., n), got {shape(x)}: add an axis with x[None]")
    # Looking at the numbers would make a GPU wait and a compiled graph break, so this is asked on the CPU alone.
    if x.device.type == "cpu" and not torch.compiler.is_compiling() and x.numel():
        low, high = x.min().item(), x.max().item()
        if low < 0 or high >= vocabulary:
            raise ValueError(f"{name} should lie between 0 and {vocabulary - 1}, got numbers from {low} to {high}")


def check_same_width(q: Tensor, k: Tensor) -> None:
    """Raise unless q and k are vectors of one width, dtype and device, and their leading axes fit."""
    check_vectors("q", q)
    check_vectors("k", k)
    if q.shape[-1] != k.shape[-1]:
        raise ValueError(f"q and k should have the same width (last axis), got q {shape(q)} and k {shape(k)}")
    check_alike("q", q, "k", k)
    check_leading("q", q, "k", k)


def check_qkv(q: Tensor, k: Tensor, v: Tensor) -> None:
    """Raise unless q (..., n_q, d_k), k (..., n_k, d_k) and v (..., n_k, d_v) fit one another."""
    check_same_width(q, k)
    check_vectors("v", v)
    if k.shape[-2] != v.shape[-2]:
        raise ValueError(f"k and v should have the same length, got k {shape(k)} and v {shape(v)}")
    check_alike("k", k, "v", v)
    check_leading("k", k, "v", v)


def check_alike(name: str, x: Tensor, other_name: str, other: Tensor) -> None:
    """Raise unless the two tensors have one dtype and one device."""
    if x.device != other.device:
        raise ValueError(f"{name} and {other_name} should be on one device, got {x.device} and {other.device}")
    if x.dtype != other.dtype:
        kind = x.device.type  # under mixed precision torch itself brings the operands of a product to one dtype
        if not (torch.amp.is_autocast_available(kind) and torch.is_autocast_enabled(kind)):
            raise TypeError(f"{name} and {other_name} should have one dtype, got {x.dtype} and {other.dtype}")


def check_leading(name: str, x: Tensor, other_name: str, other: Tensor) -> None:
    """Raise unless the axes before the last two broadcast together."""
    for a, b in zip(reversed(x.shape[:-2]), reversed(other.shape[:-2]), strict=False):
        if a != b and 1 not in (a, b):
            raise ValueError(
                f"{name} and {other_name} should have leading axes that broadcast (equal, or 1), "
                f"got {name} {shape(x)} and {other_name} {shape(other)}"
            )


def check_mask(mask: Tensor, scores: Tensor) -> None:
    """Raise unless mask is boolean and broadcasts to the shape of scores without changing it."""
    check_mask_fits(mask, scores.shape, scores.device)


def check_mask_fits(mask: Tensor, scores_shape: Sequence[int], device: torch.device) -> None:
    """Raise unless mask is boolean, on the device, and broadcasts to scores_shape without changing it."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        given = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask should be a boolean tensor in which True means 'may attend', got {given}")
    axes = zip(reversed(mask.shape), reversed(scores_shape), strict=False)
    if mask.dim() > len(scores_shape) or any(m not in (1, s) for m, s in axes):
        raise ValueError(f"mask should broadcast to the scores' shape {tuple(scores_shape)}, got {shape(mask)}")
    if mask.device != device:
        raise ValueError(f"mask should be on the scores' device {device}, got {mask.device}")


def array(name: str, x: ArrayLike, shape: tuple[int | str, ...]) -> np.ndarray:
    """x as a float64 array of that shape (a name stands for any size of at least 1), or an error that says why not.

    >>> array("values", [[1, 2], [3, 4]], ("n", 2))
    array([[1., 2.],
           [3., 4.]])
    """
    expected = "(" + ", ".join(map(str, shape)) + ("," if len(shape) == 1 else "") + ")"
    try:
        # A tensor that needs gradients, or lives on a GPU, cannot turn into an array by itself.
        numbers = np.asarray(x.detach().cpu() if hasattr(x, "detach") else x, dtype=np.float64)
    except (TypeError, ValueError):
        raise TypeError(f"{name} should be numbers of shape {expected}, got {x!r}") from None
    fits = numbers.ndim == len(shape) and all(
        n == want if isinstance(want, int) else n > 0 for n, want in zip(numbers.shape, shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{name} should have shape {expected}, got {numbers.shape}")
    return numbers


def between(name: str, x: float, smallest: float, largest: float) -> float:
    """x as a float from smallest to largest, or an error that says why not.

    >>> between("temperature", 2, 0.1, 10)
    2.0
    """
    if not isinstance(x, (int, float)) or isinstance(x, bool):
        raise TypeError(f"{name} should be a number, got {x!r}")
    if not smallest <= x <= largest:
        raise ValueError(f"{name} should lie between {smallest:g} and {largest:g}, got {x}")
    return float(x)
