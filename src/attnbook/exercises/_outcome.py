"""Try a function on one input, and keep what came of it: numbers and gradients, or an error."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, allclose, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

Function = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        about: what is special about it, to stand behind "tried": "with two batch axes".
        inputs: the arguments, by position.
        point: what to think of if this input alone fails; a sentence for the learner.
        backward: whether to look at the gradients too.
    """

    about: str
    inputs: tuple[Any, ...]
    point: str = ""
    backward: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a function made of a case: its parts by name (outputs, then gradients), or the error that it raised."""

    parts: dict[str, Any] = field(default_factory=dict)
    error: BaseException | None = None
    changed: tuple[str, ...] = ()  # names of the inputs that are no longer what they were

    def tells(self) -> bool:
        """Whether there is a number in it: where all is NaN, one mistake looks like another."""
        return any(is_tensor(x) and not x.is_meta and bool(x.isfinite().any()) for x in self.parts.values()) or any(
            as_number(x) is not None for x in self.parts.values()
        )


class OneDevice(TorchFunctionMode):
    """Raise where an operation meets tensors of two devices, as a GPU would. (The `meta` device often lets it pass.)"""

    def __torch_function__(self, func: Function, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        devices = {x.device.type for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor) and x.dim() > 0}
        if len(devices) > 1 and func is not Tensor.to:
            raise MixedDevicesError
        return func(*args, **(kwargs or {}))


class MixedDevicesError(RuntimeError):
    """One operation met tensors of two devices."""


def run(function: Function, case: Case, names: list[str], returns: tuple[str, ...]) -> Outcome:
    """Call the function on copies of the case's inputs.

    Args:
        names: of the inputs, to say which of them changed.
        returns: names of what is returned; a function that returns several things returns them as a tuple.
    """
    inputs = tree_map(lambda x: _copy(x, case.backward), case.inputs)
    try:
        # A warning would go to the error stream, and nbgrader takes anything there for a failure.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            returned = function(*inputs)
            parts = _by_name(returned, returns)
            if case.backward:
                parts |= _gradients(parts, inputs, names)
    except (Exception, SystemExit) as error:  # whatever it is, the learner gets it explained
        return Outcome(error=error)
    pairs = zip(names, inputs, case.inputs, strict=True)
    return Outcome(parts, changed=tuple(name for name, now, before in pairs if not _unchanged(now, before)))


def device_lost(function: Function, case: Case) -> bool:
    """Whether the function leaves a tensor behind on the CPU when its inputs lie on another device.

    The stand-in for a GPU is torch's `meta` device, whose tensors have no numbers. An answer that must look at its
    numbers fails there for that reason alone, and is not blamed.
    """
    inputs = tree_map(lambda x: x.to("meta") if isinstance(x, Tensor) else x, case.inputs)
    try:
        with warnings.catch_warnings(), OneDevice():
            warnings.simplefilter("ignore")
            returned = function(*inputs)
    except MixedDevicesError:
        return True
    except (Exception, SystemExit):
        return False
    return any(x.device.type != "meta" for x in tree_leaves(returned) if isinstance(x, Tensor))


def _copy(x: Any, backward: bool) -> Any:
    if not isinstance(x, Tensor):
        return x
    copied = x.detach().clone()
    return copied.requires_grad_() if backward and x.is_floating_point() else copied


def _unchanged(now: Any, before: Any) -> bool:
    if not isinstance(before, Tensor):
        return True
    return now.shape == before.shape and bool(torch.equal(now.nan_to_num(), before.nan_to_num()))


def _by_name(returned: Any, returns: tuple[str, ...]) -> dict[str, Any]:
    if len(returns) == 1:
        return {returns[0]: returned}
    if not isinstance(returned, tuple | list) or len(returned) != len(returns):
        return {"what is returned": returned}
    return dict(zip(returns, returned, strict=True))


def _gradients(parts: dict[str, Any], inputs: tuple, names: list[str]) -> dict[str, Any]:
    """The gradients of a weighted sum of all outputs, with weights that are no two alike; zeros where none arrives."""
    wanted = {name: x for name, x in zip(names, inputs, strict=True) if isinstance(x, Tensor) and x.requires_grad}
    outputs = [x for x in parts.values() if isinstance(x, Tensor) and x.requires_grad]
    if not outputs:
        return {f"the gradient of {name}": torch.zeros_like(x) for name, x in wanted.items()}
    total = torch.stack([(x * torch.arange(x.numel()).view_as(x).cos()).sum() for x in outputs]).sum()
    found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
    pairs = zip(wanted.items(), found, strict=True)
    return {f"the gradient of {name}": torch.zeros_like(x) if g is None else g for (name, x), g in pairs}


# --- Comparing -------------------------------------------------------------------------------------------------------


def close(got: Any, want: Any) -> bool:
    """Whether two values are of one kind, shape, dtype and device, and equal but for rounding; NaN equals NaN."""
    if isinstance(want, Tensor):
        return is_tensor(got) and kind(got) == kind(want) and near(got, want)
    number = as_number(got)
    return number is not None and near(torch.tensor(number), torch.tensor(float(want)))


def is_tensor(x: Any) -> bool:
    """Whether x is a plain, dense tensor. A class derived from it could claim to be close to anything."""
    return type(x) in (Tensor, nn.Parameter) and x.layout == torch.strided


def near(got: Tensor, want: Tensor) -> bool:
    """Whether two tensors of one shape are equal but for rounding."""
    if got.is_meta:  # it has no numbers
        return False
    loose = {torch.bfloat16: (0.05, 0.05), torch.float16: (0.05, 0.05), torch.float32: (1e-4, 1e-5)}
    rtol, atol = loose.get(want.dtype, (1e-5, 1e-6))
    return allclose(got.detach().double(), want.detach().double(), rtol=rtol, atol=atol, equal_nan=True)


def kind(x: Tensor) -> tuple:
    return tuple(x.shape), x.dtype, x.device


def alike_kinds(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes have parts of the same shapes and dtypes, whatever the numbers are."""
    kinds = [{name: kind(x) for name, x in o.parts.items() if is_tensor(x)} for o in (one, other)]
    return not one.error and not other.error and kinds[0] == kinds[1]


def as_number(x: Any) -> float | None:
    """The one number that x is, of whatever type; None if it is none."""
    try:
        return float(x) if not isinstance(x, str) else None
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return None


def alike(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are the same: the same parts, or two errors of one type."""
    if one.error or other.error:
        return type(one.error) is type(other.error)
    return one.parts.keys() == other.parts.keys() and all(close(one.parts[name], x) for name, x in other.parts.items())
