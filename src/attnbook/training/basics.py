"""What a training run needs before its first step: a device, seeds, and how large the model is."""

import torch
from torch import nn


def best_device() -> torch.device:
    """The fastest device of this machine: a CUDA GPU, Apple's, or the CPU.

    >>> best_device().type in {"cuda", "mps", "cpu"}
    True
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def seed_everything(seed: int) -> torch.Generator:
    """Seed torch on every device, and return a generator of its own on the CPU, for data, with the same seed.

    >>> seed_everything(3).initial_seed()
    3
    """
    torch.manual_seed(seed)
    return torch.Generator().manual_seed(seed)


def count_parameters(model: nn.Module) -> int:
    """How many numbers of the model are learned.

    >>> from torch import nn
    >>> count_parameters(nn.Linear(3, 5))
    20
    """
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
