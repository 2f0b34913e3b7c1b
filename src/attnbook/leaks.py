"""The leak test: which inputs move which outputs? A mask says who may see whom, and this finds out who does.

It looks at a model from outside, so it works on any: attention, recurrent, convolutional. Vectors are tested by
gradients, tokens by putting others in their place.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from attnbook._checks import check_count, shape

Model = Callable[[Tensor], Tensor | tuple[Tensor, ...]]
TRIALS = 2  # other tokens put in a token's place, since a model might treat one of them like the true one


def influence(model: Model, inputs: Tensor, tolerance: float = 1e-6) -> Tensor:
    """Find out which positions of the input move which positions of the output.

    The model is taken in the mode that it is in. In training mode dropout draws the same each time, but running
    statistics (BatchNorm) are updated as ever.

    Args:
        model: inputs -> output (..., n, d), or a tuple whose first is that. A model that wants more gets it from a
            lambda: `lambda x: encoder(x, mask)`.
        inputs: vectors (..., n, d_in), or tokens, int, (..., n), at least two different ones. Leading axes are looked
            at together: a link in one sequence of the batch, or from one to another, counts.
        tolerance: an influence below this share of the largest is rounding.
    Returns:
        bool, (n, n), on the inputs' device: True where input j (column) moves output i (row). To be read beside
        `reach.reach(mask, layers)`.
    Raises:
        ValueError: the output has not the inputs' number of positions, is not finite, or does not depend on the
            inputs by gradients (it was computed under `no_grad`); or all tokens are the same.
        TypeError: the output is not a floating-point tensor.
    Cost: vectors, one pass forward and n backward; tokens, 2 n + 1 passes forward. O(n²) memory. A path that gradients
        do not take (a rounding, a `detach`, an argmax) is seen with tokens alone.

    >>> import torch
    >>> def shift(x):  # each position shows the next one
    ...     return x.roll(-1, dims=-2)
    >>> influence(shift, torch.randn(3, 2)).int()
    tensor([[0, 1, 0],
            [0, 0, 1],
            [1, 0, 0]], dtype=torch.int32)
    """
    if inputs.is_floating_point():
        strengths = torch.stack(list(_by_gradients(model, inputs)))  # (n of outputs, n of inputs)
    else:
        strengths = torch.stack(list(_by_replacing(model, inputs)), dim=1)
    return strengths > tolerance * strengths.max()


def future_leaks(model: Model, inputs: Tensor, tolerance: float = 1e-6) -> list[tuple[int, int]]:
    """Find where a model that should read from left to right looks ahead.

    Args:
        model, inputs, tolerance: as in `influence`.
    Returns:
        the pairs (i, j) with j > i for which input j moves output i. Empty, if the model is causal.
    Raises: as `influence`.
    Cost: that of `influence`.

    >>> import torch
    >>> from attnbook.masks import causal
    >>> from attnbook.multihead import MultiHeadAttention
    >>> attention, x = MultiHeadAttention(8, num_heads=2), torch.randn(3, 8)
    >>> future_leaks(lambda x: attention(x, mask=causal(3)), x)
    []
    >>> future_leaks(attention, x)
    [(0, 1), (0, 2), (1, 2)]
    """
    return [(i, j) for i, j in influence(model, inputs, tolerance).nonzero().tolist() if j > i]


def padding_leaks(model: Model, inputs: Tensor, length: int, tolerance: float = 1e-6) -> list[tuple[int, int]]:
    """Find where what fills up a sequence moves what a model says about its true tokens.

    Args:
        model, inputs, tolerance: as in `influence`.
        length: number of true tokens; what stands behind them is filling.
    Returns:
        the pairs (i, j) with i < length <= j for which input j moves output i. Empty, if the filling is hidden.
    Raises:
        ValueError: length is negative; and as `influence`.
    Cost: that of `influence`.

    >>> import torch
    >>> padding_leaks(lambda x: x - x.mean(dim=-2, keepdim=True), torch.randn(3, 2), length=2)
    [(0, 2), (1, 2)]
    """
    check_count("length", length, least=0)
    return [(i, j) for i, j in influence(model, inputs, tolerance).nonzero().tolist() if i < length <= j]


def _by_gradients(model: Model, inputs: Tensor) -> Iterator[Tensor]:
    """For each position of the output, how strongly each position of the input moves it, (n,)."""
    with torch.enable_grad():
        x = inputs.detach().clone().requires_grad_()
        output = _output(model, x, n=x.shape[-2])
        if not output.requires_grad:
            raise ValueError("the output should have a gradient to its inputs; was it computed under no_grad?")
        # A random direction for each vector: plain sums may stand still where the vector moves, as after LayerNorm.
        generator = torch.Generator().manual_seed(0)
        directions = torch.randn(output.shape, generator=generator).to(output)
        projected = (output * directions).sum(dim=-1).reshape(-1, x.shape[-2]).sum(dim=0).unbind()  # n numbers
    for number in projected:
        (gradient,) = torch.autograd.grad(number, x, retain_graph=True)
        yield gradient.abs().amax(dim=-1).reshape(-1, x.shape[-2]).amax(dim=0)


def _by_replacing(model: Model, tokens: Tensor) -> Iterator[Tensor]:
    """For each position of the input, how far other tokens there move each position of the output, (n,)."""
    n = tokens.shape[-1]
    known = tokens.unique()
    if len(known) < 2:
        raise ValueError(f"tokens should hold at least two different ones, got {known.tolist()} in {shape(tokens)}")
    state = torch.get_rng_state()
    with torch.no_grad():
        before = _output(model, tokens, n)
        for j in range(n):
            moved = torch.zeros(n, dtype=before.dtype, device=before.device)
            for trial in range(1, min(TRIALS, len(known) - 1) + 1):
                other = tokens.clone()
                # `trial` places further in the list of the tokens that occur: never the same token.
                other[..., j] = known[(torch.searchsorted(known, tokens[..., j].contiguous()) + trial) % len(known)]
                torch.set_rng_state(state)  # dropout drops the same
                change = (_output(model, other, n) - before).abs().amax(dim=-1)
                moved = torch.maximum(moved, change.reshape(-1, n).amax(dim=0))
            yield moved


def _output(model: Model, inputs: Tensor, n: int) -> Tensor:
    output = model(inputs)
    output = output[0] if isinstance(output, tuple) else output
    if not isinstance(output, Tensor) or not output.is_floating_point():
        given = output.dtype if isinstance(output, Tensor) else type(output).__name__
        raise TypeError(f"the model should return floating-point vectors (..., n, d), got {given}")
    if output.dim() < 2 or output.shape[-2] != n:
        raise ValueError(f"the model should return a vector for each of the {n} positions, got {shape(output)}")
    if not output.isfinite().all():
        raise ValueError("the output should be finite, got NaN or infinity: no influence can be told from it")
    return output
