"""Wrong answers to chapter 9's exercises."""

import torch

from wrong_answers import Bank

BANK = Bank()

BANK.value("rolled_out", (0.6, 0, 0.4), "no residual path", "residual path is missing: half")
BANK.value("rolled_out", (0.25, 0.15, 0.6), "layers in the wrong order", "layers are in the wrong order")
BANK.value("rolled_out", (0, 0.6, 0.4), "last layer as drawn", "last layer alone, as it is drawn")
BANK.value("rolled_out", (0.5, 0.3, 0.2), "last layer with its residual", "last layer alone, with its residual")
BANK.value("rolled_out", (1.6, 0.6, 1.8), "identity added, nothing halved", "halves are missing")
BANK.value("rolled_out", (0.3, 0.3, 0.4), "residual in the first layer only", "residual path of the last layer")
BANK.value("rolled_out", (0.5, 0.15, 0.35), "mean of the layers", "mean of two rows")
BANK.value("rolled_out", None, "nothing written", "should be numbers")
BANK.value("fetched", (0.6, 0.3, 0.1), "the weights", "the weights alone")
BANK.value("fetched", (0.2, 1, 5), "the lengths of the values", "values alone")
BANK.value("fetched", (0.12, 0.3 * 1.4, 0.7), "sum of the numbers for the length", "not the sum of its numbers")
BANK.value("fetched", (0.024, 0.3, 2.5), "no root", "root is missing")
BANK.value("fetched", (0.13043478, 0.32608696, 0.54347826), "shares", "shares that sum to 1")


# --- followed --------------------------------------------------------------------------------------------------------


def no_sink(mean):
    rest = mean.clone()
    rest[:, 0] = 0
    return rest / rest.sum(dim=1, keepdim=True)


def eye_like(weights):
    return torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)


def chain(layers):
    total = eye_like(layers[0])
    for layer in layers:
        total = layer @ total
    return total


def mix(mean, kept):
    return kept * eye_like(mean) + (1 - kept) * mean


@BANK.add("followed", "product from the left", "wrong order")
def from_the_left(weights, kept):
    total = eye_like(weights)
    for layer in weights:
        total = total @ mix(no_sink(layer.mean(0)), kept)
    return total


@BANK.add("followed", "no residual path", "residual path is missing")
def no_residual(weights, kept):
    return chain([no_sink(layer.mean(0)) for layer in weights])


@BANK.add("followed", "a half whatever is kept", "One half is kept")
def always_half(weights, kept):
    return chain([(no_sink(layer.mean(0)) + eye_like(weights)) / 2 for layer in weights])


@BANK.add("followed", "kept for the attention", "shares have changed places")
def shares_swapped(weights, kept):
    return chain([kept * no_sink(layer.mean(0)) + (1 - kept) * eye_like(weights) for layer in weights])


@BANK.add("followed", "plain rollout", "sink is still there")
def plain(weights, kept):
    return chain([mix(layer.mean(0), kept) for layer in weights])


@BANK.add("followed", "rows not brought back to 1", "not brought back to a sum of 1")
def not_renormalised(weights, kept):
    gone = weights.clone()
    gone[..., 0] = 0
    return chain([mix(layer.mean(0), kept) for layer in gone])


@BANK.add("followed", "sink taken out at the end", "at the end")
def sink_last(weights, kept):
    return no_sink(plain(weights, kept))


@BANK.add("followed", "sink taken out after mixing", "its own path went with it")
def sink_after_mixing(weights, kept):
    return chain([no_sink(mix(layer.mean(0), kept)) for layer in weights])


@BANK.add("followed", "rows normalised after mixing", "normalised after the residual path")
def normalised_after(weights, kept):
    layers = []
    for layer in weights.mean(1):
        layer = layer.clone()
        layer[:, 0] = 0
        layer = kept * eye_like(layer) + (1 - kept) * layer
        layers.append(layer / layer.sum(-1, keepdim=True))
    return chain(layers)


@BANK.add("followed", "each head renormalised", "Each head was renormalised")
def heads_first(weights, kept):
    gone = weights.clone()
    gone[..., 0] = 0
    gone = gone / gone.sum(-1, keepdim=True)
    return chain([mix(layer.mean(0), kept) for layer in gone])


@BANK.add("followed", "row 0 instead of column 0", "Rows were taken for columns|NaN in row")
def row_zero(weights, kept):
    gone = weights.mean(1).clone()
    gone[:, 0, :] = 0
    return chain([mix(layer / layer.sum(-1, keepdim=True), kept) for layer in gone])


@BANK.add("followed", "one head", "first head alone")
def one_head(weights, kept):
    return chain([mix(no_sink(layer[0]), kept) for layer in weights])


