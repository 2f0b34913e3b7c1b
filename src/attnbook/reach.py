"""Reach: how far does information come through layers that all have the same mask?

In one layer a query hears from the keys that its mask lets through. In the next, those keys bring what they have heard
themselves. So a mask with few links may still let every token reach every other, in a few layers. What a token has,
it keeps (the residual connection), so that it reaches itself without a link.
"""

import torch
from torch import Tensor

from attnbook._checks import check_count, shape


def reach(mask: Tensor, layers: int) -> Tensor:
    """Tell whose information can have come to whom after so many layers.

        reach = (I or mask)^layers, a product of boolean matrices

    Args:
        mask: bool, (..., n, n); True = may attend.
        layers: how many, 0 or more.
    Returns:
        bool, (..., n, n): True where information of key j can have come to query i.
    Raises:
        ValueError: the mask is not square, or layers is negative.
        TypeError: the mask is not boolean.
    Cost: O(n³ · layers) time, O(n²) memory.
    Source: Child et al. (2019), "Generating long sequences with sparse transformers", section 4.2.

    >>> from attnbook.masks import sliding_window
    >>> [reach(sliding_window(7, 1), layers)[3].int().tolist() for layers in (1, 2)]
    [[0, 0, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1, 0]]
    """
    check_count("layers", layers, least=0)
    links = _links(mask)
    reached = torch.eye(links.shape[-1], device=links.device).expand_as(links)
    for _ in range(layers):
        reached = _one_layer_more(links, reached)
    return reached > 0


def hops(mask: Tensor) -> Tensor:
    """Count the layers that information of key j needs, at least, to come to query i.

    Args:
        mask: bool, (..., n, n); True = may attend.
    Returns:
        int64, (..., n, n): 0 from a token to itself, 1 along a link, and so on; −1 where no number of layers is enough.
        The largest entry of a row is how many layers that query needs to hear from all that can ever reach it.
    Raises:
        ValueError: the mask is not square.
        TypeError: the mask is not boolean.
    Cost: O(n³ · largest entry) time, O(n²) memory.

    >>> from attnbook.masks import causal, global_tokens, sliding_window
    >>> hops(sliding_window(5, 1))[4].tolist()
    [4, 3, 2, 1, 0]
    >>> hops(sliding_window(5, 1) | global_tokens(5, [0]))[4].tolist()  # the global token is a short cut
    [1, 2, 2, 1, 0]
    >>> hops(causal(3)).tolist()
    [[0, -1, -1], [1, 0, -1], [1, 1, 0]]
    """
    links = _links(mask)
    reached = torch.eye(links.shape[-1], device=links.device).expand_as(links)
    layers = torch.where(reached > 0, 0, -1)
    for layer in range(1, links.shape[-1]):
        reached = _one_layer_more(links, reached)
        new = (reached > 0) & (layers < 0)
        if not new.any():
            break
        layers = torch.where(new, layer, layers)
    return layers


def path(mask: Tensor, key: int, query: int) -> list[int] | None:
    """Find a shortest way for information from a key to a query: the tokens that it passes through, layer by layer.

    Args:
        mask: bool, (n, n); True = may attend.
        key: the token where the information is.
        query: the token that asks for it.
    Returns:
        the tokens from key to query, both included; None if there is no way. Where several are equally short, each
        step goes as near to the query as it can.
    Raises:
        ValueError: the mask is not a square matrix, or key or query is outside 0 to n - 1.
        TypeError: the mask is not boolean.
    Cost: that of `hops`.

    >>> from attnbook.masks import global_tokens, sliding_window
    >>> path(sliding_window(32, 2) | global_tokens(32, [0]), key=3, query=29)
    [3, 0, 29]
    """
    layers = hops(mask)
    if mask.dim() != 2:
        raise ValueError(f"mask should have shape (n, n), got {shape(mask)}: a path lies in one sequence")
    for name, token in (("key", key), ("query", query)):
        check_count(name, token, least=0)
        if token >= len(mask):
            raise ValueError(f"{name} should lie between 0 and n - 1 = {len(mask) - 1}, got {token}")
    if layers[query, key] < 0:
        return None
    way = [key]
    while way[-1] != query:
        onward = mask[:, way[-1]] & (layers[query] == layers[query, way[-1]] - 1)
        way.append(min(onward.nonzero()[:, 0].tolist(), key=lambda token: abs(query - token)))
    return way


def _links(mask: Tensor) -> Tensor:
    """Each token's links, that to itself included, as numbers: matrices of bools have no product in torch."""
    if not isinstance(mask, Tensor) or mask.dtype != torch.bool:
        given = mask.dtype if isinstance(mask, Tensor) else type(mask).__name__
        raise TypeError(f"mask should be a boolean tensor in which True means 'may attend', got {given}")
    if mask.dim() < 2 or mask.shape[-1] != mask.shape[-2]:
        raise ValueError(f"mask should have as many queries as keys, (..., n, n), got {shape(mask)}")
    return (mask | torch.eye(mask.shape[-1], dtype=torch.bool, device=mask.device)).float()


def _one_layer_more(links: Tensor, reached: Tensor) -> Tensor:
    # A positive sum says that one of the keys has it. Back to 0 and 1, so that the sums cannot grow beyond all bounds.
    return (links @ reached > 0).float()
