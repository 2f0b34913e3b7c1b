"""Wrong answers to chapter 3's exercises."""

# ruff: noqa: N803 (arguments are named as in the formula)

import math

import torch

from wrong_answers import Bank

BANK = Bank()

BANK.value("scaled", (4, 6), "no √d", "scale is missing")
BANK.value("scaled", [1, 1.5], "d instead of √d", "its square root")
BANK.value("scaled", (4 / math.sqrt(2), 6 / math.sqrt(2)), "√ of the number of keys", "number of keys")
BANK.value("multiplicative", (6, 8), "keys swapped", "keys have changed places")
BANK.value("multiplicative", (5, 2), "query left out", "query is missing")
BANK.value("predicted", 101 * 53 * 4, "the scores alone", "scores alone")
BANK.value("predicted", 2 * 101 * 53 * 32, "numbers for bytes", "Numbers, and not bytes")
BANK.value("predicted", 101 * 53 * 32 * 4, "the hidden layer once", "twice at the worst moment")


# --- scaled_dot_score ------------------------------------------------------------------------------------------------


@BANK.add("scaled_dot_score", "no √d", r"√d were missing: your scores are [\d.]+ times ours at d = \d+")
def no_scale(q, k):
    return q @ k.transpose(-2, -1)


@BANK.add("scaled_dot_score", "d instead of √d", "Divided by d, where the square root")
def by_d(q, k):
    return q @ k.transpose(-2, -1) / q.shape[-1]


@BANK.add("scaled_dot_score", "times √d", "Multiplied by √d")
def times_root(q, k):
    return q @ k.transpose(-2, -1) * q.shape[-1] ** 0.5


@BANK.add("scaled_dot_score", "√ of the number of keys", "number of keys")
def root_of_keys(q, k):
    return torch.einsum("...qd,...kd->...qk", q, k) / k.shape[-2] ** 0.5


@BANK.add("scaled_dot_score", "√ of axis 0", "number of queries")
def root_of_axis_0(q, k):
    return q @ k.mT / math.sqrt(q.size(0))


@BANK.add("scaled_dot_score", "√d hard-coded to 8", "Every number in scores is [\\d.]+ times ours")
def root_hard_coded(q, k):
    return q @ k.mT / 8**0.5


@BANK.add("scaled_dot_score", "fourth root", "Every number in scores is [\\d.]+ times ours")
def fourth_root(q, k):
    return q @ k.mT / q.shape[-1] ** 0.25


@BANK.add("scaled_dot_score", "√ of the number of axes", "times ours")
def root_of_axes(q, k):
    return q @ k.mT / math.sqrt(q.dim())


@BANK.add("scaled_dot_score", "torch.sqrt of a number", r"stops with TypeError in your line \d+.*must be Tensor")
def root_of_int(q, k):
    return q @ k.mT / torch.sqrt(q.shape[-1])


@BANK.add("scaled_dot_score", "weights for scores", "weights already")
def weights(q, k):
    return torch.softmax(q @ k.mT / math.sqrt(q.shape[-1]), dim=-1)


@BANK.add("scaled_dot_score", "transposed", "Rows and columns have changed places")
def transposed(q, k):
    return k @ q.mT / math.sqrt(q.shape[-1])


@BANK.add("scaled_dot_score", ".T: right only without a batch", "turns all of them around")
def dot_t(q, k):
    return q @ k.permute(*reversed(range(k.dim()))) / math.sqrt(q.shape[-1])


@BANK.add("scaled_dot_score", "k not transposed: right only for square inputs", "stops with RuntimeError in your line")
def not_transposed(q, k):
    return q @ k / math.sqrt(q.shape[-1])


@BANK.add("scaled_dot_score", "cosine", "cosines")
def cosine(q, k):
    return torch.cosine_similarity(q.unsqueeze(-2), k.unsqueeze(-3), dim=-1)


@BANK.add("scaled_dot_score", "dtype lost", "dtype was lost")
def dtype_lost(q, k):
    return q.float() @ k.float().mT / math.sqrt(q.shape[-1])


@BANK.add("scaled_dot_score", "numpy", "numpy array")
def in_numpy(q, k):
    return q.numpy() @ k.numpy().swapaxes(-1, -2) / math.sqrt(q.shape[-1])


@BANK.add("scaled_dot_score", "scales its input in place", "changes its input q")
def in_place(q, k):
    q /= math.sqrt(q.shape[-1])
    return q @ k.mT


BANK.value("scaled_dot_score", torch.ones(3, 5), "a result in place of the function", "Give the function itself")


# --- multiplicative_score --------------------------------------------------------------------------------------------


@BANK.add("multiplicative_score", "the planted bug, unchanged", "matrix is turned around: this is kᵀ W q")
def planted(q, k, W):
    mapped = k @ W
    return (mapped @ q.transpose(-2, -1)).transpose(-2, -1)


@BANK.add("multiplicative_score", "turned around, scores too", "matrix is turned around, and so are")
def turned_twice(q, k, W):
    return k @ W @ q.transpose(-2, -1)


@BANK.add("multiplicative_score", "W left out", "W changes nothing")
def no_matrix(q, k, W):
    return q @ k.transpose(-2, -1)


@BANK.add("multiplicative_score", "scaled", "scale here")
def scaled(q, k, W):
    return q @ W @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])


@BANK.add("multiplicative_score", "transposed", "a row belongs to a query")
def scores_transposed(q, k, W):
    return (q @ W @ k.transpose(-2, -1)).transpose(-2, -1)


@BANK.add("multiplicative_score", "right only for square W", "its rows go with the query")
def square_only(q, k, W):
    identity = torch.eye(q.shape[-1]).to(W)
    return q @ (W * identity + W * (1 - identity)) @ k.transpose(-2, -1)