@BANK.add("followed", "mean of layers", "mean over layers")
def mean_of_layers(weights, kept):
    return sum(mix(no_sink(layer.mean(0)), kept) for layer in weights) / len(weights)


@BANK.add("followed", "last layer", "last layer alone")
def last_layer(weights, kept):
    return mix(no_sink(weights.mean(1)[-1]), kept)


@BANK.add("followed", "* for @", "number by number")
def by_number(weights, kept):
    total = 1
    for layer in weights:
        total = total * mix(no_sink(layer.mean(0)), kept)
    return total


@BANK.add("followed", "writes into the weights", "in place")
def in_place(weights, kept):
    means = weights.mean(1)
    weights[..., 0] = 0
    return chain([mix(no_sink(mean), kept) for mean in means])


# --- fetched_lengths -------------------------------------------------------------------------------------------------


def parts(weights, values, w_o):
    h, d_head = values.shape[-3], values.shape[-1]
    seen = values @ w_o.reshape(h, d_head, -1)
    return weights[..., None] * seen[..., None, :, :]  # (..., h, n_q, n_k, d_model)


@BANK.add("fetched_lengths", "lengths before the sum", "before the heads were added up")
def lengths_first(weights, values, w_o):
    return parts(weights, values, w_o).norm(dim=-1).sum(-3)


@BANK.add("fetched_lengths", "mean of lengths", "and then their mean")
def mean_of_lengths(weights, values, w_o):
    return parts(weights, values, w_o).norm(dim=-1).mean(-3)


@BANK.add("fetched_lengths", "mean over heads", "mean over the heads")
def mean_of_heads(weights, values, w_o):
    return parts(weights, values, w_o).mean(-4).norm(dim=-1)


@BANK.add("fetched_lengths", "no W_o", "W_o is missing")
def no_output(weights, values, w_o):
    heads = weights[..., None] * values[..., None, :, :]
    return heads.pow(2).sum((-4, -1)).sqrt()


@BANK.add("fetched_lengths", "root of the sum of squares over heads", "right angles")
def right_angles(weights, values, w_o):
    return parts(weights, values, w_o).norm(dim=-1).pow(2).sum(-3).sqrt()


@BANK.add("fetched_lengths", "sum of absolute values", "absolute values")
def absolute(weights, values, w_o):
    return parts(weights, values, w_o).sum(-4).norm(p=1, dim=-1)


@BANK.add("fetched_lengths", "no root", "squared lengths")
def no_root(weights, values, w_o):
    return (parts(weights, values, w_o).sum(-4) ** 2).sum(-1)


@BANK.add("fetched_lengths", "heads kept apart", "heads are still apart")
def heads_apart(weights, values, w_o):
    return parts(weights, values, w_o).norm(dim=-1)


@BANK.add("fetched_lengths", "mean weights", "mean of the heads' weights")
def mean_weights(weights, values, w_o):
    n_heads, d_head = values.shape[-3], values.shape[-1]
    seen = (values @ w_o.reshape(n_heads, d_head, -1)).sum(-3)
    return weights.mean(-3) * seen.norm(dim=-1).unsqueeze(-2)


@BANK.add("fetched_lengths", "no weights", "without the weights")
def no_weights(weights, values, w_o):
    return parts(weights * 0 + 1, values, w_o).sum(-4).norm(dim=-1)


@BANK.add("fetched_lengths", "renormalised", "divided by its sum")
def renormalised(weights, values, w_o):
    lengths = parts(weights, values, w_o).sum(-4).norm(dim=-1)
    return lengths / lengths.sum(-1, keepdim=True)


# --- spearman --------------------------------------------------------------------------------------------------------


def pearson(x, y):
    x = x - x.mean(-1, keepdim=True)
    y = y - y.mean(-1, keepdim=True)
    return (x * y).sum(-1) / (x.pow(2).sum(-1) * y.pow(2).sum(-1)).sqrt()


def mean_ranks(x):
    bigger = (x[..., :, None] > x[..., None, :]).sum(-1)
    not_smaller = (x[..., :, None] >= x[..., None, :]).sum(-1)
    return (bigger + not_smaller + 1).to(x.dtype) / 2


@BANK.add("spearman", "argsort of argsort", "ranked by where they stand")
def twice_sorted(a, b):
    ranks = [x.argsort(dim=-1, stable=True).argsort(dim=-1).to(a.dtype) for x in (a, b)]
    return pearson(*ranks)


@BANK.add("spearman", "one argsort", "One argsort")
def once_sorted(a, b):
    return pearson(a.argsort(-1).to(a.dtype), b.argsort(-1).to(a.dtype))


@BANK.add("spearman", "ties get the lowest", "lowest of their places")
def lowest(a, b):
    ranks = [(x[..., :, None] > x[..., None, :]).sum(-1).to(a.dtype) for x in (a, b)]
    return pearson(*ranks)


