"""Memory and time: bytes counted by hand, times compared by numbers that are given."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from attnbook.measuring import Ratio, growth_exponent, peak_bytes, ratio, time_in_turn

FLOAT = 4  # bytes


# peak_bytes


def test_three_tensors_alive_at_once() -> None:
    def call():
        a, b, c = torch.zeros(101), torch.zeros(211), torch.zeros(307, dtype=torch.float64)
        return a, b, c

    assert peak_bytes(call) == FLOAT * 101 + FLOAT * 211 + 8 * 307


def test_what_was_freed_in_between_does_not_count() -> None:
    def call():
        a = torch.zeros(401)
        del a
        b = torch.zeros(101)
        c = torch.zeros(211)
        del b
        return c, torch.zeros(53)

    assert peak_bytes(call) == FLOAT * 401  # after it, at most 101 + 211 are there


def test_the_peak_may_lie_before_the_end() -> None:
    def call():
        a = torch.zeros(101)
        b = torch.zeros(997)
        del b
        return a, torch.zeros(53)

    assert peak_bytes(call) == FLOAT * (101 + 997)


def test_what_was_there_before_does_not_count_and_a_view_takes_nothing() -> None:
    x = torch.zeros(997, 7)
    assert peak_bytes(lambda: x.T[3:5].unsqueeze(0).expand(11, 2, 997)) == 0
    assert peak_bytes(lambda: x.exp_()) == 0


def test_freeing_what_was_there_before_makes_no_room() -> None:
    held = [torch.zeros(997)]

    def call():
        held.clear()
        return torch.zeros(1009)

    assert peak_bytes(call) == FLOAT * 1009


def test_backward_counts() -> None:
    x = torch.zeros(997, requires_grad=True)

    def call():
        y = x.exp()  # kept for its gradient: 997
        y.sum().backward()  # the sum and its gradient, 1 each; the gradient of x: 997

    assert peak_bytes(call) == FLOAT * (997 + 1 + 1 + 997)


def test_the_buffer_inside_a_fused_kernel_is_seen() -> None:
    q = torch.randn(2, 3, 601, 16)
    fused = peak_bytes(lambda: nn.functional.scaled_dot_product_attention(q, q, q))
    outputs = FLOAT * (q.numel() + 2 * 3 * 601)  # the output, and the logarithm of each row's sum
    weights = FLOAT * 2 * 3 * 601 * 601
    assert outputs < fused < outputs + weights / 2  # a block of scores for each thread, and never all of them
    assert peak_bytes(lambda: (q @ q.mT).softmax(-1)) == 2 * weights


def test_the_same_number_each_time() -> None:
    layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0)
    x = torch.randn(3, 53, 16)
    layer(x).sum().backward()  # makes the gradients, into which the later calls add
    assert len({peak_bytes(lambda: layer(x).sum().backward()) for _ in range(4)}) == 1


def test_nothing_is_written_to_the_error_stream() -> None:
    code = "import torch; from attnbook.measuring import peak_bytes; print(peak_bytes(lambda: torch.zeros(7)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("28\n", "")


def test_a_result_instead_of_a_function() -> None:
    with pytest.raises(TypeError, match=r"call should be a function without arguments, .* got Tensor"):
        peak_bytes(torch.zeros(3))


# time_in_turn


def test_calls_take_turns_and_the_first_round_is_not_counted() -> None:
    order = []
    times = time_in_turn({name: lambda name=name: order.append(name) for name in "abc"}, rounds=2)
    assert "".join(order) == "abcabcabc"
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 2, "b": 2, "c": 2}
    assert all(second >= 0 for seconds in times.values() for second in seconds)


def test_the_times_are_the_clocks(monkeypatch) -> None:
    clock = iter([0.0, 5.0, 5.0, 7.0, 10.0, 11.0, 11.0, 14.0])  # start and end of each call
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    assert time_in_turn({"a": int, "b": int}, rounds=1) == {"a": [1.0], "b": [3.0]}


@pytest.mark.parametrize(
    ("calls", "rounds", "error", "message"),
    [
        ({}, 5, ValueError, "calls should hold at least one function, got none"),
        ({"a": int}, 0, ValueError, "rounds should be at least 1, got 0"),
        ({"a": 3}, 1, TypeError, r"calls\['a'\] should be a function .* got int"),
    ],
)
def test_bad_calls(calls, rounds, error, message) -> None:
    with pytest.raises(error, match=message):
        time_in_turn(calls, rounds)


# ratio


def test_ratio_by_hand() -> None:
    times = {"a": [2.0, 9.0, 4.0, 10.0, 3.0], "b": [1.0, 3.0, 1.0, 2.0, 3.0]}  # ratios 2, 3, 4, 5, 1
    assert ratio(times, "a", "b") == Ratio(median=3.0, low=2.0, high=4.0)


def test_a_round_is_compared_with_itself() -> None:
    # The machine is busy in other rounds for all alike: each ratio is 2, though the times differ by a factor of 40.
    assert ratio({"a": [2.0, 80.0, 10.0], "b": [1.0, 40.0, 5.0]}, "a", "b") == (2.0, 2.0, 2.0)


def test_ratio_of_one_round() -> None:
    assert ratio({"a": [3.0], "b": [2.0]}, "a", "b") == (1.5, 1.5, 1.5)


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ({"a": [1.0], "c": [1.0]}, "times should hold 'b', got 'a', 'c'"),
        ({"a": [1.0], "b": [1.0, 2.0]}, "should have the same number of rounds, at least 1, got 1 and 2"),
        ({"a": [], "b": []}, "should have the same number of rounds, at least 1, got 0 and 0"),
    ],
)
def test_bad_times(times, message) -> None:
    with pytest.raises(ValueError, match=message):
        ratio(times, "a", "b")


# growth_exponent


def test_growth_by_hand() -> None:
    assert growth_exponent([2, 4, 8], [3.0, 3.0, 3.0]) == 0.0
    assert growth_exponent([2, 4], [1.0, 8.0]) == 3.0
    # log2: points (1, 0), (2, 2), (3, 1); the line's slope is (−1 · 0 + 0 · 2 + 1 · 1) / 2.
    assert growth_exponent([2, 4, 8], [1.0, 4.0, 2.0]) == 0.5


def test_growth_is_the_line_that_numpy_fits() -> None:
    ns, values = [7, 11, 13, 29], [3.0, 2.0, 17.0, 5.0]
    assert np.isclose(growth_exponent(ns, values), np.polyfit(np.log(ns), np.log(values), 1)[0])


@pytest.mark.parametrize(
    ("ns", "values", "message"),
    [
        ([1, 2], [3.0], "same number, got 2 and 1"),
        ([5, 5], [3.0, 4.0], r"at least two different lengths, got \[5, 5\]"),
        ([], [], r"at least two different lengths, got \[\]"),
        ([1, 2], [0.0, 3.0], r"should be positive, got ns \[1, 2\] and values \[0.0, 3.0\]"),
    ],
)
def test_bad_growth(ns, values, message) -> None:
    with pytest.raises(ValueError, match=message):
        growth_exponent(ns, values)
