"""Measure influence at the output: by leaving tokens out, or by slopes."""

from collections.abc import Callable

import torch
from torch import Tensor

from attnbook._checks import check_count, check_vectors

Output = Callable[[Tensor], Tensor]  # a batch of inputs (b, n, ...) -> outputs (b,), each row by itself
MOST = 12  # tokens of which all choices are tried


@torch.no_grad()
def leave_one_out(f: Output, x: Tensor, blank: Tensor) -> Tensor:
    """How much the output falls when one token is replaced by a blank: f(x) − f(x without token i), for each i.

    Args:
        f: maps a batch of inputs (b, n, ...) to outputs (b,).
        x: one input, (n,) token numbers or (n, d) vectors.
        blank: what stands in place of a token; broadcasts to x.
    Returns:
        (n,).
    Cost: n + 1 forward passes, here in one batch.
    Source: Li, Monroe and Jurafsky (2016), who call it erasure.

    >>> import torch
    >>> leave_one_out(lambda x: x[..., 0] * x[..., 1], torch.tensor([2.0, 3.0, 5.0]), torch.tensor(0.0))
    tensor([6., 6., 0.])
    """
    one = _over_tokens(torch.eye(len(x), dtype=torch.bool, device=x.device), x)
    outputs = f(torch.cat([x[None], torch.where(one, blank, x)]))
    return outputs[0] - outputs[1:]


@torch.no_grad()
def knock_outs(f: Output, x: Tensor, blank: Tensor) -> Tensor:
    """The output for every choice of tokens that are blanked: number s blanks token i where bit i of s is 1.

    Args:
        f, x, blank: as in `leave_one_out`.
    Returns:
        (2ⁿ,): the first is the whole input's, the last that of blanks alone.
    Raises:
        ValueError: there are more than 12 tokens, and so more than 4,096 choices.
    Cost: 2ⁿ forward passes, here in one batch.

    >>> import torch
    >>> knock_outs(lambda x: x.sum(dim=-1), torch.tensor([1.0, 10.0]), torch.tensor(0.0))
    tensor([11., 10.,  1.,  0.])
    """
    return f(torch.where(_over_tokens(choices(len(x), x.device), x), blank, x))


def choices(n: int, device: torch.device | str | None = None) -> Tensor:
    """All choices of n tokens, bool (2ⁿ, n): row s holds the bits of s, the lowest first.

    Raises:
        ValueError: n is not from 1 to 12.

    >>> choices(2).int().tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    check_count("n", n)
    if n > MOST:
        raise ValueError(f"at most {MOST} tokens can be tried in all 2ⁿ choices, got {n}")
    numbers = torch.arange(2**n, device=device)
    return (numbers[:, None] >> torch.arange(n, device=device)) % 2 == 1


def gradient_times_input(f: Output, x: Tensor, baseline: Tensor) -> Tensor:
    """The output's slope at each token, times the token's step from a baseline: Σ_d (x − baseline) ∂f/∂x.

    Args:
        f: maps a batch of vectors (b, n, d) to outputs (b,); differentiable.
        x: one input, (n, d).
        baseline: what counts as nothing; broadcasts to x.
    Returns:
        (n,): for a linear f exactly what leaving each token out would change.
    Cost: one forward and one backward pass.
    Source: Shrikumar et al. (2017) and Ancona et al. (2018).

    >>> import torch
    >>> f = lambda x: x.square().sum(dim=(-2, -1))
    >>> gradient_times_input(f, torch.tensor([[1.0], [3.0]]), torch.zeros(1))
    tensor([ 2., 18.])
    """
    check_vectors("x", x)
    step = x.detach() - baseline.detach()
    return (_slopes(f, x.detach()[None])[0] * step).sum(dim=-1)


def integrated_gradients(f: Output, x: Tensor, baseline: Tensor, steps: int = 64) -> Tensor:
    """The slope averaged along the straight way from the baseline to the input, times the step.

        IG_i = Σ_d (x − baseline)_id ∫₀¹ ∂f/∂x_id (baseline + t (x − baseline)) dt

    The answers sum to f(x) − f(baseline), up to the error of the steps. So nothing is lost and nothing is invented.

    Args:
        f, x, baseline: as in `gradient_times_input`.
        steps: points on the way, the middles of as many equal parts.
    Returns:
        (n,).
    Cost: `steps` forward and backward passes, here in one batch.
    Source: Sundararajan et al. (2017), eq. 1 and 3.

    >>> import torch
    >>> f = lambda x: x.square().sum(dim=(-2, -1))
    >>> integrated_gradients(f, torch.tensor([[1.0], [3.0]]), torch.zeros(1))
    tensor([1., 9.])
    """
    check_vectors("x", x)
    check_count("steps", steps)
    step = x.detach() - baseline.detach()
    middles = (torch.arange(steps, dtype=x.dtype, device=x.device) + 0.5) / steps
    points = x.detach() - (1 - middles)[:, None, None] * step  # (steps, n, d)
    return (_slopes(f, points).mean(dim=0) * step).sum(dim=-1)


def _slopes(f: Output, x: Tensor) -> Tensor:
    x = x.clone().requires_grad_()
    with torch.enable_grad():
        (slopes,) = torch.autograd.grad(f(x).sum(), x)
    return slopes


def _over_tokens(gone: Tensor, x: Tensor) -> Tensor:
    # (choices, n) -> (choices, n, 1, ...), so that a choice counts for all numbers of a token
    return gone.reshape(*gone.shape, *[1] * (x.dim() - 1))
