"""Wrong answers to chapter 5's exercises."""

import math

import torch
from torch.nn.functional import normalize

from wrong_answers import Bank

BANK = Bank()

BANK.value("score_variance", 12, "the standard deviation", "square root of the variance")
BANK.value("score_variance", 8, "d", "entries of size 1")
BANK.value("score_variance", 18, "one product", "one product")
BANK.value("score_variance", 88, "variances added", "were added")
BANK.value("score_variance", 48, "variance of q, standard deviation of k", "key's entry")
BANK.value("score_variance", 8**2 * 2 * 9, "d squared", "d came in twice")
BANK.value("divisor", math.sqrt(8), "√d", r"√d")
BANK.value("divisor", 144, "the variance", "variance itself")
BANK.value("divisor", 8, "d", "d itself")
BANK.value("divisor", math.sqrt(18), "√ of one product's variance", "width")
BANK.value("gradients", (3 / 4, 9 / 10, 81 / 82), "the weights", "weights")
BANK.value("gradients", (1 / 4, 1 / 10, 1 / 82), "the weights of the other key", "weights of the other")
BANK.value("gradients", (3 / 16, 3 / 16, 3 / 16), "all alike", "Only the first")
BANK.value("gradients", (9 / 16, 81 / 100, (81 / 82) ** 2), "squares of the weights", "squares")
BANK.value("gradients", (3 / 8, 0.18, 2 * 81 / 82**2), "the trace", "trace|1 − Σ")
BANK.value("gradients", 3 / 16, "only one", "shape")


# --- unit_scores -----------------------------------------------------------------------------------------------------


@BANK.add("unit_scores", "keys left as they are", "keys still have their own lengths")
def keys_as_they_are(q, k, gain):
    return gain * normalize(q, dim=-1) @ k.mT


@BANK.add("unit_scores", "queries left as they are", "queries still have their own lengths")
def queries_as_they_are(q, k, gain):
    return gain * q @ normalize(k, dim=-1).mT


@BANK.add("unit_scores", "nothing normalised", "Nothing was divided by its length")
def nothing(q, k, gain):
    return gain * q @ k.mT


@BANK.add("unit_scores", "√d as well", "√d")
def root_too(q, k, gain):
    return gain * normalize(q, dim=-1) @ normalize(k, dim=-1).mT / math.sqrt(q.shape[-1])


@BANK.add("unit_scores", "√d in place of lengths", "√d")
def root_only(q, k, gain):
    return gain * q @ k.mT / math.sqrt(q.shape[-1])


@BANK.add("unit_scores", "gain left out", "gain changes nothing")
def no_gain(q, k, gain):
    return normalize(q, dim=-1) @ normalize(k, dim=-1).mT


@BANK.add("unit_scores", "divided by the gain", "divided by the gain")
def by_gain(q, k, gain):
    return normalize(q, dim=-1) @ normalize(k, dim=-1).mT / gain


@BANK.add("unit_scores", "gain on both", "gain came in twice")
def gain_twice(q, k, gain):
    return (gain * normalize(q, dim=-1)) @ (gain * normalize(k, dim=-1)).mT


@BANK.add("unit_scores", "one length for all", "length of its own")
def one_length(q, k, gain):
    return gain * (q / q.norm()) @ (k / k.norm()).mT


@BANK.add("unit_scores", "normalize's default axis: dim=1", "Count axes")
def default_axis(q, k, gain):
    return gain * normalize(q, dim=1) @ normalize(k, dim=1).mT


@BANK.add("unit_scores", "along the tokens", "coordinate")
def along_tokens(q, k, gain):
    return gain * normalize(q, dim=-2) @ normalize(k, dim=-2).mT


@BANK.add("unit_scores", "squared lengths", "square of the length")
def squared(q, k, gain):
    q = q / q.square().sum(dim=-1, keepdim=True)
    k = k / k.square().sum(dim=-1, keepdim=True)
    return gain * q @ k.mT


@BANK.add("unit_scores", "0/0 for a query of zeros", "NaN.*zeros")
def nan_rows(q, k, gain):
    return gain * (q / q.norm(dim=-1, keepdim=True)) @ (k / k.norm(dim=-1, keepdim=True)).mT


@BANK.add("unit_scores", "sum of absolute values", "absolute")
def one_norm(q, k, gain):
    return gain * normalize(q, p=1, dim=-1) @ normalize(k, p=1, dim=-1).mT


@BANK.add("unit_scores", "weights", "weights already")
def weights(q, k, gain):
    return (gain * normalize(q, dim=-1) @ normalize(k, dim=-1).mT).softmax(dim=-1)


@BANK.add("unit_scores", "one plus the length", "added to the length")
def one_plus(q, k, gain):
    return gain * (q / (1 + q.norm(dim=-1, keepdim=True))) @ (k / (1 + k.norm(dim=-1, keepdim=True))).mT


