"""Graphs as data: the club, nearest neighbours, strangers, and look-up tables."""

import sys

import pytest
import torch
from torch.testing import assert_close

from attnbook.data import graphs
from attnbook.data.graphs import (
    both_ways,
    draw_look_ups,
    homophily,
    karate_club,
    look_up_edges,
    nearest_neighbours,
    with_strangers,
)


def test_the_karate_club_is_zacharys() -> None:
    edges, factions = karate_club()
    pairs = {tuple(pair) for pair in edges.T.tolist()}
    assert len(pairs) == 156
    assert pairs == {(j, i) for i, j in pairs}
    degrees = edges[1].bincount()
    assert (degrees[0], degrees[33], degrees.min()) == (16, 17, 1)
    assert factions.tolist()[:9] == [0] * 9


def test_without_networkx_the_message_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setattr(graphs.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "networkx", None)
    with pytest.raises(ImportError, match="pip install networkx"):
        karate_club()


def test_nearest_neighbours_are_those_of_all_distances() -> None:
    x = torch.randn(23, 5, dtype=torch.float64)
    edges = nearest_neighbours(x, 3)
    distances = torch.cdist(x, x).fill_diagonal_(torch.inf)
    assert_close(edges[0].view(23, 3), distances.topk(3, largest=False).indices)
    assert edges[1].tolist() == [i for i in range(23) for _ in range(3)]
    assert nearest_neighbours(torch.zeros(3, 2), 2).tolist() == [[1, 2, 0, 2, 0, 1], [0, 0, 1, 1, 2, 2]]  # ties


def test_strangers_are_new_and_as_many_as_asked() -> None:
    near = nearest_neighbours(torch.randn(23, 5), 3)
    edges = with_strangers(near, 23, 7, torch.Generator().manual_seed(0))
    assert edges.shape == (2, 23 * 10)
    assert edges[1].bincount().tolist() == [10] * 23
    assert len({tuple(pair) for pair in edges.T.tolist()}) == 230
    assert (edges[0] != edges[1]).all()
    assert torch.equal(edges, with_strangers(near, 23, 7, torch.Generator().manual_seed(0)))
    assert not torch.equal(edges, with_strangers(near, 23, 7, torch.Generator().manual_seed(1)))
    assert torch.equal(with_strangers(near, 23, 0, torch.Generator()), near)
    assert homophily(both_ways(near), torch.zeros(23)) == 1


def test_look_ups_ask_for_a_content_that_stands_there() -> None:
    nodes, wanted = draw_look_ups(torch.Generator().manual_seed(0), size=11, keys=5)
    assert nodes.shape == (11, 10, 10)
    assert torch.equal(wanted.sort(dim=1).values, torch.arange(5).expand(11, 5))
    queries, keys = nodes[:, :5], nodes[:, 5:]
    assert torch.equal(queries[..., :5], keys[..., :5])
    assert (queries[..., 5:] == 0).all()
    assert torch.equal(keys[..., 5:].argmax(dim=-1), wanted)
    edges = look_up_edges(5)
    assert edges.shape == (2, 25)
    assert edges[0].min() == 5
    assert edges[1].max() == 4


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match=r"\(n, d\) with more than k = 3 rows, got \(3, 2\)"):
        nearest_neighbours(torch.zeros(3, 2), 3)
    with pytest.raises(ValueError, match="per_node should be at most 1, the others that some node has left, got 2"):
        with_strangers(torch.tensor([[1], [0]]), 3, 2, torch.Generator())
    with pytest.raises(ValueError, match="keys should be at least 1, got 0"):
        look_up_edges(0)
