"""Wrong answers to chapter 11's exercises."""

import math

import torch
from torch.nn.functional import elu, pad
from torch.nn.functional import scaled_dot_product_attention as fused

from wrong_answers import Bank

# ruff: noqa: N803, N806 (the sum S is named as in the chapter)

BANK = Bank()

BANK.value("window_pairs", 270, "borders forgotten", "every window is whole")
BANK.value("window_pairs", 220, "oneself not seen", "with itself are missing")
BANK.value("window_pairs", 140, "one side", "one side alone")
BANK.value("window_pairs", 260, "one border", "One border is cut off")
BANK.value("window_pairs", 22 * 9, "borders see nothing", "tokens with a whole window")
BANK.value("window_pairs", 650, "hidden pairs", "pairs that are hidden")
BANK.value("window_pairs", 30 * 5 - 6, "window of 4 in all", "half the window")
BANK.value("window_layers", 31, "rounded down", "One layer too few")
BANK.value("window_layers", 499 / 16, "not rounded", "Layers are whole")
BANK.value("window_layers", 16, "whole window a layer", "half as far")
BANK.value("window_layers", 6, "reach doubles", "does not double")
BANK.value("window_layers", None, "not written", "should be numbers")


# --- in_blocks -------------------------------------------------------------------------------------------------------


def score(q, k):
    return q @ k.transpose(-1, -2) / k.shape[-1] ** 0.5


def cut(k, v, block):
    return list(zip(torch.split(k, block, dim=-2), torch.split(v, block, dim=-2), strict=True))


def largest(s):
    return s.max(dim=-1, keepdim=True).values


@BANK.add("in_blocks", "output not rescaled", "running output keeps its size")
def output_kept(q, k, v, block):
    m, norm, out = torch.tensor(-math.inf, dtype=q.dtype, device=q.device), 0, 0
    for a, b in cut(k, v, block):
        s = score(q, a)
        m_new = torch.maximum(m, largest(s))
        e = torch.exp(s - m_new)
        norm = norm * torch.exp(m - m_new) + e.sum(-1, keepdim=True)
        out, m = out + e @ b, m_new
    return out / norm


@BANK.add("in_blocks", "sum not rescaled", "running sum keeps its size")
def sum_kept(q, k, v, block):
    m, norm, out = torch.tensor(-math.inf, dtype=q.dtype, device=q.device), 0, 0
    for a, b in cut(k, v, block):
        s = score(q, a)
        m_new = torch.maximum(m, largest(s))
        e = torch.exp(s - m_new)
        norm = norm + e.sum(-1, keepdim=True)
        out, m = out * torch.exp(m - m_new) + e @ b, m_new
    return out / norm


@BANK.add("in_blocks", "nothing rescaled", "Neither the running sum nor")
def nothing_rescaled(q, k, v, block):
    m, norm, out = None, 0, 0
    for a, b in cut(k, v, block):
        s = score(q, a)
        m = largest(s) if m is None else torch.maximum(m, largest(s))
        norm = norm + (s - m).exp().sum(-1, keepdim=True)
        out = out + (s - m).exp() @ b
    return out / norm


@BANK.add("in_blocks", "each block its own maximum", "against its own maximum")
def own_maximum(q, k, v, block):
    norm, out = 0, 0
    for a, b in cut(k, v, block):
        e = (score(q, a) - largest(score(q, a))).exp()
        norm, out = norm + e.sum(-1, keepdim=True), out + e @ b
    return out / norm


@BANK.add("in_blocks", "mean of the blocks' answers", "as if all blocks weighed the same")
def mean_of_blocks(q, k, v, block):
    parts = [score(q, a).softmax(-1) @ b for a, b in cut(k, v, block)]
    return sum(parts) / len(parts)


@BANK.add("in_blocks", "sum of the blocks' answers", "was added up")
def sum_of_blocks(q, k, v, block):
    return sum(score(q, a).softmax(-1) @ b for a, b in cut(k, v, block))


@BANK.add("in_blocks", "divided in every block", "divided by the sum in each block")
def divided_early(q, k, v, block):
    m, norm, out = torch.tensor(-math.inf, dtype=q.dtype, device=q.device), 0, 0
    for a, b in cut(k, v, block):
        s = score(q, a)
        m_new = torch.maximum(m, largest(s))
        e, f = torch.exp(s - m_new), torch.exp(m - m_new)
        norm = norm * f + e.sum(-1, keepdim=True)
        out, m = (out * f + e @ b) / norm, m_new
    return out


@BANK.add("in_blocks", "no maximum", "NaN.*e to the power 1000 overflows")
def no_maximum(q, k, v, block):
    norm, out = 0, 0
    for a, b in cut(k, v, block):
        e = score(q, a).exp()
        norm, out = norm + e.sum(-1, keepdim=True), out + e @ b
    return out / norm


