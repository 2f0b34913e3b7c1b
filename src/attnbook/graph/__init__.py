"""Attention over neighbours: edge lists, and layers that attend along them."""

from attnbook.graph.edges import adjacency_mask, attend_along_edges, edge_softmax, sum_at_targets, with_self_loops
from attnbook.graph.layers import GraphAttention, GraphAttentionV2, GraphConvolution

__all__ = [
    "GraphAttention",
    "GraphAttentionV2",
    "GraphConvolution",
    "adjacency_mask",
    "attend_along_edges",
    "edge_softmax",
    "sum_at_targets",
    "with_self_loops",
]
