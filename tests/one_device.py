"""The one-device check: does code make its tensors on its inputs' device, and of their type?

A test machine rarely has a GPU, and torch's CPU build cannot pretend to have one. But the `meta` device, whose tensors
have a shape and no numbers, is a second device on every machine. A mask, an index or a buffer left on the CPU meets
tensors on `meta` and is caught. Where there is a real GPU, the check runs there too and compares the numbers.
"""

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

DTYPES = (torch.float32, torch.bfloat16)


class MixedDevicesError(RuntimeError):
    """One operation met tensors of two devices."""


class OneDevice(TorchFunctionMode):
    """Raise as soon as one operation's tensors lie on different devices, as a GPU would, but `meta` often does not."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        # Numbers wrapped as tensors without axes may stay on the CPU on a GPU too; `to` is there to change devices.
        devices = {x.device.type for x in _tensors((args, kwargs)) if x.dim() > 0}
        if len(devices) > 1 and func is not Tensor.to:
            raise MixedDevicesError(f"{getattr(func, '__name__', func)} met tensors on {' and '.join(sorted(devices))}")
        return func(*args, **(kwargs or {}))


def check_one_device(
    function: Callable, *inputs: Any, dtypes: tuple[torch.dtype, ...] = DTYPES, backward: bool = True, **options: Any
) -> None:
    """Run forward and backward on another device; raise if a tensor stayed behind, or lost the inputs' type.

    Args:
        function: a module or a function, called as function(*inputs, **options). It should be made on the CPU, as
            usual, since on `meta` a tensor that nobody registered would hide.
        inputs, options: tensors, modules, and anything else, in any nesting.
        dtypes: the floating-point types to try.
        backward: whether gradients flow through the function.
    """
    for dtype in dtypes:
        _run(function, inputs, options, "meta", dtype, backward)
    if torch.cuda.is_available():
        there = _run(function, inputs, options, "cuda", torch.float64, backward)
        here = _run(function, inputs, options, "cpu", torch.float64, backward)
        torch.testing.assert_close(tree_map(lambda x: x.cpu() if isinstance(x, Tensor) else x, there), here)


def _run(function: Callable, inputs: tuple, options: dict, device: str, dtype: torch.dtype, backward: bool) -> Any:
    function, inputs, options = tree_map(lambda x: _move(x, device, dtype, backward), (function, inputs, options))
    with OneDevice():
        result = function(*inputs, **options)
        outputs = _tensors(result)
        assert outputs, "the function returned no tensor"
        for x in outputs:
            if x.device.type != device:
                raise MixedDevicesError(f"inputs on {device} gave an output on {x.device}")
            if x.is_floating_point() and x.dtype != dtype:
                raise TypeError(f"inputs of {dtype} gave an output of {x.dtype}")
        if backward:
            trainable = [x for x in outputs if x.requires_grad]
            assert trainable, "no output has a gradient: pass backward=False if none is meant to flow"
            torch.autograd.backward(trainable, [torch.ones_like(x) for x in trainable])
    return result


def _move(x: Any, device: str, dtype: torch.dtype, backward: bool) -> Any:
    if isinstance(x, nn.Module):
        return copy.deepcopy(x).to(device, dtype)
    if not isinstance(x, Tensor):
        return x
    # Cloned, so that the caller's tensors collect no gradients where `to` has nothing to change.
    moved = x.detach().clone().to(device, dtype if x.is_floating_point() else None)
    return moved.requires_grad_() if backward and x.is_floating_point() else moved


def _tensors(tree: Any) -> list[Tensor]:
    return [x for x in tree_leaves(tree) if isinstance(x, Tensor)]
