"""The inputs that an answer is tried on: other sizes and other numbers for every seed, the same ones for the same."""

import random

import torch
from torch import Tensor

PRIMES = (2, 3, 5, 7, 11, 13)


class Draw:
    """Draw sizes, numbers and masks from one seed.

    Sizes are distinct primes, so that no answer passes with two axes swapped. Numbers are float64 and standard normal:
    large enough to tell answers apart, small enough that no softmax of them is saturated (a saturated one hides a
    missing √d).

    >>> Draw(0).normal(3, 5).shape
    torch.Size([3, 5])
    >>> len(set(Draw(0).sizes(4)))
    4
    """

    def __init__(self, seed: int) -> None:
        self._sizes = random.Random(seed)
        self._numbers = torch.Generator().manual_seed(seed)

    def sizes(self, count: int, least: int = 2) -> list[int]:
        """So many different primes, each at least `least`, in any order."""
        return self._sizes.sample([p for p in PRIMES if p >= least], count)

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, float64."""
        return torch.randn(*shape, generator=self._numbers, dtype=torch.float64)

    def whole(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers from low to high, both among them."""
        return torch.randint(low, high + 1, shape, generator=self._numbers)

    def mask(self, *shape: int) -> Tensor:
        """A mask (..., n_q, n_k) in which every query may attend to some keys and not to others."""
        order = torch.rand(*shape, generator=self._numbers).argsort(dim=-1)
        return order < self.whole(1, shape[-1] - 1, *shape[:-1], 1)
