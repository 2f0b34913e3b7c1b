"""The one-device check must catch what it is there for: one planted bug of each kind, and no false alarm."""

import pytest
import torch
from one_device import MixedDevicesError, check_one_device
from torch import Tensor, nn

N, D = 5, 7


class UnregisteredTable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = torch.ones(N, D)  # no buffer: `.to` leaves it behind

    def forward(self, x: Tensor) -> Tensor:
        return x + self.table


class RegisteredTable(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("table", torch.ones(N, D))
        self.scale = nn.Parameter(torch.ones(D))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        keep = torch.ones(len(x), dtype=torch.bool, device=x.device)
        return (x * self.scale + self.table).masked_fill(~keep[:, None], 0), keep


def slice_assignment(x: Tensor) -> Tensor:
    y = x.clone()
    y[:2] = torch.zeros(2, D)
    return y


BUGS = {
    "mask": lambda x: x.masked_fill(torch.ones(N, D, dtype=torch.bool), 0),
    "index": lambda x: x[torch.arange(N)],
    "unregistered buffer": UnregisteredTable(),
    "where": lambda x: torch.where(torch.ones(N, D, dtype=torch.bool), x, 0.0),
    "cat": lambda x: torch.cat([x, torch.zeros(1, D)]),
    "slice assignment": slice_assignment,
    "product": lambda x: x @ torch.ones(D, 3),
    "added positions": lambda x: x + torch.arange(N)[:, None],
    "new output": lambda x: (x, torch.ones(3)),
}


@pytest.mark.parametrize("bug", BUGS.values(), ids=BUGS.keys())
def test_a_tensor_left_on_the_cpu_is_caught(bug) -> None:
    with pytest.raises(MixedDevicesError):
        check_one_device(bug, torch.randn(N, D))


def test_a_branch_on_the_numbers_is_caught() -> None:
    with pytest.raises(RuntimeError, match="meta"):
        check_one_device(lambda x: x if x.sum() > 0 else -x, torch.randn(N, D))


def test_a_way_through_numpy_is_caught() -> None:
    with pytest.raises((RuntimeError, NotImplementedError, TypeError)):
        check_one_device(lambda x: torch.from_numpy(x.detach().numpy()), torch.randn(N, D))


def test_a_new_tensor_of_the_wrong_type_is_caught() -> None:
    with pytest.raises(TypeError, match=r"bfloat16 gave an output of torch\.float32"):
        check_one_device(lambda x: x * torch.ones(D, device=x.device), torch.randn(N, D))


def test_a_function_without_a_gradient_is_caught() -> None:
    with pytest.raises(AssertionError, match="no output has a gradient"):
        check_one_device(lambda x: x.detach(), torch.randn(N, D))


@pytest.mark.parametrize("right", [RegisteredTable(), nn.Linear(D, 3), lambda x: x.softmax(-1) * torch.tensor(2.0)])
def test_right_code_passes(right) -> None:
    check_one_device(right, torch.randn(N, D))