@BANK.add("unit_scores", "scores normalised, not vectors", "scores were divided")
def scores_normalised(q, k, gain):
    return gain * normalize(q @ k.mT, dim=-1)


@BANK.add("unit_scores", "numpy", "numpy array")
def in_numpy(q, k, gain):
    import numpy as np

    q, k = q.numpy(), k.numpy()
    q = q / np.maximum(np.linalg.norm(q, axis=-1, keepdims=True), 1e-12)
    k = k / np.maximum(np.linalg.norm(k, axis=-1, keepdims=True), 1e-12)
    return gain * q @ np.swapaxes(k, -1, -2)


# --- even_attention --------------------------------------------------------------------------------------------------


@BANK.add("even_attention", "the planted bug, unchanged", "divided by d in all")
def planted(q, k, v):
    root = math.sqrt(q.shape[-1])
    q, k = q / root, k / root
    weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "no scale at all", r"√d (is|were) missing")
def no_scale(q, k, v):
    weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "times √d", "Multiplied by √d")
def times_root(q, k, v):
    weights = (q @ k.transpose(-2, -1) * math.sqrt(q.shape[-1])).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "fourth root once", "fourth root")
def fourth_root_once(q, k, v):
    q = q / q.shape[-1] ** 0.25
    weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "√ of the number of keys", "number of keys")
def root_of_keys(q, k, v):
    weights = (q @ k.transpose(-2, -1) / math.sqrt(k.shape[-2])).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "√ of the values' width", "width of (the|a) value")
def root_of_values(q, k, v):
    weights = (q @ k.transpose(-2, -1) / math.sqrt(v.shape[-1])).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "scale after the softmax", "should sum to 1")
def after_softmax(q, k, v):
    weights = (q @ k.transpose(-2, -1)).softmax(dim=-1) / math.sqrt(q.shape[-1])
    return weights @ v, weights


@BANK.add("even_attention", "softmax over queries", "Each column sums to 1")
def columns(q, k, v):
    weights = (q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])).softmax(dim=-2)
    return weights @ v, weights


@BANK.add("even_attention", "√64 written in", "divided by 8")
def sixty_four(q, k, v):
    weights = (q @ k.transpose(-2, -1) / 8).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "scaled in place", "changes its input q")
def in_place(q, k, v):
    q /= math.sqrt(q.shape[-1])
    weights = (q @ k.transpose(-2, -1)).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "values scaled too", "values were divided")
def values_too(q, k, v):
    root = q.shape[-1] ** 0.25
    weights = ((q / root) @ (k / root).transpose(-2, -1)).softmax(dim=-1)
    return weights @ (v / root), weights


@BANK.add("even_attention", "scores for weights", "weights are scores")
def scores_for_weights(q, k, v):
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    return scores.softmax(dim=-1) @ v, scores


@BANK.add("even_attention", ".T: right only without a batch", "Count axes")
def dot_t(q, k, v):
    scores = q @ k.permute(*reversed(range(k.dim()))) / math.sqrt(q.shape[-1])
    weights = scores.softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "float32 for safety", "dtype was lost")
def in_float(q, k, v):
    scores = q.float() @ k.float().mT / math.sqrt(q.shape[-1])
    weights = scores.softmax(dim=-1)
    return weights @ v.float(), weights


# --- query_gradient --------------------------------------------------------------------------------------------------


def scores_gradient(q, k, v, scale):
    w = (scale * q @ k.mT).softmax(dim=-1)
    u = v.sum(dim=-1).unsqueeze(-2)
    return w * (u - (w * u).sum(dim=-1, keepdim=True))


@BANK.add("query_gradient", "scale left out on the way back", "way back")
def no_scale_back(q, k, v, scale):
    return scores_gradient(q, k, v, scale) @ k


@BANK.add("query_gradient", "scale left out altogether", "scale changes nothing")
def no_scale_at_all(q, k, v, scale):
    return scores_gradient(q, k, v, 1.0) @ k


@BANK.add("query_gradient", "gradient of the scores", "gradient of the scores")
def of_scores(q, k, v, scale):
    return scores_gradient(q, k, v, scale)


@BANK.add("query_gradient", "gradient of the keys", "gradient of the keys")
def of_keys(q, k, v, scale):
    return scale * scores_gradient(q, k, v, scale).mT @ q


@BANK.add("query_gradient", "mean of the outputs by autograd", "mean of all outputs")
def of_mean(q, k, v, scale):
    q = q.detach().clone().requires_grad_()
    ((scale * q @ k.mT).softmax(dim=-1) @ v).mean().backward()
    return q.grad


