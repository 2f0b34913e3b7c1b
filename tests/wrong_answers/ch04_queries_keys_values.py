"""Wrong answers to chapter 4's exercises."""

# ruff: noqa: N803 (arguments are named as in the formula)

import math

import torch

from wrong_answers import Bank

BANK = Bank()

BANK.value("shapes", [(3, 4), (7, 4), (7, 5), (7, 3), (3, 5)], "weights turned around", "a row for each query")
BANK.value("shapes", [(3, 4), (7, 4), (7, 5), (3, 7), (7, 5)], "output as long as the source", "asks .* output")
BANK.value("shapes", [(3, 4), (7, 4), (7, 5), (3, 7), (3, 4)], "output as wide as a key", "values that are averaged")
BANK.value("shapes", [(3, 4), (7, 4), (7, 4), (3, 7), (3, 4)], "values as wide as keys", "width of their own")
BANK.value("shapes", [(7, 4), (3, 4), (3, 5), (7, 3), (7, 5)], "x and the source swapped", "x asks")
BANK.value("shapes", [(3, 4), (3, 4), (3, 5), (3, 3), (3, 5)], "self-attention", "from the source")
BANK.value("shapes", (3, 4), "one shape alone", "shape of")
BANK.value("comes_back", 8.5, "a slip", "not right")
BANK.value("comes_back", 132 / 14, "no temperature", "temperature is missing")
BANK.value("comes_back", 48, "not divided by the sum", "divided by their sum")
BANK.value("comes_back", 12, "hard", "hard look-up")
BANK.value("comes_back", 6, "plain mean", "plain mean")
BANK.value("comes_back", (1 / 3, 1 / 2, 1 / 6), "the weights", "These are the weights")
BANK.value("comes_back", "8?", "text", "should be numbers")


# --- open_look_up ----------------------------------------------------------------------------------------------------


@BANK.add("open_look_up", "softmax over the queries", "Each column sums to 1")
def over_queries(q, k, v, shelf, temperature):
    scores = q @ k.mT / temperature
    scores = scores.masked_fill(~shelf.unsqueeze(-2), -1e9)
    weights = scores.softmax(dim=-2) * shelf.unsqueeze(-2)
    return weights @ v, weights


@BANK.add("open_look_up", "mask after the softmax", "after the softmax")
def late_mask(q, k, v, shelf, temperature):
    weights = torch.softmax(q @ k.mT / temperature, dim=-1)
    weights = weights * shelf.unsqueeze(-2)
    return weights @ v, weights


@BANK.add("open_look_up", "mask flipped", "wrong way round")
def flipped(q, k, v, shelf, temperature):
    scores = q @ k.mT / temperature
    weights = scores.masked_fill(shelf.unsqueeze(-2), float("-inf")).softmax(-1)
    return weights @ v, weights


@BANK.add("open_look_up", "mask forgotten", "off the shelf still get weight")
def no_mask(q, k, v, shelf, temperature):
    weights = (q @ k.mT / temperature).softmax(-1)
    return weights @ v, weights


@BANK.add("open_look_up", "scores of hidden keys set to 0", "score of 0")
def zero_scores(q, k, v, shelf, temperature):
    scores = q @ k.mT / temperature * shelf.unsqueeze(-2)
    weights = scores.softmax(-1)
    return weights @ v, weights


@BANK.add("open_look_up", "values hidden, not keys", "values were hidden")
def values_hidden(q, k, v, shelf, temperature):
    weights = (q @ k.mT / temperature).softmax(-1)
    return weights @ (v * shelf.unsqueeze(-1)), weights


