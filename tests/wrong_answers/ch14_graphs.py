"""Wrong answers to chapter 14's exercises."""

# ruff: noqa: N803 (matrices are named as in the formula)

import torch
from torch.nn.functional import leaky_relu

from wrong_answers import Bank

BANK = Bank()

BANK.value("edge_weights", (1, 0.6, 6 / 11, 0.4, 5 / 11), "over outgoing edges", "\\*leave\\* a node")
BANK.value("edge_weights", [w / 17 for w in (1, 3, 6, 2, 5)], "over all edges", "over all edges")
BANK.value("edge_weights", (1, 3, 6, 2, 5), "not divided", "powers of e")
BANK.value("edge_weights", (0.5, 0.5, 0.5, 0.5, 1), "plain means", "evenly")
BANK.value("convolved", 5, "plain mean", "plain mean")
BANK.value("convolved", 20, "plain sum", "the sum")
BANK.value("convolved", 2.75, "no root", "square root")
BANK.value("convolved", 10, "the target's root alone", "target's degree alone")
BANK.value("convolved", 14, "the source's degree alone", "source's degree")
BANK.value("convolved", 4 + 2 / 6**0.5 + 2 + 6 / 6**0.5, "degrees of outgoing edges", "leave it were counted")
BANK.value("homophily", 0.6, "edges to oneself counted", "itself are counted")
BANK.value("homophily", 2 / 3, "the other share", "join two classes")
BANK.value("homophily", 2, "a count", "Which share")
BANK.value("homophily", 2 / 12, "of all pairs", "pairs of nodes")
BANK.value("homophily", 0.5, "right to wrong", "not by all")


# --- gat_weights -----------------------------------------------------------------------------------------------------


def gat_scores(x, W, a_q, a_k):
    mapped = x @ W.T
    return leaky_relu((mapped @ a_q).unsqueeze(1) + (mapped @ a_k).unsqueeze(0), 0.2)


def open_pairs(edges, n):
    mask = torch.zeros(n, n, dtype=torch.bool, device=edges.device)
    mask[edges[1], edges[0]] = True
    mask.fill_diagonal_(True)
    return mask


def hide(scores, mask):
    return scores.masked_fill(~mask, float("-inf")).softmax(dim=1)


@BANK.add("gat_weights", "source's row, target's column", "edges are turned around")
def rows_of_sources(x, edges, W, a_q, a_k):
    mask = torch.eye(len(x), dtype=torch.bool, device=x.device)
    mask[edges[0], edges[1]] = True
    return hide(gat_scores(x, W, a_q, a_k), mask)


@BANK.add("gat_weights", "no edge to oneself", "does not see itself|NaN in row")
def no_own_edge(x, edges, W, a_q, a_k):
    mask = torch.zeros(len(x), len(x), dtype=torch.bool)
    mask[edges[1], edges[0]] = True
    return hide(gat_scores(x, W, a_q, a_k), mask).nan_to_num()


@BANK.add("gat_weights", "empty rows are NaN", "NaN in row")
def empty_rows(x, edges, W, a_q, a_k):
    mask = torch.zeros(len(x), len(x), dtype=torch.bool)
    mask[edges[1], edges[0]] = True
    return hide(gat_scores(x, W, a_q, a_k), mask)


@BANK.add("gat_weights", "mask turned around", "mask is turned around")
def hidden_true(x, edges, W, a_q, a_k):
    mask = open_pairs(edges, len(x))
    return gat_scores(x, W, a_q, a_k).masked_fill(mask, -1e30).softmax(dim=-1)


@BANK.add("gat_weights", "no mask", "no mask")
def no_mask(x, edges, W, a_q, a_k):
    return gat_scores(x, W, a_q, a_k).softmax(dim=-1)


@BANK.add("gat_weights", "mask after the softmax", "masked afterwards")
def mask_after(x, edges, W, a_q, a_k):
    return gat_scores(x, W, a_q, a_k).softmax(dim=-1) * open_pairs(edges, len(x))


@BANK.add("gat_weights", "hidden scores are 0", "still take part")
def zero_scores(x, edges, W, a_q, a_k):
    return (gat_scores(x, W, a_q, a_k) * open_pairs(edges, len(x)).double()).softmax(dim=-1)


@BANK.add("gat_weights", "softmax down the columns", "over the targets")
def down_columns(x, edges, W, a_q, a_k):
    scores = gat_scores(x, W, a_q, a_k).masked_fill(~open_pairs(edges, len(x)), float("-inf"))
    return scores.softmax(dim=0)


@BANK.add("gat_weights", "edges both ways", "both ways")
def both_ways(x, edges, W, a_q, a_k):
    mask = open_pairs(edges, len(x))
    return hide(gat_scores(x, W, a_q, a_k), mask | mask.T)


