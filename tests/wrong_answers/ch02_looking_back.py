"""Wrong answers to chapter 2's exercises."""

import math

import torch

from wrong_answers import Bank

BANK = Bank()

BANK.value("weights", (3, 1, 6), "powers not divided", "divided by their sum")
BANK.value("weights", (0, 0, 1), "hard choice", "hard choice")
BANK.value("weights", (1 / 3, 0, 2 / 3), "e to the 0 taken as 0", "e to the power 0 is 1")
BANK.value("context", (5, 5), "plain mean", "plain mean")
BANK.value("context", (60, -10), "powers not divided", "divide them by their sum")
BANK.value("context", (5, -5), "value with the largest weight", "average of all")
BANK.value("context", torch.tensor([7.5, 0.5]), "values in another order", "another order")
BANK.value("context", (6, -1, 0), "three numbers", "shape")


# --- masked_softmax --------------------------------------------------------------------------------------------------


@BANK.add("masked_softmax", "softmax over the queries", "Each column sums to 1.*dim=-1")
def over_queries(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, -torch.inf), dim=-2)


@BANK.add("masked_softmax", "dim=1: right only without a batch", "Count from the end")
def dim_one(scores, mask):
    scores = torch.where(mask, scores, -torch.inf)
    return torch.nan_to_num(torch.softmax(scores, dim=1))


@BANK.add("masked_softmax", "mask ignored", "mask changes nothing")
def ignored(scores, mask):
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True).values)
    return e / e.sum(dim=-1, keepdim=True)


@BANK.add("masked_softmax", "mask after the softmax", "mask came after the softmax")
def after(scores, mask):
    return scores.softmax(-1).masked_fill(~mask, 0)


@BANK.add("masked_softmax", "mask polarity flipped", "wrong way round")
def flipped(scores, mask):
    return torch.softmax(scores.masked_fill(mask, -math.inf), dim=-1)


@BANK.add("masked_softmax", "mask polarity flipped, NaN mended", "wrong way round")
def flipped_and_mended(scores, mask):
    weights = torch.softmax(scores.masked_fill(mask, -math.inf), dim=-1)
    return torch.where(weights.isnan(), 0, weights)


@BANK.add("masked_softmax", "scores times mask", "set to 0")
def times(scores, mask):
    return torch.softmax(scores * mask, dim=-1)


@BANK.add("masked_softmax", "NaN for a query that may attend to nothing", "NaN in row 1.*attend to nothing")
def nan_row(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, float("-inf")), dim=-1)


@BANK.add("masked_softmax", "-1e9: equal weights for a query that may attend to nothing", "got equal weights")
def large_negative(scores, mask):
    return torch.softmax(scores.masked_fill(~mask, -1e9), dim=-1)


@BANK.add("masked_softmax", "highest score of a hidden key", "highest score that was taken off")
def hidden_highest(scores, mask):
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True).values) * mask
    return e / e.sum(dim=-1, keepdim=True)


@BANK.add("masked_softmax", "highest score of a hidden key, with an epsilon", "highest score that was taken off")
def hidden_highest_epsilon(scores, mask):
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True).values) * mask
    return e / (e.sum(dim=-1, keepdim=True) + 1e-9)


@BANK.add("masked_softmax", "looks for an empty mask, not an empty row", "NaN in row 1.*attend to nothing")
def whole_mask(scores, mask):
    if not mask.any():
        return torch.zeros_like(scores)
    return scores.masked_fill(~mask, -torch.inf).softmax(dim=-1)


@BANK.add("masked_softmax", "sum without keepdim", "stops with RuntimeError in your line")
def no_keepdim(scores, mask):
    e = scores.exp() * mask
    return e / e.sum(-1)


@BANK.add("masked_softmax", "logarithms of weights", "sums to -")
def logarithms(scores, mask):
    return scores.masked_fill(~mask, -1e9).log_softmax(dim=-1)


@BANK.add("masked_softmax", "overflow", "(NaN|infinity).*overflows")
def overflow(scores, mask):
    e = scores.exp() * mask
    return e / e.sum(dim=-1, keepdim=True).clamp(min=1e-300)