@BANK.add("query_gradient", "gradient of the sum of weights", "zero everywhere. Either weights")
def of_weights(q, k, v, scale):
    q = q.detach().clone().requires_grad_()
    (scale * q @ k.mT).softmax(dim=-1).sum().backward()
    return q.grad


@BANK.add("query_gradient", "gradient of the sum of scores", "softmax is missing")
def of_sum_of_scores(q, k, v, scale):
    q = q.detach().clone().requires_grad_()
    (scale * q @ k.mT @ v).sum().backward()
    return q.grad


@BANK.add("query_gradient", "mean utility left out", "average of the u")
def no_mean(q, k, v, scale):
    w = (scale * q @ k.mT).softmax(dim=-1)
    u = v.sum(dim=-1).unsqueeze(-2)
    return scale * (w * u) @ k


@BANK.add("query_gradient", "the weight left out", "weight is missing")
def no_weight(q, k, v, scale):
    w = (scale * q @ k.mT).softmax(dim=-1)
    u = v.sum(dim=-1).unsqueeze(-2)
    return scale * (u - (w * u).sum(dim=-1, keepdim=True)) @ k


@BANK.add("query_gradient", "fixed 1/√d for the scale", "always 1/√d")
def fixed_scale(q, k, v, scale):
    c = 1 / math.sqrt(q.shape[-1])
    return c * scores_gradient(q, k, v, c) @ k


@BANK.add("query_gradient", "divided by the scale", "divided by the scale")
def divided(q, k, v, scale):
    return scores_gradient(q, k, v, 1 / scale) @ k / scale


@BANK.add("query_gradient", "a softmax over the queries", "over the queries")
def over_queries(q, k, v, scale):
    q = q.detach().clone().requires_grad_()
    ((scale * q @ k.mT).softmax(dim=-2) @ v).sum().backward()
    return q.grad


@BANK.add("query_gradient", "diagonal of the Jacobian alone", "diagonal")
def diagonal(q, k, v, scale):
    w = (scale * q @ k.mT).softmax(dim=-1)
    u = v.sum(dim=-1).unsqueeze(-2)
    return scale * (w * (1 - w) * u) @ k


@BANK.add("query_gradient", "length of the gradient", "gradient's length")
def length(q, k, v, scale):
    return (scale * scores_gradient(q, k, v, scale) @ k).norm(dim=-1)


# --- temperature_for -------------------------------------------------------------------------------------------------


def looked_at(weights):
    return (-torch.special.xlogy(weights, weights).sum(dim=-1)).exp()


def bisect(scores, wanted, measure):
    low = torch.full_like(scores[..., :1], 1e-6)
    high = torch.full_like(scores[..., :1], 1e6)
    for _ in range(200):
        middle = (low * high).sqrt()
        more = (measure((scores / middle).softmax(dim=-1)) > wanted).unsqueeze(-1)
        high = torch.where(more, middle, high)
        low = torch.where(more, low, middle)
    return middle.squeeze(-1)


@BANK.add("temperature_for", "entropy itself for the number of keys", "entropy itself")
def entropy_itself(scores, keys):
    return bisect(scores, keys, lambda w: looked_at(w).log())


@BANK.add("temperature_for", "base 2", "Two bases")
def base_two(scores, keys):
    return bisect(scores, keys, lambda w: looked_at(w).log2().exp())


@BANK.add("temperature_for", "1 over the temperature", "one over the temperature")
def inverse(scores, keys):
    return 1 / bisect(scores, keys, looked_at)


@BANK.add("temperature_for", "one temperature for all queries", "One temperature for all")
def one_for_all(scores, keys):
    middle, low, high = 1.0, 1e-6, 1e6
    for _ in range(200):
        middle = math.sqrt(low * high)
        if looked_at((scores / middle).softmax(dim=-1)).mean() > keys:
            high = middle
        else:
            low = middle
    return torch.full_like(scores[..., 0], middle)


@BANK.add("temperature_for", "too few steps", "differs most at")
def too_few(scores, keys):
    low = torch.full_like(scores[..., 0], 0.01)
    high = torch.full_like(scores[..., 0], 100.0)
    for _ in range(8):
        middle = (low * high).sqrt()
        more = looked_at((scores / middle.unsqueeze(-1)).softmax(dim=-1)) > keys
        high, low = torch.where(more, middle, high), torch.where(more, low, middle)
    return middle


@BANK.add("temperature_for", "range too small", "reach")
def small_range(scores, keys):
    low = torch.full_like(scores[..., 0], 0.01)
    high = torch.full_like(scores[..., 0], 100.0)
    for _ in range(60):
        middle = (low + high) / 2
        more = looked_at((scores / middle.unsqueeze(-1)).softmax(dim=-1)) > keys
        high, low = torch.where(more, middle, high), torch.where(more, low, middle)
    return middle


