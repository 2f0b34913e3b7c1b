"""Wrong answers to chapter 6's exercises."""

# ruff: noqa: N803, N806 (arguments are named as in the formula)

import math

import torch

from wrong_answers import Bank

BANK = Bank()

BANK.value("two_heads", (4, 8), "one head", "one head")
BANK.value("two_heads", (10, 6), "heads swapped", "changed places")
BANK.value("two_heads", (6, 6), "weights of head 2 turned around", "weights of head 2")
BANK.value("two_heads", (24, 40), "not divided by the sum", "divided by their sum")
BANK.value("two_heads", (8, 12), "hard", "hard")
BANK.value("two_heads", 16, "added up", "side by side")
BANK.value("two_heads", (6, 2), "each head takes the other's part of the values", "other head's numbers")
BANK.value("grouped_parameters", 9408, "all heads have their own", "own keys and values")
BANK.value("grouped_parameters", 6912, "no biases", "bias")
BANK.value("grouped_parameters", 5880, "keys, but no values", "keys or values")
BANK.value("grouped_parameters", 4704, "no output matrix", "output matrix is missing")
BANK.value("grouped_parameters", 5488, "one head of keys and values", "one head of keys")


def heads_of(x, h):
    return x.unflatten(-1, (h, -1)).transpose(-3, -2)


def together(x):
    return x.transpose(-3, -2).flatten(-2)


def attend(q, k, v):
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    return scores.softmax(dim=-1) @ v


# --- multi_head ------------------------------------------------------------------------------------------------------


