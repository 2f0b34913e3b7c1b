"""Compare two pictures: by their order, by their distance, and whether one output may have both."""

import torch
from torch import Tensor

from attnbook._checks import check_alike, check_vectors, shape


def kendall(a: Tensor, b: Tensor) -> float:
    """How far two rows of numbers agree on the order: 1 the same, 0 nothing in common, −1 reversed.

        τ = (C − D) / √((P − ties in a) (P − ties in b))

    Of all P pairs of places, C are in the same order in both rows and D in opposite orders.

    Args:
        a, b: (n,).
    Returns:
        τ, from −1 to 1; 0 where all numbers of a row are equal, for then it has no order.
    Raises:
        ValueError: the rows have different lengths, or fewer than two numbers.
    Cost: O(n²).
    Source: Kendall (1945), τ_b.

    >>> kendall(torch.tensor([1.0, 2.0, 3.0]), torch.tensor([10.0, 30.0, 20.0]))  # two pairs agree, one does not
    0.3333333333333333
    """
    if a.shape != b.shape or a.dim() != 1 or len(a) < 2:
        raise ValueError(f"a and b should have one shape (n,) with n of 2 or more, got {shape(a)} and {shape(b)}")
    i, j = torch.triu_indices(len(a), len(a), offset=1)
    one, other = (a[i] - a[j]).sign(), (b[i] - b[j]).sign()
    ordered = one.abs().sum().item() * other.abs().sum().item()
    return (one * other).sum().item() / ordered**0.5 if ordered else 0.0


def total_variation(p: Tensor, q: Tensor) -> Tensor:
    """The share of the weight that must be moved to turn p into q: half the sum of the differences.

    Args:
        p, q: (..., n), each row summing to 1.
    Returns:
        (...), from 0 (the same) to 1 (nothing in common).

    >>> total_variation(torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.25, 0.5, 0.25]))
    tensor(0.2500)
    """
    return (p - q).abs().sum(dim=-1) / 2


def other_weights(weights: Tensor, values: Tensor, steps: int = 40) -> Tensor:
    """Other weights with the same output, as far from these as can be found.

        find w' with  w' V = w V,  Σ w' = 1,  w' ≥ 0  and the smallest Σ w w'

    The output fixes d_v + 1 numbers. With more keys than that, the weights are free in what remains. This walks from w
    through the inside of what is allowed, and never leaves it (affine scaling, a method for linear programs).

    Args:
        weights: (..., n_k), positive, each row summing to 1. Give float64: the equations are solved to its precision.
        values: (..., n_k, d_v).
        steps: of the walk; each goes nine tenths of the way to the edge.
    Returns:
        (..., n_k): w itself, up to rounding, where the values leave no choice.
    Raises:
        TypeError: weights and values differ in dtype.
    Cost: O(steps · n_k d_v²).
    Source: that such weights exist: Brunner et al. (2020), section 3. The walk: Dikin (1967).

    >>> weights = torch.tensor([0.1, 0.8, 0.1], dtype=torch.float64)
    >>> values = torch.tensor([[1.0], [2.0], [3.0]], dtype=torch.float64)  # the second is the mean of the others
    >>> found = other_weights(weights, values)
    >>> found.round(decimals=3) + 0.0, (found @ values).round(decimals=6)
    (tensor([0.5000, 0.0000, 0.5000], dtype=torch.float64), tensor([2.], dtype=torch.float64))
    """
    check_vectors("values", values)
    check_alike("weights", weights, "values", values)
    fixed = torch.cat([values, torch.ones_like(values[..., :1])], dim=-1)  # (..., n_k, d_v + 1): w · fixed stays
    # Of the directions in weight space, these change the output or the sum; the others do not.
    u, s, _ = torch.linalg.svd(fixed, full_matrices=False)
    u = u * (s > 1e-10 * s[..., :1]).to(u.dtype).unsqueeze(-2)
    found = weights
    for _ in range(steps):
        scaled = found.unsqueeze(-1) * u  # (..., n_k, r)
        gram = scaled.mT @ scaled  # close to singular once few weights are left, hence the tiny ridge
        ridge = 1e-13 * gram.diagonal(dim1=-2, dim2=-1).mean(dim=-1, keepdim=True) + 1e-300
        right = scaled.mT @ (found * weights).unsqueeze(-1)
        dual = torch.linalg.solve(gram + torch.diag_embed(ridge.expand(*ridge.shape[:-1], gram.shape[-1])), right)
        step = -found.square() * (weights - (u @ dual).squeeze(-1))
        step = step - (u @ (u.mT @ step.unsqueeze(-1))).squeeze(-1)  # what rounding left of a change of the output
        room = torch.where(step < 0, -found / step.clamp(max=-1e-300), torch.inf).amin(dim=-1, keepdim=True)
        found = torch.where(room.isfinite(), found + 0.9 * room.clamp(max=1e12) * step, found).clamp(min=1e-300)
    return found