@BANK.add("spearman", "ties get the highest", "highest of their places")
def highest(a, b):
    ranks = [(x[..., :, None] >= x[..., None, :]).sum(-1).to(a.dtype) for x in (a, b)]
    return pearson(*ranks)


@BANK.add("spearman", "short cut with ties", "short cut")
def short_cut(a, b):
    n = a.shape[-1]
    d = mean_ranks(a) - mean_ranks(b)
    return 1 - 6 * (d**2).sum(-1) / (n**3 - n)


@BANK.add("spearman", "no ranks", "and not their ranks")
def no_ranks(a, b):
    return pearson(a, b)


@BANK.add("spearman", "cosine of ranks", "a cosine")
def cosine(a, b):
    return torch.cosine_similarity(mean_ranks(a), mean_ranks(b), dim=-1)


@BANK.add("spearman", "Kendall", "Kendall")
def kendall(a, b):
    x = (a[..., :, None] - a[..., None, :]).sign()
    y = (b[..., :, None] - b[..., None, :]).sign()
    return (x * y).sum((-1, -2)) / ((x**2).sum((-1, -2)) * (y**2).sum((-1, -2))) ** 0.5


@BANK.add("spearman", "one from the top", "sign is turned around")
def one_from_the_top(a, b):
    return pearson(mean_ranks(-a), mean_ranks(b))


@BANK.add("spearman", "one number for all rows", "One number came out")
def one_number(a, b):
    return pearson(mean_ranks(a), mean_ranks(b)).mean()


# --- slide -----------------------------------------------------------------------------------------------------------


def freed(direction, fixed):
    u, s, _ = torch.linalg.svd(fixed, full_matrices=False)
    u = u[:, s > 1e-9 * s.max()]
    return direction - u @ (u.T @ direction)


def reach(weights, step):
    shrinking = step < -1e-12
    return (weights[shrinking] / -step[shrinking]).min()


def with_ones(values):
    return torch.hstack([values, torch.ones(len(values), 1, dtype=values.dtype)])


@BANK.add("slide", "direction as it is", "taken as it is")
def as_it_is(weights, values, direction):
    return weights + reach(weights, direction) * direction


@BANK.add("slide", "sum forgotten", "no longer sum to 1")
def sum_forgotten(weights, values, direction):
    step = freed(direction, values)
    return weights + reach(weights, step) * step


@BANK.add("slide", "output forgotten", "but the output changes")
def output_forgotten(weights, values, direction):
    step = direction - direction.mean()
    return weights + reach(weights, step) * step


@BANK.add("slide", "columns one by one", "one after the other")
def one_by_one(weights, values, direction):
    step = direction.clone()
    for column in [*values.T, torch.ones_like(weights)]:
        step -= (step @ column) / column.pow(2).sum() * column
    return weights + reach(weights, step) * step


@BANK.add("slide", "one whole step", "one whole step")
def whole_step(weights, values, direction):
    return weights + freed(direction, with_ones(values))


@BANK.add("slide", "clamped", "cut to 0")
def clamped(weights, values, direction):
    found = (weights + freed(direction, with_ones(values))).relu()
    return found / found.sum()


@BANK.add("slide", "max for min", "Gone too far")
def largest_room(weights, values, direction):
    step = freed(direction, with_ones(values))
    return weights + (weights[step < -1e-12] / -step[step < -1e-12]).max() * step


@BANK.add("slide", "backwards", "opposite direction")
def backwards(weights, values, direction):
    step = freed(-direction, with_ones(values))
    return weights + reach(weights, step) * step


@BANK.add("slide", "the step alone", "steps alone")
def step_alone(weights, values, direction):
    step = freed(direction, with_ones(values))
    return reach(weights, step) * step


@BANK.add("slide", "normal equations", "has no inverse")
def normal_equations(weights, values, direction):
    fixed = with_ones(values)
    step = direction - fixed @ torch.linalg.inv(fixed.T @ fixed) @ fixed.T @ direction
    return weights + reach(weights, step) * step


@BANK.add("slide", "growing weights as limits", "Weights that grow were taken for limits")
def all_limits(weights, values, direction):
    step = freed(direction, with_ones(values))
    return weights + torch.min(weights / step.abs()) * step


@BANK.add("fetched_lengths", "rows of W_o in turn", "dealt out to the heads in turn")
def rows_in_turn(weights, values, w_o):
    h, d_head = values.shape[-3], values.shape[-1]
    bands = torch.stack([w_o[head::h] for head in range(h)])
    assert bands.shape[1] == d_head
    return torch.einsum("...hij,...hjm->...ijm", weights, values @ bands).norm(dim=-1)