@BANK.add("in_blocks", "the maximum starts at 0", "far below zero.*NaN|NaN.*far below zero")
def starts_at_zero(q, k, v, block):
    m, norm, out = torch.zeros_like(q[..., :1]), 0, 0
    for a, b in cut(k, v, block):
        s = score(q, a)
        m_new = torch.maximum(m, largest(s))
        e, f = torch.exp(s - m_new), torch.exp(m - m_new)
        norm, out, m = norm * f + e.sum(-1, keepdim=True), out * f + e @ b, m_new
    return out / norm


@BANK.add("in_blocks", "the block's maximum for the largest so far", "may lie in an earlier block")
def forgets_maximum(q, k, v, block):
    m, norm, out = torch.full_like(q[..., :1], -math.inf), 0, 0
    for a, b in cut(k, v, block):
        s = score(q, a)
        m_new = largest(s)
        e, f = torch.exp(s - m_new), torch.exp(m - m_new)
        norm, out, m = norm * f + e.sum(-1, keepdim=True), out * f + e @ b, m_new
    return out / norm


@BANK.add("in_blocks", "one maximum for all queries", "NaN.*a largest score of its own")
def one_maximum(q, k, v, block):
    m, norm, out = torch.full_like(q[..., :1], -math.inf), 0, 0
    for a, b in cut(k, v, block):
        s = score(q, a)
        m_new = torch.maximum(m, s.max())
        e, f = torch.exp(s - m_new), torch.exp(m - m_new)
        norm, out, m = norm * f + e.sum(-1, keepdim=True), out * f + e @ b, m_new
    return out / norm


@BANK.add("in_blocks", "last keys dropped", "last keys are missing")
def last_dropped(q, k, v, block):
    m = max(k.shape[-2] // block, 1) * block if k.shape[-2] >= block else k.shape[-2]
    return score(q, k[..., :m, :]).softmax(-1) @ v[..., :m, :]


@BANK.add("in_blocks", "all at once", "stand in memory at once")
def all_at_once(q, k, v, block):
    return score(q, k).softmax(dim=-1) @ v


# --- read_on ---------------------------------------------------------------------------------------------------------


def phi(x):
    return elu(x) + 1


@BANK.add("read_on", "reads, then adds", "before the new token is added")
def reads_first(S, z, q, k, v):
    q, k = phi(q), phi(k)
    output = torch.einsum("...d,...de->...e", q, S) / torch.einsum("...d,...d->...", q, z)[..., None]
    return output, S + torch.einsum("...d,...e->...de", k, v), z + k


@BANK.add("read_on", "sums not returned", "come back are the old ones")
def keeps_old(S, z, q, k, v):
    q, k = phi(q), phi(k)
    S_new, z_new = S + k.unsqueeze(-1) @ v.unsqueeze(-2), z + k
    return (q.unsqueeze(-2) @ S_new).squeeze(-2) / (q * z_new).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "forgets what came before", "What came before it is forgotten")
def forgets(S, z, q, k, v):
    q, z = phi(q), phi(k)
    S = z[..., None] * v[..., None, :]
    return (q[..., None] * S).sum(-2) / (q * z).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "no φ on the query", "missing for the query")
def plain_query(S, z, q, k, v):
    S, z = S + phi(k)[..., None] * v[..., None, :], z + phi(k)
    return (q[..., None] * S).sum(-2) / (q * z).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "no φ on the key", "missing for the key")
def plain_key(S, z, q, k, v):
    S, z = S + k[..., None] * v[..., None, :], z + k
    return (phi(q)[..., None] * S).sum(-2) / (phi(q) * z).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "no φ at all", "missing, for query and key")
def no_features(S, z, q, k, v):
    S, z = S + k[..., None] * v[..., None, :], z + k
    return (q[..., None] * S).sum(-2) / (q * z).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "raw key in S", "in z, and not in S")
def raw_pair(S, z, q, k, v):
    S, z = S + k[..., None] * v[..., None, :], z + phi(k)
    return (phi(q)[..., None] * S).sum(-2) / (phi(q) * z).sum(-1, keepdim=True), S, z


def with_features(features, late_division=True):
    def read_on(S, z, q, k, v):
        q, k = features(q), features(k)
        S, z = S + k[..., None] * v[..., None, :], z + k
        output = (q[..., None] * S).sum(-2)
        return output / (q * z).sum(-1, keepdim=True) if late_division else output, S, z

    return read_on


