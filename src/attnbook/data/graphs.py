"""Graphs, as edge lists (2, n_edges): the source of each edge above its target, which may attend to it.

Three sorts: a club that split in two, with its friendships; nearest neighbours among vectors, with as many strangers
mixed in as one likes; and a look-up table, in which every query sees every key and wants one of them.
"""

import importlib.util

import torch
from torch import Tensor

from attnbook._checks import check_count, check_vectors

MISSING = "the karate club comes with networkx, which is not installed: pip install networkx"


def karate_club() -> tuple[Tensor, Tensor]:
    """The 34 members of a karate club, their 78 friendships, and whom each followed when the club split.

    Member 0 is the teacher, member 33 the club's president. Edges lead both ways.

    Returns:
        edges (2, 156), and factions (34,): 0 for the teacher's, 1 for the president's.
    Raises:
        ImportError: networkx is not installed; the message says how to install it.
    Source: Zachary (1977), as networkx stores it.

    >>> edges, factions = karate_club()
    >>> edges.shape, factions.bincount().tolist(), factions[[0, 33]].tolist()
    (torch.Size([2, 156]), [17, 17], [0, 1])
    """
    if importlib.util.find_spec("networkx") is None:
        raise ImportError(MISSING)
    import networkx

    club = networkx.karate_club_graph()
    factions = torch.tensor([int(club.nodes[member]["club"] == "Officer") for member in range(len(club))])
    return both_ways(torch.tensor(sorted(club.edges)).T), factions


def both_ways(edges: Tensor) -> Tensor:
    """The edges, and behind them the same edges turned round.

    >>> both_ways(torch.tensor([[0, 1], [2, 2]]))
    tensor([[0, 1, 2, 2],
            [2, 2, 0, 1]])
    """
    return torch.cat([edges, edges.flip(0)], dim=1)


def nearest_neighbours(x: Tensor, k: int) -> Tensor:
    """Edges to each vector from the k others that lie nearest to it. Where two are as near, the first one counts.

    Args:
        x: (n, d).
        k: neighbours of each, below n.
    Returns:
        edges, (2, n · k).
    Raises:
        ValueError: x is not (n, d), or k is not from 1 to n − 1.
    Cost: O(n² d) time, O(n²) memory.

    >>> nearest_neighbours(torch.tensor([[0.0], [1.0], [3.0]]), k=1)
    tensor([[1, 0, 1],
            [0, 1, 2]])
    """
    check_vectors("x", x)
    check_count("k", k)
    if x.dim() != 2 or k >= len(x):
        raise ValueError(f"x should be (n, d) with more than k = {k} rows, got {tuple(x.shape)}")
    # Differences, not products: equal distances of whole numbers stay equal, on every machine.
    distances = torch.stack([(x - row).square().sum(dim=1) for row in x])
    distances.fill_diagonal_(float("inf"))
    sources = distances.argsort(dim=1, stable=True)[:, :k]
    targets = torch.arange(len(x), device=x.device)[:, None].expand_as(sources)
    return torch.stack([sources.flatten(), targets.flatten()])


def with_strangers(edges: Tensor, num_nodes: int, per_node: int, generator: torch.Generator) -> Tensor:
    """The edges, and to each node from `per_node` others drawn by lot that it had no edge from.

    Args:
        edges: (2, n_edges), without edges from a node to itself.
        num_nodes: n.
        per_node: how many strangers each node gets; 0 for none.
        generator: of torch, on the CPU.
    Returns:
        edges, (2, n_edges + n · per_node).
    Raises:
        ValueError: some node has fewer others left.

    >>> edges = torch.tensor([[1, 0, 1], [0, 1, 2]])
    >>> with_strangers(edges, 3, 1, torch.Generator().manual_seed(0))
    tensor([[1, 0, 1, 2, 2, 0],
            [0, 1, 2, 0, 1, 2]])
    """
    check_count("per_node", per_node, least=0)
    taken = torch.eye(num_nodes, dtype=torch.bool)
    taken[edges[1], edges[0]] = True
    most = num_nodes - int(taken.sum(dim=1).max())
    if per_node > most:
        raise ValueError(f"per_node should be at most {most}, the others that some node has left, got {per_node}")
    lots = torch.rand(num_nodes, num_nodes, generator=generator).masked_fill(taken, -1.0)
    sources = lots.topk(per_node, dim=1).indices
    targets = torch.arange(num_nodes)[:, None].expand_as(sources)
    return torch.cat([edges, torch.stack([sources.flatten(), targets.flatten()])], dim=1)


def homophily(edges: Tensor, labels: Tensor) -> float:
    """The share of edges whose two nodes have the same label.

    >>> homophily(torch.tensor([[0, 1, 0], [1, 2, 2]]), torch.tensor([7, 7, 3]))  # one edge of three
    0.3333333333333333
    """
    return (labels[edges[0]] == labels[edges[1]]).double().mean().item()


def look_up_edges(keys: int) -> Tensor:
    """Edges of a look-up table: nodes 0 to keys − 1 are queries, the next are keys, and every query sees every key.

    >>> look_up_edges(2)
    tensor([[2, 3, 2, 3],
            [0, 0, 1, 1]])
    """
    check_count("keys", keys)
    nodes = torch.arange(keys)
    return torch.stack([keys + nodes.repeat(keys), nodes.repeat_interleave(keys)])


def draw_look_ups(generator: torch.Generator, size: int, keys: int) -> tuple[Tensor, Tensor]:
    """Look-up tables: key j has the name j and a content, and query i asks for the content of the key whose name is i.

    The contents are the numbers from 0 to keys − 1 in an order drawn by lot.

    Args:
        generator: of torch, on the CPU.
        size: b, how many tables.
        keys: how many keys each has, and how many queries.
    Returns:
        nodes (b, 2 keys, 2 keys), a name and a content as two one-hot vectors, where a query's content is all zeros;
        and what each query wants, (b, keys).
    Source: Brody, Alon and Yahav (2022), section 4.1, "DictionaryLookup".

    >>> nodes, wanted = draw_look_ups(torch.Generator().manual_seed(0), size=1, keys=2)
    >>> nodes[0].int(), wanted
    (tensor([[1, 0, 0, 0],
            [0, 1, 0, 0],
            [1, 0, 1, 0],
            [0, 1, 0, 1]], dtype=torch.int32), tensor([[0, 1]]))
    """
    check_count("size", size)
    check_count("keys", keys)
    wanted = torch.rand(size, keys, generator=generator).argsort(dim=1)
    one_hot = torch.eye(keys)
    names = one_hot.repeat(size, 2, 1)  # (b, 2 keys, keys)
    contents = torch.cat([torch.zeros(size, keys, keys), one_hot[wanted]], dim=1)
    return torch.cat([names, contents], dim=2), wanted
