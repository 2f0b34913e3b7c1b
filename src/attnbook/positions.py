"""Positions: tell attention the order of the tokens, which it cannot see by itself.

Attention averages a set: shuffle the keys together with their values, and its output stays the same. So the order has
to be written into the vectors.

| way        | what happens at position p                      | source                             |
|------------|-------------------------------------------------|------------------------------------|
| sinusoidal | waves of many lengths are added to the token    | Vaswani et al. (2017), section 3.5 |
| learned    | a vector of its own is added to the token       | Gehring et al. (2017)              |
| rotary     | queries and keys are turned by p times an angle | Su et al. (2021), RoFormer         |
"""

import torch
from torch import Tensor, nn

from attnbook._checks import check_count, check_input, check_vectors, shape


def sinusoidal(
    n: int,
    d_model: int,
    start: int = 0,
    *,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str | None = None,
) -> Tensor:
    """Write positions as waves, from one turn in 2π tokens to one in 2π · 10000: the hands of many clocks.

        pe[p, 2i] = sin(p / 10000^(2i / d_model))        pe[p, 2i + 1] = cos(p / 10000^(2i / d_model))

    Args:
        n: number of positions.
        d_model: width of the tokens that they are added to; even.
        start: the first position.
        dtype, device: of the result.
    Returns:
        (n, d_model), numbers from -1 to 1.
    Raises:
        ValueError: d_model is odd, or n or start is negative.
    Cost: O(n d_model) time and memory; no parameters.
    Source: Vaswani et al. (2017), section 3.5.

    >>> sinusoidal(3, 4)
    tensor([[ 0.0000,  1.0000,  0.0000,  1.0000],
            [ 0.8415,  0.5403,  0.0100,  0.9999],
            [ 0.9093, -0.4161,  0.0200,  0.9998]])
    """
    angle = _angles(n, d_model, start, dtype, device)
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2).to(dtype)  # (n, d/2, 2) -> (n, d)


class LearnedPositions(nn.Module):
    """Add a learned vector to each token, one for each position up to a longest sequence.

        output_p = x_p + table_p

    Args:
        max_len: the longest sequence.
        d_model: width of the tokens.
    Raises (when called):
        ValueError: the sequence ends beyond max_len, or x has another width than d_model.
        TypeError: x is not floating-point, or not of the parameters' dtype.
    Cost: O(n d_model) time; max_len · d_model parameters.
    Source: Gehring et al. (2017), "Convolutional sequence to sequence learning", section 3.1.

    >>> import torch
    >>> LearnedPositions(max_len=10, d_model=4)(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 3, 4])
    """

    def __init__(self, max_len: int, d_model: int) -> None:
        super().__init__()
        check_count("max_len", max_len)
        check_count("d_model", d_model)
        self.table = nn.Parameter(torch.randn(max_len, d_model) * 0.02)  # small, as in GPT-2: a hint, not a shout

    def forward(self, x: Tensor, start: int = 0) -> Tensor:
        """Tokens x (..., n, d_model), the first of them at position start, with their positions added."""
        check_input("x", x, self.table)
        check_count("start", start, least=0)
        end = start + x.shape[-2]
        if end > len(self.table):
            raise ValueError(f"there are {len(self.table)} learned positions; x {shape(x)} from {start} on needs {end}")
        return x + self.table[start:end]


def rotary(x: Tensor, start: int = 0) -> Tensor:
    """Turn each pair of numbers by an angle that grows with the position: apply it to queries and to keys.

        (x_2i, x_2i+1) at position p turns by p · θ_i,        θ_i = 10000^(-2i / d)

    The dot product of two turned vectors depends on the difference of their positions alone. So a score sees how far
    a key is away, and no vector is added that the values would have to carry.

    Args:
        x: queries or keys, (..., n, d), d even.
        start: position of the first; with a cache, the number of tokens before.
    Returns:
        (..., n, d), of the same lengths as x.
    Raises:
        ValueError: d is odd, or start is negative.
        TypeError: x is not floating-point.
    Cost: O(n d) time and memory; no parameters.
    Source: Su et al. (2021), "RoFormer", eq. 34; neighbours form a pair, as there. Some libraries pair x_i with
        x_(i + d/2), which is the same up to the order of the numbers.

    >>> import torch
    >>> rotary(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))
    tensor([[1.0000, 0.0000],
            [0.5403, 0.8415]])
    """
    check_vectors("x", x)
    n, d = x.shape[-2:]
    angle = _angles(n, d, start, x.dtype, x.device)
    cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2)


def _angles(n: int, d: int, start: int, dtype: torch.dtype, device: torch.device | str | None) -> Tensor:
    check_count("n", n, least=0)
    check_count("start", start, least=0)
    if d % 2 or d < 2:
        raise ValueError(f"the width should be even, since positions turn pairs of numbers, got {d}")
    # bfloat16 counts in steps of two from 256 on, so angles need float32 at least.
    dtype = torch.promote_types(dtype, torch.float32)
    position = torch.arange(start, start + n, dtype=dtype, device=device)
    frequency = 10000 ** (-torch.arange(0, d, 2, dtype=dtype, device=device) / d)
    return position[:, None] * frequency  # (n, d/2)