@BANK.add("masked_softmax", "NaN mended in the result, alive in the gradients", "still reaches the gradients")
def mended_too_late(scores, mask):
    hide = torch.zeros_like(scores).masked_fill(~mask, float("-inf"))
    return torch.softmax(scores + hide, dim=-1).nan_to_num()


@BANK.add("masked_softmax", "divided by the sum of all", "All weights together sum to 1")
def sum_of_all(scores, mask):
    e = (scores - scores.max()).exp() * mask
    return e / e.sum()


@BANK.add("masked_softmax", "writes into its input", "changes its input scores")
def in_place(scores, mask):
    if scores.requires_grad:
        scores = scores.clone()
    somebody = mask.any(dim=-1, keepdim=True)
    scores[(~mask & somebody).expand_as(scores)] = float("-inf")
    return scores.softmax(dim=-1) * somebody


@BANK.add("masked_softmax", "dtype lost", "dtype was lost")
def dtype_lost(scores, mask):
    somebody = mask.any(dim=-1, keepdim=True)
    return scores.float().masked_fill(~mask & somebody, -1e30).softmax(dim=-1) * somebody


@BANK.add("masked_softmax", "device lost", "would fail on a GPU")
def device_lost(scores, mask):
    somebody = mask.any(dim=-1, keepdim=True)
    hide = torch.zeros(mask.shape, dtype=scores.dtype)
    hide[(~mask & somebody).cpu() if mask.device.type == "cpu" else ...] = -torch.inf
    return (scores + hide).softmax(dim=-1) * somebody


@BANK.add("masked_softmax", "a loop that takes two axes", "Count from the end|batch")
def two_axes(scores, mask):
    rows = []
    for row, may in zip(scores, mask, strict=True):
        e = torch.where(may, (row - row[may].max()).exp(), 0)
        rows.append(e / e.sum())
    return torch.stack(rows)


@BANK.add("masked_softmax", "a list", "torch tensor, got of type list")
def as_list(scores, mask):
    return scores.softmax(dim=-1).tolist()


# --- look_back -------------------------------------------------------------------------------------------------------


@BANK.add("look_back", "the planted bug, unchanged", "no gradient reaches the scores")
def planted(scores, values):
    with torch.no_grad():
        highest = scores.max(dim=-1, keepdim=True).values
        e = torch.exp(scores - highest)
        weights = e / e.sum(dim=-1, keepdim=True)
    return weights @ values, weights


@BANK.add("look_back", "the sum alone under no_grad", "sum below the fraction line")
def sum_cut_off(scores, values):
    e = torch.exp(scores - scores.max(dim=-1, keepdim=True).values.detach())
    with torch.no_grad():
        total = e.sum(dim=-1, keepdim=True)
    return e / total @ values, e / total


@BANK.add("look_back", "values cut off", "no gradient reaches the values")
def values_cut_off(scores, values):
    weights = scores.softmax(dim=-1)
    return weights @ values.data, weights


@BANK.add("look_back", "through lists", "no gradient reaches (the scores|anything)")
def through_lists(scores, values):
    weights = torch.tensor(scores.softmax(dim=-1).tolist(), dtype=scores.dtype)
    return weights @ values, weights


@BANK.add("look_back", "hard look-up", "hard look-up")
def hard(scores, values):
    weights = torch.nn.functional.one_hot(scores.argmax(dim=-1), scores.shape[-1]).to(scores.dtype)
    return weights @ values, weights


@BANK.add("look_back", "context alone", "should return 2 things")
def context_alone(scores, values):
    return scores.softmax(dim=-1) @ values


@BANK.add("look_back", "weights first", "first the context, then the weights")
def weights_first(scores, values):
    weights = scores.softmax(dim=-1)
    return weights, weights @ values


@BANK.add("look_back", "overflow", "e to the power 1000 overflows")
def look_overflow(scores, values):
    e = scores.exp()
    weights = e / e.sum(dim=-1, keepdim=True)
    return weights @ values, weights


@BANK.add("look_back", "softmax over the queries", "Each column sums to 1")
def look_over_queries(scores, values):
    weights = scores.softmax(dim=0)
    return weights @ values, weights


# --- looked_at -------------------------------------------------------------------------------------------------------


@BANK.add("looked_at", "entropy itself", "entropy itself")
def entropy(weights):
    return -(weights * weights.log()).nan_to_num().sum(dim=-1)