BANK.value("read_on", with_features(elu), "elu without the 1", "without the 1")
BANK.value("read_on", with_features(lambda x: x.clamp(min=0) + 1), "relu + 1", "Below 0 it should be")
BANK.value("read_on", with_features(lambda x: x.clamp(min=0)), "relu", "below 0 is lost")
BANK.value("read_on", with_features(torch.exp), "exp", "e to the power x everywhere")
BANK.value("read_on", with_features(lambda x: x.softmax(-1)), "softmax as φ", "softmax stands in the place")
BANK.value("read_on", with_features(phi, False), "no division", "division is missing")


@BANK.add("read_on", "divided by the sum of z", "for .this. query")
def by_all_keys(S, z, q, k, v):
    S, z = S + phi(k)[..., None] * v[..., None, :], z + phi(k)
    return (phi(q)[..., None] * S).sum(-2) / z.sum(-1, keepdim=True), S, z


@BANK.add("read_on", "√d out of habit", "There is a √d here")
def scaled(S, z, q, k, v):
    return with_features(phi)(S, z, q / math.sqrt(q.shape[-1]), k, v)


@BANK.add("read_on", "z not updated", "sum of the keys is the old one")
def old_keys(S, z, q, k, v):
    S = S + torch.einsum("...d,...e->...de", phi(k), v)
    return torch.einsum("...d,...de->...e", phi(q), S) / (phi(q) * z).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "S not updated", "sum of the values is the old one")
def old_values(S, z, q, k, v):
    z = z + phi(k)
    return torch.einsum("...d,...de->...e", phi(q), S) / (phi(q) * z).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "raw key in z", "in S, and not in z")
def raw_sum(S, z, q, k, v):
    S, z = S + phi(k)[..., None] * v[..., None, :], z + k
    return (phi(q)[..., None] * S).sum(-2) / (phi(q) * z).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "divided by the query", "query's features alone")
def by_query_alone(S, z, q, k, v):
    S, z = S + phi(k)[..., None] * v[..., None, :], z + phi(k)
    return (phi(q)[..., None] * S).sum(-2) / phi(q).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "key and query swapped", "changed places")
def swapped(S, z, q, k, v):
    return with_features(phi)(S, z, k, q, v)


@BANK.add("read_on", "S turned around", "turned around")
def turned(S, z, q, k, v):
    q, k = phi(q), phi(k)
    S, z = S.transpose(-1, -2) + v[..., None] * k[..., None, :], z + k
    return (S @ q[..., None])[..., 0] / (q * z).sum(-1, keepdim=True), S, z


@BANK.add("read_on", "written for one axis", "[Aa]ny number of axes")
def no_batch(S, z, q, k, v):
    q, k = phi(q), phi(k)
    S, z = S + torch.outer(k, v), z + k
    return q @ S / (q @ z), S, z


@BANK.add("read_on", "adds in place", "changes its input S in place")
def in_place(S, z, q, k, v):
    q, k = phi(q), phi(k)
    S += k[..., None] * v[..., None, :]
    z += k
    return (q[..., None] * S).sum(-2) / (q * z).sum(-1, keepdim=True), S, z


# --- window_attention ------------------------------------------------------------------------------------------------


def near(x, window, value=0.0):
    """(..., n, 2 window + 1, d), the places beyond the borders filled up."""
    return pad(x, (0, 0, window, window), value=value).unfold(-2, 2 * window + 1, 1).transpose(-1, -2)


def band(q, window):
    i = torch.arange(q.shape[-2], device=q.device)
    return abs(i[:, None] - i[None, :]) <= window


@BANK.add("window_attention", "padding counts", "zeros behind the borders count")
def padding_counts(q, k, v, window):
    weights = ((q[..., None, :] * near(k, window)).sum(-1) / q.shape[-1] ** 0.5).softmax(-1)
    return (weights[..., None] * near(v, window)).sum(-2)


@BANK.add("window_attention", "the dense mask", "each of the 16,777,216 pairs")
def dense_mask(q, k, v, window):
    return score(q, k).masked_fill(~band(q, window), -math.inf).softmax(dim=-1) @ v


@BANK.add("window_attention", "a mask for the fused kernel", "each of the 16,777,216 pairs")
def fused_mask(q, k, v, window):
    return fused(q, k, v, attn_mask=band(q, window))


@BANK.add("window_attention", "places clamped", "count several times")
def clamped(q, k, v, window):
    n = q.shape[-2]
    i = torch.arange(n, device=q.device)[:, None] + torch.arange(-window, window + 1, device=q.device)
    i = i.clamp(min=0, max=n - 1)
    weights = torch.einsum("...id,...ijd->...ij", q, k[..., i, :]).div(q.shape[-1] ** 0.5).softmax(-1)
    return torch.einsum("...ij,...ijd->...id", weights, v[..., i, :])