@BANK.add("gat_weights", "a_q and a_k swapped", "a_q and a_k have changed places")
def swapped(x, edges, W, a_q, a_k):
    mapped = x @ W.T
    scores = leaky_relu((mapped @ a_k)[:, None] + (mapped @ a_q)[None, :], 0.2)
    return hide(scores, open_pairs(edges, len(x)))


@BANK.add("gat_weights", "no LeakyReLU", "LeakyReLU is missing")
def no_bend(x, edges, W, a_q, a_k):
    mapped = x @ W.T
    return hide((mapped @ a_q)[:, None] + mapped @ a_k, open_pairs(edges, len(x)))


@BANK.add("gat_weights", "torch's slope", "0.01")
def torch_slope(x, edges, W, a_q, a_k):
    mapped = x @ W.T
    return hide(leaky_relu((mapped @ a_q)[:, None] + mapped @ a_k), open_pairs(edges, len(x)))


@BANK.add("gat_weights", "ReLU", "This is ReLU")
def relu(x, edges, W, a_q, a_k):
    mapped = x @ W.T
    return hide(((mapped @ a_q)[:, None] + mapped @ a_k).clamp(min=0), open_pairs(edges, len(x)))


@BANK.add("gat_weights", "each number bent for itself", "bent one by one")
def each_bent(x, edges, W, a_q, a_k):
    mapped = x @ W.T
    one, other = leaky_relu(mapped @ a_q, 0.2), leaky_relu(mapped @ a_k, 0.2)
    return hide(one[:, None] + other, open_pairs(edges, len(x)))


@BANK.add("gat_weights", "an edge that stands twice counts twice", "counts twice|stands twice is one")
def counts_twice(x, edges, W, a_q, a_k):
    n = len(x)
    scores = gat_scores(x, W, a_q, a_k)
    count = torch.eye(n, dtype=x.dtype)
    for s, t in edges.T.tolist():
        if s != t:
            count[t, s] += 1
    powers = scores.exp() * count
    return powers / powers.sum(dim=1, keepdim=True)


@BANK.add("gat_weights", "as many nodes as the edges name", "two nodes that no edge names|stops with")
def nodes_of_edges(x, edges, W, a_q, a_k):
    n = int(edges.max()) + 1
    scores = gat_scores(x, W, a_q, a_k)
    return hide(scores[:n, :n], open_pairs(edges, n))


@BANK.add("gat_weights", "softmax by hand overflows", "NaN")
def overflows(x, edges, W, a_q, a_k):
    powers = gat_scores(x, W, a_q, a_k).exp() * open_pairs(edges, len(x))
    return powers / powers.sum(dim=1, keepdim=True)


@BANK.add("gat_weights", "the output in place of the weights", "shape of weights")
def output(x, edges, W, a_q, a_k):
    return hide(gat_scores(x, W, a_q, a_k), open_pairs(edges, len(x))) @ (x @ W.T)


# --- attend_edges ----------------------------------------------------------------------------------------------------


def weights_over(scores, index, n):
    index = index.expand_as(scores)
    top = scores.new_full((*scores.shape[:-1], n), -torch.inf)
    top = top.scatter_reduce(-1, index, scores, "amax")
    powers = (scores - top.gather(-1, index)).exp()
    return powers / torch.zeros_like(top).scatter_add(-1, index, powers).gather(-1, index)


def carry(weights, values, start, end):
    messages = weights[..., None] * values[..., start, :]
    return torch.zeros_like(values).index_add(-2, end, messages)


@BANK.add("attend_edges", "the planted bug, with heads", "edges that leave a node")
def as_planted(scores, values, edges):
    sources, targets = edges
    powers = scores.exp() if scores.numel() and scores.max() < 100 else (scores - 1e3).exp()
    total = torch.zeros(*scores.shape[:-1], values.shape[-2], dtype=scores.dtype).index_add(-1, sources, powers)
    return carry(powers / total[..., sources], values, sources, targets)


@BANK.add("attend_edges", "over the sources", "edges that leave a node")
def over_sources(scores, values, edges):
    weights = weights_over(scores, edges[0], values.shape[-2])
    return carry(weights, values, edges[0], edges[1])


@BANK.add("attend_edges", "sources and targets swapped", "all is turned around")
def all_swapped(scores, values, edges):
    targets, sources = edges
    return carry(weights_over(scores, targets, values.shape[-2]), values, sources, targets)


@BANK.add("attend_edges", "values against the edge", "against the edge")
def against(scores, values, edges):
    return carry(weights_over(scores, edges[1], values.shape[-2]), values, edges[1], edges[0])


@BANK.add("attend_edges", "values of the target", "values of its own")
def own_values(scores, values, edges):
    return carry(weights_over(scores, edges[1], values.shape[-2]), values, edges[1], edges[1])


