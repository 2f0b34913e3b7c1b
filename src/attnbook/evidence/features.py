"""How near do random features come to the softmax? The Performer's error by length of the vectors, width and m.

Queries, keys and values are drawn from normal distributions, queries and keys with standard deviation `size`. The error
is |estimate - softmax| / |softmax|, over all queries. Five ways to guess what softmax attention would give:

| kind        | what                                                                                         |
|-------------|----------------------------------------------------------------------------------------------|
| `mean`      | the plain mean of the values, which looks at neither queries nor keys                        |
| `bare`      | the paper's features: orthogonal directions, each with a length of its own                    |
| `floor`     | the same with 10⁻⁴ added to each feature, once the largest is 1, as the authors' program does |
| `paired`    | our directions: each with its opposite, equally long in a block                              |
| `performer` | the same with long vectors shortened: `performer_attention`                                  |
"""

import math
from typing import Any

import torch
from torch import Tensor

from attnbook.attention import scaled_dot_product_attention
from attnbook.efficient.performer import orthogonal_features, performer_attention
from attnbook.evidence import save_results

N, D_V = 512, 64
WIDTHS = (4, 16, 64)
FEATURES = (64, 266, 1024)  # 266 is 64 ln 64, which performer_pytorch takes by itself for width 64
SIZES = (0.1, 0.25, 0.5, 0.75, 1.0, 1.5)
SEEDS = 5
KINDS = ("mean", "bare", "floor", "paired", "performer")
FLOOR = 1e-4


def relative_variance(length: float, m: int, paired: bool = False) -> float:
    """Variance of the estimated weight of a key, divided by the square of the true one.

        single: (exp(z²) - 1) / m        paired: (exp(z²) - 1) (1 - exp(-z²)) / m        z = |q + k|

    Since E exp(w·z) = exp(z²/2), the estimate's second moment is exp(2z²) where the square of its mean is exp(z²). A
    pair exp(w·z) + exp(-w·z) loses all odd powers of w·z.

    Args:
        length: |q + k|, after both were divided by d_k^¼.
        m: number of features, from independent normal directions.
        paired: whether each direction comes with its opposite.
    Source: Choromanski et al. (2021), lemma 2.

    >>> round(relative_variance(1.0, 100), 4), round(relative_variance(1.0, 100, paired=True), 4)
    (0.0172, 0.0109)
    >>> round(relative_variance(4.0, 100))  # vectors of 64 normal numbers: |q + k|² is about 16
    88861
    """
    single = math.expm1(length**2) / m
    return single * -math.expm1(-(length**2)) if paired else single


def paper_directions(m: int, d: int, seed: int) -> Tensor:
    """Orthogonal in blocks of d, each with the length of a normal vector of its own: (m, d), float64.

    >>> paper_directions(7, 3, seed=0).shape
    torch.Size([7, 3])
    """
    normal = torch.randn(2, -(-m // d), d, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    turned, _ = torch.linalg.qr(normal[0])
    return (turned.mT * normal[1].norm(dim=-1, keepdim=True)).flatten(0, 1)[:m]


def estimate(q: Tensor, k: Tensor, v: Tensor, w: Tensor, floor: float = 0.0) -> Tensor:
    """Attention by the features exp(w·x - |x|²/2) + floor, written with all pairs, as the formula stands.

    Args:
        q, k, v: (n_q, d), (n_k, d) and (n_k, d_v).
        w: (m, d).
        floor: added to each feature, in units of the largest exp(w·q) of a query, and of the largest exp(w·k) of all.
    Returns:
        (n_q, d_v).

    >>> import torch
    >>> estimate(torch.zeros(1, 2), torch.zeros(3, 2), torch.tensor([[1.0], [2.0], [6.0]]), torch.ones(5, 2))
    tensor([[3.]])
    """
    q, k = (x / x.shape[-1] ** 0.25 for x in (q, k))
    at_q, at_k = q @ w.T, k @ w.T  # (n, m)
    largest = at_q.amax(dim=-1, keepdim=True), at_k.amax()
    phi_q, phi_k = (
        (at - x.square().sum(dim=-1, keepdim=True) / 2 - most).exp() + floor
        for x, at, most in zip((q, k), (at_q, at_k), largest, strict=True)
    )
    weights = phi_q @ phi_k.T
    return weights @ v / weights.sum(dim=-1, keepdim=True)


def run(d: int, m: int, size: float, seed: int) -> dict[str, Any]:
    """Draw one attention, and measure each kind's relative error: a row of the results file.

    >>> sorted(run(4, 64, 0.5, seed=0)["error"]) == sorted(KINDS)
    True
    """
    generator = torch.Generator().manual_seed(seed)
    q, k, v = (torch.randn(N, width, generator=generator, dtype=torch.float64) for width in (d, d, D_V))
    q, k = size * q, size * k
    exact, _ = scaled_dot_product_attention(q, k, v)
    paper, ours = paper_directions(m, d, seed), orthogonal_features(m, d, seed=seed, dtype=torch.float64)
    guesses = {
        "mean": v.mean(dim=0),
        "bare": estimate(q, k, v, paper),
        "floor": estimate(q, k, v, paper, FLOOR),
        "paired": estimate(q, k, v, torch.cat([ours, -ours])),
        "performer": performer_attention(q, k, v, ours),
    }
    error = {kind: ((guess - exact).norm() / exact.norm()).item() for kind, guess in guesses.items()}
    return {"d": d, "m": m, "size": size, "seed": seed, "error": {kind: round(x, 6) for kind, x in error.items()}}


def mean_error(runs: list[dict[str, Any]], kind: str, d: int, m: int, size: float) -> float:
    """A kind's error in the rows of one setting, averaged over the seeds.

    >>> from attnbook.evidence import load_results
    >>> runs = load_results("features")["runs"]
    >>> mean_error(runs, "performer", 64, 266, 0.5) < mean_error(runs, "mean", 64, 266, 0.5)
    True
    """
    errors = [row["error"][kind] for row in runs if (row["d"], row["m"], row["size"]) == (d, m, size)]
    if not errors:
        raise ValueError(f"there are no results for d {d}, m {m} and size {size}")
    return sum(errors) / len(errors)


def plan() -> list[dict[str, Any]]:
    """Every setting: `run`'s arguments.

    >>> len(plan())
    270
    """
    return [
        {"d": d, "m": m, "size": size, "seed": seed}
        for d in WIDTHS
        for m in FEATURES
        for size in SIZES
        for seed in range(SEEDS)
    ]


def recompute() -> None:
    """Measure every setting (a minute), and write the results."""
    runs = [run(**arguments) for arguments in plan()]
    for d, m, size in dict.fromkeys((row["d"], row["m"], row["size"]) for row in runs):
        told = ", ".join(f"{kind} {mean_error(runs, kind, d, m, size):.3f}" for kind in KINDS)
        print(f"d {d}, m {m}, size {size}: {told}", flush=True)
    save_results("features", runs)