@BANK.add("temperature_for", "sides exchanged", "wrong half")
def wrong_way(scores, keys):
    low = torch.full_like(scores[..., 0], 1e-4)
    high = torch.full_like(scores[..., 0], 1e4)
    for _ in range(60):
        middle = (low * high).sqrt()
        more = looked_at((scores / middle.unsqueeze(-1)).softmax(dim=-1)) > keys
        low, high = torch.where(more, middle, low), torch.where(more, high, middle)
    return middle


@BANK.add("temperature_for", "1 over the sum of squares for e to the entropy", "sum of squares")
def by_squares(scores, keys):
    return bisect(scores, keys, lambda w: 1 / w.square().sum(dim=-1))


@BANK.add("temperature_for", "entropy over the queries", "over the queries|shape of the temperature")
def over_queries_entropy(scores, keys):
    return bisect(scores.mT, keys, looked_at)


@BANK.add("temperature_for", "kept as a column", "shape")
def column(scores, keys):
    return bisect(scores, keys, looked_at).unsqueeze(-1)


@BANK.add("temperature_for", "float32", "dtype was lost")
def lost(scores, keys):
    return bisect(scores, keys, looked_at).float()


# --- More of each task -----------------------------------------------------------------------------------------------

BANK.value("score_variance", math.sqrt(8) * 18, "√d times a product's variance", "for standard deviations")
BANK.value("divisor", 8 * math.sqrt(18), "d times a product's standard deviation", "of all of it")
BANK.value("gradients", (3 / 16, 3 / 32, 3 / 64), "3/16 divided by 2 and by 4", "does not just shrink")


@BANK.add("unit_scores", "gain normalised away", "gain changes nothing")
def gain_too_early(q, k, gain):
    return normalize(gain * q, dim=-1) @ normalize(k, dim=-1).mT


@BANK.add("unit_scores", "only long vectors shortened", "Only vectors longer than 1")
def clamped(q, k, gain):
    q = q / q.norm(dim=-1, keepdim=True).clamp(min=1)
    k = k / k.norm(dim=-1, keepdim=True).clamp(min=1)
    return gain * q @ k.mT


@BANK.add("unit_scores", "standard deviation for the length", "standard deviation")
def by_deviation(q, k, gain):
    return gain * (q / q.std(dim=-1, keepdim=True)) @ (k / k.std(dim=-1, keepdim=True)).mT


@BANK.add("unit_scores", "a thousandth more than the length", "added to the length")
def thousandth(q, k, gain):
    q = q / (q.norm(dim=-1, keepdim=True) + 1e-3)
    k = k / (k.norm(dim=-1, keepdim=True) + 1e-3)
    return gain * q @ k.mT


@BANK.add("even_attention", "√d on one side, its root on the other", "different numbers")
def uneven(q, k, v):
    d = q.shape[-1]
    weights = ((q / d**0.5) @ (k / d**0.25).mT).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("even_attention", "a logarithm", "logarithm of d")
def by_logarithm(q, k, v):
    weights = (q @ k.mT / math.log(q.shape[-1])).softmax(dim=-1)
    return weights @ v, weights


@BANK.add("query_gradient", "scale twice", "came in twice")
def scale_twice(q, k, v, scale):
    q = q.clone().requires_grad_()
    ((scale * q @ k.mT).softmax(dim=-1) @ v).sum().backward()
    return scale * q.grad


@BANK.add("query_gradient", "squares of the outputs", "sum of squares")
def of_squares(q, k, v, scale):
    q = q.clone().requires_grad_()
    ((scale * q @ k.mT).softmax(dim=-1) @ v).square().sum().backward()
    return q.grad


@BANK.add("query_gradient", "first number of the outputs", "Only the first number")
def first_number(q, k, v, scale):
    q = q.clone().requires_grad_()
    ((scale * q @ k.mT).softmax(dim=-1) @ v)[..., 0].sum().backward()
    return q.grad


@BANK.add("query_gradient", "detached", "returns None")
def detached(q, k, v, scale):
    x = q.clone().requires_grad_()
    ((scale * x.detach() @ k.mT).softmax(dim=-1) @ v).sum()
    return x.grad


@BANK.add("temperature_for", "the scores' spread", "spread of the scores")
def spread(scores, keys):
    return scores.std(dim=-1)


@BANK.add("temperature_for", "multiplied by the temperature", "it divides the scores")
def multiplied(scores, keys):
    low = torch.full_like(scores[..., 0], 1e-6)
    high = torch.full_like(scores[..., 0], 1e6)
    for _ in range(100):
        middle = (low * high).sqrt()
        more = looked_at((scores * middle.unsqueeze(-1)).softmax(dim=-1)) > keys
        high, low = torch.where(more, middle, high), torch.where(more, low, middle)
    return middle