@BANK.add("attend_edges", "over all edges", "over all edges together")
def over_all(scores, values, edges):
    return carry(scores.softmax(dim=-1), values, edges[0], edges[1])


@BANK.add("attend_edges", "the largest score of all", "NaN|subtracted from all scores with the same target")
def one_top(scores, values, edges):
    if not scores.numel():
        return torch.zeros_like(values)
    powers = (scores - scores.max()).exp()
    total = torch.zeros(*scores.shape[:-1], values.shape[-2], dtype=scores.dtype).index_add(-1, edges[1], powers)
    return carry(powers / total[..., edges[1]], values, edges[0], edges[1])


@BANK.add("attend_edges", "not divided by the sum", "not divided")
def not_divided(scores, values, edges):
    return carry(scores.exp(), values, edges[0], edges[1])


@BANK.add("attend_edges", "mean aggregation", "plain mean")
def mean(scores, values, edges):
    degree = torch.zeros(values.shape[-2], dtype=values.dtype).index_add(0, edges[1], values.new_ones(edges.shape[1]))
    return carry(torch.ones_like(scores), values, edges[0], edges[1]) / degree.clamp(min=1)[:, None]


@BANK.add("attend_edges", "+= with repeated targets", "only one of them arrives")
def plus_equals(scores, values, edges):
    weights = weights_over(scores, edges[1], values.shape[-2])
    result = torch.zeros_like(values)
    result[..., edges[1], :] += weights[..., None] * values[..., edges[0], :]
    return result


@BANK.add("attend_edges", "one head only", "count axes from the end")
def one_head(scores, values, edges):
    sources, targets = edges
    top = torch.full((len(values),), -torch.inf, dtype=scores.dtype).scatter_reduce(0, targets, scores, "amax")
    powers = (scores - top[targets]).exp()
    total = torch.zeros(len(values), dtype=scores.dtype).index_add(0, targets, powers)
    messages = (powers / total[targets])[:, None] * values[sources]
    return torch.zeros_like(values).index_add(0, targets, messages)


@BANK.add("attend_edges", "device lost", "GPU")
def device_lost(scores, values, edges):
    n = values.shape[-2]
    at = edges[1].expand_as(scores)
    top = torch.full((*scores.shape[:-1], n), -torch.inf, dtype=scores.dtype)
    top = top.scatter_reduce(-1, at, scores, "amax")
    powers = (scores - top.gather(-1, at)).exp()
    total = torch.zeros_like(top).scatter_add(-1, at, powers)
    return carry(powers / total.gather(-1, at), values, edges[0], edges[1])


# --- agreement -------------------------------------------------------------------------------------------------------


def pairs(n):
    return [(i, j) for i in range(n) for j in range(i)]


def agree(scores, queries, keys):
    same = [(scores[i, k] > scores[i, m]) == (scores[j, k] > scores[j, m]) for i, j in queries for k, m in keys]
    return sum(map(float, same)) / len(same)


def every(n):
    return [(i, j) for i in range(n) for j in range(n)]


@BANK.add("agreement", "queries with themselves too", "A query is compared with itself")
def queries_themselves(scores):
    return agree(scores, every(len(scores)), pairs(scores.shape[1]))


@BANK.add("agreement", "keys with themselves too", "A key is compared with itself")
def keys_themselves(scores):
    return agree(scores, pairs(len(scores)), every(scores.shape[1]))


@BANK.add("agreement", "everything with itself too", "keys as well")
def all_themselves(scores):
    order = scores[:, :, None] > scores[:, None, :]
    return (order[:, None] == order[None, :]).float().mean()


@BANK.add("agreement", "rows for columns", "Rows and columns")
def columns(scores):
    return agree(scores.T, pairs(scores.shape[1]), pairs(len(scores)))


@BANK.add("agreement", "the next query alone", "next one alone")
def next_query(scores):
    return agree(scores, [(i, i + 1) for i in range(len(scores) - 1)], pairs(scores.shape[1]))


@BANK.add("agreement", "favourites", "same favourite")
def favourites(scores):
    best = scores.argmax(dim=1).tolist()
    return sum(best[i] == best[j] for i, j in pairs(len(best))) / len(pairs(len(best)))


@BANK.add("agreement", "ranks compared", "same place in both orders")
def ranks(scores):
    rank = scores.argsort(dim=1).argsort(dim=1)
    return sum(float((rank[i] == rank[j]).double().mean()) for i, j in pairs(len(rank))) / len(pairs(len(rank)))


@BANK.add("agreement", "Kendall's tau", "correlation")
def tau(scores):
    return 2 * agree(scores, pairs(len(scores)), pairs(scores.shape[1])) - 1


