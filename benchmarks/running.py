"""Run a group: first the memory of each method, then all in turn. What does not fit is left out, and never silently."""

import re
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from peers import D_HEAD, D_MODEL, HEADS
from torch import Tensor, nn
from work import Group, Method

from attnbook.measuring import growth_exponent, peak_bytes, time_in_turn

Row = dict[str, Any]


@dataclass(frozen=True)
class Limits:
    """How much a call may take, and how long a length's rounds may last."""

    memory_bytes: int = 12 * 2**30
    call_seconds: float = 30.0
    rounds_seconds: float = 8.0
    most_rounds: int = 9


def make_inputs(group: Group, n: int) -> tuple[Tensor, ...]:
    """The same numbers for all methods: standard normal, with gradients where the group trains."""
    generator = torch.Generator().manual_seed(n)
    shapes = [(1, n, D_MODEL)] if group.inputs == "tokens" else 3 * [(1, HEADS, n, D_HEAD)]
    return tuple(torch.randn(shape, generator=generator).requires_grad_(group.training) for shape in shapes)


def make_call(built: Callable[..., Tensor], inputs: tuple[Tensor, ...], training: bool) -> Callable[[], object]:
    """The method once, forward, and backward to the inputs and to its parameters where it is trained."""
    if not training:
        return torch.no_grad()(lambda: built(*inputs))
    leaves = [*inputs, *(built.parameters() if isinstance(built, nn.Module) else ())]

    def call() -> object:
        output = built(*inputs)
        return torch.autograd.grad(output, leaves, torch.ones_like(output), allow_unused=True)

    return call


def run(group: Group, limits: Limits, say: Callable[[Row], None]) -> list[Row]:
    """Time and memory of all methods of a group at all lengths.

    Returns:
        a row for each method and length: seconds of each round and peak bytes, or why it was left out.
    """
    rows: list[Row] = []
    for n in group.lengths:
        inputs = make_inputs(group, n)
        present, calls = [], {}
        for method in group.methods:
            row: Row = {"group": group.name, "method": method.name, "n": n}
            row |= _too_much(rows, method, n, limits)
            if "left_out" not in row:
                row |= _first_run(method, group, n, inputs, calls)
            if "left_out" not in row:
                present.append(row)
            rows.append(row)
        if present:
            turn = sum(row.pop("first_seconds") for row in present)
            rounds = min(max(2, int(limits.rounds_seconds / turn)), limits.most_rounds)
            times = time_in_turn(calls, rounds)
            for row in present:
                row["seconds"] = times[row["method"]]
        for row in rows[-len(group.methods) :]:
            say(row)
    return rows


def _first_run(method: Method, group: Group, n: int, inputs: tuple[Tensor, ...], calls: dict) -> Row:
    try:
        call = make_call(method.build(n), inputs, group.training)
        start = time.perf_counter()
        peak = peak_bytes(call)
        seconds = time.perf_counter() - start
    except (MemoryError, RuntimeError) as error:  # torch says "can't allocate memory: you tried to allocate ..."
        if not re.search("alloc", str(error)):
            raise
        return {"left_out": f"no memory: {str(error).splitlines()[0]}"}
    calls[method.name] = call
    return {"peak_bytes": peak, "first_seconds": seconds}


def _too_much(rows: list[Row], method: Method, n: int, limits: Limits) -> Row:
    """Where the next length would take too much, as the last two grew: why it is left out, and what it would take."""
    measured = [row for row in rows if row["method"] == method.name and "peak_bytes" in row]
    if not measured:
        return {}
    size = _next([(row["n"], row["peak_bytes"]) for row in measured], n)
    seconds = _next([(row["n"], statistics.median(row["seconds"])) for row in measured], n)
    reasons = []
    if size > limits.memory_bytes:
        reasons.append(f"would take {size / 2**30:.0f} GiB, over {limits.memory_bytes / 2**30:.0f} GiB")
    if seconds > limits.call_seconds:
        reasons.append(f"would take {seconds:.0f} s a call, over {limits.call_seconds:.0f} s")
    if not reasons:
        return {}
    return {"left_out": " and ".join(reasons), "predicted_bytes": round(size), "predicted_seconds": round(seconds)}


def _next(measured: list[tuple[int, float]], n: int) -> float:
    last, value = measured[-1]
    power = growth_exponent(*zip(*measured[-2:], strict=True)) if len(measured) > 1 else 2.0
    return value * (n / last) ** min(max(power, 1.0), 2.0)  # a single hiccup is no growth
