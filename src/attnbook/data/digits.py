"""Handwritten digits: 1,797 real images of 8 × 8 pixels, which scikit-learn carries whole.

Preprinted forms were filled in by hand, scanned, and cut into 32 × 32 black and white pixels; each of the 64 numbers
counts the black ones in a square of 4 × 4. These are the test images of the original set, by 13 writers. A split at
random lets a writer's digits into both parts, so it says nothing about handwriting that was never seen.
"""

import importlib.util

import numpy as np
import torch
from torch import Tensor

from attnbook._checks import check_count

MISSING = "the digits come with scikit-learn, which is not installed: pip install scikit-learn"


def digits() -> tuple[Tensor, Tensor]:
    """The images and what they show.

    Returns:
        images (1797, 8, 8), float32 from 0 (paper) to 1 (ink), and labels (1797,), int64 from 0 to 9.
    Raises:
        ImportError: scikit-learn is not installed; the message says how to install it.
    Source: E. Alpaydin, C. Kaynak (1998), "Optical recognition of handwritten digits", UCI Machine Learning Repository,
        CC BY 4.0, as `sklearn.datasets.load_digits` carries it.

    >>> images, labels = digits()
    >>> images.shape, labels[:5].tolist()
    (torch.Size([1797, 8, 8]), [0, 1, 2, 3, 4])
    >>> for row in images[7]:
    ...     print("".join("#" if ink > 0.5 else "-" for ink in row))
    ----###-
    -----##-
    -----#--
    ----##--
    --###---
    ---#----
    --##----
    --#-----
    """
    if importlib.util.find_spec("sklearn") is None:
        raise ImportError(MISSING)
    from sklearn.datasets import load_digits

    data = load_digits()
    return torch.from_numpy((data.images / 16).astype(np.float32)), torch.from_numpy(data.target.astype(np.int64))


def split(labels: Tensor, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Set a fifth of the examples apart for testing, and put the others into an order of which any beginning is fair.

    Both parts have each class's share of the whole. So has, up to rounding, any beginning of the training part:
    `train[:100]` is a training set of 100 examples, some ten of each digit, and a part of `train[:200]`.

    Args:
        labels: (n,), int64.
        seed: of the training part's order. The test part is the same for every seed.
    Returns:
        the numbers of the examples to train on, (n - n // 5 or so,), and to test on; together all, each once.
    Raises:
        ValueError: labels is not (n,).

    >>> _, labels = digits()
    >>> train, test = split(labels)
    >>> len(train), len(test), labels[train[:100]].bincount().tolist()
    (1438, 359, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10])
    """
    if labels.dim() != 1:
        raise ValueError(f"labels should have shape (n,), got {tuple(labels.shape)}")
    check_count("seed", seed, least=0)
    everything = torch.arange(len(labels))
    order = _fair_order(labels, everything, seed=0)
    test, rest = order[: len(labels) // 5], order[len(labels) // 5 :]
    return _fair_order(labels, rest, seed), test


def _fair_order(labels: Tensor, examples: Tensor, seed: int) -> Tensor:
    """The examples, shuffled within each class, the classes' queues running at such a pace that all end together."""
    generator = torch.Generator().manual_seed(seed)
    shuffled = examples[torch.randperm(len(examples), generator=generator)]
    place = torch.empty(len(shuffled), dtype=torch.float64)
    for label in labels[shuffled].unique():
        members = (labels[shuffled] == label).nonzero()[:, 0]
        place[members] = (torch.arange(len(members), dtype=torch.float64) + 0.5) / len(members)
    return shuffled[place.argsort(stable=True)]