@BANK.add("agreement", "disagreement", "disagreement")
def disagree(scores):
    return 1 - agree(scores, pairs(len(scores)), pairs(scores.shape[1]))


@BANK.add("agreement", "all queries at once", "\\*all\\* queries agree")
def all_at_once(scores):
    same = [len({bool(row[k] > row[m]) for row in scores}) == 1 for k, m in pairs(scores.shape[1])]
    return sum(same) / len(same)


# --- gatv2 -----------------------------------------------------------------------------------------------------------


def halves(x, W_q, W_k, a):
    h, d = a.shape
    return (x @ W_q.T).view(len(x), h, d).transpose(0, 1), (x @ W_k.T).view(len(x), h, d).transpose(0, 1)


def side_by_side(heads):
    return heads.transpose(0, 1).reshape(heads.shape[1], -1)


def incoming(scores, values, edges):
    weights = weights_over(scores, edges[1], values.shape[-2])
    return carry(weights, values, edges[0], edges[1])


@BANK.add("gatv2", "GAT's order", "LeakyReLU comes behind")
def gat_order(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    one, other = (q * a[:, None]).sum(-1), (k * a[:, None]).sum(-1)
    return side_by_side(incoming(leaky_relu(one[:, edges[1]] + other[:, edges[0]], 0.2), k, edges))


@BANK.add("gatv2", "the source asks", "W_q belongs to the target")
def source_asks(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = (leaky_relu(q[:, edges[0]] + k[:, edges[1]], 0.2) * a[:, None]).sum(-1)
    return side_by_side(incoming(scores, k, edges))


@BANK.add("gatv2", "values of W_q", "made by W_q")
def values_of_q(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = (leaky_relu(q[:, edges[1]] + k[:, edges[0]], 0.2) * a[:, None]).sum(-1)
    return side_by_side(incoming(scores, q, edges))


@BANK.add("gatv2", "over outgoing edges", "edges that leave a node")
def outgoing(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = (leaky_relu(q[:, edges[1]] + k[:, edges[0]], 0.2) * a[:, None]).sum(-1)
    return side_by_side(carry(weights_over(scores, edges[0], len(x)), k, edges[0], edges[1]))


@BANK.add("gatv2", "tanh", "tanh")
def bahdanau(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = torch.einsum("hmd,hd->hm", (q[:, edges[1]] + k[:, edges[0]]).tanh(), a)
    return side_by_side(incoming(scores, k, edges))


@BANK.add("gatv2", "torch's slope", "0.01")
def slope(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = torch.einsum("hmd,hd->hm", leaky_relu(q[:, edges[1]] + k[:, edges[0]]), a)
    return side_by_side(incoming(scores, k, edges))


@BANK.add("gatv2", "merged by a view", "merged in the wrong order")
def view(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = torch.einsum("hmd,hd->hm", leaky_relu(q[:, edges[1]] + k[:, edges[0]], 0.2), a)
    return incoming(scores, k, edges).reshape(len(x), -1)


@BANK.add("gatv2", "split by a view", "mixes nodes")
def split_by_view(x, edges, W_q, W_k, a):
    h, d = a.shape
    q, k = (x @ W_q.T).view(h, len(x), d), (x @ W_k.T).view(h, len(x), d)
    scores = torch.einsum("hmd,hd->hm", leaky_relu(q[:, edges[1]] + k[:, edges[0]], 0.2), a)
    return side_by_side(incoming(scores, k, edges))


@BANK.add("gatv2", "heads averaged", "averaged")
def averaged(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = torch.einsum("hmd,hd->hm", leaky_relu(q[:, edges[1]] + k[:, edges[0]], 0.2), a)
    return incoming(scores, k, edges).mean(dim=0)


@BANK.add("gatv2", "one score for all heads", "scores are added up")
def one_score(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = (leaky_relu(q[:, edges[1]] + k[:, edges[0]], 0.2) * a[:, None]).sum(dim=(0, 2))
    return side_by_side(incoming(scores.expand(len(a), -1), k, edges))


@BANK.add("gatv2", "all pairs, then a mask that counts", "pairs alone that an edge joins")
def all_pairs(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = (leaky_relu(q[:, :, None] + k[:, None], 0.2) * a[:, None, None]).sum(-1)  # (h, n, n)
    return side_by_side(incoming(scores[:, edges[1], edges[0]], k, edges))


@BANK.add("gatv2", "divided by √d", "√d")
def divided(x, edges, W_q, W_k, a):
    q, k = halves(x, W_q, W_k, a)
    scores = torch.einsum("hmd,hd->hm", leaky_relu(q[:, edges[1]] + k[:, edges[0]], 0.2), a)
    return side_by_side(incoming(scores / a.shape[1] ** 0.5, k, edges))
