"""What all methods ask of their inputs."""

import torch
from torch import Tensor

from attnbook._checks import check_mask_fits, check_qkv, shape


def check_inputs(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool = False, one_length: bool = False
) -> None:
    """Raise unless q (..., n_q, d_k), k (..., n_k, d_k) and v (..., n_k, d_v) fit, and the mask hides keys.

    Args:
        mask: bool, broadcasts to (..., 1, n_k), as `masks.padding` makes it; True = may attend. A mask with a row for
            each query would be as large as what an efficient method avoids.
        causal: whether each query must have a key of its own, n_k >= n_q.
        one_length: whether queries and keys are those of one sequence, n_q = n_k.
    """
    check_qkv(q, k, v)
    n_q, n_k = q.shape[-2], k.shape[-2]
    if one_length and n_q != n_k:
        raise ValueError(f"q and k should have one length, for the pattern is that of one sequence; got q {shape(q)} "
                         f"and k {shape(k)}")  # fmt: skip
    if causal and n_k < n_q:
        raise ValueError(f"k should be at least as long as q where causal, got q {shape(q)} and k {shape(k)}")
    if mask is not None:
        if isinstance(mask, Tensor) and mask.dim() >= 2 and mask.shape[-2] != 1:
            raise ValueError(f"mask should hide keys, the same for all queries: (..., 1, n_k), got {shape(mask)}")
        leading = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
        check_mask_fits(mask, (*leading, 1, n_k), q.device)