@BANK.add("window_attention", "rolled", "goes around")
def rolled(q, k, v, window):
    steps = range(-window, window + 1)
    s = torch.stack([(q * k.roll(t, -2)).sum(-1) for t in steps], -1) / math.sqrt(q.shape[-1])
    return sum(w[..., None] * v.roll(t, -2) for w, t in zip(s.softmax(-1).unbind(-1), steps, strict=True))


def by_query(q, k, v, left, right):
    """A loop over the queries, each with its slice of keys."""
    rows = []
    for i in range(q.shape[-2]):
        a = slice(max(0, i - left), max(0, i + right))
        rows.append(score(q[..., i : i + 1, :], k[..., a, :]).softmax(-1) @ v[..., a, :])
    return torch.cat(rows, dim=-2)


@BANK.add("window_attention", "slice ends too early", "last key on the right is missing")
def slice_end(q, k, v, window):
    return by_query(q, k, v, window, window)


@BANK.add("window_attention", "slice from a negative place", "first queries get nothing")
def negative_slice(q, k, v, window):
    rows = []
    for i in range(q.shape[-2]):
        a = slice(i - window, i + window + 1)
        rows.append(score(q[..., i : i + 1, :], k[..., a, :]).softmax(-1) @ v[..., a, :])
    return torch.cat(rows, dim=-2)


@BANK.add("window_attention", "past alone", "open to the left alone")
def past_alone(q, k, v, window):
    return by_query(q, k, v, window, 1)


@BANK.add("window_attention", "a key too many", "a key too many")
def too_many(q, k, v, window):
    return by_query(q, k, v, window + 1, window + 2)


@BANK.add("window_attention", "half the window on each side", "half as wide")
def half(q, k, v, window):
    return by_query(q, k, v, window // 2, window // 2 + 1)


@BANK.add("window_attention", "no scale", "√d were missing")
def no_scale(q, k, v, window):
    return by_query(q * math.sqrt(q.shape[-1]), k, v, window, window + 1)


@BANK.add("window_attention", "hidden scores zero", "Hidden scores are 0")
def hidden_zero(q, k, v, window):
    return (score(q, k) * band(q, window)).softmax(-1) @ v


@BANK.add("window_attention", "hidden scores of -1000", "below every score, however low")
def not_low_enough(q, k, v, window):
    i = torch.arange(-window, window + 1, device=q.device) + torch.arange(q.shape[-2], device=q.device)[:, None]
    outside = (i < 0) | (i >= q.shape[-2])
    scores = (q[..., None, :] * near(k, window)).sum(-1) / math.sqrt(q.shape[-1])
    return torch.einsum("...ij,...ijd->...id", scores.masked_fill(outside, -1000).softmax(-1), near(v, window))


@BANK.add("window_attention", "weights cut off", "do not sum to 1")
def cut_off(q, k, v, window):
    return torch.where(band(q, window), score(q, k).softmax(-1), 0.0) @ v


@BANK.add("window_attention", "chunks that do not meet", "across a cut|These are chunks")
def chunks(q, k, v, window):
    size = max(window, 1)
    parts = zip(q.split(size, -2), k.split(size, -2), v.split(size, -2), strict=True)
    return torch.cat([score(a, b).softmax(-1) @ c for a, b, c in parts], -2)


@BANK.add("window_attention", "neighbouring chunks whole", "three chunks whole")
def three_chunks(q, k, v, window):
    size, out = max(window, 1), []
    for start in range(0, q.shape[-2], size):
        a = slice(max(start - size, 0), start + 2 * size)
        out.append(score(q[..., start : start + size, :], k[..., a, :]).softmax(-1) @ v[..., a, :])
    return torch.cat(out, -2)


@BANK.add("window_attention", "exp without the maximum", "NaN.*e to the power 1000 overflows")
def overflows(q, k, v, window):
    inside = near(torch.ones_like(q[..., :1]), window)[..., 0]
    e = ((q[..., None, :] * near(k, window)).sum(-1) / q.shape[-1] ** 0.5).exp() * inside
    return (e[..., None] * near(v, window)).sum(-2) / e.sum(-1, keepdim=True)


@BANK.add("window_attention", "the chapter's, which wants whole chunks", "stops with RuntimeError.*all chunks are full")
def whole_chunks(q, k, v, window):
    count = q.shape[-2] // window
    place = torch.arange(-window, 2 * window, device=q.device)
    distance = (torch.arange(window, device=q.device)[:, None] - place).abs()
    place = place + window * torch.arange(count, device=q.device)[:, None, None]
    mask = (distance <= window) & (place >= 0) & (place < len(k))
    k, v = (pad(x, (0, 0, window, window)).unfold(0, 3 * window, window).mT for x in (k, v))
    s = score(q.unflatten(0, (count, window)), k).masked_fill(~mask, -math.inf)
    return (s.softmax(-1) @ v).flatten(0, 1)