@BANK.add("looked_at", "NaN at a weight of 0", "NaN.*0 · ln 0")
def nan_at_zero(weights):
    return torch.exp(-(weights * torch.log(weights)).sum(dim=-1))


@BANK.add("looked_at", "over the queries", "runs over the queries")
def entropy_of_queries(weights):
    return torch.exp(-(weights * torch.log(weights)).sum(dim=-2))


@BANK.add("looked_at", "one number for all", "One number for all queries")
def one_number(weights):
    return torch.exp(-(weights * torch.log(weights + 1e-30)).sum())


@BANK.add("looked_at", "bases mixed", "Two bases are mixed")
def bases(weights):
    return torch.exp(-(weights * torch.log2(weights + 1e-30)).sum(dim=-1))


@BANK.add("looked_at", "power of 2 of natural logarithms", "Two bases are mixed")
def power_of_2(weights):
    return 2 ** -(weights * torch.log(weights + 1e-30)).sum(dim=-1)


@BANK.add("looked_at", "mean over the keys", "averaged over the keys")
def mean_over_keys(weights):
    return torch.exp(-(weights * torch.log(weights + 1e-30)).mean(dim=-1))


@BANK.add("looked_at", "sign missing", "sign of the entropy")
def no_sign(weights):
    return torch.exp((weights * torch.log(weights + 1e-30)).sum(dim=-1))


@BANK.add("looked_at", "counts the keys with any weight", "keys with any weight")
def count(weights):
    return (weights > 0).double().sum(dim=-1) if weights.dtype == torch.float64 else (weights > 0).sum(dim=-1)


# --- score_gradient --------------------------------------------------------------------------------------------------


@BANK.add("score_gradient", "gradient of the weights", "gradient of the weights")
def of_weights(weights, values, output_gradient):
    return output_gradient @ values.transpose(-1, -2)


@BANK.add("score_gradient", "context missing", "context is missing")
def no_context(weights, values, output_gradient):
    return weights * (output_gradient @ values.transpose(-1, -2))


@BANK.add("score_gradient", "weight missing", "weight is missing")
def no_weight(weights, values, output_gradient):
    context = weights @ values
    return ((values.unsqueeze(-3) - context.unsqueeze(-2)) * output_gradient.unsqueeze(-2)).sum(dim=-1)


@BANK.add("score_gradient", "sign flipped", "sign is turned around")
def sign(weights, values, output_gradient):
    context = weights @ values
    return weights * ((context.unsqueeze(-2) - values.unsqueeze(-3)) * output_gradient.unsqueeze(-2)).sum(dim=-1)


@BANK.add("score_gradient", "a bracket missing", "before the bracket")
def no_bracket(weights, values, output_gradient):
    along_context = (output_gradient * (weights @ values)).sum(dim=-1, keepdim=True)
    return weights * (output_gradient @ values.transpose(-1, -2)) - along_context


@BANK.add("score_gradient", "gradient of the context left out", "gradient of the context is not used")
def no_output_gradient(weights, values, output_gradient):
    context = weights @ values
    return weights * (values[..., None, :, :] - context[..., :, None, :]).sum(dim=-1)


@BANK.add("score_gradient", "plain mean for the context", "plain mean of the values")
def mean_for_context(weights, values, output_gradient):
    return weights * (output_gradient @ (values - values.mean(dim=-2, keepdim=True)).mT)


@BANK.add("score_gradient", "mean over the coordinates", "coordinates were averaged")
def averaged(weights, values, output_gradient):
    context = weights @ values
    return weights * ((values.unsqueeze(-3) - context.unsqueeze(-2)) * output_gradient.unsqueeze(-2)).mean(dim=-1)


@BANK.add("score_gradient", "right, with a tensor for each pair", "for every pair of a query and a key")
def each_pair(weights, values, output_gradient):
    context = weights @ values
    return weights * ((values.unsqueeze(-3) - context.unsqueeze(-2)) * output_gradient.unsqueeze(-2)).sum(dim=-1)


@BANK.add("score_gradient", "values.T: right only without a batch", "turns all axes around")
def all_axes(weights, values, output_gradient):
    along_values = output_gradient @ values.permute(*reversed(range(values.dim())))
    return weights * (along_values - (output_gradient * (weights @ values)).sum(dim=-1, keepdim=True))