@BANK.add("multi_head", "√d_model for √d_head", "root of d_model")
def root_of_model(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    weights = (q @ k.mT / math.sqrt(x.shape[-1])).softmax(dim=-1)
    return together(weights @ v) @ W_o


@BANK.add("multi_head", "no √d", "√d_head is missing")
def no_root(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return together((q @ k.mT).softmax(dim=-1) @ v) @ W_o


@BANK.add("multi_head", "d_head for its root", "square root")
def by_d_head(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return together((q @ k.mT / q.shape[-1]).softmax(dim=-1) @ v) @ W_o


@BANK.add("multi_head", "split by a view alone", "mixes tokens")
def view_alone(x, W, W_o, h):
    *b, n, d = x.shape
    q, k, v = (part.reshape(*b, h, n, d // h) for part in (x @ W).chunk(3, dim=-1))
    return together(attend(q, k, v)) @ W_o


@BANK.add("multi_head", "split and merged by a view alone", "mixes tokens")
def views_alone(x, W, W_o, h):
    *b, n, d = x.shape
    q, k, v = (part.reshape(*b, h, n, d // h) for part in (x @ W).chunk(3, dim=-1))
    return attend(q, k, v).reshape(x.shape) @ W_o


@BANK.add("multi_head", "merged by a view alone", "merged in the wrong order")
def merged_by_view(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return attend(q, k, v).reshape(x.shape) @ W_o


@BANK.add("multi_head", "heads interleaved", "every h-th")
def interleaved(x, W, W_o, h):
    q, k, v = (p.unflatten(-1, (-1, h)).movedim(-1, -3) for p in (x @ W).chunk(3, dim=-1))
    return attend(q, k, v).movedim(-3, -1).flatten(-2) @ W_o


@BANK.add("multi_head", "order of the three: k, q, v", "queries and keys have changed places")
def k_first(x, W, W_o, h):
    k, q, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return together(attend(q, k, v)) @ W_o


@BANK.add("multi_head", "order of the three: q, v, k", "[Kk]eys and values have changed places")
def v_second(x, W, W_o, h):
    q, v, k = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return together(attend(q, k, v)) @ W_o


@BANK.add("multi_head", "q, k, v head by head", "head by head")
def per_head(x, W, W_o, h):
    q, k, v = heads_of(x @ W, h).chunk(3, dim=-1)
    return together(attend(q, k, v)) @ W_o


@BANK.add("multi_head", "no W_o", "W_o changes nothing")
def no_output_matrix(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return together(attend(q, k, v))


@BANK.add("multi_head", "W_o turned around", "W_o is turned around")
def turned(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return together(attend(q, k, v)) @ W_o.T


@BANK.add("multi_head", "one head", "one wide head")
def one_head(x, W, W_o, h):
    q, k, v = (x @ W).chunk(3, dim=-1)
    return attend(q, k, v) @ W_o


@BANK.add("multi_head", "heads averaged, not side by side", "stops with RuntimeError")
def averaged(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return attend(q, k, v).mean(dim=-3) @ W_o


@BANK.add("multi_head", "softmax over the heads", "over the heads")
def over_heads(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(dim=-3)
    return together(weights @ v) @ W_o


@BANK.add("multi_head", "softmax over the queries", "over the queries")
def over_queries(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    weights = (q @ k.mT / math.sqrt(q.shape[-1])).softmax(dim=-2)
    return together(weights @ v) @ W_o


@BANK.add("multi_head", "b, n, d: right only with one batch axis", "count axes from the end")
def three_axes(x, W, W_o, h):
    b, n, d = x.shape
    q, k, v = (part.view(b, n, h, d // h).transpose(1, 2) for part in (x @ W).chunk(3, dim=-1))
    return attend(q, k, v).transpose(1, 2).reshape(b, n, d) @ W_o


@BANK.add("multi_head", "attends among the heads of a token", "among the heads")
def among_heads(x, W, W_o, h):
    q, k, v = (part.unflatten(-1, (h, -1)) for part in (x @ W).chunk(3, dim=-1))
    return attend(q, k, v).flatten(-2) @ W_o


# --- merge_heads -----------------------------------------------------------------------------------------------------


@BANK.add("merge_heads", "the planted bug, unchanged", "number by number")
def planted(x):
    h, d_head = x.shape[-3], x.shape[-1]
    return x.movedim(-3, -1).reshape(*x.shape[:-3], x.shape[-2], d_head * h)


@BANK.add("merge_heads", "reshape alone", "several tokens")
def reshape_alone(x):
    h, n, d_head = x.shape[-3:]
    return x.reshape(*x.shape[:-3], n, h * d_head)


@BANK.add("merge_heads", "heads added up", "added up")
def added_up(x):
    return x.sum(dim=-3)


@BANK.add("merge_heads", "heads in reverse", "in reverse")
def reverse(x):
    return x.flip(-3).transpose(-3, -2).flatten(-2)


@BANK.add("merge_heads", "axes turned: (n, d_head) exchanged", "places of tokens and")
def wrong_transpose(x):
    h, n, d_head = x.shape[-3:]
    return x.transpose(-2, -1).reshape(*x.shape[:-3], n, h * d_head)


@BANK.add("merge_heads", "transpose(1, 2): right only with one batch axis", "Right with one batch axis")
def one_batch_axis(x):
    return x.transpose(1, 2).flatten(-2)


@BANK.add("merge_heads", "transpose(0, 1): right only without a batch", "batch was taken for heads")
def no_batch(x):
    return x.transpose(0, 1).flatten(-2)


@BANK.add("merge_heads", "view without contiguous", "stops with RuntimeError in your line")
def view(x):
    y = x.transpose(-3, -2)
    return y.view(*y.shape[:-2], y.shape[-2] * y.shape[-1])


@BANK.add("merge_heads", "not merged", "not merged yet")
def not_merged(x):
    return x.transpose(-3, -2)


# --- grouped_attention -----------------------------------------------------------------------------------------------


def repeated(k, r):
    return k.repeat_interleave(r, dim=-3)


@BANK.add("grouped_attention", "repeat for repeat_interleave", "in turn")
def tiled(q, k, v):
    r = q.shape[-3] // k.shape[-3]
    k, v = (torch.cat([x] * r, dim=-3) for x in (k, v))
    return attend(q, k, v)


@BANK.add("grouped_attention", "right, by copies", "copied")
def copies(q, k, v):
    r = q.shape[-3] // k.shape[-3]
    return attend(q, repeated(k, r), repeated(v, r))


@BANK.add("grouped_attention", "right, by expand", "copied")
def expanded(q, k, v):
    g, r = k.shape[-3], q.shape[-3] // k.shape[-3]
    q = q.unflatten(-3, (g, r))
    k, v = k.unsqueeze(-3), v.unsqueeze(-3)
    return attend(q, k, v).flatten(-4, -3)


@BANK.add("grouped_attention", "first keys for all", "first head of keys")
def first_for_all(q, k, v):
    return attend(q, k[..., :1, :, :], v[..., :1, :, :])


@BANK.add("grouped_attention", "mean of the keys and values", "mean of all heads")
def mean_of_groups(q, k, v):
    return attend(q, k.mean(dim=-3, keepdim=True), v.mean(dim=-3, keepdim=True))


@BANK.add("grouped_attention", "queries of a group averaged", "queries of a group were averaged")
def queries_averaged(q, k, v):
    r = q.shape[-3] // k.shape[-3]
    return attend(q.unflatten(-3, (-1, r)).mean(dim=-3), k, v)


@BANK.add("grouped_attention", "no √d", "√d (is|were) missing")
def no_scale(q, k, v):
    r = q.shape[-3] // k.shape[-3]
    return (q @ repeated(k, r).mT).softmax(dim=-1) @ repeated(v, r)


@BANK.add("grouped_attention", "softmax over queries", "over the queries")
def grouped_over_queries(q, k, v):
    r = q.shape[-3] // k.shape[-3]
    weights = (q @ repeated(k, r).mT / math.sqrt(q.shape[-1])).softmax(dim=-2)
    return weights @ repeated(v, r)


@BANK.add("grouped_attention", "keys tiled, values in neighbours", "in different ways")
def half_tiled(q, k, v):
    r = q.shape[-3] // k.shape[-3]
    return attend(q, torch.cat([k] * r, dim=-3), repeated(v, r))


@BANK.add("grouped_attention", "no groups: right only where heads agree", "stops with RuntimeError in your line")
def no_groups(q, k, v):
    return attend(q, k, v)


@BANK.add("grouped_attention", "left with the axis of groups", "axis of groups left")
def axis_left(q, k, v):
    g, r = k.shape[-3], q.shape[-3] // k.shape[-3]
    n = q.shape[-2]
    folded = q.unflatten(-3, (g, r)).flatten(-3, -2)
    return attend(folded, k, v).unflatten(-2, (r, n))


@BANK.add("grouped_attention", "folded by heads that don't belong", "in turn")
def folded_wrongly(q, k, v):
    g, r, n = k.shape[-3], q.shape[-3] // k.shape[-3], q.shape[-2]
    folded = q.unflatten(-3, (r, g)).transpose(-4, -3).flatten(-3, -2)
    output = attend(folded, k, v).unflatten(-2, (r, n))
    return output.transpose(-4, -3).flatten(-4, -3)


# --- without_each_head -----------------------------------------------------------------------------------------------


def summands(merged, W_o, h):
    return heads_of(merged, h) @ W_o.unflatten(0, (h, -1))


@BANK.add("without_each_head", "the summand itself", "alone")
def alone(merged, W_o, h):
    return summands(merged, W_o, h)


@BANK.add("without_each_head", "scaled up for the missing head", "scaled up")
def scaled_up(merged, W_o, h):
    less = (merged @ W_o).unsqueeze(-3) - summands(merged, W_o, h)
    return less * h / (h - 1)


@BANK.add("without_each_head", "everything silent but", "all heads up to|alone|all others")
def up_to(merged, W_o, h):
    return summands(merged, W_o, h).cumsum(dim=-3)


@BANK.add("without_each_head", "heads as interleaved columns", "Every h-th")
def interleaved_heads(merged, W_o, h):
    keep = torch.arange(merged.shape[-1], device=merged.device) % h
    rows = []
    for i in range(h):
        rows.append((merged * (keep != i)) @ W_o)
    return torch.stack(rows, dim=-3)


@BANK.add("without_each_head", "columns of W_o for its rows", "Columns of W_o")
def columns(merged, W_o, h):
    size = merged.shape[-1] // h
    outputs = []
    for i in range(h):
        W = W_o.clone()
        W[:, i * size : (i + 1) * size] = 0
        outputs.append(merged @ W)
    return torch.stack(outputs, dim=-3)


@BANK.add("without_each_head", "nothing left out", "Nothing is left out")
def nothing_out(merged, W_o, h):
    return torch.stack([merged @ W_o for _ in range(h)], dim=-3)


@BANK.add("without_each_head", "the next head", "wrong head")
def next_head(merged, W_o, h):
    return ((merged @ W_o).unsqueeze(-3) - summands(merged, W_o, h)).roll(1, dims=-3)


@BANK.add("without_each_head", "silent head not mixed: no W_o", "W_o")
def no_w_o(merged, W_o, h):
    size = merged.shape[-1] // h
    outputs = []
    for i in range(h):
        x = merged.clone()
        x[..., i * size : (i + 1) * size] = 0
        outputs.append(x)
    return torch.stack(outputs, dim=-3)


@BANK.add("without_each_head", "stacked in front: right only without a batch", "behind all axes of the batch")
def in_front(merged, W_o, h):
    size = merged.shape[-1] // h
    outputs = []
    for i in range(h):
        x = merged.clone()
        x[..., i * size : (i + 1) * size] = 0
        outputs.append(x @ W_o)
    return torch.stack(outputs)


@BANK.add("without_each_head", "silences one after another", "one after another")
def one_after_another(merged, W_o, h):
    size = merged.shape[-1] // h
    x, outputs = merged.clone(), []
    for i in range(h):
        x[..., i * size : (i + 1) * size] = 0
        outputs.append(x @ W_o)
    return torch.stack(outputs, dim=-3)


@BANK.add("without_each_head", "silences its input for good", "one after another")
def for_good(merged, W_o, h):
    heads = merged.unflatten(-1, (h, -1))
    outputs = []
    for i in range(h):
        heads[..., i, :] = 0
        outputs.append(heads.flatten(-2) @ W_o)
    return torch.stack(outputs, dim=-3)


@BANK.add("without_each_head", "mean for silence", "mean")
def mean_for_silence(merged, W_o, h):
    parts = summands(merged, W_o, h)
    return (merged @ W_o).unsqueeze(-3) - parts + parts.mean(dim=-3, keepdim=True)


# --- More of each task -----------------------------------------------------------------------------------------------

BANK.value("two_heads", (8 * math.log(3), 12 * math.log(3)), "scores for weights", "softmax is missing")
BANK.value("grouped_parameters", 4 * 48 * 48, "four square matrices", "biases are missing")
BANK.value("grouped_parameters", 3 * 48 * 49 + 24 * 49, "keys shared, values not", "both shared")


@BANK.add("multi_head", "every third column", "every third column")
def every_third(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).unflatten(-1, (-1, 3)).unbind(dim=-1))
    return together(attend(q, k, v)) @ W_o


@BANK.add("multi_head", "causal", "has no mask")
def masked(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    scores = q @ k.mT / math.sqrt(q.shape[-1])
    scores = scores.masked_fill(torch.ones_like(scores).triu(1) > 0, -math.inf)
    return together(scores.softmax(dim=-1) @ v) @ W_o


@BANK.add("multi_head", "x added", "x was added")
def residual(x, W, W_o, h):
    q, k, v = (heads_of(part, h) for part in (x @ W).chunk(3, dim=-1))
    return x + together(attend(q, k, v)) @ W_o


@BANK.add("merge_heads", "joined below each other", "shape of the output")
def below(x):
    return torch.cat(list(x.unbind(dim=-3)), dim=-2)


@BANK.add("merge_heads", "permute with four axes", "stops with RuntimeError in your line.*Any axes may come before")
def four_axes(x):
    return x.permute(0, 2, 1, 3).flatten(-2)


@BANK.add("grouped_attention", "a loop with i % g", "in turn")
def remainder(q, k, v):
    outputs = []
    for i in range(q.shape[-3]):
        j = i % k.shape[-3]
        outputs.append(attend(q[..., i, :, :], k[..., j, :, :], v[..., j, :, :]))
    return torch.stack(outputs, dim=-3)


@BANK.add("grouped_attention", "parted the wrong way", "taken for each other")
def parted(q, k, v):
    g, r, n = k.shape[-3], q.shape[-3] // k.shape[-3], q.shape[-2]
    output = attend(q.unflatten(-3, (g, r)).flatten(-3, -2), k, v)
    return output.unflatten(-2, (n, r)).transpose(-3, -2).flatten(-4, -3)


@BANK.add("grouped_attention", "tokens brought forward, then reshaped", "Heads and tokens")
def mixed(q, k, v):
    g, r = k.shape[-3], q.shape[-3] // k.shape[-3]
    asked = q.transpose(-3, -2).reshape(*q.shape[:-3], g, r * q.shape[-2], q.shape[-1])
    return attend(asked, k, v).reshape(q.shape)


@BANK.add("without_each_head", "all other heads silent", "alone")
def others_silent(merged, W_o, h):
    heads = merged.unflatten(-1, (h, -1))
    outputs = []
    for i in range(h):
        kept = torch.zeros_like(heads)
        kept[..., i, :] = heads[..., i, :]
        outputs.append(kept.flatten(-2) @ W_o)
    return torch.stack(outputs, dim=-3)


@BANK.add("without_each_head", "the summand less the whole", "sign of the output")
def less_the_whole(merged, W_o, h):
    return summands(merged, W_o, h) - (merged @ W_o).unsqueeze(-3)