@BANK.add("open_look_up", "times the temperature", "multiplied by the temperature")
def times_temperature(q, k, v, shelf, temperature):
    scores = (q @ k.mT * temperature).masked_fill(~shelf.unsqueeze(-2), float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


@BANK.add("open_look_up", "no temperature", "temperature changes nothing")
def no_temperature(q, k, v, shelf, temperature):
    scores = (q @ k.mT).masked_fill(~shelf.unsqueeze(-2), float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


@BANK.add("open_look_up", "√d as well", "divided by √d as well")
def root_d_too(q, k, v, shelf, temperature):
    scores = q @ k.mT / math.sqrt(q.shape[-1]) / temperature
    weights = scores.masked_fill(~shelf.unsqueeze(-2), float("-inf")).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("open_look_up", "√d for the temperature", "temperature changes nothing.*√d")
def root_d(q, k, v, shelf, temperature):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    weights = scores.masked_fill(~shelf.unsqueeze(-2), float("-inf")).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("open_look_up", "temperature after the softmax", "came after the softmax")
def late_temperature(q, k, v, shelf, temperature):
    scores = (q @ k.mT).masked_fill(~shelf.unsqueeze(-2), float("-inf"))
    weights = scores.softmax(dim=-1) / temperature
    return weights @ v, weights


@BANK.add("open_look_up", "keys averaged", "keys were averaged")
def keys_averaged(q, k, v, shelf, temperature):
    scores = (q @ k.mT / temperature).masked_fill(~shelf.unsqueeze(-2), float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ k, weights


@BANK.add("open_look_up", "values compared: keys and values swapped", "keys and values have changed places")
def swapped(q, k, v, shelf, temperature):
    k, v = v, k
    scores = (q @ k.mT / temperature).masked_fill(~shelf.unsqueeze(-2), float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


@BANK.add("open_look_up", "shelf not given an axis: right only without a batch", "one shelf")
def no_axis(q, k, v, shelf, temperature):
    scores = (q @ k.mT / temperature).masked_fill(~shelf, float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


@BANK.add("open_look_up", "dtype lost", "dtype was lost")
def dtype_lost(q, k, v, shelf, temperature):
    scores = (q @ k.mT / temperature).float()
    weights = scores.masked_fill(~shelf.unsqueeze(-2), float("-inf")).softmax(dim=-1)
    return weights @ v.float(), weights


@BANK.add("open_look_up", "low scores made on the CPU", "fail on a GPU")
def device_lost(q, k, v, shelf, temperature):
    hidden = torch.full(shelf.shape, -1e9, dtype=q.dtype)
    scores = torch.where(shelf.unsqueeze(-2), q @ k.mT / temperature, hidden.unsqueeze(-2))
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


@BANK.add("open_look_up", "output alone", "should return 2 things")
def output_alone(q, k, v, shelf, temperature):
    scores = (q @ k.mT / temperature).masked_fill(~shelf.unsqueeze(-2), float("-inf"))
    return scores.softmax(dim=-1) @ v


@BANK.add("open_look_up", "weights first", "changed places")
def weights_first(q, k, v, shelf, temperature):
    scores = (q @ k.mT / temperature).masked_fill(~shelf.unsqueeze(-2), float("-inf"))
    weights = scores.softmax(dim=-1)
    return weights, weights @ v


# --- top_look_up -----------------------------------------------------------------------------------------------------


@BANK.add("top_look_up", "the planted bug, unchanged", "values of other books")
def planted(q, k, v, m):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    best = scores.sort(dim=-1, descending=True).values[:, :m]
    return best.softmax(dim=-1) @ v[:m]


@BANK.add("top_look_up", "values sorted by themselves", "differs most at")
def values_sorted(q, k, v, m):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    best = scores.topk(m, dim=-1).values
    return best.softmax(dim=-1) @ v.sort(dim=0, descending=True).values[:m]


@BANK.add("top_look_up", "values of the first query's books for all", "first query's")
def of_the_first(q, k, v, m):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    best, where = scores.topk(m, dim=-1)
    return best.softmax(dim=-1) @ v[where[0]]


@BANK.add("top_look_up", "softmax before the choice", "share of the others")
def softmax_first(q, k, v, m):
    weights = (q @ k.T / math.sqrt(q.shape[-1])).softmax(dim=-1)
    best, where = weights.topk(m, dim=-1)
    return (best.unsqueeze(-1) * v[where]).sum(dim=-2)


@BANK.add("top_look_up", "all books, no choice", "All books have a part")
def all_books(q, k, v, m):
    return (q @ k.T / math.sqrt(q.shape[-1])).softmax(dim=-1) @ v


@BANK.add("top_look_up", "the worst", "worst")
def the_worst(q, k, v, m):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    where = scores.argsort(dim=-1)[:, :m]
    weights = scores.gather(-1, where).softmax(dim=-1)
    return torch.einsum("qm,qmd->qd", weights, v[where])


@BANK.add("top_look_up", "no √d", "√d is missing")
def no_root(q, k, v, m):
    best, where = (q @ k.T).topk(m, dim=-1)
    return torch.einsum("qm,qmd->qd", best.softmax(dim=-1), v[where])


@BANK.add("top_look_up", "d for √d", "square root")
def by_d(q, k, v, m):
    best, where = (q @ k.T / q.shape[-1]).topk(m, dim=-1)
    return torch.einsum("qm,qmd->qd", best.softmax(dim=-1), v[where])


@BANK.add("top_look_up", "plain mean of the best", "plain mean")
def mean_of_best(q, k, v, m):
    _, where = (q @ k.T / math.sqrt(q.shape[-1])).topk(m, dim=-1)
    return v[where].mean(dim=-2)


@BANK.add("top_look_up", "others' scores set to 0", "score of 0")
def others_zero(q, k, v, m):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    best, where = scores.topk(m, dim=-1)
    kept = torch.zeros_like(scores).scatter(-1, where, best)
    return kept.softmax(dim=-1) @ v


@BANK.add("top_look_up", "m written in as 2", "Is `m` used")
def two_always(q, k, v, m):
    best, where = (q @ k.T / math.sqrt(q.shape[-1])).topk(2, dim=-1)
    return torch.einsum("qm,qmd->qd", best.softmax(dim=-1), v[where])


@BANK.add("top_look_up", "keys handed over", r"shape of the output is")
def keys_over(q, k, v, m):
    best, where = (q @ k.T / math.sqrt(q.shape[-1])).topk(m, dim=-1)
    return torch.einsum("qm,qmd->qd", best.softmax(dim=-1), k[where])


@BANK.add("top_look_up", "where left on the CPU", "fail on a GPU")
def mask_on_cpu(q, k, v, m):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    where = scores.topk(m, dim=-1).indices
    hidden = torch.ones(scores.shape, dtype=torch.bool).scatter(-1, where, False)
    return scores.masked_fill(hidden, -math.inf).softmax(dim=-1) @ v


# --- direction -------------------------------------------------------------------------------------------------------


def parts(x, W_q, W_k):
    s = (x @ W_q) @ (x @ W_k).T
    return s, (s + s.T) / 2, (s - s.T) / 2


@BANK.add("direction", "lengths, not squares", "ratio of two lengths")
def not_squared(x, W_q, W_k):
    s, _, b = parts(x, W_q, W_k)
    return b.norm() / s.norm()


@BANK.add("direction", "the symmetric share", "symmetric part's share")
def symmetric(x, W_q, W_k):
    s, a, _ = parts(x, W_q, W_k)
    return (a.square().sum() / s.square().sum()).item()


@BANK.add("direction", "the half forgotten", "half is missing")
def no_half(x, W_q, W_k):
    s = (x @ W_q) @ (x @ W_k).T
    return (s - s.T).square().sum() / s.square().sum()


@BANK.add("direction", "against the symmetric part", "of the whole")
def against_symmetric(x, W_q, W_k):
    _, a, b = parts(x, W_q, W_k)
    return b.square().sum() / a.square().sum()


@BANK.add("direction", "W_q twice", "always 0")
def same_matrix(x, W_q, W_k):
    s, _, b = parts(x, W_q, W_q)
    return b.square().sum() / s.square().sum()


@BANK.add("direction", "sums without squares", "cancel")
def plain_sums(x, W_q, W_k):
    s, _, b = parts(x, W_q, W_k)
    return b.sum() / s.sum()


@BANK.add("direction", "of weights, not scores", "softmax")
def of_weights(x, W_q, W_k):
    s = ((x @ W_q) @ (x @ W_k).T / math.sqrt(W_q.shape[-1])).softmax(dim=-1)
    return ((s - s.T) / 2).square().sum() / s.square().sum()


@BANK.add("direction", "of the matrices, without x", "tokens are missing")
def no_tokens(x, W_q, W_k):
    m = W_q @ W_k.T
    return ((m - m.T) / 2).square().sum() / m.square().sum()


@BANK.add("direction", "matrix per pair", "one number")
def not_summed(x, W_q, W_k):
    s, _, b = parts(x, W_q, W_k)
    return b.square() / s.square()


@BANK.add("direction", "in percent", "percentage")
def percent(x, W_q, W_k):
    s, _, b = parts(x, W_q, W_k)
    return 100 * b.square().sum() / s.square().sum()


# --- left_out --------------------------------------------------------------------------------------------------------


@BANK.add("left_out", "share not handed on", "no longer sum to 1")
def not_handed_on(weights, values):
    own = weights.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    return weights @ values - own * values


@BANK.add("left_out", "own value taken off whole", "taken off whole")
def whole_value(weights, values):
    own = weights.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    return (weights @ values - values) / (1 - own)


@BANK.add("left_out", "divided by its own weight", "by its own weight")
def by_own(weights, values):
    own = weights.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    return (weights @ values - own * values) / own


@BANK.add("left_out", "nothing left out", "still looks at itself")
def nothing(weights, values):
    return weights @ values


@BANK.add("left_out", "one minus left out of the bracket", "Only the second term")
def no_bracket(weights, values):
    own = weights.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    return weights @ values - own * values / (1 - own)


@BANK.add("left_out", "softmax of the weights again", "softmax once more")
def softmax_again(weights, values):
    n = weights.shape[-1]
    eye = torch.eye(n, dtype=torch.bool, device=weights.device)
    return weights.masked_fill(eye, -math.inf).softmax(dim=-1) @ values


@BANK.add("left_out", "weight 0 in the softmax again", "softmax once more")
def softmax_of_zero(weights, values):
    eye = torch.eye(weights.shape[-1], dtype=torch.bool, device=weights.device)
    return weights.masked_fill(eye, 0).softmax(dim=-1) @ values


@BANK.add("left_out", "share spread evenly", "same share")
def spread_evenly(weights, values):
    n = weights.shape[-1]
    eye = torch.eye(n, dtype=weights.dtype, device=weights.device)
    own = weights.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    return (weights * (1 - eye) + own / (n - 1) * (1 - eye)) @ values


@BANK.add("left_out", "diag: right only without a batch", "last two axes|stops with RuntimeError")
def no_batch(weights, values):
    own = torch.diag(weights)[:, None]
    return (weights @ values - own * values) / (1 - own)


@BANK.add("left_out", "writes into the weights", "changes its input weights")
def in_place(weights, values):
    weights.diagonal(dim1=-2, dim2=-1).zero_()
    return weights / weights.sum(dim=-1, keepdim=True) @ values


@BANK.add("left_out", "columns renormalised", "Each column")
def columns(weights, values):
    eye = torch.eye(weights.shape[-1], dtype=torch.bool, device=weights.device)
    kept = weights.masked_fill(eye, 0)
    return kept / kept.sum(dim=-2, keepdim=True) @ values


@BANK.add("left_out", "identity of another dtype and on the CPU", "fail on a GPU")
def eye_on_cpu(weights, values):
    kept = weights * (1 - torch.eye(weights.shape[-1], dtype=weights.dtype))
    return kept / kept.sum(dim=-1, keepdim=True) @ values


# --- More of each task -----------------------------------------------------------------------------------------------


@BANK.add("open_look_up", "books taken out of the tensors", "keep their places")
def taken_out(q, k, v, shelf, temperature):
    weights = torch.softmax(q @ k[shelf].T / temperature, dim=-1)
    return weights @ v[shelf], weights


@BANK.add("open_look_up", "exp without its highest score taken off", "e to the power 1000 overflows")
def overflows(q, k, v, shelf, temperature):
    e = torch.exp(q @ k.mT / temperature) * shelf.unsqueeze(-2)
    weights = e / e.sum(dim=-1, keepdim=True)
    return weights @ v, weights


@BANK.add("open_look_up", "the best book alone", "hard look-up")
def best_alone(q, k, v, shelf, temperature):
    scores = (q @ k.mT / temperature).masked_fill(~shelf.unsqueeze(-2), -math.inf)
    weights = torch.nn.functional.one_hot(scores.argmax(dim=-1), k.shape[-2]).to(q)
    return weights @ v, weights


@BANK.add("open_look_up", "keys set to 0", "score of 0")
def zero_keys(q, k, v, shelf, temperature):
    weights = (q @ (k * shelf.unsqueeze(-1)).mT / temperature).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("top_look_up", "a threshold that drops the m-th", "One book too few")
def threshold(q, k, v, m):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    least = scores.sort(dim=-1, descending=True).values[:, m - 1 : m]
    return scores.masked_fill(scores <= least, -math.inf).softmax(dim=-1) @ v


@BANK.add("top_look_up", "the best on average", "best scores on average")
def on_average(q, k, v, m):
    scores = q @ k.T / math.sqrt(q.shape[-1])
    where = scores.mean(dim=0).topk(m).indices
    return scores[:, where].softmax(dim=-1) @ v[where]


@BANK.add("top_look_up", "added up", "without weights")
def added_up(q, k, v, m):
    return v[(q @ k.T).topk(m, dim=-1).indices].sum(dim=-2)


@BANK.add("direction", "the upper triangle taken off", "one triangle")
def triangle(x, W_q, W_k):
    s = (x @ W_q) @ (x @ W_k).T
    return (s - s.triu()).square().sum() / s.square().sum()


@BANK.add("direction", "absolute values", "absolute values")
def absolute(x, W_q, W_k):
    s, _, b = parts(x, W_q, W_k)
    return b.abs().sum() / s.abs().sum()


@BANK.add("left_out", "divided by n − 1", "number of the others")
def by_count(weights, values):
    own = weights.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
    return (weights @ values - own * values) / (weights.shape[-1] - 1)
