"""What does it cost? Memory and time, measured so that two methods can be compared.

Seconds belong to one machine at one moment, so times are compared only as ratios of one run, taken in turn. Bytes are
counted where torch hands them out, so they are the same numbers each time.
"""

import gc
import os
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from attnbook._checks import check_count

# The profiler would write lines about itself to the error stream, and so into notebooks.
os.environ.setdefault("KINETO_LOG_LEVEL", "6")


class Ratio(NamedTuple):
    """The ratios of several rounds: the median, and the quartiles between which half of them lie.

    >>> Ratio(2.0, 1.9, 2.2).median
    2.0
    """

    median: float
    low: float
    high: float


def peak_bytes(call: Callable[[], Any]) -> int:
    """The most memory that tensors hold at once during a call, beyond what they held before it.

    Torch's allocator is asked, not the tensors. So what a fused kernel or the backward pass takes for a moment counts
    too, and a view counts nothing. What Python and the libraries take is left out. A tensor of before that is freed
    during the call makes no room.

    Args:
        call: a function without arguments, called once: `lambda: method(q, k, v)`. To see what training takes, it
            should compute the gradients too.
    Returns:
        bytes; on a GPU, the peak of its memory and that of the host's, added.
    Raises:
        TypeError: call is not a function.
    Cost: one call, slowed by some microseconds for each operation.

    >>> import torch
    >>> x = torch.zeros(1000, dtype=torch.float64)  # 8000 bytes, there before
    >>> peak_bytes(lambda: x.exp())
    8000
    >>> peak_bytes(lambda: x.exp().log())  # the exponentials are still there while the logarithms are made
    16000
    """
    _check_call("call", call)
    gc.collect()  # so that rubbish of before is not cleared away during the call
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        call()
    peak = _peak_of_host(profiler)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        peak += torch.cuda.max_memory_allocated() - before
    return peak


def _peak_of_host(profiler: Any) -> int:
    # An event for each block that the allocator gave (bytes > 0) or took back (bytes < 0).
    events = profiler.profiler.kineto_results.events()
    memory = [event for event in events if event.name() == "[memory]" and event.device_type() == DeviceType.CPU]
    memory.sort(key=lambda event: event.start_ns())
    return max(accumulate((event.nbytes() for event in memory), initial=0))


def time_in_turn(calls: Mapping[str, Callable[[], Any]], rounds: int = 5) -> dict[str, list[float]]:
    """Time several calls side by side: one after the other, round after round, so that a busy machine hits all alike.

    A first round, which pays for what happens only once, is not counted.

    Args:
        calls: functions without arguments, by name.
        rounds: how often each is timed.
    Returns:
        seconds of each round, by name.
    Raises:
        ValueError: there are no calls, or rounds is below 1.
        TypeError: a call is not a function.
    Cost: rounds + 1 times all calls.

    >>> import torch
    >>> x = torch.randn(100, 100)
    >>> times = time_in_turn({"product": lambda: x @ x, "sum": lambda: x + x}, rounds=3)
    >>> {name: len(seconds) for name, seconds in times.items()}
    {'product': 3, 'sum': 3}
    """
    check_count("rounds", rounds)
    if not calls:
        raise ValueError("calls should hold at least one function, got none")
    for name, call in calls.items():
        _check_call(f"calls[{name!r}]", call)
    times: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            seconds = _seconds(call)
            if turn > 0:
                times[name].append(seconds)
    return times


def _seconds(call: Callable[[], Any]) -> float:
    _wait_for_gpu()
    start = time.perf_counter()
    call()
    _wait_for_gpu()
    return time.perf_counter() - start


def _wait_for_gpu() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()  # a GPU works on while Python goes ahead


def ratio(times: Mapping[str, Sequence[float]], name: str, other: str) -> Ratio:
    """How many times as long as `other` does `name` take?

    Each round gives one ratio, of two times taken one shortly after the other.

    Args:
        times: seconds of each round by name, as `time_in_turn` returns them.
        name, other: two of its names.
    Returns:
        the rounds' median ratio, and its lower and upper quartile.
    Raises:
        ValueError: a name is not among the times, or the two have not the same number of rounds.

    >>> ratio({"slow": [4.0, 6.0, 9.0], "fast": [2.0, 2.0, 3.0]}, "slow", "fast")
    Ratio(median=3.0, low=2.5, high=3.0)
    """
    for wanted in (name, other):
        if wanted not in times:
            raise ValueError(f"times should hold {wanted!r}, got {', '.join(map(repr, times))}")
    if len(times[name]) != len(times[other]) or not times[name]:
        raise ValueError(
            f"{name!r} and {other!r} should have the same number of rounds, at least 1, "
            f"got {len(times[name])} and {len(times[other])}"
        )
    ratios = [a / b for a, b in zip(times[name], times[other], strict=True)]
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75]).tolist()
    return Ratio(median, low, high)


def growth_exponent(ns: Sequence[int], values: Sequence[float]) -> float:
    """The power p for which values grow as n^p: 1 where twice the length costs twice as much, 2 where four times.

    It is the slope of the straight line that lies nearest (least squares) to the points (log n, log value).

    Args:
        ns: lengths, at least two different ones.
        values: what each length costs: seconds, bytes.
    Raises:
        ValueError: ns and values have not the same number, there are fewer than two different ns, or a number is not
            positive.

    >>> growth_exponent([10, 20, 40], [3.0, 12.0, 48.0])
    2.0
    """
    if len(ns) != len(values):
        raise ValueError(f"ns and values should have the same number, got {len(ns)} and {len(values)}")
    if len(set(ns)) < 2:
        raise ValueError(f"ns should hold at least two different lengths, got {list(ns)}")
    if min(*ns, *values) <= 0:
        raise ValueError(f"ns and values should be positive, got ns {list(ns)} and values {list(values)}")
    x, y = np.log(ns), np.log(values)
    return float(np.round(np.dot(x - x.mean(), y) / np.sum((x - x.mean()) ** 2), 12))


def _check_call(name: str, call: Callable[[], Any]) -> None:
    if not callable(call):
        raise TypeError(f"{name} should be a function without arguments, lambda: f(x), got {type(call).__name__}")