@BANK.add("multiplicative_score", "right only without a batch", "Count axes from the end")
def no_batch(q, k, W):
    return torch.einsum("qi,ij,kj->qk", q, W, k)


# --- additive_score --------------------------------------------------------------------------------------------------


@BANK.add("additive_score", "no tanh", "tanh is missing")
def no_tanh(q, k, W_q, W_k, w):
    return ((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w


@BANK.add("additive_score", "tanh at the end", "tanh comes too late")
def late_tanh(q, k, W_q, W_k, w):
    return torch.tanh(((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w)


@BANK.add("additive_score", "tanh before the sum", "bends their sum")
def early_tanh(q, k, W_q, W_k, w):
    return (torch.tanh(q @ W_q.T).unsqueeze(-2) + torch.tanh(k @ W_k.T).unsqueeze(-3)) @ w


@BANK.add("additive_score", "w left out", "without their weights w")
def no_w(q, k, W_q, W_k, w):
    return torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)).sum(-1)


@BANK.add("additive_score", "relu", "no negative number")
def relu(q, k, W_q, W_k, w):
    return torch.relu((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w


@BANK.add("additive_score", "matrices not turned: right only for square ones", "A matrix is turned around")
def not_turned(q, k, W_q, W_k, w):
    return torch.tanh((q @ W_q).unsqueeze(-2) + (k @ W_k).unsqueeze(-3)) @ w


@BANK.add("additive_score", "W_q alone turned: right only for square ones", "W_q is turned around")
def one_turned(q, k, W_q, W_k, w):
    return torch.tanh((q @ W_q).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w


@BANK.add("additive_score", "mean for sum", "were averaged")
def mean_for_sum(q, k, W_q, W_k, w):
    return (torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) * w).mean(dim=-1)


@BANK.add("additive_score", "scaled", "a scale here")
def additive_scaled(q, k, W_q, W_k, w):
    return torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w / math.sqrt(w.numel())


@BANK.add("additive_score", "the keys left out", r"shape of scores is \(\d+,\)")
def no_keys(q, k, W_q, W_k, w):
    return torch.tanh(q @ W_q.T) @ w


@BANK.add("additive_score", "matrices swapped", "two matrices have changed places")
def swapped(q, k, W_q, W_k, w):
    return torch.tanh((q @ W_k.T).unsqueeze(-2) + (k @ W_q.T).unsqueeze(-3)) @ w


@BANK.add("additive_score", "axes swapped", "a row belongs to a query")
def axes_swapped(q, k, W_q, W_k, w):
    return torch.tanh((q @ W_q.T).unsqueeze(-3) + (k @ W_k.T).unsqueeze(-2)) @ w


@BANK.add("additive_score", "[:, None]: right only without a batch", "Count axes from the end")
def none_axes(q, k, W_q, W_k, w):
    return torch.tanh((q @ W_q.T)[:, None] + (k @ W_k.T)[None]) @ w


@BANK.add("additive_score", "one-to-one, not every pair", "stops with RuntimeError in your line")
def one_to_one(q, k, W_q, W_k, w):
    return torch.tanh(q @ W_q.T + k @ W_k.T) @ w


# --- additive_in_blocks ----------------------------------------------------------------------------------------------


def plain(q, k, W_q, W_k, w):
    return torch.tanh((q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)) @ w


@BANK.add("additive_in_blocks", "the rest left out", "last queries are missing")
def no_rest(q, k, W_q, W_k, w, block):
    count = q.shape[-2] // block
    parts = [plain(q[..., i * block : (i + 1) * block, :], k, W_q, W_k, w) for i in range(count)]
    return torch.cat(parts, dim=-2) if parts else plain(q[..., :0, :], k, W_q, W_k, w)


@BANK.add("additive_in_blocks", "last block only", "Only the last block")
def last_block(q, k, W_q, W_k, w, block):
    for start in range(0, q.shape[-2], block):
        scores = plain(q[..., start : start + block, :], k, W_q, W_k, w)
    return scores


@BANK.add("additive_in_blocks", "first block only", "Only the first block")
def first_block(q, k, W_q, W_k, w, block):
    return plain(next(iter(q.split(block, dim=-2))), k, W_q, W_k, w)


@BANK.add("additive_in_blocks", "side by side", "side by side")
def side_by_side(q, k, W_q, W_k, w, block):
    starts = range(0, q.shape[-2], block)
    parts = [plain(q[..., s : s + block, :], k, W_q, W_k, w) for s in starts]
    if len({part.shape for part in parts}) > 1:
        return parts[0]
    return torch.cat(parts, dim=-1)


@BANK.add("additive_in_blocks", "joined along axis 0: right only without a batch", "Count axes from the end")
def along_axis_0(q, k, W_q, W_k, w, block):
    starts = range(0, q.shape[-2], block)
    return torch.cat([plain(q[..., s : s + block, :], k, W_q, W_k, w) for s in starts])


@BANK.add("additive_in_blocks", "no blocks at all", "stands in memory for all queries at once")
def no_blocks(q, k, W_q, W_k, w, block):
    return plain(q, k, W_q, W_k, w)


@BANK.add("additive_in_blocks", "hidden layer of all, then blocks", "stands in memory for all queries at once")
def blocks_too_late(q, k, W_q, W_k, w, block):
    hidden = (q @ W_q.T).unsqueeze(-2) + (k @ W_k.T).unsqueeze(-3)
    return torch.cat([torch.tanh(part) @ w for part in hidden.split(block, dim=-3)], dim=-2)
