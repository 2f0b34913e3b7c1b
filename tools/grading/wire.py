"""What goes between examiner and worker: numbers, texts, tensors. Nothing that is read can run.

A message is JSON followed by tensors in the safetensors format. Python's pickle would run whatever a student puts into
it. A value without a place here crosses as the name of its type.
"""

import json
import numbers
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save

LARGEST = 64 * 2**20  # bytes of a message
DEEPEST = 8  # lists in lists
HEAD = struct.Struct(">II")  # the lengths of the two parts


class WireError(Exception):
    """A message that is not one of ours, or too large."""


class CannotCrossError(BaseException):
    """A check hands over what cannot cross. Not an Exception: to the checks those are the student's."""


class Other:
    """A value of a kind that does not cross; `make_other` gives it its type's name."""


def make_other(name: str) -> Other:
    """Something whose type has this name, so that the feedback can name it."""
    return type(name if name.isidentifier() else "object", (Other,), {})()


def pack(message: Any, handle: Callable[[Any], int] | None = None) -> bytes:
    """The bytes of a message; `handle` numbers the functions in it."""
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_encode(message, tensors, handle, 0)).encode()
    body = save(tensors) if tensors else b""
    if len(text) + len(body) > LARGEST:
        raise WireError(f"what is returned takes more than {LARGEST // 2**20} MiB")
    return HEAD.pack(len(text), len(body)) + text + body


def unpack(read: Callable[[int], bytes], function: Callable[[int], Any] | None = None) -> Any:
    """Read a message; `function` makes something callable of a number.

    Raises:
        WireError: it is not one of ours.
    """
    of_text, of_body = HEAD.unpack(read(HEAD.size))
    if of_text + of_body > LARGEST:
        raise WireError("a message that is too large")
    text, body = read(of_text), read(of_body)
    try:
        return _decode(json.loads(text), load(body) if body else {}, function)
    except Exception as error:  # whatever a hostile message brings about
        raise WireError(f"a message that cannot be read ({type(error).__name__})") from None


def _encode(x: Any, tensors: dict[str, torch.Tensor], handle: Callable[[Any], int] | None, depth: int) -> Any:
    if x is None or isinstance(x, bool | str):
        return x
    if isinstance(x, int) and not -(2**63) <= x < 2**63:
        return {"other": "int"}  # too long to be an answer
    if isinstance(x, np.generic):
        x = x.item()
    if isinstance(x, int | float):
        return x
    if isinstance(x, numbers.Real):  # a fraction
        return float(x)
    if isinstance(x, torch.Tensor | np.ndarray):
        return _encode_numbers(x, tensors)
    if type(x) in (list, tuple) and depth < DEEPEST:
        return {type(x).__name__: [_encode(part, tensors, handle, depth + 1) for part in x]}
    if type(x) is dict and depth < DEEPEST:
        return {"dict": {str(key): _encode(value, tensors, handle, depth + 1) for key, value in x.items()}}
    if callable(x) and handle is not None:
        return {"function": handle(x)}
    if handle is None and not isinstance(x, Other):
        raise CannotCrossError(f"an input of type {type(x).__name__} cannot be handed to a function in the sandbox")
    return {"other": type(x).__name__}


def _encode_numbers(x: torch.Tensor | np.ndarray, tensors: dict[str, torch.Tensor]) -> Any:
    name = str(len(tensors))
    if isinstance(x, np.ndarray):
        if x.dtype.kind not in "biuf":
            return {"other": "ndarray"}
        tensors[name] = torch.from_numpy(np.ascontiguousarray(x).copy())
        return {"array": name}
    if type(x) not in (torch.Tensor, torch.nn.Parameter) or x.layout != torch.strided or x.is_complex():
        return {"other": type(x).__name__}
    if x.is_meta:
        return {"meta": list(x.shape), "dtype": str(x.dtype).removeprefix("torch.")}
    x = x.detach().contiguous()
    # Two that share memory, or one within a larger, would not be stored.
    alone = x.untyped_storage().nbytes() == x.numel() * x.element_size()
    shared = any(x.data_ptr() == other.data_ptr() for other in tensors.values())
    tensors[name] = x if alone and not shared else x.clone()
    return {"tensor": name}


def _decode(x: Any, tensors: dict[str, torch.Tensor], function: Callable[[int], Any] | None) -> Any:
    if not isinstance(x, dict):
        return x
    kind, content = next(iter(x.items()))
    if kind in ("list", "tuple"):
        parts = [_decode(part, tensors, function) for part in content]
        return parts if kind == "list" else tuple(parts)
    if kind == "dict":
        return {key: _decode(value, tensors, function) for key, value in content.items()}
    if kind == "meta":
        return torch.empty(content, dtype=getattr(torch, x["dtype"]), device="meta")
    if kind == "function" and function is not None:
        return function(int(content))
    if kind == "other":
        return make_other(str(content)[:60])
    return {"tensor": lambda: tensors[content], "array": lambda: tensors[content].numpy()}[kind]()
